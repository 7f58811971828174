//! A TCP proxy with deterministic faults: for each connection, which fault strikes at which byte.

use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use socket2::SockRef;

use super::process::spawn;
use super::receive;
use super::wire::Splitter;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    ToServer,
    ToClient,
}

/// What happens to a connection. Bytes are counted from its start, in one direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    None,
    /// Accepted, then closed.
    CloseAtOnce,
    /// Accepted, then reset.
    ResetAtOnce,
    /// Both sides are closed once this many bytes were forwarded.
    Cut(Direction, usize),
    /// The client's side is reset once this many bytes were forwarded.
    Reset(Direction, usize),
    /// Nothing more is forwarded after this many bytes; the connection stays open.
    Stall(Direction, usize),
    /// Each piece is delayed before it is forwarded.
    Delay(Direction, Duration),
    /// Forwarded in pieces of at most this many bytes.
    Split(Direction, usize),
    /// One bit of one byte is flipped.
    Flip(Direction, usize, u8),
    /// The bytes from the first offset to before the second are sent twice.
    RepeatBytes(Direction, usize, usize),
    /// The frame of this index is sent twice.
    RepeatFrame(Direction, usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// Connection number k, counted from 0, was accepted and has this fault.
    Accepted(usize, Fault),
    /// The fault of connection k has struck.
    Struck(usize),
    /// Connection k has ended.
    Ended(usize),
}

pub struct FaultProxy {
    address: SocketAddr,
    events: Receiver<Event>,
    shared: Arc<Shared>,
    accepting: Option<JoinHandle<()>>,
}

struct Shared {
    listener: TcpListener,
    upstream: SocketAddr,
    events: Sender<Event>,
    stopping: AtomicBool,
    accepted: AtomicUsize,
    struck: AtomicUsize,
    live: Mutex<Vec<Weak<TcpStream>>>,
}

impl FaultProxy {
    /// A proxy in front of `upstream`. `fault_of` says what happens to connection k, counted from 0.
    pub fn start(upstream: SocketAddr, fault_of: impl Fn(usize) -> Fault + Send + 'static) -> FaultProxy {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (sender, events) = unbounded();
        let shared = Arc::new(Shared {
            listener,
            upstream,
            events: sender,
            stopping: false.into(),
            accepted: 0.into(),
            struck: 0.into(),
            live: Mutex::default(),
        });
        let theirs = Arc::clone(&shared);
        let accepting = Some(spawn("proxy-accept", move || accept_all(&theirs, fault_of)));
        FaultProxy { address, events, shared, accepting }
    }

    /// `fault` on the first connection, none on those after it.
    pub fn first(upstream: SocketAddr, fault: Fault) -> FaultProxy {
        FaultProxy::start(upstream, move |k| if k == 0 { fault } else { Fault::None })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    pub fn accepted(&self) -> usize {
        self.shared.accepted.load(Ordering::SeqCst)
    }

    pub fn struck(&self) -> usize {
        self.shared.struck.load(Ordering::SeqCst)
    }

    /// Waits for an event; those before it are lost.
    pub fn wait_for(&self, wanted: Event) {
        while receive(&self.events, &format!("the proxy's event {wanted:?}")) != wanted {}
    }
}

impl FaultProxy {
    /// Ends every connection that is open now. New ones are taken.
    pub fn end_all(&self) {
        self.shared.end_all();
    }
}

impl Drop for FaultProxy {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        // On Linux this wakes the thread in `accept`.
        _ = SockRef::from(&self.shared.listener).shutdown(Shutdown::Both);
        self.shared.end_all();
        if let Some(accepting) = self.accepting.take() {
            accepting.join().unwrap();
        }
    }
}

impl Shared {
    fn tell(&self, event: Event) {
        _ = self.events.send(event);
    }

    fn strike(&self, k: usize) {
        self.struck.fetch_add(1, Ordering::SeqCst);
        self.tell(Event::Struck(k));
    }

    fn keep(&self, stream: &Arc<TcpStream>) {
        let mut live = self.live.lock().unwrap();
        live.retain(|stream| stream.strong_count() > 0);
        live.push(Arc::downgrade(stream));
        drop(live);
        // Either the end of the proxy sees this stream, or this sees the end of the proxy.
        if self.stopping.load(Ordering::SeqCst) {
            _ = stream.shutdown(Shutdown::Both);
        }
    }

