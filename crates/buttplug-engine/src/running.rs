//! The file that says which devices run, for the engine that starts after one that died: kept while it lives, read once.
//!
//! It is written at each change between rest and motion, beside the commands and never before them, and is not forced to
//! the disk: it has to outlive the program, and a machine that dies takes its links to devices with it.

use buttplug_protocols::sighting::BusKind;
use buttplug_server::Present;
use buttplug_server::configuration::DeviceIdentity;
use serde::{Deserialize, Serialize};
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use thiserror::Error;
use tokio::sync::{oneshot, watch};
use tokio::task::spawn_blocking;
use tokio::time::sleep;

/// Bytes of such a file: as many devices as there may be, each with the longest address.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// The pause before what could not be written is tried again: a disk that is full for a moment is not for long.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// Searches in vain after which nobody waits any more for a device to be found: once clients have, or whoever ended an engine,
/// and once more the other of the two.
pub(crate) const MAX_WAITS: u8 = 2;

/// Searches in vain after which a device is not named any more. Those beyond [`MAX_WAITS`] are long ones.
const MAX_SEARCHES: u8 = 5;

/// Which devices run, as the server tells it.
type Running = watch::Receiver<Arc<Vec<Arc<DeviceIdentity>>>>;

/// Why nobody knows which devices ran.
#[derive(Debug, Error)]
pub(crate) enum RunningFileError {
    /// The system does not let it be read.
    #[error("it can't be read: {0}")]
    Unreadable(#[from] io::Error),
    /// It is longer than it can be.
    #[error("it is longer than {MAX_FILE_BYTES} bytes")]
    TooLong,
    /// It says nothing that makes sense.
    #[error("it is not understood: {0}")]
    Malformed(#[from] serde_json::Error),
}

#[derive(Serialize, Deserialize)]
struct Entry {
    bus: String,
    protocol: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    identifier: Option<String>,
    address: String,
    #[serde(default, skip_serializing_if = "is_none")]
    sought: u8,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it")]
fn is_none(searches: &u8) -> bool {
    *searches == 0
}

/// A device that the file names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Ran {
    pub(crate) device: DeviceIdentity,
    /// Searches for it that were in vain.
    pub(crate) sought: u8,
}

/// The devices that ran when an engine died, or could not be reached when it ended in order.
pub(crate) fn read(path: &Path) -> Result<Vec<Ran>, RunningFileError> {
    let mut bytes = Vec::new();
    match File::open(path) {
        Ok(file) => file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error.into()),
    };
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err(RunningFileError::TooLong);
    }
    let entries: Vec<Entry> = serde_json::from_slice(&bytes)?;
    Ok(entries.into_iter().filter_map(ran).collect())
}

/// Whether the file names a device that has not been sought in vain.
pub(crate) fn names_unsought(path: &Path) -> bool {
    read(path).is_ok_and(|devices| devices.iter().any(|ran| ran.sought == 0))
}

fn ran(entry: Entry) -> Option<Ran> {
    let Entry { bus, protocol, identifier, address, sought } = entry;
    // A bus that this program does not have finds nothing either.
    let device = DeviceIdentity { bus: BusKind::from_name(&bus)?, protocol, identifier, address };
    Some(Ran { device, sought })
}

/// Moves those of these devices to another file that are wanted there. What is not stays; no file is left without devices.
///
/// # Errors
/// One of the files can't be written or is not understood; then nothing is lost.
pub(crate) fn move_wanted(
    from: &Path,
    to: &Path,
    is_wanted: impl Fn(&DeviceIdentity) -> bool,
) -> io::Result<()> {
    let devices = read(from).map_err(io::Error::other)?;
    let (wanted, rest): (Vec<_>, Vec<_>) = devices.into_iter().partition(|ran| is_wanted(&ran.device));
    if wanted.is_empty() && !rest.is_empty() {
        return Ok(());
    }
    add(to, wanted)?;
    write(from, &rest)
}

/// Adds those of these devices to another file that are wanted there. All stay where they are.
///
/// # Errors
/// As for [`add`], of either file.
pub(crate) fn copy_wanted(
    from: &Path,
    to: &Path,
    is_wanted: impl Fn(&DeviceIdentity) -> bool,
) -> io::Result<()> {
    let devices = read(from).map_err(io::Error::other)?;
    add(to, devices.into_iter().filter(|ran| is_wanted(&ran.device)))
}

