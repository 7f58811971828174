//! Sends `setlisten`s and handles their answers, for the listeners and for the handshake.

use std::time::{Duration, Instant};

use super::{Decision, ListenerId, NewSubscription};
use crate::engine::backoff::doubled;
use crate::engine::connection::Connection;
use crate::engine::{Action, Engine, RawAnswer, State, Token};
use crate::error::{Error, Stage, TimeoutError};

/// The time limit of a `setlisten` while new listeners wait behind it. It doubles with each `setlisten` in a row that was
/// not granted: the server may need longer, and new listeners may come all the time.
const FIRST_LIMIT: Duration = Duration::from_secs(1);

impl<T: Token> Engine<T> {
    /// Handles a new listener. Like a call, it starts a connection, waits for one, or fails at once.
    pub fn handle_listen(&mut self, now: Instant, subscription: NewSubscription<T>) {
        let refusal = match self.connect_for_call(now) {
            Err(_) if subscription.wait_for_ready && !self.is_closed() => None,
            Ok(()) if subscription.deadline <= now => {
                Some(TimeoutError::new(self.stage(), subscription.timeout).into())
            }
            Ok(()) => None,
            Err(error) => Some(error),
        };
        match refusal {
            Some(error) => self.complete(subscription.token, Err(error)),
            None => self.add_subscription(now, subscription),
        }
    }

    fn add_subscription(&mut self, now: Instant, subscription: NewSubscription<T>) {
        let mut decisions = Vec::new();
        match self.subscriptions.add(subscription, &mut decisions) {
            Ok(()) => {
                self.tell(decisions);
                self.ask_to_listen(now);
            }
            Err((token, error)) => self.complete(token, Err(error.into())),
        }
    }

    /// Handles the end of a listener.
    pub fn handle_unlisten(&mut self, now: Instant, listener: ListenerId) {
        if let Some(token) = self.subscriptions.remove(listener) {
            self.complete(token, Err(Error::closed(false)));
        }
        self.ask_to_listen(now);
        if matches!(self.state, State::InHandshake(..)) && self.subscriptions.is_asking_for_nobody() {
            // Calls wait behind that `setlisten`.
            self.give_up_listen(now);
        }
    }

    /// Sends the quest of [`Action::AskToListen`], which the driver has signed.
    pub fn handle_listen_quest(&mut self, now: Instant, frame: Vec<u8>) {
        let seq = self.calls.next_seq(|seq| self.state.uses_seq(seq));
        if let Some(connection) = self.state.connection_mut() {
            self.listen_sent_at = Some(now);
            connection.send_listen(seq, frame);
        }
    }

    /// Requests the subscriptions after the handshake's other steps. Returns whether calls must wait for the answer.
    pub(in crate::engine) fn begin_listening(&mut self, now: Instant) -> bool {
        self.subscriptions.handle_connected();
        self.ask_to_listen(now);
        self.subscriptions.is_asking()
    }

    /// Requests the current union, if it has changed.
    pub(in crate::engine) fn ask_to_listen(&mut self, now: Instant) {
        let mut decisions = Vec::new();
        let request = self.subscriptions.next_request(now, &mut decisions);
        self.tell(decisions);
        self.actions.extend(request.map(Action::AskToListen));
    }

    /// Handles the answer to the `setlisten` in flight.
    pub(in crate::engine) fn handle_listen_answer(&mut self, now: Instant, outcome: Result<(), Error>) {
        self.listen_sent_at = None;
        let mut decisions = Vec::new();
        self.subscriptions.handle_answer(now, outcome, &mut decisions);
        self.tell(decisions);
        if matches!(self.state, State::InHandshake(..)) {
            self.become_ready(now);
        }
        self.ask_to_listen(now);
    }

    /// Gives up on listeners that have timed out, and on a `setlisten` that was not answered in time; that is sent
    /// again. During the handshake, the attempt to connect has its own deadline. The `setlisten` is then given up only
    /// if no listener waits for it any more, so that calls need not wait either.
    pub(in crate::engine) fn check_listening(&mut self, now: Instant) {
        let is_up_to_the_server = self.subscriptions.is_asking() || matches!(self.state, State::Ready(_));
        let stage = if is_up_to_the_server { Stage::WaitingForAnswer } else { self.stage() };
        let mut decisions = Vec::new();
        self.subscriptions.handle_timeout(now, stage, &mut decisions);
        let has_ended_some = !decisions.is_empty();
        if has_ended_some || self.subscriptions.ends_pause(now) {
            self.tell(decisions);
            self.ask_to_listen(now);
        }
        let is_late = self.listen_answer_due_at().is_some_and(|due| due <= now);
        if is_late || (has_ended_some && self.subscriptions.is_asking_for_nobody()) {
            self.give_up_listen(now);
        }
    }

    /// Gives up on the `setlisten` in flight, which was not answered.
    fn give_up_listen(&mut self, now: Instant) {
        self.state.connection_mut().into_iter().for_each(Connection::forget_listen);
        self.clock_check.forget_listen();
        let error = TimeoutError::new(Stage::WaitingForAnswer, self.settings.connect_timeout);
        self.handle_listen_answer(now, Err(error.into()));
    }

    /// When the `setlisten` in flight times out.
    fn listen_answer_due_at(&self) -> Option<Instant> {
        let sent_at = self.listen_sent_at.filter(|_| matches!(self.state, State::Ready(_)))?;
        let mut limit = self.settings.connect_timeout;
        if self.subscriptions.has_new_behind() {
            limit = doubled(FIRST_LIMIT, self.subscriptions.put_off, limit);
        }
        Some(sent_at + limit)
    }

    /// When [`check_listening`](Engine::check_listening) next has something to do.
    pub(in crate::engine) fn listening_due_at(&self) -> Option<Instant> {
        [self.subscriptions.next_due(), self.listen_answer_due_at()].into_iter().flatten().min()
    }

    /// Handles the loss of the connection and of everything granted on it.
    pub(in crate::engine) fn stop_listening(&mut self) {
        self.listen_sent_at = None;
        self.clock_check.forget_listen();
        self.subscriptions.handle_disconnected();
    }

    fn tell(&mut self, decisions: Vec<Decision<T>>) {
        let connection = self.subscriptions.connection();
        for decision in decisions {
            match decision {
                Decision::Granted(listener, token) => {
                    self.actions.push_back(Action::Granted { connection, listener });
                    if let Some(token) = token {
                        self.complete(token, Ok(RawAnswer::default()));
                    }
                }
                Decision::Refused(listener, error) => {
                    self.actions.push_back(Action::Refused { connection, listener, error });
                }
                Decision::Failed(token, error) => self.complete(token, Err(error)),
            }
        }
    }
}
