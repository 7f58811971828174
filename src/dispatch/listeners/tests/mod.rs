//! Routing, queues, gaps and catch-ups, without a socket or a thread. This file has the helpers.

mod again_and_again;
mod beginnings;
mod catching_up;
mod delivery;
mod forgetting;
mod gaps;
mod threads;

use std::cell::Cell;

use super::catch_up::CatchUp;
use super::schedule::Work;
use super::*;
use crate::code::ErrorCode;
use crate::error::CloseReason;
use crate::fpnn::MapWriter;
use crate::rtm::methods::history::{History, HistoryPage};
use crate::rtm::{Message, MessageType, PushMethod, Target};

const ROOM: i64 = 42;

/// The listeners of a client, with a connection that tests can replace.
struct Hub {
    listeners: Listeners,
    counters: Arc<Counters>,
    connection: u64,
    now: Instant,
}

impl Hub {
    fn new() -> Hub {
        let counters = Arc::new(Counters::default());
        Hub { listeners: Listeners::new(Arc::clone(&counters)), counters, connection: 1, now: Instant::now() }
    }

    /// Creates a hub with a listener that catches up the room, which was empty, and has received message 1.
    fn filling() -> (Hub, TestListener) {
        let hub = Hub::new();
        let listener = hub.listen(Listen::new().room(ROOM), true);
        hub.find_newest(&[]);
        hub.push(1);
        (hub, listener)
    }

    /// As [`filling`](Hub::filling), with a lost and re-established connection.
    fn reconnected() -> (Hub, TestListener) {
        let (mut hub, listener) = Hub::filling();
        hub.reconnect(&[&listener]);
        (hub, listener)
    }

    fn listen(&self, listen: Listen, fills_gaps: bool) -> TestListener {
        self.listen_with(listen, fills_gaps, 4096)
    }

    fn listen_with(&self, listen: Listen, fills_gaps: bool, limit: usize) -> TestListener {
        let listener = self.add(listen, fills_gaps, limit);
        self.listeners.handle_granted(self.connection, listener.id);
        listener
    }

    /// A listener that is not granted yet.
    fn add(&self, listen: Listen, fills_gaps: bool, limit: usize) -> TestListener {
        let sink = Sink::new(self.listeners.new_queue(limit));
        let id = self.listeners.add(Arc::new(listen), fills_gaps, Arc::clone(&sink)).unwrap();
        TestListener { id, sink }
    }

    fn push(&self, mid: i64) {
        self.push_in(ROOM, mid);
    }

    fn push_in(&self, rid: i64, mid: i64) {
        self.push_payload(&room_message(rid, mid));
    }

    fn push_payload(&self, payload: &[u8]) {
        self.read_payload(payload);
        self.listeners.wake_touched();
    }

    /// Routes a push that was read together with others, without waking anybody yet.
    fn read_payload(&self, payload: &[u8]) {
        self.route(PushMethod::RoomMessage, payload);
    }

    fn route(&self, method: PushMethod, payload: &[u8]) {
        let mut pushes = RawPushes::default();
        pushes.add(method, payload);
        self.listeners.route(self.connection, &pushes, self.now);
    }

    /// Routes pushes that arrive in one read, each given by its room and id.
    fn push_together(&self, pushes: impl IntoIterator<Item = (i64, i64)>) {
        pushes.into_iter().for_each(|(rid, mid)| self.read_payload(&room_message(rid, mid)));
        self.listeners.wake_touched();
    }

    fn push_login(&self) {
        let mut payload = Vec::new();
        let map = MapWriter::begin(&mut payload).int("pid", 1).str("event", "login").int("uid", 2);
        map.int("time", 3).str("endpoint", "");
        self.route(PushMethod::Event, &payload);
        self.listeners.wake_touched();
    }

    /// Makes a new connection, on which the server grants these listeners' subscriptions.
    fn reconnect(&mut self, listeners: &[&TestListener]) {
        self.connection += 1;
        listeners.iter().for_each(|listener| self.listeners.handle_granted(self.connection, listener.id));
    }

    /// Answers the query for the room's newest messages.
    fn find_newest(&self, newest: &[i64]) {
        self.find_newest_rows(newest.iter().copied().map(row).collect());
    }

