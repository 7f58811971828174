//! The server: it pushes, checks that its pushes are answered, and grants or refuses requests.

use std::collections::VecDeque;

use rtm_server_sdk::fpnn::{Decoder, Frame, FrameWriter, MethodName, Quest, read_answer};

use super::super::feed::feed;
use super::subscription::{Item, Items};

pub const NOT_ALLOWED: i32 = 200_021;
/// The codes of a server that cannot decide yet.
const NOT_NOW: [i32; 2] = [20_011, 200_010];

/// One connection, from the server's end.
#[derive(Debug)]
pub struct Server {
    decoder: Decoder,
    /// The unanswered `setlisten`s.
    asked: VecDeque<(u32, Items)>,
    /// What was asked for last is pushed.
    pub granted: Items,
    /// Unanswered pushes, and whether the client knows their methods.
    unanswered: VecDeque<(u32, bool)>,
    last_seq: u32,
}

impl Default for Server {
    fn default() -> Server {
        Server {
            decoder: Decoder::new(1024 * 1024),
            asked: VecDeque::new(),
            granted: Items::new(),
            unanswered: VecDeque::new(),
            last_seq: 0,
        }
    }
}

/// How the server answers a `setlisten`.
#[derive(Debug, Clone, Copy)]
pub enum Reply {
    /// Answer according to the server's rules.
    Decide,
    /// Answer that it cannot decide yet, with one of several codes.
    NotNow(u8),
    /// Never answer, whether or not the request is granted.
    Nothing { is_done: bool },
}

impl Server {
    /// Bytes come. `asked` are the parameters of the `setlisten`s among them, in their order.
    pub fn receive(&mut self, bytes: &[u8], asked: &mut VecDeque<Items>) {
        feed(&mut self.decoder, bytes, |frame| match frame {
            Frame::Quest(Quest { seq: Some(seq), method: b"setlisten", .. }) => {
                self.asked.push_back((seq, asked.pop_front().expect("each is asked for once")));
            }
            Frame::Answer(answer) => {
                let (seq, is_known) = self.unanswered.pop_front().expect("one answer a push");
                let code = read_answer(answer.status, answer.flag, answer.payload, |_| Ok(()))
                    .expect("the engine's answers can be read")
                    .map_or_else(|error| error.code().value(), |()| 0);
                assert_eq!((answer.seq, code), (seq, if is_known { 0 } else { 20_004 }));
            }
            Frame::Quest(quest) => panic!("{quest:?}"),
        });
    }

    /// Everything that was pushed has its answer.
    pub fn check_answers(&self) {
        assert!(self.unanswered.is_empty(), "not answered: {:?}", self.unanswered);
    }

    pub fn is_asked(&self) -> bool {
        !self.asked.is_empty()
    }

    /// The answer to the first `setlisten` that waits for one. What is pushed already is not refused; what is new must not be
    /// `forbidden`.
    pub fn answer(&mut self, reply: Reply, forbidden: &Items) -> Vec<u8> {
        let Some((seq, items)) = self.asked.pop_front() else { return Vec::new() };
        let is_new = |item: &&Item| !self.granted.contains(item) && !self.granted.contains(&item.all_of_its_kind());
        let is_refused = items.iter().filter(is_new).any(|item| forbidden.contains(item));
        let mut bytes = Vec::new();
        match reply {
            Reply::Nothing { is_done: true } if !is_refused => self.granted = items,
            Reply::Nothing { .. } => {}
            Reply::NotNow(which) => {
                let code = NOT_NOW[usize::from(which) % NOT_NOW.len()];
                FrameWriter::error_answer(&mut bytes, seq, code, "not now");
            }
            Reply::Decide if is_refused => FrameWriter::error_answer(&mut bytes, seq, NOT_ALLOWED, "not allowed"),
            Reply::Decide => {
                self.granted = items;
                FrameWriter::answer(&mut bytes, seq, 0).finish();
            }
        }
        bytes
    }

    /// A push of the method, in bytes.
    pub fn push(&mut self, method: MethodName<'static>, is_known: bool, payload: &[u8]) -> Vec<u8> {
        self.last_seq += 1;
        self.unanswered.push_back((self.last_seq, is_known));
        let mut bytes = Vec::new();
        FrameWriter::two_way_quest(&mut bytes, self.last_seq, method).finish();
        // The empty map that the writer begins with makes room for the payload.
        bytes.pop();
        bytes.extend_from_slice(payload);
        let len = u32::try_from(payload.len()).expect("payloads are short");
        bytes[8..12].copy_from_slice(&len.to_le_bytes());
        bytes
    }

    /// Whether messages of the room are pushed.
    pub fn pushes_room(&self, rid: i64) -> bool {
        self.granted.contains(&Item::AllRooms) || self.granted.contains(&Item::Room(rid))
    }
}
