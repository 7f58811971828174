//! One connection: its input and output, its handshake, its keep-alive. It knows neither how it was made nor who waits
//! for answers.

use std::time::Instant;

use super::calls::Sent;
use super::clock_check::server_time;
use super::handshake::Handshake;
use super::info::ConnectionInfo;
use super::keepalive::{Due, KeepAliveTimer};
use super::outbuf::OutBuffer;
use super::pushes::answer_quest;
use super::settings::Settings;
use crate::error::{CloseReason, ConnectCause, Error, ProtocolError};
use crate::fpnn::{Answer, Decoder, Frame, FrameWriter, Header, MethodName, Payload, Quest, patch_seq, read_answer};
use crate::rtm::PushMethod;
use crate::rtm::methods::read_nothing;

/// FPNN's own method, which every peer answers. The answer shows that the peer is alive.
const PING: MethodName<'static> = MethodName::literal("*ping");

/// How many unanswered pings are remembered. A server need not answer any of them.
const MOST_PINGS: usize = 8;
/// The memory of a frame up to this capacity is reused for the answer.
const LARGEST_SPARE: usize = 512;

/// One connection to the server. Never reused for another.
#[derive(Debug)]
pub(super) struct Connection {
    info: ConnectionInfo,
    since: Instant,
    decoder: Decoder,
    out: OutBuffer,
    handshake: Handshake,
    keep_alive: KeepAliveTimer,
    /// The sequence numbers of unanswered pings.
    pings: Vec<u32>,
    /// Whether the system accepted only part of the last write.
    is_blocked: bool,
    /// The sequence number of the `setlisten` in flight.
    listen_quest: Option<u32>,
    /// Whether the server has sent anything since the handshake.
    has_answered: bool,
}