    fn find_newest_rows(&self, newest: Vec<Message>) {
        let work = self.next_work().unwrap();
        assert!(matches!(work, Work::FindNewest { .. }), "{work:?}");
        self.give(work, newest, None);
    }

    /// Starts as many catch-up threads as can be used. Returns how many.
    fn start_threads(&self) -> usize {
        let started = Cell::new(0);
        let start = || {
            started.set(started.get() + 1);
            Ok::<(), ()>(())
        };
        self.listeners.ensure_threads(start).unwrap();
        started.get()
    }

    /// Takes what a thread would do next without waiting.
    fn next_work(&self) -> Option<Work> {
        self.listeners.tables.lock().take_work()
    }

    fn next_catch_up(&self) -> CatchUp {
        match self.next_work() {
            Some(Work::CatchUp(catch_up)) => *catch_up,
            other => panic!("{other:?}"),
        }
    }

    /// Answers a query with these messages and the query for the next page.
    fn give(&self, work: Work, messages: Vec<Message>, next: Option<History>) {
        self.listeners.finish_work(work, Some(Ok(HistoryPage { messages, next })), self.now);
    }

    fn fail(&self, catch_up: CatchUp, error: Error) {
        self.listeners.finish_work(Work::CatchUp(Box::new(catch_up)), Some(Err(error)), self.now);
    }

    /// Answers a catch-up with its last page.
    fn end(&self, catch_up: CatchUp, mids: impl IntoIterator<Item = i64>) {
        self.give(Work::CatchUp(Box::new(catch_up)), mids.into_iter().map(row).collect(), None);
    }

    /// Answers a catch-up with a page that another follows.
    fn page(&self, catch_up: CatchUp, mids: impl IntoIterator<Item = i64>) {
        let next = catch_up.query();
        self.give(Work::CatchUp(Box::new(catch_up)), mids.into_iter().map(row).collect(), next);
    }

    /// Completes a catch-up of a room of which nothing is known, so there is no page to read.
    fn do_blind_catch_up(&self) {
        let work = self.next_work().unwrap();
        assert!(work.query().is_none());
        self.listeners.finish_work(work, None, self.now);
    }

    /// Completes the next catch-up in one page.
    fn catch_up(&self, mids: impl IntoIterator<Item = i64>) {
        self.end(self.next_catch_up(), mids);
    }
}

struct TestListener {
    id: ListenerId,
    sink: Arc<Sink>,
}

impl TestListener {
    /// Takes everything that is there, in short form.
    fn received(&self) -> Vec<String> {
        let take = || match self.sink.queue.try_take() {
            Taken::Push(push) => Some(in_short(&push)),
            Taken::Nothing => None,
            Taken::Closed => None,
        };
        std::iter::from_fn(take).collect()
    }
}

fn in_short(push: &Push) -> String {
    match push {
        Push::Message(message) => message.mid.to_string(),
        Push::Event(event) => event.name.clone(),
        Push::Gap(gap) => {
            let (missed, since) = (gap.missed().unwrap_or(0), gap.since().unwrap_or(0));
            let error = if gap.error().is_some() { " with an error" } else { "" };
            format!("{:?} {missed} since {since}{error}", gap.reason())
        }
    }
}

fn room_message(rid: i64, mid: i64) -> Vec<u8> {
    room_message_at(rid, mid, Some(1_000 * mid))
}

fn room_message_at(rid: i64, mid: i64, mtime: Option<i64>) -> Vec<u8> {
    let mut payload = Vec::new();
    let map = MapWriter::begin(&mut payload).int("from", 7).int("rid", rid).int("mid", mid);
    let _ = map.int("mtype", 30).optional_int("mtime", mtime).str("msg", "hello").str("attrs", "");
    payload
}

fn row(mid: i64) -> Message {
    Message {
        target: Target::Room(ROOM),
        from: 7,
        mid,
        mtype: MessageType::CHAT,
        body: "hello".into(),
        attrs: String::new(),
        mtime: Some(1_000 * mid),
    }
}

fn error() -> Error {
    Error::from_answer(ErrorCode::RTM_EC_PERMISSION_DENIED, "no")
}

fn lost() -> Error {
    Error::connection_closed(CloseReason::Peer, false)
}
