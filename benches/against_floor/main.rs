//! The client against the floor: the same signed quests over a plain `TcpStream`, to the same gate, in the same run.
//!
//! `cargo bench --features gate --bench against_floor`. Times on a shared machine mean nothing, but ratios of figures
//! measured next to each other do. So every scenario of the library runs next to its floor, round by round, each first
//! in turn, and a ratio is calculated within its round.

#[path = "../common/cpu.rs"]
mod cpu;
mod floor;
#[path = "../common/gate.rs"]
mod gate;
mod library;
mod measure;
mod self_writers;
mod table;

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use rtm_server_sdk::{Client, ClientBuilder};

use floor::{Floor, Writes};
use gate::GateProcess;
use measure::Sample;
use self_writers::SelfWriters;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The room of every call. Its number fits a msgpack fixint, which the floor writes.
const ROOM: i64 = 42;
/// The part of a phase that runs before it, without being measured.
const WARM_UP: u32 = 10;
/// The time for all measured phases of `--quick`; the rest of its 20 s is for warming up.
const QUICK: Duration = Duration::from_millis(16_500);

/// Measures the client against the floor.
#[derive(Debug, Parser)]
#[command(name = "against_floor")]
struct Arguments {
    /// How many rounds: every scenario and its floor once each
    #[arg(long)]
    rounds: Option<u32>,
    /// Length of one phase, in milliseconds
    #[arg(long, default_value_t = 300)]
    phase: u64,
    /// End within 20 s
    #[arg(long)]
    quick: bool,
    /// Only scenarios whose name begins with this, such as call-8, submit or encrypted
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Print JSON
    #[arg(long)]
    json: bool,
    /// How long the client looks before it sleeps, in microseconds [default: the client's own]
    #[arg(long, value_name = "MICROS")]
    busy_poll: Option<u64>,
    /// Measure against this gate in place of one that is started here
    #[arg(long, value_name = "HOST:PORT")]
    endpoint: Option<String>,
    /// The project that the gate serves
    #[arg(long, default_value_t = 80000001)]
    pid: i32,
    /// The variable of the environment that holds the project's secret [default: a secret for the gate started here]
    #[arg(long, value_name = "NAME")]
    secret_env: Option<String>,
    /// The program of the gate to be started [default: the one built with this bench]
    #[arg(long, value_name = "FILE")]
    gate: Option<PathBuf>,
    /// Have the gate that is started here leave Nagle's algorithm on, as the vendor's server does
    #[arg(long, conflicts_with = "endpoint")]
    nagle: bool,
    /// The gate's private key, for a gate that is started here to serve encrypted connections
    #[arg(long, value_name = "FILE")]
    gate_key: Option<PathBuf>,
    /// The gate's public key: measure encrypted connections too (needs the feature `encryption`)
    #[arg(long, value_name = "FILE")]
    key: Option<PathBuf>,
    /// Given by `cargo bench`
    #[arg(long, hide = true)]
    bench: bool,
}

impl Arguments {
    fn rounds(&self) -> u32 {
        match (self.rounds, self.is_smoke_test(), self.quick) {
            (Some(rounds), _, _) => rounds.max(1),
            (None, true, _) => 1,
            (None, false, true) => 5,
            (None, false, false) => 15,
        }
    }

    fn phase(&self, rows: &[Row]) -> Duration {
        match (self.is_smoke_test(), self.quick) {
            (true, _) => Duration::from_millis(20),
            (_, false) => Duration::from_millis(self.phase.max(1)),
            (_, true) => QUICK / (self.rounds() * rows.iter().map(|row| row.way.phases()).sum::<u32>().max(1)),
        }
    }

    /// `cargo test` also starts benches, without arguments, only to see that they run.
    fn is_smoke_test(&self) -> bool {
        std::env::args().len() == 1
    }

    fn client(&self, project: &Project, endpoint: &str) -> ClientBuilder {
        let builder = Client::builder(project.pid, project.secret.as_str(), endpoint);
        match self.busy_poll {
            Some(micros) => builder.busy_poll(Duration::from_micros(micros)),
            None => builder,
        }
    }

    fn is_wanted(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.starts_with(only.as_str()))
    }
}

/// Whose calls are made.
struct Project {
    pid: i32,
    secret: String,
}

/// What a scenario of the library does, and with how many calls at once.
#[derive(Clone, Copy)]
enum Way {
    Blocking(usize),
    Submitted(usize),
    Callbacks(usize),
}

/// A scenario and its figures.
struct Row {
    connection: &'static str,
    scenario: &'static str,
    name: String,
    floor: &'static str,
    way: Way,
    pairs: Vec<Pair>,
}

/// The samples of one round.
#[derive(serde::Serialize)]
struct Pair {
    library: Sample,
    floor: Sample,
    /// Further figures: for blocking calls, and if several calls are in flight.
    other: Option<Sample>,
}

const SCENARIOS: [(&str, Way); 10] = [
    ("call-1", Way::Blocking(1)),
    ("call-2", Way::Blocking(2)),
    ("call-8", Way::Blocking(8)),
    ("call-32", Way::Blocking(32)),
    ("submit-1", Way::Submitted(1)),
    ("submit-16", Way::Submitted(16)),
    ("submit-1000", Way::Submitted(1000)),
    ("callback-1", Way::Callbacks(1)),
    ("callback-16", Way::Callbacks(16)),
    ("callback-1000", Way::Callbacks(1000)),
];

/// What the phases need to run.
struct Bench {
    floor: Floor,
    self_writers: SelfWriters,
    plain: Client,
    encrypted: Option<Client>,
    phase: Duration,
}

