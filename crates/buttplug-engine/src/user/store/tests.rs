//! Files that are read, followed and saved.

use super::*;
use crate::test_folder::Folder;
use buttplug_core::DeviceIndex;
use buttplug_protocols::sighting::BusKind;
use buttplug_server::configuration::DeviceIdentity;

fn known(address: &str, index: u32) -> Arc<KnownDevice> {
    let identity = DeviceIdentity {
        bus: BusKind::WebSocket,
        protocol: "lovense".into(),
        identifier: None,
        address: address.into(),
    };
    Arc::new(KnownDevice { identity, index: DeviceIndex(index), name: "Lovense Edge".into() })
}

/// A file, and what it says.
fn open(path: &Path) -> Result<(UserFile, Option<Decisions>), UserFileError> {
    let mut file = UserFile::at(path);
    file.open().map(|decisions| (file, decisions))
}

/// The second look at what the first one found, which is too new to count.
fn look_again(file: &mut UserFile) -> Look {
    assert_eq!(file.look(), Look::Settling);
    file.look()
}

const MINE: &str = "# mine\n[[device]]\naddress = \"a\"\ndeny = true\n";

#[test]
fn a_file_is_made_in_the_form_that_its_name_asks_for() {
    let folder = Folder::new("form");
    for (name, beginning) in [("devices.toml", "# What you decided"), ("devices.json", "{\n  \"version\"")] {
        let path = folder.0.join(name);
        let (mut file, _) = open(&path).unwrap();
        assert_eq!(file.keep(&[known("a", 7)]), Ok(true));
        assert!(fs::read_to_string(&path).unwrap().starts_with(beginning), "{name}");
        let (_, decisions) = open(&path).unwrap();
        let decisions = decisions.unwrap();
        assert_eq!(decisions.notices, [""; 0]);
        assert_eq!(decisions.configuration.devices[0].index, Some(DeviceIndex(7)), "{name}");
    }
}

#[test]
fn a_file_in_which_everything_stands_is_not_read_again_for_it() {
    let folder = Folder::new("settled");
    let (mut file, _) = open(&folder.file("mine.toml", MINE)).unwrap();
    let met = [known("b", 0)];
    assert_eq!(file.keep(&met), Ok(true));
    assert_eq!(file.settled, met);
    assert_eq!(file.keep(&met), Ok(false));
    fs::write(file.path(), MINE).unwrap();
    assert!(matches!(look_again(&mut file), Look::Changed(_)));
    assert_eq!(file.keep(&met), Ok(true), "it is written again into a file that lost it");
}

#[test]
fn a_file_that_is_not_there_is_made_when_there_is_something_to_keep() {
    let folder = Folder::new("made");
    let path = folder.0.join("deeper").join("devices.toml");
    let (mut file, decisions) = open(&path).unwrap();
    assert_eq!(decisions, None);
    assert_eq!(file.keep(&[]), Ok(false));
    assert!(!path.exists());
    assert_eq!(file.keep(&[known("a", 3)]), Ok(true));
    assert_eq!(file.keep(&[known("a", 3)]), Ok(false));
    assert_eq!(file.look(), Look::Same);
    let (_, decisions) = open(&path).unwrap();
    assert_eq!(decisions.unwrap().configuration.devices[0].index, Some(DeviceIndex(3)));
}

#[test]
fn the_state_before_stays_beside_it_and_nothing_else_does() {
    let folder = Folder::new("beside");
    let path = folder.file("devices.toml", MINE);
    let (mut file, _) = open(&path).unwrap();
    file.keep(&[known("b", 3)]).unwrap();
    assert_eq!(folder.names(), ["devices.toml", "devices.toml.bak"]);
    assert_eq!(fs::read_to_string(folder.0.join("devices.toml.bak")).unwrap(), MINE);
    assert!(fs::read_to_string(&path).unwrap().starts_with(MINE));
}

#[test]
fn a_change_by_somebody_else_is_seen_and_kept() {
    let folder = Folder::new("seen");
    let path = folder.file("devices.toml", MINE);
    let (mut file, _) = open(&path).unwrap();
    assert_eq!(file.look(), Look::Same);
    let theirs = format!("{MINE}name = \"Blue\" # theirs\n");
    fs::write(&path, &theirs).unwrap();
    let Look::Changed(decisions) = look_again(&mut file) else { panic!("not seen") };
    assert_eq!(decisions.configuration.devices[0].display_name.as_deref(), Some("Blue"));
    assert_eq!(file.look(), Look::Same);
    file.keep(&[known("b", 3)]).unwrap();
    assert!(fs::read_to_string(&path).unwrap().starts_with(&theirs));
}