/// Adds devices to those that stand there, each once: as the one of which there is more hope.
///
/// # Errors
/// Nothing can be written there, or what stands there is not understood.
pub(crate) fn add(path: &Path, more: impl IntoIterator<Item = Ran>) -> io::Result<()> {
    let before = read(path).map_err(io::Error::other)?;
    let mut devices = before.clone();
    for ran in more {
        // At one place there is one device, by whatever name it was driven.
        let is_it =
            |there: &DeviceIdentity| (there.bus, &there.address) == (ran.device.bus, &ran.device.address);
        match devices.iter_mut().find(|there| is_it(&there.device)) {
            Some(there) => there.sought = there.sought.min(ran.sought),
            None => devices.push(ran),
        }
    }
    if devices == before { Ok(()) } else { write(path, &devices) }
}

/// Puts the devices in the place of those that stand there, in one step. No file means that none runs.
fn write(path: &Path, devices: &[Ran]) -> io::Result<()> {
    if devices.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let entry = |Ran { device, sought }: &Ran| Entry {
        bus: device.bus.to_string(),
        protocol: device.protocol.clone(),
        identifier: device.identifier.clone(),
        address: device.address.clone(),
        sought: *sought,
    };
    let text = serde_json::to_vec(&devices.iter().map(entry).collect::<Vec<_>>())?;
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let draft = path.with_extension("new");
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(&draft)?.write_all(&text)?;
    fs::rename(&draft, path)
}

/// A device that ran before this engine, and has not been seen since.
#[derive(Debug)]
struct Missing {
    run: Arc<DeviceIdentity>,
    /// Searches in vain before this engine, and until now.
    before: u8,
    until_now: u8,
    /// This engine looks where it was found.
    is_within_reach: bool,
}

/// How often devices were sought in vain that ran before this engine. Copies are the same one.
#[derive(Clone, Debug)]
pub(crate) struct Vain {
    missing: watch::Sender<Vec<Missing>>,
}

impl Vain {
    /// That of devices that stand in this order among those that run.
    pub(crate) fn new(
        running: &[Arc<DeviceIdentity>],
        sought: impl IntoIterator<Item = u8>,
        is_within_reach: impl Fn(&DeviceIdentity) -> bool,
    ) -> Self {
        let missing = running.iter().zip(sought).map(|(run, before)| Missing {
            run: Arc::clone(run),
            before,
            until_now: before,
            is_within_reach: is_within_reach(run),
        });
        Self { missing: watch::Sender::new(missing.collect()) }
    }

    /// Those that this engine may find.
    pub(crate) fn within_reach(&self) -> Vec<Arc<DeviceIdentity>> {
        self.within_reach_that(|_| true)
    }

    /// Those of them that have not been sought in vain.
    pub(crate) fn unsought(&self) -> Vec<Arc<DeviceIdentity>> {
        self.within_reach_that(|missing| missing.until_now == 0)
    }

    fn within_reach_that(&self, is_one: impl Fn(&Missing) -> bool) -> Vec<Arc<DeviceIdentity>> {
        let missing = self.missing.borrow();
        let these = missing.iter().filter(|missing| missing.is_within_reach && is_one(missing));
        these.map(|missing| Arc::clone(&missing.run)).collect()
    }

    /// This engine has looked for them as long as somebody would wait. It counts once.
    pub(crate) fn sought(&self) {
        self.count(|before| before.max(MAX_WAITS.min(before.saturating_add(1))));
    }

    /// This engine has looked for them for long. It counts once.
    pub(crate) fn sought_for_long(&self) {
        self.count(|before| before.max(MAX_WAITS).saturating_add(1));
    }

    /// There is no hope left.
    pub(crate) fn given_up(&self) {
        self.count(|_| MAX_SEARCHES);
    }

    fn count(&self, count: impl Fn(u8) -> u8) {
        self.missing.send_modify(|missing| {
            for missing in missing.iter_mut().filter(|missing| missing.is_within_reach) {
                missing.until_now = count(missing.before);
            }
        });
    }

    /// A device that is there is none that is sought in vain, whatever becomes of it.
    fn see(&self, present: &Present) {
        self.missing.send_if_modified(|missing| {
            let before = missing.len();
            missing.retain(|Missing { run, .. }| {
                let is_it = |other: &DeviceIdentity| (other.bus, &other.address) == (run.bus, &run.address);
                !present.devices.values().any(|device| is_it(&device.identity))
            });
            missing.len() != before
        });
    }

    /// What the file has to name of what runs.
    fn named(&self, running: &[Arc<DeviceIdentity>]) -> Vec<Ran> {
        let missing = self.missing.borrow();
        let sought =
            |run| missing.iter().find(|missing| Arc::ptr_eq(&missing.run, run)).map(|it| it.until_now);
        let ran = running.iter().map(|run| Ran { device: (**run).clone(), sought: sought(run).unwrap_or(0) });
        ran.filter(|ran| ran.sought < MAX_SEARCHES).collect()
    }
}

