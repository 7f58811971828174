//! The parameters of a quest: checked once as a whole, then looked up by key.

use super::failure::ErrorAnswer;
use crate::code::ErrorCode;
use crate::error::DecodeError;
use crate::fpnn::PayloadReader;
use crate::rtm::MessageBody;

/// How many pairs can be found without reading the payload again. No method of RTM has more.
const INDEXED: usize = 16;

/// The parameters of one quest. Unknown keys are ignored; of a repeated key the last counts.
///
/// Integers may be floats with a whole value, texts may be sent as bin, and nil counts as absent. If a method requests
/// a parameter that is missing or of a wrong type, the answer is 200034.
#[derive(Debug)]
pub(super) struct Params<'a> {
    indexed: [Pair<'a>; INDEXED],
    len: usize,
    /// The pairs after the indexed ones.
    rest: PayloadReader<'a>,
}

#[derive(Debug, Clone)]
struct Pair<'a> {
    key: &'a [u8],
    value: PayloadReader<'a>,
}

impl<'a> Params<'a> {
    /// Reads the whole payload, so that an incomplete quest is not executed.
    ///
    /// # Errors
    ///
    /// The payload is truncated, or its keys are not strings.
    pub(super) fn read(mut reader: PayloadReader<'a>) -> Result<Params<'a>, DecodeError> {
        let mut indexed = std::array::from_fn(|_| Pair { key: b"", value: reader.clone() });
        let mut len = 0;
        while let Some(pair) = indexed.get_mut(len) {
            let Some(key) = reader.next_key()? else { break };
            *pair = Pair { key, value: reader.clone() };
            len += 1;
            reader.skip()?;
        }
        let rest = reader.clone();
        while reader.next_key()?.is_some() {
            reader.skip()?;
        }
        Ok(Params { indexed, len, rest })
    }

    /// Returns a required integer.
    pub(super) fn int(&self, key: &'static str) -> Result<i64, ErrorAnswer> {
        self.optional_int(key)?.ok_or_else(|| missing(key))
    }

    /// Returns an optional integer.
    pub(super) fn optional_int(&self, key: &'static str) -> Result<Option<i64>, ErrorAnswer> {
        self.optional(key, "a 64-bit integer", |value| value.integral(key))
    }

    /// Returns the bytes of a required string, which need not be UTF-8.
    pub(super) fn bytes(&self, key: &'static str) -> Result<&'a [u8], ErrorAnswer> {
        self.optional(key, "a string", |value| value.bytes(key))?.ok_or_else(|| missing(key))
    }

    /// Returns an optional text.
    pub(super) fn optional_text(&self, key: &'static str) -> Result<Option<&'a str>, ErrorAnswer> {
        let text = self.optional(key, "a string in UTF-8", |value| value.optional_str(key))?;
        Ok(text.flatten())
    }

    /// Returns a text that is empty by default.
    pub(super) fn text_or_empty(&self, key: &'static str) -> Result<&'a str, ErrorAnswer> {
        self.optional_text(key).map(Option::unwrap_or_default)
    }

    /// Returns a boolean that is false by default.
    pub(super) fn flag(&self, key: &'static str) -> Result<bool, ErrorAnswer> {
        self.optional_flag(key).map(Option::unwrap_or_default)
    }

    /// Returns an optional boolean.
    pub(super) fn optional_flag(&self, key: &'static str) -> Result<Option<bool>, ErrorAnswer> {
        self.optional(key, "a boolean", |value| value.bool(key))
    }

    /// Returns the body of a message: text if it is a string in UTF-8, bytes otherwise.
    pub(super) fn body(&self, key: &'static str) -> Result<MessageBody, ErrorAnswer> {
        let (bytes, is_str) =
            self.optional(key, "a string or binary", |value| value.str_or_bin(key))?.ok_or_else(|| missing(key))?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) if is_str => text.into(),
            _ => bytes.into(),
        })
    }

    /// Returns a required list of integers, which must not be empty.
    pub(super) fn ints(&self, key: &'static str) -> Result<Vec<i64>, ErrorAnswer> {
        let ints = self.optional_ints(key)?.ok_or_else(|| missing(key))?;
        if ints.is_empty() {
            let text = format!("the list {key} is empty");
            return Err(ErrorAnswer::new(ErrorCode::RTM_EC_EMPTY_PARAMETER, text));
        }
        Ok(ints)
    }

    /// Returns an optional list of integers. Nil is not a list.
    pub(super) fn optional_ints(&self, key: &'static str) -> Result<Option<Vec<i64>>, ErrorAnswer> {
        let Some(mut value) = self.find(key) else { return Ok(None) };
        if is_nil(&value) {
            return Err(wrong_type(key, INTEGERS));
        }
        read_ints(&mut value, key).map(Some).map_err(|_| wrong_type(key, INTEGERS))
    }

    /// Returns an optional list of integers. The vendor's Go SDK sends a map instead, whose keys are the list.
    pub(super) fn optional_ints_or_keys(&self, key: &'static str) -> Result<Option<Vec<i64>>, ErrorAnswer> {
        self.optional(key, INTEGERS, |value| read_list(value, key, |value| value.integral(key)))
    }

    /// Returns an optional list of texts, or a map whose keys are the list.
    pub(super) fn optional_texts_or_keys(&self, key: &'static str) -> Result<Option<Vec<Box<str>>>, ErrorAnswer> {
        let text = |value: &mut PayloadReader<'a>| match value.optional_str(key)? {
            Some(text) => Ok(text.into()),
            None => Err(DecodeError::WrongType { key, expected: "a string" }),
        };
        self.optional(key, "a list of strings in UTF-8", |value| read_list(value, key, text))
    }

