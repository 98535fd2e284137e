//! The one place where buses and connectors are put together, and taken apart in order.

use crate::buses::Buses;
#[cfg(feature = "bluetooth")]
use crate::buses::tell_missing_bluetooth;
use crate::definitions::{Definitions, FolderError};
use crate::dial_out;
use crate::frontend;
use crate::known::Known;
use crate::mdns::Announcement;
use crate::rest::RestPort;
use crate::running;
use crate::settings::{Port, Reach, Search, Settings};
use crate::stop_first::{Unstopped, ran_before};
use crate::user::{Decisions, Keeper, SimulatedEntry, UserFiles};
use buttplug_connector_websocket::WebSocketListener;
use buttplug_core::connector::AcceptConnection;
use buttplug_hardware_dialin::DialInBus;
use buttplug_hardware_simulated::{Archetype, SimulatedBus, SimulatedDevice};
use buttplug_protocols::definition::Definition;
use buttplug_protocols::sighting::BusKind;
use buttplug_server::configuration::{DeviceConfiguration, UserConfiguration};
use buttplug_server::{Present, Server, ServerBuilder};
use buttplug_websocket::BindError;
use std::future::Future;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::task::JoinHandle;
use tokio::time::timeout;

/// How long the end may take. Programs that start an engine kill it after three seconds; the rest is for starting to
/// end, and for the last lines of the log.
pub(crate) const MAX_SHUTDOWN: Duration = Duration::from_millis(2200);

