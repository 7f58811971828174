//! Any method, by name, with the caller's own types for parameters and results.

use rmp_serde::Serializer;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{ArgumentError, DecodeError};
use crate::fpnn::{MethodName, PayloadReader};
use crate::rtm::{Request, UnsignedQuest};

/// The server closes the connection if a packet has this many bytes or more.
const TOO_LONG: usize = 8 * 1024 * 1024;
/// The keys that belong to the signature.
const SIGNATURE_KEYS: [&[u8]; 4] = [b"pid", b"sign", b"salt", b"ts"];

/// Calls a method by its name.
#[must_use]
pub fn quest<R: DeserializeOwned>(method: &str, params: &impl Serialize) -> Request<R> {
    Request::by_name(method, write_quest(method, params), read_into)
}

fn write_quest(method: &str, params: &impl Serialize) -> Result<UnsignedQuest, ArgumentError> {
    let Some(name) = MethodName::new(method) else {
        return Err(ArgumentError::new(format!("the name of a method must have 1 to 255 bytes, not {}", method.len())));
    };
    let mut quest = UnsignedQuest::new(name);
    quest.params().pairs_with(|out| {
        let start = out.len();
        encode(params, out)?;
        let (pairs, header_len) = take_apart(&out[start..])?;
        out.drain(start..start + header_len);
        Ok(pairs)
    })?;
    if quest.frame_len() >= TOO_LONG {
        let message = format!("the call takes {} bytes; the server takes less than {TOO_LONG}", quest.frame_len());
        return Err(ArgumentError::new(message));
    }
    Ok(quest)
}

/// Encodes the parameters as msgpack, with structs as maps of their field names.
fn encode(params: &impl Serialize, out: &mut Vec<u8>) -> Result<(), ArgumentError> {
    params
        .serialize(&mut Serializer::new(out).with_struct_map())
        .map_err(|error| ArgumentError::caused_by("the parameters cannot be encoded", error))
}

/// Returns the number of pairs in an encoded map, and the length of its header. Checks the keys.
fn take_apart(map: &[u8]) -> Result<(u32, usize), ArgumentError> {
    let is_no_map = |_| ArgumentError::new("the parameters of a call must be a map or a struct with named fields");
    let mut reader = PayloadReader::open(map).map_err(is_no_map)?;
    let mut pairs = 0;
    let header_len = map.len() - reader.rest().len();
    while let Some(key) = next_key(&mut reader)? {
        if SIGNATURE_KEYS.contains(&key) {
            let key = key.escape_ascii();
            return Err(ArgumentError::new(format!("the client sets the parameter `{key}` itself; leave it out")));
        }
        pairs += 1;
    }
    Ok((pairs, header_len))
}

/// Reads the next key, and skips its value.
fn next_key<'a>(reader: &mut PayloadReader<'a>) -> Result<Option<&'a [u8]>, ArgumentError> {
    let key = reader.next_key().and_then(|key| match key {
        Some(_) => reader.skip().map(|()| key),
        None => Ok(None),
    });
    key.map_err(|error| match error {
        DecodeError::KeyNotString => ArgumentError::new("the name of a parameter must be a text"),
        error => ArgumentError::caused_by("the parameters cannot be encoded", error),
    })
}

fn read_into<R: DeserializeOwned>(reader: &mut PayloadReader<'_>) -> Result<R, DecodeError> {
    let map = reader.whole_map()?;
    rmp_serde::from_slice(map).map_err(|error| DecodeError::TypeMismatch(error.to_string().into()))
}

#[cfg(test)]
mod tests;
