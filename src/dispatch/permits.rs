//! Back-pressure: how many calls may be in flight, and how many bytes may wait to be sent.

use std::time::Instant;

use parking_lot::{Condvar, Mutex, MutexGuard};

/// Frames that wait to be sent may take this many bytes; one more frame is let in below that. It bounds the memory
/// behind a server that stops reading, whatever the size of the calls.
const MAX_UNSENT_BYTES: usize = 16 * 1024 * 1024;

/// Which permits a call takes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PermitClass {
    /// Those that all calls share.
    Ordinary,
    /// Those kept for calls that are waited for inside callbacks: the ordinary ones may all be held by callbacks that
    /// wait for the very thread that would wait here.
    InsideCallback,
}

/// Why a call got no permit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AcquireError {
    /// There was no room, or none in time.
    Full,
    /// The client was closed.
    Closed,
}

/// The right of one call to be in flight. It goes back with [`Permits::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is dropped is never given back"]
pub struct Permit(PermitClass);

/// The permits of one client.
#[derive(Debug)]
pub struct Permits {
    /// How many permits each class has.
    limit: usize,
    usage: Mutex<Usage>,
    ordinary_room: Condvar,
    inside_callback_room: Condvar,
}

#[derive(Debug, Default)]
struct Usage {
    ordinary: usize,
    inside_callback: usize,
    unsent_bytes: usize,
    /// How many threads wait for a permit, of either class.
    waiting: usize,
    is_closed: bool,
}

impl Usage {
    fn of(&mut self, class: PermitClass) -> &mut usize {
        match class {
            PermitClass::Ordinary => &mut self.ordinary,
            PermitClass::InsideCallback => &mut self.inside_callback,
        }
    }

    fn try_acquire(&mut self, class: PermitClass, bytes: usize, limit: usize) -> Result<Permit, AcquireError> {
        if self.is_closed {
            return Err(AcquireError::Closed);
        }
        if self.unsent_bytes >= MAX_UNSENT_BYTES || *self.of(class) >= limit {
            return Err(AcquireError::Full);
        }
        *self.of(class) += 1;
        self.unsent_bytes += bytes;
        Ok(Permit(class))
    }
}

impl Permits {
    pub fn new(limit: usize) -> Permits {
        Permits { limit, usage: Mutex::default(), ordinary_room: Condvar::new(), inside_callback_room: Condvar::new() }
    }

    /// How many calls hold a permit.
    pub fn in_flight(&self) -> usize {
        let usage = self.usage.lock();
        usage.ordinary + usage.inside_callback
    }

    /// Takes a permit for a call with a frame of `bytes` bytes, if there is one now.
    pub fn try_acquire(&self, class: PermitClass, bytes: usize) -> Result<Permit, AcquireError> {
        self.usage.lock().try_acquire(class, bytes, self.limit)
    }

    /// Takes a permit for a call with a frame of `bytes` bytes as soon as there is one, until `deadline`.
    pub fn acquire_by(&self, class: PermitClass, bytes: usize, deadline: Instant) -> Result<Permit, AcquireError> {
        let mut usage = self.usage.lock();
        let mut is_too_late = false;
        loop {
            match usage.try_acquire(class, bytes, self.limit) {
                Err(AcquireError::Full) if !is_too_late => {}
                other => return other,
            }
            usage.waiting += 1;
            is_too_late = self.room(class).wait_until(&mut usage, deadline).timed_out();
            usage.waiting -= 1;
        }
    }

    /// The call is over.
    pub fn release(&self, permit: Permit) {
        let Permit(class) = permit;
        let mut usage = self.usage.lock();
        *usage.of(class) -= 1;
        let is_awaited = usage.waiting > 0;
        drop(usage);
        if is_awaited {
            self.room(class).notify_one();
        }
    }

    /// Frames of `bytes` bytes wait to be sent no longer.
    pub fn release_bytes(&self, bytes: usize) {
        let mut usage = self.usage.lock();
        let was_full = usage.unsent_bytes >= MAX_UNSENT_BYTES;
        usage.unsent_bytes -= bytes;
        if was_full {
            self.notify_all(usage);
        }
    }

    /// Gives out no more permits, and sends those away who wait for one.
    pub fn close(&self) {
        let mut usage = self.usage.lock();
        usage.is_closed = true;
        self.notify_all(usage);
    }

    fn room(&self, class: PermitClass) -> &Condvar {
        match class {
            PermitClass::Ordinary => &self.ordinary_room,
            PermitClass::InsideCallback => &self.inside_callback_room,
        }
    }

    fn notify_all(&self, usage: MutexGuard<'_, Usage>) {
        let is_awaited = usage.waiting > 0;
        drop(usage);
        if is_awaited {
            self.ordinary_room.notify_all();
            self.inside_callback_room.notify_all();
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

    fn wait_on_a_thread(permits: &Arc<Permits>) -> std::thread::JoinHandle<Result<Permit, AcquireError>> {
        let permits = Arc::clone(permits);
        let deadline = Instant::now() + Duration::from_secs(60);
        std::thread::spawn(move || permits.acquire_by(PermitClass::Ordinary, 0, deadline))
    }

    fn await_waiters(permits: &Permits) {
        while permits.usage.lock().waiting == 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn nobody_is_let_in_over_the_limit() {
        let permits = Permits::new(1);
        let permit = permits.try_acquire(PermitClass::Ordinary, 10).unwrap();
        assert_eq!(permits.try_acquire(PermitClass::Ordinary, 10), Err(AcquireError::Full));
        assert_eq!(permits.acquire_by(PermitClass::Ordinary, 10, soon()), Err(AcquireError::Full));
        assert!(permits.try_acquire(PermitClass::InsideCallback, 10).is_ok());
        permits.release(permit);
        assert!(permits.try_acquire(PermitClass::Ordinary, 10).is_ok());
    }

    #[test]
    fn unsent_bytes_bar_the_door_until_they_are_sent() {
        let permits = Permits::new(10);
        assert!(permits.try_acquire(PermitClass::Ordinary, MAX_UNSENT_BYTES).is_ok());
        assert_eq!(permits.try_acquire(PermitClass::Ordinary, 1), Err(AcquireError::Full));
        permits.release_bytes(MAX_UNSENT_BYTES);
        assert!(permits.try_acquire(PermitClass::Ordinary, 1).is_ok());
    }

    #[test]
    fn waiter_gets_the_permit_that_is_released() {
        let permits = Arc::new(Permits::new(1));
        let permit = permits.try_acquire(PermitClass::Ordinary, 0).unwrap();
        let waiter = wait_on_a_thread(&permits);
        await_waiters(&permits);
        permits.release(permit);
        assert!(waiter.join().unwrap().is_ok());
    }

    #[test]
    fn closing_sends_the_waiters_away() {
        let permits = Arc::new(Permits::new(0));
        let waiter = wait_on_a_thread(&permits);
        await_waiters(&permits);
        permits.close();
        assert_eq!(waiter.join().unwrap(), Err(AcquireError::Closed));
    }
}
