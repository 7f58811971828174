//! The floors: plain sockets that read the same pushes and answer each.

use std::io::{Read, Write};
use std::net::TcpStream;

use rmp::decode::{read_int, read_map_len, read_str_from_slice};

use super::Outcome;
use super::measure::{Sample, Stopwatch, Times, Ways};
use super::server::{frame_len, header};

/// The position of a push's time in its frame: after the header, the method, and the keys before it.
const MTIME_BEFORE_END: usize = 8 + "_msg__".len() + 32 + "_attrs_".len();

/// What a floor does with a push, other than to answer it.
#[derive(Clone, Copy)]
pub enum Floor {
    /// Nothing except its end and its sequence number.
    Bare,
    /// Reads it once and makes several messages of it, which are dropped where they were made, so no thread waits for
    /// another.
    Makes { messages: usize },
}

/// A pushed message, as far as a program would use it.
#[derive(Default, Clone)]
struct Message {
    from: i64,
    rid: i64,
    mid: i64,
    mtype: i64,
    mtime: i64,
    text: String,
    attrs: String,
}

/// Receives `pushes` pushes.
pub fn receive(endpoint: &str, floor: Floor, pushes: u32, times: Times) -> Outcome<Sample> {
    let mut stream = TcpStream::connect(endpoint)?;
    stream.set_nodelay(true)?;
    let mut quest = header(1, 9, 1);
    quest.extend_from_slice(b"\x01\x00\x00\x00setlisten\x80");
    stream.write_all(&quest)?;
    let (mut input, mut filled) = (vec![0; 64 * 1024], 0);
    let (mut answers, mut ways) = (Vec::new(), Ways::new(times, pushes));
    let (mut watch, mut left) = (None, pushes);
    while left > 0 {
        let received = stream.read(&mut input[filled..])?;
        if received == 0 {
            return Err("the server closed the connection".into());
        }
        filled += received;
        let mut taken = 0;
        while let Some(len) = frame_len(&input[taken..filled]) {
            let frame = &input[taken..taken + len];
            taken += len;
            // The first frame is the answer to `setlisten`.
            if frame[6] == 1 {
                watch.get_or_insert_with(Stopwatch::start);
                answers.extend_from_slice(b"FPNN\x01\x80\x02\x00\x01\x00\x00\x00");
                answers.extend_from_slice(&frame[12..16]);
                answers.push(0x80);
                match floor {
                    Floor::Bare => ways.record(i64::from_be_bytes(frame[len - MTIME_BEFORE_END..][..8].try_into()?)),
                    Floor::Makes { messages } => {
                        let message = read(&frame[16 + usize::from(frame[7])..])?;
                        ways.record(message.mtime);
                        (1..messages).for_each(|_| take(&message.clone()));
                        take(&message);
                    }
                }
                left -= 1;
            }
        }
        input.copy_within(taken..filled, 0);
        filled -= taken;
        stream.write_all(&answers)?;
        answers.clear();
    }
    Ok(watch.ok_or("no push came")?.stop(pushes, ways))
}

/// Reads a payload's map.
fn read(mut payload: &[u8]) -> Outcome<Message> {
    let mut message = Message::default();
    for _ in 0..read_map_len(&mut payload)? {
        let (key, rest) = read_str_from_slice(payload).map_err(|_| "not a key")?;
        payload = rest;
        match key {
            "from" => message.from = read_int(&mut payload)?,
            "rid" => message.rid = read_int(&mut payload)?,
            "mid" => message.mid = read_int(&mut payload)?,
            "mtype" => message.mtype = read_int(&mut payload)?,
            "mtime" => message.mtime = read_int(&mut payload)?,
            key => {
                let (text, rest) = read_str_from_slice(payload).map_err(|_| "not a text")?;
                payload = rest;
                if key == "msg" {
                    message.text = text.to_owned();
                } else {
                    message.attrs = text.to_owned();
                }
            }
        }
    }
    Ok(message)
}

fn take(message: &Message) {
    let Message { from, rid, mid, mtype, mtime, text, attrs } = message;
    std::hint::black_box((from, rid, mid, mtype, mtime, text, attrs));
}
