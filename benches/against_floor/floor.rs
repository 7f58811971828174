//! The floor: the same signed quests over a plain `TcpStream`, without a library, as a skilled programmer writes them
//! by hand.
//!
//! What makes it fast: the frame is a template, in which only the sequence number, the salt, the time and the signature
//! are rewritten; buffers are reused; Nagle's algorithm is off; the clock is read once per batch. With many quests in
//! flight, the writer fills one buffer with as many frames as the window allows and writes it at once. The reader reads
//! chunks of 64 KiB and frees the window once for all answers in a chunk. The plain floor differs only in that it
//! writes each quest separately; a program that has one quest at a time cannot do better. What keeps it honest: every
//! quest has its own salt and MD5, and the status and the sequence number of every answer are checked. The infos in it
//! are not decoded.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use md5::{Digest, Md5};

use super::measure::{Latencies, SAMPLED_EVERY, Sample, Stopwatch};
use super::{Outcome, Project, ROOM};

const HEADER_LEN: usize = 12;
const SEQ_LEN: usize = 4;
const METHOD: &str = "getroominfo";
const CHUNK: usize = 64 * 1024;

/// How a writer with many quests in flight hands them to the socket.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Writes {
    /// As many at once as the window allows: the fastest floor, for a caller that has them all ready at once.
    Batched,
    /// Each separately, as it is made: the plain floor, for callers that have one quest at a time.
    EachByItself,
}

/// One connection to the gate, by hand.
pub struct Floor {
    stream: TcpStream,
    quests: Quests,
}

impl Floor {
    pub fn connect(project: &Project, endpoint: &str) -> Outcome<Floor> {
        let stream = TcpStream::connect(endpoint)?;
        stream.set_nodelay(true)?;
        Ok(Floor { stream, quests: Quests::new(project) })
    }

    /// One thread that sends a quest and waits for its answer.
    pub fn one_by_one(&mut self, time: Duration) -> Outcome<Sample> {
        let (mut answers, mut frame) = (Answers::new(), Vec::new());
        let mut latencies = Latencies::default();
        let watch = Stopwatch::start(time);
        while !watch.is_over() {
            let begin = Instant::now();
            frame.clear();
            let seq = self.quests.write(&mut frame, unix_time());
            self.stream.write_all(&frame)?;
            if answers.wait(&mut self.stream)? != seq {
                return Err("the gate answered another quest".into());
            }
            latencies.add(begin.elapsed());
        }
        Ok(watch.stop(latencies))
    }

    /// One thread that writes and one that reads, with up to `window` quests in flight.
    pub fn pipelined(&mut self, window: usize, writes: Writes, time: Duration) -> Outcome<Sample> {
        let flight = Flight::new(window);
        let mut reading_end = self.stream.try_clone()?;
        let watch = Stopwatch::start(time);
        let writer = thread::current();
        let latencies = thread::scope(|scope| {
            let reader = scope.spawn(|| {
                let latencies = read_all(&mut reading_end, &flight, &writer);
                if latencies.is_err() {
                    // Nothing frees the window any more.
                    flight.sent_in_all.store(0, Ordering::SeqCst);
                    writer.unpark();
                }
                latencies
            });
            self.write_all(&flight, writes, &watch)?;
            match reader.join() {
                Ok(latencies) => Ok(latencies?),
                Err(panic) => std::panic::resume_unwind(panic),
            }
        });
        latencies.map(|latencies| watch.stop(latencies))
    }

    fn write_all(&mut self, flight: &Flight, writes: Writes, watch: &Stopwatch) -> io::Result<()> {
        let mut frames = Vec::with_capacity(2 * CHUNK);
        let mut sent = 0;
        let mut is_last = false;
        while !is_last {
            let room = flight.wait_for_room();
            sent += room as u64;
            is_last = watch.is_over() || flight.sent_in_all.load(Ordering::SeqCst) == 0;
            if is_last {
                // Before the last quests are sent, so that the reader recognises the last answer.
                flight.sent_in_all.fetch_min(sent, Ordering::SeqCst);
            }
            let quests_a_write = if writes == Writes::Batched { room } else { 1 };
            for _ in 0..room.checked_div(quests_a_write).unwrap_or_default() {
                self.write_some(quests_a_write, &mut frames, flight)?;
            }
        }
        Ok(())
    }

