//! The methods of RTM, one file for each family: names, parameters and answers together (section 2).

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

/// Reads the answer of a function without a result: whatever it holds is skipped, if it is whole.
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

/// Checks the type of a message: the server refuses others with 200005.
fn check_type(mtype: MessageType) -> Result<(), ArgumentError> {
    if (1..=127).contains(&mtype.value()) {
        Ok(())
    } else {
        Err(ArgumentError::new(format!("a message type is 1 to 127, not {mtype}")))
    }
}
