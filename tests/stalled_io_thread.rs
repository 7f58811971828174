//! An I/O thread that is not scheduled, here blocked by the program's logger: calls still end at their own deadlines
//! and report correctly how far they got. In its own file, because a process has one logger.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, bounded};
use log::{LevelFilter, Log, Metadata, Record};
use rtm_server_sdk::error::Stage;
use rtm_server_sdk::{Client, Error, Pending};

use common::answering::AnsweringServer;
use common::fixtures::{self, sent_and_timed_out};
use common::scripted::{Connection, ScriptedServer};
use common::watchdog::guarded;
use common::wire::Packet;
use common::{PATIENCE, eventually, receive};

const SHORT: Duration = Duration::from_millis(50);

/// Blocks the thread that logs a line with this text, until it is released.
struct Trap {
    text: &'static str,
    caught: Sender<()>,
    release: Receiver<()>,
}

/// A logger that sets traps, and counts the lines of I/O threads.
#[derive(Default)]
struct Logger {
    trap: Mutex<Option<Trap>>,
    lines: AtomicUsize,
}

impl Log for Logger {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        if !record.target().starts_with("rtm_server_sdk") || thread::current().name() != Some("rtm-io") {
            return;
        }
        if record.level() <= log::Level::Debug {
            self.lines.fetch_add(1, Ordering::SeqCst);
        }
        let mut trap = self.trap.lock().unwrap();
        if trap.as_ref().is_some_and(|trap| record.args().to_string().contains(trap.text)) {
            let trap = trap.take().unwrap();
            _ = trap.caught.send(());
            _ = trap.release.recv_timeout(PATIENCE);
        }
    }

    fn flush(&self) {}
}

static LOGGER: OnceLock<Logger> = OnceLock::new();
/// All tests share the one logger.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

fn with_logger(body: impl FnOnce(&'static Logger) + Send + 'static) {
    let _turn = ONE_AT_A_TIME.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    guarded(|| {
        let logger = LOGGER.get_or_init(Logger::default);
        _ = log::set_logger(logger);
        log::set_max_level(LevelFilter::Trace);
        body(logger);
    });
}

/// Blocks the I/O thread at the next line with this text. Reports when, and continues when the sender is dropped.
fn hold_at(logger: &Logger, text: &'static str) -> (Receiver<()>, Sender<()>) {
    let (caught, is_caught) = bounded(1);
    let (let_go, release) = bounded(0);
    *logger.trap.lock().unwrap() = Some(Trap { text, caught, release });
    (is_caught, let_go)
}

fn stage_of<T: std::fmt::Debug>(outcome: Result<T, Error>) -> (Stage, bool) {
    let error = outcome.unwrap_err();
    match &error {
        Error::Timeout(timeout) => (timeout.stage(), error.may_have_executed()),
        other => panic!("{other:?}"),
    }
}

fn connected(server: &ScriptedServer) -> Client {
    let client = fixtures::client(server.endpoint());
    client.connect().unwrap();
    client
}

#[test]
fn unsent_call_reports_it_and_is_not_sent_later() {
    with_logger(|logger| {
        let server = ScriptedServer::start();
        let client = fixtures::client(server.endpoint());
        let (caught, let_go) = hold_at(logger, "connecting to");
        let held = client.clone();
        let first = thread::spawn(move || held.connect());
        receive(&caught, "the I/O thread");
        let mut polled = client.add_room_member(1, 1).timeout(SHORT).submit();
        let waited = client.add_room_member(1, 2).timeout(SHORT).submit();
        assert_eq!(stage_of(client.add_room_member(1, 3).timeout(SHORT).call()), (Stage::Connecting, false));
        assert_eq!(stage_of(waited.wait()), (Stage::Connecting, false));
        eventually("the polled call is given up", || match polled.try_wait() {
            Some(outcome) => stage_of(outcome) == (Stage::Connecting, false),
            None => false,
        });
        drop(let_go);
        first.join().unwrap().unwrap();
        // None of them is sent, although there is a connection now.
        let last = client.add_room_member(1, 4).submit();
        let connection = server.accept();
        let quest = connection.next();
        assert_eq!(quest.int("uid"), 4);
        connection.answer(&quest);
        last.wait().unwrap();
        assert_eq!(client.stats().failed_timeout, 3);
    });
}

#[test]
fn call_that_may_have_been_sent_reports_it() {
    with_logger(|logger| {
        let server = ScriptedServer::start();
        let client = connected(&server);
        let (caught, let_go) = hold_at(logger, "quest ");
        sent_and_timed_out(|| client.add_room_member(1, 1).timeout(SHORT).submit().wait());
        receive(&caught, "the I/O thread");
        drop(let_go);
    });
}

/// A call that was sent, its quest, and how many tries it took. Each try is followed by a call with a long timeout that
/// is answered. If the quest of that call arrives first, the machine delayed the try for too long.
fn submit_until_sent(client: &Client, connection: &Connection) -> (Pending<()>, Packet, u64) {
    let mut tries = 0;
    loop {
        tries += 1;
        let pending = client.add_room_member(1, 1).timeout(4 * SHORT).submit();
        let behind = client.add_room_member(1, 2).submit();
        let first = connection.next();
        if first.int("uid") == 1 {
            connection.answer(&connection.next());
            behind.wait().unwrap();
            return (pending, first, tries);
        }
        connection.answer(&first);
        behind.wait().unwrap();
        assert!(!stage_of(pending.wait()).1);
    }
}

#[test]
fn call_that_its_caller_gave_up_does_not_count_as_answered() {
    with_logger(|logger| {
        let server = ScriptedServer::start();
        let client = connected(&server);
        let connection = server.accept();
        let (pending, quest, tries) = submit_until_sent(&client, &connection);
        let (caught, let_go) = hold_at(logger, "quest ");
        let other = client.add_room_member(1, 3).submit();
        receive(&caught, "the I/O thread");
        // Its answer is there, but the I/O thread does not read it in time.
        connection.answer(&quest);
        assert_eq!(stage_of(pending.wait()), (Stage::WaitingForAnswer, true));
        drop(let_go);
        connection.answer(&connection.next());
        other.wait().unwrap();
        // Both answers may arrive in one read, of which the last is delivered first.
        eventually("the late answer is counted", || client.stats().late_answers == 1);
        let stats = client.stats();
        assert_eq!((stats.answered, stats.failed_timeout), (tries + 1, tries));
    });
}

/// What `docs/logging.md` promises for slow loggers.
#[test]
fn io_thread_logs_nothing_for_calls_above_trace() {
    with_logger(|logger| {
        let server = AnsweringServer::start();
        let client = fixtures::client(server.endpoint());
        client.connect().unwrap();
        let before = logger.lines.load(Ordering::SeqCst);
        for uid in 0..100 {
            client.add_room_member(1, uid).call().unwrap();
        }
        let refused = client.set_room_info(1, None, None).call();
        assert!(matches!(refused, Err(Error::InvalidArgument(_))));
        assert_eq!(logger.lines.load(Ordering::SeqCst), before);
    });
}
