//! The floor: a plain socket that receives the same answers and sends the same quests.
//!
//! What makes it fast: it knows the length of an answer, and has the system write it to memory of that size that was
//! not cleared before. It sends a quest that was made once, with another number each time.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use rtm_server_sdk::fpnn::{FrameWriter, MethodName, patch_seq};

use super::large::TEXT_LEN;
use super::{Outcome, Peer, UPLOAD_LEN};

/// An answer's header, sequence number and empty map.
const SMALL_ANSWER: usize = 12 + 4 + 1;
/// What precedes the text: all that, the key, and the text's length.
const BEFORE_TEXT: usize = SMALL_ANSWER + 6 + 5;

pub struct Floor {
    stream: TcpStream,
    last_seq: u32,
    upload: Vec<u8>,
}

impl Floor {
    pub fn connect(address: SocketAddr) -> Outcome<Floor> {
        let stream = TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        let mut upload = Vec::new();
        let mut frame = FrameWriter::two_way_quest(&mut upload, 0, MethodName::literal("upload"));
        let _ = frame.params().bin("data", &vec![b'x'; UPLOAD_LEN]);
        frame.finish();
        Ok(Floor { stream, last_seq: 0, upload })
    }

    fn next_seq(&mut self) -> u32 {
        self.last_seq += 1;
        self.last_seq
    }

    fn ask(&mut self, method: &'static str) -> Outcome<()> {
        let mut quest = Vec::new();
        FrameWriter::two_way_quest(&mut quest, self.next_seq(), MethodName::literal(method)).finish();
        Ok(self.stream.write_all(&quest)?)
    }
}

impl Peer for Floor {
    fn prepare(&mut self) -> Outcome<()> {
        self.ask("addroommember")?;
        Ok(self.stream.read_exact(&mut [0; SMALL_ANSWER])?)
    }

    fn download(&mut self) -> Outcome<String> {
        self.ask("getroominfo")?;
        self.stream.read_exact(&mut [0; BEFORE_TEXT])?;
        let mut text = Vec::with_capacity(TEXT_LEN);
        (&self.stream).take(TEXT_LEN as u64).read_to_end(&mut text)?;
        Ok(String::from_utf8(text)?)
    }

    fn upload(&mut self) -> Outcome<()> {
        let seq = self.next_seq();
        patch_seq(&mut self.upload, seq);
        self.stream.write_all(&self.upload)?;
        Ok(self.stream.read_exact(&mut [0; SMALL_ANSWER])?)
    }
}
