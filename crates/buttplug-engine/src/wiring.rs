//! The one place where buses and connectors are put together, and taken apart in order.

use crate::settings::Settings;
use buttplug_connector_websocket::{WebSocketLimits, WebSocketListener};
use buttplug_core::connector::AcceptConnection;
use buttplug_hardware_dialin::DialInBus;
use buttplug_protocols::catalogue::Catalogue;
use buttplug_server::Server;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the end may take. Programs that start an engine kill it after three seconds; the rest is for starting to
/// end, and for the last lines of the log.
const MAX_SHUTDOWN: Duration = Duration::from_millis(2200);

/// Why the engine could not start.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum StartError {
    /// A port could not be opened.
    #[error("{reason} (--{flag})")]
    Port {
        /// Which one, and why.
        reason: String,
        /// The flag that chooses another.
        flag: &'static str,
    },
}

impl StartError {
    fn port(flag: &'static str, reason: &impl fmt::Display) -> Self {
        Self::Port { reason: reason.to_string(), flag }
    }
}

/// A server with its open ports.
pub(crate) struct Engine {
    server: Server,
    stop_listening: oneshot::Sender<()>,
    listening: JoinHandle<()>,
}

impl Engine {
    /// Opens the ports and starts the server. When it returns, clients and devices may connect.
    ///
    /// # Errors
    /// A port can't be opened; then none stays open.
    pub(crate) async fn start(settings: Settings) -> Result<Self, StartError> {
        let clients =
            WebSocketListener::bind(&settings.clients.addresses(), WebSocketLimits::default()).await;
        let clients = clients.map_err(|error| StartError::port("websocket-port", &error))?;
        let devices = match &settings.devices {
            Some(listen) => {
                let bus = DialInBus::bind(&listen.addresses()).await;
                Some(bus.map_err(|error| StartError::port("device-websocket-server-port", &error))?)
            }
            None => None,
        };
        let mut server = Server::builder()
            .name(settings.server_name.clone())
            .max_ping_time(settings.max_ping_time.unwrap_or(Duration::ZERO))
            .catalogue(catalogue(&settings));
        if settings.single_client {
            server = server.max_clients(1);
        }
        if let Some(bus) = devices {
            for address in bus.local_addresses() {
                tracing::info!(%address, "listening for devices");
            }
            server = server.bus(Arc::new(bus));
        }
        #[cfg(feature = "bluetooth")]
        if settings.bluetooth {
            server = server.bus(Arc::new(buttplug_hardware_bluetooth::BluetoothBus::new()));
        }
        let server = server.start();
        for address in clients.local_addresses() {
            tracing::info!(%address, "listening for clients");
        }
        let (stop_listening, stop) = oneshot::channel();
        let accept: Arc<dyn AcceptConnection> = Arc::new(server.clone());
        // Ends when told to, and is awaited in `shut_down`.
        let listening = tokio::spawn(clients.run(accept, async {
            // A sender that is gone means the same as one that has spoken.
            let _ = stop.await;
        }));
        Ok(Self { server, stop_listening, listening })
    }

    /// Refuses new work, stops every device, closes every connection. Answers whether all of it was done in time.
    pub(crate) async fn shut_down(self) -> bool {
        let Self { server, stop_listening, listening } = self;
        // Nobody listening any more is what is wanted.
        let _ = stop_listening.send(());
        let all = async {
            server.shut_down().await;
            if let Err(failed) = listening.await {
                tracing::error!(%failed, "the client port ended badly");
            }
        };
        timeout(MAX_SHUTDOWN, all).await.is_ok()
    }
}

/// The built-in catalogue and the rules of the user file.
fn catalogue(settings: &Settings) -> Catalogue {
    let mut catalogue = Catalogue::builtin();
    for rule in &settings.websocket_rules {
        if let Err(error) = catalogue.add_websocket_rule(&rule.protocol, &rule.identifier) {
            tracing::warn!("a rule of the user file has no effect: {error}");
        }
    }
    catalogue
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::ServeFlags;
    use std::net::TcpListener;

    fn settings(port: u16) -> Settings {
        Settings::new(&ServeFlags { websocket_port: Some(port), ..ServeFlags::default() }).unwrap()
    }

    #[tokio::test]
    async fn an_idle_engine_starts_and_ends_at_once() {
        let engine = Engine::start(settings(0)).await.unwrap();
        assert!(engine.shut_down().await);
    }

    #[tokio::test]
    async fn a_port_that_is_taken_is_named_with_the_flag_that_chooses_another() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = Engine::start(settings(port)).await.err().unwrap().to_string();
        assert!(error.contains(&port.to_string()) && error.ends_with("(--websocket-port)"), "{error}");
    }
}
