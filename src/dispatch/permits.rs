//! Back-pressure: limits the calls in flight, the callbacks waiting to run, and the bytes waiting to be sent.

use std::time::Instant;

use crate::sync::{Condvar, Mutex, MutexGuard};

/// The limits of a client.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limits {
    /// Calls in flight. The same number limits callbacks that have not begun.
    pub calls: usize,
    /// Bytes of frames waiting to be sent. Below the limit one more frame is admitted, whatever its size.
    pub unsent_bytes: usize,
}

/// What a permit allows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PermitClass {
    /// Being in flight, until there is an outcome.
    InFlight,
    /// Having a callback wait, until it begins. Counted separately, so that a blocking callback takes no room from
    /// calls without one.
    Callback,
}

/// A permit. Must be returned with [`Permits::release`].
#[derive(Debug, PartialEq, Eq)]
#[must_use = "a permit that is dropped is never given back"]
pub(crate) struct Permit(PermitClass);

/// The permits of a call with a callback.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct CallbackPermits {
    pub in_flight: Permit,
    pub callback: Permit,
}

/// How much of the [`Limits`] is in use.
#[cfg(feature = "metrics")]
#[derive(Debug, Clone, Copy)]
pub(crate) struct InUse {
    /// Calls in flight.
    pub(crate) in_flight: usize,
    /// Callbacks that have not begun.
    pub(crate) callbacks: usize,
    /// Bytes of frames waiting to be sent.
    pub(crate) unsent_bytes: usize,
}

/// Why a permit could not be acquired.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum AcquireError {
    /// Too many calls in flight, or too many callbacks waiting.
    NoPermit,
    /// Too many bytes waiting to be sent.
    SendBufferFull,
    /// The client was closed.
    Closed,
}

/// The permits of one client.
#[derive(Debug)]
pub(crate) struct Permits {
    limits: Limits,
    usage: Mutex<Usage>,
    /// Notified when a waiting call may proceed or must give up.
    room: Condvar,
    /// Notified when nothing is in flight.
    idle: Condvar,
}

#[derive(Debug, Default)]
struct Usage {
    in_flight: usize,
    callbacks: usize,
    unsent_bytes: usize,
    /// The number of threads that wait for a permit.
    waiting: usize,
    is_closed: bool,
}

impl Usage {
    fn try_acquire(&mut self, bytes: usize, limits: &Limits) -> Result<Permit, AcquireError> {
        if self.is_closed {
            return Err(AcquireError::Closed);
        }
        if self.in_flight >= limits.calls {
            return Err(AcquireError::NoPermit);
        }
        if self.unsent_bytes >= limits.unsent_bytes {
            return Err(AcquireError::SendBufferFull);
        }
        self.in_flight += 1;
        self.unsent_bytes += bytes;
        Ok(Permit(PermitClass::InFlight))
    }
}

impl Permits {
    pub(crate) fn new(limits: Limits) -> Permits {
        Permits { limits, usage: Mutex::default(), room: Condvar::new(), idle: Condvar::new() }
    }

    /// The number of calls in flight.
    pub(crate) fn in_flight(&self) -> usize {
        self.usage.lock().in_flight
    }

    /// Returns what is in use now.
    #[cfg(feature = "metrics")]
    pub(crate) fn in_use(&self) -> InUse {
        let Usage { in_flight, callbacks, unsent_bytes, .. } = *self.usage.lock();
        InUse { in_flight, callbacks, unsent_bytes }
    }

    /// Acquires the permits for a call with a callback and a frame of `bytes` bytes, without waiting.
    pub(crate) fn try_acquire_with_callback(&self, bytes: usize) -> Result<CallbackPermits, AcquireError> {
        let mut usage = self.usage.lock();
        if !usage.is_closed && usage.callbacks >= self.limits.calls {
            return Err(AcquireError::NoPermit);
        }
        let in_flight = usage.try_acquire(bytes, &self.limits)?;
        usage.callbacks += 1;
        Ok(CallbackPermits { in_flight, callback: Permit(PermitClass::Callback) })
    }

    /// Acquires a permit for a call with a frame of `bytes` bytes. Waits for one until `deadline`.
    pub(crate) fn acquire_by(&self, bytes: usize, deadline: Instant) -> Result<Permit, AcquireError> {
        let mut usage = self.usage.lock();
        let mut is_too_late = false;
        loop {
            let outcome = usage.try_acquire(bytes, &self.limits);
            if is_too_late || matches!(outcome, Ok(_) | Err(AcquireError::Closed)) {
                return outcome;
            }
            usage.waiting += 1;
            is_too_late = self.room.wait_until(&mut usage, deadline).timed_out();
            usage.waiting -= 1;
        }
    }

    /// Releases a permit.
    pub(crate) fn release(&self, permit: Permit) {
        let mut usage = self.usage.lock();
        match permit.0 {
            // No thread ever waits for one of these.
            PermitClass::Callback => usage.callbacks -= 1,
            PermitClass::InFlight => {
                usage.in_flight -= 1;
                let is_awaited = usage.waiting > 0;
                let is_drained = usage.is_closed && usage.in_flight == 0;
                drop(usage);
                if is_awaited {
                    self.room.notify_one();
                }
                if is_drained {
                    self.idle.notify_all();
                }
            }
        }
    }