#[test]
fn a_file_that_is_being_written_counts_and_is_written_over_only_when_it_is_complete() {
    let folder = Folder::new("pieces");
    let path = folder.file("devices.toml", MINE);
    let (mut file, _) = open(&path).unwrap();
    let theirs = format!("{MINE}name = \"Blue\"\n");
    for piece in ["", "# mine\n", "# mine\n[[device]]\naddress = \"a\"\n", &theirs] {
        fs::write(&path, piece).unwrap();
        assert_eq!(file.look(), Look::Settling, "{piece}");
        assert_eq!(file.keep(&[known("b", 3)]), Ok(false), "{piece}");
        assert_eq!(fs::read_to_string(&path).unwrap(), piece);
    }
    let Look::Changed(decisions) = file.look() else { panic!("not seen") };
    assert!(decisions.configuration.devices[0].deny);
    assert_eq!(file.keep(&[known("b", 3)]), Ok(true));
    assert_eq!(fs::read_to_string(folder.0.join("devices.toml.bak")).unwrap(), theirs);
}

#[test]
fn a_file_that_became_useless_is_not_written_until_it_is_mended() {
    let folder = Folder::new("useless");
    let path = folder.file("devices.toml", MINE);
    let (mut file, _) = open(&path).unwrap();
    fs::write(&path, "[[device\n").unwrap();
    assert!(matches!(look_again(&mut file), Look::Lost(UserFileError::Malformed { line: 1, .. })));
    assert_eq!(file.look(), Look::Same, "said once");
    assert_eq!(file.keep(&[known("b", 3)]), Ok(false));
    assert_eq!(fs::read_to_string(&path).unwrap(), "[[device\n");
    fs::write(&path, MINE).unwrap();
    assert!(matches!(look_again(&mut file), Look::Same | Look::Changed(_)));
    assert_eq!(file.keep(&[known("b", 3)]), Ok(true));
}

#[test]
fn a_file_that_is_taken_away_is_made_again() {
    let folder = Folder::new("away");
    let path = folder.file("devices.toml", MINE);
    let (mut file, _) = open(&path).unwrap();
    fs::remove_file(&path).unwrap();
    assert_eq!(look_again(&mut file), Look::Lost(UserFileError::Gone));
    assert_eq!(file.look(), Look::Same, "said once");
    assert_eq!(file.keep(&[known("b", 3)]), Ok(true));
}

#[test]
fn a_change_between_the_look_and_the_write_is_not_written_over() {
    let folder = Folder::new("between");
    let path = folder.file("devices.toml", MINE);
    let (mut file, _) = open(&path).unwrap();
    let theirs = format!("{MINE}name = \"Blue\"\n");
    fs::write(&path, &theirs).unwrap();
    assert_eq!(file.keep(&[known("b", 3)]), Ok(false));
    assert_eq!(fs::read_to_string(&path).unwrap(), theirs);
    assert!(matches!(look_again(&mut file), Look::Changed(_)));
    assert_eq!(file.keep(&[known("b", 3)]), Ok(true));
}

#[test]
fn what_can_not_be_read_is_named() {
    let folder = Folder::new("named");
    assert_eq!(open(&folder.0), Err(UserFileError::NotRegular));
    let path = folder.0.join("bytes.toml");
    fs::write(&path, b"# mine\nname = \"\xff\"\n").unwrap();
    assert!(matches!(open(&path), Err(UserFileError::NotText { line: 2 })));
}

#[test]
fn where_nothing_can_be_written_the_file_is_as_it_was() {
    let folder = Folder::new("full");
    let path = folder.file("devices.toml", MINE);
    let (mut file, _) = open(&path).unwrap();
    // A folder where the draft would be: even the superuser can't write there.
    fs::create_dir(folder.0.join(format!("devices.toml.new-{}", std::process::id()))).unwrap();
    assert!(matches!(file.keep(&[known("b", 3)]), Err(UserFileError::Unwritable(_))));
    assert_eq!(fs::read_to_string(&path).unwrap(), MINE);
}

#[cfg(unix)]
#[test]
fn links_stay_links_and_permissions_stay_what_they_were() {
    use std::os::unix::fs::PermissionsExt;
    let folder = Folder::new("links");
    let path = folder.file("real.toml", MINE);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let link = folder.0.join("devices.toml");
    std::os::unix::fs::symlink(&path, &link).unwrap();
    let (mut file, _) = open(&link).unwrap();
    file.keep(&[known("b", 3)]).unwrap();
    assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
    assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o640);
    assert_ne!(fs::read_to_string(&path).unwrap(), MINE);
}

