//! A network that loses packets: the loopback of a separate network namespace, in which the test runs again.
//!
//! It needs Linux, `unshare`, `ip`, the permission to create a namespace (root's, or user namespaces that are allowed),
//! and one of the ways below to lose packets: `nft` (package `nftables`), `iptables`, or `tc` with a kernel that has
//! netem.

use std::process::{Command, Output};

/// Set in the process whose network loses packets.
const INSIDE: &str = "RTM_TEST_IN_LOSSY_NETWORK";

/// Commands that make the loopback lose 30 % of all packets.
const WAYS_TO_LOSE: [&str; 3] = [
    "nft 'table inet test { chain loss { type filter hook input priority 0; numgen random mod 100 < 30 drop; }; }'",
    "iptables -A INPUT -m statistic --mode random --probability 0.3 -j DROP",
    "tc qdisc add dev lo root netem loss 30%",
];

/// Commands that create a network namespace, with the user's own permissions and with root's.
const WAYS_TO_UNSHARE: [&str; 2] = ["-rn", "-n"];

/// Whether this process is the one whose network loses packets.
pub fn is_inside() -> bool {
    std::env::var_os(INSIDE).is_some()
}

/// Runs the ignored test of this name again, in a network that loses 30 % of all packets.
///
/// # Errors
///
/// No such network can be made here, for the reasons given.
pub fn run_again_inside(test: &str) -> Result<(), String> {
    let mut reasons = String::new();
    for unshare in WAYS_TO_UNSHARE {
        for lose in WAYS_TO_LOSE {
            let set_up = format!("ip link set lo up && {lose}");
            match Command::new("unshare").args([unshare, "sh", "-c", &set_up]).output() {
                Ok(output) if output.status.success() => {
                    run_test(test, unshare, &set_up);
                    return Ok(());
                }
                Ok(output) => reasons += &format!("\n  unshare {unshare} {lose:?}: {}", complaint(&output)),
                Err(error) => return Err(format!("unshare: {error}")),
            }
        }
    }
    Err(reasons)
}

fn run_test(test: &str, unshare: &str, set_up: &str) {
    let run = format!("{set_up} && exec \"$0\" --ignored --exact --nocapture \"$1\"");
    let this = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args([unshare, "sh", "-c", &run]).arg(this).arg(test).env(INSIDE, "1");
    assert!(command.status().unwrap().success(), "the test failed in a network that loses packets");
}

fn complaint(output: &Output) -> String {
    let text = String::from_utf8_lossy(&output.stderr);
    text.lines().next().unwrap_or("failed without a word").to_owned()
}
