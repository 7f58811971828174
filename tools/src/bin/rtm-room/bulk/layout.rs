//! Which column of a CSV file is which, and what a row asks for.

use std::time::Duration;

use csv::ByteRecord;
use rtm_server_sdk::NewMessage;

use super::request::{Detail, Request};
use crate::args::Operation;
use crate::output::printable;

const ROOM_NAMES: [&str; 4] = ["room", "rid", "room_id", "roomid"];
const USER_NAMES: [&str; 4] = ["user", "uid", "user_id", "userid"];
const SECONDS_NAMES: [&str; 2] = ["seconds", "btime"];
const TEXT_NAMES: [&str; 3] = ["text", "message", "msg"];

#[derive(Debug, Clone)]
pub(super) struct Layout {
    /// The names of all columns.
    pub(super) names: ByteRecord,
    /// Whether the names were read from the file.
    pub(super) has_header: bool,
    room: usize,
    user: usize,
    third: Third,
}

/// The column beside room and user.
#[derive(Debug, Clone, Copy)]
enum Third {
    Nothing,
    Seconds(Seconds),
    /// The column with the text of a message.
    Text(usize),
}

/// The column with the seconds of a ban.
#[derive(Debug, Clone, Copy)]
struct Seconds {
    column: usize,
    /// Every row has it. One that ends before it was cut, and its ban must not be taken for one without an end.
    is_in_every_row: bool,
}

impl Layout {
    /// Learns the columns from a first row that names them. Any other first row is one like those after it: if it has
    /// seconds, so have they.
    pub(super) fn find(first: &ByteRecord, operation: Operation) -> Result<Layout, String> {
        check_it_is_csv(first)?;
        let find = |names: &[&str]| first.iter().position(|field| is_one_of(field, names));
        let (room, user) = match (find(&ROOM_NAMES), find(&USER_NAMES)) {
            (Some(room), Some(user)) => (room, user),
            (Some(_), None) => {
                return Err("the header names a room column and no user column: call it `user`".into());
            }
            (None, Some(_)) => {
                return Err("the header names a user column and no room column: call it `room`".into());
            }
            (None, None) if is_header(first) => {
                return Err("the header names neither a room nor a user column: call them `room` and `user`".into());
            }
            (None, None) => return Ok(Layout::positional(operation, first.len())),
        };
        let third = match operation {
            Operation::Ban => find(&SECONDS_NAMES)
                .map_or(Third::Nothing, |column| Third::Seconds(Seconds { column, is_in_every_row: true })),
            Operation::Say => match find(&TEXT_NAMES) {
                Some(column) => Third::Text(column),
                None => return Err("the header names no text column: call it `text`".into()),
            },
            _ => Third::Nothing,
        };
        Ok(Layout { names: first.clone(), has_header: true, room, user, third })
    }

    fn positional(operation: Operation, width: usize) -> Layout {
        let (names, third): (&[&str], Third) = match operation {
            Operation::Ban => {
                let seconds = Seconds { column: 2, is_in_every_row: width > 2 };
                (&["room", "user", "seconds"], Third::Seconds(seconds))
            }
            Operation::Say => (&["room", "user", "text"], Third::Text(2)),
            _ => (&["room", "user"], Third::Nothing),
        };
        Layout { names: ByteRecord::from(names), has_header: false, room: 0, user: 1, third }
    }

    /// What a row asks for, or what is wrong with it.
    pub(super) fn read(&self, record: &ByteRecord) -> Result<Request, String> {
        let room = id(record, self.room, "room")?;
        let user = id(record, self.user, "user")?;
        let detail = match self.third {
            Third::Nothing => Detail::Nothing,
            Third::Seconds(seconds) => Detail::Ban(seconds.read(record)?),
            Third::Text(column) => Detail::Message(NewMessage::chat(text(record, column)?)),
        };
        Ok(Request { room, user, detail })
    }
}

fn text(record: &ByteRecord, column: usize) -> Result<&str, String> {
    match record.get(column) {
        None | Some([]) => Err("the text is missing".into()),
        Some(field) => std::str::from_utf8(field).map_err(|_| "the text is not UTF-8".into()),
    }
}

impl Seconds {
    fn read(self, record: &ByteRecord) -> Result<Option<Duration>, String> {
        match record.get(self.column).map(<[u8]>::trim_ascii) {
            None if self.is_in_every_row => {
                Err("the row ends before its seconds: end it with a comma for a ban without an end".into())
            }
            None | Some([]) => Ok(None),
            Some(field) => seconds(field).map(Some),
        }
    }
}

