//! Texts, causes and sizes of [`Error`].

use super::*;

#[test]
fn error_stays_small_enough_to_return_by_value() {
    assert!(size_of::<Error>() <= 64, "Error takes {} bytes", size_of::<Error>());
}

#[test]
fn error_crosses_threads() {
    fn is_shareable<T: Send + Sync + 'static>() {}
    is_shareable::<Error>();
}

#[test]
fn io_error_is_found_under_source() {
    let refused = std::io::Error::from(std::io::ErrorKind::ConnectionRefused);
    let cause = ConnectCause::Dial { address: ([127, 0, 0, 1], 1).into(), error: refused.into() };
    let error = Error::Connect(ConnectError::new("localhost:1".into(), cause));
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref::<std::io::Error>());
    assert_eq!(source.map(std::io::Error::kind), Some(std::io::ErrorKind::ConnectionRefused));
}

/// As the reporters of anyhow and eyre print an error: every text of the chain, once.
fn report(error: &Error) -> String {
    let mut texts = vec![error.to_string()];
    let mut cause = error.source();
    while let Some(error) = cause {
        texts.push(error.to_string());
        cause = error.source();
    }
    texts.join(": ")
}

/// Asserts what `{}` says of `error`, and that the chain of its causes goes on from there as expected.
#[track_caller]
fn assert_report(error: &Error, text: &str, causes: &str) {
    assert_eq!(error.to_string(), text);
    assert_eq!(report(error), format!("{text}{causes}"));
    assert_eq!(format!("{error:#}"), report(error), "the library's own reporter");
}

const OS: &str = ": words of the operating system";

fn os_error() -> std::io::Error {
    std::io::Error::other(OS.trim_start_matches(": "))
}

fn dial() -> ConnectCause {
    ConnectCause::Dial { address: ([127, 0, 0, 1], 1).into(), error: os_error().into() }
}

#[test]
fn report_of_a_failed_connect_says_nothing_twice() {
    let named = |cause| Error::connect_failed("h:1", cause);
    let refused = AnswerError::new(20_013.into(), Some("no".into()), None);
    let lost = CloseReason::Io(os_error().into());

    assert_report(&Error::connect_failed("127.0.0.1:1", dial()), "cannot connect to 127.0.0.1:1", OS);
    let text = "cannot connect to h:1: connecting to 127.0.0.1:1 failed";
    assert_report(&named(dial()), text, OS);
    let text = "cannot connect to h:1: its name could not be resolved";
    assert_report(&named(ConnectCause::Resolve(os_error().into())), text, OS);
    let text = "cannot connect to h:1: no key pair for this connection could be generated";
    assert_report(&named(ConnectCause::KeyGeneration(os_error().into())), text, OS);
    let text = "cannot connect to h:1: the connection ended during the key exchange (is this the server's key?): the \
                operating system reported an error";
    assert_report(&named(ConnectCause::KeyExchange(lost)), text, OS);
    let text = "cannot connect to h:1: the key exchange was refused: the server answered with error 20013 \
                FPNN_EC_CORE_FORBIDDEN: no";
    assert_report(&named(ConnectCause::KeyRefused(refused)), text, "");
}

#[test]
fn report_of_a_lost_connection_says_nothing_twice() {
    let lost = |reason| Error::connection_closed(reason, true);
    let text = "the connection ended with the call in flight: the operating system reported an error";
    assert_report(&lost(CloseReason::Io(os_error().into())), text, OS);
    let text = "the connection ended with the call in flight: the peer sends quests faster than it reads their answers";
    assert_report(&lost(CloseReason::Protocol(ProtocolError::QuestFlood)), text, "");
    let last = Error::connect_failed("h:1", dial());
    let waiting = NotConnectedError::new(Some(std::time::Duration::from_secs(1)), Some(last));
    let text = "not connected: the reconnect policy waits for another 1.0 s (cannot connect to h:1: connecting to \
                127.0.0.1:1 failed)";
    assert_report(&Error::NotConnected(waiting), text, OS);
}

#[test]
fn report_of_what_the_machine_refused_says_nothing_twice() {
    let unreadable = ArgumentError::caused_by("x.pem cannot be read", os_error());
    assert_report(&Error::InvalidArgument(unreadable), "x.pem cannot be read", OS);
    assert_report(&Error::system_failed("starting a thread", os_error()), "starting a thread failed", OS);
}

#[test]
fn server_s_text_cannot_forge_a_line_or_steer_a_terminal() {
    let error = Error::from_answer(ErrorCode::RTM_EC_NOT_IN_ROOM, "no\n2026-01-01 ERROR all is lost\x1b[2J");
    let shown = error.to_string();
    assert!(!shown.contains(char::is_control), "{shown:?}");
    assert!(shown.ends_with(r"no\n2026-01-01 ERROR all is lost\u{1b}[2J"), "{shown}");
    let Error::Answer(answer) = error else { unreachable!() };
    assert!(answer.message().contains("\n2026"), "the text itself is as it came");
}

#[test]
fn decode_error_says_whose_answer_it_was() {
    let error = Error::decode_failed("getroominfo", DecodeError::Truncated);
    assert_eq!(error.to_string(), "the answer to getroominfo cannot be read: the payload ends too early");
}

#[test]
fn refusals_before_the_call_is_looked_at_are_safe_to_repeat() {
    let answer = |code: i32| Error::Answer(AnswerError::new(code.into(), None, None));
    assert!(!answer(200_002).may_have_executed());
    assert!(answer(20_001).may_have_executed());
}
