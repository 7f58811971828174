//! Threads that call and listen until they are stopped.

use std::panic::resume_unwind;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use rtm_server_sdk::{Client, Listen, Push};

use crate::ledger::{Entry, Ledger};

/// The total over all callers.
const MOST_UNSETTLED: u64 = 1_000;

/// What a caller knows.
#[derive(Clone)]
pub struct Caller {
    pub client: Client,
    pub ledger: Arc<Ledger>,
    pub is_over: Arc<AtomicBool>,
    pub seed: u64,
}

impl Caller {
    /// Calls in all three ways, with timeouts of all lengths.
    pub fn call_on(self) {
        let mut random = fastrand::Rng::with_seed(self.seed);
        let (rid, mut uid) = (random.i64(1..20), 0);
        while !self.is_over.load(Ordering::Relaxed) {
            // Callbacks are made faster than sleeping ones can run.
            if self.ledger.unsettled() > MOST_UNSETTLED {
                thread::sleep(Duration::from_millis(1));
                continue;
            }
            uid += 1;
            let timeout = Duration::from_micros(random.u64(1..200_000));
            let call = self.client.add_room_member(rid, uid).timeout(timeout).wait_for_ready(random.bool());
            let entry = self.ledger.enter();
            match random.u8(..6) {
                0 | 1 => entry.settle(&call.call()),
                2 => entry.settle(&call.submit().wait()),
                3 => {
                    drop(call.submit());
                    entry.abandon();
                }
                _ => {
                    let what = random.u8(..);
                    let caller = self.clone();
                    call.callback(move |outcome| {
                        entry.settle(&outcome);
                        caller.in_callback(what);
                    });
                }
            }
        }
    }

    /// What a callback should not do. It holds a clone of the client, possibly the last one.
    fn in_callback(self, what: u8) {
        let call = || self.client.is_ban_of_room(1, 2).timeout(Duration::from_millis(20));
        let enter = || -> Entry { self.ledger.enter() };
        match what % 16 {
            0 => thread::sleep(Duration::from_millis(what.into()) / 64),
            1 => enter().settle(&call().call()),
            2 => {
                let entry = enter();
                call().callback(move |outcome| entry.settle(&outcome));
            }
            // Bypasses the panic hook, which would fill the screen.
            3 => resume_unwind(Box::new("a callback panics")),
            4 if what > 240 => self.client.close(),
            _ => {}
        }
    }

    /// Listens in both ways, again and again, and never for long.
    pub fn listen_on(self) {
        let mut random = fastrand::Rng::with_seed(self.seed);
        while !self.is_over.load(Ordering::Relaxed) {
            let listen = Listen::new().room(random.i64(1..20)).all_events();
            let queue = random.usize(1..100);
            let listening = self.client.listen(listen).timeout(Duration::from_millis(100)).queue(queue);
            if random.bool() {
                let Ok(listener) = listening.start() else { continue };
                while let Ok(Some(push)) = listener.recv_timeout(Duration::from_millis(random.u64(..20))) {
                    count(&self.ledger, &push);
                }
            } else {
                let (ledger, may_panic) = (Arc::clone(&self.ledger), random.bool());
                let guard = listening.callback(move |push| {
                    count(&ledger, &push);
                    if may_panic {
                        resume_unwind(Box::new("a listener panics"));
                    }
                });
                thread::sleep(Duration::from_millis(random.u64(..20)));
                drop(guard);
            }
        }
    }
}

fn count(ledger: &Ledger, push: &Push) {
    if !matches!(push, Push::Gap(_)) {
        ledger.count_push();
    }
}
