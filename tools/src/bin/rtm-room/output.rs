//! Output on stdout: a table for a terminal, plain lines for a pipe, JSON for a program.

use std::env;
use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};

use serde_json::Value;

use crate::table::{Column, Screen, wrap, write_table};

/// How results are printed.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Output {
    /// Aligned columns with a heading, and sentences.
    Terminal(Screen),
    /// One item per line, with tabs between its columns and without a heading. Empty if there is nothing to print.
    Lines,
    Json,
}

/// The result of a command, for each way to print it.
pub(crate) struct Reply {
    json: Value,
    content: Content,
}

enum Content {
    Table { columns: &'static [Column], rows: Vec<Vec<String>> },
    Words { sentence: String, line: Option<&'static str> },
    Raw(String),
}

impl Reply {
    pub(crate) fn table(json: Value, columns: &'static [Column], rows: Vec<Vec<String>>) -> Reply {
        Reply { json, content: Content::Table { columns, rows } }
    }

    /// Names and their texts.
    pub(crate) fn pairs(json: Value, pairs: Vec<(String, String)>) -> Reply {
        let rows = pairs.into_iter().map(|(name, text)| vec![name, text]).collect();
        Reply::table(json, &[Column::Text(""), Column::Text("")], rows)
    }

    /// A sentence for a terminal, and a line, or nothing, for a pipe.
    pub(crate) fn words(json: Value, sentence: String, line: Option<&'static str>) -> Reply {
        Reply { json, content: Content::Words { sentence, line } }
    }

    /// A text that is printed as it is.
    pub(crate) fn raw(json: Value, text: String) -> Reply {
        Reply { json, content: Content::Raw(text) }
    }
}

impl Output {
    pub(crate) fn choose(json: bool) -> Output {
        match json {
            true => Output::Json,
            false if io::stdout().is_terminal() => Output::Terminal(screen()),
            false => Output::Lines,
        }
    }

    pub(crate) fn is_terminal(self) -> bool {
        matches!(self, Output::Terminal(_))
    }

    /// Whether it goes to a terminal that has no room for what can be left out.
    pub(crate) fn is_narrow(self) -> bool {
        matches!(self, Output::Terminal(screen) if screen.is_narrow())
    }

    pub(crate) fn print(self, reply: &Reply) -> io::Result<()> {
        let mut stdout = BufWriter::new(io::stdout().lock());
        self.write(reply, &mut stdout)?;
        stdout.flush()
    }

    fn write(self, reply: &Reply, to: &mut impl Write) -> io::Result<()> {
        match (self, &reply.content) {
            (Output::Json, _) => writeln!(to, "{}", json_text(&reply.json)),
            (_, Content::Raw(text)) => writeln!(to, "{text}"),
            (Output::Terminal(screen), Content::Words { sentence, .. }) => {
                wrap(sentence, screen.width).iter().try_for_each(|line| writeln!(to, "{line}"))
            }
            (Output::Lines, Content::Words { line, .. }) => line.iter().try_for_each(|line| writeln!(to, "{line}")),
            (Output::Terminal(screen), Content::Table { columns, rows }) => {
                let rows: Vec<Vec<String>> = rows.iter().map(|row| all_printable(row)).collect();
                write_table(to, columns, &rows, screen)
            }
            (Output::Lines, Content::Table { rows, .. }) => {
                rows.iter().try_for_each(|row| writeln!(to, "{}", all_printable(row).join("\t")))
            }
        }
    }
}

/// The terminal that stdout is.
fn screen() -> Screen {
    let width = terminal_size::terminal_size_of(io::stdout()).map_or(80, |(width, _)| width.0.into());
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    Screen { width, has_colours: !is_set("NO_COLOR") && !is_dumb }
}

fn all_printable(row: &[String]) -> Vec<String> {
    row.iter().map(|text| printable(text)).collect()
}

/// The text on one line, with nothing in it that a terminal would obey: texts of users and servers are printed too.
pub(crate) fn printable(text: &str) -> String {
    without_controls(&text.replace('\\', "\\\\"))
}

/// The same for a text in which a `\` stands for an escape already.
pub(crate) fn without_controls(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            other if other.is_control() || reorders_or_ends_a_line(other) => {
                let _ = write!(safe, "{}", other.escape_unicode());
            }
            other => safe.push(other),
        }
    }
    safe
}

/// JSON on one line. What it lets stand in texts, and a terminal would obey, is escaped too: C1 controls and the like.
pub(crate) fn json_text(value: &Value) -> String {
    escaped_in_json(&value.to_string())
}

/// Escapes what stands within the texts of JSON that is laid out already.
pub(crate) fn escaped_in_json(json: &str) -> String {
    let mut safe = String::with_capacity(json.len());
    for character in json.chars() {
        match character {
            other if matches!(other, '\u{7f}'..='\u{9f}') || reorders_or_ends_a_line(other) => {
                let _ = write!(safe, "\\u{:04x}", u32::from(other));
            }
            other => safe.push(other),
        }
    }
    safe
}

/// Separators of lines and paragraphs, and what turns the direction of the text around it.
fn reorders_or_ends_a_line(character: char) -> bool {
    matches!(character, '\u{2028}' | '\u{2029}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    const TERMINAL: Output = Output::Terminal(Screen { width: 80, has_colours: false });

    fn printed(output: Output, reply: &Reply) -> String {
        let mut bytes = Vec::new();
        output.write(reply, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn terminal_gets_headings_and_pipe_gets_tabs() {
        let rows = vec![vec!["7".into(), "1".into()], vec!["1234567".into(), "20".into()]];
        let reply = Reply::table(json!({}), &[Column::Number("ROOM"), Column::Number("MEMBERS")], rows);
        assert_eq!(printed(Output::Lines, &reply), "7\t1\n1234567\t20\n");
        assert!(printed(TERMINAL, &reply).starts_with("   ROOM  MEMBERS\n"));
    }

    #[test]
    fn pipe_gets_no_words_that_nobody_asked_for() {
        let reply = Reply::words(json!({"done": true}), "It is done.".into(), None);
        assert_eq!(printed(Output::Lines, &reply), "");
        assert_eq!(printed(TERMINAL, &reply), "It is done.\n");
        assert_eq!(printed(Output::Json, &reply), "{\"done\":true}\n");
    }

    #[test]
    fn terminal_is_given_no_control_characters() {
        assert_eq!(printable("a\u{1b}[31mb\nc\\"), "a\\u{1b}[31mb\\nc\\\\");
        assert_eq!(printable("a\u{202e}b\u{2028}"), "a\\u{202e}b\\u{2028}");
        let text = "a\u{1b}\u{7f}\u{9b}\u{202e}\u{2028}é房";
        assert_eq!(json_text(&json!(text)), "\"a\\u001b\\u007f\\u009b\\u202e\\u2028é房\"");
        assert_eq!(serde_json::from_str::<Value>(&json_text(&json!(text))).unwrap(), text);
    }
}
