//! The methods of RTM, one file per family: names, parameters and answers together (section 2).

pub mod bans;
#[cfg(feature = "serde")]
pub mod by_name;
pub mod history;
pub mod info;
pub mod listen;
pub mod members;
pub mod messages;

use crate::error::{ArgumentError, DecodeError};
use crate::fpnn::PayloadReader;
use crate::rtm::MessageType;

/// The most ids that fit one call: the server refuses packets of 8 MiB and more, and an id takes up to 9 bytes.
const MOST_IDS: usize = 900_000;

/// The names of all methods that the library has functions for, sorted.
#[cfg(feature = "metrics")]
pub const NAMES: [&str; 22] = [
    "addroomban",
    "addroommember",
    "addroommembers",
    "adduserrooms",
    "cleanmsg",
    "delconversationmsgs",
    "deleteuserrooms",
    "delmsg",
    "delroommember",
    "delroommembers",
    "editmsg",
    "getmsg",
    "getmsgnum",
    "getroomcount",
    "getroominfo",
    "getroommembers",
    "getroommsg",
    "isbanofroom",
    "removeroomban",
    "sendroommsg",
    "setlisten",
    "setroominfo",
];

/// Reads the answer of a function without a result: skips whatever it contains, if it is complete.
///
/// # Errors
///
/// The payload makes no sense.
pub fn read_nothing(reader: &mut PayloadReader<'_>) -> Result<(), DecodeError> {
    while reader.next_key()?.is_some() {
        reader.skip()?;
    }
    Ok(())
}

/// Checks the length of a list of ids.
fn check_ids(function: &str, ids: &[i64]) -> Result<(), ArgumentError> {
    if ids.len() > MOST_IDS {
        let message = format!("one {function} takes at most {MOST_IDS} ids, not {}", ids.len());
        return Err(ArgumentError::new(message));
    }
    Ok(())
}

/// Checks the list of ids of a batch.
fn check_batch(function: &str, ids: &[i64]) -> Result<(), ArgumentError> {
    if ids.is_empty() {
        return Err(ArgumentError::new(format!("{function} needs at least one id")));
    }
    check_ids(function, ids)
}

/// Checks the type of a message. The server refuses other types with 200005.
fn check_type(mtype: MessageType) -> Result<(), ArgumentError> {
    if (1..=127).contains(&mtype.value()) {
        Ok(())
    } else {
        Err(ArgumentError::new(format!("a message type must be 1 to 127, not {mtype}")))
    }
}

#[cfg(all(test, feature = "metrics"))]
mod tests {
    use std::collections::BTreeSet;
    use std::path::Path;

    use super::NAMES;

    #[test]
    fn every_method_is_listed_once_and_in_order() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/rtm/methods");
        let mut named = BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_file() && !path.ends_with("mod.rs") {
                let source = std::fs::read_to_string(path).unwrap();
                let names = source.split("MethodName::literal(\"").skip(1).filter_map(|rest| rest.split('"').next());
                named.extend(names.map(str::to_owned));
            }
        }
        assert!(NAMES.iter().eq(&named), "{named:?}");
    }
}
