//! Fuzzes definition files: see `fuzz_properties::definitions`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_properties::definitions::hold(data));
