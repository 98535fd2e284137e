//! The same settings for another process of this program: the engine under a guard has those with which the guard was
//! started, also when it is started again after somebody has begun to edit the file.

use std::ffi::OsString;

/// What to start `buttplug` with.
pub(crate) struct Handover {
    pub(super) arguments: Vec<OsString>,
    pub(super) places: Vec<OsString>,
    pub(super) secrets: Vec<(String, OsString)>,
    pub(super) variables: Vec<String>,
}

impl Handover {
    /// All settings as flags, but for secrets, which other people on the machine would see there; and where they are made.
    pub(crate) fn arguments(&self) -> impl Iterator<Item = OsString> {
        let settings = self.arguments.iter().chain(&self.places).cloned();
        ["serve".into(), "--no-config".into()].into_iter().chain(settings)
    }

    /// Variables that the process must not have.
    pub(crate) fn removed(&self) -> impl Iterator<Item = &str> {
        self.variables.iter().map(String::as_str)
    }

    /// Variables that it must have.
    pub(crate) fn set(&self) -> impl Iterator<Item = (&str, &OsString)> {
        self.secrets.iter().map(|(name, value)| (name.as_str(), value))
    }
}
