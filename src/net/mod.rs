//! The I/O thread, which alone owns the poll, the sockets and the engine.

mod busy_poll;
mod command;
mod driver;
mod resolve;
mod sleep;
mod socket;
mod yielding;

pub(crate) use command::{Command, CommandSender};
pub(crate) use driver::SignListen;

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError};
use mio::{Poll, Waker};
use parking_lot::Mutex;

use crate::dispatch::{Hooks, Sampler, Shared};
use crate::engine::{Engine, Settings};
use crate::error::{Stage, SystemError};
use busy_poll::BusyPoll;
use driver::{Driver, WAKER};
use yielding::Yielding;

/// How long closing waits for the thread. The thread never blocks, so this expires only if the system does not schedule
/// it.
const JOIN_TIMEOUT: Duration = Duration::from_millis(500);

/// The callers' side of a running I/O thread.
pub(crate) struct IoThread {
    commands: CommandSender,
    is_connected: Arc<AtomicBool>,
    ended: Receiver<Infallible>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

impl IoThread {
    /// Starts the thread `rtm-io`.
    ///
    /// # Errors
    ///
    /// The operating system refused the thread or a resource for polling.
    pub(crate) fn start(
        settings: Settings,
        shared: Arc<Shared>,
        hooks: Arc<Hooks>,
        sign_listen: SignListen,
        busy_poll: Duration,
        sampler: Sampler,
    ) -> Result<IoThread, SystemError> {
        let failed = |what: &'static str| move |error| SystemError::new(what, error);
        let poll = Poll::new().map_err(failed("making a poll"))?;
        let waker = Waker::new(poll.registry(), WAKER).map_err(failed("making a waker"))?;
        let (sender, commands) = command::command_queue(waker);
        let is_connected = Arc::new(AtomicBool::new(false));
        let (alive, ended) = crossbeam_channel::bounded(0);
        let resume = sender.clone();
        shared.undelivered.on_resume(move || resume.wake());
        let driver = Driver {
            poll,
            endpoint: Arc::clone(&settings.endpoint),
            engine: Engine::new(settings, Arc::clone(&shared.state.counters), fastrand::u64(..)),
            commands,
            sender: sender.clone(),
            shared,
            hooks,
            is_connected: Arc::clone(&is_connected),
            sign_listen,
            connection: None,
            dials: Vec::new(),
            published_stage: Stage::Connecting,
            busy_poll: BusyPoll::new(busy_poll),
            sampler,
            yielding: Yielding::default(),
            replies: Vec::new(),
            due_callbacks: Vec::new(),
            owes_acknowledgement: false,
        };
        let run = move || {
            let _alive: crossbeam_channel::Sender<Infallible> = alive;
            driver.run();
        };
        let handle = thread::Builder::new().name("rtm-io".into()).spawn(run);
        let handle = handle.map_err(failed("starting the I/O thread"))?;
        Ok(IoThread { commands: sender, is_connected, ended, handle: Mutex::new(Some(handle)) })
    }

    /// Sends a command.
    ///
    /// # Errors
    ///
    /// The thread has stopped. Returns the command.
    pub(crate) fn send(&self, command: Command) -> Result<(), Command> {
        self.commands.send(command)
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.is_connected.load(Ordering::Acquire)
    }

    /// Stops the thread, and waits for its end up to a limit. A second call does nothing.
    pub(crate) fn stop(&self) {
        let _ = self.commands.send(Command::Close);
        // Nothing is ever sent; the channel disconnects when the thread is about to end.
        if self.ended.recv_timeout(JOIN_TIMEOUT) == Err(RecvTimeoutError::Disconnected) {
            if let Some(handle) = self.handle.lock().take() {
                let _ = handle.join();
            }
        }
    }
}
