//! The floor: a plain socket that reads the same pushes and answers each, and does nothing else.

use std::io::{Read, Write};
use std::net::TcpStream;

use super::Outcome;
use super::measure::{Sample, Stopwatch, Times, Ways};
use super::server::{frame_len, header};

/// Where a push's time stands in its frame: behind the header, the method, and the keys before it.
const MTIME_BEFORE_END: usize = 8 + "_msg__".len() + 32 + "_attrs_".len();

/// Receives `pushes` pushes.
pub fn receive(endpoint: &str, pushes: u32, times: Times) -> Outcome<Sample> {
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
            // The first is the answer to `setlisten`.
            if frame[6] == 1 {
                watch.get_or_insert_with(Stopwatch::start);
                answers.extend_from_slice(b"FPNN\x01\x80\x02\x00\x01\x00\x00\x00");
                answers.extend_from_slice(&frame[12..16]);
                answers.push(0x80);
                let mtime = &frame[len - MTIME_BEFORE_END..][..8];
                ways.record(i64::from_be_bytes(mtime.try_into()?));
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
