//! FPNN's own keep-alive.

use super::Method;
use crate::gate::clock::Now;
use crate::gate::reply::Reply;

pub(super) const METHODS: &[Method] = &[Method::unsigned("*ping", ping)];

fn ping(now: Now, reply: &mut Reply<'_>) {
    reply.int("ts", now.unix_ms);
}
