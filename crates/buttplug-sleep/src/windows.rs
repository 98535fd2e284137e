//! Windows calls a program before the machine sleeps and when it is awake again. Unlike the message for windows that says the
//! same, these calls also come to a program without a window, and on machines that sleep without being switched off.

use crate::{Hear, Word, tell};
use std::ffi::c_void;
use std::{io, ptr};
use windows_sys::Win32::Foundation::ERROR_SUCCESS;
use windows_sys::Win32::System::Power::{
    DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS, PowerRegisterSuspendResumeNotification,
};
use windows_sys::Win32::UI::WindowsAndMessaging::{
    DEVICE_NOTIFY_CALLBACK, PBT_APMRESUMEAUTOMATIC, PBT_APMSUSPEND,
};

pub(crate) fn listen(hear: Hear) -> io::Result<()> {
    // Both stay for as long as Windows may call, which is until the program ends.
    let hear: &'static Hear = Box::leak(Box::new(hear));
    let subscription = Box::leak(Box::new(DEVICE_NOTIFY_SUBSCRIBE_PARAMETERS {
        Callback: Some(called),
        Context: ptr::from_ref(hear).cast_mut().cast(),
    }));
    let mut registration = ptr::null_mut();
    // SAFETY: with this flag the second argument is such a subscription, which is never freed; `called` has the signature
    // that is asked for, and what it makes of the context is what stands there.
    #[expect(unsafe_code, reason = "a call into the system")]
    let code = unsafe {
        PowerRegisterSuspendResumeNotification(
            DEVICE_NOTIFY_CALLBACK,
            ptr::from_mut(subscription).cast(),
            &mut registration,
        )
    };
    match code {
        ERROR_SUCCESS => Ok(()),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

/// What Windows calls.
///
/// # Safety
/// `hear` points to a [`Hear`] that is never freed.
#[expect(unsafe_code, reason = "called by the system")]
unsafe extern "system" fn called(hear: *const c_void, event: u32, _setting: *const c_void) -> u32 {
    // Whoever wakes the machine with a key is told of by one more event after this one.
    let word = match event {
        PBT_APMSUSPEND => Word::Begins,
        PBT_APMRESUMEAUTOMATIC => Word::Over,
        _ => return ERROR_SUCCESS,
    };
    // SAFETY: the caller's promise.
    let hear = unsafe { &*hear.cast::<Hear>() };
    tell(hear, word);
    ERROR_SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::channel;
    use windows_sys::Win32::UI::WindowsAndMessaging::PBT_APMRESUMESUSPEND;

    #[test]
    fn sleep_and_awakening_are_told_once_each_and_a_panic_stays_here() {
        let (told, words) = channel();
        let hear: Hear = Box::new(move |word| {
            told.send(word).unwrap();
            assert_eq!(word, Word::Begins, "this panic is part of a test");
        });
        for event in [PBT_APMSUSPEND, PBT_APMRESUMEAUTOMATIC, PBT_APMRESUMESUSPEND] {
            // SAFETY: it lives until the end of this function.
            #[expect(unsafe_code, reason = "as the system calls it")]
            let answer = unsafe { called(ptr::from_ref(&hear).cast(), event, ptr::null()) };
            assert_eq!(answer, ERROR_SUCCESS);
        }
        drop(hear);
        assert_eq!(words.iter().collect::<Vec<_>>(), [Word::Begins, Word::Over]);
    }
}
