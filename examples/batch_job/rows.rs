//! The rows of the job: from a file, or generated.

use std::fs;
use std::path::Path;

use csv::{Position, ReaderBuilder, StringRecord, Trim};
use rtm_server_sdk::{RoomId, UserId};

use crate::failures::Failures;

/// One thing to do.
#[derive(Debug, Clone, Copy)]
pub struct Row {
    /// Where it stands in the file, from 1.
    pub line: u64,
    pub room: RoomId,
    pub user: UserId,
}

/// Reads the file. Unreadable rows count as failures; the others are still done.
///
/// # Errors
///
/// The file cannot be read.
pub fn read(path: &Path, failures: &mut Failures) -> Result<Vec<Row>, String> {
    let text = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut reader = ReaderBuilder::new().has_headers(false).flexible(true).trim(Trim::All).from_reader(&*text);
    let mut rows = Vec::new();
    for (number, record) in reader.records().enumerate() {
        match record {
            Ok(record) if number == 0 && is_heading(&record) => {}
            Ok(record) => match parse(&record) {
                Ok((room, user)) => rows.push(Row { line: line_of(record.position(), &text), room, user }),
                Err(reason) => failures.note_row(line_of(record.position(), &text), &reason),
            },
            Err(error) => failures.note_row(line_of(error.position(), &text), "it is not UTF-8"),
        }
    }
    Ok(rows)
}

/// Rows for a demonstration: users in a hundred rooms.
pub fn make_up(count: u32) -> Vec<Row> {
    let row = |number: u32| {
        let number = i64::from(number);
        Row { line: number as u64 + 1, room: 1 + number % 100, user: 100_001 + number }
    };
    (0..count).map(row).collect()
}

fn is_heading(record: &StringRecord) -> bool {
    record.iter().map(str::to_ascii_lowercase).eq(["room", "user"])
}

/// The line of the record at `position`. The reader's own count stops before blank lines, and the record comes after.
fn line_of(position: Option<&Position>, text: &[u8]) -> u64 {
    let Some(position) = position else { return 0 };
    let rest = usize::try_from(position.byte()).ok().and_then(|start| text.get(start..)).unwrap_or_default();
    let line_ends = rest.iter().take_while(|byte| matches!(byte, b'\r' | b'\n'));
    position.line() + line_ends.filter(|byte| **byte == b'\n').count() as u64
}

fn parse(record: &StringRecord) -> Result<(RoomId, UserId), String> {
    let fields: Vec<_> = record.iter().collect();
    let [room, user] = fields[..] else {
        return Err(format!("a row has 2 columns, room and user, not {}", fields.len()));
    };
    let number = |name, text: &str| text.parse().map_err(|_| format!("`{text}` is no {name}'s number"));
    Ok((number("room", room)?, number("user", user)?))
}
