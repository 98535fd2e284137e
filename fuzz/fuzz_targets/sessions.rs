//! Fuzzes a whole server with several clients, devices and time: see `fuzz_properties::sessions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_properties::sessions::hold(data));
