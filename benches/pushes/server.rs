//! The server: it pushes after a `setlisten`, and answers every quest. It checks nothing.

use std::io::{self, BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use super::measure::shared_nanos;
use super::{Outcome, ROOM};

const HEADER_LEN: usize = 12;
const SEQ_LEN: usize = 4;
const METHOD: &[u8] = b"pushroommsg";
/// The positions of a push's `mid` and `mtime` in its frame.
const MID_AT: usize = HEADER_LEN + SEQ_LEN + METHOD.len() + "__from____rid__mid_".len();
const MTIME_AT: usize = MID_AT + 4 + "_mtype__mtime_".len();
/// `{}`, and `{oinfo: "o", pinfo: "p"}`.
const NOTHING: &[u8] = b"\x80";
const INFOS: &[u8] = b"\x82\xa5oinfo\xa1o\xa5pinfo\xa1p";
/// The number of pushes per write at full speed.
const BATCH: u32 = 64;

/// What the server does for a connection that listens.
#[derive(Clone, Copy)]
pub struct Order {
    pub pushes: u32,
    /// 0: as fast as they go.
    pub per_second: u32,
    pub encoding: Encoding,
}

/// How the server comes to a push.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Encodes each push key by key, as a server must for different messages.
    OfEach,
    /// Copies one push, so that only the sockets and the client take time.
    Copied,
}

impl Order {
    /// The order, if this process is the server.
    pub fn of_this_process() -> Option<Order> {
        let mut arguments = std::env::args().skip_while(|argument| argument != "--serve").skip(1);
        let mut number = || arguments.next()?.parse().ok();
        let (pushes, per_second) = (number()?, number()?);
        let encoding = if number()? == 0 { Encoding::OfEach } else { Encoding::Copied };
        Some(Order { pushes, per_second, encoding })
    }
}

/// The server in a process of its own. Ends with this value.
pub struct ServerProcess {
    child: Child,
    endpoint: String,
}

impl ServerProcess {
    pub fn start(order: Order) -> Outcome<ServerProcess> {
        let mut command = Command::new(std::env::current_exe()?);
        let numbers = [order.pushes, order.per_second, u32::from(order.encoding == Encoding::Copied)];
        command.arg("--serve").args(numbers.map(|number| number.to_string()));
        let mut child = command.stdout(Stdio::piped()).spawn()?;
        let stdout = child.stdout.take().ok_or("the server has no output")?;
        let mut endpoint = String::new();
        BufReader::new(stdout).read_line(&mut endpoint)?;
        Ok(ServerProcess { child, endpoint: endpoint.trim().to_owned() })
    }

    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }
}

impl Drop for ServerProcess {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the process is ended.
pub fn serve(order: Order) -> Outcome<()> {
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?);
    io::stdout().flush()?;
    loop {
        let (stream, _) = listener.accept()?;
        // The end of a connection is not an error here; the client is what is measured.
        thread::spawn(move || answer(stream, order));
    }
}

fn answer(stream: TcpStream, order: Order) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let mut reading = stream.try_clone()?;
    let writing = Arc::new(Mutex::new(stream));
    let (mut input, mut filled) = (vec![0; 256 * 1024], 0);
    loop {
        let received = reading.read(&mut input[filled..])?;
        if received == 0 {
            return Ok(());
        }
        filled += received;
        let mut taken = 0;
        while let Some(frame) = frame_len(&input[taken..filled]).map(|len| &input[taken..taken + len]) {
            taken += frame.len();
            // The answer to a push is only read.
            if frame[6] != 1 {
                continue;
            }
            let method = &frame[HEADER_LEN + SEQ_LEN..][..usize::from(frame[7])];
            let payload = if method == b"getroominfo" { INFOS } else { NOTHING };
            let mut bytes = header(2, 0, payload.len());
            bytes.extend_from_slice(&frame[HEADER_LEN..HEADER_LEN + SEQ_LEN]);
            bytes.extend_from_slice(payload);
            write(&writing, &bytes)?;
            if method == b"setlisten" {
                let writing = Arc::clone(&writing);
                thread::spawn(move || push(&writing, order));
            }
        }
        input.copy_within(taken..filled, 0);
        filled -= taken;
    }
}

