//! Which file says what runs. Each guard has one for itself as long as it lives, which a lock tells the others; what one left
//! behind that was killed with its engine, the next one takes over whose engine can reach it.

use super::MAX_FAREWELL;
use crate::cli::{ServeFlags, Subcommand};
use crate::repeater;
use crate::running::{self, MAX_WAITS};
use crate::settings::{DEFAULT_CLIENT_PORT, Reach};
use buttplug_protocols::sighting::BusKind;
use buttplug_server::configuration::DeviceIdentity;
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

/// How often is looked again whether a guard that has a file only looks what was left there.
const MAX_LOOKS: u32 = 3;

/// How the name begins of a file that nobody could lock.
const UNLOCKED: &str = "running-of-";

/// A file, and the right to it.
pub(super) struct Claim {
    pub(super) path: PathBuf,
    /// Held for its end, with which the system takes the lock back.
    #[cfg_attr(not(unix), expect(dead_code, reason = "there is none"))]
    lock: Option<File>,
    /// What its engine may find.
    reach: Reach,
}

impl Claim {
    /// Takes the file for an engine with these flags, in this folder, and into it what nobody looks after any more and it can
    /// reach. Where nothing can be written there is a name at least, and the engine tells.
    ///
    /// Waits for so long for one that only stops what runs, and has the right to the file until it ends; and for the engine of
    /// a guard that was killed, which has ports and devices until it has ended in order.
    pub(super) fn take(
        folder: &Path,
        flags: &ServeFlags,
        subcommand: Subcommand,
        patience: Duration,
    ) -> Self {
        let reach = Reach::of(flags, subcommand);
        let taken = Self::try_take(folder, &name(flags), &reach, patience);
        let (path, lock) = match taken {
            Ok((path, lock)) => (path, Some(lock)),
            Err(_) => (folder.join(format!("{UNLOCKED}{}.json", std::process::id())), None),
        };
        Self { path, lock, reach }
    }

    fn try_take(folder: &Path, name: &str, reach: &Reach, patience: Duration) -> io::Result<(PathBuf, File)> {
        fs::create_dir_all(folder)?;
        let until = Instant::now() + patience;
        for number in 1..=MAX_ALIKE {
            let path = folder.join(file_name(name, number));
            while is_passed_on(&path) && Instant::now() < until {
                std::thread::sleep(LOOK_AGAIN);
            }
            // One that is somebody else's is none of ours.
            let lock = if number == 1 { lock_patiently(&path) } else { lock(&path) };
            if let Ok(Some(lock)) = lock {
                let until = Instant::now() + MAX_FAREWELL;
                // Also one of a guard that had another number has the ports that this one's shall have.
                let alike = (1..=MAX_ALIKE).map(|number| folder.join(file_name(name, number)));
                let others: Vec<_> = alike.filter(|other| *other != path).collect();
                while (is_engine_alive(&path) || others.iter().any(|other| is_engine_ending(other)))
                    && Instant::now() < until
                {
                    std::thread::sleep(LOOK_AGAIN);
                }
                for (other, _lock) in left_behind(folder, &path) {
                    let is_alike = is_alike(&other, name);
                    let is_wanted = |device: &DeviceIdentity| {
                        reach.includes(device) && (is_alike || !is_bound_to_its_engine(device))
                    };
                    let names_one = || {
                        running::read(&other)
                            .is_ok_and(|devices| devices.iter().any(|ran| is_wanted(&ran.device)))
                    };
                    // The engine that still writes it stops what stands there, unless it hangs.
                    while names_one() && is_engine_alive(&other) && Instant::now() < until {
                        std::thread::sleep(LOOK_AGAIN);
                    }
                    // What can't be taken over stays where it is, for the next one.
                    let _ = if is_engine_alive(&other) {
                        running::copy_wanted(&other, &path, is_wanted)
                    } else {
                        running::move_wanted(&other, &path, is_wanted)
                    };
                }
                return Ok((path, lock));
            }
        }
        Err(io::Error::other(format!("{MAX_ALIKE} others like it are at work")))
    }

