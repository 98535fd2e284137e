//! The task that makes devices of sightings. Owns attempts, indexes and the devices' tasks.

use super::attempt::{AttemptError, Ready, connect};
use super::bus_task::{MAX_WAITING_REPORTS, Report, Spotted, Told, Wishes, run_bus, told};
use super::indexes::{Assigned, Indexes, MAX_REMEMBERED};
use super::lost::Lost;
use super::{MAX_DEVICES, Motion, Place, Registry, Running, ScanRequests};
use crate::configuration::{DeviceIdentity, KnownDevice, Tuned, UserConfiguration, tune};
use crate::device::DeviceHandle;
use crate::device::task::{self, DeviceParts, Parting};
use crate::hardware::HardwareBus;
use crate::present::PresentDevice;
use crate::sightings::{Outcome, Telling};
use buttplug_core::DeviceIndex;
use buttplug_core::message::DeviceDescription;
use buttplug_protocols::catalogue::{Candidate, Catalogue};
use buttplug_protocols::sighting::Sighting;
use futures_util::FutureExt;
use std::collections::{BTreeSet, HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio::task::{AbortHandle, JoinError, JoinSet};
use tokio::time::Instant;
use tracing::{Instrument, Span, debug, error, error_span, info, warn};

/// The longest that a bus may take to turn hardware away.
const MAX_REFUSAL: Duration = Duration::from_secs(1);

/// The longest that the end waits for a device to be connected that may be running, so that it gets its zeros. Those that
/// are connected are stopped meanwhile.
const MAX_LAST_CONNECT: Duration = Duration::from_millis(700);

/// Why hardware beyond [`MAX_DEVICES`] may not stay.
const TOO_MANY: &str = "too many devices are connected";

/// Why hardware may not stay that has connected while the server ends.
const ENDING: &str = "the server is ending";

/// What stands for the index of a device that gets none, in the log.
const NO_INDEX: DeviceIndex = DeviceIndex(u32::MAX);

/// What the manager is made of.
pub(crate) struct ManagerParts {
    pub(crate) registry: Arc<Registry>,
    pub(crate) scan_requests: Arc<ScanRequests>,
    /// The newest one is for what is sighted from now on.
    pub(crate) catalogue: watch::Receiver<Catalogue>,
    pub(crate) configuration: watch::Receiver<Arc<UserConfiguration>>,
    pub(crate) known: watch::Sender<Arc<Vec<Arc<KnownDevice>>>>,
    pub(crate) running: Running,
    pub(crate) telling: Telling,
    pub(crate) buses: Vec<Arc<dyn HardwareBus>>,
    /// Nothing is opened.
    pub(crate) look_only: bool,
}

struct Attempt {
    bus: usize,
    sighting: Sighting,
    outcome: Result<Box<Ready>, AttemptError>,
}

/// A device that no task runs yet.
struct Made {
    parts: DeviceParts,
    present: PresentDevice,
}

/// A device that a task runs, and on which of the buses.
struct Connected {
    bus: usize,
    handle: DeviceHandle,
    /// In which the lines of the log about it are.
    span: Span,
}

/// All that can wake the manager.
enum Wake {
    Report(Option<Report>),
    Attempted(Result<Attempt, JoinError>),
    DeviceEnded(Result<Parting, JoinError>),
    Decided,
    /// Devices that may run and that nobody holds are to be searched for.
    Seek,
    Shutdown,
}

pub(crate) struct Manager {
    registry: Arc<Registry>,
    scan_requests: Arc<ScanRequests>,
    catalogue: watch::Receiver<Catalogue>,
    /// What the owner decided.
    configuration: Arc<UserConfiguration>,
    decisions: watch::Receiver<Arc<UserConfiguration>>,
    known: watch::Sender<Arc<Vec<Arc<KnownDevice>>>>,
    running: Running,
    /// Whoever wants to see what becomes of sightings.
    telling: Telling,
    buses: Vec<Arc<dyn HardwareBus>>,
    look_only: bool,
    indexes: Indexes,
    attempts: JoinSet<Attempt>,
    /// Places where an attempt is under way.
    connecting: HashMap<Place, AbortHandle>,
    /// Each hands back its hardware, to be closed.
    devices: JoinSet<Parting>,
    closing: JoinSet<()>,
    connected: HashMap<Place, Connected>,
    /// Devices that may run and that nobody holds.
    lost: Lost,
    /// On which buses to search for them.
    seek: watch::Sender<BTreeSet<usize>>,
    /// Buses on which clients' search is going on, or was when they called it off: the next one begins there as well.
    searching: HashSet<usize>,
}

impl Manager {
    /// Attaches the buses; afterwards [`run`](Self::run) does everything.
    pub(crate) fn new(parts: ManagerParts) -> Self {
        let ManagerParts {
            registry,
            scan_requests,
            catalogue,
            configuration,
            known,
            running,
            telling,
            buses,
            look_only,
        } = parts;
        let mut manager = Self {
            registry,
            scan_requests,
            catalogue,
            configuration: Arc::default(),
            decisions: configuration,
            known,
            running,
            telling,
            buses,
            look_only,
            indexes: Indexes::default(),
            attempts: JoinSet::new(),
            connecting: HashMap::new(),
            devices: JoinSet::new(),
            closing: JoinSet::new(),
            connected: HashMap::new(),
            lost: Lost::default(),
            seek: watch::channel(BTreeSet::new()).0,
            searching: HashSet::new(),
        };
        manager.decided();
        manager.seek_what_ran_before();
        manager
    }

    /// Runs until told to shut down, then ends searches, attempts, devices and buses, in this order. A panic on the way
    /// ends it in the same order: no device is left without its zeros.
    pub(crate) async fn run(mut self, shutdown: watch::Receiver<bool>) {
        let (reports, mut inbox) = mpsc::channel(MAX_WAITING_REPORTS * self.buses.len().max(1));
        let (end_buses, buses_told) = watch::channel(false);
        let mut bus_tasks = JoinSet::new();
        for (number, bus) in self.buses.iter().enumerate() {
            let told = Told { shutdown: shutdown.clone(), end: buses_told.clone() };
            let wishes = Wishes { clients: self.scan_requests.watch(), seek: self.seek.subscribe() };
            bus_tasks.spawn(run_bus(number, Arc::clone(bus), wishes, told, reports.clone()));
        }
        // A server without buses searches for ever: its reports never come.
        let _keep_open = reports;
        if AssertUnwindSafe(self.serve(shutdown, &mut inbox)).catch_unwind().await.is_err() {
            error!("the manager of the devices panicked; stopping all devices");
        }
        // A bus that waits for room for a report is let go on.
        drop(inbox);
        self.end_devices().await;
        end_buses.send_replace(true);
        while bus_tasks.join_next().await.is_some() {}
    }

    async fn serve(&mut self, mut shutdown: watch::Receiver<bool>, inbox: &mut mpsc::Receiver<Report>) {
        loop {
            let seek_at = self.lost.deadline();
            let seek = async {
                match seek_at {
                    Some(at) => tokio::time::sleep_until(at.into()).await,
                    None => std::future::pending().await,
                }
            };
            let wake = tokio::select! {
                biased;
                () = told(&mut shutdown) => Wake::Shutdown,
                Some(ended) = self.devices.join_next() => Wake::DeviceEnded(ended),
                Some(attempted) = self.attempts.join_next() => Wake::Attempted(attempted),
                // A server whose handles are gone decides nothing any more.
                Ok(()) = self.decisions.changed() => Wake::Decided,
                () = seek => Wake::Seek,
                report = inbox.recv() => Wake::Report(report),
            };
            match wake {
                Wake::Shutdown | Wake::Report(None) => break,
                Wake::Report(Some(Report::Sighted(spotted))) => {
                    let span = span_of(&spotted.sighting);
                    self.sighted(spotted).instrument(span).await;
                }
                Wake::Report(Some(Report::Began(bus))) => {
                    self.searching.insert(bus);
                }
                Wake::Report(Some(Report::Finished(bus))) => {
                    if self.searching.remove(&bus) && self.searching.is_empty() {
                        self.scan_requests.finish();
                    }
                }
                Wake::Attempted(Ok(attempt)) => {
                    let span = span_of(&attempt.sighting);
                    self.attempted(attempt).instrument(span).await;
                }
                Wake::Attempted(Err(failed)) => self.attempt_died(&failed),
                Wake::DeviceEnded(ended) => {
                    let gone = self.devices_ended(ended);
                    self.lose(gone);
                }
                Wake::Decided => self.decided(),
                Wake::Seek => self.seek_lost(),
            }
        }
    }

    /// Takes over what the owner decided. A device that is denied is let go at once; all else counts when a device
    /// connects next.
    fn decided(&mut self) {
        self.configuration = Arc::clone(&self.decisions.borrow_and_update());
        self.indexes.reserve(&self.configuration);
        for (place, Connected { handle, .. }) in
            self.connected.iter().filter(|(place, _)| self.configuration.denies(&place.1))
        {
            warn!(
                device = handle.description().index.0,
                address = place.1,
                "denied from now on; it is stopped and let go"
            );
            handle.close();
        }
        self.connecting.retain(|place, attempt| {
            // One that was left running still has to be stopped.
            let called_off = self.configuration.denies(&place.1) && !self.running.is_at(place);
            if called_off {
                attempt.abort();
            }
            !called_off
        });
    }

    async fn sighted(&mut self, spotted: Spotted) {
        let Spotted { bus, sighting, for_the_lost } = spotted;
        let place = (sighting.bus(), sighting.address.clone());
        let owner = Arc::clone(&self.buses[bus]);
        let replaces = owner.replaces_connected();
        if !replaces && (self.connected.contains_key(&place) || self.connecting.contains_key(&place)) {
            return;
        }
        let name = sighting.name();
        // One that was left running is let in whoever it is, for as long as it takes to stop it.
        let runs = self.running.is_at(&place);
        let asked_for = !for_the_lost || self.scan_requests.is_wanted();
        if !asked_for && !runs && !owner.awaits(&sighting.address) {
            return;
        }
        if let Some(reason) = self.configuration.refusal(&sighting.address).filter(|_| !runs) {
            debug!(bus = %sighting.bus(), name, address = sighting.address, reason, "not connected");
            self.telling.tell(&sighting, || Outcome::Refused(reason.into()));
            refuse(&*owner, &sighting, reason).await;
            return;
        }
        let candidates = self.catalogue.borrow().candidates(&sighting);
        if candidates.is_empty() {
            debug!(bus = %sighting.bus(), name, address = sighting.address, "no known device matches");
            self.telling.tell(&sighting, || Outcome::Unknown);
            refuse(&*owner, &sighting, "no known device matches").await;
            return;
        }
        if self.is_full() && !runs {
            warn!(
                name,
                address = sighting.address,
                limit = MAX_DEVICES,
                "too many devices, this one is refused"
            );
            self.telling.tell(&sighting, || Outcome::Refused(TOO_MANY.into()));
            refuse(&*owner, &sighting, TOO_MANY).await;
            return;
        }
        self.telling.tell(&sighting, || Outcome::Matched(protocols(&candidates)));
        if self.look_only {
            refuse(&*owner, &sighting, "this program only looks what is there").await;
            return;
        }
        if let Some(running) = self.connecting.remove(&place) {
            running.abort();
        }
        let earlier = self.connected.get(&place).map(|earlier| earlier.handle.clone());
        debug!(bus = %sighting.bus(), name, address = sighting.address, "connecting");
        let attempt = async move {
            if let Some(earlier) = earlier {
                // The same hardware has connected anew: the old connection is dead, whether it knows it or not.
                earlier.close();
                earlier.ended().await;
            }
            let outcome = connect(owner, sighting.clone(), candidates).await.map(Box::new);
            Attempt { bus, sighting, outcome }
        };
        self.connecting.insert(place, self.attempts.spawn(attempt.in_current_span()));
    }

    async fn attempted(&mut self, attempt: Attempt) {
        let Attempt { bus, sighting, outcome } = attempt;
        let place = (sighting.bus(), sighting.address.clone());
        self.connecting.remove(&place);
        match outcome {
            Ok(ready) => {
                let refusal = self.configuration.refusal(&place.1);
                match refusal.or_else(|| self.is_full().then_some(TOO_MANY)) {
                    None => self.add(bus, &sighting, place, *ready),
                    Some(reason) => self.dismiss(bus, &sighting, place, *ready, reason),
                }
            }
            Err(error) => {
                warn!(bus = %sighting.bus(), name = sighting.name(), address = sighting.address, %error, "not connected");
                self.telling.tell(&sighting, || Outcome::Failed(error.to_string()));
                refuse(&*self.buses[bus], &sighting, &error.to_string()).await;
            }
        }
    }

    /// An attempt panicked, or was called off because the hardware connected anew.
    fn attempt_died(&mut self, failed: &JoinError) {
        self.connecting.retain(|_, attempt| attempt.id() != failed.id());
        if failed.is_panic() {
            error!("connecting a device panicked; it is let go");
        }
    }

    /// Whether there is no room for one more device.
    fn is_full(&self) -> bool {
        self.registry.by_index.len() + self.connecting.len() >= MAX_DEVICES
    }

    /// Gives clients a device.
    fn add(&mut self, bus: usize, sighting: &Sighting, place: Place, ready: Ready) {
        let identity = ready.identity(&place);
        // Programs look for this line, so it is one whatever the hardware calls itself.
        info!("Device {} ({}) found.", in_a_line(&ready.model.name), in_a_line(&identity.address));
        let decided = self.configuration.device(&identity).and_then(|decided| decided.index);
        let by_index = &self.registry.by_index;
        let assigned = self.indexes.assign(identity.clone(), decided, |index| by_index.contains_key(&index));
        let Assigned { index, returning, taken } = assigned;
        if let Some(taken) = taken {
            warn!(address = identity.address, "index {taken} is taken by a device that is connected");
        }
        info!("Assigning index {index} to {}", in_a_line(&ready.model.name));
        let Made { mut parts, present } = self.make(bus, ready, identity, index);
        parts.returning |= returning;
        let handle = parts.handle.clone();
        let PresentDevice { name, identity, .. } = &present;
        if returning {
            self.registry.reconnects.fetch_add(1, Ordering::Relaxed);
        }
        info!(device = index.0, name, protocol = identity.protocol, bus = %place.0, "device connected");
        self.telling.tell(sighting, || Outcome::Connected {
            index,
            name: name.clone(),
            protocol: identity.protocol.clone(),
        });
        self.note(KnownDevice { identity: identity.clone(), index, name: name.clone() });
        self.start(bus, place, parts);
        self.registry.insert(handle, present);
    }

    /// Stops a device that may not stay, and lets it go. No client gets to see it, and it gets no index.
    fn dismiss(&mut self, bus: usize, sighting: &Sighting, place: Place, ready: Ready, reason: &str) {
        let identity = ready.identity(&place);
        let index = self.indexes.of(&identity).unwrap_or(NO_INDEX);
        let Made { parts, present } = self.make(bus, ready, identity, index);
        warn!(name = present.name, address = place.1, reason, "it is stopped and let go");
        self.telling.tell(sighting, || Outcome::Refused(reason.into()));
        parts.handle.close();
        self.start(bus, place, parts);
    }

    /// Makes a device of hardware that takes commands.
    fn make(&self, bus: usize, ready: Ready, identity: DeviceIdentity, index: DeviceIndex) -> Made {
        let Ready { open, protocol, model, .. } = ready;
        let decided = self.configuration.device(&identity);
        let message_gap = decided
            .and_then(|decided| decided.message_gap)
            .or(model.message_gap)
            .unwrap_or_else(|| self.buses[bus].message_gap(identity.bus));
        let Tuned { features, tuning, notices } = tune(&model, decided);
        for notice in notices {
            warn!(device = index.0, address = identity.address, "your configuration: {notice}");
        }
        let display_name = decided.and_then(|decided| decided.display_name.clone());
        let description = Arc::new(DeviceDescription {
            index,
            name: model.name.clone(),
            display_name: display_name.clone(),
            message_gap_ms: u32::try_from(message_gap.as_millis()).unwrap_or(u32::MAX),
            features,
        });
        let outputs = model.outputs().map(|(feature, output)| (feature, output.kind));
        let max_run = decided.and_then(|decided| decided.max_run).or(self.configuration.max_run);
        let tally = Arc::clone(&self.registry.tally);
        let present = PresentDevice {
            name: model.name.clone(),
            display_name,
            identity: identity.clone(),
            needs_keepalive: protocol.keepalive().is_some(),
        };
        let parts = DeviceParts {
            handle: DeviceHandle::new(description, outputs, tuning, tally, max_run),
            protocol,
            hardware: open.hardware,
            events: open.events,
            message_gap,
            // It may go on with what it was told before.
            returning: self.running.is_at(&(identity.bus, identity.address.clone())),
            motion: Motion::new(identity, self.running.clone()),
        };
        Made { parts, present }
    }

    /// Starts a device's task.
    fn start(&mut self, bus: usize, place: Place, parts: DeviceParts) {
        self.lost.came(Instant::now().into_std(), &place);
        let span = Span::current();
        let connected = Connected { bus, handle: parts.handle.clone(), span: span.clone() };
        self.devices.spawn(task::run(parts).instrument(span));
        if let Some(earlier) = self.connected.insert(place, connected) {
            // Its task has stopped taking anything but is still closing its hardware.
            self.registry.remove(&earlier.handle);
        }
    }

    /// Has devices sought that ran when an earlier server died. Those behind a bridge dial in by themselves.
    fn seek_what_ran_before(&mut self) {
        if self.look_only {
            return;
        }
        let of_kind = |kind| {
            let buses = self.buses.iter().enumerate();
            buses.filter(|(_, bus)| bus.kind() == kind).map(|(number, _)| number).collect()
        };
        let now = Instant::now().into_std();
        self.lost.ran_before(now, &self.running.all(), |device| of_kind(device.bus));
    }

    /// Has the buses look for devices that may run and that nobody holds, without anybody asking for a search.
    fn seek_lost(&mut self) {
        let now = Instant::now().into_std();
        let Self { lost, running, buses, connected, connecting, .. } = self;
        let seek = lost.buses(now, running, |bus, place| {
            connected.contains_key(place) || connecting.contains_key(place) || buses[bus].seeks(&place.1)
        });
        // Told anew each time: a bus that has finished by itself begins again.
        self.seek.send_if_modified(|current| {
            let told = !seek.is_empty() || !current.is_empty();
            *current = seek;
            told
        });
    }

    /// Notes that a device was here, for whoever keeps that.
    fn note(&self, device: KnownDevice) {
        self.known.send_if_modified(|known| {
            if known.iter().any(|known| **known == device) {
                return false;
            }
            let known = Arc::make_mut(known);
            // The index may have been another's, who gets a new one.
            known.retain(|known| known.identity != device.identity && known.index != device.index);
            // The indexes have forgotten no less.
            if known.len() >= MAX_REMEMBERED {
                known.remove(0);
            }
            known.push(Arc::new(device));
            true
        });
    }

    /// Takes the devices out whose tasks have ended, and answers which.
    fn devices_ended(&mut self, ended: Result<Parting, JoinError>) -> Vec<(Place, Connected)> {
        while self.closing.try_join_next().is_some() {}
        match ended {
            // Closing may take a while; the device leaves the list at once.
            Ok(parting) => drop(self.closing.spawn(task::close(parting))),
            Err(failed) => error!(%failed, "a device's task ended badly"),
        }
        let over = self.connected.iter().filter(|(_, device)| device.handle.has_ended());
        let over: Vec<Place> = over.map(|(place, _)| place.clone()).collect();
        let gone: Vec<_> = over.iter().filter_map(|place| self.connected.remove_entry(place)).collect();
        for (_, Connected { handle, .. }) in &gone {
            self.registry.remove(handle);
        }
        gone
    }

    /// Those of the devices that ran are sought from now on.
    fn lose(&mut self, gone: Vec<(Place, Connected)>) {
        for (place, Connected { bus, handle, span }) in gone {
            let _span = span.enter();
            if let Some(run) = self.running.at(&place) {
                let (device, address) = (handle.description().index.0, place.1.clone());
                if self.lost.add(Instant::now().into_std(), place, run, bus) {
                    warn!(device, address, "lost while it ran; it is sought, to be stopped");
                } else {
                    warn!(
                        device,
                        address, "lost while it ran, again and again; it is sought no longer, switch it off"
                    );
                }
            }
        }
    }

    /// Closes every device and waits for all of it. A device that may be running and is just connecting is let come, to be
    /// stopped, if it does not take long.
    async fn end_devices(&mut self) {
        for Connected { handle, .. } in self.connected.values() {
            handle.close();
        }
        for (_, attempt) in self.connecting.iter().filter(|(place, _)| !self.running.is_at(place)) {
            attempt.abort();
        }
        let patience = Instant::now() + MAX_LAST_CONNECT;
        while self.connecting.keys().any(|place| self.running.is_at(place)) {
            tokio::select! {
                biased;
                Some(ended) = self.devices.join_next() => drop(self.devices_ended(ended)),
                Some(attempted) = self.attempts.join_next() => self.ended_last(attempted),
                () = tokio::time::sleep_until(patience) => break,
            }
        }
        self.attempts.abort_all();
        while let Some(attempted) = self.attempts.join_next().await {
            self.ended_last(attempted);
        }
        while let Some(ended) = self.devices.join_next().await {
            // Nobody seeks any more what did not take its zeros.
            self.devices_ended(ended);
        }
        while self.closing.join_next().await.is_some() {}
    }

    /// An attempt has ended, and so does the server. A panic costs the others nothing.
    fn ended_last(&mut self, attempted: Result<Attempt, JoinError>) {
        let last = AssertUnwindSafe(|| match attempted {
            Ok(attempt) => span_of(&attempt.sighting).in_scope(|| self.attempted_last(attempt)),
            Err(failed) => self.attempt_died(&failed),
        });
        if catch_unwind(last).is_err() {
            error!("making a device at the end panicked; it is let go");
        }
    }

    /// A device that came of an attempt is stopped and let go.
    fn attempted_last(&mut self, attempt: Attempt) {
        let Attempt { bus, sighting, outcome } = attempt;
        let place = (sighting.bus(), sighting.address.clone());
        self.connecting.remove(&place);
        match outcome {
            Ok(ready) => self.dismiss(bus, &sighting, place, *ready, ENDING),
            Err(error) => debug!(bus = %place.0, address = place.1, %error, "not connected"),
        }
    }
}

/// The ids of the protocols that hardware may speak, each once, the preferred one first.
fn protocols(candidates: &[Candidate]) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    for candidate in candidates {
        if ids.iter().all(|id| id != candidate.protocol()) {
            ids.push(candidate.protocol().to_owned());
        }
    }
    ids
}

