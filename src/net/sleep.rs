//! The flag that tells whether the I/O thread sleeps. It avoids wakes for commands that arrive while the thread is
//! awake.

use std::sync::atomic::Ordering;

use crate::sync::AtomicBool;

/// Set while the thread sleeps or is about to. The sender that clears it wakes the thread. So there is one wake per
/// sleep, however many commands arrive, and none while the thread is awake.
///
/// A sender first adds its command, then checks the flag. The thread first sets the flag, then checks the queue. So at
/// least one of them sees the other.
#[derive(Debug)]
pub(super) struct SleepFlag {
    is_asleep: AtomicBool,
}

impl SleepFlag {
    /// Creates the flag of a thread that is awake.
    pub(super) fn new() -> SleepFlag {
        SleepFlag { is_asleep: AtomicBool::new(false) }
    }

    /// Sets the flag before a sleep. The thread must then check the queue once more.
    pub(super) fn set(&self) {
        self.is_asleep.store(true, Ordering::SeqCst);
    }

    /// Clears the flag after a sleep. The thread must then check the queue.
    pub(super) fn clear(&self) {
        self.is_asleep.store(false, Ordering::SeqCst);
    }

    /// Announces work. Returns whether the caller must wake the thread.
    #[must_use]
    pub(super) fn take(&self) -> bool {
        self.is_asleep.load(Ordering::SeqCst) && self.is_asleep.swap(false, Ordering::SeqCst)
    }
}

#[cfg(all(loom, test))]
mod models {
    use super::*;
    use std::sync::Arc;

    use loom::sync::atomic::AtomicUsize;
    use loom::sync::{Condvar, Mutex};
    use loom::thread;

    /// The thread, its waker, and its queue, represented by the number of commands.
    struct Model {
        flag: SleepFlag,
        queued: AtomicUsize,
        is_woken: Mutex<bool>,
        woken: Condvar,
    }

    impl Model {
        fn new() -> Arc<Model> {
            Arc::new(Model {
                flag: SleepFlag::new(),
                queued: AtomicUsize::new(0),
                is_woken: Mutex::new(false),
                woken: Condvar::new(),
            })
        }

        fn send(&self) {
            self.queued.fetch_add(1, Ordering::SeqCst);
            if self.flag.take() {
                *self.is_woken.lock().unwrap() = true;
                self.woken.notify_one();
            }
        }

        /// Runs turns of the thread until it has taken `commands` commands.
        fn run_until(&self, commands: usize) {
            let mut done = 0;
            loop {
                done += self.queued.swap(0, Ordering::SeqCst);
                if done == commands {
                    return;
                }
                self.flag.set();
                let may_sleep = self.queued.load(Ordering::SeqCst) == 0;
                let mut is_woken = self.is_woken.lock().unwrap();
                while may_sleep && !*is_woken {
                    is_woken = self.woken.wait(is_woken).unwrap();
                }
                *is_woken = false;
                self.flag.clear();
            }
        }
    }

    #[test]
    fn no_command_is_slept_through() {
        loom::model(|| {
            let model = Model::new();
            let senders: Vec<_> = (0..2)
                .map(|_| {
                    let model = Arc::clone(&model);
                    thread::spawn(move || model.send())
                })
                .collect();
            model.run_until(2);
            senders.into_iter().for_each(|sender| sender.join().unwrap());
        });
    }
}
