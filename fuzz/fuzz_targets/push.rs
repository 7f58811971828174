//! See `tests/fuzz/push/mod.rs`.
#![no_main]
#![allow(dead_code, reason = "each target uses a part of the checks")]

#[path = "../../tests/fuzz/feed.rs"]
mod feed;
#[path = "../../tests/fuzz/push/mod.rs"]
mod push;
#[path = "../../tests/fuzz/simulated_time.rs"]
mod simulated_time;

libfuzzer_sys::fuzz_target!(|data: &[u8]| push::check(data));