    fn write_some(&mut self, quests: usize, frames: &mut Vec<u8>, flight: &Flight) -> io::Result<()> {
        frames.clear();
        let (now, ts) = (flight.nanos(), unix_time());
        for _ in 0..quests {
            let seq = self.quests.write(frames, ts);
            if seq % SAMPLED_EVERY == 0 {
                flight.begun(seq).store(now, Ordering::Relaxed);
            }
        }
        flight.in_flight.fetch_add(quests, Ordering::SeqCst);
        self.stream.write_all(frames)
    }
}

/// The state shared by the writer and the reader.
struct Flight {
    window: usize,
    in_flight: AtomicUsize,
    /// The number of quests, once it is known.
    sent_in_all: AtomicU64,
    /// When the quests now in flight were sent, in nanoseconds since `start`, by their sequence numbers.
    begun: Vec<AtomicU64>,
    start: Instant,
}

impl Flight {
    fn new(window: usize) -> Flight {
        Flight {
            window,
            in_flight: AtomicUsize::new(0),
            sent_in_all: AtomicU64::new(u64::MAX),
            begun: (0..window.next_power_of_two()).map(|_| AtomicU64::new(0)).collect(),
            start: Instant::now(),
        }
    }

    /// The writer is woken when this many quests are left in flight: often enough to keep the gate busy, and seldom
    /// enough for batches.
    fn low_water(&self) -> usize {
        self.window / 2
    }

    fn wait_for_room(&self) -> usize {
        loop {
            let in_flight = self.in_flight.load(Ordering::SeqCst);
            if in_flight <= self.low_water() || self.sent_in_all.load(Ordering::SeqCst) == 0 {
                return self.window - in_flight;
            }
            thread::park();
        }
    }

    fn begun(&self, seq: u32) -> &AtomicU64 {
        &self.begun[seq as usize % self.begun.len()]
    }

