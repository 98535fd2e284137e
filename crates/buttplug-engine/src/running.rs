//! The file that says which devices run, for the engine that starts after one that died: kept while it lives, read once.
//!
//! It is written at each change between rest and motion, beside the commands and never before them, and is not forced to
//! the disk: it has to outlive the program, and a machine that dies takes its links to devices with it.

use buttplug_protocols::sighting::BusKind;
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
}

/// The devices that ran when an engine died; none if it ended in order.
pub(crate) fn read(path: &Path) -> Result<Vec<DeviceIdentity>, RunningFileError> {
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
    Ok(entries.into_iter().filter_map(identity).collect())
}

fn identity(entry: Entry) -> Option<DeviceIdentity> {
    let Entry { bus, protocol, identifier, address } = entry;
    // A bus that this program does not have finds nothing either.
    Some(DeviceIdentity { bus: BusKind::from_name(&bus)?, protocol, identifier, address })
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
    let (wanted, rest): (Vec<_>, Vec<_>) = devices.into_iter().partition(is_wanted);
    if wanted.is_empty() && !rest.is_empty() {
        return Ok(());
    }
    add(to, wanted)?;
    write(from, &rest.into_iter().map(Arc::new).collect::<Vec<_>>())
}

/// Adds devices to those that stand there, each once.
///
/// # Errors
/// Nothing can be written there, or what stands there is not understood.
pub(crate) fn add(path: &Path, more: impl IntoIterator<Item = DeviceIdentity>) -> io::Result<()> {
    let mut devices = read(path).map_err(io::Error::other)?;
    let before = devices.len();
    for device in more {
        if !devices.contains(&device) {
            devices.push(device);
        }
    }
    if devices.len() == before {
        return Ok(());
    }
    write(path, &devices.into_iter().map(Arc::new).collect::<Vec<_>>())
}

/// Puts the devices in the place of those that stand there, in one step. No file means that none runs.
fn write(path: &Path, devices: &[Arc<DeviceIdentity>]) -> io::Result<()> {
    if devices.is_empty() {
        return match fs::remove_file(path) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
    }
    let entry = |device: &Arc<DeviceIdentity>| Entry {
        bus: device.bus.to_string(),
        protocol: device.protocol.clone(),
        identifier: device.identifier.clone(),
        address: device.address.clone(),
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

/// Keeps the file until told to stop, or whoever could tell is gone; then it is written a last time.
pub(crate) async fn keep(path: PathBuf, mut running: Running, mut stop: oneshot::Receiver<()>) {
    let mut going_on = true;
    let mut failing = false;
    let mut kept: Option<Arc<Vec<Arc<DeviceIdentity>>>> = None;
    while going_on {
        going_on = tokio::select! {
            biased;
            _ = &mut stop => false,
            changed = running.changed() => changed.is_ok(),
            () = sleep(WRITE_AGAIN), if failing => true,
        };
        let devices = Arc::clone(&running.borrow_and_update());
        // Nothing is written twice: at the end of this engine the file may be another one's.
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, &devices)) {
            continue;
        }
        let place = path.clone();
        kept = Some(Arc::clone(&devices));
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
        let devices = [device("a \"b\"", Some("Z")), device("c", None)];
        write(&path, &devices).unwrap();
        assert_eq!(read(&path).unwrap(), devices.each_ref().map(|device| (**device).clone()));
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
        let keeping = tokio::spawn(keep(path.clone(), watched, stopped));
        running.send_replace(Arc::new(vec![device("a", None)]));
        stop.send(()).unwrap();
        keeping.await.unwrap();
        assert_eq!(read(&path).unwrap(), [(*device("a", None)).clone()]);
    }

    #[tokio::test(start_paused = true)]
    async fn what_could_not_be_written_is_tried_again_though_nothing_changes() {
        let folder = Folder::new("again");
        // A file where the folder should be.
        fs::write(&folder.0, "").unwrap();
        let path = folder.0.join("running.json");
        let (running, watched) = watch::channel(Arc::default());
        let (_stop, stopped) = oneshot::channel();
        let keeping = tokio::spawn(keep(path.clone(), watched, stopped));
        running.send_replace(Arc::new(vec![device("a", None)]));
        sleep(3 * WRITE_AGAIN).await;
        assert!(!path.exists());
        fs::remove_file(&folder.0).unwrap();
        sleep(2 * WRITE_AGAIN).await;
        assert_eq!(read(&path).unwrap(), [(*device("a", None)).clone()]);
        drop(running);
        keeping.await.unwrap();
    }
}
