//! The model of one listener: what it must receive, compared with what the library's listener receives.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::fmt;

use rtm_server_sdk::listeners_internals::OfflineListener;
use rtm_server_sdk::{Error, Gap, GapReason, Message, Push, Target};

use super::simulation::History;
use super::subscription::{Item, Items, includes};

/// A listener of the library, with its subscription and what is expected of it.
pub struct ModelListener {
    pub listener: OfflineListener,
    pub subscription: Items,
    pub expected: Expected,
    /// The number of the connection that the subscription was first granted on.
    pub first_granted: Option<u64>,
    /// What the server said to the subscription on this connection.
    pub verdict: Option<Verdict>,
    /// Whether a push came for it on this connection before the subscription was first granted.
    pub has_early_pushes: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Granted,
    Refused,
}

#[derive(Debug)]
pub enum Expected {
    /// Every push in its place, and every gap.
    Sequence(Sequence),
    /// The messages of the rooms that are filled from the history: each once, in order, none missing without a gap.
    Filled(Filled),
}

impl fmt::Debug for ModelListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ModelListener { listener, subscription, first_granted, verdict, .. } = self;
        write!(f, "{:?} for {subscription:?}, granted first on {first_granted:?}, now {verdict:?}", listener.id())
    }
}

impl ModelListener {
    pub fn new(listener: OfflineListener, subscription: Items, fills_gaps: bool, queue: usize) -> ModelListener {
        let rooms: Vec<i64> = subscription.iter().filter_map(room).collect();
        let expected = if fills_gaps && !rooms.is_empty() {
            Expected::Filled(Filled::new(&rooms, rooms.len() == subscription.len()))
        } else {
            Expected::Sequence(Sequence { queue, ..Sequence::default() })
        };
        ModelListener { listener, subscription, expected, first_granted: None, verdict: None, has_early_pushes: false }
    }

    pub fn wants(&self, push: &Push) -> bool {
        includes(&self.subscription, push)
    }

    /// A push came that it wants, and that did not come before.
    pub fn expect(&mut self, push: &Push) {
        self.has_early_pushes |= self.first_granted.is_none();
        if let Expected::Sequence(expected) = &mut self.expected {
            expected.push(push.clone());
        }
    }

    pub fn expect_gap(&mut self, reason: GapReason) {
        if let Expected::Sequence(expected) = &mut self.expected {
            expected.items.push_back(Expectation::Gap(reason));
        }
    }

    /// A connection begins. Whoever was there before misses what came in between.
    pub fn enter(&mut self, connection: u64) {
        let is_early = std::mem::take(&mut self.has_early_pushes) && self.first_granted.is_none();
        if is_early || self.first_granted.is_some_and(|first| first < connection) {
            self.expect_gap(GapReason::Reconnected);
        }
        if let Expected::Filled(filled) = &mut self.expected {
            filled.had_early_pushes |= is_early;
        }
    }

    /// Takes up to so many pushes and gaps, and checks each.
    pub fn take_pushes(&mut self, most: usize, history: &History) {
        for _ in 0..most {
            let push = self.listener.take();
            match (&mut self.expected, push) {
                (Expected::Sequence(expected), Some(push)) => expected.check_next(&push),
                (Expected::Sequence(expected), None) => return expected.check_nothing_is_left(),
                (Expected::Filled(filled), Some(push)) => filled.check_next(&push, history),
                (Expected::Filled(_), None) => return,
            }
        }
    }
}

fn room(item: &Item) -> Option<i64> {
    match item {
        Item::Room(rid) => Some(*rid),
        _ => None,
    }
}

/// See [`Expected`].
#[derive(Debug, Default)]
pub struct Sequence {
    items: VecDeque<Expectation>,
    /// How many pushes the queue accepts, and how many it holds.
    queue: usize,
    held: usize,
    /// The reasons of the gaps since the last push. Gaps with the same reason and no push in between may be merged.
    told: Vec<GapReason>,
}

#[derive(Debug)]
enum Expectation {
    Push(Push),
    /// Drops a push for which the queue had no space.
    Lost,
    Gap(GapReason),
}

impl Sequence {
    fn push(&mut self, push: Push) {
        let has_room = self.held < self.queue;
        self.held += usize::from(has_room);
        self.items.push_back(if has_room { Expectation::Push(push) } else { Expectation::Lost });
    }

    fn check_next(&mut self, push: &Push) {
        let Push::Gap(gap) = push else {
            self.skip_repeated_gaps(None);
            let expected = self.items.pop_front();
            assert!(
                matches!(&expected, Some(Expectation::Push(expected)) if is_same(expected, push)),
                "{push:?}, not {expected:?}"
            );
            self.held -= 1;
            self.told.clear();
            return;
        };
        if let (GapReason::Overflow, Some(missed)) = (gap.reason(), gap.missed()) {
            for _ in 0..missed {
                self.skip_repeated_gaps(None);
                let expected = self.items.pop_front();
                assert!(matches!(expected, Some(Expectation::Lost)), "{gap:?}, not {expected:?}");
            }
            return;
        }
        self.skip_repeated_gaps(Some(gap.reason()));
        let expected = self.items.pop_front();
        assert!(
            matches!(expected, Some(Expectation::Gap(reason)) if reason == gap.reason()),
            "{gap:?}, not {expected:?}"
        );
        assert_eq!(gap.error().is_some(), gap.reason() == GapReason::Refused);
        self.told.push(gap.reason());
    }

