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
    read_as(query.clone().into(), rows, cursor)
}

fn read_as(query: RawQuery, rows: Vec<Value>, cursor: &[(&str, i64)]) -> RawPage {
    get_raw_page(42, query).answer.read(0, FLAG, &answer(rows, cursor)).unwrap()
}

const CURSOR: [(&str, i64); 3] = [("lastid", 7), ("begin", 5), ("end", 9)];

#[test]
fn full_page_continues_after_its_cursor() {
    let query = History::latest().count(2).types(&[MessageType::CHAT]).as_user(1001);
    let page = read(&query, vec![row(8, false), row(7, false)], &CURSOR);
    assert_eq!(page.rows.len(), 2);
    assert_eq!(page.next, Some(History { times: Some((5, 9)), last_id: Some(7), ..query }.into()));
}

#[test]
fn page_with_fewer_rows_than_requested_is_the_last() {
    let query = History::latest().count(2);
    assert_eq!(read(&query, vec![row(7, false)], &CURSOR).next, None);
    assert_eq!(read(&query, vec![], &CURSOR).next, None);
}

#[test]
fn deleted_rows_are_left_out_but_count_for_the_page() {
    let query = History::latest().count(2);
    let page = read(&query, vec![row(8, true), row(7, true)], &CURSOR);
    assert_eq!(page.rows, []);
    assert!(page.next.is_some());
}

#[test]
fn missing_cursor_is_replaced_by_the_last_row() {
    let query = History::oldest().count(2).between(1, 0);
    let page = read(&query, vec![row(8, false), row(7, true)], &[]);
    assert_eq!(page.next.unwrap().widened(), History { last_id: Some(7), ..query });
}

#[test]
fn cursor_that_does_not_advance_ends_the_history() {
    for (query, back) in [(History::latest().count(1), 8), (History::oldest().count(1), 6)] {
        let first = read(&query, vec![row(7, false)], &CURSOR).next.unwrap();
        assert_eq!(read_as(first.clone(), vec![row(7, false)], &CURSOR).next, None);
        assert_eq!(read_as(first.clone(), vec![row(back, false)], &[("lastid", back), ("begin", 1)]).next, None);
        assert_eq!(read_as(first, vec![row(back, false)], &[]).next, None);
    }
}

#[test]
fn unreadable_row_is_named_and_leaves_the_cursor_readable() {
    let query = History::latest().count(2);
    let page = read(&query, vec![row(8, false), Value::Nil, row(6, false)], &CURSOR);
    let told: Vec<_> = page.rows.iter().map(|row| row.as_ref().map(|message| message.mid)).collect();
    let unreadable = DecodeError::WrongType { key: "msgs", expected: "a list of rows with eight elements each" };
    assert_eq!(told, [Ok(108), Err(&unreadable.in_row(1)), Ok(106)]);
    assert!(page.next.is_some());

    let payload = answer(vec![row(8, false), Value::Array(vec!["x".into(); 8])], &CURSOR);
    let error = get_room_message(42, &query).answer.read(0, FLAG, &payload).unwrap_err();
    assert_eq!(error.to_string(), "the answer to getroommsg cannot be read: row 1: `id` is not an integer");
}

#[test]
fn page_without_a_cursor_continues_after_an_unreadable_row() {
    let query = History::oldest().count(3);
    let unreadable = |id: Value| Value::Array(vec![id; 2]);
    let next_id = |rows| read(&query, rows, &[]).next.and_then(|next| next.widened().last_id);
    assert_eq!(next_id(vec![row(1, false), unreadable(2.into()), row(3, false)]), Some(3));
    assert_eq!(next_id(vec![row(1, false), row(2, false), unreadable(3.into())]), Some(3));
    // The id of this row cannot be read, so the row before it is the best cursor.
    assert_eq!(next_id(vec![row(1, false), row(2, false), unreadable("x".into())]), Some(2));
    assert_eq!(next_id(vec![row(1, false), Value::Nil, Value::Array(vec![])]), Some(1));
}

#[test]
fn rows_without_readable_ids_widen_the_next_page_and_are_reported_once() {
    let query = History::oldest().count(2);
    let is_told = |page: &RawPage| page.rows.iter().map(Result::is_ok).collect::<Vec<bool>>();
    let first = read(&query, vec![row(1, false), Value::Nil], &[]);
    assert_eq!(is_told(&first), [true, false]);
    let next = first.next.unwrap();
    assert_eq!((next.widened().count, next.widened().last_id), (3, Some(1)));
    // There may be more rows like it.
    let second = read_as(next.clone(), vec![Value::Nil, Value::Nil, Value::from("x")], &[]);
    assert_eq!(is_told(&second), [false, false]);
    assert_eq!((second.next.as_ref().unwrap().widened().count, second.next.unwrap().widened().last_id), (5, Some(1)));
    // That row may have been deleted, and another like it may follow.
    assert_eq!(is_told(&read_as(next.clone(), vec![row(2, false), Value::Nil], &[])), [true, false]);
    // The server may have no other rows.
    assert_eq!(read_as(next.clone(), vec![Value::Nil], &[]).next, None);
    // The last page may look full.
    assert_eq!(read_as(next, vec![Value::Nil, row(2, false)], &[]).next.unwrap().widened().count, 2);
}

#[test]
fn errors_of_a_page_take_bounded_memory() {
    let page = read(&History::oldest(), vec![Value::Nil; 100_000], &[("lastid", 7)]);
    assert_eq!(page.rows.len(), 64);
    assert!(page.next.is_some());
}

#[test]
fn counts_and_types_are_checked() {
    let is_refused = |query: History| get_room_message(1, &query).quest.is_err();
    assert_eq!([0, 1, 20, 21].map(|count| is_refused(History::latest().count(count))), [true, false, false, true]);
    assert!(is_refused(History::latest().types(&[MessageType::CHAT, MessageType::new(128)])));
    assert!(!is_refused(History::latest().types(&[])));
}
