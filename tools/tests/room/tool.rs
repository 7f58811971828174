//! Runs the built `rtm-room` and looks at what it leaves behind.

use std::io::{BufRead, BufReader, Read, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Once};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use rtm_server_sdk::gate::Gate;

/// No run of a test takes longer, however loaded the machine is.
pub const PATIENCE: Duration = Duration::from_secs(60);

pub const PID: &str = "80000001";
pub const SECRET: &str = "correct-horse";

/// A gate that serves the tool's project.
pub fn gate() -> Gate {
    Gate::builder().project(PID.parse().unwrap(), SECRET).bind("127.0.0.1:0").unwrap()
}

/// A file of so many rows for a bulk run. The row at line n has the user n.
pub fn rows(count: usize) -> String {
    (1..=count).map(|user| format!("42,{user}\n")).collect()
}

/// Runs a command that is to succeed, and returns what it prints.
pub fn done(gate: &Gate, args: &[&str]) -> String {
    done_with(gate, args, "").stdout
}

/// The same, with something on stdin.
pub fn done_with(gate: &Gate, args: &[&str], input: &str) -> Outcome {
    let outcome = run(tool(gate.endpoint(), args), input).expect(0);
    assert_eq!(outcome.stderr, "", "{args:?}");
    outcome
}

/// Waits until `condition` holds, for states that send no event.
#[track_caller]
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let started = Instant::now();
    while !condition() {
        assert!(started.elapsed() < PATIENCE, "it never came true that {what}");
        thread::sleep(Duration::from_millis(2));
    }
}

/// What a run left behind.
pub struct Outcome {
    /// `None` where a signal ended it.
    pub status: Option<i32>,
    pub stdout: String,
    pub stderr: String,
}

impl Outcome {
    #[track_caller]
    pub fn expect(self, status: i32) -> Outcome {
        assert_eq!(self.status, Some(status), "stdout:\n{}\nstderr:\n{}", self.stdout, self.stderr);
        assert!(!self.stderr.contains("panicked"), "{}", self.stderr);
        assert!(!(self.stdout.clone() + &self.stderr).contains(SECRET), "the secret was shown");
        self
    }

    #[track_caller]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    /// What was said to a program on stderr, where each line is JSON.
    #[track_caller]
    pub fn stderr_as_json(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|error| panic!("{error}: {line}"));
        self.stderr.lines().map(parse).collect()
    }

    /// The one sentence of an error.
    #[track_caller]
    pub fn says(&self, part: &str) {
        assert!(self.stderr.contains(part), "`{part}` is not in:\n{}", self.stderr);
    }
}

/// The tool with an endpoint and credentials in its environment.
pub fn tool(endpoint: &str, args: &[&str]) -> Command {
    let mut command = bare_tool(args);
    command.env("RTM_ENDPOINT", endpoint).env("RTM_PID", PID).env("RTM_SECRET", SECRET);
    command
}

/// The tool with nothing in its environment that it looks at, and with no signal ignored.
pub fn bare_tool(args: &[&str]) -> Command {
    catch_ignored_signals();
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtm-room"));
    for name in ["RTM_ENDPOINT", "RTM_PID", "RTM_SECRET", "RUST_LOG"] {
        command.env_remove(name);
    }
    command.args(args);
    command
}

/// What ends the tool. A program goes on ignoring the signals that were ignored where it was started.
const STOP_SIGNALS: [(Signal, &str); 3] = [(Signal::SIGINT, "INT"), (Signal::SIGTERM, "TERM"), (Signal::SIGHUP, "HUP")];

/// Lets the tool have these signals although the tests ignore them, as they do under `nohup` and in the background. What a
/// process catches is not ignored by the programs that it starts.
fn catch_ignored_signals() {
    static CAUGHT: Once = Once::new();
    CAUGHT.call_once(|| {
        for (signal, _) in STOP_SIGNALS.into_iter().filter(|(_, name)| is_ignored(name)) {
            signal_hook::flag::register(signal as i32, Arc::<AtomicBool>::default()).unwrap();
        }
    });
}

/// Whether a program that is started here survives the signal.
fn is_ignored(signal: &str) -> bool {
    Command::new("sh").args(["-c", &format!("kill -s {signal} $$")]).status().unwrap().success()
}

/// The command, whose files can have no more than one block.
pub fn onto_a_full_disk(command: &Command) -> Command {
    after("trap '' XFSZ; ulimit -f 1", command)
}

