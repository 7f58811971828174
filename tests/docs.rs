//! Keeps the pages consistent with the code, with each other, and with the files that they link to.

#![allow(clippy::unwrap_used, reason = "a helper that cannot go on fails the test")]

use std::collections::HashMap;
use std::fs;
use std::path::{Path, PathBuf};

use rtm_server_sdk::{Error, ErrorCode, Retry};

/// The root of the crate.
fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn read(page: impl AsRef<Path>) -> String {
    let path = root().join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All pages for readers: those in the root and in `docs/`.
fn pages() -> Vec<PathBuf> {
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let list = |folder: &str| {
        let entries = fs::read_dir(root().join(folder)).unwrap();
        entries.map(|entry| PathBuf::from(folder).join(entry.unwrap().file_name())).filter(is_page).collect::<Vec<_>>()
    };
    let pages = [list(""), list("docs")].concat();
    assert!(pages.len() > 5, "{pages:?}");
    pages
}

/// The parts of a page: its headings (level and text), and its code blocks (with their first lines), in order.
#[derive(Default)]
struct Outline {
    headings: Vec<(usize, String)>,
    blocks: Vec<String>,
}

impl Outline {
    fn of(page: &str) -> Outline {
        let mut outline = Outline::default();
        let mut block: Option<String> = None;
        for line in page.lines() {
            match &mut block {
                Some(open) if line == "```" => {
                    outline.blocks.push(std::mem::take(open));
                    block = None;
                }
                Some(open) => *open += &format!("{line}\n"),
                None if line.starts_with("```") => block = Some(format!("{line}\n")),
                None if line.starts_with('#') => {
                    let level = line.bytes().take_while(|byte| *byte == b'#').count();
                    outline.headings.push((level, line[level..].trim().to_owned()));
                }
                None => {}
            }
        }
        assert!(block.is_none(), "a code block without an end");
        outline
    }

    fn levels(&self) -> Vec<usize> {
        self.headings.iter().map(|(level, _)| *level).collect()
    }
}

/// The cells of a table's row, or `None` for any other line.
fn cells(line: &str) -> Option<Vec<&str>> {
    let row = line.strip_prefix("| ")?.strip_suffix(" |")?;
    Some(row.split(" | ").map(str::trim).collect())
}

#[test]
fn every_code_is_in_the_table_of_errors_with_its_properties() {
    let page = read("docs/errors.md");
    let listed: Vec<[&str; 5]> = page
        .lines()
        .filter_map(cells)
        .filter_map(|cells| match cells[..] {
            [code, name, meaning, retry, executed, what_to_do] if name.contains("_EC_") => {
                assert!(!what_to_do.is_empty(), "{code} says nothing about what to do");
                Some([code, name.trim_matches('`'), meaning, retry, executed])
            }
            _ => None,
        })
        .collect();
    assert_eq!(listed.len(), ErrorCode::ALL.len());
    for (row, code) in listed.iter().zip(ErrorCode::ALL) {
        let error = Error::from_answer(*code, "");
        let retry = match error.retry() {
            Retry::After(wait) => format!("after {wait:?}").replace("1s", "1 s").replace("0ms", "0 ms"),
            other => format!("{other:?}").to_lowercase(),
        };
        let executed = if error.may_have_executed() { "maybe" } else { "no" };
        let number = code.value().to_string();
        assert_eq!(*row, [&*number, code.name().unwrap(), code.meaning().unwrap(), &*retry, executed]);
    }
}

/// The sections of a page by heading; the text before the first heading has an empty one. Compares only words: line
/// breaks, links and code that rustdoc hides are left out.
fn sections(page: &str) -> HashMap<String, String> {
    let mut sections: HashMap<String, String> = HashMap::new();
    let (mut heading, mut is_code) = (String::new(), false);
    for line in page.lines() {
        match line.trim_start_matches('#') {
            _ if line.starts_with("```") => {
                is_code = !is_code;
                *sections.entry(heading.clone()).or_default() += " ```";
            }
            _ if is_code && (line == "#" || line.starts_with("# ")) => {}
            title if !is_code && title.len() < line.len() => heading = title.trim().to_owned(),
            _ => *sections.entry(heading.clone()).or_default() += &format!(" {}", without_links(line)),
        }
    }
    sections.values_mut().for_each(|text| *text = text.split_whitespace().collect::<Vec<_>>().join(" "));
    sections
}

/// ``[`text`](target)`` and ``[`text`]`` as `` `text` ``.
fn without_links(line: &str) -> String {
    let mut text = String::new();
    let mut rest = line;
    while let Some((before, link)) = rest.split_once("[`") {
        let Some((name, after)) = link.split_once("`]") else { break };
        text += &format!("{before}`{name}`");
        rest = after.strip_prefix('(').and_then(|target| target.split_once(')')).map_or(after, |(_, after)| after);
    }
    text + rest
}

#[test]
fn readme_and_crate_page_share_the_parts_that_they_have_in_common() {
    let source = read("src/lib.rs");
    let page: String = source
        .lines()
        .filter_map(|line| line.strip_prefix("//!"))
        .map(|line| format!("{}\n", line.strip_prefix(' ').unwrap_or(line)))
        .collect();
    let (readme, page) = (sections(&read("README.md")), sections(&page));
    let shared = ["Three ways to call", "Timeouts", "Features", "Minimum Rust version"];
    for heading in shared {
        let (ours, theirs) = (&readme[heading], &page[heading]);
        // One of them may be longer.
        let common = ours.len().min(theirs.len());
        assert!(common > 20 && ours[..common] == theirs[..common], "{heading}:\n{ours}\n\n{theirs}");
    }
    let intro = page[""].split(" 1. ").next().unwrap();
    assert!(readme["rtm-server-sdk"].ends_with(intro), "{intro}");
    let length = read("README.md").lines().count();
    assert!(length <= 180, "the README has {length} lines: move what is long into docs/");
}

#[test]
fn both_readmes_have_the_same_headings_and_code() {
    let (english, chinese) = (Outline::of(&read("README.md")), Outline::of(&read("README.zh-CN.md")));
    assert_eq!(english.levels(), chinese.levels());
    assert_eq!(english.blocks, chinese.blocks);
    assert!(english.blocks.len() > 5, "the outline sees the blocks");
}

#[test]
fn both_readmes_have_the_same_tables() {
    let shape = |page: &str| read(page).lines().filter_map(cells).map(|cells| cells.len()).collect::<Vec<_>>();
    assert_eq!(shape("README.md"), shape("README.zh-CN.md"));
}

#[test]
fn every_page_with_rust_code_is_compiled() {
    let compiled = read("src/doc_samples.rs");
    for page in pages() {
        let has_rust = Outline::of(&read(&page)).blocks.iter().any(|block| block.starts_with("```rust"));
        let is_translation = page.ends_with("README.zh-CN.md"); // Its code is that of README.md, by another test.
        if has_rust && !is_translation {
            let path = format!("\"../{}\"", page.display());
            assert!(compiled.contains(&path), "src/doc_samples.rs does not compile {path}");
        }
    }
}

#[test]
fn code_blocks_name_their_language() {
    for page in pages() {
        for block in Outline::of(&read(&page)).blocks {
            assert!(!block.starts_with("```\n"), "{}: a code block without a language:\n{block}", page.display());
        }
    }
}

#[test]
fn every_link_leads_somewhere() {
    for page in pages() {
        let text = read(&page);
        let folder = page.parent().unwrap();
        for link in links(&text) {
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { page.clone() } else { folder.join(file) };
            assert!(root().join(&target).exists(), "{} points to {link}", page.display());
            if !anchor.is_empty() {
                let headings = Outline::of(&read(&target)).headings;
                let is_there = headings.iter().any(|(_, heading)| anchor_of(heading) == anchor);
                assert!(is_there, "{} points to {link}", page.display());
            }
        }
    }
}

/// The targets of a page's links to other pages and to its own sections.
fn links(text: &str) -> impl Iterator<Item = &str> {
    text.split("](").skip(1).filter_map(|rest| rest.split(')').next()).filter(|link| !link.starts_with("http"))
}

/// The anchor of a heading.
fn anchor_of(heading: &str) -> String {
    let kept = heading.to_lowercase().replace(' ', "-");
    kept.chars().filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_')).collect()
}

/// The files whose public functions are calls.
const FUNCTIONS: [&str; 6] = [
    "src/client/members.rs",
    "src/client/info.rs",
    "src/client/bans.rs",
    "src/client/messages.rs",
    "src/client/history.rs",
    "src/client/quest.rs",
];

#[test]
fn every_function_is_on_the_page_of_the_room_api() {
    let page = read("docs/room-api.md");
    let listed: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('(').next()).collect();
    for file in FUNCTIONS {
        let source = read(file);
        for function in source.split("    pub fn ").skip(1).filter_map(|rest| rest.split(['(', '<']).next()) {
            assert!(listed.contains(&function), "{function} of {file} is not on the page");
        }
    }
}

