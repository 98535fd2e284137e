//! Searching on Linux. btleplug begins a search by switching the adapter on, and so would undo what somebody did a moment
//! ago; here a search is asked for that an adapter refuses which is off. BlueZ binds it to the connection that asked.

use super::words::in_words;
use crate::radio::{AdapterName, RadioError};
use dbus::arg::{AppendAll, PropMap, Variant};
use dbus::nonblock::{Proxy, SyncConnection};
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinHandle;

/// The longest that BlueZ may take to answer.
const CALL_TIME: Duration = Duration::from_secs(10);

const ADAPTER: &str = "org.bluez.Adapter1";

/// A connection to the system's D-Bus, for searches.
pub(super) struct Discovery {
    connection: Arc<SyncConnection>,
    /// Reads the connection; ends when that is lost.
    task: JoinHandle<()>,
}

impl Drop for Discovery {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Discovery {
    /// Blocks: see `aside.rs`. Wants a runtime to be there.
    pub(super) fn connect() -> Result<Self, RadioError> {
        let (reading, connection) = dbus_tokio::connection::new_system_sync().map_err(radio_error)?;
        let task = tokio::spawn(async move {
            let error = reading.await;
            tracing::debug!(%error, "the connection for searches was lost");
        });
        Ok(Self { connection, task })
    }

    /// Whether the connection is lost.
    pub(super) fn is_lost(&self) -> bool {
        self.task.is_finished()
    }

    /// Begins a search, or lets the one go on that this program has begun.
    pub(super) async fn start(&self, adapter: &AdapterName) -> Result<(), RadioError> {
        let mut filter = PropMap::new();
        // Without one, BlueZ looks for the devices of old as well, and the radio is away for half of the time.
        filter.insert("Transport".into(), Variant(Box::new(String::from("le"))));
        filter.insert("DuplicateData".into(), Variant(Box::new(true)));
        self.call(adapter, "SetDiscoveryFilter", (filter,)).await.map_err(radio_error)?;
        match self.call(adapter, "StartDiscovery", ()).await {
            Err(error) if error.name() == Some("org.bluez.Error.InProgress") => Ok(()),
            outcome => outcome.map_err(radio_error),
        }
    }

    pub(super) async fn stop(&self, adapter: &AdapterName) -> Result<(), RadioError> {
        self.call(adapter, "StopDiscovery", ()).await.map_err(radio_error)
    }

    async fn call(
        &self,
        adapter: &AdapterName,
        method: &str,
        arguments: impl AppendAll,
    ) -> Result<(), dbus::Error> {
        let path = format!("/org/bluez/{adapter}");
        let proxy = Proxy::new("org.bluez", path, CALL_TIME, Arc::clone(&self.connection));
        proxy.method_call(ADAPTER, method, arguments).await
    }
}

fn radio_error(error: dbus::Error) -> RadioError {
    match error.name() {
        Some("org.freedesktop.DBus.Error.AccessDenied") => RadioError::NotAllowed,
        Some("org.bluez.Error.NotReady") => RadioError::Failed("the adapter is switched off".into()),
        // The name says what the words may not.
        name => in_words(&format!("{}: {}", name.unwrap_or_default(), error.message().unwrap_or_default())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_bluez_answers_is_sorted() {
        let said = |name: &str, words: &str| radio_error(dbus::Error::new_custom(name, words));
        assert_eq!(
            said("org.bluez.Error.NotReady", "Resource Not Ready"),
            RadioError::Failed("the adapter is switched off".into())
        );
        assert_eq!(said("org.freedesktop.DBus.Error.AccessDenied", "no"), RadioError::NotAllowed);
        assert_eq!(said("org.freedesktop.DBus.Error.UnknownObject", "no hci0"), RadioError::NotConnected);
        assert!(matches!(said("org.bluez.Error.Failed", "busy"), RadioError::Failed(_)));
    }
}
