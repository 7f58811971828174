//! The locks and flags between threads. Where their protocols are modelled, with `--cfg loom`, loom's take their place
//! (`docs/verification.md`).

#[cfg(not(all(loom, test)))]
pub(crate) use {
    parking_lot::{Condvar, Mutex, MutexGuard},
    std::sync::atomic::AtomicBool,
};

#[cfg(all(loom, test))]
pub(crate) use modelled::{AtomicBool, Condvar, Mutex, MutexGuard};

/// The same interfaces, as far as they are used, over loom's.
#[cfg(all(loom, test))]
mod modelled {
    use std::ops::{Deref, DerefMut};
    use std::sync::atomic::Ordering;
    use std::time::Instant;

    use loom::sync::atomic::fence;

    #[derive(Debug, Default)]
    pub(crate) struct Mutex<T>(loom::sync::Mutex<T>);

    /// `None` only while its thread waits at a [`Condvar`].
    #[derive(Debug)]
    pub(crate) struct MutexGuard<'a, T>(Option<loom::sync::MutexGuard<'a, T>>);

    #[derive(Debug)]
    pub(crate) struct Condvar(loom::sync::Condvar);

    /// No time passes in a model: it shows that nobody has to wait for a deadline.
    pub(crate) struct NoTimeout;

    impl<T> Mutex<T> {
        pub(crate) fn new(value: T) -> Mutex<T> {
            Mutex(loom::sync::Mutex::new(value))
        }

        pub(crate) fn lock(&self) -> MutexGuard<'_, T> {
            MutexGuard(Some(self.0.lock().unwrap()))
        }
    }

    impl<T> Deref for MutexGuard<'_, T> {
        type Target = T;

        fn deref(&self) -> &T {
            self.0.as_ref().unwrap()
        }
    }

    impl<T> DerefMut for MutexGuard<'_, T> {
        fn deref_mut(&mut self) -> &mut T {
            self.0.as_mut().unwrap()
        }
    }

    impl Condvar {
        pub(crate) fn new() -> Condvar {
            Condvar(loom::sync::Condvar::new())
        }

        pub(crate) fn wait<T>(&self, guard: &mut MutexGuard<'_, T>) {
            let inner = guard.0.take().unwrap();
            guard.0 = Some(self.0.wait(inner).unwrap());
        }

        pub(crate) fn wait_until<T>(&self, guard: &mut MutexGuard<'_, T>, _deadline: Instant) -> NoTimeout {
            self.wait(guard);
            NoTimeout
        }

        pub(crate) fn notify_one(&self) {
            self.0.notify_one();
        }

        pub(crate) fn notify_all(&self) {
            self.0.notify_all();
        }
    }

    impl NoTimeout {
        pub(crate) fn timed_out(&self) -> bool {
            false
        }
    }

    /// Loom is weaker than the memory model in two ways: it takes `SeqCst` accesses for acquire and release, hence the
    /// fences; and it does not know that a swap comes right behind the value that it saw, hence a store is a swap too.
    #[derive(Debug)]
    pub(crate) struct AtomicBool(loom::sync::atomic::AtomicBool);

    impl AtomicBool {
        pub(crate) fn new(value: bool) -> AtomicBool {
            AtomicBool(loom::sync::atomic::AtomicBool::new(value))
        }

        pub(crate) fn load(&self, order: Ordering) -> bool {
            fence(Ordering::SeqCst);
            self.0.load(order)
        }

        pub(crate) fn store(&self, value: bool, order: Ordering) {
            self.0.swap(value, order);
            fence(Ordering::SeqCst);
        }

        pub(crate) fn swap(&self, value: bool, order: Ordering) -> bool {
            self.0.swap(value, order)
        }
    }
}
