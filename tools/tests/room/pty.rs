//! Runs the tool in a pseudo-terminal.

use std::fs::File;
use std::io::{Read, Write};
use std::process::{Child, Command};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;

use nix::pty::{Winsize, openpty};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::tool::PATIENCE;

/// Runs to the end in a terminal of so many columns. Returns what the terminal was sent.
pub fn run_in_terminal(command: Command, columns: u16) -> String {
    Terminal::start(command, columns).finish().1
}

/// A terminal with a program in it.
pub struct Terminal {
    child: Child,
    keyboard: File,
    output: Receiver<Vec<u8>>,
    sent: Vec<u8>,
}

impl Terminal {
    pub fn start(mut command: Command, columns: u16) -> Terminal {
        let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        let pty = openpty(Some(&size), None).unwrap();
        let output = File::from(pty.slave);
        command.stdin(output.try_clone().unwrap()).stdout(output.try_clone().unwrap()).stderr(output);
        command.env("TERM", "xterm").env_remove("NO_COLOR").env_remove("CLICOLOR_FORCE").env_remove("COLUMNS");
        let child = command.spawn().unwrap();
        // The command holds ends of the terminal too, which would never be at its end: it goes here.
        let screen = File::from(pty.master);
        Terminal { child, keyboard: screen.try_clone().unwrap(), output: pieces_of(screen), sent: Vec::new() }
    }

    /// Waits until the terminal was sent this.
    #[track_caller]
    pub fn wait_for(&mut self, part: &str) {
        while !self.screen().contains(part) {
            match self.output.recv_timeout(PATIENCE) {
                Ok(piece) => self.sent.extend(piece),
                Err(_) => panic!("`{part}` did not come, but:\n{}", self.screen()),
            }
        }
    }

    pub fn type_in(&mut self, keys: &str) {
        self.keyboard.write_all(keys.as_bytes()).unwrap();
    }

    pub fn interrupt(&self) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), Signal::SIGINT).unwrap();
    }

    /// Waits for the end. Returns the exit status, and all that the terminal was sent.
    #[track_caller]
    pub fn finish(mut self) -> (Option<i32>, String) {
        loop {
            match self.output.recv_timeout(PATIENCE) {
                Ok(piece) => self.sent.extend(piece),
                Err(RecvTimeoutError::Disconnected) => break,
                Err(RecvTimeoutError::Timeout) => panic!("the tool hangs after:\n{}", self.screen()),
            }
        }
        (self.child.wait().unwrap().code(), self.screen())
    }

    fn screen(&self) -> String {
        String::from_utf8_lossy(&self.sent).replace("\r\n", "\n")
    }
}

/// What the terminal is sent, as it comes.
fn pieces_of(mut terminal: File) -> Receiver<Vec<u8>> {
    let (sender, pieces) = channel();
    thread::spawn(move || {
        let mut buffer = [0; 4096];
        // Linux ends what a terminal was sent with an error.
        while let Ok(len @ 1..) = terminal.read(&mut buffer) {
            if sender.send(buffer[..len].to_vec()).is_err() {
                break;
            }
        }
    });
    pieces
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
