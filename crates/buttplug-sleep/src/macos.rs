//! macOS tells a program that has registered with the root of its power management, and waits for its leave. It does so on the
//! loop of a thread.

use crate::{Hear, Word, tell};
use objc2_core_foundation::{CFRunLoop, kCFRunLoopDefaultMode};
use objc2_io_kit::{
    IOAllowPowerChange, IONotificationPort, IONotificationPortRef, IORegisterForSystemPower, io_connect_t,
    io_service_t, kIOMessageCanSystemSleep, kIOMessageSystemHasPoweredOn, kIOMessageSystemWillSleep,
};
use std::ffi::c_void;
use std::sync::OnceLock;
use std::sync::mpsc::sync_channel;
use std::{io, ptr, thread};

/// What the system gets to see of the program. It is never freed, because the system may call until the program ends.
struct Listener {
    hear: Hear,
    /// By which leave is given. Set before the loop runs that calls.
    root: OnceLock<io_connect_t>,
}

pub(crate) fn listen(hear: Hear) -> io::Result<()> {
    let listener: &'static Listener = Box::leak(Box::new(Listener { hear, root: OnceLock::new() }));
    let (say, said) = sync_channel(1);
    let run = move || {
        let registered = register(listener);
        let is_registered = registered.is_ok();
        // Whoever asked waits for it.
        let _ = say.send(registered);
        if is_registered {
            CFRunLoop::run();
        }
    };
    thread::Builder::new().name("sleep".into()).stack_size(256 * 1024).spawn(run)?;
    said.recv().unwrap_or_else(|_| Err(io::Error::other("the thread that listens has ended")))
}

/// Has this thread's loop call [`called`].
fn register(listener: &'static Listener) -> io::Result<()> {
    let mut port: IONotificationPortRef = ptr::null_mut();
    let mut notifier = 0;
    let context = ptr::from_ref(listener).cast_mut().cast();
    // SAFETY: `called` has the signature that is asked for and makes of the context what it is, which is never freed; the
    // other two are written to during the call only.
    #[expect(unsafe_code, reason = "a call into the system")]
    let root = unsafe { IORegisterForSystemPower(context, &mut port, Some(called), &mut notifier) };
    if root == 0 || port.is_null() {
        return Err(io::Error::other("the system's power management takes no listener"));
    }
    let _ = listener.root.set(root);
    // SAFETY: the port is the one that was just made, and is never destroyed.
    #[expect(unsafe_code, reason = "a call into the system")]
    let source = unsafe { IONotificationPort::run_loop_source(port) };
    let source = source.ok_or_else(|| io::Error::other("the system's power management has no events"))?;
    // SAFETY: a constant of the system's.
    #[expect(unsafe_code, reason = "a constant of the system's")]
    let mode = unsafe { kCFRunLoopDefaultMode };
    let this = CFRunLoop::current().ok_or_else(|| io::Error::other("this thread has no loop"))?;
    this.add_source(Some(&source), mode);
    Ok(())
}

/// What macOS calls.
///
/// # Safety
/// `listener` points to a [`Listener`] that is never freed.
#[expect(unsafe_code, reason = "called by the system")]
unsafe extern "C-unwind" fn called(
    listener: *mut c_void,
    _service: io_service_t,
    message: u32,
    identifier: *mut c_void,
) {
    // SAFETY: the caller's promise.
    let listener = unsafe { &*listener.cast::<Listener>() };
    let allow = || {
        if let Some(root) = listener.root.get() {
            // What it answers is of no use: the machine sleeps in any case.
            IOAllowPowerChange(*root, identifier.addr().cast_signed());
        }
    };
    #[expect(non_upper_case_globals, reason = "the system's names")]
    match message {
        // Asked before a sleep for want of anything to do, which others may still prevent.
        kIOMessageCanSystemSleep => allow(),
        kIOMessageSystemWillSleep => {
            tell(&listener.hear, Word::Begins);
            allow();
        }
        kIOMessageSystemHasPoweredOn => tell(&listener.hear, Word::Over),
        _ => {}
    }
}
