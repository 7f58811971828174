//! Writes msgpack maps that count their own pairs.

use byteorder::{BigEndian, ByteOrder};

use super::writer::PayloadWriter;

/// The most pairs that a header of one byte can announce.
const MOST_IN_FIXMAP: u32 = 15;
const FIXMAP: u8 = 0x80;
const MAP16: u8 = 0xde;
const MAP32: u8 = 0xdf;

/// A msgpack map at the end of a buffer, written pair by pair.
///
/// The header is updated with every pair, so the map is always valid and a wrong count is impossible. The header has
/// one byte for up to 15 pairs, which suffices for nearly all payloads of RTM. When it grows, the pairs are moved.
#[derive(Debug)]
pub struct MapWriter<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    pairs: u32,
}

impl<'a> MapWriter<'a> {
    /// Begins an empty map at the end of `out`.
    pub fn begin(out: &'a mut Vec<u8>) -> MapWriter<'a> {
        let start = out.len();
        out.push(FIXMAP);
        MapWriter { out, start, pairs: 0 }
    }

    /// Continues the map that begins at `start` and ends the buffer.
    pub fn resume(out: &'a mut Vec<u8>, start: usize) -> MapWriter<'a> {
        let pairs = match out[start] {
            MAP16 => BigEndian::read_u16(&out[start + 1..]).into(),
            MAP32 => BigEndian::read_u32(&out[start + 1..]),
            fixmap => (fixmap & !FIXMAP).into(),
        };
        MapWriter { out, start, pairs }
    }

    /// The position of the first pair in the buffer.
    #[must_use]
    pub fn first_pair_at(&self) -> usize {
        self.start + header_len(self.pairs)
    }

    /// Writes an integer.
    pub fn int(mut self, key: &str, value: i64) -> Self {
        self.key(key).int(value);
        self
    }

    /// Writes an integer, or nothing: an absent optional value is left out, never nil.
    pub fn optional_int(self, key: &str, value: Option<i64>) -> Self {
        match value {
            Some(value) => self.int(key, value),
            None => self,
        }
    }

    /// Writes a boolean.
    pub fn bool(mut self, key: &str, value: bool) -> Self {
        self.key(key).bool(value);
        self
    }

    /// Writes a text.
    pub fn str(mut self, key: &str, value: &str) -> Self {
        self.key(key).str(value);
        self
    }

    /// Writes a text, or nothing.
    pub fn optional_str(self, key: &str, value: Option<&str>) -> Self {
        match value {
            Some(value) => self.str(key, value),
            None => self,
        }
    }

    /// Writes bytes.
    pub fn bin(mut self, key: &str, value: &[u8]) -> Self {
        self.key(key).bin(value);
        self
    }

    /// Writes a list of integers.
    pub fn ints(mut self, key: &str, values: impl ExactSizeIterator<Item = i64>) -> Self {
        let mut list = self.key(key);
        list.array(values.len());
        values.for_each(|value| list.int(value));
        self
    }

    /// Writes a list of texts.
    pub fn strs<'s>(mut self, key: &str, values: impl ExactSizeIterator<Item = &'s str>) -> Self {
        let mut list = self.key(key);
        list.array(values.len());
        values.for_each(|value| list.str(value));
        self
    }

    /// Writes pairs that are already encoded, keys and values in turn.
    pub fn encoded_pairs(mut self, count: u32, pairs: &[u8]) -> Self {
        self.out.extend_from_slice(pairs);
        self.count(count);
        self
    }

    /// Writes the pairs that `write` appends. `write` returns their number.
    #[cfg(feature = "serde")]
    pub fn pairs_with<E>(mut self, write: impl FnOnce(&mut Vec<u8>) -> Result<u32, E>) -> Result<Self, E> {
        let count = write(self.out)?;
        self.count(count);
        Ok(self)
    }

    /// Writes a key. The caller writes the value: exactly one.
    pub fn value(mut self, key: &str) -> PayloadWriter<'a> {
        self.count(1);
        write_key(self.out, key)
    }

