//! Runs the commands of a page of the documentation, and compares what they print with what it says.

use std::path::Path;
use std::process::{Command, Stdio};

use super::tool::{PID, SECRET, Scratch};

/// Runs every `$ …` line of the page's `console` blocks, in order, in one directory.
pub fn check(page: &str, endpoint: &str) {
    let scratch = Scratch::new();
    let examples = examples(page);
    assert!(examples.len() > 10, "the page lost its examples");
    for (command, expected) in examples {
        let printed = run(&command, &scratch, endpoint);
        let is_same = printed.lines().count() == expected.len()
            && printed.lines().zip(&expected).all(|(printed, expected)| matches(printed, expected));
        assert!(is_same, "$ {command}\nprints\n{printed}\nand not\n{}", expected.join("\n"));
    }
}

fn examples(page: &str) -> Vec<(String, Vec<&str>)> {
    let mut examples: Vec<(String, Vec<&str>)> = Vec::new();
    for block in page.split("```console\n").skip(1) {
        for line in block.split("```").next().unwrap().lines() {
            match line.strip_prefix("$ ") {
                Some(command) => examples.push((command.into(), Vec::new())),
                None => examples.last_mut().unwrap().1.push(line),
            }
        }
    }
    examples
}

/// In the page, a tab is shown as spaces, and `…` stands for what differs from run to run.
fn matches(printed: &str, expected: &str) -> bool {
    let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
    let (printed, expected) = (words(printed), words(expected));
    printed.len() == expected.len()
        && printed.iter().zip(&expected).all(|(printed, expected)| expected == "…" || printed == expected)
}

fn run(command: &str, scratch: &Scratch, endpoint: &str) -> String {
    let tools = Path::new(env!("CARGO_BIN_EXE_rtm-room")).parent().unwrap().to_str().unwrap();
    let path = format!("{tools}:{}", std::env::var("PATH").unwrap());
    let output = Command::new("sh")
        .args(["-c", &format!("exec 2>&1; {command}")])
        .env("PATH", path)
        .env("RTM_ENDPOINT", endpoint)
        .env("RTM_PID", PID)
        .env("RTM_SECRET", SECRET)
        .current_dir(scratch.path(""))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap()
}
