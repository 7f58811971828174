//! The I/O thread's loop: passes events and commands to the engine, and carries out its actions.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};

use super::busy_poll::{BusyPoll, WaitingFor};
use super::command::{Command, CommandQueue, CommandSender};
use super::resolve;
use super::socket::Socket;
use super::yielding::Yielding;
use crate::dispatch::{Completion, Event, Hooks, Job, Sampler, Shared};
use crate::engine::{Action, DialId, Engine, Outcome};
use crate::error::{Stage, SystemError};
use crate::rtm::methods::listen::SetListen;

/// The waker's token. Dials have tokens from 1 on.
pub(super) const WAKER: Token = Token(0);

const EVENTS: usize = 64;
/// How long a turn may take before it stops reading and writing. Otherwise a server that sends continuously, or a large
/// call, would delay commands and deadlines.
const IO_PER_TURN: Duration = Duration::from_micros(250);
/// How many callbacks are submitted together. With more, the first would wait for the last.
const CALLBACKS_TOGETHER: usize = 64;
/// How many commands a turn takes. Otherwise callers that call continuously would delay the socket.
const COMMANDS_PER_TURN: usize = 4096;

/// Creates a signed `setlisten` quest.
pub(crate) type SignListen = Box<dyn Fn(&SetListen) -> Vec<u8> + Send>;

/// The state of the I/O thread.
pub(super) struct Driver {
    pub poll: Poll,
    pub engine: Engine<Completion>,
    pub endpoint: Arc<str>,
    pub commands: CommandQueue,
    /// Cloned for threads that resolve names.
    pub sender: CommandSender,
    pub shared: Arc<Shared>,
    pub hooks: Arc<Hooks>,
    pub is_connected: Arc<AtomicBool>,
    pub sign_listen: SignListen,
    pub connection: Option<Socket>,
    pub dials: Vec<Socket>,
    pub published_stage: Stage,
    pub busy_poll: BusyPoll,
    pub sampler: Sampler,
    pub yielding: Yielding,
    /// Outcomes for waiting threads, collected while the engine's actions are carried out.
    pub replies: Vec<(Completion, Outcome)>,
    /// Callbacks to submit together.
    pub due_callbacks: Vec<Box<dyn Job>>,
    /// Whether bytes have arrived and none were sent since, which would have acknowledged them.
    pub owes_acknowledgement: bool,
}

impl Driver {
    /// Runs until the client is closed.
    pub(super) fn run(mut self) {
        let _guard = CloseGuard { shared: Arc::clone(&self.shared), is_connected: Arc::clone(&self.is_connected) };
        let mut events = Events::with_capacity(EVENTS);
        loop {
            let now = Instant::now();
            self.take_events(&events, now);
            self.read(now);
            let is_drained = self.take_commands(now);
            self.engine.handle_timeout(now);
            self.act(now);
            self.write(now);
            self.publish(now);
            if self.engine.is_closed() {
                break;
            }
            self.wait(&mut events, now, is_drained);
        }
        self.refuse_the_rest();
    }

    fn take_events(&mut self, events: &Events, now: Instant) {
        for event in events {
            match &mut self.connection {
                Some(socket) if socket.token() == event.token() => socket.note(event),
                _ => self.check_dial(event.token(), now),
            }
        }
    }

    /// Handles an event of a dial, which may have succeeded, failed, or neither.
    fn check_dial(&mut self, token: Token, now: Instant) {
        let Some(at) = self.dials.iter().position(|dial| dial.token() == token) else { return };
        match self.dials[at].check_connected() {
            Ok(None) => {}
            Ok(Some(peer)) => {
                let socket = self.dials.swap_remove(at);
                if self.engine.handle_dialed(now, token.0, peer) {
                    self.dials.clear();
                    self.connection = Some(socket);
                }
            }
            Err(error) => {
                self.dials.swap_remove(at);
                self.engine.handle_dial_failed(now, token.0, error);
            }
        }
        self.act(now);
    }

    fn read(&mut self, now: Instant) {
        loop {
            if self.shared.undelivered.must_pause() {
                return self.engine.handle_reading_paused(now);
            }
            let (Some(socket), Some(space)) = (&mut self.connection, self.engine.input()) else { return };
            match socket.read(space) {
                Ok(None) => return,
                Ok(Some(0)) => self.engine.handle_eof(now),
                Ok(Some(received)) => {
                    self.owes_acknowledgement = true;
                    self.engine.handle_received(now, received);
                }
                Err(error) => self.engine.handle_io_error(now, error),
            }
            self.act(now);
            self.shared.listeners.wake_touched();
            if now.elapsed() >= IO_PER_TURN {
                return;
            }
        }
    }

