//! What goes over a connection that is there: calls out, answers in, and the server's own quests.

use std::time::Instant;

use super::inflight::{InFlight, Progress};
use super::keepalive::Due;
use super::link::{Link, answer_quest};
use super::state::State;
use super::{Engine, NewCall, RawAnswer};
use crate::error::{CloseReason, ConnectCause, Error, Stage, TimeoutError};
use crate::fpnn::{Answer, Frame, patch_seq, read_answer};

/// A frame of at most this capacity lends its memory to the answer.
const LARGEST_SPARE: usize = 512;
/// Below this size, numbers of expired calls are not worth clearing out of the queue.
const WORTH_CLEARING: usize = 1024;

impl<T> Engine<T> {
    /// A call comes in. It makes a connection, where that is allowed, or ends at once.
    pub fn handle_call(&mut self, now: Instant, call: NewCall<T>) {
        let NewCall { frame, deadline, timeout, token } = call;
        let refusal = match self.connect_for_call(now) {
            Ok(()) if deadline <= now => Some(Error::Timeout(TimeoutError::new(self.stage(), timeout))),
            Ok(()) => None,
            Err(error) => Some(error),
        };
        if let Some(error) = refusal {
            self.released += frame.len();
            return self.complete(token, Err(error));
        }
        let pings = self.link.as_ref().map_or(&[][..], |link| &link.pings);
        let seq = self.calls.next_seq(pings);
        let may_overtake_nobody = self.is_online() && self.queue.is_empty();
        let goes_now = may_overtake_nobody && self.link.as_mut().is_some_and(Link::has_room);
        let progress = match &mut self.link {
            Some(link) if goes_now => {
                self.released += frame.len();
                self.counters.sent.increment();
                send(link, seq, frame)
            }
            _ => {
                self.queue.push_back(seq);
                Progress::Queued(frame)
            }
        };
        self.calls.insert(seq, InFlight { token, deadline, timeout, progress });
    }

    /// Room for the next read, while there is a connection.
    pub fn input(&mut self) -> Option<&mut [u8]> {
        self.link.as_mut().map(|link| link.decoder.space())
    }

    /// The first `received` bytes of [`input`](Engine::input) were filled in.
    pub fn handle_received(&mut self, now: Instant, received: usize) {
        let Some(link) = &mut self.link else { return };
        self.counters.bytes_in.add(received as u64);
        link.silence.broken(now);
        link.decoder.advance(received);
        if let Err(reason) = self.handle_frames(now) {
            self.lose_link(now, reason);
        }
    }

    /// What is to be written, while there is a connection and anything to write.
    pub fn output(&self) -> Option<&[u8]> {
        self.link.as_ref().map(|link| link.out.unsent()).filter(|unsent| !unsent.is_empty())
    }

    /// The first `written` bytes of [`output`](Engine::output) have left.
    pub fn handle_written(&mut self, written: usize) {
        let Some(link) = &mut self.link else { return };
        self.counters.bytes_out.add(written as u64);
        link.out.consume(written);
        self.pump();
    }

    /// Does what is due by now.
    pub fn handle_timeout(&mut self, now: Instant) {
        while let Some(call) = self.calls.pop_expired(now) {
            let stage = if call.is_sent() { Stage::WaitingForAnswer } else { self.stage() };
            let error = Error::Timeout(TimeoutError::new(stage, call.timeout));
            self.finish(call, Err(error));
        }
        self.forget_expired();
        self.handle_state_timeout(now);
        if matches!(self.state, State::Online) {
            self.keep_alive(now);
        }
    }

    /// Moves calls from the queue to the out-buffer, as far as it has room.
    pub(super) fn pump(&mut self) {
        let Some(link) = &mut self.link else { return };
        if !matches!(self.state, State::Online) {
            return;
        }
        while !self.queue.is_empty() && link.has_room() {
            let Some(seq) = self.queue.pop_front() else { return };
            let Some(call) = self.calls.get_mut(seq) else { continue };
            if let Progress::Queued(frame) = &mut call.progress {
                let frame = std::mem::take(frame);
                self.released += frame.len();
                self.counters.sent.increment();
                call.progress = send(link, seq, frame);
            }
        }
    }

    /// Behind a server that does not read, calls expire in the queue. Their numbers must not pile up there.
    fn forget_expired(&mut self) {
        if self.queue.len() > WORTH_CLEARING + 2 * self.calls.len() {
            let calls = &self.calls;
            self.queue.retain(|seq| calls.contains(*seq));
        }
    }

    /// Handles every whole frame that has come.
    fn handle_frames(&mut self, now: Instant) -> Result<(), CloseReason> {
        loop {
            let Some(link) = &mut self.link else { return Ok(()) };
            match link.decoder.next_frame()? {
                None => return Ok(()),
                Some(Frame::Quest(quest)) => {
                    self.counters.quests_from_server.increment();
                    answer_quest(&mut link.out, &quest)?;
                }
                Some(Frame::Answer(answer)) => {
                    if let Some(call) = self.calls.remove_sent(answer.seq) {
                        let InFlight { token, progress, .. } = call;
                        self.actions.push_back(super::Action::Complete(token, Ok(raw_answer(answer, progress))));
                    } else if matches!(self.state, State::Keying { seq, .. } if seq == answer.seq) {
                        let outcome = read_answer(answer.status, answer.flag, answer.payload, |_| Ok(()));
                        self.handle_key_answer(now, outcome);
                    } else if let Some(at) = link.pings.iter().position(|ping| *ping == answer.seq) {
                        link.pings.swap_remove(at);
                    } else {
                        self.counters.late_answers.increment();
                        log::debug!("dropped the answer to quest {}, which nobody waits for", answer.seq);
                    }
                }
            }
        }
    }

    fn handle_key_answer(&mut self, now: Instant, outcome: Result<(), Error>) {
        match outcome {
            Ok(()) => self.go_online(),
            Err(Error::Answer(error)) => self.fail_connecting(now, ConnectCause::KeyRefused(error)),
            // An answer that was deciphered with the wrong key has a payload that makes no sense, whatever it is.
            Err(_) => self.fail_connecting(now, ConnectCause::KeyUnreadable),
        }
    }

    fn keep_alive(&mut self, now: Instant) {
        let Some(link) = &mut self.link else { return };
        match link.silence.check(now) {
            None => {}
            Some(Due::Ping) => {
                let seq = self.calls.next_seq(&link.pings);
                link.send_ping(seq);
            }
            Some(Due::Dead(silence)) => self.lose_link(now, CloseReason::KeepAlive(silence)),
        }
    }
}

/// Puts a call's frame into the out-buffer.
fn send(link: &mut Link, seq: u32, mut frame: Vec<u8>) -> Progress {
    patch_seq(&mut frame, seq);
    let position = link.out.push(&frame);
    log::trace!("quest {seq}: {} bytes at {position}", frame.len());
    let spare = if frame.capacity() <= LARGEST_SPARE { frame } else { Vec::new() };
    Progress::Sent { position, spare }
}

/// Takes an answer out of the decoder's buffer: its one copy.
fn raw_answer(answer: Answer<'_>, progress: Progress) -> RawAnswer {
    let mut payload = match progress {
        Progress::Sent { spare, .. } => spare,
        Progress::Queued(_) => Vec::new(),
    };
    payload.clear();
    payload.extend_from_slice(answer.payload);
    RawAnswer { status: answer.status, flag: answer.flag, payload }
}
