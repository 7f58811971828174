//! Reads rows from a CSV file ahead of time, on a thread.

use std::io;
use std::thread;

use crossbeam_channel::{Receiver, Sender, bounded};
use csv::{ByteRecord, Reader, ReaderBuilder};

use super::input::Input;
use super::layout::Layout;
use super::request::Request;
use crate::args::Operation;

/// How many rows are read ahead, which limits their memory.
const READ_AHEAD: usize = 1024;

/// What the reading thread sends: first the layout, last the end.
pub(super) enum Incoming {
    Layout(Layout),
    Row(Row),
    End(End),
}

/// Why there are no more rows.
pub(super) enum End {
    /// The end of the file.
    Complete {
        /// The position of its last row; 0 if there is none.
        last_line: u64,
        /// The last row has no line end, so the file may be truncated.
        is_mid_line: bool,
        /// No row is at `--start-line` or after it.
        has_no_rows: bool,
    },
    /// The rest of the file cannot be read.
    Unreadable(String),
}

pub(super) struct Row {
    /// The line where it begins, counted from 1.
    pub(super) line: u64,
    /// The position in the file where it ends.
    pub(super) end: u64,
    pub(super) record: ByteRecord,
    /// Its request, or what is wrong with it.
    pub(super) request: Result<Request, String>,
}

/// Reads on a separate thread: a pipe may block its reader, and Ctrl-C must not be blocked with it.
pub(super) fn read_ahead(input: Input, operation: Operation, start_line: u64) -> io::Result<Receiver<Incoming>> {
    let (sender, receiver) = bounded(READ_AHEAD);
    let read = move || {
        let mut rows = RowReader::new(input);
        let end = rows.send_all(operation, start_line, &sender).unwrap_or_else(End::Unreadable);
        // After Ctrl-C, nothing receives it.
        let _ = sender.send(Incoming::End(end));
    };
    thread::Builder::new().name("rtm-room-rows".into()).spawn(read)?;
    Ok(receiver)
}

struct RowReader {
    csv: Reader<Input>,
    record: ByteRecord,
    /// The line where the last row begins; 0 before the first one.
    line: u64,
}

impl RowReader {
    fn new(input: Input) -> RowReader {
        let csv = ReaderBuilder::new().has_headers(false).flexible(true).from_reader(input);
        RowReader { csv, record: ByteRecord::new(), line: 0 }
    }

    fn send_all(&mut self, operation: Operation, start_line: u64, rows: &Sender<Incoming>) -> Result<End, String> {
        let mut has_no_rows = true;
        if !self.advance()? {
            return Ok(self.end(has_no_rows));
        }
        let layout = Layout::find(&self.record, operation).map_err(|why| format!("line {}: {why}", self.line))?;
        let mut is_wanted = rows.send(Incoming::Layout(layout.clone())).is_ok();
        let mut is_row = !layout.has_header;
        while is_wanted {
            if is_row && self.line >= start_line {
                has_no_rows = false;
                is_wanted = rows.send(Incoming::Row(self.row(&layout))).is_ok();
            }
            if !self.advance()? {
                break;
            }
            is_row = true;
        }
        Ok(self.end(has_no_rows))
    }

    fn end(&self, has_no_rows: bool) -> End {
        End::Complete { last_line: self.line, is_mid_line: self.csv.get_ref().is_mid_line(), has_no_rows }
    }

    /// Reads the next record; `false` at the end of the file.
    fn advance(&mut self) -> Result<bool, String> {
        let start = self.csv.position().byte();
        match self.csv.read_byte_record(&mut self.record) {
            Ok(true) => {
                let bytes = self.csv.position().byte() - start;
                self.line = self.csv.get_mut().row_ended(bytes);
                Ok(true)
            }
            Ok(false) => Ok(false),
            Err(error) => Err(format!("the file cannot be read beyond line {}: {}", self.line, cause(error))),
        }
    }

    fn row(&self, layout: &Layout) -> Row {
        let end = self.csv.position().byte();
        Row { line: self.line, end, record: self.record.clone(), request: layout.read(&self.record) }
    }
}

/// The text of the operating system, without that of the CSV library around it.
fn cause(error: csv::Error) -> String {
    match error.into_kind() {
        csv::ErrorKind::Io(error) => error.to_string(),
        _ => "it is not CSV".into(),
    }
}