/// The command, started by a shell after these lines.
pub fn after(shell_lines: &str, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell
        .args(["-c", &format!("{shell_lines}\nexec \"$@\""), "sh"])
        .arg(command.get_program())
        .args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    shell
}

/// Runs to the end, with `input` on stdin.
pub fn run(command: Command, input: &str) -> Outcome {
    let mut run = Run::start(command);
    run.write(input);
    run.finish()
}

/// A run that is under way.
pub struct Run {
    child: Child,
    stdin: Option<ChildStdin>,
    stdout_lines: Receiver<String>,
    stdout: String,
    stderr_lines: Receiver<String>,
    stderr: String,
}

impl Run {
    pub fn start(mut command: Command) -> Run {
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout_lines = lines_of(child.stdout.take().unwrap());
        let stderr_lines = lines_of(child.stderr.take().unwrap());
        let stdin = child.stdin.take();
        Run { child, stdin, stdout_lines, stdout: String::new(), stderr_lines, stderr: String::new() }
    }

    /// Writes to stdin. That the tool has ended already is no error of the test.
    pub fn write(&mut self, input: &str) {
        self.write_bytes(input.as_bytes());
    }

    pub fn write_bytes(&mut self, input: &[u8]) {
        if let Some(stdin) = &mut self.stdin {
            let _ = stdin.write_all(input);
        }
    }

    /// The most memory that it has used so far, in bytes.
    #[cfg(target_os = "linux")]
    pub fn peak_memory(&self) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
        let kibibytes: usize = line.trim().strip_suffix(" kB").unwrap().parse().unwrap();
        kibibytes * 1024
    }

    pub fn interrupt(&self) {
        self.signal(Signal::SIGINT);
    }

    pub fn signal(&self, signal: Signal) {
        kill(Pid::from_raw(self.child.id().try_into().unwrap()), signal).unwrap();
    }

    /// Waits until stderr holds a line with this in it.
    #[track_caller]
    pub fn wait_for_stderr(&mut self, part: &str) {
        wait_for(part, &self.stderr_lines, &mut self.stderr);
    }

    /// Waits until stdout holds a line with this in it, and returns the line.
    #[track_caller]
    pub fn wait_for_stdout(&mut self, part: &str) -> String {
        wait_for(part, &self.stdout_lines, &mut self.stdout)
    }

    /// Closes stdin and waits for the end.
    #[track_caller]
    pub fn finish(mut self) -> Outcome {
        drop(self.stdin.take());
        self.finish_with_stdin_open()
    }

    /// Waits for the end of a run that ends by itself.
    #[track_caller]
    pub fn finish_with_stdin_open(mut self) -> Outcome {
        for (lines, text) in [(&self.stderr_lines, &mut self.stderr), (&self.stdout_lines, &mut self.stdout)] {
            loop {
                match lines.recv_timeout(PATIENCE) {
                    Ok(line) => *text += &line,
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        let _ = self.child.kill();
                        panic!("the tool hangs after:\n{text}");
                    }
                }
            }
        }
        let status = self.child.wait().unwrap().code();
        Outcome { status, stdout: std::mem::take(&mut self.stdout), stderr: std::mem::take(&mut self.stderr) }
    }
}

/// The lines of a pipe, with their line ends, as they come.
fn lines_of(pipe: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, lines) = channel();
    let mut pipe = BufReader::new(pipe);
    thread::spawn(move || {
        let mut line = Vec::new();
        while pipe.read_until(b'\n', &mut line).unwrap() > 0 {
            let is_wanted = sender.send(String::from_utf8(std::mem::take(&mut line)).unwrap()).is_ok();
            if !is_wanted {
                break;
            }
        }
    });
    lines
}

#[track_caller]
fn wait_for(part: &str, lines: &Receiver<String>, text: &mut String) -> String {
    loop {
        let line = lines.recv_timeout(PATIENCE);
        let line = line.unwrap_or_else(|_| panic!("`{part}` did not come, but:\n{text}"));
        *text += &line;
        if line.contains(part) {
            return line;
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A directory that goes when the test ends.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("cli-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::create_dir_all(&path).unwrap();
        Scratch(path)
    }

    /// The path of a file in it, which need not be there.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).to_str().unwrap().to_owned()
    }

    pub fn write(&self, name: &str, content: &str) -> String {
        let path = self.path(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    pub fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
