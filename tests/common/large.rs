//! A server of large answers and for large quests. It runs in its own process and shares no memory with the client, so
//! neither waits for the other's pages.
//!
//! | quest | what the server does |
//! | --- | --- |
//! | `addroommember` | makes the large answer to the next quest, then answers |
//! | `getroominfo` | sends the answer that it has made: enciphering it takes none of the time that is measured |
//! | `isbanofroom` | nothing |
//! | any other | answers, with no results |
#![allow(clippy::unwrap_used)]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::process::{Child, Command, Stdio};
use std::thread;

use rtm_server_sdk::fpnn::{Curve, Decoder, Decryptor, Encryptor, Frame, FrameWriter, Quest, ServerKey};
use rtm_server_sdk::{CipherMode, Encryption};

/// How long the text in a large answer is.
pub const TEXT_LEN: usize = 60 * 1024 * 1024;
/// Holds the server's private key, in the server's process.
const KEY: &str = "RTM_TEST_LARGE_SERVER_KEY";
const GREETING: &str = "large answers from ";
/// How much one write hands over. During a longer one, some systems let nothing else use the processor.
const PIECE: usize = 64 * 1024;

/// The server's process. It ends with this value.
pub struct LargeServer {
    child: Child,
    address: SocketAddr,
    encryption: Encryption,
}

impl LargeServer {
    /// Starts this program once more, with arguments that make it call [`serve_if_asked`].
    pub fn start(arguments: &[&str]) -> LargeServer {
        let key = ServerKey::generate(Curve::Secp256k1).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(arguments).env(KEY, &**key.to_pem().unwrap());
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
        let address = lines.find_map(|line| line.strip_prefix(GREETING)?.parse().ok()).unwrap();
        let encryption = Encryption::from_pem(key.public_pem().unwrap().as_bytes()).unwrap();
        LargeServer { child, address, encryption }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn encryption(&self, mode: CipherMode) -> Encryption {
        self.encryption.clone().mode(mode)
    }
}

impl Drop for LargeServer {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Serves until the process is ended, if it was started by [`LargeServer::start`].
pub fn serve_if_asked() {
    let Ok(key) = std::env::var(KEY) else { return };
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    // The output of a test does not end with a line break.
    println!("\n{GREETING}{}", listener.local_addr().unwrap());
    for stream in listener.incoming() {
        let mut connection = Connection::new(stream.unwrap(), &key);
        thread::spawn(move || connection.serve());
    }
}

struct Connection {
    stream: TcpStream,
    key: ServerKey,
    encryptor: Encryptor,
    /// Creates the answer to the quest numbered `large_seq`, ready to be sent.
    large: Vec<u8>,
    large_seq: u32,
}

impl Connection {
    fn new(stream: TcpStream, key_pem: &str) -> Connection {
        stream.set_nodelay(true).unwrap();
        let key = ServerKey::from_pem(key_pem.as_bytes()).unwrap();
        Connection { stream, key, encryptor: Encryptor::default(), large: Vec::new(), large_seq: 0 }
    }

    fn serve(&mut self) {
        let mut decoder = Decoder::new(2 * TEXT_LEN);
        loop {
            match self.stream.read(decoder.space()) {
                // The end of a connection is not an error here; the client is what is tested.
                Ok(0) | Err(_) => return,
                Ok(received) => decoder.advance(received),
            }
            loop {
                let new_decryptor = match decoder.next_frame().unwrap() {
                    None => break,
                    Some(Frame::Quest(quest)) => self.answer(&quest),
                    Some(Frame::Answer(_)) => None,
                };
                new_decryptor.into_iter().for_each(|decryptor| decoder.set_decryptor(decryptor));
            }
        }
    }

    fn answer(&mut self, quest: &Quest<'_>) -> Option<Decryptor> {
        let seq = quest.seq.unwrap();
        let mut small = Vec::new();
        match quest.method {
            b"isbanofroom" => {}
            b"getroominfo" => {
                assert_eq!(seq, self.large_seq, "the large answer was made for another quest");
                self.send(&self.large);
            }
            b"*key" => {
                let (encryptor, decryptor) = accept(&self.key, quest);
                self.encryptor = encryptor;
                self.write_answer(&mut small, seq, None);
                self.send(&small);
                return Some(decryptor);
            }
            method => {
                self.write_answer(&mut small, seq, None);
                if method == b"addroommember" {
                    let mut large = std::mem::take(&mut self.large);
                    large.clear();
                    self.large_seq = seq.wrapping_add(1);
                    self.write_answer(&mut large, self.large_seq, Some(&"x".repeat(TEXT_LEN)));
                    self.large = large;
                }
                self.send(&small);
            }
        }
        None
    }

    fn write_answer(&mut self, out: &mut Vec<u8>, seq: u32, oinfo: Option<&str>) {
        out.resize(self.encryptor.prefix_len(), 0);
        let mut frame = FrameWriter::answer(out, seq, 0);
        let _ = frame.params().optional_str("oinfo", oinfo);
        frame.finish();
        self.encryptor.encrypt(out);
    }

    fn send(&self, bytes: &[u8]) {
        // If the client is gone, the next read shows it.
        let _ = bytes.chunks(PIECE).try_for_each(|piece| (&self.stream).write_all(piece));
    }
}

fn accept(key: &ServerKey, quest: &Quest<'_>) -> (Encryptor, Decryptor) {
    let mut reader = quest.params().unwrap();
    let (mut point, mut stream_mode, mut bits) = (Vec::new(), false, 0);
    while let Some(key) = reader.next_key().unwrap() {
        match key {
            b"publicKey" => point = reader.bytes("publicKey").unwrap().to_vec(),
            b"streamMode" => stream_mode = reader.bool("streamMode").unwrap(),
            b"bits" => bits = reader.int("bits").unwrap(),
            _ => reader.skip().unwrap(),
        }
    }
    key.accept(&point, stream_mode, bits).unwrap()
}
