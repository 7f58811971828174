//! Commands from a test to the gate's thread. The caller waits until each has taken effect.

use std::io;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

use super::fault::Fault;
use crate::rtm::{Message, UserId};

/// What the gate's thread is told.
#[derive(Debug)]
pub(super) enum Command {
    /// Move the clock on.
    Advance(Duration),
    /// Close every connection.
    DisconnectAll,
    /// Stop answering.
    Pause,
    /// Go on answering.
    Resume,
    /// Treat quests wrongly.
    Inject(Fault),
    /// Treat quests well again.
    ClearFaults,
    /// Tell an event to those who listen.
    PushEvent(String, UserId),
    /// Tell a message to those who listen.
    PushMessage(Box<Message>),
    /// Close everything and end.
    Stop,
}

/// A command, and the one who waits for it.
#[derive(Debug)]
pub(super) struct Order {
    /// What is to be done.
    pub command: Command,
    /// Told, or dropped, once it is done.
    pub done: oneshot::Sender<()>,
}

/// The callers' end of the queue.
#[derive(Debug)]
pub(super) struct CommandSender {
    queue: Sender<Order>,
    waker: Waker,
}

/// The queue of commands: the callers' end and the thread's.
pub(super) fn command_queue(waker: Waker) -> (CommandSender, Receiver<Order>) {
    let (queue, receiver) = unbounded();
    (CommandSender { queue, waker }, receiver)
}

impl CommandSender {
    /// Has the thread execute a command, and waits until it has. A thread that has ended executes nothing more, and is
    /// not waited for: it drops the command.
    ///
    /// # Errors
    ///
    /// The thread cannot be woken.
    pub(super) fn run(&self, command: Command) -> io::Result<()> {
        let (done, finished) = oneshot::channel();
        if self.queue.send(Order { command, done }).is_ok() {
            self.waker.wake()?;
            _ = finished.recv();
        }
        Ok(())
    }
}
