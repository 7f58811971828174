//! See `tests/fuzz/package.rs`.
#![no_main]
#![allow(dead_code, reason = "each target uses a part of the checks")]

#[path = "../../tests/fuzz/cut.rs"]
mod cut;
#[path = "../../tests/fuzz/package.rs"]
mod package;
#[path = "../../tests/fuzz/readers.rs"]
mod readers;
#[path = "../../tests/fuzz/stream.rs"]
mod stream;

libfuzzer_sys::fuzz_target!(|data: &[u8]| package::check(data));
