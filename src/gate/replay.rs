//! Remembers used signatures, because each may be used only once.

use std::collections::BTreeMap;

use rustc_hash::FxHashSet;

use crate::rtm::SIGN_LEN;

/// How many seconds a time stamp may differ from the gate's clock.
pub(super) const CLOCK_TOLERANCE_S: u64 = 60;

/// The most signatures remembered: a minute at 280,000 calls a second. Each takes 10 to 20 bytes.
const MOST_REMEMBERED: usize = 16 << 20;

/// Remembers signatures as long as the clock check lets them pass, by a fingerprint of 64 bits.
///
/// A signature covers its time stamp. So a repeated one is found among those of the same second, and a whole second is
/// forgotten at once. Over the limit, the oldest second is forgotten first, because its signatures have the least time
/// left to be repeated.
#[derive(Debug)]
pub(super) struct Replays {
    seconds: BTreeMap<i64, FxHashSet<u64>>,
    remembered: usize,
    most: usize,
}

impl Default for Replays {
    fn default() -> Replays {
        Replays::with_limit(MOST_REMEMBERED)
    }
}

impl Replays {
    fn with_limit(most: usize) -> Replays {
        Replays { seconds: BTreeMap::new(), remembered: 0, most }
    }

    /// Whether a signature is used for the first time. It must be valid, and its time stamp must have passed the clock
    /// check.
    pub(super) fn is_first_use(&mut self, sign: &[u8; SIGN_LEN], ts: i64, now_s: i64) -> bool {
        self.forget_before(now_s.saturating_sub_unsigned(CLOCK_TOLERANCE_S));
        let is_first = self.seconds.entry(ts).or_default().insert(fingerprint(sign));
        if is_first {
            self.remembered += 1;
            if self.remembered > self.most {
                self.forget_oldest();
            }
        }
        is_first
    }

    fn forget_before(&mut self, ts: i64) {
        while self.seconds.first_key_value().is_some_and(|(&oldest, _)| oldest < ts) {
            self.forget_oldest();
        }
    }

    fn forget_oldest(&mut self) {
        if let Some((_, signs)) = self.seconds.pop_first() {
            self.remembered -= signs.len();
        }
    }
}

/// Computes the first 64 bits of the MD5 from its hex digits.
fn fingerprint(sign: &[u8; SIGN_LEN]) -> u64 {
    // A digit's value is its low half; a letter's is nine more.
    sign[..16].iter().fold(0, |bits, &digit| bits << 4 | u64::from((digit & 0xf) + 9 * (digit >> 6)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(number: u64) -> [u8; SIGN_LEN] {
        format!("{number:016X}{:016X}", 0).into_bytes().try_into().unwrap()
    }

    #[test]
    fn fingerprint_is_the_value_of_the_digits() {
        assert_eq!(fingerprint(b"0123456789ABCDEF0000000000000000"), 0x0123_4567_89ab_cdef);
    }

    #[test]
    fn signature_passes_once() {
        let mut replays = Replays::default();
        assert!(replays.is_first_use(&sign(1), 1000, 1000));
        assert!(!replays.is_first_use(&sign(1), 1000, 1000));
        assert!(replays.is_first_use(&sign(2), 1000, 1000));
    }

    #[test]
    fn signature_is_remembered_for_as_long_as_its_time_stamp_would_pass() {
        let mut replays = Replays::default();
        // The earliest and the latest time at which the clock check lets ts 1000 pass.
        assert!(replays.is_first_use(&sign(1), 1000, 940));
        assert!(!replays.is_first_use(&sign(1), 1000, 1060));
        assert_eq!(replays.remembered, 1);
    }

    #[test]
    fn signatures_that_the_clock_check_refuses_are_forgotten() {
        let mut replays = Replays::default();
        for ts in 0..1000 {
            for number in 0..10 {
                assert!(replays.is_first_use(&sign(number), ts, ts));
            }
        }
        assert_eq!(replays.remembered, 61 * 10);
        assert_eq!(replays.seconds.len(), 61);
    }

    #[test]
    fn memory_is_bounded_and_keeps_the_newest() {
        let mut replays = Replays::with_limit(1000);
        for number in 0..5000 {
            let ts = i64::try_from(number / 100).unwrap();
            assert!(replays.is_first_use(&sign(number), ts, 50));
            assert!(replays.remembered <= 1000);
        }
        assert!(!replays.is_first_use(&sign(4999), 49, 50));
    }
}
