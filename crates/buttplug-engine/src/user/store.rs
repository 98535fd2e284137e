//! The file in which a person's decisions are kept: read, looked at again, and written when there is something new.
//! Everything here waits for the disk.
//!
//! A file is never lost: it is replaced in one step by one that is complete, its last state stays beside it as `.bak`, and
//! what could not be read is never written. Others may write it piece by piece, so a change counts, and is written over, only
//! when two looks in a row have found the same.

use super::{Decisions, Format, UserFileError, WithKnown};
use buttplug_server::configuration::KnownDevice;
use std::fs::{self, File, Metadata, OpenOptions};
use std::io::{self, ErrorKind, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::SystemTime;

/// Bytes in a user file. A file with 500 devices is about 1 MB.
pub(crate) const MAX_USER_FILE_BYTES: u64 = 16 * 1024 * 1024;

/// What the name of the file has behind it in which stands what has no place in a file of an earlier engine.
const BESIDE: &str = ".devices.toml";

/// A file of decisions, which may not exist yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct UserFile {
    path: PathBuf,
    format: Format,
    /// To whose owner it belongs as soon as it is made; none for whoever makes it.
    made_like: Option<PathBuf>,
    /// What was read last; none if there was no file, or one that could not be read.
    text: Option<String>,
    seen: Option<Stamp>,
    /// What the last look found instead, if that may still be half of something.
    settling: Option<Option<Stamp>>,
    /// The file is there and could not be read, so that it is not written either.
    unusable: bool,
    /// The devices of which nothing is left to write.
    settled: Vec<Arc<KnownDevice>>,
    /// Those of them whose indexes have no place in it.
    left: Vec<Arc<KnownDevice>>,
}

/// By what a file shows that it was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    modified: Option<SystemTime>,
    length: u64,
}

impl Stamp {
    fn of(metadata: &Metadata) -> Self {
        Self { modified: metadata.modified().ok(), length: metadata.len() }
    }
}

/// What a look at the file has shown.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing new.
    Same,
    /// Somebody is changing it, or has just done so: what was decided goes on to count until the next look.
    Settling,
    /// Somebody changed it. It says this now.
    Changed(Decisions),
    /// Somebody changed it to something that is of no use, or took it away: what was decided goes on to count.
    Lost(UserFileError),
}

impl UserFile {
    /// The file at `path`, not read yet.
    pub(super) fn at(path: &Path) -> Self {
        // A link stays a link: the file it leads to is replaced.
        let path = dunce::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        Self {
            format: Format::of(&path, ""),
            path,
            made_like: None,
            text: None,
            seen: None,
            settling: None,
            unusable: false,
            settled: Vec::new(),
            left: Vec::new(),
        }
    }

    /// The file in which stands what has no place in the one at `path`, not read yet.
    pub(super) fn beside(path: &Path) -> Self {
        let mut file = Self::at(&beside(path, BESIDE));
        (file.format, file.made_like) = (Format::Beside, Some(path.to_owned()));
        file
    }

    /// Reads it for the first time; `None` if there is none yet. One of no use is not written until it is mended.
    ///
    /// # Errors
    /// It is there, and of no use.
    pub(super) fn open(&mut self) -> Result<Option<Decisions>, UserFileError> {
        let decisions = self.read();
        if decisions.is_err() {
            self.seen = self.stamp();
        }
        decisions
    }

    /// Where it is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it was there when it was read or written last, and of use.
    pub(super) fn is_there(&self) -> bool {
        self.text.is_some()
    }

    /// Whether it is one of an earlier engine.
    pub(super) fn is_earlier(&self) -> bool {
        self.format == Format::Earlier
    }

    /// The devices whose indexes have no place in it, of those that it was [told](Self::keep) to keep.
    pub(super) fn left(&self) -> &[Arc<KnownDevice>] {
        &self.left
    }

