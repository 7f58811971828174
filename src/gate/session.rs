//! One connection without its socket: takes received bytes, and produces the bytes of answers and pushes.

use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use super::clock::Now;
use super::failure::Violation;
use super::handshake::KEY_METHOD;
use super::outbox::Outbox;
use super::project::ConnectionId;
use super::service::{Reaction, Service};
use crate::fpnn::{Answer, Decoder, Frame, FrameWriter, Quest};

/// The largest packet, header and payload included: the reference server's default.
pub(super) const LARGEST_PACKET: usize = 8 * 1024 * 1024;
/// No more quests are executed while at least this many bytes wait for the peer to read them.
const ANSWERS_LIMIT: usize = 1024 * 1024;
/// The most bytes that may wait for a peer. A connection that falls further behind because of pushes is closed.
const OUTBOX_LIMIT: usize = 8 * 1024 * 1024;

/// Why [`Session::serve`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// Every complete packet received has been handled.
    All,
    /// The peer must read some answers first.
    OutputFull,
    /// An injected fault closes the connection.
    Disconnect,
}

/// The state of one connection: received bytes that are not a packet yet, and output that is not sent yet.
#[derive(Debug)]
pub(super) struct Session {
    id: ConnectionId,
    decoder: Decoder,
    outbox: Outbox,
    /// Whether nothing has been received yet. The first packet decides whether the session is encrypted.
    is_new: bool,
    pushes_sent: u32,
    /// Answers delayed by faults, the next one first.
    late: BinaryHeap<Reverse<LateAnswer>>,
}

/// An answer, ordered by the time when it must be sent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LateAnswer {
    send_at: Instant,
    frame: Vec<u8>,
}

impl Session {
    /// Creates the session of the connection `id`, without encryption.
    pub(super) fn new(id: ConnectionId) -> Session {
        Session {
            id,
            decoder: Decoder::with_max_frame(LARGEST_PACKET),
            outbox: Outbox::default(),
            is_new: true,
            pushes_sent: 0,
            late: BinaryHeap::new(),
        }
    }

    /// Space for received bytes; never empty.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.decoder.space()
    }

    /// Accepts `received` bytes that were read into [`space`](Session::space).
    pub(super) fn advance(&mut self, received: usize) {
        self.decoder.advance(received);
    }

    /// Executes the received quests and appends the answers to the output.
    ///
    /// # Errors
    ///
    /// The connection must be closed, after the answers to the quests before the violation have been sent.
    pub(super) fn serve(&mut self, service: &mut Service, now: Now) -> Result<Served, Violation> {
        self.outbox.drop_sent();
        self.send_late_answers(now.monotonic);
        while self.outbox.unsent().len() < ANSWERS_LIMIT {
            let Some(frame) = self.decoder.next_frame()? else { return Ok(Served::All) };
            let is_first = std::mem::take(&mut self.is_new);
            let quest = match frame {
                Frame::Quest(quest) => quest,
                Frame::Answer(answer) => {
                    accept_answer(&answer, self.pushes_sent, service);
                    continue;
                }
            };
            match check_turn(&quest, is_first, service)? {
                Turn::Call => match service.serve(&quest, self.id, now)? {
                    Reaction::Nothing => {}
                    Reaction::Answer(answer) => self.outbox.append(answer),
                    Reaction::AnswerLater(answer, delay) => {
                        let late = LateAnswer { send_at: now.in_future(delay), frame: answer.to_vec() };
                        self.late.push(Reverse(late));
                    }
                    Reaction::Disconnect => return Ok(Served::Disconnect),
                },
                Turn::KeyExchange { seq } => {
                    let (encryptor, decryptor) = service.handshake().accept(&quest)?;
                    self.decoder.set_decryptor(decryptor);
                    self.outbox.set_encryptor(encryptor);
                    self.outbox.append(&empty_answer(seq));
                }
            }
        }
        Ok(Served::OutputFull)
    }

    /// When the next delayed answer must be sent.
    pub(super) fn next_late_answer(&self) -> Option<Instant> {
        self.late.peek().map(|Reverse(late)| late.send_at)
    }

    /// Appends the delayed answers that are due.
    pub(super) fn send_late_answers(&mut self, now: Instant) {
        while self.next_late_answer().is_some_and(|send_at| send_at <= now) {
            if let Some(Reverse(late)) = self.late.pop() {
                self.outbox.append(&late.frame);
            }
        }
    }

    /// Whether everything has been sent.
    pub(super) fn is_all_sent(&self) -> bool {
        self.unsent().is_empty() && self.late.is_empty()
    }

    /// The bytes held for its peer: incomplete packets, and output that was not read yet.
    pub(super) fn held_bytes(&self) -> usize {
        self.decoder.buffered() + self.outbox.len()
    }

    /// Appends a push, with a sequence number of the gate's. Returns whether there was space for it.
    #[must_use]
    pub(super) fn push(&mut self, quest: &[u8]) -> bool {
        if self.outbox.unsent().len() + quest.len() > OUTBOX_LIMIT {
            return false;
        }
        self.pushes_sent = self.pushes_sent.wrapping_add(1);
        self.outbox.append_as(quest, self.pushes_sent);
        true
    }

    /// The bytes to send.
    pub(super) fn unsent(&self) -> &[u8] {
        self.outbox.unsent()
    }

    /// Marks the first `sent` bytes of [`unsent`](Session::unsent) as sent.
    pub(super) fn mark_sent(&mut self, sent: usize) {
        self.outbox.mark_sent(sent);
    }
}

/// The kind of a quest, which depends on its place in the session.
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

/// Counts the answer to a push, whatever it contains. Pushes are numbered from 1.
fn accept_answer(answer: &Answer<'_>, pushes_sent: u32, service: &Service) {
    if (1..=pushes_sent).contains(&answer.seq) {
        service.count_push_answer();
    } else {
        log::info!("ignored an answer with the sequence number {}, which no push had", answer.seq);
    }
}

fn empty_answer(seq: u32) -> Vec<u8> {
    let mut frame = Vec::new();
    FrameWriter::answer(&mut frame, seq, 0).finish();
    frame
}