/// Refuses what other programs save as a table. Taken for CSV, each of its rows would be an error of its own.
fn check_it_is_csv(first: &ByteRecord) -> Result<(), String> {
    let field = first.get(0).unwrap_or_default();
    // UTF-16 begins with one of these marks; a workbook has zeros in its first bytes.
    if field.starts_with(b"\xff\xfe") || field.starts_with(b"\xfe\xff") || field.contains(&0) {
        return Err("this is not text in UTF-8: save the file as CSV in UTF-8".into());
    }
    for (separator, name) in [(b';', "semicolons"), (b'\t', "tabs")] {
        let is_row = || field.split(|byte| *byte == separator).take(2).all(is_name_or_number);
        if first.len() == 1 && field.contains(&separator) && is_row() {
            return Err(format!("the columns are separated by {name}: separate them with commas"));
        }
    }
    Ok(())
}

fn is_name_or_number(field: &[u8]) -> bool {
    number(field.trim_ascii()).is_some() || is_one_of(field, &ROOM_NAMES) || is_one_of(field, &USER_NAMES)
}

/// Whether a first row without a known name is a header all the same: neither of its ids is a number. Were it taken for
/// one bad row, those below it would be read in an order that may not be theirs.
fn is_header(first: &ByteRecord) -> bool {
    let has_no_digit = |field: &[u8]| !field.iter().any(u8::is_ascii_digit);
    first.len() > 1 && first.iter().take(2).all(|field| !field.trim_ascii().is_empty() && has_no_digit(field))
}

fn is_one_of(field: &[u8], names: &[&str]) -> bool {
    names.iter().any(|name| field.trim_ascii().eq_ignore_ascii_case(name.as_bytes()))
}

fn id(record: &ByteRecord, column: usize, what: &str) -> Result<i64, String> {
    match record.get(column).map(<[u8]>::trim_ascii) {
        None | Some([]) => Err(format!("the {what} is missing")),
        Some(field) => number(field).ok_or_else(|| {
            let problem = if is_whole_number(field) { "is too large for" } else { "is not" };
            format!("`{}` {problem} a {what} id", shown(field))
        }),
    }
}

/// Zero means "without an end" on the wire, which is not what `0` suggests.
fn seconds(field: &[u8]) -> Result<Duration, String> {
    const MOST: u32 = i32::MAX.unsigned_abs();
    match number(field).and_then(|seconds| u32::try_from(seconds).ok()) {
        Some(seconds @ 1..=MOST) => Ok(Duration::from_secs(seconds.into())),
        _ => Err(format!(
            "`{}` is not the length of a ban: give whole seconds, from 1 to {MOST}, or nothing for a ban without an end",
            shown(field)
        )),
    }
}

fn is_whole_number(field: &[u8]) -> bool {
    let digits = field.strip_prefix(b"-").unwrap_or(field);
    !digits.is_empty() && digits.iter().all(u8::is_ascii_digit)
}

fn number(field: &[u8]) -> Option<i64> {
    std::str::from_utf8(field).ok()?.parse().ok()
}

