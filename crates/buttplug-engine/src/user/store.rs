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
mod tests;
