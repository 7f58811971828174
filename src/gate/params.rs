//! Reads a quest's parameters in one pass, whatever their order, and remembers which were missing or of a wrong type.

use super::refusal::Refusal;
use crate::error::DecodeError;
use crate::fpnn::PayloadReader;

/// A parameter as it came.
#[derive(Debug, Clone, Copy, Default)]
pub enum Param<T> {
    /// It did not come.
    #[default]
    Absent,
    /// It came as another type, or out of range.
    Wrong,
    /// It came.
    Given(T),
}

impl<T> Param<T> {
    /// The value of a parameter that must be there.
    pub fn required(self, key: &'static str) -> Result<T, Refusal> {
        self.optional(key)?.ok_or_else(|| Refusal::parameter(format!("the parameter {key} is missing")))
    }

    /// The value of a parameter that may be left out.
    pub fn optional(self, key: &'static str) -> Result<Option<T>, Refusal> {
        match self {
            Param::Absent => Ok(None),
            Param::Given(value) => Ok(Some(value)),
            Param::Wrong => Err(wrong_type(key)),
        }
    }
}

fn wrong_type(key: &'static str) -> Refusal {
    let expected = match key {
        "rids" => "a list of 64-bit integers",
        "sign" => "a string",
        "oinfo" | "pinfo" => "a string in UTF-8",
        "btime" => "a 32-bit integer",
        _ => "a 64-bit integer",
    };
    Refusal::parameter(format!("the parameter {key} is not {expected}"))
}

/// Everything that one of the gate's methods may want to know. Unknown keys are skipped.
#[derive(Debug, Default)]
pub struct Params<'a> {
    pub pid: Param<i64>,
    pub sign: Param<&'a [u8]>,
    pub salt: Param<i64>,
    pub ts: Param<i64>,
    pub rid: Param<i64>,
    pub uid: Param<i64>,
    pub btime: Param<i64>,
    pub oinfo: Param<&'a str>,
    pub pinfo: Param<&'a str>,
    rids: Param<PayloadReader<'a>>,
}

impl<'a> Params<'a> {
    /// Reads a payload to its end. The types of the values are judged later, by the method that wants them.
    ///
    /// # Errors
    ///
    /// The payload is not whole, or not a map with string keys.
    pub fn read(mut reader: PayloadReader<'a>) -> Result<Params<'a>, DecodeError> {
        let mut params = Params::default();
        while let Some(key) = reader.next_key()? {
            match key {
                b"pid" => params.pid = integer(&mut reader)?,
                b"sign" => params.sign = value(&mut reader, |reader| reader.bytes("sign").map(Some))?,
                b"salt" => params.salt = integer(&mut reader)?,
                b"ts" => params.ts = integer(&mut reader)?,
                b"rid" => params.rid = integer(&mut reader)?,
                b"uid" => params.uid = integer(&mut reader)?,
                b"btime" => params.btime = integer(&mut reader)?,
                b"oinfo" => params.oinfo = value(&mut reader, |reader| reader.optional_str("oinfo"))?,
                b"pinfo" => params.pinfo = value(&mut reader, |reader| reader.optional_str("pinfo"))?,
                b"rids" => {
                    params.rids = Param::Given(reader.clone());
                    reader.skip()?;
                }
                _ => reader.skip()?,
            }
        }
        Ok(params)
    }

    /// Reads the rooms to be counted into `rooms`: the list `rids`, or the single `rid` that the vendor's C++ SDK sends
    /// in its place. Sorted, and without repetitions.
    pub fn read_room_list(&self, rooms: &mut Vec<i64>) -> Result<(), Refusal> {
        rooms.clear();
        match self.rids.clone() {
            Param::Given(mut list) => read_integers(&mut list, rooms).map_err(|_| wrong_type("rids"))?,
            _ => match self.rid.optional("rid")? {
                Some(room) => rooms.push(room),
                None => return Err(Refusal::parameter("the parameter rids is missing")),
            },
        }
        rooms.sort_unstable();
        rooms.dedup();
        Ok(())
    }
}

/// An integer of any width, or a float that stands for one. Nil counts as left out: where the parameter is required,
/// that is as wrong as any other type.
fn integer(reader: &mut PayloadReader<'_>) -> Result<Param<i64>, DecodeError> {
    value(reader, |reader| match reader.clone().optional_int("") {
        Ok(None) => reader.optional_int(""),
        _ => reader.integral("").map(Some),
    })
}

/// Reads one value. One of a wrong type is skipped, since it may hold others.
fn value<'a, T>(
    reader: &mut PayloadReader<'a>,
    read: impl FnOnce(&mut PayloadReader<'a>) -> Result<Option<T>, DecodeError>,
) -> Result<Param<T>, DecodeError> {
    let mut ahead = reader.clone();
    let param = match read(&mut ahead) {
        Ok(Some(value)) => Param::Given(value),
        Ok(None) => Param::Absent,
        Err(DecodeError::WrongType { .. }) => {
            reader.skip()?;
            return Ok(Param::Wrong);
        }
        Err(error) => return Err(error),
    };
    *reader = ahead;
    Ok(param)
}

fn read_integers(list: &mut PayloadReader<'_>, into: &mut Vec<i64>) -> Result<(), DecodeError> {
    // Reading an array takes nil for an empty one; here it is a wrong type.
    if matches!(list.clone().optional_int("rids"), Ok(None)) {
        return Err(DecodeError::WrongType { key: "rids", expected: "an array" });
    }
    for _ in 0..list.array_len("rids")? {
        into.push(list.integral("rids")?);
    }
    Ok(())
}
