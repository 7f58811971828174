//! The cost of calls in flight, in time and memory, and of an idle client.
//!
//! `cargo bench --bench growth`, or with one of `cost`, `memory` and `idle` after `--`. Each part runs in a separate
//! process, so that its memory is counted separately. The server runs in another one, so that its processor time is not
//! counted for the client.
//!
//! Goals: a call costs the same, within 20 %, with 10, 1,000 and 60,000 calls in flight; 65,536 calls in flight add at
//! most 32 MiB; an idle client uses no processor time and, beside its stacks, less than 1 MiB.

#[path = "growth/cost.rs"]
mod cost;
#[path = "common/cpu.rs"]
mod cpu;
#[path = "growth/idle.rs"]
mod idle;
#[path = "growth/memory.rs"]
mod memory;
#[path = "common/server.rs"]
mod server;
#[path = "common/threads.rs"]
mod threads;
#[path = "growth/usage.rs"]
mod usage;

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use rtm_server_sdk::{Client, ClientBuilder, KeepAlive};

type Outcome<T> = Result<T, Box<dyn std::error::Error + Send + Sync>>;

fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test` also starts benches, without arguments, only to see that they run.
    let is_smoke_test = words.is_empty();
    let words: Vec<&str> = words.iter().map(String::as_str).filter(|word| *word != "--bench").collect();
    match words[..] {
        [] => run_each(is_smoke_test),
        ["serve"] => serve(),
        ["cost"] => cost::measure(false),
        ["cost", "smoke"] => cost::measure(true),
        ["memory"] => ["submit", "callback", "unread"].iter().try_for_each(|way| run_self(&["memory", way])),
        ["memory", way] => memory::measure(way),
        ["idle"] => idle::measure(false),
        ["idle", "smoke"] => idle::measure(true),
        _ => Err("what to measure? cost, memory, idle, or nothing for all of it".into()),
    }
}

fn run_each(is_smoke_test: bool) -> Outcome<()> {
    let smoke: &[&str] = if is_smoke_test { &["smoke"] } else { &[] };
    run_self(&[&["cost"], smoke].concat())?;
    run_self(&["memory"])?;
    run_self(&[&["idle"], smoke].concat())
}

fn run_self(words: &[&str]) -> Outcome<()> {
    let status = Command::new(std::env::current_exe()?).args(words).status()?;
    if status.success() { Ok(()) } else { Err(format!("`{}` ended with {status}", words.join(" ")).into()) }
}

fn serve() -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    // The process that started this one may just disappear; its end of the pipe shows that.
    std::thread::spawn(move || server::serve(&listener));
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())?;
    Ok(())
}

/// The server in a separate process, which ends when this value is dropped.
struct ServerProcess {
    child: Child,
    endpoint: String,
}

impl ServerProcess {
    fn start() -> Outcome<ServerProcess> {
        let mut command = Command::new(std::env::current_exe()?);
        let mut child = command.arg("serve").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let output = child.stdout.take().ok_or("the server has no output")?;
        let mut server = ServerProcess { child, endpoint: String::new() };
        BufReader::new(output).read_line(&mut server.endpoint)?;
        server.endpoint.truncate(server.endpoint.trim_end().len());
        Ok(server)
    }

    fn client(&self) -> ClientBuilder {
        client(&self.endpoint)
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        // It may have ended on its own.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn client(endpoint: &str) -> ClientBuilder {
    Client::builder(80_000_001, "a secret for benches", endpoint).keep_alive(KeepAlive::disabled())
}
