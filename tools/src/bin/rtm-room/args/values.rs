//! Reads the values of options and arguments, and says what to give in place of one that makes no sense.

use std::time::Duration;

use rtm_server_sdk::{MessageId, RoomId, UserId};

pub(crate) fn room_id(text: &str) -> Result<RoomId, String> {
    text.parse().map_err(|_| "a room id is a whole number of up to 64 bits, such as 42".into())
}

pub(crate) fn user_id(text: &str) -> Result<UserId, String> {
    text.parse().map_err(|_| "a user id is a whole number of up to 64 bits, such as 1001".into())
}

pub(crate) fn message_id(text: &str) -> Result<MessageId, String> {
    text.parse().map_err(|_| "a message id is a whole number of up to 64 bits".into())
}

pub(crate) fn message_type(text: &str) -> Result<i32, String> {
    let what = "a message type is a number from 1 to 127, such as 30 for a chat";
    text.parse().ok().filter(|mtype| (1..=127).contains(mtype)).ok_or_else(|| what.into())
}

pub(crate) fn project_id(text: &str) -> Result<i32, String> {
    text.parse().map_err(|_| "a project id is a whole number of up to 32 bits, such as 80000001".into())
}

/// How many calls may be in flight at once.
pub(crate) fn window(text: &str) -> Result<u32, String> {
    const MOST: u32 = 65_536;
    count(text).ok().filter(|calls| *calls <= MOST).ok_or_else(|| format!("give a whole number from 1 to {MOST}"))
}

/// How many there may be of something, or how many in a second.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    match text.parse::<u64>() {
        Ok(0) | Err(_) => Err("give a whole number, 1 or more".into()),
        Ok(count) => u32::try_from(count).map_err(|_| format!("give a whole number, {} or less", u32::MAX)),
    }
}

/// A line of a file, counted from 1.
pub(crate) fn line(text: &str) -> Result<u64, String> {
    text.parse().ok().filter(|line| *line > 0).ok_or_else(|| "a line is a whole number, 1 or more".into())
}

/// Zero stands for "the default" or "without an end" on the wire, which is not what `0s` suggests.
pub(crate) fn time_above_zero(text: &str) -> Result<Duration, String> {
    match time(text)? {
        Duration::ZERO => Err("the time must be more than zero".into()),
        time => Ok(time),
    }
}

pub(crate) fn time(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .map_err(|_| "a time is a number with a unit, such as 500ms, 5s, 10m or 7days".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_of_no_length_is_refused() {
        assert!(time_above_zero("0s").is_err());
        assert!(time_above_zero("600").is_err());
        assert_eq!(time_above_zero("10m"), Ok(Duration::from_secs(600)));
        assert_eq!(time("0s"), Ok(Duration::ZERO));
    }

    #[test]
    fn number_that_does_not_fit_says_what_does() {
        assert!(count("4294967296").unwrap_err().contains("4294967295"));
        assert!(window("65537").unwrap_err().contains("65536"));
        assert_eq!([window("x").is_ok(), count("0").is_ok(), line("0").is_ok()], [false; 3]);
        assert_eq!((window("65536"), count("1"), line("7")), (Ok(65_536), Ok(1), Ok(7)));
        assert!(room_id("9223372036854775808").unwrap_err().contains("64 bits"));
        assert!(project_id("2147483648").unwrap_err().contains("32 bits"));
        assert_eq!(user_id("-9223372036854775808"), Ok(i64::MIN));
    }
}
