//! Fuzzes the frames of both sides: see `fuzz_properties::client_frames`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_properties::client_frames::hold(data));
