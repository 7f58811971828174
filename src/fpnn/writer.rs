//! Writes the values of payloads as msgpack.

use std::fmt::Debug;

use rmp::encode;

/// Writes msgpack values at the end of a buffer, each in its shortest form.
#[derive(Debug)]
pub struct PayloadWriter<'a> {
    out: &'a mut Vec<u8>,
}

impl<'a> PayloadWriter<'a> {
    /// Writes at the end of `out`.
    pub fn new(out: &'a mut Vec<u8>) -> PayloadWriter<'a> {
        PayloadWriter { out }
    }

    /// Begins a map: its pairs follow, key and value in turn.
    pub fn map(&mut self, pairs: usize) {
        written(encode::write_map_len(self.out, wire_len(pairs)));
    }

    /// Begins an array: its elements follow.
    pub fn array(&mut self, len: usize) {
        written(encode::write_array_len(self.out, wire_len(len)));
    }

    /// Writes a string.
    pub fn str(&mut self, text: &str) {
        written(encode::write_str(self.out, text));
    }

    /// Writes bytes.
    pub fn bin(&mut self, bytes: &[u8]) {
        written(encode::write_bin(self.out, bytes));
    }

    /// Writes an integer. A non-negative one uses the unsigned forms, as the vendor's server does.
    pub fn int(&mut self, value: i64) {
        written(encode::write_sint(self.out, value));
    }

    /// Writes a boolean.
    pub fn bool(&mut self, value: bool) {
        written(encode::write_bool(self.out, value));
    }
}

/// A process cannot hold 2^32 elements, because each takes 8 bytes or more.
fn wire_len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}

#[allow(clippy::expect_used, reason = "the only writer here is a Vec, which takes every write")]
fn written<T, E: Debug>(result: Result<T, E>) {
    result.expect("a Vec takes every write");
}
