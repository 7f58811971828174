//! Commands to the I/O thread: a queue, and a waker for when the thread sleeps.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

use super::sleep::SleepFlag;
use crate::dispatch::Completion;
use crate::engine::{ListenerId, NewCall, NewSubscription};

/// A command for the I/O thread.
pub(crate) enum Command {
    /// Make this call.
    Call(NewCall<Completion>),
    /// Limit the number of calls per second.
    SetMaxRate(Option<u32>),
    /// Connect, if there is no connection.
    Connect(Completion),
    /// Subscribe a listener to pushes.
    Listen(NewSubscription<Completion>),
    /// End a listener's subscription.
    Unlisten(ListenerId),
    /// A name lookup has ended.
    Resolved { attempt: u64, result: io::Result<Vec<SocketAddr>> },
    /// End the connection and every call in flight, then stop.
    Close,
}

/// The callers' end of the queue. The queue is unbounded, because calls are counted before they are sent here.
#[derive(Clone)]
pub(crate) struct CommandSender {
    queue: Sender<Command>,
    sleep: Arc<Sleep>,
}

/// The I/O thread's end of the queue.
pub(super) struct CommandQueue {
    queue: Receiver<Command>,
    sleep: Arc<Sleep>,
}

struct Sleep {
    flag: SleepFlag,
    waker: Waker,
}

/// Creates a queue.
pub(super) fn command_queue(waker: Waker) -> (CommandSender, CommandQueue) {
    let (sender, receiver) = unbounded();
    let sleep = Arc::new(Sleep { flag: SleepFlag::new(), waker });
    (CommandSender { queue: sender, sleep: Arc::clone(&sleep) }, CommandQueue { queue: receiver, sleep })
}

impl CommandSender {
    /// Sends a command.
    ///
    /// # Errors
    ///
    /// The I/O thread has stopped. Returns the command.
    pub(crate) fn send(&self, command: Command) -> Result<(), Command> {
        self.queue.send(command).map_err(|refused| refused.0)?;
        self.wake();
        Ok(())
    }

    /// Wakes the thread if it sleeps. It then sees everything that happened before this call.
    pub(crate) fn wake(&self) {
        if self.sleep.flag.take() {
            if let Err(error) = self.sleep.waker.wake() {
                log::error!("waking the I/O thread failed: {error}");
            }
        }
    }
}

impl CommandQueue {
    /// Takes the next command, if there is one.
    pub(super) fn next(&self) -> Option<Command> {
        self.queue.try_recv().ok()
    }

    /// Whether the queue is empty now.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Makes later commands wake the thread. Returns whether the queue is empty, so that the thread may sleep.
    #[must_use]
    pub(super) fn fall_asleep(&self) -> bool {
        self.sleep.flag.set();
        self.queue.is_empty()
    }

    /// Makes later commands not wake the thread. Call it before draining the queue.
    pub(super) fn wake_up(&self) {
        self.sleep.flag.clear();
    }
}
