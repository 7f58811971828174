//! One connection: its bytes in and out, its handshake, its keep-alive. It knows neither how it was made nor who waits for
//! its answers.

use std::time::Instant;

use super::calls::Sent;
use super::clock::server_time;
use super::handshake::Handshake;
use super::info::ConnectionInfo;
use super::keepalive::{Due, KeepAliveTimer};
use super::outbuf::OutBuffer;
use super::pushes::answer_quest;
use super::settings::Settings;
use crate::error::{CloseReason, ConnectCause, Error, ProtocolError};
use crate::fpnn::{Answer, Decoder, Frame, FrameWriter, Header, MethodName, Payload, patch_seq, read_answer};
use crate::rtm::PushMethod;
use crate::rtm::methods::read_nothing;

/// FPNN's own method that every peer answers: it shows that the peer is alive.
const PING: MethodName<'static> = MethodName::literal("*ping");

/// So many pings can wait for their answers; the oldest ones are forgotten. A server need not answer any of them.
const MOST_PINGS: usize = 8;
/// A frame of at most this capacity lends its memory to the answer.
const LARGEST_SPARE: usize = 512;

/// One connection to the server. A new connection is a new value.
#[derive(Debug)]
pub(super) struct Connection {
    info: ConnectionInfo,
    since: Instant,
    decoder: Decoder,
    out: OutBuffer,
    handshake: Handshake,
    keep_alive: KeepAliveTimer,
    /// The sequence numbers of the pings that wait for their answers.
    pings: Vec<u32>,
    /// The system did not take all bytes of the last write.
    is_blocked: bool,
    /// The sequence number of the `setlisten` that waits for its answer.
    listen_quest: Option<u32>,
    /// The server has sent something since the handshake.
    has_answered: bool,
}