    /// Releases `bytes` bytes of frames, which no longer wait to be sent.
    pub(crate) fn release_bytes(&self, bytes: usize) {
        let mut usage = self.usage.lock();
        let was_full = usage.unsent_bytes >= self.limits.unsent_bytes;
        usage.unsent_bytes -= bytes;
        if was_full {
            self.notify_waiting(usage);
        }
    }

    /// Grants no more permits, and turns away waiting threads.
    pub(crate) fn close(&self) {
        let mut usage = self.usage.lock();
        usage.is_closed = true;
        self.notify_waiting(usage);
    }

    /// Waits until nothing is in flight, after [`close`](Permits::close). Returns whether that happened by `deadline`.
    pub(crate) fn wait_until_idle(&self, deadline: Instant) -> bool {
        let mut usage = self.usage.lock();
        while usage.in_flight > 0 {
            if self.idle.wait_until(&mut usage, deadline).timed_out() {
                break;
            }
        }
        usage.in_flight == 0
    }

    fn notify_waiting(&self, usage: MutexGuard<'_, Usage>) {
        let is_awaited = usage.waiting > 0;
        drop(usage);
        if is_awaited {
            self.room.notify_all();
        }
    }
}

#[cfg(all(loom, test))]
mod models;

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use std::time::Duration;

    fn permits(calls: usize) -> Permits {
        Permits::new(Limits { calls, unsent_bytes: 1000 })
    }

    fn now(permits: &Permits, bytes: usize) -> Result<Permit, AcquireError> {
        permits.acquire_by(bytes, Instant::now())
    }

    fn wait_on_a_thread(permits: &Arc<Permits>) -> std::thread::JoinHandle<Result<Permit, AcquireError>> {
        let permits = Arc::clone(permits);
        let deadline = Instant::now() + Duration::from_secs(60);
        std::thread::spawn(move || permits.acquire_by(0, deadline))
    }

    fn await_waiters(permits: &Permits) {
        while permits.usage.lock().waiting == 0 {
            std::thread::yield_now();
        }
    }

    #[test]
    fn no_permit_exceeds_the_limit() {
        let permits = permits(1);
        let permit = now(&permits, 10).unwrap();
        assert_eq!(now(&permits, 10), Err(AcquireError::NoPermit));
        assert_eq!(permits.try_acquire_with_callback(10), Err(AcquireError::NoPermit));
        permits.release(permit);
        assert!(now(&permits, 10).is_ok());
    }

    #[test]
    fn waiting_callbacks_do_not_use_permits_of_other_calls() {
        let permits = permits(1);
        let first = permits.try_acquire_with_callback(0).unwrap();
        permits.release(first.in_flight);
        assert_eq!(permits.try_acquire_with_callback(0), Err(AcquireError::NoPermit));
        permits.release(now(&permits, 0).unwrap());
        permits.release(first.callback);
        assert!(permits.try_acquire_with_callback(0).is_ok());
    }

    #[test]
    fn full_send_buffer_has_its_own_error_until_bytes_are_sent() {
        let permits = permits(10);
        assert!(now(&permits, 1000).is_ok());
        assert_eq!(now(&permits, 1), Err(AcquireError::SendBufferFull));
        assert_eq!(permits.try_acquire_with_callback(1), Err(AcquireError::SendBufferFull));
        let permits = Arc::new(permits);
        let waiter = wait_on_a_thread(&permits);
        await_waiters(&permits);
        permits.release_bytes(1000);
        assert!(waiter.join().unwrap().is_ok());
    }

    #[test]
    fn byte_limit_is_exceeded_by_one_frame_at_most() {
        let permits = Arc::new(permits(1000));
        assert!(now(&permits, 999).is_ok());
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let permits = Arc::clone(&permits);
                std::thread::spawn(move || now(&permits, 500).is_ok())
            })
            .collect();
        let let_in = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|is_in| *is_in).count();
        assert_eq!(let_in, 1);
    }

    #[test]
    fn waiter_gets_a_released_permit() {
        let permits = Arc::new(permits(1));
        let permit = now(&permits, 0).unwrap();
        let waiter = wait_on_a_thread(&permits);
        await_waiters(&permits);
        permits.release(permit);
        assert!(waiter.join().unwrap().is_ok());
    }

    #[test]
    fn closing_turns_waiters_away() {
        let permits = Arc::new(permits(0));
        let waiter = wait_on_a_thread(&permits);
        await_waiters(&permits);
        permits.close();
        assert_eq!(waiter.join().unwrap(), Err(AcquireError::Closed));
    }

    #[test]
    fn permits_are_idle_once_the_last_is_released() {
        let permits = Arc::new(permits(2));
        let (first, second) = (now(&permits, 0).unwrap(), now(&permits, 0).unwrap());
        permits.close();
        assert!(!permits.wait_until_idle(Instant::now()));
        let waiter = {
            let permits = Arc::clone(&permits);
            std::thread::spawn(move || permits.wait_until_idle(Instant::now() + Duration::from_secs(60)))
        };
        permits.release(first);
        permits.release(second);
        assert!(waiter.join().unwrap());
    }
}
