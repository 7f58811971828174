//! The completion script for bash, asked by bash itself.

use std::process::Command;

use super::tool::{Scratch, bare_tool};

/// What bash offers for the last of these words.
fn offered(scratch: &Scratch, words: &[&str]) -> Vec<String> {
    let script = scratch.path("rtm-room.bash");
    let ask = r#"
        source "$1"; shift
        COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
        function=$(complete -p rtm-room | sed 's/.*-F \([^ ]*\).*/\1/')
        "$function" "$1" "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
        printf '%s\n' "${COMPREPLY[@]}"
    "#;
    let output = Command::new("bash").args(["-c", ask, "bash", &script]).args(words).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().map(str::to_owned).collect()
}

#[test]
fn bash_completes_commands_and_what_follows_them() {
    let scratch = Scratch::new();
    let script = bare_tool(&["completions", "bash"]).output().unwrap().stdout;
    scratch.write("rtm-room.bash", std::str::from_utf8(&script).unwrap());
    let offers = |words: &[&str], expected: &str| {
        let offered = offered(&scratch, &[&["rtm-room"], words].concat());
        assert!(offered.iter().any(|word| word == expected), "{words:?}: {offered:?} lacks {expected}");
    };
    offers(&["bu"], "bulk");
    offers(&["bulk", "--f"], "--failed");
    offers(&["bulk", "add", "--window", "3", "--start"], "--start-line");
    offers(&["is-banned", "--"], "--timeout");
    offers(&["info", "s"], "set");
    offers(&["info", "set", "42", "--p"], "--public-file");
    offers(&["--endpoint", "127.0.0.1:1", "ban", "--all"], "--all-rooms");
}
