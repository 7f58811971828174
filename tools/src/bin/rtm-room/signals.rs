//! The signals that end a command cleanly: Ctrl-C, SIGTERM and SIGHUP, unless they were ignored from the start.

/// Runs `handler` on a separate thread for each signal that asks the program to stop.
#[cfg(not(unix))]
pub(crate) fn on_stop_signal(handler: impl FnMut() + Send + 'static) -> std::io::Result<()> {
    ctrlc::set_handler(handler).map_err(std::io::Error::other)
}

#[cfg(unix)]
pub(crate) use unix::on_stop_signal;

#[cfg(unix)]
mod unix {
    use std::fs;
    use std::io;
    use std::process::{Command, Stdio};
    use std::thread;

    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    use signal_hook::iterator::Signals;

    const STOP_SIGNALS: [(i32, &str); 3] = [(SIGINT, "INT"), (SIGTERM, "TERM"), (SIGHUP, "HUP")];

    /// Runs `handler` on a separate thread for each signal that asks the program to stop.
    pub(crate) fn on_stop_signal(mut handler: impl FnMut() + Send + 'static) -> io::Result<()> {
        let proc_status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = ignored_signals(&proc_status);
        let is_ignored = |signal, name: &str| mask.map_or_else(|| survives(name), |mask| is_in(mask, signal));
        let wanted = STOP_SIGNALS.iter().filter(|(signal, name)| !is_ignored(*signal, name));
        let mut signals = Signals::new(wanted.map(|(signal, _)| signal))?;
        thread::Builder::new()
            .name("rtm-room-stop".into())
            .spawn(move || signals.forever().for_each(|_| handler()))
            .map(drop)
    }

    /// The signals that this process was started with ignored, as with `nohup` and SIGHUP; one bit for each. Only Linux
    /// provides this.
    fn ignored_signals(proc_status: &str) -> Option<u64> {
        let mask = proc_status.lines().find_map(|line| line.strip_prefix("SigIgn:"))?;
        u64::from_str_radix(mask.trim(), 16).ok()
    }

    fn is_in(mask: u64, signal: i32) -> bool {
        mask & (1 << (signal - 1)) != 0
    }

    /// Whether a program started by this one survives the signal. Ignored signals stay ignored in a new program, and
    /// POSIX requires shells to keep that.
    fn survives(signal: &str) -> bool {
        let mut shell = shell_that_signals_itself(signal);
        shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        shell.status().is_ok_and(|status| status.success())
    }

    fn shell_that_signals_itself(signal: &str) -> Command {
        let mut shell = Command::new("sh");
        shell.args(["-c", &format!("kill -s {signal} $$")]);
        shell
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn mask_of_ignored_signals_is_read() {
            assert_eq!(ignored_signals("Name:\tx\nSigIgn:\t0000000000001001\nSigCgt:\t0\n"), Some(0x1001));
            assert_eq!(ignored_signals(""), None);
        }

        #[test]
        fn shell_dies_of_a_signal_unless_it_was_ignored_before() {
            // The tests may run under `nohup` themselves.
            let mask = ignored_signals(&fs::read_to_string("/proc/self/status").unwrap_or_default()).unwrap_or(0);
            for (number, signal) in STOP_SIGNALS {
                assert_eq!(survives(signal), is_in(mask, number), "SIG{signal}");
                let shell = shell_that_signals_itself(signal);
                let mut after_trap = Command::new("sh");
                after_trap.args(["-c", &format!("trap '' {signal}; exec \"$@\""), "sh"]);
                after_trap.arg(shell.get_program()).args(shell.get_args());
                assert!(after_trap.status().unwrap().success(), "SIG{signal}");
            }
        }
    }
}