/// What a received frame was.
#[derive(Debug)]
pub(super) enum Event<'a> {
    /// The answer to a quest that is not one of the connection's own.
    Answer(Answer<'a>),
    /// The server's own quest. It has its answer already.
    Quest,
    /// A push that can be read, as far as its header says. It has its answer already.
    Push(PushMethod, &'a [u8]),
    /// The answer to what the server was asked to push.
    Listened(Result<(), Error>),
    /// The answer to the ping of this number, with the server's time if it tells one.
    Pong(u32, Option<i64>),
    /// The handshake's step under way is done.
    StepDone,
}

/// Why a connection is over.
#[derive(Debug)]
pub(super) enum Failure {
    /// It ended.
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

    /// What the hooks are given about the connection.
    pub(super) fn info(&self, now: Instant) -> ConnectionInfo {
        ConnectionInfo { lived: now.saturating_duration_since(self.since), ..self.info.clone() }
    }

    /// Whether the server has sent anything since the handshake.
    pub(super) fn has_answered(&self) -> bool {
        self.has_answered
    }

    /// Begins the handshake's next step, with a quest of the number `seq`. Says whether there was one: if not, the
    /// connection is ready for calls.
    ///
    /// # Errors
    ///
    /// The step could not begin, which ends the connection.
    pub(super) fn begin_next_step(&mut self, seq: u32) -> Result<bool, ConnectCause> {
        self.handshake.begin_next(seq, &mut self.out, &mut self.decoder)
    }

    /// Whether the out-buffer takes more calls.
    pub(super) fn has_room(&self) -> bool {
        self.out.has_room()
    }

    /// Puts a call's frame into the out-buffer, under its number.
    pub(super) fn send(&mut self, seq: u32, mut frame: Vec<u8>) -> Sent {
        patch_seq(&mut frame, seq);
        log::trace!("quest {seq}: {}, {} bytes", Header::method_of_quest(&frame).escape_ascii(), frame.len());
        let (position, frame) = self.out.push(frame);
        let spare = if frame.capacity() <= LARGEST_SPARE { frame } else { Vec::new() };
        Sent { position, spare }
    }

    /// Puts the quest into the out-buffer that tells the server what to push. One is in flight at most.
    pub(super) fn send_listen(&mut self, seq: u32, mut frame: Vec<u8>) {
        patch_seq(&mut frame, seq);
        self.out.push(frame);
        self.listen_quest = Some(seq);
    }

    /// Whatever the answer to that quest says, it comes too late.
    pub(super) fn forget_listen(&mut self) {
        self.listen_quest = None;
    }

    /// Whether any byte of what was sent has gone to the operating system.
    pub(super) fn has_left(&self, sent: &Sent) -> bool {
        self.out.has_left(sent.position)
    }

    /// Whether a quest of the connection's own waits for its answer under this number.
    pub(super) fn uses_seq(&self, seq: u32) -> bool {
        self.pings.contains(&seq) || self.handshake.awaits(seq) || self.listen_quest == Some(seq)
    }

    /// Room for the next read.
    pub(super) fn input(&mut self) -> &mut [u8] {
        self.decoder.space()
    }

    /// The first `received` bytes of [`input`](Connection::input) were filled in.
    pub(super) fn handle_received(&mut self, now: Instant, received: usize) {
        self.keep_alive.record_activity(now);
        self.decoder.advance(received);
    }

    /// The server is not to be asked for a sign of life for now.
    pub(super) fn record_activity(&mut self, now: Instant) {
        self.keep_alive.record_activity(now);
    }

    /// What the next whole frame was, or `None` until more bytes came.
    ///
    /// # Errors
    ///
    /// The connection is over.
    pub(super) fn next_event(&mut self) -> Result<Option<Event<'_>>, Failure> {
        match self.decoder.next_frame()? {
            None => Ok(None),
            Some(Frame::Answer(answer)) if self.handshake.awaits(answer.seq) => {
                self.handshake.handle_answer(answer).map_err(Failure::Handshake)?;
                Ok(Some(Event::StepDone))
            }
            Some(frame) => {
                self.has_answered = true;
                match frame {
                    Frame::Quest(quest) => {
                        let push = PushMethod::from_name(quest.method);
                        answer_quest(&mut self.out, &quest, push)?;
                        Ok(Some(match push {
                            Some(method) if method != PushMethod::Ping && quest.params().is_ok() => {
                                Event::Push(method, quest.payload)
                            }
                            _ => Event::Quest,
                        }))
                    }
                    Frame::Answer(answer) if self.listen_quest == Some(answer.seq) => {
                        self.listen_quest = None;
                        let outcome = match read_answer(answer.status, answer.flag, answer.payload, read_nothing) {
                            Ok(outcome) => outcome.map_err(Error::Answer),
                            Err(error) => Err(Error::Decode(error.in_answer_to("setlisten".into()))),
                        };
                        Ok(Some(Event::Listened(outcome)))
                    }
                    Frame::Answer(answer) if forget(&mut self.pings, answer.seq) => {
                        Ok(Some(Event::Pong(answer.seq, server_time(&answer))))
                    }
                    Frame::Answer(answer) => Ok(Some(Event::Answer(answer))),
                }
            }
        }
    }

    /// Takes the payload, `len` bytes, of the frame that [`next_event`](Connection::next_event) gave last, into the memory of
    /// `spare` if it is small.
    pub(super) fn take_payload(&mut self, len: usize, spare: Vec<u8>) -> Payload {
        self.decoder.take_payload(len, spare)
    }

    /// What is to be written next.
    pub(super) fn output(&self) -> &[u8] {
        self.out.unsent()
    }

    /// The first `written` bytes of [`output`](Connection::output) have left.
    pub(super) fn handle_written(&mut self, now: Instant, written: usize) {
        // The system had no room, and has some now: the server has taken bytes, so that it is alive. Bytes that the system
        // takes at once say nothing of the server.
        if self.is_blocked {
            self.keep_alive.record_activity(now);
        }
        self.is_blocked = written < self.output().len();
        self.out.consume(written);
    }

    /// The system takes nothing of [`output`](Connection::output) for now.
    pub(super) fn handle_write_blocked(&mut self) {
        self.is_blocked = true;
    }

    /// When the keep-alive has something to do.
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

/// Takes `ping` out of the pings, and says whether it was one.
fn forget(pings: &mut Vec<u32>, ping: u32) -> bool {
    let at = pings.iter().position(|seq| *seq == ping);
    at.map(|at| pings.swap_remove(at)).is_some()
}
