//! See `tests/fuzz/keys.rs`.
#![no_main]
#![allow(dead_code, reason = "each target uses a part of the checks")]

#[path = "../../tests/fuzz/keys.rs"]
mod keys;

libfuzzer_sys::fuzz_target!(|data: &[u8]| keys::check(data));
