//! The way to the I/O thread: a queue of commands, and a waker for a sleeping thread.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

use super::sleep::SleepFlag;
use crate::dispatch::Completion;
use crate::engine::{ListenerId, NewCall, NewWish};

/// What the I/O thread is asked to do.
pub(crate) enum Command {
    /// Make this call.
    Call(NewCall<Completion>),
    /// Send at most so many calls a second.
    SetMaxRate(Option<u32>),
    /// Connect, if there is no connection.
    Connect(Completion),
    /// Ask the server for pushes.
    Listen(NewWish<Completion>),
    /// Stop asking for these pushes.
    Unlisten(ListenerId),
    /// The name service has answered.
    Resolved { attempt: u64, result: io::Result<Vec<SocketAddr>> },
    /// End the connection and every call in flight, then stop.
    Close,
}

/// The callers' end of the queue. The queue itself has no bound: calls are counted before they get here.
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

/// Both ends of a new queue.
pub(super) fn command_queue(waker: Waker) -> (CommandSender, CommandQueue) {
    let (sender, receiver) = unbounded();
    let sleep = Arc::new(Sleep { flag: SleepFlag::new(), waker });
    (CommandSender { queue: sender, sleep: Arc::clone(&sleep) }, CommandQueue { queue: receiver, sleep })
}

impl CommandSender {
    /// Hands in a command.
    ///
    /// # Errors
    ///
    /// The I/O thread has stopped. The command comes back.
    pub(crate) fn send(&self, command: Command) -> Result<(), Command> {
        self.queue.send(command).map_err(|refused| refused.0)?;
        self.wake();
        Ok(())
    }

    /// Wakes the thread if it sleeps, so that it sees what was changed before this.
    pub(crate) fn wake(&self) {
        if self.sleep.flag.take() {
            if let Err(error) = self.sleep.waker.wake() {
                log::error!("waking the I/O thread failed: {error}");
            }
        }
    }
}

impl CommandQueue {
    /// The next command, if any.
    pub(super) fn next(&self) -> Option<Command> {
        self.queue.try_recv().ok()
    }

    /// Whether there is no command now.
    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// From here on, a command wakes the thread. Says whether it may sleep: nothing has come before.
    #[must_use]
    pub(super) fn fall_asleep(&self) -> bool {
        self.sleep.flag.set();
        self.queue.is_empty()
    }

    /// From here on, commands are seen without a wake. Call it before draining the queue.
    pub(super) fn wake_up(&self) {
        self.sleep.flag.clear();
    }
}
