//! Word of the machine's sleep, from systems that call a program for it: Windows and macOS.
//!
//! Both wait a little for a program before they sleep, so that it can bring what it drives to rest. On other systems
//! [`listen`] says that it is not supported. There is no more to this crate than these calls, because they are the only ones
//! of the workspace that need `unsafe`.

use std::io;

#[cfg(target_os = "macos")]
mod macos;
#[cfg(windows)]
mod windows;

/// What the system tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// The machine is about to sleep. It waits until the call that brings this has returned: Windows for about two seconds,
    /// macOS for half a minute.
    Begins,
    /// The machine is awake again. Windows also tells it without having told of the sleep, when that was forced.
    Over,
}

/// Has `hear` called with each word until the program ends, on a thread of the system's or one made for it.
///
/// A panic in `hear` counts as its return.
///
/// # Errors
/// The system does not tell: it is another one, or it refuses to.
///
/// ```
/// let listening = buttplug_sleep::listen(|word| println!("{word:?}"));
/// if let Err(error) = listening {
///     println!("nobody tells when this machine sleeps: {error}");
/// }
/// ```
pub fn listen(hear: impl Fn(Word) + Send + Sync + 'static) -> io::Result<()> {
    system::listen(Box::new(hear))
}

type Hear = Box<dyn Fn(Word) + Send + Sync>;

/// Tells it. A panic must not get into the system's code.
#[cfg(any(windows, target_os = "macos"))]
fn tell(hear: &Hear, word: Word) {
    // The program's hook has heard of it, and there is nobody to tell of it besides.
    let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| hear(word)));
}

#[cfg(target_os = "macos")]
use macos as system;
#[cfg(windows)]
use windows as system;

#[cfg(not(any(windows, target_os = "macos")))]
mod system {
    use super::Hear;
    use std::io;

    pub(super) fn listen(_: Hear) -> io::Result<()> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_said_whether_the_system_tells() {
        let listening = listen(|_| ());
        if cfg!(any(windows, target_os = "macos")) {
            listening.unwrap();
        } else {
            assert_eq!(listening.unwrap_err().kind(), io::ErrorKind::Unsupported);
        }
    }
}
