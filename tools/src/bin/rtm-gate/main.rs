//! `rtm-gate`: the local RTM gate in a terminal. Reads the command line, serves until a signal, and reports errors.

use std::fs;
use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::builder::{PossibleValuesParser, TypedValueParser};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};
use log::LevelFilter;
use rtm_server_sdk::gate::{Fault, Gate};
#[cfg(feature = "encryption")]
use rtm_server_sdk::gate::{GateBuilder, GateKey};

mod fault;
#[cfg(feature = "encryption")]
mod keygen;

const SECRET_VARIABLE: &str = "RTM_SECRET";
const LOG_LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

const AFTER_HELP: &str = "\
The secret comes from --secret or --secret-file; without either, from the environment variable RTM_SECRET. A \
command line can be read by every user of the machine, so use one of the other two for a secret that matters.

Once the gate takes connections it prints one line, `listening on ADDRESS`, to standard output. It stops on SIGINT \
and SIGTERM. Its exit status is 0 after either of them, 1 if it cannot listen, and 2 if the command \
line makes no sense.";

/// A local RTM gate for development and tests.
///
/// It serves the room methods over TCP to any RTM server SDK. It checks signatures, time stamps and salts as the service
/// does, and misbehaves on request. It keeps everything in memory, and forgets it when it stops.
#[derive(Parser)]
#[command(name = "rtm-gate", version, after_help = AFTER_HELP)]
#[command(subcommand_negates_reqs = true, args_conflicts_with_subcommands = true)]
struct Command {
    #[cfg(feature = "encryption")]
    #[command(subcommand)]
    tool: Option<keygen::Tool>,

    #[command(flatten)]
    serve: Option<Options>,
}

#[derive(clap::Args)]
struct Options {
    /// Where to listen; port 0 takes a free port
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:13325", value_parser = host_and_port)]
    listen: String,

    /// The id of the project to serve
    #[arg(long, value_name = "PID", allow_negative_numbers = true, value_parser = project_id)]
    pid: i32,

    /// The project's secret
    #[arg(long, value_name = "TEXT", conflicts_with = "secret_file")]
    secret: Option<String>,

    /// A file that holds the project's secret; a line break at its end is ignored
    #[arg(long, value_name = "FILE")]
    secret_file: Option<PathBuf>,

    /// Close connections that were idle for this many seconds; 0 keeps them all
    #[arg(long, value_name = "SECONDS", default_value_t = 0, allow_negative_numbers = true, value_parser = seconds)]
    idle_timeout: u64,

    /// Serve encrypted sessions too, with this private key (PEM); `rtm-gate keygen` makes one
    #[cfg(feature = "encryption")]
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,

    /// Close connections that are not encrypted
    #[cfg(feature = "encryption")]
    #[arg(long, requires = "key")]
    require_encryption: bool,

    /// Misbehave: `[METHOD:]WHAT[xTIMES]`, where WHAT is the code of an error to answer with, `silence`, `disconnect`, or
    /// a time by which to delay the answer. Such as addroommember:200010x3; may be given more than once
    #[arg(long = "fault", value_name = "FAULT", allow_hyphen_values = true, value_parser = fault::parse)]
    faults: Vec<Fault>,

    /// Delay every answer by this time, such as 50ms
    #[arg(long, value_name = "TIME", allow_hyphen_values = true, value_parser = fault::time)]
    delay: Option<Duration>,

    /// Accept this many calls a second, and answer 200010 to the rest
    #[arg(long, value_name = "CALLS", allow_negative_numbers = true, value_parser = calls)]
    calls_per_second: Option<u32>,

    /// Let a user who enters a room leave the one before, as the service does by default
    #[arg(long)]
    single_room: bool,

    /// Accept a salt more than once: the vendor's Python SDK repeats its own in calls of the same millisecond
    #[arg(long)]
    accept_repeated_signatures: bool,

    /// Leave Nagle's algorithm on, as the vendor's server does: small answers wait for acknowledgements
    #[arg(long)]
    nagle: bool,

    /// How much to log to standard error: `warn` shows what is refused and why, `debug` every connection. Without it the
    /// environment variable RUST_LOG decides, and without that it is `warn`
    #[arg(long, value_name = "LEVEL", ignore_case = true, value_parser = log_level())]
    log: Option<LevelFilter>,
}