/// Keeps the file until told to stop, or whoever could tell is gone; then it is written a last time.
pub(crate) async fn keep(
    path: PathBuf,
    mut running: Running,
    mut present: watch::Receiver<Arc<Present>>,
    vain: Vain,
    mut stop: oneshot::Receiver<()>,
) {
    let mut going_on = true;
    let mut failing = false;
    let mut kept: Option<Vec<Ran>> = None;
    let mut counted = vain.missing.subscribe();
    while going_on {
        going_on = tokio::select! {
            biased;
            _ = &mut stop => false,
            changed = running.changed() => changed.is_ok(),
            Ok(()) = present.changed() => true,
            Ok(()) = counted.changed() => true,
            () = sleep(WRITE_AGAIN), if failing => true,
        };
        vain.see(&present.borrow_and_update());
        counted.mark_unchanged();
        let devices = vain.named(&running.borrow_and_update());
        // Nothing is written twice: at the end of this engine the file may be another one's.
        if kept.as_ref() == Some(&devices) {
            continue;
        }
        let place = path.clone();
        kept = Some(devices.clone());
        // In a thread that may block: no command waits for a disk.
        let written = spawn_blocking(move || write(&place, &devices)).await;
        let trouble = match written {
            Ok(Ok(())) => None,
            Ok(Err(error)) => Some(error.to_string()),
            Err(failed) => Some(failed.to_string()),
        };
        if let Some(error) = trouble.as_ref().filter(|_| !failing) {
            tracing::warn!(
                error,
                "{} can't be written; should the engine die, what ran is not stopped first",
                path.display()
            );
        }
        failing = trouble.is_some();
        kept = kept.filter(|_| !failing);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(address: &str, identifier: Option<&str>) -> Arc<DeviceIdentity> {
        Arc::new(DeviceIdentity {
            bus: BusKind::WebSocket,
            protocol: "lovense".into(),
            identifier: identifier.map(str::to_owned),
            address: address.into(),
        })
    }

    fn ran(address: &str, identifier: Option<&str>, sought: u8) -> Ran {
        Ran { device: (*device(address, identifier)).clone(), sought }
    }

    /// Of no device that ran before.
    fn vain() -> Vain {
        Vain::new(&[], [], |_| true)
    }

    fn nobody() -> watch::Receiver<Arc<Present>> {
        watch::channel(Arc::default()).1
    }

    /// A folder of a test's own, gone with it.
    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str) -> Self {
            Self(std::env::temp_dir().join(format!("buttplug-running-{name}-{}", std::process::id())))
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            let _ = fs::remove_dir_all(&self.0);
        }
    }

    #[test]
    fn what_is_written_is_read_and_no_file_means_that_none_runs() {
        let folder = Folder::new("written");
        let path = folder.0.join("deep").join("running.json");
        assert_eq!(read(&path).unwrap(), []);
        write(&path, &[]).unwrap();
        let devices = [ran("a \"b\"", Some("Z"), 0), ran("c", None, 3)];
        write(&path, &devices).unwrap();
        assert_eq!(read(&path).unwrap(), devices);
        write(&path, &[]).unwrap();
        assert_eq!(fs::read_dir(path.parent().unwrap()).unwrap().count(), 0, "nothing is left over");
    }

    #[test]
    fn a_file_that_is_none_is_an_error_and_a_bus_that_is_not_known_is_passed_over() {
        let folder = Folder::new("broken");
        fs::create_dir_all(&folder.0).unwrap();
        let path = folder.0.join("running.json");
        for text in ["", "{}", "[{}]", "[1]", "\0"] {
            fs::write(&path, text).unwrap();
            assert!(matches!(read(&path), Err(RunningFileError::Malformed(_))), "{text}");
        }
        fs::write(&path, " ".repeat(1024 * 1024 + 1)).unwrap();
        assert!(matches!(read(&path), Err(RunningFileError::TooLong)));
        assert!(matches!(read(&folder.0), Err(RunningFileError::Unreadable(_))));
        fs::write(&path, r#"[{"bus": "tin can", "protocol": "x", "address": "y"}]"#).unwrap();
        assert_eq!(read(&path).unwrap(), []);
    }

    #[tokio::test]
    async fn the_last_state_is_written_when_it_is_told_to_stop() {
        let folder = Folder::new("last");
        let path = folder.0.join("running.json");
        let (running, watched) = watch::channel(Arc::default());
        let (stop, stopped) = oneshot::channel();
        let keeping = tokio::spawn(keep(path.clone(), watched, nobody(), vain(), stopped));
        running.send_replace(Arc::new(vec![device("a", None)]));
        stop.send(()).unwrap();
        keeping.await.unwrap();
        assert_eq!(read(&path).unwrap(), [ran("a", None, 0)]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_written_is_tried_again_though_nothing_changes() {
        let folder = Folder::new("again");
        // A file where the folder should be.
        fs::write(&folder.0, "").unwrap();
        let path = folder.0.join("running.json");
        let (running, watched) = watch::channel(Arc::default());
        let (_stop, stopped) = oneshot::channel();
        let keeping = tokio::spawn(keep(path.clone(), watched, nobody(), vain(), stopped));
        running.send_replace(Arc::new(vec![device("a", None)]));
        sleep(3 * WRITE_AGAIN).await;
        assert!(!path.exists());
        fs::remove_file(&folder.0).unwrap();
        sleep(2 * WRITE_AGAIN).await;
        assert_eq!(read(&path).unwrap(), [ran("a", None, 0)]);
        drop(running);
        keeping.await.unwrap();
    }

    #[test]
    fn a_device_that_was_sought_in_vain_again_and_again_is_not_named_any_more() {
        let running = [device("never", None), device("once", None), device("twice", None)];
        let counts = |ran: Vec<Ran>| ran.into_iter().map(|ran| ran.sought).collect::<Vec<_>>();
        let vain = Vain::new(&running, [0, 1, 2], |_| true);
        assert_eq!(counts(vain.named(&running)), [0, 1, 2]);
        assert_eq!(vain.unsought().len(), 1);
        for _ in 0..3 {
            vain.sought();
            assert_eq!(counts(vain.named(&running)), [1, 2, 2], "one engine counts once");
        }
        vain.sought_for_long();
        assert_eq!(counts(vain.named(&running)), [3, 3, 3]);
        let later = Vain::new(&running, [3, 4, 4], |_| true);
        later.sought();
        assert_eq!(counts(later.named(&running)), [3, 4, 4], "no short search takes the last hope");
        later.sought_for_long();
        assert_eq!(counts(later.named(&running)), [4]);
        vain.given_up();
        assert!(vain.named(&running).is_empty());
    }

    #[test]
    fn what_can_not_be_found_has_not_been_sought_in_vain() {
        let running = [device("near", None), device("elsewhere", None)];
        let vain = Vain::new(&running, [0, 1], |device| device.address == "near");
        assert_eq!(vain.within_reach(), running[..1]);
        vain.given_up();
        assert_eq!(vain.named(&running), [ran("elsewhere", None, 1)]);
    }

    #[test]
    fn what_is_seen_or_runs_anew_has_not_been_sought_in_vain() {
        let running = [device("seen", None), device("anew", None), device("gone", None)];
        let vain = Vain::new(&running, [2, 2, 2], |_| true);
        let seen = buttplug_server::PresentDevice {
            name: "x".into(),
            display_name: None,
            identity: (*running[0]).clone(),
            needs_keepalive: false,
        };
        let devices = [(buttplug_core::DeviceIndex(0), Arc::new(seen))].into();
        vain.see(&Present { devices, ..Present::default() });
        vain.given_up();
        let running = [Arc::clone(&running[0]), device("anew", None), Arc::clone(&running[2])];
        assert_eq!(vain.named(&running), [ran("seen", None, 0), ran("anew", None, 0)]);
    }

    #[test]
    fn of_two_counts_for_a_device_the_one_with_more_hope_stays() {
        let folder = Folder::new("hope");
        let (path, other) = (folder.0.join("running.json"), folder.0.join("other.json"));
        write(&path, &[ran("a", None, 2), ran("b", None, 0)]).unwrap();
        write(&other, &[ran("a", None, 1), ran("b", None, 1), ran("c", None, 2)]).unwrap();
        move_wanted(&other, &path, |_| true).unwrap();
        assert_eq!(read(&path).unwrap(), [ran("a", None, 1), ran("b", None, 0), ran("c", None, 2)]);
        assert!(!other.exists());
    }

    #[tokio::test]
    async fn what_is_counted_is_written() {
        let folder = Folder::new("counted");
        let path = folder.0.join("running.json");
        let running = [device("a", None)];
        let (_running, watched) = watch::channel(Arc::new(running.to_vec()));
        let (stop, stopped) = oneshot::channel();
        let vain = Vain::new(&running, [1], |_| true);
        let keeping = tokio::spawn(keep(path.clone(), watched, nobody(), vain.clone(), stopped));
        tokio::task::yield_now().await;
        vain.sought();
        let written = async {
            while read(&path).unwrap() != [ran("a", None, 2)] {
                sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_secs(20), written).await.unwrap();
        stop.send(()).unwrap();
        keeping.await.unwrap();
    }
}