    fn write(&mut self, now: Instant) {
        while let (Some(socket), Some(bytes)) = (&mut self.connection, self.engine.output()) {
            match socket.write(bytes) {
                Ok(None) => return self.engine.handle_write_blocked(),
                Ok(Some(0)) => self.engine.handle_io_error(now, io::ErrorKind::WriteZero.into()),
                Ok(Some(written)) => {
                    self.owes_acknowledgement = false;
                    self.engine.handle_written(now, written);
                }
                Err(error) => self.engine.handle_io_error(now, error),
            }
            self.act(now);
            if now.elapsed() >= IO_PER_TURN {
                return;
            }
        }
    }

    /// Takes commands from the queue. Returns whether it is empty.
    fn take_commands(&mut self, now: Instant) -> bool {
        for _ in 0..COMMANDS_PER_TURN {
            match self.commands.next() {
                None => return true,
                Some(Command::Call(call)) => self.engine.handle_call(now, call),
                Some(Command::SetMaxRate(rate)) => self.engine.handle_max_rate(now, rate),
                Some(Command::Connect(completion)) => self.engine.handle_connect(now, completion),
                Some(Command::Listen(subscription)) => self.engine.handle_listen(now, subscription),
                Some(Command::Unlisten(listener)) => self.engine.handle_unlisten(now, listener),
                Some(Command::Resolved { attempt, result }) => self.engine.handle_resolved(now, attempt, result),
                Some(Command::Close) => self.engine.handle_close(now),
            }
        }
        false
    }

    /// Carries out the engine's actions.
    fn act(&mut self, now: Instant) {
        while let Some(action) = self.engine.next_action() {
            // Keep the order: earlier callbacks are submitted before this action.
            if !matches!(action, Action::Complete(..)) || self.due_callbacks.len() == CALLBACKS_TOGETHER {
                self.shared.callbacks.submit_all(&mut self.due_callbacks);
            }
            self.act_on(action, now);
        }
        self.shared.callbacks.submit_all(&mut self.due_callbacks);
        // Last to first: a thread with several calls waits for the oldest. If that outcome came first, the thread would
        // wake, perhaps take this thread's processor, and sleep again for the next outcome.
        while let Some((completion, outcome)) = self.replies.pop() {
            completion.complete(outcome);
        }
    }

    fn act_on(&mut self, action: Action<Completion>, now: Instant) {
        match action {
            Action::Complete(completion, outcome) => {
                self.yielding.record_completed();
                if completion.goes_to_a_thread() {
                    self.replies.push((completion, outcome));
                } else {
                    completion.complete_with(outcome, &mut self.due_callbacks);
                }
            }
            Action::Resolve(attempt) => self.resolve(attempt, now),
            Action::Dial(dial, address) => match Socket::dial(address, Token(dial), self.poll.registry()) {
                Ok(socket) => self.dials.push(socket),
                Err(error) => self.engine.handle_dial_failed(now, dial as DialId, error),
            },
            Action::Disconnect => {
                // Before any call learns that the connection ended.
                self.is_connected.store(false, Ordering::Release);
                self.connection = None;
                self.dials.clear();
                self.shared.listeners.handle_disconnected();
            }
            Action::Opened(info) => {
                self.is_connected.store(true, Ordering::Release);
                self.hooks.tell(Event::Opened(info), &self.shared.callbacks);
            }
            Action::Ended(info, error) => self.hooks.tell(Event::Ended(info, error), &self.shared.callbacks),
            Action::AskToListen(listen) => {
                let frame = (self.sign_listen)(&listen);
                self.engine.handle_listen_quest(now, frame);
            }
            Action::CompareClocks { server_ms } => {
                let was_off = self.shared.clock.correct(server_ms);
                // Not `now`: calls that begin after this time are signed with the corrected clock.
                self.engine.handle_clocks_compared(Instant::now(), was_off);
            }
            Action::Granted { connection, listener } => {
                self.shared.listeners.handle_granted(connection, listener);
            }
            Action::Refused { connection, listener, error } => {
                self.shared.listeners.handle_refused(connection, listener, &error);
            }
            Action::Pushed { connection, pushes } => self.shared.listeners.route(connection, &pushes, now),
        }
    }

    fn resolve(&mut self, attempt: u64, now: Instant) {
        if let Some(address) = resolve::literal(&self.endpoint) {
            return self.engine.handle_resolved(now, attempt, Ok(vec![address]));
        }
        let sender = self.sender.clone();
        let deliver = move |result| {
            // If the client has been closed, the result is ignored.
            let _ = sender.send(Command::Resolved { attempt, result });
        };
        if let Err(error) = resolve::in_background(Arc::clone(&self.endpoint), deliver) {
            self.engine.handle_resolved(now, attempt, Err(error));
        }
    }

