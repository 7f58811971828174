//! Durations in error texts, rounded to the millisecond.

use std::time::Duration;

const MILLI: Duration = Duration::from_millis(1);

/// The time to the nearest millisecond. One that is shorter stays as it is.
pub(super) fn rounded(time: Duration) -> Duration {
    if time < MILLI {
        return time;
    }
    let nanos = Duration::from_nanos((time.subsec_nanos() % 1_000_000).into());
    let rest = if nanos * 2 >= MILLI { MILLI } else { Duration::ZERO };
    time.saturating_sub(nanos).saturating_add(rest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_is_rounded_to_the_millisecond() {
        let shown = |nanos| format!("{:?}", rounded(Duration::from_nanos(nanos)));
        assert_eq!(shown(35_029_966_424), "35.03s");
        assert_eq!(shown(1_499_999), "1ms");
        assert_eq!(shown(1_999_999_999), "2s");
        assert_eq!(shown(999), "999ns");
        assert_eq!(rounded(Duration::MAX), Duration::MAX);
    }
}
