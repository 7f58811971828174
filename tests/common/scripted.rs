//! A server under the control of a test: frames arrive as events, and any bytes can be sent.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, unbounded};
use socket2::{Domain, SockRef, Socket, Type};

use super::PATIENCE;
use super::process::spawn;
use super::watchdog::waiting_for;
use super::wire::{self, Packet, Splitter};

/// How many bytes a flood writes at a time.
const FLOOD_BLOCK: usize = 1024 * 1024;

/// A listener whose connections are handed to the test.
pub struct ScriptedServer {
    address: SocketAddr,
    options: Options,
    running: Option<Running>,
    pub(super) connections: Receiver<Connection>,
    sender: Sender<Connection>,
    pub(super) accepted: Arc<AtomicUsize>,
}

/// How the server treats its connections from the start.
#[derive(Clone, Copy, Default)]
pub struct Options {
    /// Connections begin without reading: [`Connection::read_on`] lets them.
    pub paused: bool,
    /// Size of the kernel's receive buffer in bytes: a small one fills soon.
    pub receive_buffer: Option<usize>,
}

struct Running {
    listener: Arc<TcpListener>,
    thread: JoinHandle<()>,
}

impl ScriptedServer {
    pub fn start() -> ScriptedServer {
        ScriptedServer::with_options(Options::default())
    }

    pub fn with_options(options: Options) -> ScriptedServer {
        ScriptedServer::at(([127, 0, 0, 1], 0).into(), options)
    }

    /// On this address, which a server that has ended may have had.
    pub fn at(address: SocketAddr, options: Options) -> ScriptedServer {
        let (sender, connections) = unbounded();
        let listener = listen(address, options).unwrap();
        let address = listener.local_addr().unwrap();
        let accepted = Arc::new(AtomicUsize::new(0));
        let mut server = ScriptedServer { address, options, running: None, connections, sender, accepted };
        server.run(listener);
        server
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::SeqCst)
    }

    /// The next connection; the test fails if none comes.
    pub fn accept(&self) -> Connection {
        let _note = waiting_for(format!("a connection to {}", self.address));
        self.connections.recv_timeout(PATIENCE).expect("nobody connected")
    }

    /// The next connection, if one comes in that time.
    pub fn accept_within(&self, time: Duration) -> Option<Connection> {
        self.connections.recv_timeout(time).ok()
    }

    /// Stops listening: from here on connecting is refused. Connections stay as they are.
    pub fn stop(&mut self) {
        if let Some(Running { listener, thread }) = self.running.take() {
            // On Linux this wakes the thread in `accept`.
            SockRef::from(&*listener).shutdown(Shutdown::Both).unwrap();
            thread.join().unwrap();
        }
    }

    /// Listens again on the same port.
    pub fn restart(&mut self) {
        self.stop();
        let listener = listen(self.address, self.options).unwrap();
        self.run(listener);
    }

    fn run(&mut self, listener: TcpListener) {
        let listener = Arc::new(listener);
        let (sender, accepted, paused) = (self.sender.clone(), Arc::clone(&self.accepted), self.options.paused);
        let ours = Arc::clone(&listener);
        let thread = spawn("scripted-accept", move || {
            while let Ok((stream, _)) = ours.accept() {
                accepted.fetch_add(1, Ordering::SeqCst);
                if sender.send(Connection::new(stream, paused)).is_err() {
                    return;
                }
            }
        });
        self.running = Some(Running { listener, thread });
    }
}

impl Drop for ScriptedServer {
    fn drop(&mut self) {
        self.stop();
    }
}

fn listen(address: SocketAddr, options: Options) -> io::Result<TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    if let Some(size) = options.receive_buffer {
        socket.set_recv_buffer_size(size)?;
    }
    socket.bind(&address.into())?;
    socket.listen(128)?;
    Ok(socket.into())
}

/// What a connection's end looked like from the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The client closed the connection in order.
    Eof,
    /// The client, or the kernel on its behalf, reset the connection.
    Reset,
}

/// One accepted connection. Dropping it closes it.
pub struct Connection {
    stream: Option<Arc<TcpStream>>,
    packets: Receiver<Packet>,
    ended: Receiver<(End, usize)>,
    gate: Arc<ReadGate>,
    reader: Option<JoinHandle<()>>,
}

/// Lets the reader read, or stops it.
struct ReadGate {
    open: Mutex<bool>,
    changed: Condvar,
    stop: AtomicBool,
}

impl Connection {
    fn new(stream: TcpStream, paused: bool) -> Connection {
        stream.set_nodelay(true).unwrap();
        let stream = Arc::new(stream);
        let gate = Arc::new(ReadGate { open: Mutex::new(!paused), changed: Condvar::new(), stop: false.into() });
        let (packet_sender, packets) = unbounded();
        let (end_sender, ended) = unbounded();
        let (theirs, their_gate) = (Arc::clone(&stream), Arc::clone(&gate));
        let reader = spawn("scripted-reader", move || {
            let end = read_all(&theirs, &their_gate, &packet_sender);
            drop(theirs);
            _ = end_sender.send(end);
        });
        Connection { stream: Some(stream), packets, ended, gate, reader: Some(reader) }
    }