/// Tells a bus that hardware is not wanted, without waiting long for it.
async fn refuse(bus: &dyn HardwareBus, sighting: &Sighting, reason: &str) {
    if tokio::time::timeout(MAX_REFUSAL, bus.refuse(sighting, reason)).await.is_err() {
        warn!(bus = %bus.kind(), address = sighting.address, "refusing took too long");
    }
}

/// What the lines of the log are in that are about hardware which came over a network: they are counted with those about
/// whoever has brought it. At the level at which there is any line at all.
fn span_of(sighting: &Sighting) -> Span {
    sighting.peer.map_or_else(Span::none, |peer| error_span!("device", %peer))
}

/// A text as it stands in a line of the log: all of it, with line ends and the like written out.
fn in_a_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            line.extend(letter.escape_debug());
        } else {
            line.push(letter);
        }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_a_device_stays_in_its_line_and_is_otherwise_as_it_is() {
        for (text, line) in [
            ("F0:82:05:9A:D3:BD", "F0:82:05:9A:D3:BD"),
            (r"\\?\hid#vid_1234", r"\\?\hid#vid_1234"),
            ("it's \"é\"", "it's \"é\""),
            ("a\nERROR b\r\u{1b}[2J", r"a\nERROR b\r\u{1b}[2J"),
        ] {
            assert_eq!(in_a_line(text), line);
        }
    }
}
