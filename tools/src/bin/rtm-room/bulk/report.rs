//! The file of failed rows: the rows unchanged, with a code and a reason each. It can be used as input again.

use std::fs::File;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use csv::{ByteRecord, WriterBuilder};
use rtm_server_sdk::ErrorCode;

use super::layout::Layout;
use crate::failure::Failure;
use crate::stdin::is_stdin;

/// The columns that a report adds, and replaces if it is used as input again.
const ADDED: [&str; 2] = ["code", "reason"];

pub(super) struct Report {
    path: PathBuf,
    file: File,
    /// The bytes of the rows in it.
    length: u64,
    /// The columns of the file that are copied.
    columns: Vec<usize>,
    /// The number of columns in the file. Further fields of a row are written after the reason.
    width: usize,
}

impl Report {
    /// Never overwrites a file, because the rows reported by an earlier run may not exist anywhere else.
    pub(super) fn create(path: &Path) -> Result<Report, Failure> {
        if is_stdin(path) {
            return Err(Failure::usage("--failed takes the name of a file, not `-`: stdout gets the summary"));
        }
        if path.is_dir() {
            return Err(Failure::Usage(format!("{} is a directory: name a file in it for --failed", path.display())));
        }
        let file = match File::create_new(path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists && is_device(path) => {
                File::options().write(true).open(path)
            }
            created => created,
        };
        let file = file.map_err(|error| match error.kind() {
            io::ErrorKind::AlreadyExists => Failure::Usage(format!(
                "{} already exists: give another file for --failed, or move this one away",
                path.display()
            )),
            _ => Failure::file(path, &error),
        })?;
        Ok(Report { path: path.to_owned(), file, length: 0, columns: Vec::new(), width: 0 })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn begin(&mut self, layout: &Layout) -> io::Result<()> {
        let is_added = |name: &[u8]| ADDED.iter().any(|added| name.trim_ascii().eq_ignore_ascii_case(added.as_bytes()));
        let names = || layout.names.iter().enumerate().filter(|(_, name)| !is_added(name));
        self.width = layout.names.len();
        self.columns = names().map(|(index, _)| index).collect();
        let mut header: ByteRecord = names().map(|(_, name)| name).collect();
        header.extend(ADDED);
        self.append(&encode(&header)?)
    }

    /// Makes a row of the report, for [`append`](Self::append).
    pub(super) fn row(&self, record: &ByteRecord, code: ErrorCode, reason: &str) -> io::Result<Vec<u8>> {
        let mut row: ByteRecord = self.columns.iter().map(|index| record.get(*index).unwrap_or_default()).collect();
        row.push_field(code.value().to_string().as_bytes());
        row.push_field(reason.as_bytes());
        row.extend(record.iter().skip(self.width));
        encode(&row)
    }

    /// Writes a row. If that fails, for example because the disk is full, the file ends with the row before it.
    pub(super) fn append(&mut self, row: &[u8]) -> io::Result<()> {
        let written = self.file.write_all(row);
        match &written {
            Ok(()) => self.length += row.len() as u64,
            // A device cannot be truncated.
            Err(_) => drop(self.file.set_len(self.length)),
        }
        written.map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", self.path.display())))
    }
}

fn encode(row: &ByteRecord) -> io::Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().flexible(true).from_writer(Vec::new());
    writer.write_byte_record(row)?;
    writer.into_inner().map_err(|error| error.into_error())
}

/// A terminal, a pipe or the like, which contains nothing that could be overwritten.
fn is_device(path: &Path) -> bool {
    path.metadata().is_ok_and(|metadata| !metadata.is_file() && !metadata.is_dir())
}
