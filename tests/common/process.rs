//! The threads and descriptors of this process.

use std::fs;
use std::thread::{self, JoinHandle};

/// Name and state of every thread of this process.
pub fn threads() -> Vec<(String, String)> {
    let Ok(tasks) = fs::read_dir("/proc/self/task") else { return Vec::new() };
    let of_task = |task: fs::DirEntry| {
        let name = fs::read_to_string(task.path().join("comm")).ok()?.trim().to_owned();
        let status = fs::read_to_string(task.path().join("status")).ok()?;
        let state = status.lines().find_map(|line| line.strip_prefix("State:"))?.trim().to_owned();
        Some((name, state))
    };
    tasks.filter_map(Result::ok).filter_map(of_task).collect()
}

/// How many descriptors this process has open.
pub fn descriptors() -> usize {
    // Reading the list itself takes a descriptor.
    fs::read_dir("/proc/self/fd").unwrap().count() - 1
}

/// Peak resident memory of this process, in bytes.
pub fn peak_memory() -> usize {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches("kB").trim().parse::<usize>().unwrap() * 1024
}

pub fn spawn<T: Send + 'static>(name: &str, body: impl FnOnce() -> T + Send + 'static) -> JoinHandle<T> {
    thread::Builder::new().name(name.to_owned()).spawn(body).unwrap()
}
