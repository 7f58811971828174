//! Reads payloads: msgpack maps with string keys, from untrusted bytes.

#![allow(
    clippy::unnecessary_lazy_evaluations,
    reason = "an error that is made for nothing must be dropped again, which shows in every value that is read"
)]

use byteorder::{BigEndian, ByteOrder};
use rmp::Marker;

use crate::error::DecodeError;

/// The deepest nesting of values. It exceeds that of any RTM payload, but uses little of the stack.
const MAX_DEPTH: usize = 128;

/// A string as it was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RawString<'a> {
    /// A `str`: text, unless the peer says so wrongly.
    Str(&'a [u8]),
    /// A `bin`.
    Bin(&'a [u8]),
}

/// A payload's map, read front to back: a key, then its value or [`skip`](PayloadReader::skip).
///
/// An announced length allocates nothing, and is trusted only as far as there are bytes for it.
#[derive(Debug, Clone)]
pub struct PayloadReader<'a> {
    payload: &'a [u8],
    rest: &'a [u8],
    pairs_left: usize,
}

impl<'a> PayloadReader<'a> {
    /// Opens the map at the front of `payload`.
    ///
    /// # Errors
    ///
    /// It is not a map, or it is empty.
    pub fn open(payload: &'a [u8]) -> Result<PayloadReader<'a>, DecodeError> {
        let mut reader = PayloadReader { payload, rest: payload, pairs_left: 0 };
        reader.pairs_left = match reader.marker()? {
            Marker::FixMap(len) => len.into(),
            Marker::Map16 => reader.len16()?,
            Marker::Map32 => reader.len32()?,
            Marker::Reserved => return Err(DecodeError::ReservedByte),
            _ => return Err(DecodeError::NotAMap),
        };
        Ok(reader)
    }

    /// Reads the next key of the payload's map, or `None` after the last. The value must be read or skipped before the
    /// next call.
    ///
    /// # Errors
    ///
    /// The key is not a string, or is incomplete.
    pub fn next_key(&mut self) -> Result<Option<&'a [u8]>, DecodeError> {
        if self.pairs_left == 0 {
            return Ok(None);
        }
        self.pairs_left -= 1;
        match self.marker()? {
            Marker::Reserved => Err(DecodeError::ReservedByte),
            marker => match self.str_len(marker)? {
                Some(len) => self.take(len).map(Some),
                None => Err(DecodeError::KeyNotString),
            },
        }
    }

