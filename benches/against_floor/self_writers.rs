//! Callers that write to the socket themselves, like the vendor's C++ SDK: a lock around the socket, taken by each
//! caller with a quest, and a thread that reads the answers and wakes each caller by the sequence number of its quest.
//!
//! It is a minimum, without deadlines, limits or reconnecting. The infos in an answer are not decoded.

use std::collections::HashMap;
use std::io::{self, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::floor::{Answers, Quests, unix_time};
use super::measure::{Latencies, Sample, Stopwatch};
use super::{Outcome, Project};

/// One connection that several threads share.
pub struct SelfWriters {
    shared: Arc<Shared>,
    stream: TcpStream,
    reader: Option<JoinHandle<()>>,
}

struct Shared {
    writer: Mutex<Writer>,
    /// The waiting callers, by the sequence numbers of their quests. `None` once the connection has ended.
    waiting: Mutex<Option<HashMap<u32, Arc<Waiter>>>>,
}

struct Writer {
    stream: TcpStream,
    quests: Quests,
    frame: Vec<u8>,
}

/// Where one caller sleeps.
#[derive(Default)]
struct Waiter {
    result: Mutex<Option<Result<(), ()>>>,
    answered: Condvar,
}

impl SelfWriters {
    pub fn connect(project: &Project, endpoint: &str) -> Outcome<SelfWriters> {
        let stream = TcpStream::connect(endpoint)?;
        stream.set_nodelay(true)?;
        let writer = Writer { stream: stream.try_clone()?, quests: Quests::new(project), frame: Vec::new() };
        let shared = Arc::new(Shared { writer: Mutex::new(writer), waiting: Mutex::new(Some(HashMap::new())) });
        let (of_reader, mut reading_end) = (Arc::clone(&shared), stream.try_clone()?);
        let reader = thread::spawn(move || of_reader.read_all(&mut reading_end));
        Ok(SelfWriters { shared, stream, reader: Some(reader) })
    }

    /// `threads` threads, each of which sends a quest and waits for its answer.
    pub fn blocking(&self, threads: usize, time: Duration) -> Outcome<Sample> {
        let watch = Stopwatch::start(time);
        let latencies = thread::scope(|scope| {
            let callers: Vec<_> = (0..threads).map(|_| scope.spawn(|| self.shared.call_until_over(&watch))).collect();
            let mut latencies = Latencies::default();
            for caller in callers {
                match caller.join() {
                    Ok(of_thread) => latencies.join(of_thread?),
                    Err(panic) => std::panic::resume_unwind(panic),
                }
            }
            Ok::<_, io::Error>(latencies)
        })?;
        Ok(watch.stop(latencies))
    }
}

impl Drop for SelfWriters {
    fn drop(&mut self) {
        // The reader ends with the connection, and returns nothing.
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.reader.take().map(JoinHandle::join);
    }
}

impl Shared {
    fn call_until_over(&self, watch: &Stopwatch) -> io::Result<Latencies> {
        let mut latencies = Latencies::default();
        let waiter = Arc::new(Waiter::default());
        while !watch.is_over() {
            let begin = Instant::now();
            self.send(&waiter)?;
            waiter.wait().map_err(|()| io::Error::other("the connection has ended"))?;
            latencies.add(begin.elapsed());
        }
        Ok(latencies)
    }

    /// The caller is registered before its quest is sent, because the answer may arrive at once.
    fn send(&self, waiter: &Arc<Waiter>) -> io::Result<()> {
        let mut writer = lock(&self.writer);
        let Writer { stream, quests, frame } = &mut *writer;
        frame.clear();
        let seq = quests.write(frame, unix_time());
        match &mut *lock(&self.waiting) {
            Some(waiting) => waiting.insert(seq, Arc::clone(waiter)),
            None => return Err(io::Error::other("the connection has ended")),
        };
        stream.write_all(frame)
    }

    fn read_all(&self, stream: &mut TcpStream) {
        let mut answers = Answers::new();
        while let Ok(seq) = answers.wait(stream) {
            let waiter = lock(&self.waiting).as_mut().and_then(|waiting| waiting.remove(&seq));
            waiter.iter().for_each(|waiter| waiter.wake(Ok(())));
        }
        let left = lock(&self.waiting).take();
        left.iter().flat_map(HashMap::values).for_each(|waiter| waiter.wake(Err(())));
    }
}

impl Waiter {
    fn wake(&self, result: Result<(), ()>) {
        *lock(&self.result) = Some(result);
        self.answered.notify_one();
    }

    fn wait(&self) -> Result<(), ()> {
        let mut result = lock(&self.result);
        loop {
            match result.take() {
                Some(result) => return result,
                None => result = self.answered.wait(result).unwrap_or_else(PoisonError::into_inner),
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
