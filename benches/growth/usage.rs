//! The memory of this process, and the context switches of its threads. Linux only.

use std::fs;
use std::io;

/// Bytes of memory that this process has in use.
///
/// # Errors
///
/// The system does not tell.
pub fn resident_bytes() -> io::Result<u64> {
    // The figures in `status` and `statm` lag behind by some pages per thread, but this one is counted anew.
    let rollup = fs::read_to_string("/proc/self/smaps_rollup")?;
    number_after(&rollup, "Rss:").map(|kib| kib * 1024)
}

/// How often these threads were given up for others, by their will or not.
///
/// # Errors
///
/// The system does not tell.
pub fn switches(threads: &[u32]) -> io::Result<u64> {
    let mut sum = 0;
    for id in threads {
        let status = fs::read_to_string(format!("/proc/self/task/{id}/status"))?;
        sum += number_after(&status, "\nvoluntary_ctxt_switches:")?;
        sum += number_after(&status, "\nnonvoluntary_ctxt_switches:")?;
    }
    Ok(sum)
}

fn number_after(text: &str, label: &str) -> io::Result<u64> {
    let number = text.split_once(label).and_then(|(_, rest)| rest.split_whitespace().next());
    number
        .and_then(|number| number.parse().ok())
        .ok_or_else(|| io::Error::other(format!("the system's report has no `{}`", label.trim())))
}
