//! Tables for a terminal: columns aligned by what characters take on the screen, the last one wrapped.

use std::io::{self, Write};

use unicode_width::UnicodeWidthStr;

/// Below so many columns, what can be left out is.
pub(crate) const NARROW: usize = 72;
/// Between two columns.
const GAP: usize = 2;
/// A text that is given fewer columns than this stands below what belongs to it.
const NARROWEST: usize = 16;

/// A column, and its heading.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Column {
    /// Aligned right.
    Number(&'static str),
    /// Aligned left.
    Text(&'static str),
}

impl Column {
    fn heading(self) -> &'static str {
        match self {
            Column::Number(heading) | Column::Text(heading) => heading,
        }
    }

    fn padded(self, text: &str, width: usize) -> String {
        let padding = " ".repeat(width.saturating_sub(text.width()));
        match self {
            Column::Number(_) => padding + text,
            Column::Text(_) => text.to_owned() + &padding,
        }
    }
}

/// What the terminal is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Screen {
    /// In columns of one narrow character.
    pub(crate) width: usize,
    pub(crate) has_colours: bool,
}

impl Screen {
    /// Too narrow for dates and bars beside what they belong to.
    pub(crate) fn is_narrow(self) -> bool {
        self.width < NARROW
    }
}

/// Writes the rows below their headings, or without any where all headings are empty.
pub(crate) fn write_table(
    to: &mut impl Write,
    columns: &[Column],
    rows: &[Vec<String>],
    screen: Screen,
) -> io::Result<()> {
    let headings: Vec<String> = columns.iter().map(|column| column.heading().to_owned()).collect();
    let widths: Vec<usize> = (0..columns.len())
        .map(|index| rows.iter().chain([&headings]).map(|row| row[index].width()).max().unwrap_or(0))
        .collect();
    if headings.iter().any(|heading| !heading.is_empty()) {
        for line in lines(columns, &headings, &widths, screen.width) {
            writeln!(to, "{}", if screen.has_colours { format!("\u{1b}[1m{line}\u{1b}[0m") } else { line })?;
        }
    }
    for row in rows {
        for line in lines(columns, row, &widths, screen.width) {
            writeln!(to, "{line}")?;
        }
    }
    Ok(())
}

/// Writes a row below those before it, of which `widths` keeps the widest cells: but for those that would leave too little
/// room for the texts of all rows to come.
pub(crate) fn write_row(
    to: &mut impl Write,
    columns: &[Column],
    row: &[String],
    widths: &mut Vec<usize>,
    screen: Screen,
) -> io::Result<()> {
    widths.resize(columns.len(), 0);
    let wider: Vec<usize> = widths.iter().zip(row).map(|(width, cell)| cell.width().max(*width)).collect();
    let head: usize = wider.iter().rev().skip(1).map(|width| width + GAP).sum();
    if head + NARROWEST <= screen.width {
        widths.clone_from(&wider);
    }
    lines(columns, row, &wider, screen.width).iter().try_for_each(|line| writeln!(to, "{line}"))
}

/// A row on one line, or on more where its last text is too long.
fn lines(columns: &[Column], row: &[String], widths: &[usize], screen: usize) -> Vec<String> {
    let last = columns.len().saturating_sub(1);
    let mut head = String::new();
    for index in 0..last {
        head += &columns[index].padded(&row[index], widths[index]);
        head += &" ".repeat(GAP);
    }
    let indent = head.width();
    let room = screen.saturating_sub(indent);
    let beside = |pieces: Vec<String>| {
        let with_indent = |(index, piece): (usize, String)| match index {
            0 => (head.clone() + &piece).trim_end().to_owned(),
            _ => " ".repeat(indent) + &piece,
        };
        pieces.into_iter().enumerate().map(with_indent).collect()
    };
    match columns.get(last) {
        Some(Column::Text(_)) if room < NARROWEST && row[last].width() > room => below(&head, &row[last], screen),
        Some(Column::Text(_)) => beside(wrap(&row[last], room)),
        Some(column) => beside(vec![column.padded(&row[last], widths[last])]),
        None => Vec::new(),
    }
}

/// The cells before the last one, and its text on lines of its own.
fn below(head: &str, text: &str, screen: usize) -> Vec<String> {
    let pieces = wrap(text, screen.saturating_sub(GAP)).into_iter().map(|piece| " ".repeat(GAP) + &piece);
    [head.trim_end().to_owned()].into_iter().chain(pieces).collect()
}

