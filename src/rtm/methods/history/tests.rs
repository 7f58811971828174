use super::*;
use rmpv::Value;

const FLAG: u8 = 0x80;

fn row(id: i64, deleted: bool) -> Value {
    Value::Array(vec![
        id.into(),
        1001.into(),
        30.into(),
        (id + 100).into(),
        deleted.into(),
        format!("message {id}").into(),
        "".into(),
        (id + 1_000).into(),
    ])
}

fn answer(rows: Vec<Value>, cursor: &[(&str, i64)]) -> Vec<u8> {
    let mut pairs = vec![("msgs".into(), Value::Array(rows))];
    pairs.extend(cursor.iter().map(|&(key, value)| (key.into(), value.into())));
    let mut payload = Vec::new();
    rmpv::encode::write_value(&mut payload, &Value::Map(pairs)).unwrap();
    payload
}

fn read(query: &History, rows: Vec<Value>, cursor: &[(&str, i64)]) -> RawPage {
    get_raw_page(42, query.clone()).answer.read(0, FLAG, &answer(rows, cursor)).unwrap()
}

const CURSOR: [(&str, i64); 3] = [("lastid", 7), ("begin", 5), ("end", 9)];

#[test]
fn full_page_goes_on_behind_its_cursor() {
    let query = History::latest().count(2).types(&[MessageType::CHAT]).as_user(1001);
    let page = read(&query, vec![row(8, false), row(7, false)], &CURSOR);
    assert_eq!(page.messages.unwrap().len(), 2);
    assert_eq!(page.next, Some(History { times: Some((5, 9)), last_id: Some(7), ..query }));
}

#[test]
fn page_with_fewer_rows_than_asked_for_is_the_last() {
    let query = History::latest().count(2);
    assert_eq!(read(&query, vec![row(7, false)], &CURSOR).next, None);
    assert_eq!(read(&query, vec![], &CURSOR).next, None);
}

#[test]
fn deleted_rows_are_left_out_and_count_for_the_page() {
    let query = History::latest().count(2);
    let page = read(&query, vec![row(8, true), row(7, true)], &CURSOR);
    assert_eq!(page.messages, Ok(vec![]));
    assert!(page.next.is_some());
}

#[test]
fn missing_cursor_is_made_up_for_by_the_last_row() {
    let query = History::oldest().count(2).between(1, 0);
    let page = read(&query, vec![row(8, false), row(7, true)], &[]);
    assert_eq!(page.next, Some(History { last_id: Some(7), ..query }));
}

#[test]
fn cursor_that_does_not_move_ends_the_history() {
    let query = History::latest().count(1);
    let first = read(&query, vec![row(7, false)], &CURSOR).next.unwrap();
    assert_eq!(read(&first, vec![row(7, false)], &CURSOR).next, None);
}

#[test]
fn unreadable_row_is_named_and_leaves_the_cursor_readable() {
    let query = History::latest().count(2);
    let page = read(&query, vec![row(8, false), Value::Nil, row(6, false)], &CURSOR);
    assert_eq!(page.messages.unwrap_err().to_string(), "row 1: `msgs` is not a list of rows with eight elements each");
    assert!(page.next.is_some());

    let payload = answer(vec![row(8, false), Value::Array(vec!["x".into(); 8])], &CURSOR);
    let error = get_room_message(42, &query).answer.read(0, FLAG, &payload).unwrap_err();
    assert_eq!(error.to_string(), "the answer to getroommsg cannot be read: row 1: `id` is not an integer");
}

#[test]
fn page_without_a_cursor_goes_on_behind_an_unreadable_row() {
    let query = History::oldest().count(3);
    let unreadable = |id: Value| Value::Array(vec![id; 2]);
    let next_id = |rows| read(&query, rows, &[]).next.and_then(|next| next.last_id);
    assert_eq!(next_id(vec![row(1, false), unreadable(2.into()), row(3, false)]), Some(3));
    assert_eq!(next_id(vec![row(1, false), row(2, false), unreadable(3.into())]), Some(3));
    // Its id cannot be told: nothing better is known than the row before.
    assert_eq!(next_id(vec![row(1, false), row(2, false), unreadable("x".into())]), Some(2));
    assert_eq!(next_id(vec![row(1, false), Value::Nil, Value::Array(vec![])]), Some(1));
}

#[test]
fn counts_and_types_are_checked() {
    let is_refused = |query: History| get_room_message(1, &query).quest.is_err();
    assert_eq!([0, 1, 20, 21].map(|count| is_refused(History::latest().count(count))), [true, false, false, true]);
    assert!(is_refused(History::latest().types(&[MessageType::CHAT, MessageType::new(128)])));
    assert!(!is_refused(History::latest().types(&[])));
}