    /// Skips the remaining pairs, and returns the bytes of the whole map, which is valid msgpack with strings as keys.
    ///
    /// # Errors
    ///
    /// A key is not a string, or a value is incomplete.
    pub fn whole_map(&mut self) -> Result<&'a [u8], DecodeError> {
        while self.next_key()?.is_some() {
            self.skip()?;
        }
        Ok(&self.payload[..self.payload.len() - self.rest.len()])
    }

    /// The bytes not read yet.
    #[must_use]
    pub fn rest(&self) -> &'a [u8] {
        self.rest
    }

    /// Checks that nothing follows the map.
    ///
    /// # Errors
    ///
    /// Bytes are left over.
    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            left_over => Err(DecodeError::TrailingBytes(left_over)),
        }
    }

    /// An integer of any width.
    ///
    /// # Errors
    ///
    /// The value is something else, or beyond 64 signed bits.
    pub fn int(&mut self, key: &'static str) -> Result<i64, DecodeError> {
        let marker = self.marker()?;
        self.int_body(marker)?.ok_or_else(|| DecodeError::WrongType { key, expected: "an integer" })
    }

    /// An integer of any width, or nil for `None`.
    ///
    /// # Errors
    ///
    /// The value is something else, or beyond 64 signed bits.
    pub fn optional_int(&mut self, key: &'static str) -> Result<Option<i64>, DecodeError> {
        if self.take_nil() { Ok(None) } else { self.int(key).map(Some) }
    }

    /// An integer of any width, or a float that stands for one: the vendor's Node SDK sends plain numbers outside 32
    /// bits as floats.
    ///
    /// # Errors
    ///
    /// The value is something else, or beyond 64 signed bits.
    pub fn integral(&mut self, key: &'static str) -> Result<i64, DecodeError> {
        let wrong = || DecodeError::WrongType { key, expected: "an integer" };
        let float = match self.marker()? {
            Marker::F32 => f64::from(BigEndian::read_f32(self.take(4)?)),
            Marker::F64 => BigEndian::read_f64(self.take(8)?),
            marker => return self.int_body(marker)?.ok_or_else(wrong),
        };
        // Both bounds are powers of two, so they are exact as floats.
        let in_range = (-9_223_372_036_854_775_808.0..9_223_372_036_854_775_808.0).contains(&float);
        if in_range && float.fract() == 0.0 { Ok(float as i64) } else { Err(wrong()) }
    }

    /// A boolean; an integer counts as "not zero", nil as false.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn bool(&mut self, key: &'static str) -> Result<bool, DecodeError> {
        match self.marker()? {
            Marker::True => Ok(true),
            Marker::False | Marker::Null => Ok(false),
            marker => match self.int_body(marker)? {
                Some(value) => Ok(value != 0),
                None => Err(DecodeError::WrongType { key, expected: "a boolean" }),
            },
        }
    }

    /// The bytes of a string or a bin.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn bytes(&mut self, key: &'static str) -> Result<&'a [u8], DecodeError> {
        let marker = self.marker()?;
        self.bytes_body(marker)?.ok_or_else(|| DecodeError::WrongType { key, expected: "a string" })
    }

    /// The bytes of a string or a bin, or nil for `None`.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn optional_bytes(&mut self, key: &'static str) -> Result<Option<&'a [u8]>, DecodeError> {
        if self.take_nil() { Ok(None) } else { self.bytes(key).map(Some) }
    }

    /// The bytes of a string or a bin, and whether it is a string.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn str_or_bin(&mut self, key: &'static str) -> Result<(&'a [u8], bool), DecodeError> {
        let marker = self.clone().marker()?;
        let is_str = matches!(marker, Marker::FixStr(_) | Marker::Str8 | Marker::Str16 | Marker::Str32);
        self.bytes(key).map(|bytes| (bytes, is_str))
    }

    /// A string, sent as str or as bin, or nil for `None`.
    ///
    /// # Errors
    ///
    /// The value is something else, or not UTF-8.
    pub fn optional_str(&mut self, key: &'static str) -> Result<Option<&'a str>, DecodeError> {
        if self.take_nil() {
            return Ok(None);
        }
        let bytes = self.bytes(key)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Some(text)),
            Err(_) => Err(DecodeError::WrongType { key, expected: "valid UTF-8" }),
        }
    }

    /// A string, as str or as bin, whichever was sent, or nil for `None`.
    ///
    /// # Errors
    ///
    /// The value is something else.
    pub fn optional_raw_string(&mut self, key: &'static str) -> Result<Option<RawString<'a>>, DecodeError> {
        let marker = self.marker()?;
        if marker == Marker::Null {
            return Ok(None);
        }
        if let Some(len) = self.str_len(marker)? {
            return Ok(Some(RawString::Str(self.take(len)?)));
        }
        match self.bytes_body(marker)? {
            Some(bytes) => Ok(Some(RawString::Bin(bytes))),
            None => Err(DecodeError::WrongType { key, expected: "a string" }),
        }
    }

    /// The number of elements in the array that begins here. Nil counts as an empty array. The elements follow.
    ///
    /// # Errors
    ///
    /// The value is something else, or there are fewer bytes left than elements.
    pub fn array_len(&mut self, key: &'static str) -> Result<usize, DecodeError> {
        let len = match self.marker()? {
            Marker::FixArray(len) => len.into(),
            Marker::Array16 => self.len16()?,
            Marker::Array32 => self.len32()?,
            Marker::Null => 0,
            _ => return Err(DecodeError::WrongType { key, expected: "an array" }),
        };
        self.believable(len)
    }

    /// The number of pairs in the map that begins here. Nil and an empty array count as an empty map. The pairs follow.
    ///
    /// # Errors
    ///
    /// The value is something else, or too few bytes are left for its pairs.
    pub fn map_len(&mut self, key: &'static str) -> Result<usize, DecodeError> {
        let len = match self.marker()? {
            Marker::FixMap(len) => len.into(),
            Marker::Map16 => self.len16()?,
            Marker::Map32 => self.len32()?,
            Marker::Null | Marker::FixArray(0) => 0,
            _ => return Err(DecodeError::WrongType { key, expected: "a map" }),
        };
        self.believable(len.saturating_mul(2)).map(|values| values / 2)
    }

    /// An integer, or a string of decimal digits that stands for one.
    ///
    /// # Errors
    ///
    /// The value is something else, or beyond 64 signed bits.
    pub fn int_or_digits(&mut self, key: &'static str) -> Result<i64, DecodeError> {
        let wrong = || DecodeError::WrongType { key, expected: "a number or a string of digits" };
        let marker = self.marker()?;
        if let Some(value) = self.int_body(marker)? {
            return Ok(value);
        }
        let digits = self.bytes_body(marker)?.and_then(|bytes| std::str::from_utf8(bytes).ok());
        digits.and_then(|digits| digits.parse().ok()).ok_or_else(wrong)
    }

    /// Converts any kind of value to text for people. Strings are kept, with replacement characters for what is not
    /// UTF-8; integers become decimal; everything else is `None`.
    ///
    /// # Errors
    ///
    /// The value is incomplete.
    pub fn any_as_text(&mut self) -> Result<Option<String>, DecodeError> {
        let mut ahead = self.clone();
        let marker = ahead.marker()?;
        let text = match ahead.int_body(marker) {
            Ok(Some(value)) => Some(value.to_string()),
            _ => ahead.bytes_body(marker)?.map(|bytes| String::from_utf8_lossy(bytes).into_owned()),
        };
        match text {
            Some(_) => self.rest = ahead.rest,
            None => self.skip()?,
        }
        Ok(text)
    }

    /// Skips one value of any kind, without recursion.
    ///
    /// # Errors
    ///
    /// The value is incomplete, nests too deeply, or contains the byte that msgpack never uses.
    pub fn skip(&mut self) -> Result<(), DecodeError> {
        match self.skip_shallow()? {
            0 => Ok(()),
            inside => self.skip_nested(inside),
        }
    }

    /// Skips `inside` values, including everything nested in them.
    fn skip_nested(&mut self, inside: usize) -> Result<(), DecodeError> {
        // The number of values left on each level.
        let mut levels = [0_usize; MAX_DEPTH];
        levels[0] = inside - 1;
        let mut depth = 1;
        loop {
            let inside = self.skip_shallow()?;
            if inside > 0 {
                levels[depth] = inside;
                depth += 1;
                if depth == MAX_DEPTH {
                    return Err(DecodeError::TooDeep);
                }
            }
            while depth > 0 && levels[depth - 1] == 0 {
                depth -= 1;
            }
            match depth {
                0 => return Ok(()),
                _ => levels[depth - 1] -= 1,
            }
        }
    }

    /// Skips one value without the values nested in it. Returns the number of those.
    fn skip_shallow(&mut self) -> Result<usize, DecodeError> {
        let len = match self.marker()? {
            Marker::FixPos(_) | Marker::FixNeg(_) | Marker::Null | Marker::True | Marker::False => 0,
            Marker::U8 | Marker::I8 => 1,
            Marker::U16 | Marker::I16 => 2,
            Marker::U32 | Marker::I32 | Marker::F32 => 4,
            Marker::U64 | Marker::I64 | Marker::F64 => 8,
            Marker::FixStr(len) => len.into(),
            Marker::Str8 | Marker::Bin8 => self.len8()?,
            Marker::Str16 | Marker::Bin16 => self.len16()?,
            Marker::Str32 | Marker::Bin32 => self.len32()?,
            Marker::FixExt1 => 2,
            Marker::FixExt2 => 3,
            Marker::FixExt4 => 5,
            Marker::FixExt8 => 9,
            Marker::FixExt16 => 17,
            Marker::Ext8 => self.len8()?.saturating_add(1),
            Marker::Ext16 => self.len16()?.saturating_add(1),
            Marker::Ext32 => self.len32()?.saturating_add(1),
            Marker::FixArray(len) => return self.believable(len.into()),
            Marker::Array16 => return self.len16().and_then(|len| self.believable(len)),
            Marker::Array32 => return self.len32().and_then(|len| self.believable(len)),
            Marker::FixMap(len) => return self.believable(usize::from(len) * 2),
            Marker::Map16 => return self.len16().and_then(|len| self.believable(len.saturating_mul(2))),
            Marker::Map32 => return self.len32().and_then(|len| self.believable(len.saturating_mul(2))),
            Marker::Reserved => return Err(DecodeError::ReservedByte),
        };
        self.take(len)?;
        Ok(0)
    }

    /// Checks an announced number of values. Every value takes at least a byte, so there cannot be more values than
    /// bytes.
    fn believable(&self, values: usize) -> Result<usize, DecodeError> {
        if values <= self.rest.len() { Ok(values) } else { Err(DecodeError::Truncated) }
    }

    fn int_body(&mut self, marker: Marker) -> Result<Option<i64>, DecodeError> {
        Ok(Some(match marker {
            Marker::FixPos(value) => value.into(),
            Marker::FixNeg(value) => value.into(),
            Marker::U8 => self.take(1)?[0].into(),
            Marker::U16 => BigEndian::read_u16(self.take(2)?).into(),
            Marker::U32 => BigEndian::read_u32(self.take(4)?).into(),
            Marker::U64 => return Ok(i64::try_from(BigEndian::read_u64(self.take(8)?)).ok()),
            Marker::I8 => i8::from_be_bytes([self.take(1)?[0]]).into(),
            Marker::I16 => BigEndian::read_i16(self.take(2)?).into(),
            Marker::I32 => BigEndian::read_i32(self.take(4)?).into(),
            Marker::I64 => BigEndian::read_i64(self.take(8)?),
            _ => return Ok(None),
        }))
    }

    fn bytes_body(&mut self, marker: Marker) -> Result<Option<&'a [u8]>, DecodeError> {
        let len = match marker {
            Marker::Bin8 => self.len8()?,
            Marker::Bin16 => self.len16()?,
            Marker::Bin32 => self.len32()?,
            _ => match self.str_len(marker)? {
                Some(len) => len,
                None => return Ok(None),
            },
        };
        self.take(len).map(Some)
    }

    fn str_len(&mut self, marker: Marker) -> Result<Option<usize>, DecodeError> {
        match marker {
            Marker::FixStr(len) => Ok(Some(len.into())),
            Marker::Str8 => self.len8().map(Some),
            Marker::Str16 => self.len16().map(Some),
            Marker::Str32 => self.len32().map(Some),
            _ => Ok(None),
        }
    }

    fn take_nil(&mut self) -> bool {
        match self.rest.split_first() {
            Some((&first, rest)) if Marker::from_u8(first) == Marker::Null => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn marker(&mut self) -> Result<Marker, DecodeError> {
        let (&first, rest) = self.rest.split_first().ok_or_else(|| DecodeError::Truncated)?;
        self.rest = rest;
        Ok(Marker::from_u8(first))
    }

    fn len8(&mut self) -> Result<usize, DecodeError> {
        self.take(1).map(|bytes| bytes[0].into())
    }

    fn len16(&mut self) -> Result<usize, DecodeError> {
        self.take(2).map(|bytes| BigEndian::read_u16(bytes).into())
    }

    fn len32(&mut self) -> Result<usize, DecodeError> {
        self.take(4).map(|bytes| usize::try_from(BigEndian::read_u32(bytes)).unwrap_or(usize::MAX))
    }

    fn take(&mut self, len: usize) -> Result<&'a [u8], DecodeError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or_else(|| DecodeError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }
}

#[cfg(test)]
mod tests;
