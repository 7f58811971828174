//! `rtm-gate`: a local RTM gate, from a terminal.

use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{ArgGroup, Parser};
use log::LevelFilter;
use rtm_server_sdk::gate::Gate;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// A local RTM gate: the Room methods over TCP, in memory, for development and tests.
///
/// It prints `listening on ADDRESS` once it accepts connections, and stops on SIGINT and SIGTERM.
#[derive(Parser)]
#[command(version, group = ArgGroup::new("secrets").args(["secret", "secret_file"]))]
struct Options {
    /// Where to listen; port 0 takes any free one
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:13325")]
    listen: String,
    /// The project to serve
    #[arg(long, value_name = "ID", env = "RTM_PID")]
    pid: i32,
    /// The project's secret; other users of the machine may see it in the list of processes
    #[arg(long)]
    secret: Option<String>,
    /// A file that holds the project's secret, on one line
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,
    /// What to log, to stderr: off, error, warn (what is refused, and why), info (connections), debug, trace
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log: LevelFilter,
}

fn main() -> ExitCode {
    let options = Options::parse();
    env_logger::Builder::new().filter_level(options.log).init();
    match serve(&options) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Usage(message)) => fail(2, &message),
        Err(Failure::Run(message)) => fail(1, &message),
    }
}

fn fail(status: u8, message: &str) -> ExitCode {
    eprintln!("rtm-gate: {message}");
    ExitCode::from(status)
}

enum Failure {
    Usage(String),
    Run(String),
}

fn serve(options: &Options) -> Result<(), Failure> {
    let secret = secret(options)?;
    // Before the line that says that the gate is there: whoever reads it may end the gate at once.
    let mut signals = Signals::new([SIGINT, SIGTERM]).map_err(|error| Failure::Run(error.to_string()))?;
    let gate = Gate::builder().project(options.pid, secret).bind(&options.listen);
    let gate = gate.map_err(|error| Failure::Run(error.to_string()))?;
    let mut stdout = std::io::stdout();
    // Nobody may be there to read it.
    let _ = writeln!(stdout, "listening on {}", gate.endpoint()).and_then(|()| stdout.flush());
    signals.forever().next();
    Ok(())
}

/// The secret, from wherever it was given.
fn secret(options: &Options) -> Result<String, Failure> {
    if let Some(secret) = &options.secret {
        return Ok(secret.clone());
    }
    if let Some(path) = &options.secret_file {
        let text = std::fs::read_to_string(path);
        let text = text.map_err(|error| Failure::Usage(format!("the secret file {}: {error}", path.display())))?;
        return Ok(text.trim_end_matches(['\r', '\n']).to_owned());
    }
    std::env::var("RTM_SECRET")
        .map_err(|_| Failure::Usage("no secret: give --secret, --secret-file or the variable RTM_SECRET".into()))
}
