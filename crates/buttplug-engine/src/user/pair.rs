//! The file of decisions, and the one beside it. Engines that came before read no layout but theirs, and people go back to
//! them: what has no place in a file of theirs stands in one of our own form that goes with it.

use super::store::{Look, UserFile};
use super::{Decisions, UserFileError, earlier};
use buttplug_server::configuration::{DeviceConfiguration, KnownDevice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// What was read.
#[derive(Debug)]
pub(crate) struct Opened {
    /// The files, to be looked after.
    pub(crate) files: UserFiles,
    /// What they say, those at least that are of use.
    pub(crate) decisions: Decisions,
    /// Those of no use, each with the reason.
    pub(crate) useless: Vec<(PathBuf, UserFileError)>,
}

/// A file of decisions, which may not exist yet, and the one that goes with it if it is one of an earlier engine.
#[derive(Clone, Debug)]
pub(crate) struct UserFiles {
    main: Part,
    beside: Part,
}

/// One of the two.
#[derive(Clone, Debug)]
struct Part {
    file: UserFile,
    /// What it said when it was of use last. What was written to it since is known to the server.
    says: Decisions,
}

/// What came of an attempt to write a file.
#[derive(Debug)]
pub(super) struct Kept {
    pub(super) path: PathBuf,
    /// Whether it was written.
    pub(super) written: Result<bool, UserFileError>,
    /// It was made beside this one.
    pub(super) made_beside: Option<PathBuf>,
}

impl Part {
    fn open(mut file: UserFile, useless: &mut Vec<(PathBuf, UserFileError)>) -> Self {
        let says = file.open().unwrap_or_else(|error| {
            useless.push((file.path().to_owned(), error));
            None
        });
        Self { file, says: says.unwrap_or_default() }
    }

    fn look(&mut self) -> (PathBuf, Look) {
        let look = self.file.look();
        if let Look::Changed(decisions) = &look {
            self.says = decisions.clone();
        }
        (self.file.path().to_owned(), look)
    }

    /// What it says; notices once.
    fn says(&mut self) -> Decisions {
        let notices = std::mem::take(&mut self.says.notices);
        Decisions { notices, ..self.says.clone() }
    }

    fn keep(&mut self, known: &[Arc<KnownDevice>]) -> Kept {
        let written = self.file.keep(known);
        Kept { path: self.file.path().to_owned(), written, made_beside: None }
    }
}

/// Where the file is that goes with the one at `path`, and what it says: nothing if there is none.
pub(crate) fn read_beside(path: &Path) -> (PathBuf, Result<Decisions, UserFileError>) {
    let mut file = UserFile::beside(path);
    let read = file.open().map(Option::unwrap_or_default);
    (file.path().to_owned(), read)
}

impl UserFiles {
    /// Reads the file at `path`, and the one that goes with it.
    pub(crate) fn open(path: &Path) -> Opened {
        let mut useless = Vec::new();
        let main = Part::open(UserFile::at(path), &mut useless);
        let mut beside = Part { file: UserFile::beside(path), says: Decisions::default() };
        if main.file.is_earlier() {
            beside = Part::open(beside.file, &mut useless);
        }
        let mut files = Self { main, beside };
        Opened { decisions: files.decisions(), files, useless }
    }

    /// Whether the file itself is there, and of use.
    pub(crate) fn is_there(&self) -> bool {
        self.main.file.is_there()
    }

    /// The file that goes with it, if that is there and of use.
    pub(crate) fn beside(&self) -> Option<&Path> {
        let is_there = self.main.file.is_earlier() && self.beside.file.is_there();
        is_there.then(|| self.beside.file.path())
    }

    /// What they say together; notices that have not been handed out yet.
    pub(super) fn decisions(&mut self) -> Decisions {
        let main = self.main.says();
        if self.main.file.is_earlier() { together(main, self.beside.says()) } else { main }
    }

    /// Looks whether somebody changed them.
    pub(super) fn look(&mut self) -> Vec<(PathBuf, Look)> {
        let mut looks = vec![self.main.look()];
        if self.main.file.is_earlier() {
            looks.push(self.beside.look());
        }
        looks
    }

    /// Writes the devices that have connected, each where there is a place for it.
    pub(super) fn keep(&mut self, known: &[Arc<KnownDevice>]) -> Vec<Kept> {
        let mut kept = vec![self.main.keep(known)];
        if self.main.file.is_earlier() {
            let was_there = self.beside.file.is_there();
            let mut beside = self.beside.keep(self.main.file.left());
            if !was_there && beside.written == Ok(true) {
                beside.made_beside = Some(self.main.file.path().to_owned());
            }
            kept.push(beside);
        }
        kept
    }
}

/// What a file of an earlier engine and the one beside it say. The word of the first goes before that of the second for a
/// device that both are about, whatever is left out there, and denies and limits of both count.
pub(super) fn together(first: Decisions, second: Decisions) -> Decisions {
    let mut both = first;
    let mut earlier = std::mem::take(&mut both.configuration.devices);
    let (mut before, mut after) = (Vec::new(), Vec::new());
    for mut device in second.configuration.devices {
        let here = || earlier.iter().filter(|entry| entry.address.eq_ignore_ascii_case(&device.address));
        // Earlier engines know no buses: an entry that names one would seem to say more than theirs.
        let bus = device.bus.filter(|_| here().next().is_none());
        // Of several the server takes the one that says most, and among equals the first, which is the last to be greatest.
        let word = here()
            .filter(|entry| is_about_all(entry, &device))
            .rev()
            .max_by_key(|entry| says(entry))
            .cloned();
        device.bus = bus;
        // The server takes the entry that says more of which device it means: that has this one's limits, too.
        for entry in earlier.iter_mut().chain(&mut before).filter(|entry: &&mut DeviceConfiguration| {
            let is_here = entry.address.eq_ignore_ascii_case(&device.address);
            is_here && is_about_all(&device, entry) && !is_same(entry, &device)
        }) {
            earlier::merge(entry, DeviceConfiguration { index: None, display_name: None, ..device.clone() });
        }
        let Some(mut word) = word else {
            after.push(device);
            continue;
        };
        let DeviceConfiguration { address, protocol, identifier, .. } = device.clone();
        earlier::merge(&mut word, device);
        before.push(DeviceConfiguration { address, protocol, identifier, bus: None, ..word });
    }
    // All that these said is said again.
    earlier.retain(|entry| !before.iter().any(|again| is_same(entry, again)));
    both.configuration.devices = before.into_iter().chain(earlier).chain(after).collect();
    both.configuration.max_run = both.configuration.max_run.or(second.configuration.max_run);
    both.additions.extend(second.additions);
    both.simulated.extend(second.simulated);
    both.notices.extend(second.notices);
    both
}

/// Whether two entries name the same device.
fn is_same(entry: &DeviceConfiguration, other: &DeviceConfiguration) -> bool {
    entry.address.eq_ignore_ascii_case(&other.address)
        && (&entry.protocol, &entry.identifier) == (&other.protocol, &other.identifier)
}

/// Whether an entry is about every device that another one at its address is about.
fn is_about_all(entry: &DeviceConfiguration, other: &DeviceConfiguration) -> bool {
    let is = |asked: &Option<String>, named: &Option<String>| asked.is_none() || asked == named;
    is(&entry.protocol, &other.protocol) && is(&entry.identifier, &other.identifier)
}

/// How much an entry says about which device it means.
fn says(entry: &DeviceConfiguration) -> usize {
    usize::from(entry.protocol.is_some()) + usize::from(entry.identifier.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::test_folder::Folder;
    use buttplug_core::DeviceIndex;
    use buttplug_protocols::sighting::BusKind;
    use buttplug_server::configuration::DeviceIdentity;
    use std::fs;

    const ONE: &str = r#"{"version": 63, "user-config": {"Q1": {"display-name": "Old"}}}"#;
    const THREE: &str = r#"{"version": {"major": 3, "minor": 0}, "user_configs": {"devices": []}}"#;
    const PREVIEW: &str = r#"{"version": {"major": 4, "minor": 0}, "user-configs": {"devices": []}}"#;
    const FIVE: &str = r#"{"version": {"major": 5, "minor": 0}, "user_configs": {"devices": []}}"#;

    fn identity(protocol: &str, identifier: Option<&str>, address: &str) -> DeviceIdentity {
        DeviceIdentity {
            bus: BusKind::WebSocket,
            protocol: protocol.into(),
            identifier: identifier.map(str::to_owned),
            address: address.into(),
        }
    }

    fn known(protocol: &str, address: &str, index: u32) -> Arc<KnownDevice> {
        let identity = identity(protocol, None, address);
        Arc::new(KnownDevice { identity, index: DeviceIndex(index), name: "Its model".into() })
    }

    /// What was written, file by file.
    fn written(kept: &[Kept]) -> Vec<bool> {
        kept.iter().map(|kept| *kept.written.as_ref().unwrap()).collect()
    }

    /// What counts for a device, as the server sees it.
    fn counts<'d>(decisions: &'d Decisions, device: &DeviceIdentity) -> &'d DeviceConfiguration {
        let devices = &decisions.configuration.devices;
        devices
            .iter()
            .rev()
            .filter(|entry| entry.fits(device).is_some())
            .max_by_key(|entry| entry.fits(device))
            .unwrap()
    }

    #[test]
    fn what_a_file_of_an_earlier_engine_has_no_place_for_is_kept_beside_it() {
        for (name, text) in [("one", ONE), ("three", THREE), ("preview", PREVIEW)] {
            let folder = Folder::new(name);
            let path = folder.file("old.json", text);
            let mut files = UserFiles::open(&path).files;
            assert_eq!((files.is_there(), files.beside()), (true, None), "{name}");
            let kept = files.keep(&[known("lovense", "a", 7), known("lovense", "q1", 3)]);
            assert_eq!(written(&kept), [false, true], "{name}");
            assert_eq!(kept[1].made_beside.as_deref(), Some(files.main.file.path()), "{name}");
            assert_eq!(folder.read("old.json"), text);
            let kept =
                files.keep(&[known("lovense", "a", 7), known("lovense", "q1", 3), known("lovense", "b", 8)]);
            assert_eq!((written(&kept), &kept[1].made_beside), (vec![false, true], &None), "{name}");
            let names = ["old.json", "old.json.devices.toml", "old.json.devices.toml.bak"];
            assert_eq!(folder.names(), names, "{name}");

            let Opened { mut files, decisions, useless } = UserFiles::open(&path);
            assert!(
                useless.is_empty() && files.beside().is_some_and(|path| path.ends_with(names[1])),
                "{name}"
            );
            assert_eq!(decisions.notices, [""; 0], "{name}");
            for (address, index) in [("a", 7), ("Q1", 3), ("b", 8)] {
                let device = counts(&decisions, &identity("lovense", None, address));
                assert_eq!(device.index, Some(DeviceIndex(index)), "{name}");
            }
            assert_eq!(written(&files.keep(&[known("lovense", "b", 8)])), [false, false], "{name}");
        }
        let folder = Folder::new("named");
        let path = folder.file("old.json", ONE);
        UserFiles::open(&path).files.keep(&[known("lovense", "q1", 3)]);
        let decisions = UserFiles::open(&path).decisions;
        let device = counts(&decisions, &identity("lovense", None, "Q1"));
        assert_eq!((device.display_name.as_deref(), device.index), (Some("Old"), Some(DeviceIndex(3))));
    }

    #[test]
    fn a_model_that_has_no_id_in_a_file_of_an_earlier_engine_is_kept_beside_it() {
        let folder = Folder::new("no-id");
        let path = folder.file("five.json", FIVE);
        let mut files = UserFiles::open(&path).files;
        let met = [known("aneros", "a", 1), known("no-such", "b", 2)];
        assert_eq!(written(&files.keep(&met)), [true, true]);
        assert!(folder.read("five.json").contains("aneros"), "the others stand in the file itself");
        assert!(!folder.read("five.json.devices.toml").contains("aneros"));
        let decisions = UserFiles::open(&path).decisions;
        for device in &met {
            assert_eq!(counts(&decisions, &device.identity).index, Some(device.index));
        }
    }

    #[test]
    fn nothing_goes_with_a_file_of_our_own() {
        let folder = Folder::new("own");
        let path = folder.file("devices.toml", "");
        folder.file("devices.toml.devices.toml", "[[");
        let Opened { mut files, useless, .. } = UserFiles::open(&path);
        assert!(useless.is_empty());
        assert_eq!(files.beside(), None);
        assert_eq!(files.look().len(), 1);
        assert_eq!(written(&files.keep(&[known("aneros", "a", 1)])), [true]);
    }

    #[test]
    fn the_file_itself_goes_before_the_one_beside_it_and_denies_and_limits_of_both_count() {
        let folder = Folder::new("both");
        let three = r#"{"version": {"major": 3, "minor": 0}, "user_configs": {"devices": [
            {"identifier": {"protocol": "lovense", "identifier": "P", "address": "AA"},
             "config": {"user_config": {"index": 4, "display_name": "Old"}}},
            {"identifier": {"protocol": "lovense", "identifier": "Z", "address": "BB"},
             "config": {"user_config": {"index": 5, "deny": true}}},
            {"identifier": {"protocol": "lovense", "address": "CC"},
             "config": {"user_config": {"index": 8, "display_name": "Old"}}},
            {"identifier": {"protocol": "lovense", "identifier": "P", "address": "DD"},
             "config": {"user_config": {"index": 3}}},
            {"identifier": {"protocol": "lovense", "address": "EE"}, "config": {"user_config": {"index": 10}}},
            {"identifier": {"protocol": "lovense", "identifier": "Z", "address": "EE"},
             "config": {"user_config": {"index": 11}}}]}}"#;
        let path = folder.file("three.json", three);
        let more = "[[device]]\naddress = \"aa\"\nbus = \"websocket\"\nprotocol = \"lovense\"\nidentifier = \"P\"\n\
            index = 9\nname = \"New\"\ndeny = true\nmax-run = \"5 s\"\noutputs.\"0 vibrate\" = { limit = [0, 5] }\n\
            [[device]]\naddress = \"bb\"\nbus = \"websocket\"\nprotocol = \"lovense\"\nindex = 6\n\
            [[device]]\naddress = \"cc\"\nbus = \"websocket\"\nidentifier = \"P\"\nname = \"New\"\n\
            [[device]]\naddress = \"dd\"\nmax-run = \"5 s\"\noutputs.\"0 vibrate\" = { limit = [0, 5] }\n\
            [[device]]\naddress = \"ee\"\nprotocol = \"lovense\"\nmax-run = \"5 s\"\n";
        folder.file("three.json.devices.toml", more);
        let decisions = UserFiles::open(&path).decisions;
        let device = counts(&decisions, &identity("lovense", Some("P"), "AA"));
        assert_eq!((device.index, device.display_name.as_deref()), (Some(DeviceIndex(4)), Some("Old")));
        assert!(device.deny && device.max_run.is_some());
        assert_eq!(device.outputs[0].limit, Some((0, 5)));
        let device = counts(&decisions, &identity("lovense", Some("P"), "DD"));
        assert_eq!((device.index, device.outputs[0].limit), (Some(DeviceIndex(3)), Some((0, 5))));
        assert!(device.max_run.is_some(), "who means all at an address means each");
        let device = counts(&decisions, &identity("lovense", Some("Z"), "EE"));
        assert_eq!((device.index, device.max_run.is_some()), (Some(DeviceIndex(11)), true));
        let others = [identity("lovense", Some("Z"), "BB"), identity("lovense", None, "BB")];
        let [old, new] = others.map(|device| counts(&decisions, &device).clone());
        assert_eq!((old.index, old.deny), (Some(DeviceIndex(5)), true), "the one that says more");
        assert_eq!((new.index, new.deny), (Some(DeviceIndex(6)), false), "another at the same address");
        let device = counts(&decisions, &identity("lovense", Some("P"), "CC"));
        assert_eq!(device.display_name.as_deref(), Some("Old"), "a bus makes nothing more of it");
    }

    #[test]
    fn a_file_beside_it_that_is_of_no_use_is_named_and_left_alone_until_it_is_mended() {
        let folder = Folder::new("useless");
        let path = folder.file("one.json", ONE);
        // What looks like a file of an earlier engine is none in that place.
        for wrong in ["[[", ONE] {
            let beside = folder.file("one.json.devices.toml", wrong);
            let Opened { mut files, decisions, useless } = UserFiles::open(&path);
            assert!(useless.len() == 1 && useless[0].0.ends_with("one.json.devices.toml"), "{useless:?}");
            assert_eq!(decisions.configuration.devices.len(), 1, "what the other says counts");
            assert_eq!(written(&files.keep(&[known("lovense", "a", 1)])), [false, false]);
            assert_eq!(folder.read("one.json.devices.toml"), wrong);
            fs::write(beside, "# mended, and longer than before").unwrap();
            assert_eq!(files.look()[1].1, Look::Settling);
            assert!(matches!(files.look()[1].1, Look::Changed(_)));
            assert_eq!(written(&files.keep(&[known("lovense", "a", 1)])), [false, true]);
        }
    }

    #[test]
    fn a_change_of_either_is_seen_and_what_the_other_says_goes_on_to_count() {
        let folder = Folder::new("either");
        let path = folder.file("one.json", ONE);
        let beside = folder.file("one.json.devices.toml", "[[device]]\naddress = \"a\"\nx = 1\n");
        let Opened { mut files, decisions, .. } = UserFiles::open(&path);
        assert_eq!(decisions.notices.len(), 1);
        fs::write(&beside, "[[device]]\naddress = \"a\"\ndeny = true\n").unwrap();
        assert!(files.look().iter().any(|(_, look)| *look == Look::Settling));
        assert!(matches!(&files.look()[..], [(_, Look::Same), (_, Look::Changed(_))]));
        fs::write(&path, ONE.replace("Old", "Older")).unwrap();
        assert!(files.look().iter().any(|(_, look)| *look == Look::Settling));
        assert!(matches!(&files.look()[..], [(_, Look::Changed(_)), (_, Look::Same)]));
        let decisions = files.decisions();
        assert_eq!(decisions.notices, [""; 0], "said once");
        let [old, new] = ["q1", "a"].map(|address| counts(&decisions, &identity("lovense", None, address)));
        assert_eq!(old.display_name.as_deref(), Some("Older"));
        assert!(new.deny);
    }

    #[cfg(unix)]
    #[test]
    fn the_file_beside_it_belongs_to_whose_the_file_is() {
        use std::os::unix::fs::MetadataExt;
        let folder = Folder::new("owner");
        let path = folder.file("one.json", ONE);
        // Only the superuser can play this; whoever else runs tests sees that nothing changes.
        let _ = std::os::unix::fs::chown(&path, Some(54321), Some(54322));
        let mut files = UserFiles::open(&path).files;
        files.keep(&[known("lovense", "a", 1)]);
        assert_eq!(
            written(&files.keep(&[known("lovense", "a", 1), known("lovense", "b", 1)])),
            [false, true]
        );
        let owner = |name: &str| {
            let metadata = fs::metadata(folder.0.join(name)).unwrap();
            (metadata.uid(), metadata.gid())
        };
        for name in ["one.json.devices.toml", "one.json.devices.toml.bak"] {
            assert_eq!(owner(name), owner("one.json"), "{name}");
        }
    }
}
