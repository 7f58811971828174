//! The threads of this process, by name. Linux only.

use std::fs;
use std::io;

/// The ids of this process' threads of that name.
///
/// # Errors
///
/// The system does not tell.
pub fn threads_named(name: &str) -> io::Result<Vec<u32>> {
    let mut ids = Vec::new();
    for task in fs::read_dir("/proc/self/task")? {
        let path = task?.path();
        let is_named = fs::read_to_string(path.join("comm")).is_ok_and(|comm| comm.trim_end() == name);
        if let (true, Some(id)) = (is_named, path.file_name().and_then(|id| id.to_str()?.parse().ok())) {
            ids.push(id);
        }
    }
    Ok(ids)
}
