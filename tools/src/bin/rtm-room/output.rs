//! What goes to stdout: a table for a terminal, plain lines for a pipe, JSON for a program.

use std::fmt::Write as _;
use std::io::{self, BufWriter, IsTerminal, Write};

use serde_json::Value;
use tabwriter::{Alignment, TabWriter};

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Output {
    /// Aligned columns with a heading, and sentences.
    Terminal,
    /// One item a line, its columns apart by one tab, no heading. Nothing where there is nothing to tell.
    Lines,
    Json,
}

/// The result of a command, for each way to print it.
pub(crate) struct Reply {
    json: Value,
    content: Content,
}

enum Content {
    Numbers { heading: &'static [&'static str], rows: Vec<Vec<i64>> },
    Pairs(Vec<(String, String)>),
    Words { sentence: String, line: Option<&'static str> },
}

impl Reply {
    /// Columns of numbers, with their headings.
    pub(crate) fn numbers(json: Value, heading: &'static [&'static str], rows: Vec<Vec<i64>>) -> Reply {
        Reply { json, content: Content::Numbers { heading, rows } }
    }

    /// Names and their texts.
    pub(crate) fn pairs(json: Value, pairs: Vec<(String, String)>) -> Reply {
        Reply { json, content: Content::Pairs(pairs) }
    }

    /// A sentence for a terminal, and a line, or nothing, for a pipe.
    pub(crate) fn words(json: Value, sentence: String, line: Option<&'static str>) -> Reply {
        Reply { json, content: Content::Words { sentence, line } }
    }
}

impl Output {
    pub(crate) fn choose(json: bool) -> Output {
        match json {
            true => Output::Json,
            false if io::stdout().is_terminal() => Output::Terminal,
            false => Output::Lines,
        }
    }

    pub(crate) fn print(self, reply: &Reply) -> io::Result<()> {
        let mut stdout = BufWriter::new(io::stdout().lock());
        self.write(reply, &mut stdout)?;
        stdout.flush()
    }

    fn write(self, reply: &Reply, to: &mut impl Write) -> io::Result<()> {
        match self {
            Output::Json => writeln!(to, "{}", reply.json),
            Output::Lines => reply.content.write_lines(to),
            Output::Terminal => reply.content.write_table(to),
        }
    }
}

impl Content {
    fn write_lines(&self, to: &mut impl Write) -> io::Result<()> {
        match self {
            Content::Numbers { rows, .. } => rows.iter().try_for_each(|row| write_numbers(row, to)),
            Content::Pairs(pairs) => {
                pairs.iter().try_for_each(|(name, text)| writeln!(to, "{name}\t{}", printable(text)))
            }
            Content::Words { line, .. } => line.iter().try_for_each(|line| writeln!(to, "{line}")),
        }
    }

    fn write_table(&self, to: &mut impl Write) -> io::Result<()> {
        let alignment = match self {
            Content::Numbers { .. } => Alignment::Right,
            Content::Pairs(_) => Alignment::Left,
            Content::Words { sentence, .. } => return writeln!(to, "{sentence}"),
        };
        let mut table = TabWriter::new(to).alignment(alignment);
        if let Content::Numbers { heading, .. } = self {
            // The last column is aligned only if a tab ends it too.
            writeln!(table, "{}\t", heading.join("\t"))?;
        }
        match self {
            Content::Numbers { rows, .. } => rows.iter().try_for_each(|row| {
                row.iter().try_for_each(|number| write!(table, "{number}\t"))?;
                writeln!(table)
            })?,
            other => other.write_lines(&mut table)?,
        }
        table.flush()
    }
}

fn write_numbers(row: &[i64], to: &mut impl Write) -> io::Result<()> {
    for (index, number) in row.iter().enumerate() {
        if index > 0 {
            to.write_all(b"\t")?;
        }
        write!(to, "{number}")?;
    }
    to.write_all(b"\n")
}

/// The text on one line, with nothing in it that a terminal would obey: texts of users and servers are printed too.
pub(crate) fn printable(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '\n' => safe.push_str("\\n"),
            '\r' => safe.push_str("\\r"),
            '\t' => safe.push_str("\\t"),
            '\\' => safe.push_str("\\\\"),
            control if control.is_control() => {
                let _ = write!(safe, "{}", control.escape_unicode());
            }
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn printed(output: Output, reply: &Reply) -> String {
        let mut bytes = Vec::new();
        output.write(reply, &mut bytes).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn terminal_gets_aligned_columns_and_pipe_gets_tabs() {
        let reply = Reply::numbers(json!({}), &["ROOM", "MEMBERS"], vec![vec![7, 1], vec![1_234_567, 20]]);
        assert_eq!(printed(Output::Lines, &reply), "7\t1\n1234567\t20\n");
        let table = printed(Output::Terminal, &reply);
        let ends: Vec<_> = table.lines().map(|line| line.trim_end().len()).collect();
        assert!(ends.windows(2).all(|pair| pair[0] == pair[1]), "the last column is aligned right:\n{table}");
        assert!(table.lines().next().unwrap().contains("ROOM"));
    }

    #[test]
    fn pipe_gets_no_words_that_nobody_asked_for() {
        let reply = Reply::words(json!({"done": true}), "It is done.".into(), None);
        assert_eq!(printed(Output::Lines, &reply), "");
        assert_eq!(printed(Output::Terminal, &reply), "It is done.\n");
        assert_eq!(printed(Output::Json, &reply), "{\"done\":true}\n");
    }

    #[test]
    fn terminal_is_given_no_control_characters() {
        assert_eq!(printable("a\u{1b}[31mb\nc\\"), "a\\u{1b}[31mb\\nc\\\\");
    }
}
