//! [`Printable`]: text from the network on its way to a log or a terminal.

use std::fmt::{self, Write};

/// Shows a text with its control characters escaped: `\n` for a line end, `\u{1b}` for the start of a terminal's command.
/// Characters that reorder or break the line they stand in (Unicode's bidirectional controls, line and paragraph
/// separators) are escaped too.
pub(super) struct Printable<'a>(pub(super) &'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for c in self.0.chars() {
            match c {
                '\t' | '\n' | '\r' => write!(f, "{}", c.escape_default())?,
                c if c.is_control() || reorders_or_breaks_lines(c) => write!(f, "{}", c.escape_unicode())?,
                c => f.write_char(c)?,
            }
        }
        Ok(())
    }
}

fn reorders_or_breaks_lines(c: char) -> bool {
    matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_characters_are_escaped_and_all_else_is_kept() {
        let shown = |text| Printable(text).to_string();
        assert_eq!(shown("a\nb\r\tc"), r"a\nb\r\tc");
        assert_eq!(shown("\x1b[2J\x07\x7f\u{9b}"), r"\u{1b}[2J\u{7}\u{7f}\u{9b}");
        assert_eq!(shown("x\u{202e}y\u{2028}z\u{2066}"), r"x\u{202e}y\u{2028}z\u{2066}");
        assert_eq!(shown(r#"错误: "quoted" \ é 🙂"#), r#"错误: "quoted" \ é 🙂"#);
    }
}