fn main() -> ExitCode {
    match run(Command::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "rtm-gate: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> Result<(), String> {
    #[cfg(feature = "encryption")]
    if let Some(tool) = &command.tool {
        return tool.run();
    }
    let Some(options) = command.serve else { bad_usage("a project is needed: give --pid".into()) };
    let secret = read_secret(&options).unwrap_or_else(|problem| bad_usage(problem));
    start_log(options.log);
    serve(&options, &secret)
}

/// `--log` comes before `RUST_LOG`.
fn start_log(level: Option<LevelFilter>) {
    let mut builder = env_logger::Builder::new();
    builder.filter_level(level.unwrap_or(LevelFilter::Warn));
    if level.is_none() {
        builder.parse_default_env();
    }
    builder.init();
}

fn serve(options: &Options, secret: &str) -> Result<(), String> {
    // Before anything is announced: from then on a signal must find its handler.
    let signals = Signals::catch().map_err(|error| format!("signals cannot be caught: {error}"))?;
    let mut builder = Gate::builder()
        .project(options.pid, secret)
        .idle_timeout(Duration::from_secs(options.idle_timeout))
        .single_room(options.single_room)
        .accept_repeated_signatures(options.accept_repeated_signatures)
        .nagle(options.nagle);
    if let Some(calls) = options.calls_per_second {
        builder = builder.calls_per_second(calls);
    }
    #[cfg(feature = "encryption")]
    let builder = with_encryption(builder, options).map_err(|error| format!("{error:#}"))?;
    let gate = builder
        .bind(&options.listen)
        .map_err(|error| format!("{error:#}; give an address of this machine with a free port to --listen"))?;
    // The first fault that fits applies: the delay of everything comes last.
    let delay = options.delay.map(Fault::delay);
    options.faults.iter().cloned().chain(delay).for_each(|fault| gate.inject(fault));
    if let Err(error) = announce(gate.endpoint()) {
        // Nobody reads the line; the gate serves all the same.
        log::warn!("the address could not be printed: {error}");
    }
    let signal = signals.wait();
    log::info!("stopping on signal {signal}");
    Ok(())
}

#[cfg(feature = "encryption")]
fn with_encryption(mut builder: GateBuilder, options: &Options) -> Result<GateBuilder, rtm_server_sdk::Error> {
    if let Some(file) = &options.key {
        builder = builder.key(GateKey::from_pem_file(file)?);
    }
    Ok(if options.require_encryption { builder.require_encryption() } else { builder })
}

fn announce(endpoint: &str) -> io::Result<()> {
    let mut stdout = io::stdout().lock();
    writeln!(stdout, "listening on {endpoint}")?;
    stdout.flush()
}

/// The secret is read from a file, or else from a variable, only where no option with precedence is given.
fn read_secret(options: &Options) -> Result<String, String> {
    let secret = match (&options.secret, &options.secret_file) {
        (Some(secret), _) => secret.clone(),
        (None, Some(file)) => {
            let text = fs::read_to_string(file)
                .map_err(|error| format!("the secret file {} cannot be read: {error}", file.display()))?;
            secret_in(&text).to_owned()
        }
        (None, None) => match std::env::var(SECRET_VARIABLE) {
            Ok(secret) => secret,
            Err(std::env::VarError::NotUnicode(_)) => return Err(format!("{SECRET_VARIABLE} is not valid UTF-8")),
            Err(std::env::VarError::NotPresent) => {
                return Err(format!("a secret is needed: give --secret, --secret-file or {SECRET_VARIABLE}"));
            }
        },
    };
    if secret.is_empty() { Err("the secret is empty".into()) } else { Ok(secret) }
}

/// The text of a file without a byte order mark at its beginning, and a line break at its end.
fn secret_in(text: &str) -> &str {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let line = text.strip_suffix('\n').unwrap_or(text);
    line.strip_suffix('\r').unwrap_or(line)
}

fn bad_usage(problem: String) -> ! {
    Command::command().error(ErrorKind::ValueValidation, problem).exit()
}

fn host_and_port(text: &str) -> Result<String, String> {
    match text.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => Ok(text.to_owned()),
        _ => Err("an address looks like 127.0.0.1:13325, with a port from 0 to 65535".into()),
    }
}

fn project_id(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| "a project id is a whole number of up to 32 bits, such as 80000001".into())
}

fn seconds(text: &str) -> Result<u64, String> {
    text.parse().map_err(|_| "give whole seconds, such as 60".into())
}

fn calls(text: &str) -> Result<u32, String> {
    text.parse().ok().filter(|calls| *calls > 0).ok_or_else(|| "give a whole number, 1 or more".into())
}

fn log_level() -> impl TypedValueParser<Value = LevelFilter> {
    PossibleValuesParser::new(LOG_LEVELS).try_map(|level| level.parse::<LevelFilter>())
}

/// The signals that end the gate.
#[cfg(unix)]
struct Signals(signal_hook::iterator::Signals);

#[cfg(unix)]
impl Signals {
    fn catch() -> io::Result<Signals> {
        use signal_hook::consts::{SIGINT, SIGTERM};
        signal_hook::iterator::Signals::new([SIGINT, SIGTERM]).map(Signals)
    }

    fn wait(mut self) -> i32 {
        self.0.forever().next().unwrap_or_default()
    }
}

/// Elsewhere the system ends the process by itself.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn catch() -> io::Result<Signals> {
        Ok(Signals)
    }

    fn wait(self) -> i32 {
        loop {
            std::thread::park();
        }
    }
}