    fn optional<T>(
        &self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&mut PayloadReader<'a>) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, ErrorAnswer> {
        match self.find(key) {
            Some(mut value) if !is_nil(&value) => read(&mut value).map(Some).map_err(|_| wrong_type(key, expected)),
            _ => Ok(None),
        }
    }

    /// Finds the last value of `key`.
    fn find(&self, key: &str) -> Option<PayloadReader<'a>> {
        let indexed = self.indexed[..self.len].iter().rev().find(|pair| pair.key == key.as_bytes());
        self.find_in_rest(key.as_bytes()).or_else(|| indexed.map(|pair| pair.value.clone()))
    }

    fn find_in_rest(&self, wanted: &[u8]) -> Option<PayloadReader<'a>> {
        let mut rest = self.rest.clone();
        let mut found = None;
        // The payload was read completely before, so an error means the end.
        while let Ok(Some(key)) = rest.next_key() {
            if key == wanted {
                found = Some(rest.clone());
            }
            if rest.skip().is_err() {
                break;
            }
        }
        found
    }
}

const INTEGERS: &str = "a list of 64-bit integers";

fn read_ints(list: &mut PayloadReader<'_>, key: &'static str) -> Result<Vec<i64>, DecodeError> {
    (0..list.array_len(key)?).map(|_| list.integral(key)).collect()
}

fn read_list<'a, T>(
    value: &mut PayloadReader<'a>,
    key: &'static str,
    mut element: impl FnMut(&mut PayloadReader<'a>) -> Result<T, DecodeError>,
) -> Result<Vec<T>, DecodeError> {
    if let Ok(len) = value.clone().array_len(key) {
        value.array_len(key)?;
        return (0..len).map(|_| element(value)).collect();
    }
    let mut list = Vec::new();
    for _ in 0..value.map_len(key)? {
        list.push(element(value)?);
        value.skip()?;
    }
    Ok(list)
}

fn is_nil(value: &PayloadReader<'_>) -> bool {
    matches!(value.clone().optional_int(""), Ok(None))
}

fn missing(key: &'static str) -> ErrorAnswer {
    ErrorAnswer::invalid_parameter(format!("parameter {key} is missing"))
}

fn wrong_type(key: &'static str, expected: &str) -> ErrorAnswer {
    ErrorAnswer::invalid_parameter(format!("parameter {key} is not {expected}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use rmpv::Value;

    fn payload(pairs: Vec<(Value, Value)>) -> Vec<u8> {
        let mut bytes = Vec::new();
        rmpv::encode::write_value(&mut bytes, &Value::Map(pairs)).unwrap();
        bytes
    }

    fn read(bytes: &[u8]) -> Result<Params<'_>, DecodeError> {
        Params::read(PayloadReader::open(bytes)?)
    }

    #[test]
    fn key_behind_a_hundred_unknown_ones_is_found() {
        let mut pairs: Vec<(Value, Value)> =
            (0..100).map(|n| (format!("x{n}").into(), Value::Array(vec![n.into()]))).collect();
        pairs.push(("rid".into(), 7.into()));
        let bytes = payload(pairs);
        let params = read(&bytes).unwrap();
        assert_eq!(params.int("rid"), Ok(7));
        assert_eq!(params.optional_ints("x3"), Ok(Some(vec![3])));
        assert_eq!(params.optional_int("uid"), Ok(None));
    }

    #[test]
    fn last_of_a_repeated_key_counts_wherever_it_is() {
        for between in [0, 40] {
            let mut pairs = vec![("rid".into(), 1.into())];
            pairs.extend((0..between).map(|n| (format!("x{n}").into(), Value::Nil)));
            pairs.push(("rid".into(), 2.into()));
            assert_eq!(read(&payload(pairs)).unwrap().int("rid"), Ok(2));
        }
    }

    #[test]
    fn payload_truncated_after_the_indexed_pairs_is_refused() {
        let whole = payload((0..40).map(|n| (format!("x{n}").into(), n.into())).collect());
        assert!(read(&whole).is_ok());
        assert!(read(&whole[..whole.len() - 1]).is_err());
    }
}
