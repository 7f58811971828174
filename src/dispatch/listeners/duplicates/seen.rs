//! A table of messages seen. It forgets none, and is only cleared as a whole.
//!
//! At the rates at which messages can arrive, memory latency dominates. So sightings are stored in order of arrival,
//! where the next one goes to memory that is already cached. Only their indices are hashed, and these fit the caches.

use std::hash::{BuildHasher, RandomState};

use crate::rtm::{MessageId, Target, UserId};

/// The most messages in a table.
pub(super) const MOST_SIGHTINGS: usize = 64 * 1024;
/// The low bits of a slot hold the index of a sighting, counted from 1. The high bits hold a tag that tells most
/// sightings apart without reading them. 0 marks an empty slot.
const INDEX_BITS: u32 = 17;
const INDEX_MASK: u32 = (1 << INDEX_BITS) - 1;
const _: () = assert!(MOST_SIGHTINGS <= INDEX_MASK as usize);
const FEWEST_SLOTS: usize = 64;

/// What identifies a message. Its text does not count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::dispatch::listeners) struct MessageKey {
    pub target: Target,
    pub from: UserId,
    pub mid: MessageId,
}

/// How a message was seen.
#[derive(Debug, Clone, Copy)]
pub(super) struct Sighting {
    /// The number of the connection on which it was pushed, or for which its room was caught up.
    pub connection: u32,
    pub was_pushed: bool,
    pub was_caught_up: bool,
}

/// See the [module](self).
#[derive(Debug, Default)]
pub(super) struct Seen {
    sightings: Vec<(MessageKey, Sighting)>,
    /// The hash table. Its length is a power of two, and at most half of the slots are used.
    slots: Vec<u32>,
}

/// Hashes keys, with different seeds in each client. Senders choose message ids, and must not be able to cause
/// collisions.
#[derive(Debug)]
pub(super) struct KeyHasher {
    seeds: [u64; 3],
}

/// The hash of a message's key.
#[derive(Debug, Clone, Copy)]
pub(super) struct KeyHash(u64);

impl Default for KeyHasher {
    fn default() -> KeyHasher {
        let random = RandomState::new();
        KeyHasher { seeds: [0, 1, 2].map(|seed: u64| random.hash_one(seed)) }
    }
}

impl KeyHasher {
    pub(super) fn hash(&self, key: &MessageKey) -> KeyHash {
        let [for_target, for_sender, for_mid] = self.seeds;
        let (kind, target) = match key.target {
            Target::Room(rid) => (1, rid),
            Target::Group(gid) => (2, gid),
            Target::User(uid) => (3, uid),
        };
        let way = fold(target as u64 ^ for_target, key.from as u64 ^ for_sender);
        KeyHash(fold(way ^ kind, key.mid as u64 ^ for_mid))
    }
}

/// Xors both halves of the product. Each bit of the result depends on many bits of both factors.
fn fold(a: u64, b: u64) -> u64 {
    let product = u128::from(a) * u128::from(b);
    (product >> 64) as u64 ^ product as u64
}

impl KeyHash {
    /// The slot at which a search begins, in a table of `slots` slots.
    fn first_slot(self, slots: usize) -> usize {
        self.0 as usize & (slots - 1)
    }

    /// The part of the hash that a slot holds besides the index.
    fn tag(self) -> u32 {
        (self.0 >> 32) as u32 & !INDEX_MASK
    }
}

impl Seen {
    pub(super) fn len(&self) -> usize {
        self.sightings.len()
    }

    /// Forgets all messages, but keeps the memory for reuse.
    pub(super) fn clear(&mut self) {
        self.sightings.clear();
        self.slots.fill(0);
    }

    /// Returns the index of a message's sighting, if there is one.
    pub(super) fn find(&self, hash: KeyHash, key: &MessageKey) -> Option<usize> {
        if self.slots.is_empty() {
            return None;
        }
        let mut slot = hash.first_slot(self.slots.len());
        while self.slots[slot] != 0 {
            let index = (self.slots[slot] & INDEX_MASK) as usize - 1;
            if self.slots[slot] & !INDEX_MASK == hash.tag() && self.sightings[index].0 == *key {
                return Some(index);
            }
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        None
    }

    pub(super) fn sighting_mut(&mut self, index: usize) -> &mut Sighting {
        &mut self.sightings[index].1
    }

    /// Adds a message that is not in the table.
    pub(super) fn insert(&mut self, key: MessageKey, sighting: Sighting, hash: KeyHash, hasher: &KeyHasher) {
        if self.sightings.len() >= self.slots.len() / 2 {
            self.grow(hasher);
        }
        self.sightings.push((key, sighting));
        self.fill_slot(hash, self.sightings.len());
    }

    fn grow(&mut self, hasher: &KeyHasher) {
        let slots = (2 * self.slots.len()).max(FEWEST_SLOTS);
        self.slots.clear();
        self.slots.resize(slots, 0);
        for index in 0..self.sightings.len() {
            self.fill_slot(hasher.hash(&self.sightings[index].0), index + 1);
        }
    }

    fn fill_slot(&mut self, hash: KeyHash, index: usize) {
        let mut slot = hash.first_slot(self.slots.len());
        while self.slots[slot] != 0 {
            slot = (slot + 1) & (self.slots.len() - 1);
        }
        self.slots[slot] = hash.tag() | index as u32;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rtm::Target;

    fn key(mid: usize) -> MessageKey {
        MessageKey { target: Target::Room(1), from: 2, mid: mid as i64 }
    }

    fn sighting(number: usize) -> Sighting {
        Sighting { connection: number as u32, was_pushed: true, was_caught_up: false }
    }

    fn found(seen: &mut Seen, hash: KeyHash, mid: usize) -> Option<usize> {
        let index = seen.find(hash, &key(mid))?;
        Some(seen.sighting_mut(index).connection as usize)
    }

    #[test]
    fn each_message_is_found_with_its_own_sighting_until_the_table_is_cleared() {
        let (mut seen, hasher) = (Seen::default(), KeyHasher::default());
        for round in 1..3 {
            for mid in 0..MOST_SIGHTINGS {
                let hash = hasher.hash(&key(mid));
                assert_eq!(found(&mut seen, hash, mid), None);
                seen.insert(key(mid), sighting(mid * round), hash, &hasher);
            }
            assert_eq!(seen.len(), MOST_SIGHTINGS);
            for mid in 0..MOST_SIGHTINGS {
                assert_eq!(found(&mut seen, hasher.hash(&key(mid)), mid), Some(mid * round));
            }
            assert_eq!(found(&mut seen, hasher.hash(&key(MOST_SIGHTINGS)), MOST_SIGHTINGS), None);
            seen.clear();
        }
    }

    #[test]
    fn messages_with_the_same_hash_are_distinguished() {
        let (mut seen, hasher, hash) = (Seen::default(), KeyHasher::default(), KeyHash(u64::MAX));
        // Too few to make the table grow, which would hash them anew.
        let mids = 0..FEWEST_SLOTS / 2;
        mids.clone().for_each(|mid| seen.insert(key(mid), sighting(mid), hash, &hasher));
        mids.clone().for_each(|mid| assert_eq!(found(&mut seen, hash, mid), Some(mid)));
        assert_eq!(found(&mut seen, hash, mids.end), None);
    }
}
