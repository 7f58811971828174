//! One connection without its socket: received bytes go in, the bytes of answers and pushes come out.

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

/// The largest packet, from its header to the end of its payload: the reference server's default.
pub(super) const LARGEST_PACKET: usize = 8 * 1024 * 1024;
/// Once this many bytes wait for the peer to read them, no more of its quests are executed.
const ANSWERS_LIMIT: usize = 1024 * 1024;
/// The most bytes that wait for a peer: one that is behind by more pushes than this is closed.
const OUTBOX_LIMIT: usize = 8 * 1024 * 1024;

/// Why [`Session::serve`] stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Served {
    /// Every whole packet that was received has been dealt with.
    All,
    /// The peer must read some answers first.
    OutputFull,
    /// A fault was injected that closes the connection.
    Disconnect,
}

/// The state of one connection: the bytes before they are packets, and the packets before they are sent.
#[derive(Debug)]
pub(super) struct Session {
    id: ConnectionId,
    decoder: Decoder,
    outbox: Outbox,
    /// Nothing has come yet: the first packet decides whether the session is encrypted.
    is_new: bool,
    pushes_sent: u32,
    /// Answers that a fault holds back, the next one first.
    late: BinaryHeap<Reverse<LateAnswer>>,
}

/// An answer, by the time when it is to be sent.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
struct LateAnswer {
    send_at: Instant,
    frame: Vec<u8>,
}

impl Session {
    /// A plain session of the connection `id`.
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

    /// Room for received bytes; never empty.
    pub(super) fn space(&mut self) -> &mut [u8] {
        self.decoder.space()
    }

    /// The first `received` bytes of [`space`](Session::space) were filled in.
    pub(super) fn advance(&mut self, received: usize) {
        self.decoder.advance(received);
    }

    /// Executes what was received and appends the answers to the output.
    ///
    /// # Errors
    ///
    /// The connection is to be closed, once the answers to the quests before the broken one are sent.
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

    /// When the next late answer is to be sent.
    pub(super) fn next_late_answer(&self) -> Option<Instant> {
        self.late.peek().map(|Reverse(late)| late.send_at)
    }

    /// Appends the late answers that are due.
    pub(super) fn send_late_answers(&mut self, now: Instant) {
        while self.next_late_answer().is_some_and(|send_at| send_at <= now) {
            if let Some(Reverse(late)) = self.late.pop() {
                self.outbox.append(&late.frame);
            }
        }
    }

    /// Whether everything that was to be sent has been.
    pub(super) fn is_all_sent(&self) -> bool {
        self.unsent().is_empty() && self.late.is_empty()
    }

    /// The bytes that it holds for its peer: packets that are not whole, and what was not read yet.
    pub(super) fn held_bytes(&self) -> usize {
        self.decoder.buffered() + self.outbox.len()
    }

    /// Appends a push, under a sequence number of the gate's own. Gives whether there was room for it.
    #[must_use]
    pub(super) fn push(&mut self, quest: &[u8]) -> bool {
        if self.outbox.unsent().len() + quest.len() > OUTBOX_LIMIT {
            return false;
        }
        self.pushes_sent = self.pushes_sent.wrapping_add(1);
        self.outbox.append_as(quest, self.pushes_sent);
        true
    }

    /// What is to be sent.
    pub(super) fn unsent(&self) -> &[u8] {
        self.outbox.unsent()
    }

    /// The first `sent` bytes of [`unsent`](Session::unsent) were sent.
    pub(super) fn mark_sent(&mut self, sent: usize) {
        self.outbox.mark_sent(sent);
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

/// Pushes are numbered from 1 on. Whatever a peer answers to one, the gate is content.
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
