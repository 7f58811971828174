//! Every answer that a server may send is read correctly, and leaves the connection in use.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod common;

use std::collections::HashMap;

use rtm_server_sdk::{Client, Error};

use common::fixtures::{self, Arguments, Outcome};
use common::vector_answers::{NamedFrame, answer_all_at_once, answer_one_by_one};
use common::vectors::{self, Answer, Expected, Outcome as Value};
use common::watchdog::guarded;

/// Borderline vectors whose notes allow a decoding error.
const MAY_BE_REFUSED: [&str; 5] = [
    "get_room_info.oinfo_bin_not_utf8",
    "get_room_info.oinfo_str_not_utf8",
    "get_room_members.uint64_top",
    "get_room_count.cn_bin_keys",
    "get_room_count.count_uint64_top",
];

fn text(value: &Option<serde_json::Value>) -> Option<String> {
    let bytes = value.as_ref().map(|value| vectors::typed_bytes(value).unwrap());
    bytes.map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
}

/// The vector's result, or `None` if our types cannot represent it.
fn outcome(value: &Option<Value>) -> Option<Outcome> {
    let int = |number: i128| i64::try_from(number).ok();
    Some(match value {
        None => Outcome::Done,
        Some(Value::Info { oinfo, pinfo }) => Outcome::Info { oinfo: text(oinfo), pinfo: text(pinfo) },
        Some(Value::Flag { ok }) => Outcome::Flag(*ok),
        Some(Value::Members { uids }) => Outcome::Members(uids.expand().into_iter().map(int).collect::<Option<_>>()?),
        Some(Value::Counts { cn }) => {
            let pair =
                |(rid, count): &(String, String)| Some((int(vectors::number(rid))?, int(vectors::number(count))?));
            Outcome::Counts(cn.iter().map(pair).collect::<Option<HashMap<_, _>>>()?)
        }
    })
}

fn check(vector: &Answer, result: &Result<Outcome, Error>) {
    let name = &vector.name;
    let refused = matches!(result, Err(Error::Decode { .. }));
    if vector.lenient && refused && MAY_BE_REFUSED.contains(&name.as_str()) {
        return;
    }
    match (&vector.expected, result) {
        (Expected::Ok { value }, Ok(got)) => assert_eq!(Some(got), outcome(value).as_ref(), "{name}"),
        (Expected::Error { code, message }, Err(Error::Answer(error))) => {
            assert_eq!(error.code().value().to_string(), *code, "{name}");
            assert_eq!(Error::Answer(error.clone()).code(), error.code());
            if let Some(expected) = message.as_ref().and_then(vectors::typed_bytes) {
                assert_eq!(error.message().as_bytes(), expected, "{name}");
            }
        }
        (Expected::DecodeError, Err(error @ Error::Decode { .. })) => assert_eq!(error.code(), 20_006, "{name}"),
        _ => panic!("{name} came out as {result:?}"),
    }
}

/// Makes the call of a vector. The returned function checks its outcome.
fn submit<'a>(client: &Client, vector: &'a Answer) -> impl FnOnce() + use<'a> {
    let waiting = fixtures::submit(client, &vector.function, &Arguments::default());
    move || check(vector, &waiting())
}

fn frames(vectors: &[Answer]) -> Vec<NamedFrame> {
    vectors.iter().map(|vector| (vector.name.clone(), vector.frame.bytes())).collect()
}

#[test]
fn every_answer_is_read_as_it_is_meant_and_leaves_the_connection_in_use() {
    guarded(|| {
        let vectors = vectors::answers();
        assert_eq!(vectors.len(), 161);
        answer_one_by_one(&frames(&vectors), |client, place| submit(client, &vectors[place]));
    });
}

#[test]
fn all_answers_are_read_if_they_arrive_at_once() {
    guarded(|| {
        let vectors = vectors::answers();
        answer_all_at_once(&frames(&vectors), |client, place| submit(client, &vectors[place]));
    });
}
