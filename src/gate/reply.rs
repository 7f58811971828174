//! Writes the answers, straight into the connection's output.

use crate::fpnn::{FrameWriter, PayloadWriter};

/// The place of one answer, at the end of a connection's output.
#[derive(Debug)]
pub struct Reply<'a> {
    out: &'a mut Vec<u8>,
    seq: u32,
}

impl<'a> Reply<'a> {
    /// An answer to the quest `seq`.
    pub fn new(out: &'a mut Vec<u8>, seq: u32) -> Reply<'a> {
        Reply { out, seq }
    }

    /// `{}`
    pub fn empty(self) {
        FrameWriter::answer(self.out, self.seq, 0, 0).finish();
    }

    /// `{ts}`
    pub fn ts(self, unix_ms: i64) {
        self.pairs(1, |payload| {
            payload.str("ts");
            payload.int(unix_ms);
        });
    }

    /// `{oinfo, pinfo}`. Both always come as strings: several of the vendor's SDKs fail without them.
    pub fn info(self, public: &str, private: &str) {
        self.pairs(2, |payload| {
            payload.str("oinfo");
            payload.str(public);
            payload.str("pinfo");
            payload.str(private);
        });
    }

    /// `{ok}`
    pub fn ok(self, ok: bool) {
        self.pairs(1, |payload| {
            payload.str("ok");
            payload.bool(ok);
        });
    }

    /// `{uids}`
    pub fn uids(self, uids: impl ExactSizeIterator<Item = i64>) {
        self.pairs(1, |payload| {
            payload.str("uids");
            payload.array(len(uids.len()));
            uids.for_each(|uid| payload.int(uid));
        });
    }

    /// `{cn: {room: count}}`, the rooms as strings of digits.
    pub fn counts(self, counts: impl ExactSizeIterator<Item = (i64, usize)>) {
        let mut digits = itoa::Buffer::new();
        self.pairs(1, |payload| {
            payload.str("cn");
            payload.map(len(counts.len()));
            for (room, count) in counts {
                payload.str(digits.format(room));
                payload.int(i64::try_from(count).unwrap_or(i64::MAX));
            }
        });
    }

    fn pairs(self, pairs: u32, write: impl FnOnce(&mut PayloadWriter<'_>)) {
        let mut frame = FrameWriter::answer(self.out, self.seq, 0, pairs);
        write(&mut frame.payload());
        frame.finish();
    }
}

/// What came in one packet, or fits the memory beside its ids, has fewer than 2^32 elements.
fn len(len: usize) -> u32 {
    u32::try_from(len).unwrap_or(u32::MAX)
}
