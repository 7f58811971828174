//! The benefit and the cost of `ClientBuilder::busy_poll`: with a server that answers at once, alone and next to busy
//! threads, and with slow servers. Linux only.
//!
//! `cargo bench --bench busy_poll`, with `-- alone`, `-- busy`, `-- 1ms` or `-- 20ms` for one of them. The settings are
//! measured in turns, round by round, so that other load on the machine affects all of them alike. The figures are
//! medians.

#[path = "common/cpu.rs"]
mod cpu;
#[path = "common/server.rs"]
#[allow(dead_code)]
mod server;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use rtm_server_sdk::Client;

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

const LIMITS_US: [u64; 4] = [0, 20, 50, 100];
const THREADS: [usize; 4] = [1, 2, 8, 32];
/// The name, the server's time for an answer, and the number of busy threads.
const SITUATIONS: [(&str, Duration, usize); 4] = [
    ("alone", Duration::ZERO, 0),
    ("busy", Duration::ZERO, 2),
    ("1ms", Duration::from_millis(1), 0),
    ("20ms", Duration::from_millis(20), 0),
];
const SERVE: &str = "serve";

fn main() -> Outcome<()> {
    let arguments: Vec<String> = std::env::args().collect();
    if let [_, command, delay] = &arguments[..] {
        if command == SERVE {
            return serve(Duration::from_micros(delay.parse()?));
        }
    }
    // `cargo test` also starts benches, without arguments, only to see that they run.
    let (rounds, phase) = if arguments.len() == 1 { (1, 5) } else { (7, 200) };
    let wanted: Vec<&str> = arguments[1..].iter().map(String::as_str).filter(|word| !word.starts_with("--")).collect();
    for (name, delay, busy) in SITUATIONS {
        if !wanted.is_empty() && !wanted.contains(&name) {
            continue;
        }
        measure(name, delay, busy, rounds, Duration::from_millis(phase))?;
    }
    Ok(())
}

#[derive(Clone, Copy)]
struct Sample {
    calls_per_second: f64,
    p50_us: f64,
    cpu_ms_per_1000: f64,
}

fn measure(name: &str, delay: Duration, busy: usize, rounds: usize, phase: Duration) -> Outcome<()> {
    let server = Server::start(delay)?;
    let client = |limit| Client::builder(1, "secret", server.endpoint.as_str()).busy_poll(Duration::from_micros(limit));
    let clients = LIMITS_US.map(|limit| client(limit).connect());
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..busy {
            scope.spawn(|| {
                while !stop.load(Ordering::Relaxed) {
                    std::hint::spin_loop()
                }
            });
        }
        let table = (|| -> Outcome<()> {
            for threads in THREADS {
                let mut samples = vec![Vec::new(); LIMITS_US.len()];
                for round in 0..rounds {
                    for at in 0..LIMITS_US.len() {
                        let at = (at + round) % LIMITS_US.len();
                        let client = clients[at].as_ref().map_err(Clone::clone)?;
                        samples[at].push(run(client, threads, busy, phase)?);
                    }
                }
                for (limit, samples) in LIMITS_US.iter().zip(samples) {
                    let median = |of: fn(&Sample) -> f64| {
                        let mut figures: Vec<f64> = samples.iter().map(of).collect();
                        figures.sort_by(f64::total_cmp);
                        figures[figures.len() / 2]
                    };
                    println!(
                        "{name:6} {threads:3} threads {limit:4} µs: {:9.0} calls/s, p50 {:8.1} µs, CPU {:7.2} ms per 1,000",
                        median(|sample| sample.calls_per_second),
                        median(|sample| sample.p50_us),
                        median(|sample| sample.cpu_ms_per_1000),
                    );
                }
            }
            Ok(())
        })();
        stop.store(true, Ordering::Relaxed);
        table
    })
}

/// Runs `threads` threads for `phase`, each of which makes one call after the other.
fn run(client: &Client, threads: usize, busy: usize, phase: Duration) -> Outcome<Sample> {
    let call_until = |end: Instant| -> Outcome<Vec<Duration>> {
        let mut latencies = Vec::new();
        while Instant::now() < end {
            let begin = Instant::now();
            client.get_room_info(42).call()?;
            latencies.push(begin.elapsed());
        }
        Ok(latencies)
    };
    let (begin, cpu_before) = (Instant::now(), cpu::cpu_time());
    let end = begin + phase;
    let mut latencies = thread::scope(|scope| -> Outcome<Vec<Duration>> {
        let callers: Vec<_> = (0..threads).map(|_| scope.spawn(|| call_until(end))).collect();
        let mut all = Vec::new();
        for caller in callers {
            match caller.join() {
                Ok(latencies) => all.extend(latencies?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        }
        Ok(all)
    })?;
    let (wall, cpu) = (begin.elapsed(), cpu::cpu_time() - cpu_before);
    latencies.sort_unstable();
    let calls = latencies.len().max(1) as f64;
    // The busy threads' time is not the client's. On a full machine this remains an estimate.
    let cpu = if busy == 0 { cpu.as_secs_f64() } else { f64::NAN };
    Ok(Sample {
        calls_per_second: calls / wall.as_secs_f64(),
        p50_us: latencies.get(latencies.len() / 2).map_or(f64::NAN, |time| time.as_secs_f64() * 1e6),
        cpu_ms_per_1000: cpu * 1e6 / calls,
    })
}

/// A server in a separate process, so that its processor time is not counted for the client.
struct Server {
    process: Child,
    endpoint: String,
}

impl Server {
    fn start(delay: Duration) -> Outcome<Server> {
        let mut command = Command::new(std::env::current_exe()?);
        command.arg(SERVE).arg(delay.as_micros().to_string()).stdout(Stdio::piped());
        let mut process = command.spawn()?;
        let mut endpoint = String::new();
        BufReader::new(process.stdout.take().ok_or("the server has no output")?).read_line(&mut endpoint)?;
        Ok(Server { process, endpoint: endpoint.trim().to_owned() })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        _ = self.process.kill();
        _ = self.process.wait();
    }
}

fn serve(delay: Duration) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    if delay.is_zero() {
        server::serve(&listener);
        return Ok(());
    }
    loop {
        let (stream, _) = listener.accept()?;
        thread::spawn(move || answer_later(stream, delay));
    }
}

/// Answers each quest after `delay`, however many are waiting.
fn answer_later(mut stream: TcpStream, delay: Duration) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let (answers, due) = mpsc::channel::<(Instant, Vec<u8>)>();
    let mut writer = stream.try_clone()?;
    thread::spawn(move || {
        for (at, answer) in due {
            thread::sleep(at.saturating_duration_since(Instant::now()));
            if writer.write_all(&answer).is_err() {
                break;
            }
        }
    });
    let (mut input, mut filled) = (vec![0; 256 * 1024], 0);
    loop {
        let received = stream.read(&mut input[filled..])?;
        if received == 0 {
            return Ok(());
        }
        filled += received;
        let mut output = Vec::new();
        let taken = server::answer_whole_quests(&input[..filled], &mut output);
        input.copy_within(taken..filled, 0);
        filled -= taken;
        _ = answers.send((Instant::now() + delay, output));
    }
}
