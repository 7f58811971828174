//! The methods that read a room's history page by page.

use super::messages::filter;
use super::{Call, Method};
use crate::fpnn::PayloadWriter;
use crate::gate::failure::ErrorAnswer;
use crate::gate::project::Row;
use crate::gate::reply::{Reply, count, write_body};

pub(super) const METHODS: &[Method] = &[Method::signed("getroommsg", page)];

/// The most rows of a page.
const LARGEST_PAGE: i64 = 20;

/// The next page is requested with `begin`, `end` and `lastid` of this one. It continues after the row `lastid`, and
/// one end of the time span moves to that row's time.
fn page(call: &mut Call<'_, '_>, reply: &mut Reply<'_>) -> Result<(), ErrorAnswer> {
    let params = call.params;
    let (room, newest_first) = (params.int("rid")?, params.flag("desc")?);
    let count = usize::try_from(params.int("num")?.clamp(0, LARGEST_PAGE)).unwrap_or_default();
    let (filter, last_id) = (filter(params)?, params.optional_int("lastid")?.unwrap_or_default());
    let rows = call.project.messages.page(room, &filter, newest_first, last_id, count);

    let (mut span, mut cursor) = (filter.span, last_id);
    if let Some(last) = rows.last() {
        cursor = last.id;
        *(if newest_first { &mut span.end } else { &mut span.begin }) = last.mtime;
    }
    write_page(reply, &rows, cursor, span.begin, span.end);
    Ok(())
}

fn write_page(reply: &mut Reply<'_>, rows: &[&Row], last_id: i64, begin: i64, end: i64) {
    reply.int("num", count(rows.len()));
    reply.int("lastid", last_id);
    reply.int("begin", begin);
    reply.int("end", end);
    let mut payload = reply.pair("msgs");
    payload.array(rows.len());
    for row in rows {
        write_row(&mut payload, row);
    }
}

fn write_row(payload: &mut PayloadWriter<'_>, row: &Row) {
    payload.array(8);
    payload.int(row.id);
    payload.int(row.message.from);
    payload.int(row.message.mtype.value().into());
    payload.int(row.message.mid);
    payload.bool(row.is_deleted);
    write_body(payload, &row.message.body);
    payload.str(&row.message.attrs);
    payload.int(row.mtime);
}
