//! The server as applications hold it: built once, given connections, shut down in order.

use crate::configuration::{DeviceIdentity, KnownDevice, UserConfiguration};
use crate::hardware::HardwareBus;
use crate::limits::ClientLimits;
use crate::places::Places;
use crate::present::Present;
use crate::registry::{Manager, ManagerParts, Registry, Running, ScanRequests};
use crate::run::{self, Surroundings, wait_for_all};
use crate::session::{SessionId, SessionSettings};
use crate::sightings::{Sighted, Telling};
use crate::statistics::Statistics;
use buttplug_core::connector::{AcceptConnection, ServerConnection};
use buttplug_core::message::DeviceDescription;
use buttplug_protocols::catalogue::Catalogue;
use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::{broadcast, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::Instant;
use tracing::debug;

/// Clients that may be connected at a time, unless the builder says otherwise.
pub const DEFAULT_MAX_CLIENTS: usize = 256;

/// Connections that may be open beyond those of clients: whoever has not introduced itself takes no client's place, and
/// has ten seconds for it.
pub(crate) const MAX_STRANGERS: usize = 64;

/// Who wants a search that the program began; clients count from 1.
const THE_PROGRAM: SessionId = SessionId(0);

/// Where a server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Takes clients and commands.
    Serving,
    /// Takes clients, and whatever moves no device.
    Resting,
    /// Takes nothing new but stops; devices are being stopped.
    Stopping,
    /// Devices are stopped; connections are being closed.
    Closing,
}

impl Phase {
    /// Whether clients are served.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Serving | Self::Resting)
    }
}

/// What a server is made of.
#[derive(Clone)]
pub struct ServerBuilder {
    settings: SessionSettings,
    max_clients: usize,
    limits: ClientLimits,
    catalogue: Catalogue,
    configuration: UserConfiguration,
    running_before: Vec<DeviceIdentity>,
    buses: Vec<Arc<dyn HardwareBus>>,
    look_only: bool,
}

impl ServerBuilder {
    /// The name that clients see. `Buttplug Server` if not set; may be empty.
    #[must_use]
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.settings.server_name = name.into();
        self
    }

    /// The longest time between a client's pings; when it is over the client's devices stop and its connection ends.
    /// Zero, which is the default, means that no pings are needed: several published clients never send one. Clients are
    /// told whole milliseconds, so it is rounded up to those, and `u32::MAX` of them is the longest.
    #[must_use]
    pub fn max_ping_time(mut self, time: Duration) -> Self {
        let ms = time.as_nanos().div_ceil(1_000_000);
        self.settings.max_ping = Duration::from_millis(u32::try_from(ms).unwrap_or(u32::MAX).into());
        self
    }

    /// Clients that may be connected at a time, [`DEFAULT_MAX_CLIENTS`] if not set.
    #[must_use]
    pub fn max_clients(mut self, count: usize) -> Self {
        self.max_clients = count;
        self
    }

    /// Bounds of each client, the usual ones if not set.
    #[must_use]
    pub fn client_limits(mut self, limits: ClientLimits) -> Self {
        self.limits = limits;
        self
    }

    /// What hardware is known. The built-in catalogue if not set.
    #[must_use]
    pub fn catalogue(mut self, catalogue: Catalogue) -> Self {
        self.catalogue = catalogue;
        self
    }

    /// What the owner of the devices decided about them. Nothing if not set.
    #[must_use]
    pub fn user_configuration(mut self, configuration: UserConfiguration) -> Self {
        self.configuration = configuration;
        self
    }

    /// Devices that ran when an earlier server died, as its [`Server::running_devices`] told. The buses look for them, without
    /// anybody asking for it, for [`RUNNING_BEFORE_SEARCH`](crate::RUNNING_BEFORE_SEARCH), and let nobody else in meanwhile
    /// that no client searches for. Each is told to rest as soon as it connects; until then it counts as running. None if
    /// not set.
    #[must_use]
    pub fn running_before(mut self, devices: Vec<DeviceIdentity>) -> Self {
        self.running_before = devices;
        self
    }

    /// Adds a bus on which hardware is found.
    #[must_use]
    pub fn bus(mut self, bus: Arc<dyn HardwareBus>) -> Self {
        self.buses.push(bus);
        self
    }

    /// Opens no hardware: what is found is told by [`Server::sightings`] and let be.
    #[must_use]
    pub fn look_only(mut self) -> Self {
        self.look_only = true;
        self
    }

    /// Starts the server on the current tokio runtime. It serves whatever connections it is given, and what its buses
    /// report, until it is [shut down](Server::shut_down). All of it runs there, also for connections that are made on
    /// another runtime: a client that freezes its own does not freeze the watchdog that stops its devices.
    ///
    /// # Panics
    /// Outside of a tokio runtime.
    pub fn start(self) -> Server {
        let Self {
            settings,
            max_clients,
            limits,
            catalogue,
            configuration,
            running_before,
            buses,
            look_only,
        } = self;
        let registry = Arc::new(Registry::default());
        let scan_requests = Arc::new(ScanRequests::default());
        let (phase, _) = watch::channel(Phase::Serving);
        let (manager_shutdown, manager_told) = watch::channel(false);
        let (catalogue, newest_catalogue) = watch::channel(catalogue);
        let (configuration, decisions) = watch::channel(Arc::new(configuration));
        let (known, known_devices) = watch::channel(Arc::default());
        let telling = Telling::default();
        let running = Running::new(running_before);
        let running_devices = running.watch();
        let manager = Manager::new(ManagerParts {
            registry: Arc::clone(&registry),
            scan_requests: Arc::clone(&scan_requests),
            catalogue: newest_catalogue,
            configuration: decisions,
            known,
            running,
            telling: telling.clone(),
            buses,
            look_only,
        });
        let runtime = Handle::current();
        let manager = runtime.spawn(manager.run(manager_told));
        let inner = Inner {
            runtime,
            settings,
            limits,
            places: Places::new(max_clients),
            registry,
            scan_requests,
            catalogue,
            configuration,
            known_devices,
            running_devices,
            telling,
            phase,
            next_session: AtomicU64::new(1),
            sessions: Mutex::default(),
            manager_shutdown,
            manager: Mutex::new(Some(manager)),
            ended: watch::channel(false).0,
        };
        Server { inner: Arc::new(inner) }
    }
}

