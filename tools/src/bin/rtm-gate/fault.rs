//! `--fault` and `--delay`: parses the faults on the command line.

use std::time::Duration;

use rtm_server_sdk::ErrorCode;
use rtm_server_sdk::gate::Fault;

/// Reads `[METHOD:]WHAT[xTIMES]`.
pub fn parse(text: &str) -> Result<Fault, String> {
    let (method, rest) = match text.split_once(':') {
        Some((method, rest)) if !method.is_empty() => (Some(method), rest),
        Some(_) => return Err("the method before `:` is missing".into()),
        None => (None, text),
    };
    let (what, times) = match rest.rsplit_once('x') {
        Some((what, times)) => (
            what,
            Some(times.parse().ok().filter(|times| *times > 0).ok_or("a number of times is 1 or more, as in x3")?),
        ),
        None => (rest, None),
    };
    let mut fault = effect(what)?;
    if let Some(method) = method {
        fault = fault.on(method);
    }
    Ok(match times {
        Some(times) => fault.times(times),
        None => fault,
    })
}

fn effect(what: &str) -> Result<Fault, String> {
    match what {
        "silence" => Ok(Fault::silence()),
        "disconnect" => Ok(Fault::disconnect()),
        what => match what.parse::<i32>() {
            Ok(code) if code != 0 => Ok(Fault::answer(ErrorCode::from(code), "a fault that was asked for")),
            _ => time(what).map(Fault::delay).map_err(|_| {
                "give [METHOD:]WHAT[xTIMES], where WHAT is the code of an error, `silence`, `disconnect` or a time such as 50ms".into()
            }),
        },
    }
}

/// Reads a time above zero, such as `50ms`.
pub fn time(text: &str) -> Result<Duration, String> {
    let time = humantime::parse_duration(text).ok().filter(|time| !time.is_zero());
    time.ok_or_else(|| "a time is a number with a unit, such as 50ms or 2s".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn faults_are_read_with_and_without_method_and_times() {
        let refusal = |code| Fault::answer(ErrorCode::from(code), "a fault that was asked for");
        assert_eq!(parse("addroommember:200010x3"), Ok(refusal(200_010).on("addroommember").times(3)));
        assert_eq!(parse("200010"), Ok(refusal(200_010)));
        assert_eq!(parse("*ping:silence"), Ok(Fault::silence().on("*ping")));
        assert_eq!(parse("disconnectx1"), Ok(Fault::disconnect().times(1)));
        assert_eq!(parse("getroominfo:50msx2"), Ok(Fault::delay(Duration::from_millis(50)).on("getroominfo").times(2)));
    }

    #[test]
    fn fault_that_makes_no_sense_is_refused() {
        for text in ["", ":200010", "getroominfo:", "nonsense", "200010x0", "200010x", "0"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
