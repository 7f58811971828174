//! The file or the pipe that rows come from: its length, where it has one, and the lines that its rows begin at.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;
use crate::stdin::is_stdin;

/// No row is longer. A quote that nothing closes makes one row of all that follows it, however much that is.
const LONGEST_ROW: usize = 1024 * 1024;

pub(super) struct Input {
    source: Box<dyn Read + Send>,
    /// In bytes; `None` for a pipe.
    pub(super) len: Option<u64>,
    /// What was read and is not yet part of a row that ended.
    unended: VecDeque<u8>,
    /// How many line ends there were in the rows that ended: LF, CR LF, or CR alone, all of which end a row.
    line_ends: u64,
    /// The last byte of the rows that ended was a CR: an LF after it ends the same line.
    was_cr: bool,
    /// The last byte that was read.
    last_byte: Option<u8>,
}

impl Input {
    pub(super) fn open(path: &Path) -> Result<Input, Failure> {
        let file = if is_stdin(path) { stdin_as_file() } else { File::open(path).map(Some) };
        let file = file.map_err(|error| Failure::file(path, &error))?;
        let metadata = file.as_ref().map(File::metadata).transpose().map_err(|error| Failure::file(path, &error))?;
        if metadata.as_ref().is_some_and(|metadata| metadata.is_dir()) {
            return Err(Failure::Usage(format!("{} is a directory, not a CSV file", path.display())));
        }
        let len = metadata.filter(|metadata| metadata.is_file()).map(|metadata| metadata.len());
        let source: Box<dyn Read + Send> = match file {
            Some(file) => Box::new(file),
            None => Box::new(io::stdin()),
        };
        Ok(Input { source, len, unended: VecDeque::new(), line_ends: 0, was_cr: false, last_byte: None })
    }

    /// Whether what was read so far stops in the middle of a line, as a file does that was cut.
    pub(super) fn is_mid_line(&self) -> bool {
        self.last_byte.is_some_and(|byte| !matches!(byte, b'\r' | b'\n'))
    }

    /// Notes how many bytes the next row took. Returns the line that it begins at, counted from 1.
    ///
    /// The CSV library's own count begins with the blank lines before a row, and is one behind for Windows' line ends.
    pub(super) fn row_ended(&mut self, bytes: u64) -> u64 {
        let len = usize::try_from(bytes).map_or(self.unended.len(), |bytes| bytes.min(self.unended.len()));
        let mut is_before_row = true;
        let mut line = self.line_ends + 1;
        for byte in self.unended.drain(..len) {
            is_before_row &= matches!(byte, b'\r' | b'\n');
            let ends_line = byte == b'\r' || (byte == b'\n' && !self.was_cr);
            self.was_cr = byte == b'\r';
            self.line_ends += u64::from(ends_line);
            line += u64::from(ends_line && is_before_row);
        }
        line
    }
}

impl Read for Input {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.unended.len() > LONGEST_ROW {
            let what = format!("a row is longer than {LONGEST_ROW} bytes: is a quote left open?");
            return Err(io::Error::new(io::ErrorKind::InvalidData, what));
        }
        let len = self.source.read(buffer)?;
        self.unended.extend(&buffer[..len]);
        self.last_byte = buffer[..len].last().copied().or(self.last_byte);
        Ok(len)
    }
}

/// `rtm-room bulk add - < FILE` has a length, as the file itself has.
#[cfg(unix)]
fn stdin_as_file() -> io::Result<Option<File>> {
    use std::os::fd::AsFd;
    Ok(Some(File::from(io::stdin().as_fd().try_clone_to_owned()?)))
}

#[cfg(not(unix))]
fn stdin_as_file() -> io::Result<Option<File>> {
    Ok(None)
}