    fn end_all(&self) {
        for stream in self.live.lock().unwrap().iter().filter_map(Weak::upgrade) {
            _ = stream.shutdown(Shutdown::Both);
        }
    }
}

fn accept_all(shared: &Arc<Shared>, fault_of: impl Fn(usize) -> Fault) {
    let mut pumps = Vec::new();
    while let Ok((client, _)) = shared.listener.accept() {
        let k = shared.accepted.fetch_add(1, Ordering::SeqCst);
        let fault = fault_of(k);
        shared.tell(Event::Accepted(k, fault));
        match (fault, TcpStream::connect(shared.upstream)) {
            (Fault::CloseAtOnce, _) => {
                shared.strike(k);
                drop(client);
                shared.tell(Event::Ended(k));
            }
            (Fault::ResetAtOnce, _) => {
                shared.strike(k);
                SockRef::from(&client).set_linger(Some(Duration::ZERO)).unwrap();
                drop(client);
                shared.tell(Event::Ended(k));
            }
            (_, Ok(server)) => pumps.extend(link(shared, k, fault, client, server)),
            (_, Err(_)) => shared.tell(Event::Ended(k)),
        }
        // An ended thread keeps its stack until it is joined, and there may be tens of thousands.
        let (ended, running): (Vec<_>, Vec<_>) = pumps.into_iter().partition(JoinHandle::is_finished);
        ended.into_iter().for_each(|pump| pump.join().unwrap());
        pumps = running;
    }
    for pump in pumps {
        pump.join().unwrap();
    }
}

fn link(shared: &Arc<Shared>, k: usize, fault: Fault, client: TcpStream, server: TcpStream) -> [JoinHandle<()>; 2] {
    let [client, server] = [client, server].map(|stream| {
        stream.set_nodelay(true).unwrap();
        Arc::new(stream)
    });
    shared.keep(&client);
    shared.keep(&server);
    let running = Arc::new(AtomicUsize::new(2));
    [Direction::ToServer, Direction::ToClient].map(|direction| {
        let (client, server, shared, running) =
            (Arc::clone(&client), Arc::clone(&server), Arc::clone(shared), Arc::clone(&running));
        spawn("proxy-pump", move || {
            pump(&shared, k, Shaper::new(fault, direction), direction, &client, &server);
            drop((client, server));
            if running.fetch_sub(1, Ordering::SeqCst) == 1 {
                shared.tell(Event::Ended(k));
            }
        })
    })
}

fn pump(
    shared: &Shared,
    k: usize,
    mut shaper: Shaper,
    direction: Direction,
    client: &Arc<TcpStream>,
    server: &Arc<TcpStream>,
) {
    let (from, to) = if direction == Direction::ToServer { (client, server) } else { (server, client) };
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let received = match (&**from).read(&mut buffer) {
            Ok(0) => break,
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => break,
        };
        for action in shaper.feed(&buffer[..received]) {
            if action.is_strike() {
                shared.strike(k);
            }
            match action {
                Action::Write(bytes) => {
                    if (&**to).write_all(&bytes).is_err() {
                        return end(client, server, false);
                    }
                }
                Action::Wait(time) => thread::sleep(time),
                Action::Note => {}
                Action::Cut => return end(client, server, false),
                Action::Reset => return end(client, server, true),
            }
        }
    }
    end(client, server, false);
}

/// Ends both sides. For a reset, the client's descriptor must be closed while the connection is up. So only the reading
/// sides are shut down, which wakes the other pump, and the last of the two closes.
fn end(client: &TcpStream, server: &TcpStream, reset: bool) {
    if reset {
        _ = SockRef::from(client).set_linger(Some(Duration::ZERO));
        _ = client.shutdown(Shutdown::Read);
        _ = server.shutdown(Shutdown::Read);
    } else if SockRef::from(client).linger().is_ok_and(|linger| linger.is_none()) {
        _ = client.shutdown(Shutdown::Both);
        _ = server.shutdown(Shutdown::Both);
    }
}