/// The beginning of a field that may be anything.
fn shown(field: &[u8]) -> String {
    const MOST: usize = 40;
    let text: String = String::from_utf8_lossy(&field[..field.len().min(4 * MOST)]).chars().take(MOST).collect();
    let rest = if text.len() < field.len() { "…" } else { "" };
    printable(&text) + rest
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(layout: &Layout, fields: &[&str]) -> Result<Request, String> {
        layout.read(&ByteRecord::from(fields))
    }

    fn ban(room: i64, seconds: Option<u64>) -> Result<Request, String> {
        Ok(Request { room, user: 1001, detail: Detail::Ban(seconds.map(Duration::from_secs)) })
    }

    #[test]
    fn first_row_of_numbers_is_no_header() {
        let layout = Layout::find(&ByteRecord::from(vec!["42", "1001", "60"]), Operation::Ban).unwrap();
        assert!(!layout.has_header);
        assert_eq!(request(&layout, &["42", "1001", "60"]), ban(42, Some(60)));
        assert_eq!(request(&layout, &["42", "1001", ""]), ban(42, None));
        assert_eq!(request(&layout, &["-42", "1001", ""]), ban(-42, None));
    }

    #[test]
    fn header_puts_columns_in_any_order() {
        let layout = Layout::find(&ByteRecord::from(vec!["Name", "UID", "btime", "RID"]), Operation::Ban).unwrap();
        assert_eq!(request(&layout, &["Ann", "1001", "5", "42"]), ban(42, Some(5)));
    }

    #[test]
    fn third_column_means_nothing_but_for_a_ban() {
        let layout = Layout::find(&ByteRecord::from(vec!["42", "1001", "Ann"]), Operation::Add).unwrap();
        assert!(request(&layout, &["42", "1001", "Ann"]).is_ok());
    }

    #[test]
    fn half_a_header_is_refused() {
        assert!(Layout::find(&ByteRecord::from(vec!["room", "who"]), Operation::Add).is_err());
        assert!(Layout::find(&ByteRecord::from(vec!["which", "user"]), Operation::Add).is_err());
    }

    #[test]
    fn header_without_a_known_name_is_refused() {
        let find = |first: &[&str]| Layout::find(&ByteRecord::from(first), Operation::Add);
        assert!(find(&["member", "group"]).unwrap_err().contains("call them `room` and `user`"));
        assert!(find(&["用户", "房间"]).is_err());
        // A bad row, which may have been damaged.
        assert!(find(&["42", "oops"]).is_ok() && find(&["x42", "oops"]).is_ok() && find(&["oops"]).is_ok());
    }

    #[test]
    fn table_that_is_not_csv_is_refused_as_a_whole() {
        let find = |first: &[u8]| Layout::find(&ByteRecord::from(vec![first]), Operation::Add);
        for (first, what) in [
            (&b"42;1001;x"[..], "semicolons"),
            (b"room;user", "semicolons"),
            (b"uid\trid", "tabs"),
            (b"\xff\xfer\0o\0o\0m\0", "UTF-8"),
            (b"\0r\0o\0o\0m", "UTF-8"),
            (b"PK\x03\x04\x14\0", "UTF-8"),
        ] {
            assert!(find(first).unwrap_err().contains(what), "{first:?}");
        }
        assert!(find(b"a sentence; one field").is_ok());
    }

    #[test]
    fn bad_rows_say_what_is_wrong() {
        let layout = Layout::positional(Operation::Ban, 3);
        assert_eq!(request(&layout, &["42"]), Err("the user is missing".into()));
        assert_eq!(request(&layout, &["x", "1001"]), Err("`x` is not a room id".into()));
        assert_eq!(
            request(&layout, &["42", "9223372036854775808"]).unwrap_err(),
            "`9223372036854775808` is too large for a user id"
        );
        for seconds in ["0", "-1", "1.5", "2147483648", "10m"] {
            assert!(request(&layout, &["42", "1001", seconds]).is_err(), "{seconds}");
        }
    }

    #[test]
    fn row_that_ends_before_its_seconds_is_refused() {
        let named = Layout::find(&ByteRecord::from(vec!["room", "user", "seconds"]), Operation::Ban).unwrap();
        assert!(request(&named, &["42", "1001"]).unwrap_err().contains("ends before its seconds"));
        assert!(request(&named, &["42", "1001", ""]).is_ok());
        assert!(request(&Layout::positional(Operation::Ban, 3), &["42", "1001"]).is_err());
    }

    #[test]
    fn file_without_seconds_bans_without_an_end() {
        assert!(request(&Layout::positional(Operation::Ban, 2), &["42", "1001"]).is_ok());
        let named = Layout::find(&ByteRecord::from(vec!["room", "user"]), Operation::Ban).unwrap();
        assert!(request(&named, &["42", "1001"]).is_ok());
    }

    #[test]
    fn text_is_taken_as_it_is_and_each_has_an_id() {
        let layout = Layout::find(&ByteRecord::from(vec!["text", "room", "user"]), Operation::Say).unwrap();
        let read = |text: &str| request(&layout, &[text, "42", "1001"]).map(|request| request.detail);
        let Ok(Detail::Message(first)) = read(" a,b ") else { panic!("no message") };
        let Ok(Detail::Message(second)) = read(" a,b ") else { panic!("no message") };
        assert_ne!(first.mid(), second.mid());
        assert_eq!(first, NewMessage::chat(" a,b ").with_mid(first.mid()));
        assert_eq!(read(""), Err("the text is missing".into()));
        assert!(Layout::find(&ByteRecord::from(vec!["room", "user"]), Operation::Say).is_err());
    }

    #[test]
    fn long_field_is_shown_in_part() {
        assert!(shown("é".repeat(1000).as_bytes()).chars().count() <= 41);
    }
}