    /// Skips gaps that may have been merged into one that was told, up to the first one for the reason `next`.
    fn skip_repeated_gaps(&mut self, next: Option<GapReason>) {
        let is_repeated = |reason: &GapReason| self.told.contains(reason) && Some(*reason) != next;
        while matches!(self.items.front(), Some(Expectation::Gap(reason)) if is_repeated(reason)) {
            self.items.pop_front();
        }
    }

    fn check_nothing_is_left(&mut self) {
        self.skip_repeated_gaps(None);
        assert!(self.items.is_empty(), "not heard, and not told to be missing: {:?}", self.items);
        assert_eq!(self.held, 0);
    }
}

fn is_same(one: &Push, other: &Push) -> bool {
    match (one, other) {
        (Push::Message(one), Push::Message(other)) => one == other,
        (Push::Event(one), Push::Event(other)) => one == other,
        _ => false,
    }
}

/// See [`Expected`].
#[derive(Debug)]
pub struct Filled {
    rooms: BTreeMap<i64, Room>,
    /// Whether everything subscribed to has a history.
    has_history: bool,
    /// A connection was lost before the subscription was first granted, and after a push came for it.
    had_early_pushes: bool,
}

/// What was received of a room.
#[derive(Debug, Default)]
struct Room {
    received: BTreeSet<i64>,
    last_received: i64,
    /// No message up to this one is missing without a gap. At first, this is the newest message at the time of the
    /// grant.
    complete_to: Option<i64>,
    has_gap: bool,
}

impl Filled {
    fn new(rooms: &[i64], has_history: bool) -> Filled {
        Filled {
            rooms: rooms.iter().map(|rid| (*rid, Room::default())).collect(),
            has_history,
            had_early_pushes: false,
        }
    }

    /// The server has agreed: what there is of the rooms now is older.
    pub fn begin(&mut self, history: &History) {
        for (rid, room) in &mut self.rooms {
            let newest =
                history.messages.get(rid).and_then(|messages| messages.last()).map_or(0, |stored| stored.message.mid);
            room.complete_to = Some(newest);
        }
    }

    fn check_next(&mut self, push: &Push, history: &History) {
        match push {
            Push::Gap(gap) => {
                self.check_gap(gap, history);
                self.rooms.values_mut().for_each(|room| room.has_gap = true);
            }
            Push::Message(Message { target: Target::Room(rid), mid, .. }) if history.matches_pushes => {
                if let Some(room) = self.rooms.get_mut(rid) {
                    room.check_next(*mid, *rid, history);
                }
            }
            _ => {}
        }
    }

    /// Rooms are caught up, unless something goes wrong.
    fn check_gap(&self, gap: &Gap, history: &History) {
        let may_come = match (gap.reason(), gap.error()) {
            (GapReason::Reconnected, None) => {
                !self.has_history
                    || self.had_early_pushes
                    || !history.matches_pushes
                    || self.rooms.keys().any(|rid| history.is_long(*rid))
            }
            (GapReason::Reconnected, Some(error)) => matches!(error, Error::Closed(_)),
            _ => true,
        };
        assert!(may_come || history.may_fail, "{gap:?} without need");
    }

    /// Everything was received that there is to receive.
    pub fn check_nothing_is_missing(&self, history: &History) {
        self.rooms.iter().for_each(|(rid, room)| room.check_up_to(i64::MAX, *rid, history));
    }
}

impl Room {
    fn check_next(&mut self, mid: i64, rid: i64, history: &History) {
        assert!(self.received.insert(mid), "message {mid} comes twice");
        // A message that is pushed again may be one that nobody wanted before.
        let is_excused = history.is_repeated || (history.is_skewed && history.loses_messages) || history.is_long(rid);
        assert!(self.last_received < mid || is_excused, "message {mid} comes behind {}", self.last_received);
        self.last_received = self.last_received.max(mid);
        if self.complete_to.is_some_and(|last| last < mid) {
            self.check_up_to(mid, rid, history);
            self.complete_to = Some(mid);
            self.has_gap = false;
        }
    }

    /// Checks that no message is missing before `mid` without a gap.
    fn check_up_to(&self, mid: i64, rid: i64, history: &History) {
        let (Some(last), false, Some(messages)) = (self.complete_to, self.has_gap, history.messages.get(&rid)) else {
            return;
        };
        if !history.matches_pushes {
            return;
        }
        let is_missed =
            |message: &Message| last < message.mid && message.mid < mid && !self.received.contains(&message.mid);
        let is_missing = |message: &&Message| is_missed(message) && !history.excuses(rid, message);
        let missing = messages.iter().map(|stored| &stored.message).find(is_missing);
        assert!(missing.is_none(), "message {missing:?} is missing, and no gap says so");
    }
}
