//! `rtm-gate` in a separate process, so that its processor time is not counted for the client.

use std::error::Error;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;

/// What `rtm-gate` prints once it accepts connections.
const GREETING: &str = "listening on ";

/// A running gate, which ends with this value.
#[derive(Debug)]
pub struct GateProcess {
    child: Child,
    endpoint: String,
}

impl GateProcess {
    /// Starts the gate on a free port. `key` is the private key of a gate that serves encrypted connections too;
    /// `nagle` leaves Nagle's algorithm on.
    ///
    /// # Errors
    ///
    /// It cannot be started, or does not say where it listens.
    pub fn start(
        program: &Path,
        pid: i32,
        secret: &str,
        key: Option<&Path>,
        nagle: bool,
    ) -> Result<GateProcess, Box<dyn Error + Send + Sync>> {
        let mut command = Command::new(program);
        command.args(["--listen", "127.0.0.1:0", "--pid", &pid.to_string(), "--secret", secret]);
        if let Some(key) = key {
            command.arg("--key").arg(key);
        }
        if nagle {
            command.arg("--nagle");
        }
        let child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn();
        let child = child.map_err(|error| format!("{} does not start: {error}", program.display()))?;
        let mut gate = GateProcess { child, endpoint: String::new() };
        gate.endpoint = gate.read_endpoint()?;
        Ok(gate)
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    fn read_endpoint(&mut self) -> Result<String, Box<dyn Error + Send + Sync>> {
        let output = self.child.stdout.take().ok_or("the gate has no output")?;
        let mut output = BufReader::new(output);
        let mut line = String::new();
        while output.read_line(&mut line)? > 0 {
            if let Some((_, endpoint)) = line.split_once(GREETING) {
                let endpoint = endpoint.trim().to_owned();
                // Its other output must not fill the pipe.
                thread::spawn(move || output.read_to_end(&mut Vec::new()));
                return Ok(endpoint);
            }
            line.clear();
        }
        Err("the gate ended without saying where it listens".into())
    }
}

impl Drop for GateProcess {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The gate in the target folder that holds this bench.
///
/// # Errors
///
/// There is none.
pub fn built_gate() -> Result<PathBuf, Box<dyn Error + Send + Sync>> {
    let bench = std::env::current_exe()?;
    let beside = bench.parent().and_then(Path::parent).map(|folder| folder.join("rtm-gate"));
    beside
        .filter(|program| program.exists())
        .ok_or_else(|| "there is no rtm-gate: build it with `cargo build --release --bin rtm-gate`".into())
}