    /// Counts a pair and writes its key. Exactly one value must follow.
    fn key(&mut self, key: &str) -> PayloadWriter<'_> {
        self.count(1);
        write_key(self.out, key)
    }

    fn count(&mut self, more: u32) {
        let len_before = header_len(self.pairs);
        self.pairs = self.pairs.saturating_add(more);
        let growth = header_len(self.pairs) - len_before;
        if growth > 0 {
            let end_of_header = self.start + len_before;
            self.out.splice(end_of_header..end_of_header, std::iter::repeat_n(0, growth));
        }
        self.write_header();
    }

    fn write_header(&mut self) {
        let header = &mut self.out[self.start..];
        match (u8::try_from(self.pairs), u16::try_from(self.pairs)) {
            (Ok(pairs), _) if self.pairs <= MOST_IN_FIXMAP => header[0] = FIXMAP | pairs,
            (_, Ok(pairs)) => {
                header[0] = MAP16;
                BigEndian::write_u16(&mut header[1..], pairs);
            }
            _ => {
                header[0] = MAP32;
                BigEndian::write_u32(&mut header[1..], self.pairs);
            }
        }
    }
}

fn write_key<'a>(out: &'a mut Vec<u8>, key: &str) -> PayloadWriter<'a> {
    let mut payload = PayloadWriter::new(out);
    payload.str(key);
    payload
}

/// The length of a header for this many pairs.
fn header_len(pairs: u32) -> usize {
    match pairs {
        0..=MOST_IN_FIXMAP => 1,
        16..=0xffff => 3,
        _ => 5,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmpv::Value;

    fn read(bytes: &[u8]) -> Vec<(Value, Value)> {
        let mut rest = bytes;
        let value = rmpv::decode::read_value(&mut rest).unwrap();
        assert!(rest.is_empty());
        match value {
            Value::Map(pairs) => pairs,
            other => panic!("{other} is not a map"),
        }
    }

    #[test]
    fn map_is_valid_after_every_pair() {
        for count in [0, 1, 15, 16, 17, 65_535, 65_536, 65_537] {
            let mut out = b"before".to_vec();
            let mut map = MapWriter::begin(&mut out);
            for value in 0..count {
                map = map.int("k", value);
            }
            let expected: Vec<_> = (0..count).map(|value| ("k".into(), value.into())).collect();
            assert_eq!(read(&out["before".len()..]), expected, "{count} pairs");
        }
    }

    #[test]
    fn map_can_be_resumed() {
        for count in [3, 15, 16, 70_000] {
            let mut out = Vec::new();
            let mut map = MapWriter::begin(&mut out);
            for value in 0..count {
                map = map.int("k", value);
            }
            let map = MapWriter::resume(&mut out, 0).bool("last", true);
            assert_eq!(map.first_pair_at(), header_len(count as u32 + 1));
            assert_eq!(read(&out).len(), count as usize + 1);
        }
    }

    #[test]
    fn left_out_values_are_absent() {
        let mut out = Vec::new();
        let map = MapWriter::begin(&mut out).optional_int("a", None).optional_str("b", None);
        map.optional_int("c", Some(-1)).optional_str("d", Some("text"));
        assert_eq!(read(&out), [("c".into(), (-1).into()), ("d".into(), "text".into())]);
    }

    #[test]
    fn values_are_written_with_their_type() {
        let mut out = Vec::new();
        let map = MapWriter::begin(&mut out).bin("bin", &[0xff]).ints("ints", [1, -2].into_iter());
        map.strs("strs", ["a", "b"].into_iter()).encoded_pairs(1, b"\xa1x\xc0");
        let expected = [
            ("bin".into(), Value::Binary(vec![0xff])),
            ("ints".into(), Value::Array(vec![1.into(), (-2).into()])),
            ("strs".into(), Value::Array(vec!["a".into(), "b".into()])),
            ("x".into(), Value::Nil),
        ];
        assert_eq!(read(&out), expected);
    }
}