#[test]
fn a_file_that_its_owner_made_read_only_stays_as_it_is() {
    let folder = Folder::new("read-only");
    let path = folder.file("devices.toml", MINE);
    let set = |read_only| {
        let mut permissions = fs::metadata(&path).unwrap().permissions();
        permissions.set_readonly(read_only);
        fs::set_permissions(&path, permissions).unwrap();
    };
    set(true);
    let (mut file, decisions) = open(&path).unwrap();
    assert!(decisions.unwrap().configuration.devices[0].deny, "what it says counts");
    let Err(UserFileError::Unwritable(reason)) = file.keep(&[known("b", 3)]) else { panic!("written") };
    assert!(reason.contains("read-only"), "{reason}");
    assert_eq!(folder.names(), ["devices.toml"]);
    assert_eq!(fs::read_to_string(&path).unwrap(), MINE);
    set(false);
    assert_eq!(file.keep(&[known("b", 3)]), Ok(true), "as soon as it may be written");
}

#[cfg(unix)]
#[test]
fn what_is_no_regular_file_is_refused_at_once_and_never_replaced() {
    use std::os::unix::fs::FileTypeExt;
    let folder = Folder::new("pipe");
    let pipe = folder.0.join("devices.toml");
    let made = || std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success();
    assert!(made());
    let link = folder.0.join("link.toml");
    std::os::unix::fs::symlink(&pipe, &link).unwrap();
    for path in [&pipe, &link, Path::new("/dev/null")] {
        assert_eq!(open(path), Err(UserFileError::NotRegular), "{}", path.display());
        let error = replace(path, MINE, path).unwrap_err().to_string();
        assert!(error.contains("no regular file"), "{error}");
    }
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
    // In the place of one that was read.
    fs::remove_file(&pipe).unwrap();
    fs::write(&pipe, MINE).unwrap();
    let (mut file, _) = open(&pipe).unwrap();
    fs::remove_file(&pipe).unwrap();
    assert!(made());
    assert_eq!(file.keep(&[known("b", 3)]), Ok(false));
    assert_eq!(look_again(&mut file), Look::Lost(UserFileError::NotRegular));
    assert_eq!(file.keep(&[known("b", 3)]), Ok(false));
    assert!(fs::metadata(&pipe).unwrap().file_type().is_fifo());
}

#[cfg(unix)]
#[test]
fn a_file_that_can_not_be_left_to_its_owner_is_not_written() {
    let like = Path::new("mine");
    assert!(give((1, 2), like, (1, 2), |_, _| panic!("it is theirs")).is_ok());
    for (theirs, change) in
        [((7, 2), (Some(7), None)), ((1, 7), (None, Some(7))), ((7, 8), (Some(7), Some(8)))]
    {
        let mut changed = None;
        let given = give((1, 2), like, theirs, |uid, gid| {
            changed = Some((uid, gid));
            Err(ErrorKind::PermissionDenied.into())
        });
        assert_eq!(changed, Some(change));
        let reason = given.unwrap_err().to_string();
        assert!(
            reason.starts_with(&format!("mine belongs to user {}, group {}", theirs.0, theirs.1)),
            "{reason}"
        );
    }
}

#[cfg(unix)]
#[test]
fn a_file_stays_its_owners_whoever_runs_the_program() {
    let folder = Folder::new("owner");
    let path = folder.file("devices.toml", MINE);
    let theirs = (54321, 54322);
    // Only the superuser can play this; whoever else runs tests sees that nothing changes.
    let _ = std::os::unix::fs::chown(&path, Some(theirs.0), Some(theirs.1));
    let before = owner(&fs::metadata(&path).unwrap());
    let (mut file, _) = open(&path).unwrap();
    assert_eq!(file.keep(&[known("b", 3)]), Ok(true));
    for name in ["devices.toml", "devices.toml.bak"] {
        assert_eq!(owner(&fs::metadata(folder.0.join(name)).unwrap()), before, "{name}");
    }
}

#[cfg(unix)]
#[test]
fn nobody_has_the_draft_written_somewhere_else() {
    let folder = Folder::new("through");
    let path = folder.file("devices.toml", MINE);
    let other = folder.file("other", "another's");
    let draft = folder.0.join(format!("devices.toml.new-{}", std::process::id()));
    std::os::unix::fs::symlink(&other, &draft).unwrap();
    let (mut file, _) = open(&path).unwrap();
    assert_eq!(file.keep(&[known("b", 3)]), Ok(true));
    assert_eq!(fs::read_to_string(&other).unwrap(), "another's");
    assert!(fs::symlink_metadata(&path).unwrap().is_file());
}
