//! A server that answers on its own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, unbounded};

use super::PATIENCE;
use super::process::spawn;
use super::scripted::{Connection, Options, ScriptedServer};
use super::watchdog::waiting_for;
use super::wire::{self, Packet};

/// Each frame goes to a function, and what that returns goes back. Keeps a list of
/// what came.
pub struct AnsweringServer {
    server: Option<ScriptedServer>,
    address: SocketAddr,
    received: Receiver<Packet>,
    connections: Arc<AtomicUsize>,
    stop: Sender<()>,
    thread: Option<JoinHandle<()>>,
}

impl AnsweringServer {
    /// Answers everything as the real service might.
    pub fn start() -> AnsweringServer {
        AnsweringServer::with(|quest| Some(wire::answer(quest.seq(), &wire::plausible_result(&quest.method))))
    }

    /// Answers with what `answer` returns: any bytes, or nothing at all.
    pub fn with(answer: impl Fn(&Packet) -> Option<Vec<u8>> + Send + Sync + 'static) -> AnsweringServer {
        AnsweringServer::at(([127, 0, 0, 1], 0).into(), answer)
    }

    /// On this address, which a server that has ended may have had.
    pub fn at(
        address: SocketAddr,
        answer: impl Fn(&Packet) -> Option<Vec<u8>> + Send + Sync + 'static,
    ) -> AnsweringServer {
        let server = ScriptedServer::at(address, Options::default());
        let address = server.address();
        let incoming = server.connections.clone();
        let (log, received) = unbounded();
        let (stop, stopped) = unbounded::<()>();
        let answer = Arc::new(answer);
        let thread = spawn("answering", move || {
            let mut workers = Vec::new();
            loop {
                crossbeam_channel::select! {
                    recv(incoming) -> connection => {
                        let Ok(connection) = connection else { break };
                        let (answer, log, stopped) = (Arc::clone(&answer), log.clone(), stopped.clone());
                        workers.push(spawn("answering-one", move || serve(&connection, &*answer, &log, &stopped)));
                    }
                    recv(stopped) -> _ => break,
                }
            }
            for worker in workers {
                worker.join().unwrap();
            }
        });
        let connections = Arc::clone(&server.accepted);
        AnsweringServer { server: Some(server), address, received, connections, stop, thread: Some(thread) }
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    pub fn endpoint(&self) -> String {
        self.address.to_string()
    }

    /// How many connections were accepted so far.
    pub fn accepted(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// The next frame that came in, from whatever connection.
    pub fn next(&self) -> Packet {
        let _note = waiting_for("a frame from the client");
        self.received.recv_timeout(PATIENCE).expect("the client sent no frame")
    }

    /// Everything that came in and was not taken yet.
    pub fn received(&self) -> Vec<Packet> {
        self.received.try_iter().collect()
    }
}

fn serve(
    connection: &Connection,
    answer: &dyn Fn(&Packet) -> Option<Vec<u8>>,
    log: &Sender<Packet>,
    stopped: &Receiver<()>,
) {
    loop {
        crossbeam_channel::select! {
            recv(connection.packets()) -> packet => {
                let Ok(packet) = packet else { return };
                let bytes = answer(&packet);
                _ = log.send(packet);
                if bytes.is_some_and(|bytes| connection.try_send(&bytes).is_err()) {
                    return;
                }
            }
            recv(stopped) -> _ => return,
        }
    }
}

impl Drop for AnsweringServer {
    fn drop(&mut self) {
        let (closed, _) = unbounded();
        drop(std::mem::replace(&mut self.stop, closed));
        if let Some(thread) = self.thread.take() {
            thread.join().unwrap();
        }
        self.server = None;
    }
}
