//! Who may call: the project, the signature, the clock, and that no signature comes twice (`docs/protocol.md`, section 2).

use std::time::{Duration, Instant};

use rustc_hash::{FxHashMap, FxHashSet};

use super::rooms::Rooms;
use crate::code::ErrorCode;
use crate::proto::{SIGN_LEN, Signer};

/// A time stamp may be this many seconds off, either way.
const MOST_CLOCK_SKEW: i64 = 60;
/// A signature must be remembered for as long as its time stamp passes: from the earliest moment, with a stamp from the
/// future, to the last. The memory has two halves of this length each.
const HALF_LIFE: Duration = Duration::from_secs(2 * MOST_CLOCK_SKEW as u64 + 1);
/// Beyond this many signatures in one half the gate turns calls away rather than forget one: 2^23 fingerprints take some
/// 150 MB, and come together only at 70,000 calls a second for two minutes.
const MOST_SIGNATURES: usize = 1 << 23;

/// Why a call is turned away.
pub type Refusal = (ErrorCode, &'static str);

/// The signature fields of a call.
#[derive(Debug, Default)]
pub struct Credentials<'a> {
    pub pid: Option<i64>,
    pub sign: Option<&'a [u8]>,
    pub salt: Option<i64>,
    pub ts: Option<i64>,
}

/// The projects that the gate serves.
#[derive(Debug, Default)]
pub struct Projects {
    projects: FxHashMap<i64, Project>,
}

#[derive(Debug)]
struct Project {
    signer: Signer,
    seen: Signatures,
    rooms: Rooms,
}

impl Projects {
    pub fn add(&mut self, pid: i32, secret: &str) {
        let project =
            Project { signer: Signer::new(pid, secret), seen: Signatures::default(), rooms: Rooms::default() };
        self.projects.insert(pid.into(), project);
    }

    pub fn is_empty(&self) -> bool {
        self.projects.is_empty()
    }

    /// The rooms of the project that made the call, if it did. `unix_now` is the clock that time stamps are held
    /// against, in seconds.
    pub fn admit(
        &mut self,
        method: &[u8],
        credentials: &Credentials<'_>,
        now: Instant,
        unix_now: i64,
    ) -> Result<&mut Rooms, Refusal> {
        let Credentials { pid: Some(pid), sign: Some(sign), salt: Some(salt), ts: Some(ts) } = *credentials else {
            return Err((ErrorCode::RTM_EC_INVALID_PARAMETER, "pid, sign, salt and ts are needed"));
        };
        let Some(project) = self.projects.get_mut(&pid) else {
            return Err((ErrorCode::RTM_EC_INVALID_PID_OR_UID, "no such project"));
        };
        let expected = project.signer.sign_bytes(salt.into(), method, ts.into());
        if sign != expected {
            return Err((ErrorCode::RTM_EC_INVALID_PID_OR_SIGN, "the signature is wrong"));
        }
        if ts.abs_diff(unix_now) > MOST_CLOCK_SKEW as u64 {
            return Err((ErrorCode::RTM_EC_INVALID_SERVER_TIME, "the time stamp is more than 60 s off"));
        }
        project.seen.insert(&expected, now)?;
        Ok(&mut project.rooms)
    }
}

/// The signatures of the last minutes, in bounded memory.
#[derive(Debug, Default)]
struct Signatures {
    recent: FxHashSet<u64>,
    older: FxHashSet<u64>,
    recent_since: Option<Instant>,
}

impl Signatures {
    fn insert(&mut self, sign: &[u8; SIGN_LEN], now: Instant) -> Result<(), Refusal> {
        self.forget(now);
        let fingerprint = fingerprint(sign);
        if self.older.contains(&fingerprint) || self.recent.contains(&fingerprint) {
            return Err((ErrorCode::RTM_EC_SAME_SIGN, "the signature was used before"));
        }
        if self.recent.len() >= MOST_SIGNATURES {
            return Err((ErrorCode::RTM_EC_FREQUENCY_LIMITED, "more calls than the gate can remember"));
        }
        self.recent.insert(fingerprint);
        Ok(())
    }

    /// Drops the older half once everything in it has run out.
    fn forget(&mut self, now: Instant) {
        let age = now.saturating_duration_since(*self.recent_since.get_or_insert(now));
        if age >= HALF_LIFE {
            self.older = std::mem::take(&mut self.recent);
            self.recent_since = Some(now);
            if age >= 2 * HALF_LIFE {
                self.older.clear();
            }
        }
    }
}

/// Sixty-four of the signature's bits: enough for millions of them, and a quarter of the memory.
fn fingerprint(sign: &[u8; SIGN_LEN]) -> u64 {
    sign[..16].iter().fold(0, |bits, digit| {
        let value = if digit.is_ascii_digit() { digit - b'0' } else { digit - b'A' + 10 };
        bits << 4 | u64::from(value)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_700_000_000;

    fn projects() -> Projects {
        let mut projects = Projects::default();
        projects.add(1, "secret");
        projects
    }

    fn admit(projects: &mut Projects, pid: i64, secret: &str, salt: i64, ts: i64, now: Instant) -> i32 {
        let sign = Signer::new(pid as i32, secret).sign_bytes(salt.into(), b"m", ts.into());
        let credentials = Credentials { pid: Some(pid), sign: Some(&sign), salt: Some(salt), ts: Some(ts) };
        projects.admit(b"m", &credentials, now, NOW).map_or_else(|(code, _)| code.value(), |_| 0)
    }

    #[test]
    fn each_flaw_has_its_code() {
        let now = Instant::now();
        let mut projects = projects();
        assert_eq!(admit(&mut projects, 1, "secret", 1, NOW, now), 0);
        assert_eq!(admit(&mut projects, 2, "secret", 2, NOW, now), 200_001);
        assert_eq!(admit(&mut projects, 1, "other", 3, NOW, now), 200_002);
        assert_eq!(admit(&mut projects, 1, "secret", 1, NOW, now), 200_006);
        assert_eq!(admit(&mut projects, 1, "secret", 4, NOW - 61, now), 200_008);
        assert_eq!(admit(&mut projects, 1, "secret", 4, NOW + 61, now), 200_008);
        assert_eq!(admit(&mut projects, 1, "secret", 5, NOW - 60, now), 0);
        assert_eq!(admit(&mut projects, 1, "secret", 6, NOW + 60, now), 0);
    }

    #[test]
    fn signature_is_remembered_for_as_long_as_its_stamp_passes_and_then_forgotten() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut signatures = Signatures::default();
        let sign = |salt: i64| Signer::new(1, "s").sign_bytes(salt.into(), b"m", 0);
        assert!(signatures.insert(&sign(0), start).is_ok());
        assert!(signatures.insert(&sign(1), at(100)).is_ok());
        assert!(signatures.insert(&sign(1), at(100 + 120)).is_err());
        for second in 300..700 {
            assert!(signatures.insert(&sign(second as i64), at(second)).is_ok());
        }
        assert!(signatures.insert(&sign(1), at(700)).is_ok(), "memory is bounded");
    }
}
