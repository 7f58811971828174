//! Back-pressure: how many calls may be in flight, and how many bytes may wait to be sent.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Instant;

use parking_lot::{Condvar, Mutex};

/// Frames that wait to be sent may take this many bytes; one more frame is let in below that. It bounds the memory
/// behind a server that stops reading, whatever the size of the calls.
const MOST_UNSENT_BYTES: usize = 16 * 1024 * 1024;

/// Whose place a call takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Everybody's.
    Ordinary,
    /// Kept for calls that are waited for inside callbacks. The ordinary places may all be held by callbacks that wait
    /// for the very thread that would wait here.
    InsideCallback,
}

/// Why a call was not let in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// There was no room, or none in time.
    Full,
    /// The client was closed.
    Closed,
}

/// The door that every call goes through.
#[derive(Debug)]
pub struct Admission {
    limit: usize,
    ordinary: Places,
    inside_callback: Places,
    unsent_bytes: AtomicUsize,
    is_closed: AtomicBool,
    /// How many threads wait for room, in both lanes.
    waiting: AtomicUsize,
    lock: Mutex<()>,
}

/// The places of one lane, and those who wait for one.
#[derive(Debug, Default)]
struct Places {
    taken: AtomicUsize,
    room: Condvar,
}

impl Admission {
    pub fn new(limit: usize) -> Admission {
        Admission {
            limit,
            ordinary: Places::default(),
            inside_callback: Places::default(),
            unsent_bytes: AtomicUsize::new(0),
            is_closed: AtomicBool::new(false),
            waiting: AtomicUsize::new(0),
            lock: Mutex::new(()),
        }
    }

    /// How many calls are in.
    pub fn in_flight(&self) -> usize {
        self.ordinary.taken.load(Ordering::Relaxed) + self.inside_callback.taken.load(Ordering::Relaxed)
    }

    /// Lets a call with a frame of `bytes` bytes in if there is room now.
    pub fn try_enter(&self, lane: Lane, bytes: usize) -> Result<(), Refusal> {
        if self.is_closed.load(Ordering::SeqCst) {
            return Err(Refusal::Closed);
        }
        if self.unsent_bytes.load(Ordering::SeqCst) >= MOST_UNSENT_BYTES {
            return Err(Refusal::Full);
        }
        let take_place = |taken| (taken < self.limit).then_some(taken + 1);
        match self.places(lane).taken.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take_place) {
            Ok(_) => {
                self.unsent_bytes.fetch_add(bytes, Ordering::SeqCst);
                Ok(())
            }
            Err(_) => Err(Refusal::Full),
        }
    }

    /// Lets a call in as soon as there is room, until `deadline`.
    pub fn enter_by(&self, lane: Lane, bytes: usize, deadline: Instant) -> Result<(), Refusal> {
        match self.try_enter(lane, bytes) {
            Err(Refusal::Full) => self.wait_for_room(lane, bytes, deadline),
            other => other,
        }
    }

    /// A call is over.
    pub fn leave(&self, lane: Lane) {
        let places = self.places(lane);
        places.taken.fetch_sub(1, Ordering::SeqCst);
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let _guard = self.lock.lock();
            places.room.notify_one();
        }
    }

    /// Frames of `bytes` bytes wait to be sent no longer.
    pub fn release_bytes(&self, bytes: usize) {
        let before = self.unsent_bytes.fetch_sub(bytes, Ordering::SeqCst);
        if before >= MOST_UNSENT_BYTES {
            self.call_all_waiters();
        }
    }

    /// Nobody is let in any more, those who wait included.
    pub fn close(&self) {
        self.is_closed.store(true, Ordering::SeqCst);
        self.call_all_waiters();
    }

    fn places(&self, lane: Lane) -> &Places {
        match lane {
            Lane::Ordinary => &self.ordinary,
            Lane::InsideCallback => &self.inside_callback,
        }
    }

    fn wait_for_room(&self, lane: Lane, bytes: usize, deadline: Instant) -> Result<(), Refusal> {
        let mut guard = self.lock.lock();
        // Whoever makes room after this sees that somebody waits, and needs the lock to call.
        self.waiting.fetch_add(1, Ordering::SeqCst);
        let outcome = loop {
            match self.try_enter(lane, bytes) {
                Err(Refusal::Full) => {}
                other => break other,
            }
            if self.places(lane).room.wait_until(&mut guard, deadline).timed_out() {
                break self.try_enter(lane, bytes);
            }
        };
        self.waiting.fetch_sub(1, Ordering::SeqCst);
        outcome
    }

    fn call_all_waiters(&self) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let _guard = self.lock.lock();
            self.ordinary.room.notify_all();
            self.inside_callback.room.notify_all();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    fn soon() -> Instant {
        Instant::now() + Duration::from_millis(20)
    }

    #[test]
    fn nobody_is_let_in_over_the_limit() {
        let admission = Admission::new(1);
        assert_eq!(admission.try_enter(Lane::Ordinary, 10), Ok(()));
        assert_eq!(admission.try_enter(Lane::Ordinary, 10), Err(Refusal::Full));
        assert_eq!(admission.enter_by(Lane::Ordinary, 10, soon()), Err(Refusal::Full));
        assert_eq!(admission.try_enter(Lane::InsideCallback, 10), Ok(()));
        admission.leave(Lane::Ordinary);
        assert_eq!(admission.try_enter(Lane::Ordinary, 10), Ok(()));
    }

    #[test]
    fn unsent_bytes_bar_the_door_until_they_are_sent() {
        let admission = Admission::new(10);
        assert_eq!(admission.try_enter(Lane::Ordinary, MOST_UNSENT_BYTES), Ok(()));
        assert_eq!(admission.try_enter(Lane::Ordinary, 1), Err(Refusal::Full));
        admission.release_bytes(MOST_UNSENT_BYTES);
        assert_eq!(admission.try_enter(Lane::Ordinary, 1), Ok(()));
    }

    #[test]
    fn waiter_gets_the_place_that_is_left() {
        let admission = Arc::new(Admission::new(1));
        admission.try_enter(Lane::Ordinary, 0).unwrap();
        let waiter = {
            let admission = Arc::clone(&admission);
            let deadline = Instant::now() + Duration::from_secs(60);
            std::thread::spawn(move || admission.enter_by(Lane::Ordinary, 0, deadline))
        };
        while admission.waiting.load(Ordering::SeqCst) == 0 {
            std::thread::yield_now();
        }
        admission.leave(Lane::Ordinary);
        assert_eq!(waiter.join().unwrap(), Ok(()));
    }

    #[test]
    fn closing_sends_the_waiters_away() {
        let admission = Arc::new(Admission::new(0));
        let waiter = {
            let admission = Arc::clone(&admission);
            let deadline = Instant::now() + Duration::from_secs(60);
            std::thread::spawn(move || admission.enter_by(Lane::Ordinary, 0, deadline))
        };
        admission.close();
        assert_eq!(waiter.join().unwrap(), Err(Refusal::Closed));
    }
}