/// Why the engine could not start.
#[derive(Debug, PartialEq, Eq, Error)]
pub(crate) enum StartError {
    /// A port could not be opened.
    #[error("{error} (--{flag})")]
    Port {
        /// Which one, and why.
        error: BindError,
        /// The flag that chooses another.
        flag: &'static str,
    },
    /// The folder with the person's own definitions is of no use.
    #[error("{0} (--device-definitions)")]
    Definitions(#[from] FolderError),
}

impl StartError {
    /// The port that another program has, if that is the reason.
    pub(crate) fn taken(&self) -> Option<SocketAddr> {
        match self {
            Self::Port { error: BindError::InUse { address }, .. } => Some(*address),
            _ => None,
        }
    }
}

/// A server with its open ports.
pub(crate) struct Engine {
    server: Server,
    /// The ways by which clients come.
    ways: Vec<Way>,
    /// One of them is more than the REST API.
    has_clients: bool,
    announcement: Option<Announcement>,
    keeping: Option<Keeping>,
    /// Keeps the file that says which devices run, if there is one.
    remembering: Option<Keeping>,
    /// The devices that ran when an engine died.
    unstopped: Unstopped,
    /// Says what becomes of them.
    stopping_first: Option<JoinHandle<()>>,
    /// Looks after the folder of definitions, if there is one.
    following: Option<JoinHandle<()>>,
    /// Tells what is missing of what nobody asked for.
    telling: Option<JoinHandle<()>>,
}

/// All that faces devices, open, and a server to be made of it that knows what the person's files say.
pub(crate) struct DeviceSide {
    pub(crate) builder: ServerBuilder,
    pub(crate) buses: Buses,
    pub(crate) known: Arc<Known>,
    /// Where devices dial in.
    pub(crate) device_addresses: Vec<SocketAddr>,
    definitions: Option<Definitions>,
}

impl DeviceSide {
    /// Opens the port for devices and reads definitions.
    ///
    /// # Errors
    /// The port can't be opened, or the folder can't be read.
    pub(crate) async fn open(settings: &Settings) -> Result<Self, StartError> {
        let dial_in = match &settings.devices {
            Some(listen) => {
                match DialInBus::bind_with(&listen.addresses(), settings.limits.devices).await {
                    Ok(bus) => {
                        let bus = bus.with_gate(Arc::new(settings.access.gate(Port::Devices)));
                        #[cfg(feature = "tls")]
                        let bus = match &settings.identity {
                            Some(identity) => bus.with_identity(identity.clone()),
                            None => bus,
                        };
                        Some(bus)
                    }
                    // Nobody asked for it: another engine may have it.
                    Err(error) if settings.search.usual => {
                        tracing::warn!("devices can't dial in: {error} (--device-websocket-server-port)");
                        None
                    }
                    Err(error) => {
                        return Err(StartError::Port { error, flag: "device-websocket-server-port" });
                    }
                }
            }
            None => None,
        };
        let known = Arc::new(Known::new(settings.catalogue_additions.clone(), &settings.decisions.additions));
        let definitions = match &settings.device_definitions {
            Some(folder) => {
                let known = Arc::clone(&known);
                let take = move |definitions: &[Arc<Definition>]| known.define(definitions);
                Some(Definitions::open(folder, take).await?)
            }
            None => None,
        };
        let buses = Buses::new(&settings.search, &known.catalogue());
        let mut builder = Server::builder()
            .catalogue(known.catalogue())
            .user_configuration(configuration(&settings.decisions, settings.max_run));
        let device_addresses = dial_in.as_ref().map(|bus| bus.local_addresses().to_vec()).unwrap_or_default();
        if let Some(bus) = dial_in {
            builder = builder.bus(Arc::new(bus));
        }
        for bus in buses.all() {
            builder = builder.bus(bus);
        }
        let simulated = simulated(&settings.decisions.simulated);
        if !simulated.is_empty() {
            builder = builder.bus(Arc::new(SimulatedBus::new(simulated)));
        }
        Ok(Self { builder, buses, known, device_addresses, definitions })
    }
}

/// Looks, without holding up anything, what is missing of what nobody asked for. Ended and awaited in `shut_down`.
#[cfg_attr(not(feature = "bluetooth"), expect(unused_variables, reason = "nothing else is told of"))]
fn tell(search: &Search) -> Option<JoinHandle<()>> {
    #[cfg(feature = "bluetooth")]
    return (search.usual && search.bluetooth).then(|| tokio::spawn(tell_missing_bluetooth()));
    #[cfg(not(feature = "bluetooth"))]
    return None;
}

/// A task that brings clients to the server.
struct Way {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

/// A task that looks after a file.
struct Keeping {
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Engine {
    /// Opens the ports and starts the server. When it returns, clients and devices may connect; clients are served as soon as
    /// the devices rest that ran when an engine died.
    ///
    /// # Errors
    /// A port can't be opened, or the folder of definitions can't be read; then no port stays open.
    pub(crate) async fn start(settings: Settings) -> Result<Self, StartError> {
        let limits = settings.limits.clone();
        let clients = match &settings.clients {
            Some(listen) => {
                let bound = WebSocketListener::bind(&listen.addresses(), limits.clients).await;
                let clients = bound.map_err(|error| StartError::Port { error, flag: "websocket-port" })?;
                let clients = clients.with_gate(Arc::new(settings.access.gate(Port::Clients)));
                #[cfg(feature = "tls")]
                let clients = match &settings.identity {
                    Some(identity) => clients.with_identity(identity.clone()),
                    None => clients,
                };
                Some(clients)
            }
            None => None,
        };
        let rest = settings.rest.as_ref().map(|listen| RestPort::bind(&listen.addresses(), limits.rest));
        let rest = rest.transpose().map_err(|error| StartError::Port { error, flag: "rest-api-port" })?;
        #[cfg(feature = "tls")]
        if let Some(identity) = &settings.identity {
            let fingerprint = crate::identity::fingerprint(identity);
            tracing::info!(fingerprint, "encrypting: clients and devices may connect by wss://");
        }
        let side = DeviceSide::open(&settings).await?;
        for address in &side.device_addresses {
            tracing::info!(%address, "listening for devices");
        }
        let DeviceSide { builder, buses, known, definitions, device_addresses } = side;
        let ran = settings.running_file.as_deref().map(ran_before).unwrap_or_default();
        let server = builder
            .name(settings.server_name.clone())
            .max_ping_time(settings.max_ping_time.unwrap_or(Duration::ZERO))
            // The REST API is one for itself.
            .max_clients(limits.max_clients + usize::from(rest.is_some()))
            .client_limits(limits.client)
            .running_before(ran.iter().map(|ran| ran.device.clone()).collect());
        let server = server.start();
        let telling = tell(&settings.search);
        let keeping = settings.user_file.map(|file| keep(file, &known, &server, &buses, settings.max_run));
        let reach = Reach::new(settings.search, !device_addresses.is_empty());
        let unstopped = Unstopped::of(&server, &ran, &reach);
        let remembering = settings.running_file.map(|path| {
            let (stop, stopped) = oneshot::channel();
            let (running, present) = (server.running_devices(), server.present());
            let task = tokio::spawn(running::keep(path, running, present, unstopped.vain().clone(), stopped));
            Keeping { stop, task }
        });
        // Called off and awaited in `shut_down`.
        let stopping_first = (!unstopped.is_empty()).then(|| tokio::spawn(unstopped.clone().tell()));
        let accept: Arc<dyn AcceptConnection> = Arc::new(server.clone());
        let mut ways = Vec::new();
        let has_clients = clients.is_some() || settings.dial_out.is_some();
        let mut announcement = None;
        let for_ways = unstopped.has_unsought().then(|| unstopped.clone());
        if let Some(clients) = clients {
            let addresses = clients.local_addresses();
            announcement = settings.announce.and_then(|suffix| Announcement::begin(&addresses, &suffix));
            let accept = Arc::clone(&accept);
            ways.push(Way::open(for_ways.clone(), |stop| async move {
                for address in &addresses {
                    tracing::info!(%address, "listening for clients");
                }
                clients.run(accept, stop).await;
            }));
        }
        if let Some(dialer) = settings.dial_out {
            ways.push(Way::open(for_ways.clone(), |stop| dial_out::run(dialer, accept, stop)));
        }
        if let Some(rest) = rest {
            for address in rest.local_addresses() {
                tracing::info!(%address, "listening for REST");
            }
            let server = server.clone();
            let gate = settings.access.gate(Port::Rest);
            ways.push(Way::open(for_ways, |stop| rest.run(server, gate, stop)));
        }
        let following = definitions.map(|definitions| {
            let server = server.clone();
            // Ended and awaited in `shut_down`.
            tokio::spawn(definitions.follow(move || {
                known.publish(&server);
                buses.look_for(&known.catalogue());
            }))
        });
        Ok(Self {
            server,
            ways,
            has_clients,
            announcement,
            keeping,
            remembering,
            unstopped,
            stopping_first,
            following,
            telling,
        })
    }

    /// The devices that ran when an engine died.
    pub(crate) fn unstopped(&self) -> &Unstopped {
        &self.unstopped
    }

    /// How many devices run, as far as anybody knows.
    pub(crate) fn running(&self) -> usize {
        self.server.running_devices().borrow().len()
    }

    /// Stops every device and goes on.
    pub(crate) async fn stop_devices(&self) {
        self.server.stop_all_devices().await;
    }

    /// Stops every device and lets none move.
    pub(crate) async fn rest(&self) {
        self.server.rest().await;
    }

    /// Lets devices move again.
    pub(crate) fn go_on(&self) {
        self.server.go_on();
    }

    /// What clients come to; `None` if there is the REST API alone.
    pub(crate) fn clients(&self) -> Option<frontend::Server> {
        let advertised = || self.announcement.as_ref().map(Announcement::advertised).cloned();
        self.has_clients.then(|| frontend::Server { advertised: advertised() })
    }

    /// Who is there, and word of every change.
    pub(crate) fn present(&self) -> watch::Receiver<Arc<Present>> {
        self.server.present()
    }

    /// Refuses new work, stops every device, closes every connection. Answers whether all of it was done in time.
    pub(crate) async fn shut_down(self) -> bool {
        let Self {
            server, ways, announcement, keeping, remembering, stopping_first, following, telling, ..
        } = self;
        for task in following.iter().chain(&stopping_first).chain(&telling) {
            task.abort();
        }
        let ways: Vec<JoinHandle<()>> = ways.into_iter().map(Way::close).collect();
        let all = async {
            let farewell = async {
                if let Some(announcement) = announcement {
                    announcement.withdraw().await;
                }
            };
            tokio::join!(server.shut_down(), farewell);
            for way in ways {
                if let Err(failed) = way.await {
                    tracing::error!(%failed, "a way for clients ended badly");
                }
            }
            for Keeping { stop, task } in keeping.into_iter().chain(remembering) {
                // One that has ended by itself has said so.
                let _ = stop.send(());
                let _ = task.await;
            }
            for task in following.into_iter().chain(stopping_first).chain(telling) {
                // It was called off, or ended before.
                let _ = task.await;
            }
        };
        timeout(MAX_SHUTDOWN, all).await.is_ok()
    }
}

impl Way {
    /// Begins to bring clients, once the devices rest that ran when an engine died; until then they wait in the system's
    /// queue. Ends when told to, and is awaited in `shut_down`.
    fn open<Bring>(unstopped: Option<Unstopped>, bring: impl FnOnce(Stop) -> Bring + Send + 'static) -> Self
    where
        Bring: Future<Output = ()> + Send + 'static,
    {
        let (stop, stopped) = oneshot::channel();
        // A sender that is gone means the same as one that has spoken.
        let mut stopped: Stop = Box::pin(async move { drop(stopped.await) });
        let task = async move {
            if let Some(unstopped) = unstopped {
                tokio::select! {
                    biased;
                    () = &mut stopped => return,
                    () = unstopped.keep_clients_waiting() => {}
                }
            }
            bring(stopped).await;
        };
        Self { stop, task: tokio::spawn(task) }
    }

    /// Tells it to bring no more, and answers what to wait for.
    fn close(self) -> JoinHandle<()> {
        // One that has ended by itself need not be told.
        let _ = self.stop.send(());
        self.task
    }
}

/// Comes when a task is to end.
type Stop = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Has the user file looked after. Ends when told to, and is awaited in `shut_down`.
fn keep(
    files: UserFiles,
    known: &Arc<Known>,
    server: &Server,
    buses: &Buses,
    max_run: Option<Duration>,
) -> Keeping {
    let keeper = Keeper::new(files, server.known_devices());
    let (known, server, buses) = (Arc::clone(known), server.clone(), buses.clone());
    let (stop, stopped) = oneshot::channel();
    let apply = move |decisions: &Decisions| {
        for notice in &decisions.notices {
            tracing::warn!("{notice}");
        }
        // First of all whatever is denied.
        server.set_user_configuration(configuration(decisions, max_run));
        known.add(&decisions.additions);
        known.publish(&server);
        buses.look_for(&known.catalogue());
    };
    Keeping { stop, task: tokio::spawn(keeper.run(stopped, apply)) }
}

/// What was decided device by device, with the names of simulated devices. `max_run` goes before what the file says for
/// all devices.
fn configuration(decisions: &Decisions, max_run: Option<Duration>) -> UserConfiguration {
    let mut configuration = decisions.configuration.clone();
    configuration.max_run = max_run.or(configuration.max_run);
    for (number, entry) in decisions.simulated.iter().enumerate() {
        let Some(name) = &entry.display_name else { continue };
        let address = simulated_address(number, entry);
        for device in configuration.devices.iter_mut().filter(|device| device.address == address) {
            device.display_name.get_or_insert_with(|| name.clone());
        }
        configuration.devices.push(DeviceConfiguration {
            address,
            bus: Some(BusKind::Simulated),
            display_name: Some(name.clone()),
            ..DeviceConfiguration::default()
        });
    }
    configuration
}

/// The simulated devices that the person wants.
fn simulated(entries: &[SimulatedEntry]) -> Vec<SimulatedDevice> {
    let mut devices = Vec::new();
    for (number, entry) in entries.iter().enumerate() {
        match Archetype::from_name(&entry.archetype) {
            Some(archetype) => {
                devices.push(SimulatedDevice::new(archetype, simulated_address(number, entry)));
            }
            None => tracing::warn!("there is no simulated device {:?}", entry.archetype),
        }
    }
    devices
}

/// Where a simulated device is. One without an address gets the same again at the next start.
fn simulated_address(number: usize, entry: &SimulatedEntry) -> String {
    entry.address.clone().unwrap_or_else(|| format!("simulated:{number}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::{ServeFlags, Subcommand};
    use crate::settings::Surroundings;
    use std::net::TcpListener;

    fn settings(port: u16) -> Settings {
        let flags = ServeFlags { websocket_port: Some(port), ..ServeFlags::default() };
        Settings::new(&flags, Subcommand::Typed, Surroundings::default()).unwrap()
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
