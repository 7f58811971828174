//! Runs the tool in a pseudo-terminal.

use std::fs::File;
use std::io::Read;
use std::process::Command;

use nix::pty::{Winsize, openpty};

/// Runs to the end in a terminal of so many columns. Returns what the terminal was sent.
pub fn run_in_terminal(mut command: Command, columns: u16) -> String {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    let pty = openpty(Some(&size), None).unwrap();
    let output = File::from(pty.slave);
    command.stdin(output.try_clone().unwrap()).stdout(output.try_clone().unwrap()).stderr(output);
    command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("COLUMNS");
    let mut child = command.spawn().unwrap();
    // It holds ends of the terminal too, which would never be at its end.
    drop(command);
    let mut sent = Vec::new();
    let mut terminal = File::from(pty.master);
    let mut buffer = [0; 4096];
    // Linux ends what a terminal was sent with an error.
    while let Ok(len @ 1..) = terminal.read(&mut buffer) {
        sent.extend_from_slice(&buffer[..len]);
    }
    child.wait().unwrap();
    String::from_utf8(sent).unwrap().replace("\r\n", "\n")
}