    fn read(&mut self) -> Result<Option<Decisions>, UserFileError> {
        self.unusable = true;
        self.settled.clear();
        // Looked at before it is opened: whoever opens a pipe waits for its other end.
        if fs::metadata(&self.path).is_ok_and(|metadata| !metadata.is_file()) {
            return Err(UserFileError::NotRegular);
        }
        let Some((text, stamp)) = read_text(&self.path)? else {
            (self.text, self.seen, self.unusable) = (None, None, false);
            return Ok(None);
        };
        self.seen = Some(stamp);
        let format = match self.format {
            Format::Beside => Format::Beside,
            Format::Own | Format::Earlier => Format::of(&self.path, &text),
        };
        let decisions = format.read(&self.path, &text)?;
        (self.format, self.text, self.unusable) = (format, Some(text), false);
        Ok(Some(decisions))
    }

    fn stamp(&self) -> Option<Stamp> {
        fs::metadata(&self.path).ok().map(|metadata| Stamp::of(&metadata))
    }

    /// Looks whether somebody changed the file.
    pub(super) fn look(&mut self) -> Look {
        let now = self.stamp();
        if now == self.seen {
            self.settling = None;
            return Look::Same;
        }
        if self.settling.replace(now) != Some(now) {
            return Look::Settling;
        }
        self.settling = None;
        let before = self.text.clone();
        match self.read() {
            Ok(Some(_)) if self.text == before => Look::Same,
            Ok(Some(decisions)) => Look::Changed(decisions),
            Ok(None) => Look::Lost(UserFileError::Gone),
            Err(error) => {
                self.seen = now;
                Look::Lost(error)
            }
        }
    }

    /// Writes the devices that have connected, if they do not stand there yet. Somebody's change of the file in the
    /// meantime is to be [looked](Self::look) at before. True: it was written.
    ///
    /// # Errors
    /// It can't be written, and is as it was.
    pub(super) fn keep(&mut self, known: &[Arc<KnownDevice>]) -> Result<bool, UserFileError> {
        // What somebody has changed is looked at first.
        if self.unusable || self.settled == known || self.stamp() != self.seen {
            return Ok(false);
        }
        let before = self.text.as_deref();
        let WithKnown { text, left } = self.format.with_known(before, known);
        self.left = left;
        let Some(text) = text else {
            self.settled = known.to_vec();
            return Ok(false);
        };
        let unwritable = |error: io::Error| UserFileError::Unwritable(error.to_string());
        check_writable(&self.path).map_err(unwritable)?;
        if let Some(folder) = self.path.parent().filter(|_| before.is_none()) {
            fs::create_dir_all(folder).map_err(unwritable)?;
        }
        if let Some(before) = before {
            put(&beside(&self.path, ".bak"), before, &self.path, &self.path).map_err(unwritable)?;
        }
        if self.stamp() != self.seen {
            // Somebody was faster.
            return Ok(false);
        }
        let owned_like = self.made_like.as_deref().filter(|_| before.is_none()).unwrap_or(&self.path);
        self.seen = Some(put(&self.path, &text, &self.path, owned_like).map_err(unwritable)?);
        self.text = Some(text);
        self.settled = known.to_vec();
        Ok(true)
    }
}

/// A text and the file's stamp; `None` if there is no file.
pub(crate) fn read_text(path: &Path) -> Result<Option<(String, Stamp)>, UserFileError> {
    let unreadable = |error: io::Error| UserFileError::Unreadable(error.to_string());
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(unreadable(error)),
    };
    // Taken first: what is written meanwhile is seen by the next look.
    let stamp = Stamp::of(&file.metadata().map_err(unreadable)?);
    let mut bytes = Vec::new();
    file.take(MAX_USER_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_USER_FILE_BYTES {
        return Err(UserFileError::TooLong);
    }
    let text = String::from_utf8(bytes).map_err(|error| {
        let good = error.as_bytes().get(..error.utf8_error().valid_up_to()).unwrap_or_default();
        UserFileError::NotText { line: 1 + good.iter().filter(|byte| **byte == b'\n').count() }
    })?;
    Ok(Some((text, stamp)))
}

/// Whether others than its owner can read the file.
#[cfg(unix)]
pub(crate) fn others_read(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    // Without an answer there is nothing to say.
    fs::metadata(path).is_ok_and(|metadata| metadata.permissions().mode() & 0o044 != 0)
}

