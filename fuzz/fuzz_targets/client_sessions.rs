//! Fuzzes the client library with what a server says: see `fuzz_properties::client_sessions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_properties::client_sessions::hold(data));
