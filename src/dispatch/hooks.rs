//! The user's hooks for connections made and ended. They run one at a time, in the order of events, on callback
//! threads.

use std::collections::VecDeque;
use std::sync::Arc;

use parking_lot::Mutex;

use super::callback_threads::{Callbacks, contained};
use crate::engine::ConnectionInfo;
use crate::error::Error;

/// `ClientBuilder::on_connected`.
pub(crate) type OnConnected = Box<dyn Fn(&ConnectionInfo) + Send + Sync>;
/// `ClientBuilder::on_closed`.
pub(crate) type OnClosed = Box<dyn Fn(&ConnectionInfo, Option<&Error>) + Send + Sync>;

/// A change of the connection.
pub(crate) enum Event {
    Opened(ConnectionInfo),
    Ended(ConnectionInfo, Option<Error>),
}

/// Both hooks, and the events that wait for them.
pub(crate) struct Hooks {
    on_connected: Option<OnConnected>,
    on_closed: Option<OnClosed>,
    waiting: Mutex<Waiting>,
}

#[derive(Default)]
struct Waiting {
    events: VecDeque<Event>,
    /// Whether a job that runs the hooks is scheduled. There must be only one, even with several callback threads.
    is_running: bool,
}

impl Hooks {
    pub(crate) fn new(on_connected: Option<OnConnected>, on_closed: Option<OnClosed>) -> Hooks {
        Hooks { on_connected, on_closed, waiting: Mutex::default() }
    }

    /// Queues the hooks of the event. Never blocks, and never runs the user's code.
    pub(crate) fn tell(self: &Arc<Hooks>, event: Event, callbacks: &Callbacks) {
        let wanted = match event {
            Event::Opened(_) => self.on_connected.is_some(),
            Event::Ended(..) => self.on_closed.is_some(),
        };
        if !wanted {
            return;
        }
        let mut waiting = self.waiting.lock();
        waiting.events.push_back(event);
        let must_start = !std::mem::replace(&mut waiting.is_running, true);
        drop(waiting);
        if must_start {
            let hooks = Arc::clone(self);
            callbacks.submit(Box::new(move || {
                hooks.run_waiting();
                hooks.drop_contained();
            }));
        }
    }

    /// Drops the hooks on a callback thread, because they may have captured anything, including a client.
    pub(crate) fn retire(self: Arc<Hooks>, callbacks: &Callbacks) {
        callbacks.submit(Box::new(move || self.drop_contained()));
    }

    /// Drops the hooks. This runs the user's code, because it drops what they captured.
    fn drop_contained(self: Arc<Hooks>) {
        contained("dropping a connection hook", || drop(self));
    }

    /// Runs the hooks for every waiting event.
    fn run_waiting(&self) {
        while let Some(event) = self.next_event() {
            contained("a connection hook", || self.run(&event));
        }
    }

    fn next_event(&self) -> Option<Event> {
        let mut waiting = self.waiting.lock();
        let event = waiting.events.pop_front();
        waiting.is_running = event.is_some();
        event
    }

    fn run(&self, event: &Event) {
        match event {
            Event::Opened(info) => self.on_connected.iter().for_each(|hook| hook(info)),
            Event::Ended(info, error) => self.on_closed.iter().for_each(|hook| hook(info, error.as_ref())),
        }
    }
}
