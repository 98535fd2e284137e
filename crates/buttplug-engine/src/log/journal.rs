//! The journal of systemd as the place to which stdout leads: it has a clock of its own, and takes the level from the
//! beginning of a line.

use tracing::Level;

/// Whether stdout is the journal's. It says which of a service's outputs is, because that may be redirected.
pub(super) fn is_stdout() -> bool {
    #[cfg(target_os = "linux")]
    {
        let named = std::env::var("JOURNAL_STREAM").ok();
        let stdout = rustix::fs::fstat(std::io::stdout()).ok();
        named.zip(stdout).is_some_and(|(named, stdout)| names(&named, stdout.st_dev, stdout.st_ino))
    }
    #[cfg(not(target_os = "linux"))]
    false
}

/// Whether `device:inode` means this file.
#[cfg(any(target_os = "linux", test))]
fn names(named: &str, device: u64, inode: u64) -> bool {
    named == format!("{device}:{inode}")
}

/// The level as the journal counts.
pub(super) fn priority(level: Level) -> u8 {
    match level {
        Level::ERROR => 3,
        Level::WARN => 4,
        Level::INFO => 6,
        _ => 7,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_stream_that_is_named_is_the_journals() {
        assert!(names("8:1234", 8, 1234));
        for other in ["", "8", "8:123", "8:1234 ", ":", "1234:8"] {
            assert!(!names(other, 8, 1234), "{other}");
        }
    }
}
