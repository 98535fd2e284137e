//! How each system is asked for its pads.

#[cfg(any(windows, target_os = "macos", test))]
mod hid;
#[cfg(target_os = "linux")]
mod linux;
#[cfg(any(windows, target_os = "macos", test))]
mod reports;
#[cfg(windows)]
mod windows;

use crate::pad::Pads;
use std::sync::Arc;

/// The pads of this machine.
pub(crate) fn pads() -> Arc<dyn Pads> {
    #[cfg(target_os = "linux")]
    return Arc::new(linux::InputDevices::default());
    #[cfg(windows)]
    return Arc::new(windows::XInputAndHid::default());
    #[cfg(target_os = "macos")]
    return Arc::new(hid::HidPads::default());
    #[cfg(not(any(target_os = "linux", windows, target_os = "macos")))]
    return Arc::new(nowhere::Nowhere);
}

#[cfg(not(any(target_os = "linux", windows, target_os = "macos")))]
mod nowhere {
    //! A system on which no way to gamepads is known.

    use crate::pad::{Pad, PadError, PadInfo, Pads};

    pub(super) struct Nowhere;

    fn unknown() -> PadError {
        PadError::List(String::from("there is no way to them on this system"))
    }

    impl Pads for Nowhere {
        fn list(&self) -> Result<Vec<PadInfo>, PadError> {
            Err(unknown())
        }

        fn open(&self, _address: &str) -> Result<Box<dyn Pad>, PadError> {
            Err(unknown())
        }
    }
}
