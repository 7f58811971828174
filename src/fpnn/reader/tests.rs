//! The reader survives any bytes, and reads what other msgpack libraries write.

use proptest::collection::vec;
use proptest::prelude::*;
use rmpv::Value;

use super::*;

fn encoded(value: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    rmpv::encode::write_value(&mut bytes, value).unwrap();
    bytes
}

fn reader(bytes: &[u8]) -> PayloadReader<'_> {
    PayloadReader { payload: bytes, rest: bytes, pairs_left: 0 }
}

fn any_value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Nil),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f32>().prop_map(Value::F32),
        any::<f64>().prop_map(Value::F64),
        ".{0,40}".prop_map(Value::from),
        vec(any::<u8>(), 0..300).prop_map(Value::Binary),
        (any::<i8>(), vec(any::<u8>(), 0..20)).prop_map(|(code, bytes)| Value::Ext(code, bytes)),
    ];
    leaf.prop_recursive(5, 60, 20, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..20).prop_map(Value::Array),
            vec((inner.clone(), inner), 0..20).prop_map(Value::Map),
        ]
    })
}

/// Encodes an integer in each width that fits it.
fn in_every_width(value: i64) -> Vec<Vec<u8>> {
    let mut forms = vec![[&[0xd3][..], &value.to_be_bytes()].concat()];
    let mut add = |marker: u8, bytes: Option<&[u8]>| forms.extend(bytes.map(|bytes| [&[marker][..], bytes].concat()));
    add(0xd0, i8::try_from(value).ok().map(i8::to_be_bytes).as_ref().map(<[u8; 1]>::as_slice));
    add(0xd1, i16::try_from(value).ok().map(i16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice));
    add(0xd2, i32::try_from(value).ok().map(i32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
    add(0xcc, u8::try_from(value).ok().map(u8::to_be_bytes).as_ref().map(<[u8; 1]>::as_slice));
    add(0xcd, u16::try_from(value).ok().map(u16::to_be_bytes).as_ref().map(<[u8; 2]>::as_slice));
    add(0xce, u32::try_from(value).ok().map(u32::to_be_bytes).as_ref().map(<[u8; 4]>::as_slice));
    add(0xcf, u64::try_from(value).ok().map(u64::to_be_bytes).as_ref().map(<[u8; 8]>::as_slice));
    if (-32..128).contains(&value) {
        forms.push(vec![value as i8 as u8]);
    }
    forms
}

/// Reads on with the operation that `choice` selects. Returns false after an error.
fn read_something(reader: &mut PayloadReader<'_>, choice: u8) -> bool {
    match choice % 11 {
        0 => reader.next_key().is_ok(),
        1 => reader.int("k").is_ok(),
        2 => reader.optional_int("k").is_ok(),
        3 => reader.integral("k").is_ok(),
        4 => reader.bool("k").is_ok(),
        5 => reader.bytes("k").is_ok(),
        6 => reader.optional_str("k").is_ok(),
        7 => reader.array_len("k").is_ok(),
        8 => reader.map_len("k").is_ok(),
        9 => reader.any_as_text().is_ok(),
        _ => reader.skip().is_ok(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in vec(any::<u8>(), 0..200), choices in vec(any::<u8>(), 1..40)) {
        if let Ok(mut reader) = PayloadReader::open(&bytes) {
            for choice in choices {
                let before = reader.rest.len();
                read_something(&mut reader, choice);
                prop_assert!(reader.rest.len() <= before);
            }
        }
        let mut reader = reader(&bytes);
        while reader.skip().is_ok() {}
    }

    #[test]
    fn skip_passes_over_just_what_another_library_reads(bytes in vec(any::<u8>(), 0..100)) {
        let mut ours = reader(&bytes);
        if ours.skip().is_ok() {
            let mut theirs = &bytes[..];
            prop_assert!(rmpv::decode::read_value(&mut theirs).is_ok());
            prop_assert_eq!(ours.rest.len(), theirs.len());
        }
    }

    #[test]
    fn every_sound_value_is_skipped_whole(value in any_value(), behind in vec(any::<u8>(), 0..5)) {
        let bytes = [encoded(&value), behind.clone()].concat();
        let mut skipping = reader(&bytes);
        prop_assert_eq!(skipping.skip(), Ok(()));
        prop_assert_eq!(skipping.rest, &behind[..]);
        let mut showing = reader(&bytes);
        prop_assert!(showing.any_as_text().is_ok());
        prop_assert_eq!(showing.rest, &behind[..]);
    }

    #[test]
    fn no_part_of_a_value_passes_for_the_whole(value in any_value(), cut in any::<prop::sample::Index>()) {
        let bytes = encoded(&value);
        let part = &bytes[..cut.index(bytes.len())];
        prop_assert_eq!(reader(part).skip(), Err(DecodeError::Truncated));
        prop_assert_eq!(reader(part).any_as_text(), Err(DecodeError::Truncated));
    }

    #[test]
    fn integers_are_read_in_every_width(value in prop_oneof![any::<i64>(), -200..200_i64, -70_000..70_000_i64]) {
        for form in in_every_width(value) {
            prop_assert_eq!(reader(&form).int("k"), Ok(value));
            prop_assert_eq!(reader(&form).integral("k"), Ok(value));
            prop_assert_eq!(reader(&form).int_or_digits("k"), Ok(value));
            prop_assert_eq!(reader(&form).bool("k"), Ok(value != 0));
            prop_assert_eq!(reader(&form).any_as_text(), Ok(Some(value.to_string())));
        }
        let digits = encoded(&value.to_string().into());
        prop_assert_eq!(reader(&digits).int_or_digits("k"), Ok(value));
    }

    #[test]
    fn texts_are_read_as_str_and_as_bin(text in ".{0,300}") {
        for form in [encoded(&text.as_str().into()), encoded(&Value::Binary(text.clone().into_bytes()))] {
            prop_assert_eq!(reader(&form).optional_str("k"), Ok(Some(text.as_str())));
            prop_assert_eq!(reader(&form).any_as_text(), Ok(Some(text.clone())));
        }
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| [vec![0x91; depth], vec![0xc0]].concat();
    assert_eq!(reader(&nested(100)).skip(), Ok(()));
    assert_eq!(reader(&nested(20_000)).skip(), Err(DecodeError::TooDeep));
}

#[test]
fn announced_lengths_are_trusted_only_up_to_the_bytes_present() {
    let array = [0xdd, 0xff, 0xff, 0xff, 0xff, 0x01];
    assert_eq!(reader(&array).array_len("k"), Err(DecodeError::Truncated));
    let map = [0xdf, 0xff, 0xff, 0xff, 0xff, 0x01, 0x01];
    assert_eq!(reader(&map).map_len("k"), Err(DecodeError::Truncated));
    assert_eq!(reader(&array).skip(), Err(DecodeError::Truncated));
    assert_eq!(reader(&map).skip(), Err(DecodeError::Truncated));
    let text = [0xdb, 0xff, 0xff, 0xff, 0xff, b'a'];
    assert_eq!(reader(&text).bytes("k"), Err(DecodeError::Truncated));
}

#[test]
fn floats_count_as_integers_only_if_they_are_whole() {
    let integral = |float: f64| reader(&encoded(&Value::F64(float))).integral("k");
    assert_eq!(integral(-3.0), Ok(-3));
    assert_eq!(integral(-9_223_372_036_854_775_808.0), Ok(i64::MIN));
    for float in [0.5, 9_223_372_036_854_775_808.0, -9_223_372_036_854_777_856.0, f64::NAN, f64::INFINITY] {
        assert!(integral(float).is_err(), "{float}");
    }
}

#[test]
fn number_beyond_64_signed_bits_is_refused() {
    assert!(reader(&encoded(&u64::MAX.into())).int("k").is_err());
    assert!(reader(&encoded(&"9223372036854775808".into())).int_or_digits("k").is_err());
}
