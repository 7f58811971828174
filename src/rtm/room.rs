//! Reads the results of the Room methods (section 2).

use std::collections::HashMap;

use crate::error::DecodeError;
use crate::fpnn::PayloadReader;

/// The infos of a room. `None` where the server sends none; some servers send an empty text for an info that was never set.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::RoomInfo;
///
/// let info = RoomInfo { oinfo: Some("Welcome!".into()), pinfo: None };
/// assert_eq!(info.oinfo.as_deref(), Some("Welcome!"));
/// ```
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct RoomInfo {
    /// The public info, which every user may read.
    pub oinfo: Option<String>,
    /// The private info, which only servers read.
    pub pinfo: Option<String>,
}

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

/// Reads `{oinfo, pinfo}`.
///
/// # Errors
///
/// The payload makes no sense.
pub fn read_infos(reader: &mut PayloadReader<'_>) -> Result<RoomInfo, DecodeError> {
    let mut info = RoomInfo::default();
    while let Some(key) = reader.next_key()? {
        match key {
            b"oinfo" => info.oinfo = reader.optional_str("oinfo")?.map(Into::into),
            b"pinfo" => info.pinfo = reader.optional_str("pinfo")?.map(Into::into),
            _ => reader.skip()?,
        }
    }
    Ok(info)
}

/// Reads `{ok}`; absent means false.
///
/// # Errors
///
/// The payload makes no sense.
pub fn read_ok(reader: &mut PayloadReader<'_>) -> Result<bool, DecodeError> {
    let mut ok = false;
    while let Some(key) = reader.next_key()? {
        match key {
            b"ok" => ok = reader.bool("ok")?,
            _ => reader.skip()?,
        }
    }
    Ok(ok)
}

/// Reads `{uids}`; absent means none.
///
/// # Errors
///
/// The payload makes no sense.
pub fn read_uids(reader: &mut PayloadReader<'_>) -> Result<Vec<i64>, DecodeError> {
    let mut uids = Vec::new();
    while let Some(key) = reader.next_key()? {
        match key {
            b"uids" => {
                let len = reader.array_len("uids")?;
                uids = (0..len).map(|_| reader.int("uids")).collect::<Result<_, _>>()?;
            }
            _ => reader.skip()?,
        }
    }
    Ok(uids)
}

/// Reads `{cn: {room: count}}`, the rooms as numbers or as strings of digits; absent means none.
///
/// # Errors
///
/// The payload makes no sense.
pub fn read_counts(reader: &mut PayloadReader<'_>) -> Result<HashMap<i64, i64>, DecodeError> {
    let mut counts = HashMap::new();
    while let Some(key) = reader.next_key()? {
        match key {
            b"cn" => {
                for _ in 0..reader.map_len("cn")? {
                    let rid = reader.int_or_digits("cn")?;
                    counts.insert(rid, reader.int("cn")?);
                }
            }
            _ => reader.skip()?,
        }
    }
    Ok(counts)
}