struct Inner {
    /// Where everything of this server runs.
    runtime: Handle,
    settings: SessionSettings,
    limits: ClientLimits,
    places: Places,
    registry: Arc<Registry>,
    scan_requests: Arc<ScanRequests>,
    catalogue: watch::Sender<Catalogue>,
    configuration: watch::Sender<Arc<UserConfiguration>>,
    known_devices: watch::Receiver<Arc<Vec<Arc<KnownDevice>>>>,
    running_devices: watch::Receiver<Arc<Vec<Arc<DeviceIdentity>>>>,
    telling: Telling,
    phase: watch::Sender<Phase>,
    next_session: AtomicU64,
    sessions: Mutex<JoinSet<()>>,
    manager_shutdown: watch::Sender<bool>,
    /// Taken by whoever ends the server first.
    manager: Mutex<Option<JoinHandle<()>>>,
    ended: watch::Sender<bool>,
}

/// A running server. Clones are handles to the same one.
///
/// Connectors give it connections through [`AcceptConnection`]; each client is a session of its own, and all see the
/// same devices.
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_time().build()?.block_on(async {
/// use buttplug_server::Server;
///
/// let server = Server::builder().name("Bedside").start();
/// // … hand it to a connector …
/// server.shut_down().await;
/// # Ok::<(), std::io::Error>(())
/// # })?;
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Server {
    inner: Arc<Inner>,
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server").field("name", &self.inner.settings.server_name).finish_non_exhaustive()
    }
}

impl Server {
    /// A server with the built-in catalogue and no buses yet.
    pub fn builder() -> ServerBuilder {
        let server_name = String::from("Buttplug Server");
        ServerBuilder {
            settings: SessionSettings { server_name, max_ping: Duration::ZERO },
            max_clients: DEFAULT_MAX_CLIENTS,
            limits: ClientLimits::default(),
            catalogue: Catalogue::builtin(),
            configuration: UserConfiguration::default(),
            running_before: Vec::new(),
            buses: Vec::new(),
            look_only: false,
        }
    }

    /// The connected devices, in the order of their indexes.
    pub fn devices(&self) -> Vec<Arc<DeviceDescription>> {
        self.inner.registry.list().descriptions()
    }

    /// Replaces what hardware is known, for what is sighted from now on. Devices that are there or connecting stay what
    /// they are; hardware that nobody knew before has its chance when it is sighted again.
    pub fn set_catalogue(&self, catalogue: Catalogue) {
        self.inner.catalogue.send_replace(catalogue);
    }

    /// Replaces what the owner of the devices decided about them. A connected device that is denied now is stopped and
    /// let go; everything else counts when a device connects next.
    pub fn set_user_configuration(&self, configuration: UserConfiguration) {
        self.inner.configuration.send_replace(Arc::new(configuration));
    }

    /// The devices that have connected since the server was started, those met last at the end, and word of every change.
    /// A program that keeps their indexes gives them back by [`ServerBuilder::user_configuration`].
    pub fn known_devices(&self) -> watch::Receiver<Arc<Vec<Arc<KnownDevice>>>> {
        self.inner.known_devices.clone()
    }

    /// What the buses report from now on, and what comes of it. A reader who is slower than that misses the oldest.
    pub fn sightings(&self) -> broadcast::Receiver<Sighted> {
        self.inner.telling.listen()
    }

    /// What it has done so far, in numbers.
    pub fn statistics(&self) -> Statistics {
        let mut statistics = Statistics { clients: self.inner.places.taken(), ..Statistics::default() };
        self.inner.registry.report(&mut statistics);
        statistics
    }

    /// Who is there, devices and clients, and word of every change.
    pub fn present(&self) -> watch::Receiver<Arc<Present>> {
        self.inner.registry.roll().watch()
    }

    /// The devices that run: told to, and not known to be at rest since; and word of every change. A device whose link was
    /// lost while it ran is one of them until it is there again and has been stopped. A program that keeps them can have
    /// them stopped by its next server: [`ServerBuilder::running_before`].
    pub fn running_devices(&self) -> watch::Receiver<Arc<Vec<Arc<DeviceIdentity>>>> {
        self.inner.running_devices.clone()
    }

    /// Has devices looked for on behalf of the program, as a client's search, or no longer. The search goes on while
    /// anyone wants it.
    pub fn search(&self, wanted: bool) {
        if self.inner.phase.borrow().is_open() {
            self.inner.scan_requests.set(THE_PROGRAM, wanted);
        }
    }

    /// Stops every device, whoever set it in motion. Returns when the zeros are written, after one second at the
    /// latest; devices that were not reached by then go on being tried.
    pub async fn stop_all_devices(&self) {
        let (devices, now) = (self.inner.registry.all(), Instant::now().into_std());
        wait_for_all(devices.iter().filter_map(|device| device.stop(None, now).ok()).collect()).await;
    }

    /// Stops every device as [`Server::stop_all_devices`] does and lets none move again until [`Server::go_on`]: outputs are
    /// refused meanwhile, everything else goes on. For a machine that is about to sleep, in which nobody could stop what a
    /// client still sets in motion.
    pub async fn rest(&self) {
        self.inner.phase.send_if_modified(|phase| {
            let serving = *phase == Phase::Serving;
            if serving {
                *phase = Phase::Resting;
            }
            serving
        });
        self.stop_all_devices().await;
    }

    /// Takes outputs again after a [`Server::rest`]. What ran before stays at rest until somebody wants it to run.
    pub fn go_on(&self) {
        self.inner.phase.send_if_modified(|phase| {
            let resting = *phase == Phase::Resting;
            if resting {
                *phase = Phase::Serving;
            }
            resting
        });
    }

    /// Ends the server in order: refuses new work, ends the search, stops the devices, closes the clients'
    /// connections, closes the devices, and waits for every task. Further calls wait for the same end, and a call that
    /// is dropped does not keep it from coming.
    pub async fn shut_down(&self) {
        let manager = self.inner.manager.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(manager) = manager {
            // Awaited through `ended` by everyone who asks for the end.
            self.inner.runtime.spawn(self.clone().end(manager));
        }
        let _ = self.inner.ended.subscribe().wait_for(|ended| *ended).await;
    }

    async fn end(self, manager: JoinHandle<()>) {
        let inner = &self.inner;
        inner.phase.send_replace(Phase::Stopping);
        inner.scan_requests.finish();
        self.stop_all_devices().await;
        inner.phase.send_replace(Phase::Closing);
        let mut sessions = std::mem::take(&mut *self.sessions());
        while sessions.join_next().await.is_some() {}
        inner.manager_shutdown.send_replace(true);
        if let Err(failed) = manager.await {
            debug!(%failed, "the manager of the devices ended badly");
        }
        inner.ended.send_replace(true);
    }

    fn sessions(&self) -> MutexGuard<'_, JoinSet<()>> {
        self.inner.sessions.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl AcceptConnection for Server {
    fn accept(&self, connection: Box<dyn ServerConnection>) -> Result<(), String> {
        let inner = &self.inner;
        let mut sessions = self.sessions();
        while sessions.try_join_next().is_some() {}
        let phase = inner.phase.subscribe();
        if !phase.borrow().is_open() {
            return Err(String::from("the server is shutting down"));
        }
        if sessions.len() >= inner.places.limit().saturating_add(MAX_STRANGERS) {
            return Err(format!(
                "{MAX_STRANGERS} connections are open whose clients have not introduced themselves"
            ));
        }
        let surroundings = Surroundings {
            registry: Arc::clone(&inner.registry),
            scan_requests: Arc::clone(&inner.scan_requests),
            places: inner.places.clone(),
            limits: inner.limits,
            phase,
        };
        let id = SessionId(inner.next_session.fetch_add(1, Ordering::Relaxed));
        let session = run::run(id, connection, inner.settings.clone(), surroundings);
        sessions.spawn_on(session, &inner.runtime);
        Ok(())
    }
}
