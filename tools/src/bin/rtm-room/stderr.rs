//! Output on stderr: sentences for people, wrapped to their terminal, and lines of JSON for programs. A closed stderr
//! is ignored.

use std::fmt::Display;
use std::io::{self, Write};

use serde_json::{Value, json};

use crate::output::{Output, json_text};
use crate::table::wrap;

/// Prints a failure. `details` is an object with further details for programs.
pub(crate) fn tell_error(output: Output, message: impl Display, details: Value) {
    match output {
        Output::Json => {
            let mut error = details;
            error["message"] = message.to_string().into();
            write_line(json_text(&json!({ "error": error })));
        }
        _ => tell_people(message),
    }
}

/// Prints a note.
pub(crate) fn tell_note(output: Output, message: impl Display) {
    match output {
        Output::Json => write_line(json_text(&json!({"note": {"message": message.to_string()}}))),
        _ => tell_people(message),
    }
}

fn tell_people(message: impl Display) {
    let sentence = format!("rtm-room: {message}");
    match terminal_size::terminal_size_of(io::stderr()) {
        Some((width, _)) => wrap(&sentence, width.0.into()).iter().for_each(write_line),
        None => write_line(sentence),
    }
}

fn write_line(line: impl Display) {
    let _ = writeln!(io::stderr(), "{line}");
}