    /// Publishes what callers need to know.
    fn publish(&mut self, now: Instant) {
        self.shared.listeners.wake_touched();
        let stage = self.engine.stage();
        if stage != self.published_stage {
            self.published_stage = stage;
            *self.shared.state.unsent_stage.lock() = stage;
        }
        match self.engine.take_released() {
            0 => {}
            bytes => self.shared.state.permits.release_bytes(bytes),
        }
        self.sampler.publish(now, &self.shared, self.is_connected.load(Ordering::Acquire));
    }

    /// Waits for events and commands, unless there is more to do already.
    fn wait(&mut self, events: &mut Events, now: Instant, is_drained: bool) {
        let polled = if is_drained && !self.has_input() && !self.has_output() {
            self.poll_or_sleep(events)
        } else {
            self.yielding.yield_to_completed();
            self.poll.poll(events, Some(Duration::ZERO))
        };
        self.yielding.record_wait();
        if let Err(error) = polled {
            events.clear();
            if error.kind() != io::ErrorKind::Interrupted {
                log::error!("the client cannot continue: polling failed: {error}");
                self.engine.handle_failure(now, SystemError::new("polling", error));
                self.act(now);
            }
        }
    }

    fn poll_or_sleep(&mut self, events: &mut Events) -> io::Result<()> {
        let what = if self.engine.has_calls() { WaitingFor::Answers } else { WaitingFor::Commands };
        match self.busy_poll.time_to_poll(what, self.yielding.calls_under_way(self.engine.in_flight())) {
            Some(limit) => {
                let until = Instant::now() + limit;
                let until = self.next_due().map_or(until, |due| due.min(until));
                let has_found = self.poll_until(until, events)?;
                // Work that arrived late did not justify the poll, because this thread shares its processor.
                self.busy_poll.record_poll(what, has_found && Instant::now() <= until);
                if has_found { Ok(()) } else { self.sleep(events) }
            }
            None => {
                self.yielding.yield_to_callers(self.engine.in_flight());
                let began = self.busy_poll.is_on().then(Instant::now);
                let slept = self.sleep(events);
                began.into_iter().for_each(|began| self.busy_poll.record_sleep(what, began.elapsed()));
                slept
            }
        }
    }

    /// The time of the next turn, if no event or command comes first.
    fn next_due(&mut self) -> Option<Instant> {
        [self.engine.next_due(), self.sampler.next_due()].into_iter().flatten().min()
    }

    /// Looks for events and commands repeatedly until `until`. Returns whether there are any.
    fn poll_until(&mut self, until: Instant, events: &mut Events) -> io::Result<bool> {
        loop {
            self.yielding.yield_to_callers(self.engine.in_flight());
            if !self.commands.is_empty() {
                events.clear();
                return Ok(true);
            }
            self.poll.poll(events, Some(Duration::ZERO))?;
            if !events.is_empty() {
                return Ok(true);
            }
            if Instant::now() >= until {
                return Ok(false);
            }
        }
    }

    fn sleep(&mut self, events: &mut Events) -> io::Result<()> {
        let may_sleep = self.commands.fall_asleep() && !self.has_input();
        let timeout = if may_sleep {
            self.acknowledge();
            // The turn may have taken long, so read the clock again.
            self.next_due().map(|due| due.saturating_duration_since(Instant::now()))
        } else {
            Some(Duration::ZERO)
        };
        let polled = self.poll.poll(events, timeout);
        self.commands.wake_up();
        polled
    }

    /// With Nagle's algorithm, the server holds back small answers until the last segment is acknowledged. The system
    /// delays the acknowledgement while we send nothing. So acknowledge before a sleep if answers are still due.
    fn acknowledge(&mut self) {
        if std::mem::take(&mut self.owes_acknowledgement) && self.engine.has_calls() {
            self.connection.iter().for_each(Socket::acknowledge);
        }
    }

    /// Whether a read may find something and reading is not paused.
    fn has_input(&self) -> bool {
        self.connection.as_ref().is_some_and(Socket::is_readable) && !self.shared.undelivered.must_pause()
    }

    /// Whether there is something to write and the system may accept it.
    fn has_output(&self) -> bool {
        self.connection.as_ref().is_some_and(Socket::is_writable) && self.engine.output().is_some()
    }

    /// Handles the commands left in the queue, which fail because the client is closed.
    fn refuse_the_rest(mut self) {
        let now = Instant::now();
        self.shared.state.permits.close();
        while !self.take_commands(now) {}
        self.act(now);
        self.publish(now);
        self.sampler.finish(&self.shared);
        self.hooks.retire(&self.shared.callbacks);
    }
}

/// However the thread ends, marks the client as closed and disconnected, so that no caller waits for room.
struct CloseGuard {
    shared: Arc<Shared>,
    is_connected: Arc<AtomicBool>,
}

impl Drop for CloseGuard {
    fn drop(&mut self) {
        self.shared.state.permits.close();
        self.shared.listeners.close();
        self.is_connected.store(false, Ordering::Release);
    }
}