/// Who can read a file is not told by its mode here.
#[cfg(not(unix))]
pub(crate) fn others_read(_: &Path) -> bool {
    false
}

/// Puts a text into the place of a file, in one step: whoever reads it finds the old one or the new one. It may be read
/// by those who may read `like`, and belongs to whom the file belonged. Answers the stamp that it has, which is not that of
/// whoever writes it next.
pub(crate) fn replace(path: &Path, text: &str, like: &Path) -> io::Result<Stamp> {
    put(path, text, like, path)
}

/// Whether the owner of a file, if there is one, lets it be written. Replacing it would ask only the folder.
pub(crate) fn check_writable(path: &Path) -> io::Result<()> {
    if fs::metadata(path).is_ok_and(|metadata| metadata.permissions().readonly()) {
        return Err(io::Error::other(
            "it is read-only, and stays as it is; make it writable to have it changed",
        ));
    }
    Ok(())
}

fn put(path: &Path, text: &str, like: &Path, owned_like: &Path) -> io::Result<Stamp> {
    // A device or a pipe would be gone.
    if fs::metadata(path).is_ok_and(|metadata| !metadata.is_file()) {
        return Err(io::Error::other("it is no regular file"));
    }
    let draft = beside(path, &format!(".new-{}", std::process::id()));
    let written = write_new(&draft, text, like, owned_like);
    let written = written.and_then(|stamp| fs::rename(&draft, path).map(|()| stamp));
    if written.is_err() {
        // What it was written for has failed already.
        let _ = fs::remove_file(&draft);
    }
    let stamp = written?;
    // The name is safe on disk only with the folder; where folders can't be opened the system sees to it.
    if let Some(folder) = path.parent().and_then(|folder| File::open(folder).ok()) {
        let _ = folder.sync_all();
    }
    Ok(stamp)
}

fn write_new(path: &Path, text: &str, like: &Path, owned_like: &Path) -> io::Result<Stamp> {
    // What is left of a process of the same number, or put there by somebody for us to write through.
    let _ = fs::remove_file(path);
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let mut file = options.open(path)?;
    #[cfg(unix)]
    if let Ok(theirs) = fs::metadata(owned_like) {
        let give_to = |uid, gid| std::os::unix::fs::fchown(&file, uid, gid);
        give(owner(&file.metadata()?), owned_like, owner(&theirs), give_to)?;
    }
    #[cfg(not(unix))]
    let _ = owned_like;
    file.write_all(text.as_bytes())?;
    if let Ok(like) = fs::metadata(like) {
        file.set_permissions(like.permissions())?;
    }
    file.sync_all()?;
    Ok(Stamp::of(&file.metadata()?))
}

/// Gives a file of ours, by `change`, to the user and the group to whom it shall belong, as far as it does not yet: those of
/// the file that is `like` it.
#[cfg(unix)]
fn give(
    ours: (u32, u32),
    like: &Path,
    theirs: (u32, u32),
    change: impl FnOnce(Option<u32>, Option<u32>) -> io::Result<()>,
) -> io::Result<()> {
    if ours == theirs {
        return Ok(());
    }
    let (uid, gid) = theirs;
    change(Some(uid).filter(|uid| *uid != ours.0), Some(gid).filter(|gid| *gid != ours.1)).map_err(|error| {
        io::Error::other(format!(
            "{} belongs to user {uid}, group {gid}, and what would be written would not ({error}); run this program as that \
             user, or give the file to the one who runs it, with chown",
            like.display()
        ))
    })
}

#[cfg(unix)]
fn owner(metadata: &Metadata) -> (u32, u32) {
    use std::os::unix::fs::MetadataExt;
    (metadata.uid(), metadata.gid())
}

/// The same path with something behind the file's name.
fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(more);
    path.with_file_name(name)
}

#[cfg(test)]
mod tests {
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
        for (name, beginning) in
            [("devices.toml", "# What you decided"), ("devices.json", "{\n  \"version\"")]
        {
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
}
