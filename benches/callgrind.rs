//! A fixed number of encodes, decodes or whole calls, to count their instructions under callgrind with
//! `benches/instructions.sh`. Takes `encode N`, `decode N`, or `call`, `submit` or `callback` with `N HOST:PORT`.

use std::error::Error;
use std::hint::black_box;

use rtm_server_sdk::Client;
use rtm_server_sdk::fpnn::{Decoder, Frame, FrameWriter, read_answer};
use rtm_server_sdk::rtm::methods::info::{get_room_info, read_infos};
use rtm_server_sdk::rtm::{Signer, next_salt};

const PID: i32 = 80_000_001;
/// The variable that holds the project's secret, if the server checks it.
const SECRET_VARIABLE: &str = "RTM_SECRET";
/// The number of calls in flight, if several.
const WINDOW: usize = 100;

type Outcome = Result<(), Box<dyn Error + Send + Sync>>;

fn main() -> Outcome {
    let words: Vec<String> = std::env::args().skip(1).filter(|word| word != "--bench").collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        // `cargo test` and `cargo bench` start it without arguments, only to see that it runs.
        [] => encode(10).and_then(|()| decode(10)),
        ["encode", times] => encode(times.parse()?),
        ["decode", times] => decode(times.parse()?),
        ["call", times, endpoint] => call(times.parse()?, endpoint),
        ["submit", times, endpoint] => submit(times.parse()?, endpoint),
        ["callback", times, endpoint] => callback(times.parse()?, endpoint),
        _ => Err("what to do? encode N, decode N, or call, submit or callback with N HOST:PORT".into()),
    }
}

/// A signed `getroominfo`.
fn encode(times: usize) -> Outcome {
    let signer = Signer::new(PID, "a secret for benches");
    for _ in 0..times {
        let quest = get_room_info(black_box(42)).quest?;
        black_box(quest.sign(&signer, next_salt(), 1_700_000_000));
    }
    Ok(())
}

/// Decodes its answer from the stream to strings. Each answer arrives separately.
fn decode(times: usize) -> Outcome {
    let mut answer = Vec::new();
    let mut frame = FrameWriter::answer(&mut answer, 1, 0);
    let _ = frame.params().str("oinfo", "public info").str("pinfo", "private info");
    frame.finish();
    let mut decoder = Decoder::new(64 * 1024 * 1024);
    for _ in 0..times {
        decoder.space()[..answer.len()].copy_from_slice(black_box(&answer));
        decoder.advance(answer.len());
        let Some(Frame::Answer(answer)) = decoder.next_frame()? else { return Err("no answer came out".into()) };
        let infos = read_answer(answer.status, answer.flag, answer.payload, read_infos);
        black_box(infos??);
    }
    Ok(())
}

fn call(times: usize, endpoint: &str) -> Outcome {
    let client = connect(endpoint)?;
    for _ in 0..times {
        black_box(client.get_room_info(42).call()?);
    }
    Ok(())
}

fn submit(times: usize, endpoint: &str) -> Outcome {
    let client = connect(endpoint)?;
    let mut pendings = Vec::with_capacity(WINDOW);
    for _ in 0..times / WINDOW {
        pendings.extend((0..WINDOW).map(|_| client.get_room_info(42).submit()));
        for pending in pendings.drain(..) {
            black_box(pending.wait()?);
        }
    }
    Ok(())
}

fn callback(times: usize, endpoint: &str) -> Outcome {
    let client = connect(endpoint)?;
    let (sender, outcomes) = std::sync::mpsc::channel();
    for _ in 0..times / WINDOW {
        for _ in 0..WINDOW {
            let sender = sender.clone();
            client.get_room_info(42).callback(move |info| _ = sender.send(info));
        }
        for info in outcomes.iter().take(WINDOW) {
            black_box(info?);
        }
    }
    Ok(())
}

fn connect(endpoint: &str) -> Result<Client, rtm_server_sdk::Error> {
    let secret = std::env::var(SECRET_VARIABLE).unwrap_or_else(|_| "a secret for benches".into());
    Client::builder(PID, secret, endpoint).connect()
}
