//! Tasks and time: tokio's, or in a web page, which has neither its threads nor its clock, those of the page.

#[cfg(not(all(target_family = "wasm", target_os = "unknown")))]
pub(crate) use tokio::{
    spawn,
    time::{Instant, sleep, sleep_until, timeout, timeout_at},
};

#[cfg(all(target_family = "wasm", target_os = "unknown"))]
pub(crate) use {
    wasm_bindgen_futures::spawn_local as spawn,
    wasmtimer::std::Instant,
    wasmtimer::tokio::{sleep, sleep_until, timeout, timeout_at},
};