#[test]
fn every_function_has_its_own_example() {
    for file in FUNCTIONS {
        let source = read(file);
        let functions: Vec<&str> = source.split("    pub fn ").collect();
        for (before, function) in functions.iter().zip(&functions[1..]) {
            let docs = before.rsplit("\n\n").next().unwrap();
            let name = function.split('(').next().unwrap();
            assert!(docs.contains("/// # Examples"), "{name} of {file} has no example");
        }
    }
}

#[test]
fn sections_that_the_code_refers_to_are_in_the_protocol_page() {
    let outline = Outline::of(&read("docs/protocol.md"));
    let is_section = |number: &str| outline.headings.iter().any(|(_, title)| title.starts_with(&format!("{number}. ")));
    let mut references = 0;
    for file in sources(Path::new("src")) {
        let text = read(&file);
        for reference in text.split("docs/protocol.md`, section ").skip(1) {
            let number = reference.split(|c: char| !c.is_ascii_digit()).next().unwrap();
            assert!(is_section(number), "{} refers to section {number}", file.display());
            references += 1;
        }
    }
    assert!(references >= 3, "the references are found");
}

/// Every Rust file below a folder.
fn sources(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(root().join(folder)).unwrap().map(|entry| folder.join(entry.unwrap().file_name()));
    let files = entries.flat_map(|path| if root().join(&path).is_dir() { sources(&path) } else { vec![path] });
    files.filter(|path| path.extension().is_some_and(|extension| extension == "rs")).collect()
}
