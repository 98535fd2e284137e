//! How the program can end.

use std::process::ExitCode;

/// How the program ends, as the number that its parent sees.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Exit {
    /// It did what it was asked to, and ended in order.
    Orderly = 0,
    /// Somebody has to mend something first: a flag, a file, a port that is taken. Starting again won't help. Also:
    /// nothing was found.
    Mend = 1,
    /// The program itself failed. Starting again may help.
    Internal = 70,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
