//! Large answers and uploads compared with the floor: a plain `TcpStream` that receives and sends the same, in the same
//! process. Linux only.
//!
//! `cargo bench --all-features --bench large`, with `-- "answers, plain"` or the beginning of another row for less. The
//! server runs in a separate process. It enciphers a large answer before the measured time, but must decipher what it
//! receives within it. What is compared runs next to each other, round by round, each first in turn, and a share is
//! calculated within its round.

#[path = "../common/cpu.rs"]
mod cpu;
mod floor;
#[path = "../../tests/common/large.rs"]
mod large;
mod library;

use std::time::{Duration, Instant};

use rtm_server_sdk::{CipherMode, Client};

use floor::Floor;
use large::{LargeServer, TEXT_LEN};
use library::Library;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

/// The size of an upload in one quest: a server accepts less than 8 MiB.
const UPLOAD_LEN: usize = 7 * 1024 * 1024;
const MODES: [(&str, Option<CipherMode>); 3] =
    [("plain", None), ("stream", Some(CipherMode::Stream)), ("package", Some(CipherMode::Package))];

/// What is measured, of the library and of the floor.
trait Peer {
    /// Has the server make the next large answer.
    fn prepare(&mut self) -> Outcome<()>;
    /// Receives a large answer's text.
    fn download(&mut self) -> Outcome<String>;
    /// Sends a large quest and waits for its answer.
    fn upload(&mut self) -> Outcome<()>;
}

#[derive(Clone, Copy)]
enum Way {
    Answers,
    Uploads,
}

/// The amount to measure.
struct Effort {
    rounds: usize,
    answers: u32,
    uploads: u32,
}

impl Effort {
    /// `cargo test` also starts benches, without arguments, only to see that they run.
    fn of_this_run() -> Effort {
        if std::env::args().len() == 1 {
            return Effort { rounds: 1, answers: 1, uploads: 1 };
        }
        Effort { rounds: 9, answers: 3, uploads: 20 }
    }
}

struct Sample {
    bytes: f64,
    time: Duration,
    cpu: Duration,
}

impl Sample {
    fn gb_per_second(&self) -> f64 {
        self.bytes / self.time.as_secs_f64() / 1e9
    }

    fn cpu_ms_per_gb(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e3 / (self.bytes / 1e9)
    }
}

fn measure(peer: &mut dyn Peer, way: Way, effort: &Effort) -> Outcome<Sample> {
    let mut sample = Sample { bytes: 0.0, time: Duration::ZERO, cpu: Duration::ZERO };
    let (count, len) = match way {
        Way::Answers => (effort.answers, TEXT_LEN),
        Way::Uploads => (effort.uploads, UPLOAD_LEN),
    };
    for _ in 0..count {
        if let Way::Answers = way {
            peer.prepare()?;
        }
        let (begun, cpu) = (Instant::now(), cpu::cpu_time());
        let text = match way {
            Way::Answers => Some(peer.download()?),
            Way::Uploads => peer.upload().map(|()| None)?,
        };
        sample.time += begun.elapsed();
        sample.cpu += cpu::cpu_time().saturating_sub(cpu);
        sample.bytes += len as f64;
        assert!(text.is_none_or(|text| text.len() == len), "the text of a large answer is cut");
    }
    Ok(sample)
}

/// A row of the table.
fn compare(library: &mut dyn Peer, floor: &mut dyn Peer, way: Way, effort: &Effort) -> Outcome<String> {
    let (mut rates, mut floor_rates, mut shares) = (Vec::new(), Vec::new(), Vec::new());
    let (mut cpu, mut floor_cpu) = (Vec::new(), Vec::new());
    for round in 0..effort.rounds {
        let first = if round % 2 == 0 { Some(measure(floor, way, effort)?) } else { None };
        let sample = measure(library, way, effort)?;
        let beside = first.map_or_else(|| measure(floor, way, effort), Ok)?;
        rates.push(sample.gb_per_second());
        floor_rates.push(beside.gb_per_second());
        shares.push(sample.gb_per_second() / beside.gb_per_second());
        cpu.push(sample.cpu_ms_per_gb());
        floor_cpu.push(beside.cpu_ms_per_gb());
    }
    let share = median(&mut shares);
    let (least, most) = (shares[0], shares[shares.len() - 1]);
    let [rate, floor_rate, cpu, floor_cpu] =
        [&mut rates, &mut floor_rates, &mut cpu, &mut floor_cpu].map(|values| median(values));
    Ok(format!(
        "{rate:>8.2} {floor_rate:>8.2}   {share:.2} ({least:.2}–{most:.2}) {:>18}",
        format!("{cpu:.0} ({floor_cpu:.0})")
    ))
}

/// Returns the median. Sorts the values.
fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

fn main() -> Outcome<()> {
    large::serve_if_asked();
    let effort = Effort::of_this_run();
    let server = LargeServer::start(&[]);
    let mut floor = Floor::connect(server.address())?;
    println!("{:<18} {:>8} {:>8}   {:<16} {:>18}", "", "GB/s", "floor", "share", "CPU ms/GB (floor)");
    let wanted = std::env::args().skip(1).find(|argument| !argument.starts_with("--")).unwrap_or_default();
    for (way_name, way) in [("answers", Way::Answers), ("uploads", Way::Uploads)] {
        for (mode_name, mode) in MODES {
            let name = format!("{way_name}, {mode_name}");
            if !name.starts_with(&wanted) {
                continue;
            }
            let builder = Client::builder(80000001, "secret", server.address().to_string());
            let client = match mode {
                Some(mode) => builder.encryption(server.encryption(mode)).connect()?,
                None => builder.connect()?,
            };
            let mut library = Library::new(client);
            println!("{name:<18} {}", compare(&mut library, &mut floor, way, &effort)?);
        }
    }
    Ok(())
}
