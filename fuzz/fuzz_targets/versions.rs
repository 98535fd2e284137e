//! Fuzzes a whole server with one client of any version: see `fuzz_properties::versions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_properties::versions::hold(data));
