//! See `tests/fuzz/engine.rs`.
#![no_main]
#![allow(dead_code, reason = "each target uses a part of the checks")]

#[path = "../../tests/fuzz/engine.rs"]
mod engine;

libfuzzer_sys::fuzz_target!(|data: &[u8]| engine::check(data));
