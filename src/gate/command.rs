//! Commands from a test to the gate's thread. The caller waits until the command has taken effect.

use std::io;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use mio::Waker;

use super::fault::Fault;
use crate::rtm::{Message, UserId};

/// A command for the gate's thread.
#[derive(Debug)]
pub(super) enum Command {
    /// Move the clock forward.
    Advance(Duration),
    /// Close every connection.
    DisconnectAll,
    /// Stop answering.
    Pause,
    /// Answer again.
    Resume,
    /// Mishandle quests.
    Inject(Fault),
    /// Handle quests normally again.
    ClearFaults,
    /// Push an event to its listeners.
    PushEvent(String, UserId),
    /// Push a message to its listeners.
    PushMessage(Box<Message>),
    /// Close everything and stop.
    Stop,
}

/// A command, and the caller that waits for it.
#[derive(Debug)]
pub(super) struct Order {
    /// The command.
    pub command: Command,
    /// Dropped or signalled once the command has been executed.
    pub done: oneshot::Sender<()>,
}

/// The callers' end of the queue.
#[derive(Debug)]
pub(super) struct CommandSender {
    queue: Sender<Order>,
    waker: Waker,
}

/// Creates the queue of commands.
pub(super) fn command_queue(waker: Waker) -> (CommandSender, Receiver<Order>) {
    let (queue, receiver) = unbounded();
    (CommandSender { queue, waker }, receiver)
}

impl CommandSender {
    /// Sends a command to the thread, and waits until it has been executed. If the thread has ended, the command is
    /// dropped and this returns.
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