    /// A right that the process has which is started next, for as long as it lives, if this is dropped afterwards. Should this
    /// process be killed, the next guard waits for the end of that one.
    pub(super) fn for_engine(&self) -> Option<File> {
        #[cfg(unix)]
        {
            let right = try_lock(&engines_lock(&self.path)).ok()??;
            rustix::io::fcntl_setfd(&right, rustix::io::FdFlags::empty()).ok()?;
            Some(right)
        }
        #[cfg(not(unix))]
        None
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

    /// Whether a device runs, as far as anybody knows, that may be found: within reach, and not sought in vain so often that
    /// nobody waits for it any more. After an engine's death it may be that none has looked for it since in earnest: those that
    /// can't start do so, too.
    pub(super) fn may_be_stopped(&self, after_death: bool) -> bool {
        let counts =
            |ran: &running::Ran| (after_death || ran.sought < MAX_WAITS) && self.reach.includes(&ran.device);
        running::read(&self.path).is_ok_and(|devices| devices.iter().any(counts))
    }
}

/// Whether one has the right to this file that ends soon by itself.
fn is_passed_on(path: &Path) -> bool {
    let says_so = fs::read(path.with_extension("lock")).is_ok_and(|text| text == PASSED_ON);
    says_so && matches!(lock_as_it_is(path), Ok(None))
}

/// The file of the guard that has this number among those of the name.
fn file_name(name: &str, number: u32) -> String {
    if number == 1 { format!("{name}.json") } else { format!("{name}-{number}.json") }
}

/// Whether an engine lives that writes this file. Only for who has the right to the file: an engine of another guard that
/// starts at this moment would go without its own.
fn is_engine_alive(path: &Path) -> bool {
    let lock = engines_lock(path);
    lock.exists() && matches!(try_lock(&lock), Ok(None))
}

/// Whether the engine of a guard that is gone lives on, which ends by itself.
fn is_engine_ending(path: &Path) -> bool {
    if !engines_lock(path).exists() {
        return false;
    }
    let right = lock_as_it_is(path);
    matches!(right, Ok(Some(_))) && is_engine_alive(path)
}

/// What says by its lock whether an engine lives that writes this file.
fn engines_lock(path: &Path) -> PathBuf {
    path.with_extension("engine.lock")
}

/// The right to a file, if nobody has it.
fn lock(path: &Path) -> io::Result<Option<File>> {
    let lock = lock_as_it_is(path)?;
    if let Some(lock) = &lock {
        lock.set_len(0)?;
    }
    Ok(lock)
}

/// The same, also if somebody has it for a moment who looks what was left there.
fn lock_patiently(path: &Path) -> io::Result<Option<File>> {
    for _ in 0..MAX_LOOKS {
        let lock = lock(path)?;
        if lock.is_some() {
            return Ok(lock);
        }
        std::thread::sleep(LOOK_AGAIN);
    }
    lock(path)
}

fn lock_as_it_is(path: &Path) -> io::Result<Option<File>> {
    try_lock(&path.with_extension("lock"))
}

/// The lock that is this file, if nobody has it.
fn try_lock(path: &Path) -> io::Result<Option<File>> {
    let mut options = File::options();
    options.create(true).truncate(false).write(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let lock = options.open(path)?;
    #[cfg(unix)]
    match rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        Err(error) => return Err(error.into()),
    }
    Ok(Some(lock))
}

/// The files of guards that are gone, each with the right to it as long as it is looked at. Only where there are locks that tell.
fn left_behind(folder: &Path, own: &Path) -> impl Iterator<Item = (PathBuf, File)> {
    let entries = if cfg!(unix) { fs::read_dir(folder).ok() } else { None };
    let paths = entries.into_iter().flatten().filter_map(|entry| Some(entry.ok()?.path()));
    let is_one = |path: &Path| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with("running-") && name.ends_with(".json") && path != own && !name.starts_with(UNLOCKED)
    };
    let paths: Vec<_> = paths.filter(|path| is_one(path)).collect();
    paths.into_iter().filter_map(|path| Some((path.clone(), lock(&path).ok()??)))
}

/// Whether this is the file of a guard that goes by this name.
fn is_alike(path: &Path, name: &str) -> bool {
    let stem = path.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    match stem.strip_prefix(name) {
        Some("") => true,
        Some(number) => number.strip_prefix('-').is_some_and(|number| number.parse::<u32>().is_ok()),
        None => false,
    }
}

/// Whether a device comes only to the engine that it knows, or lives in it.
fn is_bound_to_its_engine(device: &DeviceIdentity) -> bool {
    matches!(device.bus, BusKind::WebSocket | BusKind::Simulated)
}