    /// The next frame from the client; the test fails if none comes.
    pub fn next(&self) -> Packet {
        let _note = waiting_for("a frame from the client");
        self.packets.recv_timeout(PATIENCE).expect("the client sent no frame")
    }

    /// The next frame, if one comes in that time.
    pub fn next_within(&self, time: Duration) -> Option<Packet> {
        self.packets.recv_timeout(time).ok()
    }

    /// The frames received so far, or to be received: for a `select` of the test's own.
    pub fn packets(&self) -> &Receiver<Packet> {
        &self.packets
    }

    /// The next `count` frames.
    pub fn take(&self, count: usize) -> Vec<Packet> {
        (0..count).map(|_| self.next()).collect()
    }

    /// All frames until the client ends the connection.
    pub fn drain(&self) -> Vec<Packet> {
        self.wait_closed();
        self.packets.try_iter().collect()
    }

    /// Waits until the client ends the connection; the test fails if it does not.
    pub fn wait_closed(&self) -> End {
        let _note = waiting_for("the client to close its connection");
        self.ended.recv_timeout(PATIENCE).expect("the client kept the connection open").0
    }

    /// Whether the client ended the connection.
    pub fn is_closed(&self) -> bool {
        !self.ended.is_empty()
    }

    pub fn send(&self, bytes: &[u8]) {
        self.try_send(bytes).expect("the client takes what the server sends");
    }

    /// [`send`](Connection::send) where the client may have closed already.
    pub fn try_send(&self, bytes: &[u8]) -> io::Result<()> {
        let _note = waiting_for(format!("the client to take {} bytes", bytes.len()));
        match &self.stream {
            Some(stream) => (&**stream).write_all(bytes),
            None => Err(io::ErrorKind::NotConnected.into()),
        }
    }

    /// Sends this frame over and over, about `most` bytes of it, or until the client closes. Says how many bytes went.
    pub fn flood(&self, frame: &[u8], most: usize) -> usize {
        let block = frame.repeat((FLOOD_BLOCK / frame.len()).max(1));
        let mut sent = 0;
        while sent < most && self.try_send(&block).is_ok() {
            sent += block.len();
        }
        sent
    }

    /// Sends each piece by a write of its own, without Nagle's delay.
    pub fn send_pieces<'a>(&self, pieces: impl IntoIterator<Item = &'a [u8]>) -> io::Result<()> {
        pieces.into_iter().try_for_each(|piece| self.try_send(piece))
    }

    /// Answers `quest` as the real service might.
    pub fn answer(&self, quest: &Packet) {
        self.send(&wire::answer(quest.seq(), &wire::plausible_result(&quest.method)));
    }

    /// Stops reading; what the client sends piles up in the kernel. A read that waits already still takes one chunk.
    pub fn stop_reading(&self) {
        *self.gate.open.lock().unwrap() = false;
    }

    /// Reads on.
    pub fn read_on(&self) {
        *self.gate.open.lock().unwrap() = true;
        self.gate.changed.notify_all();
    }

    /// Closes the sending side only.
    pub fn half_close(&self) {
        if let Some(stream) = &self.stream {
            _ = stream.shutdown(Shutdown::Write);
        }
    }

    /// Closes in order.
    pub fn close(mut self) {
        self.end(None);
    }

    /// Resets the connection: the client gets `ECONNRESET`.
    pub fn reset(mut self) {
        self.end(Some(Duration::ZERO));
    }

    fn end(&mut self, linger: Option<Duration>) {
        let Some(stream) = self.stream.take() else { return };
        self.gate.stop.store(true, Ordering::SeqCst);
        self.read_on();
        // For a reset, the descriptor must be closed while the connection is up. So only the reading side is shut down,
        // which the client does not see.
        if linger.is_some() {
            SockRef::from(&*stream).set_linger(linger).unwrap();
            _ = stream.shutdown(Shutdown::Read);
        } else {
            _ = stream.shutdown(Shutdown::Both);
        }
        if let Some(reader) = self.reader.take() {
            reader.join().unwrap();
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.end(None);
    }
}

fn read_all(stream: &TcpStream, gate: &ReadGate, packets: &Sender<Packet>) -> (End, usize) {
    let mut splitter = Splitter::default();
    let mut buffer = vec![0; 64 * 1024];
    loop {
        let mut open = gate.open.lock().unwrap();
        while !*open {
            open = gate.changed.wait(open).unwrap();
        }
        drop(open);
        let received = match (&*stream).read(&mut buffer) {
            _ if gate.stop.load(Ordering::SeqCst) => return (End::Eof, splitter.left_over()),
            Ok(0) => return (End::Eof, splitter.left_over()),
            Ok(received) => received,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(_) => return (End::Reset, splitter.left_over()),
        };
        splitter.push(&buffer[..received]);
        while let Some(packet) = splitter.next() {
            _ = packets.send(packet);
        }
    }
}