fn push(writing: &Mutex<TcpStream>, order: Order) -> io::Result<()> {
    // So that all listeners have started.
    thread::sleep(Duration::from_millis(50));
    let template = Template(room_push(0));
    let (begun, mut pushed, mut bytes) = (Instant::now(), 0, Vec::new());
    while pushed < order.pushes {
        let due = match order.per_second {
            0 => pushed.saturating_add(BATCH),
            rate => (begun.elapsed().as_secs_f64() * f64::from(rate)) as u32,
        };
        let due = due.min(order.pushes).min(pushed.saturating_add(1024));
        bytes.clear();
        let now = shared_nanos();
        for number in pushed..due {
            match order.encoding {
                Encoding::OfEach => bytes.extend(room_push(number)),
                Encoding::Copied => template.append(&mut bytes, number, now),
            }
        }
        write(writing, &bytes)?;
        pushed = due.max(pushed);
        if order.per_second > 0 {
            thread::sleep(Duration::from_micros(500));
        }
    }
    Ok(())
}

fn write(writing: &Mutex<TcpStream>, bytes: &[u8]) -> io::Result<()> {
    writing.lock().unwrap_or_else(PoisonError::into_inner).write_all(bytes)
}

/// A chat of 32 bytes. Its `mtime` is the time of its encoding.
fn room_push(number: u32) -> Vec<u8> {
    let mut payload = b"\x87\xa4from\xcd\x03\xe9\xa3rid".to_vec();
    payload.push(ROOM as u8);
    payload.extend_from_slice(b"\xa3mid\xce");
    payload.extend_from_slice(&number.to_be_bytes());
    payload.extend_from_slice(b"\xa5mtype\x1e\xa5mtime\xcf");
    payload.extend_from_slice(&shared_nanos().to_be_bytes());
    payload.extend_from_slice(b"\xa3msg\xd9\x20a message of thirty-two letters.\xa5attrs\xa0");
    let mut frame = header(1, METHOD.len() as u8, payload.len());
    frame.extend_from_slice(&number.to_le_bytes());
    frame.extend_from_slice(METHOD);
    frame.extend_from_slice(&payload);
    frame
}

/// One such push, to be copied.
struct Template(Vec<u8>);

impl Template {
    /// Appends the push with this number. Its `mtime` is the time of its encoding, in nanoseconds.
    fn append(&self, bytes: &mut Vec<u8>, number: u32, mtime: i64) {
        let start = bytes.len();
        bytes.extend_from_slice(&self.0);
        let frame = &mut bytes[start..];
        frame[HEADER_LEN..][..SEQ_LEN].copy_from_slice(&number.to_le_bytes());
        frame[MID_AT..][..4].copy_from_slice(&number.to_be_bytes());
        frame[MTIME_AT..][..8].copy_from_slice(&mtime.to_be_bytes());
    }
}

/// The header of a frame.
pub fn header(mtype: u8, ss: u8, payload_len: usize) -> Vec<u8> {
    let mut header = b"FPNN\x01\x80".to_vec();
    header.extend_from_slice(&[mtype, ss]);
    header.extend_from_slice(&(payload_len as u32).to_le_bytes());
    header
}

/// The length of the frame at the front, once it is whole. Every frame here has a sequence number.
pub fn frame_len(received: &[u8]) -> Option<usize> {
    let header = received.get(..HEADER_LEN)?;
    let method_len = if header[6] == 2 { 0 } else { usize::from(header[7]) };
    let payload_len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
    let len = HEADER_LEN + SEQ_LEN + method_len + payload_len;
    (len <= received.len()).then_some(len)
}