    fn nanos(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

fn read_all(stream: &mut TcpStream, flight: &Flight, writer: &thread::Thread) -> io::Result<Latencies> {
    let mut answers = Answers::new();
    let mut latencies = Latencies::default();
    let mut read = 0;
    while read < flight.sent_in_all.load(Ordering::SeqCst) {
        answers.receive(stream)?;
        let now = flight.nanos();
        let mut answered = 0;
        while let Some(seq) = answers.next()? {
            answered += 1;
            let latency = || Duration::from_nanos(now.saturating_sub(flight.begun(seq).load(Ordering::Relaxed)));
            latencies.count(seq % SAMPLED_EVERY == 0, latency);
        }
        read += answered as u64;
        let before = flight.in_flight.fetch_sub(answered, Ordering::SeqCst);
        if before > flight.low_water() && before - answered <= flight.low_water() {
            writer.unpark();
        }
    }
    Ok(latencies)
}

/// Writes signed quests.
pub struct Quests {
    template: Vec<u8>,
    sign: usize,
    salt: usize,
    ts: usize,
    /// The signed text. It begins with the project's id and secret, which stay the same.
    signed: Vec<u8>,
    secret_len: usize,
    next_seq: u32,
    next_salt: u64,
}

impl Quests {
    pub fn new(project: &Project) -> Quests {
        let mut frame = Vec::new();
        frame.extend_from_slice(b"FPNN\x01\x80\x01");
        frame.push(METHOD.len() as u8);
        frame.extend_from_slice(&[0; 4 + SEQ_LEN]);
        frame.extend_from_slice(METHOD.as_bytes());
        let payload = frame.len();
        // A map of five pairs. A number after 0xce has 32 bits, one after 0xcf has 64.
        frame.extend_from_slice(b"\x85\xa3pid\xce");
        frame.extend_from_slice(&project.pid.to_be_bytes());
        let sign = blank(&mut frame, b"\xa4sign\xd9\x20", 32);
        let salt = blank(&mut frame, b"\xa4salt\xcf", 8);
        let ts = blank(&mut frame, b"\xa2ts\xce", 4);
        frame.extend_from_slice(b"\xa3rid");
        frame.push(ROOM as u8);
        let payload_len = (frame.len() - payload) as u32;
        frame[8..12].copy_from_slice(&payload_len.to_le_bytes());
        let signed = format!("{}:{}:", project.pid, project.secret).into_bytes();
        let secret_len = signed.len();
        // Salts count up, as the library's do; the sign bit stays clear.
        let next_salt = fastrand::u64(..) >> 2;
        Quests { template: frame, sign, salt, ts, signed, secret_len, next_seq: 1, next_salt }
    }

    /// Appends one quest and says its sequence number.
    pub fn write(&mut self, frames: &mut Vec<u8>, ts: u32) -> u32 {
        let (seq, salt) = (self.next_seq, self.next_salt);
        self.next_seq = self.next_seq.wrapping_add(1);
        self.next_salt += 1;
        let start = frames.len();
        frames.extend_from_slice(&self.template);
        let frame = &mut frames[start..];
        frame[HEADER_LEN..HEADER_LEN + SEQ_LEN].copy_from_slice(&seq.to_le_bytes());
        frame[self.salt..self.salt + 8].copy_from_slice(&salt.to_be_bytes());
        frame[self.ts..self.ts + 4].copy_from_slice(&ts.to_be_bytes());
        let sign = self.sign(salt, ts);
        frame[self.sign..self.sign + 32].copy_from_slice(&sign);
        seq
    }

    fn sign(&mut self, salt: u64, ts: u32) -> [u8; 32] {
        let mut digits = itoa::Buffer::new();
        self.signed.truncate(self.secret_len);
        self.signed.extend_from_slice(digits.format(salt).as_bytes());
        self.signed.push(b':');
        self.signed.extend_from_slice(METHOD.as_bytes());
        self.signed.push(b':');
        self.signed.extend_from_slice(digits.format(ts).as_bytes());
        let mut hex = [0; 32];
        for (pair, byte) in hex.chunks_exact_mut(2).zip(Md5::digest(&self.signed)) {
            pair[0] = b"0123456789ABCDEF"[usize::from(byte >> 4)];
            pair[1] = b"0123456789ABCDEF"[usize::from(byte & 15)];
        }
        hex
    }
}

/// Reads answers.
pub struct Answers {
    buffer: Vec<u8>,
    start: usize,
    end: usize,
}

impl Answers {
    pub fn new() -> Answers {
        Answers { buffer: vec![0; CHUNK], start: 0, end: 0 }
    }

    /// The next answer, however long it takes.
    pub fn wait(&mut self, stream: &mut TcpStream) -> io::Result<u32> {
        loop {
            match self.next()? {
                Some(seq) => return Ok(seq),
                None => self.receive(stream)?,
            }
        }
    }

    /// Returns the sequence number of the next answer.
    fn next(&mut self) -> io::Result<Option<u32>> {
        let received = &self.buffer[self.start..self.end];
        let Some((header, rest)) = received.split_first_chunk::<{ HEADER_LEN + SEQ_LEN }>() else { return Ok(None) };
        let payload_len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        if rest.len() < payload_len {
            return Ok(None);
        }
        if header[..4] != *b"FPNN" || header[6] != 2 || header[7] != 0 {
            let text = String::from_utf8_lossy(&rest[..payload_len]);
            return Err(io::Error::other(format!("the gate refused a quest: {text}")));
        }
        self.start += header.len() + payload_len;
        Ok(Some(u32::from_le_bytes([header[12], header[13], header[14], header[15]])))
    }

    fn receive(&mut self, stream: &mut TcpStream) -> io::Result<()> {
        if self.start > 0 {
            self.buffer.copy_within(self.start..self.end, 0);
            self.end -= self.start;
            self.start = 0;
        }
        match stream.read(&mut self.buffer[self.end..])? {
            0 => Err(io::Error::other("the gate has closed the connection")),
            received => {
                self.end += received;
                Ok(())
            }
        }
    }
}

/// Appends a key and space for its value. Returns the position of the value.
fn blank(frame: &mut Vec<u8>, key: &[u8], len: usize) -> usize {
    frame.extend_from_slice(key);
    let start = frame.len();
    frame.resize(start + len, 0);
    start
}

pub fn unix_time() -> u32 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs() as u32
}
