//! Fuzzes peers at the device port: see `fuzz_properties::device_port`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_properties::device_port::hold(data));
