use std::collections::{BTreeMap, HashMap};

use serde::Deserialize;
use serde_json::{Value, json};

use super::*;
use crate::error::Error;

const FLAG: u8 = 0x80;

fn refusal(method: &str, params: &impl Serialize) -> String {
    quest::<Value>(method, params).quest.unwrap_err().to_string()
}

/// Returns the parameters that are sent after the signature, decoded by another msgpack library.
fn sent(params: &impl Serialize) -> Vec<(rmpv::Value, rmpv::Value)> {
    let mut quest = quest::<Value>("m", params).quest.unwrap();
    let first_pair = quest.params().first_pair_at();
    let frame = quest.sign(&crate::rtm::Signer::new(1, "secret"), 1, 1);
    let header_len = if frame[17] >= 0xde { 3 } else { 1 };
    assert_eq!(first_pair, 17 + header_len);
    match rmpv::decode::read_value(&mut &frame[17..]).unwrap() {
        rmpv::Value::Map(pairs) => pairs[4..].to_vec(),
        other => panic!("{other} is not a map"),
    }
}

fn read<R: DeserializeOwned>(payload: &rmpv::Value) -> Result<R, Error> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, payload).unwrap();
    quest::<R>("m", &json!({})).answer.read(0, FLAG, &bytes)
}

#[test]
fn parameters_are_a_map_with_text_keys() {
    #[derive(Serialize)]
    struct Unit;
    #[derive(Serialize)]
    struct Tuple(i32, i32);
    for no_map in [json!([1, 2]), json!(1), json!("text"), json!(null)] {
        assert!(refusal("m", &no_map).contains("a map or a struct"), "{no_map}");
    }
    assert!(refusal("m", &Unit).contains("a map or a struct"));
    assert!(refusal("m", &Tuple(1, 2)).contains("a map or a struct"));
    assert!(refusal("m", &()).contains("a map or a struct"));
    assert!(refusal("m", &HashMap::from([(1, 2)])).contains("must be a text"));
    assert!(refusal("m", &BTreeMap::from([(serde_bytes::ByteBuf::from("rid"), 2)])).contains("must be a text"));
}

#[test]
fn keys_of_the_signature_are_refused_only_at_the_top_level() {
    for key in ["pid", "sign", "salt", "ts"] {
        assert!(refusal("m", &json!({"rid": 1, key: 2})).contains(key));
    }
    assert_eq!(sent(&json!({"nested": {"pid": 1}})).len(), 1);
}

#[test]
fn names_of_methods_have_1_to_255_bytes() {
    assert!(refusal("", &json!({})).contains("1 to 255 bytes"));
    assert!(refusal(&"m".repeat(256), &json!({})).contains("not 256"));
    assert!(quest::<Value>(&"m".repeat(255), &json!({})).quest.is_ok());
}

#[test]
fn frame_of_8_mib_is_refused() {
    let text_for =
        |frame_len: usize| "x".repeat(frame_len - quest::<Value>("m", &json!({})).quest.unwrap().frame_len());
    // The key and the head of a long text take 2 and 5 bytes.
    let longest = text_for(TOO_LONG - 1 - 7);
    let quest_of = |text: &str| quest::<Value>("m", &json!({"k": text})).quest;
    assert_eq!(quest_of(&longest).unwrap().frame_len(), TOO_LONG - 1);
    assert!(quest_of(&(longest + "x")).is_err());
}

#[test]
fn parameters_that_cannot_be_encoded_are_refused_with_the_reason() {
    struct Broken;
    impl Serialize for Broken {
        fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
            Err(serde::ser::Error::custom("no such thing"))
        }
    }
    let error = quest::<Value>("m", &HashMap::from([("k", Broken)])).quest.unwrap_err();
    let cause = std::error::Error::source(&error).map(ToString::to_string).unwrap_or_default();
    assert!(format!("{error} {cause}").contains("no such thing"), "{error} {cause}");
}

#[test]
fn values_of_every_kind_keep_their_type() {
    #[derive(Serialize)]
    struct Params<'a> {
        top: u64,
        bottom: i64,
        float: f64,
        #[serde(with = "serde_bytes")]
        bytes: &'a [u8],
        list: Vec<Option<bool>>,
        map: BTreeMap<&'a str, u8>,
    }
    let params = Params {
        top: u64::MAX,
        bottom: i64::MIN,
        float: 1.5,
        bytes: &[0xff],
        list: vec![None, Some(true)],
        map: BTreeMap::from([("a", 1)]),
    };
    let expected: Vec<(rmpv::Value, rmpv::Value)> = vec![
        ("top".into(), u64::MAX.into()),
        ("bottom".into(), i64::MIN.into()),
        ("float".into(), 1.5.into()),
        ("bytes".into(), rmpv::Value::Binary(vec![0xff])),
        ("list".into(), rmpv::Value::Array(vec![rmpv::Value::Nil, true.into()])),
        ("map".into(), rmpv::Value::Map(vec![("a".into(), 1.into())])),
    ];
    assert_eq!(sent(&params), expected);
}

#[test]
fn number_of_parameters_is_not_limited_by_the_header() {
    let params: BTreeMap<String, u32> = (0..70_000).map(|value| (format!("{value:05}"), value)).collect();
    let mut quest = quest::<Value>("m", &params).quest.unwrap();
    quest.params().int("last", 1);
    let frame = quest.sign(&crate::rtm::Signer::new(1, "secret"), 1, 1);
    match rmpv::decode::read_value(&mut &frame[17..]).unwrap() {
        rmpv::Value::Map(pairs) => assert_eq!(pairs.len(), 4 + 70_000 + 1),
        other => panic!("{other} is not a map"),
    }
    assert_eq!(sent(&json!({"a": 1})), [("a".into(), 1.into())]);
}

#[test]
fn results_keep_64_bits_in_json_and_in_structs() {
    #[derive(Deserialize, Debug, PartialEq)]
    struct Answer {
        top: u64,
        bottom: i64,
        #[serde(with = "serde_bytes")]
        bytes: Vec<u8>,
    }
    let numbers = vec![("top".into(), u64::MAX.into()), ("bottom".into(), i64::MIN.into())];
    let value: Value = read(&rmpv::Value::Map(numbers.clone())).unwrap();
    assert_eq!(value, json!({"top": u64::MAX, "bottom": i64::MIN}));

    let extra = [("bytes".into(), rmpv::Value::Binary(vec![0xff])), ("unknown".into(), rmpv::Value::Nil)];
    let payload = rmpv::Value::Map(numbers.into_iter().chain(extra).collect());
    let answer: Answer = read(&payload).unwrap();
    assert_eq!(answer, Answer { top: u64::MAX, bottom: i64::MIN, bytes: vec![0xff] });
}

#[test]
fn result_of_another_type_is_a_decode_error_that_names_the_method() {
    let payload = rmpv::Value::Map(vec![("rid".into(), "text".into())]);
    let error = read::<HashMap<String, i64>>(&payload).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, Error::Decode(_)), "{text}");
    assert!(text.starts_with("the answer to m cannot be read: "), "{text}");
}