/// One name for each way by which clients come, so that the next engine with the same flags finds the file of the last one
/// also where there are no locks.
fn name(flags: &ServeFlags) -> String {
    if repeater::is_one(flags) {
        return format!("running-repeater-{}", flags.launch.repeater_port.unwrap_or(DEFAULT_CLIENT_PORT));
    }
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
    use crate::running::Ran;

    #[cfg(unix)]
    fn unsought(device: DeviceIdentity) -> Ran {
        Ran { device, sought: 0 }
    }

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
        assert_eq!(super::name(&repeater(None)), "running-repeater-12345");
        assert_eq!(super::name(&repeater(Some(7))), "running-repeater-7");
    }

    fn repeater(port: Option<u16>) -> ServeFlags {
        let mut flags = ServeFlags::default();
        flags.launch.repeater = true;
        flags.launch.repeater_remote_address = Some("192.168.1.5".into());
        flags.launch.repeater_port = port;
        flags
    }

    #[test]
    fn numbers_do_not_make_another_name() {
        for (file, is_one) in [
            ("running-5.json", true),
            ("running-5-2.json", true),
            ("running-54.json", false),
            ("running-5-x.json", false),
            ("running-rest-5.json", false),
        ] {
            assert_eq!(is_alike(Path::new(file), "running-5"), is_one, "{file}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn what_the_flags_can_not_reach_is_left_to_a_guard_whose_flags_can() {
        let folder = std::env::temp_dir().join(format!("buttplug-reach-{}", std::process::id()));
        let device = |bus: BusKind| DeviceIdentity {
            bus,
            protocol: "tcode-v03".into(),
            identifier: None,
            address: "a".into(),
        };
        let flags = |port, change: fn(&mut ServeFlags)| {
            let mut flags = ServeFlags { websocket_port: Some(port), ..ServeFlags::default() };
            change(&mut flags);
            flags
        };
        let gamepads = flags(5, |flags| {
            flags.search.use_gamepads = true;
            flags.search.use_device_websocket_server = true;
        });
        let take = |flags: &ServeFlags| Claim::take(&folder, flags, Subcommand::Implied, Duration::ZERO);
        let buses = |claim: &Claim| {
            let devices = running::read(&claim.path).unwrap();
            devices.into_iter().map(|ran| ran.device.bus).collect::<Vec<_>>()
        };
        let left = take(&gamepads);
        running::add(&left.path, [BusKind::Gamepad, BusKind::WebSocket].map(|bus| unsought(device(bus))))
            .unwrap();
        drop(left);
        assert_eq!(buses(&take(&repeater(Some(5)))), []);
        assert_eq!(buses(&take(&flags(6, |flags| flags.search.use_serial = true))), []);
        let all = flags(7, |flags| {
            flags.search.use_gamepads = true;
            flags.search.use_device_websocket_server = true;
        });
        let other = take(&all);
        assert_eq!(buses(&other), [BusKind::Gamepad], "what dials in comes to the port that it knows");
        let again = take(&gamepads);
        assert_eq!((buses(&again), buses(&other)), (vec![BusKind::WebSocket], vec![BusKind::Gamepad]));
        drop(other);
        drop(again);
        // With another number it still goes by the same name.
        fs::rename(folder.join("running-5.json"), folder.join("running-5-2.json")).unwrap();
        let mut taken = buses(&take(&gamepads));
        taken.sort_unstable();
        assert_eq!(taken, [BusKind::WebSocket, BusKind::Gamepad]);
        let left = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().file_name());
        let left: Vec<_> = left.filter(|name| name.to_string_lossy().ends_with(".json")).collect();
        assert_eq!(left, ["running-5.json"], "no file is left without a device");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn who_lives_keeps_its_file_and_what_the_dead_left_behind_is_taken_over() {
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
            devices.into_iter().map(|ran| ran.device.address).collect::<Vec<_>>()
        };
        let first = Claim::take(&folder, &port(5), Subcommand::Typed, Duration::ZERO);
        assert!(!first.may_be_stopped(false));
        running::add(&first.path, [unsought(device("a"))]).unwrap();
        let second = Claim::take(&folder, &port(5), Subcommand::Typed, Duration::ZERO);
        assert_eq!(second.path, folder.join("running-5-2.json"));
        assert!(!second.may_be_stopped(false), "the other one's device is in good hands");
        running::add(&second.path, [unsought(device("b"))]).unwrap();
        drop((first, second));
        let third = Claim::take(&folder, &port(0), Subcommand::Typed, Duration::ZERO);
        let mut taken = addresses(&third);
        taken.sort_unstable();
        assert_eq!(taken, ["a", "b"]);
        assert!(third.may_be_stopped(false));
        drop(third);
        fs::write(folder.join("running-7.json"), "{").unwrap();
        let fourth = Claim::take(&folder, &port(5), Subcommand::Typed, Duration::ZERO);
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
    fn one_that_only_looks_what_was_left_behind_takes_nobodys_file() {
        let folder = std::env::temp_dir().join(format!("buttplug-looks-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let flags = ServeFlags { websocket_port: Some(5), ..ServeFlags::default() };
        let path = folder.join("running-5.json");
        let looks = lock(&path).unwrap().unwrap();
        let child = std::thread::spawn(move || {
            std::thread::sleep(LOOK_AGAIN / 4);
            drop(looks);
        });
        assert_eq!(Claim::take(&folder, &flags, Subcommand::Typed, Duration::ZERO).path, path);
        child.join().unwrap();
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn one_that_ends_soon_by_itself_is_waited_for_and_a_guard_at_work_is_not() {
        let folder = std::env::temp_dir().join(format!("buttplug-passed-on-{}", std::process::id()));
        let flags = ServeFlags { websocket_port: Some(5), ..ServeFlags::default() };
        let long = Duration::from_secs(20);
        let at_work = Claim::take(&folder, &flags, Subcommand::Typed, long);
        let begun = Instant::now();
        assert_eq!(
            Claim::take(&folder, &flags, Subcommand::Typed, long).path,
            folder.join("running-5-2.json")
        );
        assert!(begun.elapsed() < long / 2);
        at_work.pass_on();
        let child = std::thread::spawn(move || {
            std::thread::sleep(3 * LOOK_AGAIN);
            drop(at_work);
        });
        let next = Claim::take(&folder, &flags, Subcommand::Typed, long);
        assert_eq!(next.path, folder.join("running-5.json"));
        child.join().unwrap();
        let other = Claim::take(&folder, &flags, Subcommand::Typed, long);
        assert_eq!(other.path, folder.join("running-5-2.json"), "what it was passed on is forgotten");
        fs::remove_dir_all(&folder).unwrap();
    }

    #[test]
    fn what_was_sought_in_vain_or_can_not_be_found_keeps_no_end_waiting() {
        let folder = std::env::temp_dir().join(format!("buttplug-waits-{}", std::process::id()));
        let device =
            |bus| DeviceIdentity { bus, protocol: "tcode-v03".into(), identifier: None, address: "a".into() };
        for (bus, sought, is_waited_for) in [
            (BusKind::Gamepad, 0, true),
            (BusKind::Gamepad, 1, true),
            (BusKind::Gamepad, 2, false),
            (BusKind::Serial, 0, false),
        ] {
            let mut flags = ServeFlags { websocket_port: Some(5), ..ServeFlags::default() };
            flags.search.use_gamepads = true;
            let claim = Claim::take(&folder, &flags, Subcommand::Implied, Duration::ZERO);
            running::add(&claim.path, [Ran { device: device(bus), sought }]).unwrap();
            assert_eq!(claim.may_be_stopped(false), is_waited_for, "{bus} {sought}");
            assert_eq!(claim.may_be_stopped(true), bus == BusKind::Gamepad, "{bus} {sought}");
            fs::remove_file(&claim.path).unwrap();
        }
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn what_an_engine_still_stops_whose_guard_is_gone_is_its_own_unless_it_hangs() {
        let folder = std::env::temp_dir().join(format!("buttplug-ending-{}", std::process::id()));
        let device = DeviceIdentity {
            bus: BusKind::Serial,
            protocol: "tcode-v03".into(),
            identifier: None,
            address: "a".into(),
        };
        let take = |port| {
            let flags = ServeFlags { websocket_port: Some(port), ..ServeFlags::default() };
            Claim::take(&folder, &flags, Subcommand::Typed, Duration::ZERO)
        };
        let killed = take(5);
        let engine = killed.for_engine().unwrap();
        running::add(&killed.path, [unsought(device.clone())]).unwrap();
        drop(killed);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(3 * LOOK_AGAIN);
                fs::remove_file(folder.join("running-5.json")).unwrap();
                drop(engine);
            });
            assert!(!take(6).may_be_stopped(false), "the engine has stopped it");
        });

        let killed = take(5);
        let hangs = killed.for_engine().unwrap();
        running::add(&killed.path, [unsought(device)]).unwrap();
        drop(killed);
        assert!(take(6).may_be_stopped(false), "it does not come to that");
        assert!(folder.join("running-5.json").exists(), "nor can anybody say so for it");
        drop(hangs);
        fs::remove_dir_all(&folder).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn the_engine_of_a_killed_guard_with_another_number_is_waited_for_and_one_that_is_looked_after_is_not() {
        let folder = std::env::temp_dir().join(format!("buttplug-numbers-{}", std::process::id()));
        let flags = ServeFlags { websocket_port: Some(5), ..ServeFlags::default() };
        let take = || Claim::take(&folder, &flags, Subcommand::Typed, Duration::ZERO);
        let (first, second) = (take(), take());
        let engine = second.for_engine().unwrap();
        drop(first);
        let begun = Instant::now();
        let first = take();
        assert!(begun.elapsed() < MAX_FAREWELL, "the second guard lives");
        drop((first, second));
        let ended = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(3 * LOOK_AGAIN);
                ended.store(true, std::sync::atomic::Ordering::SeqCst);
                drop(engine);
            });
            let next = take();
            assert_eq!(next.path, folder.join("running-5.json"));
            assert!(ended.load(std::sync::atomic::Ordering::SeqCst), "it has its ports until then");
        });
        fs::remove_dir_all(&folder).unwrap();
    }
}
