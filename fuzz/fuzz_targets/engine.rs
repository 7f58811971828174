//! See `tests/fuzz/engine/mod.rs`.
#![no_main]
#![allow(dead_code, reason = "each target uses a part of the checks")]

#[path = "../../tests/fuzz/engine/mod.rs"]
mod engine;
#[path = "../../tests/fuzz/feed.rs"]
mod feed;
#[path = "../../tests/fuzz/simulated_time.rs"]
mod simulated_time;

libfuzzer_sys::fuzz_target!(|data: &[u8]| engine::check(data));