impl Bench {
    fn measure(&mut self, row: &Row, library_first: bool) -> Outcome<Pair> {
        let before = if library_first { Some(self.library(row)?) } else { None };
        let floor = self.floor(row.way, Writes::Batched)?;
        let library = before.map_or_else(|| self.library(row), Ok)?;
        let other = match (row.way.other_name(), row.way) {
            (None, _) => None,
            (Some(_), Way::Blocking(threads)) => Some(self.self_writers(threads)?),
            (Some(_), _) => Some(self.floor(row.way, Writes::EachByItself)?),
        };
        Ok(Pair { library, floor, other })
    }

    fn library(&self, row: &Row) -> Outcome<Sample> {
        let client = match (row.connection, &self.encrypted) {
            ("encrypted", Some(client)) => client,
            _ => &self.plain,
        };
        let run = |time| match row.way {
            Way::Blocking(threads) => library::blocking(client, threads, time),
            Way::Submitted(window) => library::submitted(client, window, time),
            Way::Callbacks(window) => library::with_callbacks(client, window, time),
        };
        run(self.phase / WARM_UP)?;
        run(self.phase)
    }

    fn floor(&mut self, beside: Way, writes: Writes) -> Outcome<Sample> {
        let mut run = |time| match beside.window() {
            1 => self.floor.one_by_one(time),
            window => self.floor.pipelined(window, writes, time),
        };
        run(self.phase / WARM_UP)?;
        run(self.phase)
    }

    fn self_writers(&self, threads: usize) -> Outcome<Sample> {
        self.self_writers.blocking(threads, self.phase / WARM_UP)?;
        self.self_writers.blocking(threads, self.phase)
    }
}

impl Way {
    /// How many calls one thread has in flight, which the floor matches.
    fn window(self) -> usize {
        match self {
            Way::Blocking(_) => 1,
            Way::Submitted(window) | Way::Callbacks(window) => window,
        }
    }

    /// The number of phases in a round.
    fn phases(self) -> u32 {
        if self.other_name().is_none() { 2 } else { 3 }
    }

    /// What else is measured next to it and its floor.
    fn other_name(self) -> Option<&'static str> {
        match self {
            Way::Submitted(1) | Way::Callbacks(1) => None,
            Way::Blocking(_) => Some("callers write themselves"),
            Way::Submitted(_) | Way::Callbacks(_) => Some("floor, a write each"),
        }
    }

    fn floor_name(self) -> &'static str {
        match self.window() {
            1 => "floor, one by one",
            16 => "floor, 16 in flight",
            _ => "floor, 1,000 in flight",
        }
    }
}

fn rows(arguments: &Arguments) -> Vec<Row> {
    let connections: &[&str] = if arguments.key.is_some() { &["plain", "encrypted"] } else { &["plain"] };
    let mut rows = Vec::new();
    for &connection in connections {
        for (scenario, way) in SCENARIOS {
            let name = if connection == "plain" { scenario.to_owned() } else { format!("{connection}-{scenario}") };
            if arguments.is_wanted(&name) {
                rows.push(Row { connection, scenario, name, floor: way.floor_name(), way, pairs: Vec::new() });
            }
        }
    }
    rows
}

#[cfg(feature = "encryption")]
fn connect_encrypted(builder: ClientBuilder, key: &std::path::Path) -> Outcome<Client> {
    let encryption = rtm_server_sdk::Encryption::from_pem_file(key)?;
    Ok(builder.encryption(encryption).connect()?)
}

#[cfg(not(feature = "encryption"))]
fn connect_encrypted(_: ClientBuilder, _: &std::path::Path) -> Outcome<Client> {
    Err("--key needs this bench to be built with the feature `encryption`".into())
}

fn main() -> Outcome<()> {
    let arguments = Arguments::parse();
    let secret = match &arguments.secret_env {
        Some(variable) => std::env::var(variable).map_err(|error| format!("{variable}: {error}"))?,
        None => "a secret for benches".to_owned(),
    };
    let project = Project { pid: arguments.pid, secret };
    let (endpoint, _gate) = match &arguments.endpoint {
        Some(endpoint) => (endpoint.clone(), None),
        None => {
            let program = arguments.gate.clone().map_or_else(gate::built_gate, Ok)?;
            let gate = GateProcess::start(
                &program,
                project.pid,
                &project.secret,
                arguments.gate_key.as_deref(),
                arguments.nagle,
            )?;
            (gate.endpoint().to_owned(), Some(gate))
        }
    };
    let mut rows = rows(&arguments);
    let mut bench = Bench {
        floor: Floor::connect(&project, &endpoint)?,
        self_writers: SelfWriters::connect(&project, &endpoint)?,
        plain: arguments.client(&project, &endpoint).connect()?,
        encrypted: match &arguments.key {
            Some(key) => Some(connect_encrypted(arguments.client(&project, &endpoint), key)?),
            None => None,
        },
        phase: arguments.phase(&rows),
    };
    bench.plain.set_room_info(ROOM, Some("public info"), Some("private info")).call()?;
    for round in 0..arguments.rounds() {
        for row in &mut rows {
            eprintln!("round {} of {}: {}", round + 1, arguments.rounds(), row.name);
            let pair = bench.measure(row, round % 2 == 1)?;
            row.pairs.push(pair);
        }
    }
    if arguments.json {
        table::print_json(&rows, &arguments)?;
    } else {
        table::print(&rows, &arguments);
    }
    Ok(())
}
