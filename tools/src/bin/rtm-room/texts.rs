//! Texts that come from files, or from stdin: without a byte order mark and the line end at their end.

use std::fs;
use std::io::{self, Read};
use std::path::Path;

use crate::failure::Failure;
use crate::stdin::is_stdin;

/// Reads a text from a file, or from stdin for `-`. One line end at its end is not part of it.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let text = if is_stdin(path) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let text = text.map_err(|error| Failure::file(path, &error))?;
    Ok(without_line_end(without_mark(&text)).to_owned())
}

/// The text without a byte order mark, which marks it as Unicode and is no part of it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

pub(crate) fn without_line_end(text: &str) -> &str {
    let Some(line) = text.strip_suffix('\n') else { return text };
    line.strip_suffix('\r').unwrap_or(line)
}

/// Stdin can be read once. `wanted_by` are the options that name it, if they do.
pub(crate) fn check_stdin_is_wanted_once(wanted_by: &[(Option<&Path>, &str)]) -> Result<(), Failure> {
    let readers: Vec<_> =
        wanted_by.iter().filter(|(path, _)| path.is_some_and(is_stdin)).map(|(_, name)| *name).collect();
    match readers.as_slice() {
        [] | [_] => Ok(()),
        names => Err(Failure::Usage(format!("only one of {} can be read from stdin", names.join(" and ")))),
    }
}
