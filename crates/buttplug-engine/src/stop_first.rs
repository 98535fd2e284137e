//! Devices that ran when an engine died: the server looks for them and stops them, and clients wait for that, but not for
//! ever.

use crate::running;
use buttplug_server::configuration::DeviceIdentity;
use buttplug_server::{RUNNING_BEFORE_SEARCH, Server};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::timeout;

/// How long clients wait for devices to be found and stopped that ran when an engine died. A radio hears most of what is
/// near within this time; longer, and programs give the engine up.
pub(crate) const MAX_STOP_FIRST: Duration = Duration::from_secs(5);

/// The devices that ran when an engine died.
pub(crate) fn ran_before(path: &Path) -> Vec<DeviceIdentity> {
    running::read(path).unwrap_or_else(|error| {
        tracing::error!(
            "{}: {error}; should an engine have died before this one, nobody knows which devices ran",
            path.display()
        );
        Vec::new()
    })
}

/// Devices that ran when an engine died and that nobody has stopped yet.
#[derive(Clone)]
pub(crate) struct Unstopped {
    devices: Arc<Vec<Arc<DeviceIdentity>>>,
    running: watch::Receiver<Arc<Vec<Arc<DeviceIdentity>>>>,
}

impl Unstopped {
    /// Those of a server that has just started; `None` if there are none.
    pub(crate) fn of(server: &Server) -> Option<Self> {
        let running = server.running_devices();
        let devices = Arc::clone(&running.borrow());
        (!devices.is_empty()).then_some(Self { devices, running })
    }

    /// How many are left. One that was stopped and runs again is not among them: somebody is in charge of it.
    fn left(&self, running: &[Arc<DeviceIdentity>]) -> usize {
        let is_left = |device: &&Arc<DeviceIdentity>| running.iter().any(|other| Arc::ptr_eq(other, device));
        self.devices.iter().filter(is_left).count()
    }

    /// Waits until none is left. Answers how many are, after so long a wait.
    pub(crate) async fn at_rest(mut self, patience: Duration) -> usize {
        let mut running = self.running.clone();
        // A server that is gone has stopped everything.
        let _ = timeout(patience, running.wait_for(|running| self.left(running) == 0)).await;
        let now = Arc::clone(&self.running.borrow_and_update());
        self.left(&now)
    }

    /// Returns when clients may be served: when all of these rest, or are not to be found so far.
    pub(crate) async fn keep_clients_waiting(self) {
        self.at_rest(MAX_STOP_FIRST).await;
    }

    /// Says what becomes of them, until they rest or there is no hope left: the server looks for them for so long.
    pub(crate) async fn tell(self) {
        tracing::warn!(devices = self.devices.len(), "an engine died while devices ran; stopping them first");
        let left = self.clone().at_rest(MAX_STOP_FIRST).await;
        if left > 0 {
            tracing::warn!(
                devices = left,
                "not found so far, the search goes on; clients are served meanwhile"
            );
        }
        match self.at_rest(RUNNING_BEFORE_SEARCH.saturating_sub(MAX_STOP_FIRST)).await {
            0 => tracing::info!("every device that ran when the engine died has been stopped"),
            left => {
                tracing::error!(devices = left, "devices that ran when the engine died were not found");
            }
        }
    }
}