/// Cuts a text into pieces of at most `room` columns where Unicode allows it, and words that are longer anywhere.
pub(crate) fn wrap(text: &str, room: usize) -> Vec<String> {
    // A `-` is often the beginning of an option.
    let options = textwrap::Options::new(room.max(2)).word_splitter(textwrap::WordSplitter::NoHyphenation);
    textwrap::wrap(text, options).into_iter().map(|piece| piece.trim_end().to_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const SCREEN: Screen = Screen { width: 40, has_colours: false };

    fn table(columns: &[Column], rows: &[&[&str]], screen: Screen) -> String {
        let rows: Vec<Vec<String>> =
            rows.iter().map(|row| row.iter().map(|cell| (*cell).to_owned()).collect()).collect();
        let mut bytes = Vec::new();
        write_table(&mut bytes, columns, &rows, screen).unwrap();
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn numbers_end_in_one_column() {
        let columns = [Column::Number("ROOM"), Column::Number("MEMBERS")];
        let table = table(&columns, &[&["7", "1"], &["1234567", "20"]], SCREEN);
        assert_eq!(table, "   ROOM  MEMBERS\n      7        1\n1234567       20\n");
    }

    #[test]
    fn chinese_and_emoji_take_two_columns() {
        let columns = [Column::Text("NAME"), Column::Text("TEXT")];
        let table = table(&columns, &[&["房间", "a"], &["👩‍🚀", "b"], &["abcd", "c"]], SCREEN);
        assert_eq!(table, "NAME  TEXT\n房间  a\n👩‍🚀    b\nabcd  c\n");
    }

    #[test]
    fn long_text_is_wrapped_below_itself() {
        let columns = [Column::Text(""), Column::Text("")];
        let text = "four words in a row 房间房间房间房间房间房间房间房间房间房间";
        let table = table(&columns, &[&["public", text]], Screen { width: 24, ..SCREEN });
        let lines: Vec<_> = table.lines().collect();
        assert_eq!(lines[0], "public  four words in a");
        assert!(lines[1..].iter().all(|line| line.starts_with("        ") && line.width() <= 24), "{table}");
    }

    #[test]
    fn text_without_room_beside_the_other_columns_stands_below_them() {
        let columns = [Column::Number("FROM"), Column::Text("MESSAGE")];
        let id = "9007199254740993123";
        let rows = [&[id, "short"][..], &[id, "an option such as --start-line stays whole 房间，房间"]];
        let expected = "\
            \x20              FROM  MESSAGE\n\
            9007199254740993123  short\n\
            9007199254740993123\n\
            \x20 an option such as\n\
            \x20 --start-line stays whole\n\
            \x20 房间，房间\n";
        assert_eq!(table(&columns, &rows, Screen { width: 28, ..SCREEN }), expected);
    }

    #[test]
    fn one_row_without_room_leaves_the_rows_below_it_theirs() {
        let columns = [Column::Text(""), Column::Number(""), Column::Text("")];
        let (mut widths, mut shown) = (Vec::new(), Vec::new());
        for from in ["1001", "9007199254740993123", "7"] {
            let row = ["22:13:20", from, "a sentence of words"].map(str::to_owned);
            write_row(&mut shown, &columns, &row, &mut widths, SCREEN).unwrap();
        }
        let expected = "\
            22:13:20  1001  a sentence of words\n\
            22:13:20  9007199254740993123\n\
            \x20 a sentence of words\n\
            22:13:20     7  a sentence of words\n";
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
    }

    #[test]
    fn text_without_spaces_is_wrapped_where_its_script_allows() {
        // No line begins with a comma.
        assert_eq!(wrap("说 今天我们要讨论，大家请发言", 17), ["说 今天我们要讨", "论，大家请发言"]);
        assert_eq!(wrap("abcdefghij", 4), ["abcd", "efgh", "ij"]);
        assert_eq!(wrap("", 4), [""]);
    }

    #[test]
    fn headings_are_bold_where_there_are_colours() {
        let columns = [Column::Text("USER")];
        assert!(
            table(&columns, &[&["1"]], Screen { has_colours: true, ..SCREEN }).starts_with("\u{1b}[1mUSER\u{1b}[0m\n")
        );
    }
}
