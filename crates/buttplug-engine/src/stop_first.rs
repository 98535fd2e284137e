//! Devices that ran when an engine died: the server looks for them and stops them, and clients wait for that, but not for
//! ever.

use crate::running::{self, Ran, Vain};
use crate::settings::Reach;
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

/// A search of which a few in vain are enough to give a device up. Whoever misses it has come to see by then.
const LONG_SEARCH: Duration = Duration::from_secs(5 * 60);

/// The devices that ran when an engine died.
pub(crate) fn ran_before(path: &Path) -> Vec<Ran> {
    running::read(path).unwrap_or_else(|error| {
        tracing::error!(
            "{}: {error}; should an engine have died before this one, nobody knows which devices ran",
            path.display()
        );
        Vec::new()
    })
}

/// Devices that ran when an engine died and that nobody has stopped yet, as far as this one may find them.
#[derive(Clone)]
pub(crate) struct Unstopped {
    devices: Arc<[Arc<DeviceIdentity>]>,
    /// Those of them that have not been sought in vain before.
    unsought: Arc<[Arc<DeviceIdentity>]>,
    running: watch::Receiver<Arc<Vec<Arc<DeviceIdentity>>>>,
    vain: Vain,
}

impl Unstopped {
    /// Those of a server that has just started, which was told of these.
    pub(crate) fn of(server: &Server, ran: &[Ran], reach: &Reach) -> Self {
        let running = server.running_devices();
        let vain =
            Vain::new(&running.borrow(), ran.iter().map(|ran| ran.sought), |device| reach.includes(device));
        Self { devices: vain.within_reach().into(), unsought: vain.unsought().into(), running, vain }
    }

    /// Whether there is none, or none that this engine may find.
    pub(crate) fn is_empty(&self) -> bool {
        self.devices.is_empty()
    }

    /// How often they have been sought in vain.
    pub(crate) fn vain(&self) -> &Vain {
        &self.vain
    }

    /// Whether any of them has not been sought in vain before.
    pub(crate) fn has_unsought(&self) -> bool {
        !self.unsought.is_empty()
    }

    /// Waits until none of these is left. Answers how many are, after so long a wait. One that was stopped and runs again is
    /// not among them: somebody is in charge of it.
    async fn at_rest(&self, devices: &[Arc<DeviceIdentity>], patience: Duration) -> usize {
        let left = |running: &[Arc<DeviceIdentity>]| {
            let is_left = |device: &&Arc<DeviceIdentity>| running.iter().any(|one| Arc::ptr_eq(one, device));
            devices.iter().filter(is_left).count()
        };
        let mut running = self.running.clone();
        // A server that is gone has stopped everything.
        let _ = timeout(patience, running.wait_for(|running| left(running) == 0)).await;
        let now = Arc::clone(&running.borrow_and_update());
        left(&now)
    }

    /// Waits until all of them rest. Answers how many do not, after so long a wait.
    pub(crate) async fn all_at_rest(&self, patience: Duration) -> usize {
        self.at_rest(&self.devices, patience).await
    }

    /// Returns when clients may be served: when all of these rest, or are not to be found so far. For what has been sought
    /// in vain before nobody waits.
    pub(crate) async fn keep_clients_waiting(self) {
        self.at_rest(&self.unsought, MAX_STOP_FIRST).await;
    }

    /// Says what becomes of them, until they rest or there is no hope left: the server looks for them for so long.
    pub(crate) async fn tell(self) {
        let devices = self.devices.len();
        if self.has_unsought() {
            tracing::warn!(devices, "an engine died while devices ran; stopping them first");
        } else {
            tracing::warn!(devices, "devices may be running that were sought in vain before; they still are");
        }
        let left = self.all_at_rest(MAX_STOP_FIRST).await;
        if left > 0 {
            self.vain.sought();
            if self.has_unsought() {
                tracing::warn!(
                    devices = left,
                    "not found so far, the search goes on; clients are served meanwhile"
                );
            }
        }
        if self.all_at_rest(LONG_SEARCH.saturating_sub(MAX_STOP_FIRST)).await > 0 {
            self.vain.sought_for_long();
        }
        match self.all_at_rest(RUNNING_BEFORE_SEARCH.saturating_sub(LONG_SEARCH)).await {
            0 => tracing::info!("every device that ran when the engine died has been stopped"),
            left => {
                self.vain.given_up();
                tracing::error!(devices = left, "devices that ran when the engine died were not found");
            }
        }
    }
}
