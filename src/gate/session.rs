//! One connection without its socket: received bytes go in, the answers' bytes come out.

use super::clock::Now;
use super::failure::Violation;
use super::handshake::KEY_METHOD;
use super::service::Service;
use crate::fpnn::{Decoder, Encryptor, Frame, FrameWriter, Quest};

/// The largest packet, from its header to the end of its payload: the reference server's default.
pub const LARGEST_PACKET: usize = 8 * 1024 * 1024;
/// Once this many bytes of answers wait for the peer to read them, no more of its quests are executed.
const OUTPUT_LIMIT: usize = 1024 * 1024;
/// An output buffer that was larger than this gives its memory back.
const KEPT_OUTPUT: usize = 256 * 1024;

/// Why [`Session::serve`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Served {
    /// Every whole packet that was received has been dealt with.
    All,
    /// The peer must read some answers first.
    OutputFull,
}

/// The state of one connection: the bytes before they are packets, and the answers before they are sent.
#[derive(Debug)]
pub struct Session {
    decoder: Decoder,
    /// Encrypts the answers.
    encryptor: Encryptor,
    /// Nothing has come yet: the first packet decides whether the session is encrypted.
    is_new: bool,
    out: Vec<u8>,
    sent: usize,
}

impl Session {
    /// A plain session.
    pub fn new() -> Session {
        Session {
            decoder: Decoder::with_max_frame(LARGEST_PACKET),
            encryptor: Encryptor::default(),
            is_new: true,
            out: Vec::new(),
            sent: 0,
        }
    }

    /// Room for received bytes; never empty.
    pub fn space(&mut self) -> &mut [u8] {
        self.decoder.space()
    }

    /// The first `received` bytes of [`space`](Session::space) were filled in.
    pub fn advance(&mut self, received: usize) {
        self.decoder.advance(received);
    }

    /// Executes what was received and appends the answers to the output.
    ///
    /// # Errors
    ///
    /// The connection is to be closed, once the answers to the quests before the broken one are sent.
    pub fn serve(&mut self, service: &mut Service, now: Now) -> Result<Served, Violation> {
        self.drop_sent();
        while self.out.len() < OUTPUT_LIMIT {
            let Some(frame) = self.decoder.next_frame()? else { return Ok(Served::All) };
            let is_first = std::mem::take(&mut self.is_new);
            let Frame::Quest(quest) = frame else {
                log::info!("an answer came, though the gate never asks: it is ignored");
                continue;
            };
            match check_turn(&quest, is_first, service)? {
                Turn::Call => {
                    append(&mut self.out, &mut self.encryptor, quest.seq, |out| service.serve(&quest, now, out))?
                }
                Turn::KeyExchange { seq } => {
                    let (encryptor, decryptor) = service.handshake().accept(&quest)?;
                    self.encryptor = encryptor;
                    self.decoder.set_decryptor(decryptor);
                    append(&mut self.out, &mut self.encryptor, Some(seq), |out| {
                        FrameWriter::answer(out, seq, 0, 0).finish();
                        Ok(())
                    })?;
                }
            }
        }
        Ok(Served::OutputFull)
    }

    /// What is to be sent.
    pub fn unsent(&self) -> &[u8] {
        &self.out[self.sent..]
    }

    /// The first `sent` bytes of [`unsent`](Session::unsent) were sent.
    pub fn mark_sent(&mut self, sent: usize) {
        self.sent += sent;
    }

    fn drop_sent(&mut self) {
        if self.sent == self.out.len() {
            self.out.clear();
            self.out.shrink_to(KEPT_OUTPUT);
        } else if self.sent > 0 {
            self.out.drain(..self.sent);
        }
        self.sent = 0;
    }
}

/// What a quest is, by its place in the session.
enum Turn {
    Call,
    KeyExchange { seq: u32 },
}

fn check_turn(quest: &Quest<'_>, is_first: bool, service: &Service) -> Result<Turn, Violation> {
    match (quest.method == KEY_METHOD, is_first, quest.seq) {
        (true, true, Some(seq)) => Ok(Turn::KeyExchange { seq }),
        (true, _, _) => Err(Violation::KeyExchange("it must be the connection's first packet, a two-way quest".into())),
        (false, true, _) if !service.handshake().allows_plain() => Err(Violation::NotEncrypted),
        (false, ..) => Ok(Turn::Call),
    }
}

/// Has `write` append one answer, and enciphers it. A one-way quest's answer is dropped.
fn append(
    out: &mut Vec<u8>,
    encryptor: &mut Encryptor,
    seq: Option<u32>,
    write: impl FnOnce(&mut Vec<u8>) -> Result<(), Violation>,
) -> Result<(), Violation> {
    let start = out.len();
    out.resize(start + encryptor.prefix_len(), 0);
    let written = write(out);
    if written.is_err() || seq.is_none() {
        out.truncate(start);
    } else {
        encryptor.encrypt(&mut out[start..]);
    }
    written
}
