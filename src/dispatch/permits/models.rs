//! Models every order in which two waiters, a release and a close can interleave.

use super::*;
use std::sync::Arc;
use std::time::Duration;

use loom::thread::{self, JoinHandle};

fn permits(calls: usize) -> Arc<Permits> {
    Arc::new(Permits::new(Limits { calls, unsent_bytes: 100 }))
}

/// Starts a thread that waits for a permit and releases it. Returns whether it got one.
fn waiter(permits: &Arc<Permits>) -> JoinHandle<bool> {
    let permits = Arc::clone(permits);
    thread::spawn(move || match permits.acquire_by(0, later()) {
        Ok(permit) => {
            assert!(permits.in_flight() <= permits.limits.calls, "over the limit");
            permits.release(permit);
            true
        }
        Err(error) => {
            assert_eq!(error, AcquireError::Closed);
            false
        }
    })
}

fn later() -> Instant {
    Instant::now() + Duration::from_secs(1)
}

#[test]
fn every_waiter_gets_its_permit() {
    loom::model(|| {
        let permits = permits(1);
        let permit = permits.acquire_by(0, later()).unwrap();
        let waiters = [waiter(&permits), waiter(&permits)];
        permits.release(permit);
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
        assert_eq!(permits.in_flight(), 0);
    });
}

#[test]
fn waiters_for_the_send_buffer_continue_once_it_is_sent() {
    loom::model(|| {
        let permits = permits(9);
        let permit = permits.acquire_by(100, later()).unwrap();
        let waiters = [waiter(&permits), waiter(&permits)];
        permits.release_bytes(100);
        permits.release(permit);
        assert!(waiters.into_iter().all(|waiter| waiter.join().unwrap()));
    });
}

#[test]
fn close_turns_every_waiter_away_until_idle() {
    loom::model(|| {
        let permits = permits(1);
        let permit = permits.acquire_by(0, later()).unwrap();
        let waiters = [waiter(&permits), waiter(&permits)];
        permits.close();
        permits.release(permit);
        assert!(permits.wait_until_idle(later()));
        waiters.into_iter().for_each(|waiter| _ = waiter.join().unwrap());
        assert_eq!(permits.in_flight(), 0);
    });
}