/// The meaning of a received frame.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// The answer to a caller's quest.
    Answer(Answer<'a>),
    /// A quest of the server's own. It has been answered.
    Quest,
    /// A push with a well-formed header. It has been answered.
    Push(PushMethod, &'a [u8]),
    /// The answer to a `setlisten`.
    Listened(Result<(), Error>),
    /// The answer to this ping, with the server's time if it has one.
    Pong(u32, Option<i64>),
    /// The current step of the handshake is done.
    StepDone,
}

/// Why a connection ended.
#[derive(Debug)]
pub(super) enum Failure {
    /// It was closed or lost.
    Closed(CloseReason),
    /// Its handshake failed.
    Handshake(ConnectCause),
}

impl From<CloseReason> for Failure {
    fn from(reason: CloseReason) -> Failure {
        Failure::Closed(reason)
    }
}

impl From<ProtocolError> for Failure {
    fn from(error: ProtocolError) -> Failure {
        Failure::Closed(CloseReason::Protocol(error))
    }
}

impl Connection {
    pub(super) fn new(info: ConnectionInfo, settings: &Settings, now: Instant) -> Connection {
        Connection {
            info,
            since: now,
            decoder: Decoder::new(settings.max_payload),
            out: OutBuffer::default(),
            handshake: Handshake::new(settings),
            keep_alive: KeepAliveTimer::new(settings.keep_alive.clone(), now),
            pings: Vec::new(),
            is_blocked: false,
            listen_quest: None,
            has_answered: false,
        }
    }

    /// The description of the connection for hooks.
    pub(super) fn info(&self, now: Instant) -> ConnectionInfo {
        ConnectionInfo { lived: now.saturating_duration_since(self.since), ..self.info.clone() }
    }

    /// Whether the server has sent anything since the handshake.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Begins the handshake's next step, with a quest numbered `seq`. Returns false if there is none, which means that
    /// the connection is ready for calls.
    ///
    /// # Errors
    ///
    /// The step could not begin, so the connection must end.
    pub(super) fn begin_next_step(&mut self, seq: u32) -> Result<bool, ConnectCause> {
        self.handshake.begin_next(seq, &mut self.out, &mut self.decoder)
    }

    /// Whether the out-buffer accepts more calls.
    pub(super) fn has_room(&self) -> bool {
        self.out.has_room()
    }

    /// Adds a call's frame to the out-buffer, with this sequence number.
    pub(super) fn send(&mut self, seq: u32, mut frame: Vec<u8>) -> Sent {
        patch_seq(&mut frame, seq);
        log::trace!("quest {seq}: {}, {} bytes", Header::method_of_quest(&frame).escape_ascii(), frame.len());
        let (position, frame) = self.out.push(frame);
        let spare = if frame.capacity() <= LARGEST_SPARE { frame } else { Vec::new() };
        Sent { position, spare }
    }

    /// Adds a `setlisten` to the out-buffer. At most one is in flight.
    pub(super) fn send_listen(&mut self, seq: u32, mut frame: Vec<u8>) {
        patch_seq(&mut frame, seq);
        self.out.push(frame);
        self.listen_quest = Some(seq);
    }

    /// Forgets the `setlisten` in flight. Its answer would come too late.
    pub(super) fn forget_listen(&mut self) {
        self.listen_quest = None;
    }

    /// Whether any byte of the frame has been passed to the operating system.
    pub(super) fn has_left(&self, sent: &Sent) -> bool {
        self.out.has_left(sent.position)
    }

    /// Whether an unanswered quest of the connection's own uses this number.
    pub(super) fn uses_seq(&self, seq: u32) -> bool {
        self.pings.contains(&seq) || self.handshake.awaits(seq) || self.listen_quest == Some(seq)
    }

    /// Returns the space for the next read.
    pub(super) fn input(&mut self) -> &mut [u8] {
        self.decoder.space()
    }

    /// Handles `received` bytes that were read into [`input`](Connection::input).
    pub(super) fn handle_received(&mut self, now: Instant, received: usize) {
        self.keep_alive.record_activity(now);
        self.decoder.advance(received);
    }

    /// Postpones the next keep-alive ping, as if the server had sent something.
    pub(super) fn record_activity(&mut self, now: Instant) {
        self.keep_alive.record_activity(now);
    }

    /// Decodes the next frame. Returns `None` if more bytes are needed.
    ///
    /// # Errors
    ///
    /// The connection must end.
    pub(super) fn next_event(&mut self) -> Result<Option<Event<'_>>, Failure> {
        let Some(frame) = self.decoder.next_frame()? else { return Ok(None) };
        let is_of_handshake = matches!(&frame, Frame::Answer(answer) if self.handshake.awaits(answer.seq));
        self.has_answered |= !is_of_handshake;
        Ok(Some(match frame {
            Frame::Quest(quest) => handle_quest(&mut self.out, &quest)?,
            Frame::Answer(answer) if is_of_handshake => {
                self.handshake.handle_answer(answer).map_err(Failure::Handshake)?;
                Event::StepDone
            }
            Frame::Answer(answer) if self.listen_quest == Some(answer.seq) => {
                self.listen_quest = None;
                Event::Listened(listen_outcome(&answer))
            }
            Frame::Answer(answer) if forget(&mut self.pings, answer.seq) => {
                Event::Pong(answer.seq, server_time(&answer))
            }
            Frame::Answer(answer) => Event::Answer(answer),
        }))
    }

    /// Takes the payload of `len` bytes of the frame that [`next_event`](Connection::next_event) returned last. Reuses
    /// the memory of `spare` if the payload is small.
    pub(super) fn take_payload(&mut self, len: usize, spare: Vec<u8>) -> Payload {
        self.decoder.take_payload(len, spare)
    }

    /// The bytes to write next.
    pub(super) fn output(&self) -> &[u8] {
        self.out.unsent()
    }

    /// Handles that the first `written` bytes of [`output`](Connection::output) were written.
    pub(super) fn handle_written(&mut self, now: Instant, written: usize) {
        // The system had no room and has some now, so the server has read bytes and is alive. Bytes that the system
        // buffers at once prove nothing about the server.
        if self.is_blocked {
            self.keep_alive.record_activity(now);
        }
        self.is_blocked = written < self.output().len();
        self.out.consume(written);
    }

    /// Notes that the system currently accepts nothing of [`output`](Connection::output).
    pub(super) fn handle_write_blocked(&mut self) {
        self.is_blocked = true;
    }

    /// When the keep-alive next has something to do.
    pub(super) fn keep_alive_due_at(&self) -> Option<Instant> {
        self.keep_alive.due_at()
    }

    /// Sends a ping if one is due, with a number from `next_seq`.
    ///
    /// # Errors
    ///
    /// The server is dead.
    pub(super) fn check_alive(
        &mut self,
        now: Instant,
        next_seq: impl FnOnce(&Connection) -> u32,
    ) -> Result<(), CloseReason> {
        match self.keep_alive.check(now) {
            None => Ok(()),
            Some(Due::Ping) => {
                let seq = next_seq(self);
                self.send_ping(seq);
                Ok(())
            }
            Some(Due::Dead(silence)) => Err(CloseReason::KeepAlive(silence)),
        }
    }

    /// Sends a ping with the number `seq`.
    pub(super) fn send_ping(&mut self, seq: u32) {
        if self.pings.len() == MOST_PINGS {
            self.pings.remove(0);
        }
        self.pings.push(seq);
        self.out.push_with(|out| FrameWriter::two_way_quest(out, seq, PING).finish());
    }
}

/// Answers a quest of the server. A push whose parameters can be read is passed on.
fn handle_quest<'a>(out: &mut OutBuffer, quest: &Quest<'a>) -> Result<Event<'a>, ProtocolError> {
    let push = PushMethod::from_name(quest.method);
    answer_quest(out, quest, push)?;
    Ok(match push {
        Some(method) if method != PushMethod::Ping && quest.params().is_ok() => Event::Push(method, quest.payload),
        _ => Event::Quest,
    })
}

/// The server's verdict on a `setlisten`.
fn listen_outcome(answer: &Answer<'_>) -> Result<(), Error> {
    match read_answer(answer.status, answer.flag, answer.payload, read_nothing) {
        Ok(outcome) => outcome.map_err(Error::Answer),
        Err(error) => Err(Error::Decode(error.in_answer_to("setlisten".into()))),
    }
}

/// Removes `ping` from the pings. Returns whether it was there.
fn forget(pings: &mut Vec<u32>, ping: u32) -> bool {
    let at = pings.iter().position(|seq| *seq == ping);
    at.map(|at| pings.swap_remove(at)).is_some()
}
