//! Which file says what runs. Each guard has one for itself as long as it lives, which a lock tells the others; what one left
//! behind that was killed with its engine, the next one takes over.

use crate::cli::ServeFlags;
use crate::running;
use crate::settings::DEFAULT_CLIENT_PORT;
use std::fs::{self, File};
use std::io;
#[cfg(unix)]
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Guards of one person that go by the same name, such as those of engines on any port.
const MAX_ALIKE: u32 = 64;

/// What stands in the lock's file once the right is passed on.
const PASSED_ON: &[u8] = b"passed on";

/// How often is looked whether the one to which it was passed on has ended.
const LOOK_AGAIN: Duration = Duration::from_millis(100);

/// How the name begins of a file that nobody could lock.
const UNLOCKED: &str = "running-of-";

/// A file, and the right to it.
pub(super) struct Claim {
    pub(super) path: PathBuf,
    /// Held for its end, with which the system takes the lock back.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is none"))]
    lock: Option<File>,
}

impl Claim {
    /// Takes the file for an engine with these flags, in this folder, and into it what nobody looks after any more. Where
    /// nothing can be written there is a name at least, and the engine tells.
    ///
    /// Waits for so long for one that only stops what runs, and has the right to the file until it ends.
    pub(super) fn take(folder: &Path, flags: &ServeFlags, patience: Duration) -> Self {
        let unlocked =
            |_| Self { path: folder.join(format!("{UNLOCKED}{}.json", std::process::id())), lock: None };
        Self::try_take(folder, flags, patience).unwrap_or_else(unlocked)
    }

    fn try_take(folder: &Path, flags: &ServeFlags, patience: Duration) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let until = Instant::now() + patience;
        let name = name(flags);
        for number in 1..=MAX_ALIKE {
            let name = if number == 1 { name.clone() } else { format!("{name}-{number}") };
            let path = folder.join(format!("{name}.json"));
            while is_passed_on(&path) && Instant::now() < until {
                std::thread::sleep(LOOK_AGAIN);
            }
            // One that is somebody else's is none of ours.
            if let Ok(Some(lock)) = lock(&path) {
                // What can't be taken over stays where it is, for the next one.
                for (other, _lock) in left_behind(folder, &path) {
                    if running::read(&other).is_ok_and(|devices| running::add(&path, devices).is_ok()) {
                        let _ = fs::remove_file(&other);
                    }
                }
                return Ok(Self { path, lock: Some(lock) });
            }
        }
        Err(io::Error::other(format!("{MAX_ALIKE} others like it are at work")))
    }

    /// Lets processes that are started from here on have the right as well, for as long as they live.
    pub(super) fn pass_on(&self) {
        #[cfg(unix)]
        if let Some(mut lock) = self.lock.as_ref() {
            // If not, the next guard takes the file a moment too early, or does not wait for it.
            let _ = rustix::io::fcntl_setfd(lock, rustix::io::FdFlags::empty());
            let _ = lock.write_all(PASSED_ON);
        }
    }

    /// Whether a device runs, as far as anybody knows.
    pub(super) fn is_anything_running(&self) -> bool {
        running::read(&self.path).is_ok_and(|devices| !devices.is_empty())
    }
}

/// Whether one has the right to this file that ends soon by itself.
fn is_passed_on(path: &Path) -> bool {
    let says_so = fs::read(path.with_extension("lock")).is_ok_and(|text| text == PASSED_ON);
    says_so && matches!(lock_as_it_is(path), Ok(None))
}

/// The right to a file, if nobody has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let lock = lock_as_it_is(path)?;
    if let Some(lock) = &lock {
        lock.set_len(0)?;
    }
    Ok(lock)
}

fn lock_as_it_is(path: &Path) -> io::Result<Option<File>> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(path.with_extension("lock"))?;
    #[cfg(unix)]
    match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    Ok(Some(lock))
}

/// The files of guards that are gone, each with the right to it. Only where there are locks that tell.
fn left_behind(folder: &Path, own: &Path) -> Vec<(PathBuf, File)> {
    let entries = if cfg!(unix) { fs::read_dir(folder).ok() } else { None };
    let paths = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_one = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("running-") && name.ends_with(".json") && path != own && !name.starts_with(UNLOCKED)
    };
    paths.filter(|path| is_one(path)).filter_map(|path| Some((path.clone(), lock(&path).ok()??))).collect()
}

