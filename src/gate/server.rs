//! The gate's thread: one poll for the listening socket, all connections, and the commands of tests.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use mio::net::{TcpListener, TcpStream};
use mio::{Events, Interest, Poll, Token, Waker};

use super::command::{Command, CommandSender, Order, command_queue};
use super::connections::{Connections, Limits};
use super::service::Service;
use super::stats::Counters;

const LISTENER: Token = Token(usize::MAX - 1);
const WAKER: Token = Token(usize::MAX - 2);
const EVENTS: usize = 1024;
/// How long to wait before accepting connections again if the machine is out of file descriptors or memory.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);
/// How often connections that listen to events get a `ping`. The vendor's Node SDK gives up after 40 s without one.
const PING_INTERVAL: Duration = Duration::from_secs(20);

/// The state of the gate's thread.
#[derive(Debug)]
pub(super) struct Server {
    poll: Poll,
    listener: TcpListener,
    connections: Connections,
    commands: Receiver<Order>,
    settings: SocketSettings,
    accept_at: Option<Instant>,
    ping_at: Instant,
    idle_check_at: Instant,
    is_stopped: bool,
}

/// The settings of a server's sockets.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct SocketSettings {
    /// A connection that has received nothing for this long is closed.
    pub idle_timeout: Option<Duration>,
    /// Whether Nagle's algorithm stays on.
    pub nagle: bool,
    /// The limits on all connections.
    pub limits: Limits,
}

impl Server {
    /// Creates a server for the connections that `listener` accepts, and the sender of its commands.
    ///
    /// # Errors
    ///
    /// The system refused a resource for polling.
    pub(super) fn new(
        mut listener: TcpListener,
        service: Service,
        counters: Arc<Counters>,
        settings: SocketSettings,
    ) -> io::Result<(Server, CommandSender)> {
        let poll = Poll::new()?;
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        let (sender, commands) = command_queue(Waker::new(poll.registry(), WAKER)?);
        let connections = Connections::new(poll.registry().try_clone()?, service, counters, settings.limits);
        let now = connections.now().monotonic;
        let server = Server {
            poll,
            listener,
            connections,
            commands,
            settings,
            accept_at: None,
            ping_at: now + PING_INTERVAL,
            idle_check_at: now,
            is_stopped: false,
        };
        Ok((server, sender))
    }

    /// Serves until it is stopped. Then all connections end.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(EVENTS);
        while !self.is_stopped {
            match self.poll.poll(&mut events, Some(self.poll_timeout())) {
                Err(error) if error.kind() != ErrorKind::Interrupted => {
                    log::error!("the gate stops: polling failed: {error}");
                    return;
                }
                Err(_) => continue,
                Ok(()) => self.turn(&events),
            }
        }
    }

    fn turn(&mut self, events: &Events) {
        // Connections queued before these events have already had a turn.
        let queued = self.connections.queued();
        // Callers of commands wait until the end of this turn.
        let _executed = self.execute_commands();
        for event in events {
            match event.token() {
                LISTENER => self.accept(),
                WAKER => {}
                Token(key) => self.connections.handle_event(key, event),
            }
        }
        self.connections.give_queued_turns(queued);
        let now = self.connections.now().monotonic;
        if self.accept_at.is_some_and(|at| at <= now) {
            self.accept();
        }
        self.ping(now);
        self.connections.fire_timers(now);
        self.close_idle(now);
    }

    fn poll_timeout(&self) -> Duration {
        let idle_check = self.settings.idle_timeout.map(|_| self.idle_check_at);
        let times = [self.connections.wake_at(), self.accept_at, idle_check];
        let wake_at = times.into_iter().flatten().fold(self.ping_at, Instant::min);
        wake_at.saturating_duration_since(self.connections.now().monotonic)
    }

    fn execute_commands(&mut self) -> Vec<oneshot::Sender<()>> {
        let orders: Vec<Order> = self.commands.try_iter().collect();
        orders
            .into_iter()
            .map(|Order { command, done }| {
                self.execute(command);
                done
            })
            .collect()
    }

    fn execute(&mut self, command: Command) {
        let now = self.connections.now();
        let connections = &mut self.connections;
        match command {
            Command::Advance(duration) => connections.advance(duration),
            Command::DisconnectAll => connections.close_all(),
            Command::Pause => connections.pause(),
            Command::Resume => connections.resume(),
            Command::Inject(fault) => connections.service().faults().inject(fault),
            Command::ClearFaults => connections.service().faults().clear(),
            Command::PushEvent(name, uid) => connections.service().push_event(&name, uid, now),
            Command::PushMessage(message) => connections.service().push_message(*message, now),
            Command::Stop => self.is_stopped = true,
        }
        self.connections.deliver_pushes();
    }

    fn accept(&mut self) {
        self.accept_at = None;
        loop {
            match self.listener.accept() {
                Ok((stream, peer)) => self.add(stream, peer),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) if is_about_one_peer(&error) => {}
                Err(error) => {
                    log::error!("cannot accept a connection, will retry in {ACCEPT_PAUSE:?}: {error}");
                    self.accept_at = Some(self.connections.now().monotonic + ACCEPT_PAUSE);
                    return;
                }
            }
        }
    }

    fn add(&mut self, stream: TcpStream, peer: SocketAddr) {
        if let Err(error) = stream.set_nodelay(!self.settings.nagle) {
            log::debug!("cannot set TCP_NODELAY on the connection from {peer}: {error}");
        }
        self.connections.add(stream, peer);
    }

    fn ping(&mut self, now: Instant) {
        if now >= self.ping_at {
            self.ping_at = now + PING_INTERVAL;
            self.connections.service().ping();
            self.connections.deliver_pushes();
        }
    }

    fn close_idle(&mut self, now: Instant) {
        let Some(timeout) = self.settings.idle_timeout else { return };
        if now >= self.idle_check_at {
            self.idle_check_at = now + (timeout / 8).clamp(Duration::from_millis(1), Duration::from_secs(1));
            self.connections.close_idle(timeout, now);
        }
    }
}

/// Whether accepting a connection failed for a reason that concerns only that connection.
fn is_about_one_peer(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::ConnectionAborted | ErrorKind::ConnectionReset | ErrorKind::Interrupted)
}