#[derive(Debug, PartialEq, Eq)]
enum Action {
    Write(Vec<u8>),
    Wait(Duration),
    /// The fault strikes. This precedes the bytes that show it, so whoever sees these can rely on the event.
    Note,
    Cut,
    Reset,
}

impl Action {
    fn is_strike(&self) -> bool {
        matches!(self, Action::Note | Action::Cut | Action::Reset)
    }
}

/// Turns received bytes into instructions for forwarding.
struct Shaper {
    fault: Option<Fault>,
    seen: usize,
    stalled: bool,
    frames: Splitter,
    frame: usize,
    repeated: VecDeque<u8>,
}

impl Shaper {
    fn new(fault: Fault, direction: Direction) -> Shaper {
        let fault = match fault {
            Fault::Cut(its, _)
            | Fault::Reset(its, _)
            | Fault::Stall(its, _)
            | Fault::Delay(its, _)
            | Fault::Split(its, _)
            | Fault::Flip(its, ..)
            | Fault::RepeatBytes(its, ..)
            | Fault::RepeatFrame(its, _) => (its == direction).then_some(fault),
            Fault::None | Fault::CloseAtOnce | Fault::ResetAtOnce => None,
        };
        Shaper { fault, seen: 0, stalled: false, frames: Splitter::default(), frame: 0, repeated: VecDeque::new() }
    }

    fn feed(&mut self, bytes: &[u8]) -> Vec<Action> {
        let start = self.seen;
        self.seen += bytes.len();
        // How many of these bytes lie before an offset in the whole stream.
        let before = |offset: usize| offset.saturating_sub(start).min(bytes.len());
        match self.fault {
            Some(Fault::Cut(_, after)) if self.seen >= after => {
                vec![Action::Write(bytes[..before(after)].to_vec()), Action::Cut]
            }
            Some(Fault::Reset(_, after)) if self.seen >= after => {
                vec![Action::Write(bytes[..before(after)].to_vec()), Action::Reset]
            }
            Some(Fault::Stall(..)) if self.stalled => Vec::new(),
            Some(Fault::Stall(_, after)) if self.seen >= after => {
                self.stalled = true;
                vec![Action::Note, Action::Write(bytes[..before(after)].to_vec())]
            }
            Some(Fault::Delay(_, time)) => vec![Action::Note, Action::Wait(time), Action::Write(bytes.to_vec())],
            Some(Fault::Split(_, size)) => {
                let pieces = bytes.chunks(size).map(|piece| Action::Write(piece.to_vec()));
                std::iter::once(Action::Note).chain(pieces).collect()
            }
            Some(Fault::Flip(_, offset, bit)) if (start..self.seen).contains(&offset) => {
                let mut bytes = bytes.to_vec();
                bytes[offset - start] ^= 1 << bit;
                vec![Action::Note, Action::Write(bytes)]
            }
            Some(Fault::RepeatBytes(_, from, to)) => self.repeat_bytes(bytes, before(from), before(to), to),
            Some(Fault::RepeatFrame(_, index)) => self.repeat_frame(bytes, index),
            _ => vec![Action::Write(bytes.to_vec())],
        }
    }

    fn repeat_bytes(&mut self, bytes: &[u8], from: usize, to: usize, end: usize) -> Vec<Action> {
        self.repeated.extend(&bytes[from..to]);
        if self.seen < end || self.repeated.is_empty() {
            return vec![Action::Write(bytes.to_vec())];
        }
        let repeated = self.repeated.drain(..).collect();
        vec![
            Action::Note,
            Action::Write(bytes[..to].to_vec()),
            Action::Write(repeated),
            Action::Write(bytes[to..].to_vec()),
        ]
    }

    fn repeat_frame(&mut self, bytes: &[u8], index: usize) -> Vec<Action> {
        self.frames.push(bytes);
        let mut actions = Vec::new();
        while let Some(packet) = self.frames.next() {
            if self.frame == index {
                actions.extend([Action::Note, Action::Write(packet.raw.clone())]);
            }
            self.frame += 1;
            actions.push(Action::Write(packet.raw));
        }
        actions
    }
}