/// One name for each way by which clients come, so that the next engine with the same flags finds the file of the last one
/// also where there are no locks.
fn name(flags: &ServeFlags) -> String {
    if let Some(client) = &flags.launch.websocket_client_address {
        let place = buttplug_connector_websocket::shown_url(client);
        let name: String = place.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
        return format!("running-to-{}", name.get(..name.len().min(100)).unwrap_or_default());
    }
    let opens_port = flags.websocket_port.is_some()
        || flags.websocket_use_all_interfaces
        || flags.websocket_listen_address.is_some();
    if let Some(port) = flags.rest_api_port.filter(|port| *port != 0 && !opens_port) {
        return format!("running-rest-{port}");
    }
    let address = flags.websocket_listen_address.as_deref().and_then(|address| address.rsplit_once(':'));
    let port = match address {
        Some((_, port)) => port.parse().unwrap_or(0),
        None => flags.websocket_port.unwrap_or(DEFAULT_CLIENT_PORT),
    };
    match port {
        0 => "running-any".into(),
        port => format!("running-{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_way_has_a_name_of_its_own() {
        let of = |port: Option<u16>, address: Option<&str>| {
            let flags = ServeFlags {
                websocket_port: port,
                websocket_listen_address: address.map(str::to_owned),
                ..ServeFlags::default()
            };
            name(&flags)
        };
        assert_eq!(of(None, None), "running-12345");
        assert_eq!(of(Some(5), None), "running-5");
        assert_eq!(of(None, Some("[::1]:6")), "running-6");
        assert_eq!(of(None, Some("../..")), "running-12345");
        assert_eq!(of(None, Some("x:../..")), "running-any");
        assert_eq!(of(Some(0), None), "running-any");
        let rest = ServeFlags { rest_api_port: Some(8080), ..ServeFlags::default() };
        assert_eq!(name(&rest), "running-rest-8080");
        let both = ServeFlags { websocket_port: Some(5), ..rest };
        assert_eq!(name(&both), "running-5");
        let mut dials = ServeFlags::default();
        dials.launch.websocket_client_address = Some("ws://me:secret@a:9/../x?token=secret".into());
        let name = name(&dials);
        assert!(name.starts_with("running-to-ws---") && name.contains("a-9----x"), "{name}");
        assert!(!name.contains("secret"), "{name}");
    }

    #[cfg(unix)]
    #[test]
    fn who_lives_keeps_its_file_and_what_the_dead_left_behind_is_taken_over() {
        use buttplug_protocols::sighting::BusKind;
        use buttplug_server::configuration::DeviceIdentity;
        let folder = std::env::temp_dir().join(format!("buttplug-claim-{}", std::process::id()));
        let device = |address: &str| DeviceIdentity {
            bus: BusKind::Serial,
            protocol: "tcode-v03".into(),
            identifier: None,
            address: address.into(),
        };
        let port = |port| ServeFlags { websocket_port: Some(port), ..ServeFlags::default() };
        let addresses = |claim: &Claim| {
            let devices = running::read(&claim.path).unwrap();
            devices.into_iter().map(|device| device.address).collect::<Vec<_>>()
        };
        let first = Claim::take(&folder, &port(5), Duration::ZERO);
        assert!(!first.is_anything_running());
        running::add(&first.path, [device("a")]).unwrap();
        let second = Claim::take(&folder, &port(5), Duration::ZERO);
        assert_eq!(second.path, folder.join("running-5-2.json"));
        assert!(!second.is_anything_running(), "the other one's device is in good hands");
        running::add(&second.path, [device("b")]).unwrap();
        drop((first, second));
        let third = Claim::take(&folder, &port(0), Duration::ZERO);
        let mut taken = addresses(&third);
        taken.sort_unstable();
        assert_eq!(taken, ["a", "b"]);
        assert!(third.is_anything_running());
        drop(third);
        fs::write(folder.join("running-7.json"), "{").unwrap();
        let fourth = Claim::take(&folder, &port(5), Duration::ZERO);
        assert_eq!(addresses(&fourth).len(), 2);
        assert_eq!(
            fs::read_to_string(folder.join("running-7.json")).unwrap(),
            "{",
            "nobody knows what it says"
        );
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn one_that_ends_soon_by_itself_is_waited_for_and_a_guard_at_work_is_not() {
        let folder = std::env::temp_dir().join(format!("buttplug-passed-on-{}", std::process::id()));
        let flags = ServeFlags { websocket_port: Some(5), ..ServeFlags::default() };
        let long = Duration::from_secs(20);
        let at_work = Claim::take(&folder, &flags, long);
        let begun = Instant::now();
        assert_eq!(Claim::take(&folder, &flags, long).path, folder.join("running-5-2.json"));
        assert!(begun.elapsed() < long / 2);
        at_work.pass_on();
        let child = std::thread::spawn(move || {
            std::thread::sleep(3 * LOOK_AGAIN);
            drop(at_work);
        });
        let next = Claim::take(&folder, &flags, long);
        assert_eq!(next.path, folder.join("running-5.json"));
        child.join().unwrap();
        let other = Claim::take(&folder, &flags, long);
        assert_eq!(other.path, folder.join("running-5-2.json"), "what it was passed on is forgotten");
        fs::remove_dir_all(&folder).unwrap();
    }
}
