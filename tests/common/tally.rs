//! Accounts for many calls: the outcome of each, and how often the server executed it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use rtm_server_sdk::Error;

use super::wire::{self, Packet};

/// A call is named by its room and its user.
pub type CallId = (i64, i64);

/// How often the server executed each call. Shared by the servers that follow each other on one port.
#[derive(Clone, Default)]
pub struct Executed(Arc<Mutex<HashMap<CallId, usize>>>);

impl Executed {
    /// Counts the quest, and answers it as the real service might.
    pub fn answer(&self) -> impl Fn(&Packet) -> Option<Vec<u8>> + Send + Sync + 'static {
        let executed = self.clone();
        move |quest| {
            if quest.method != "*ping" {
                let id = (quest.int("rid"), quest.int("uid"));
                *executed.0.lock().unwrap().entry(id).or_default() += 1;
            }
            Some(wire::answer(quest.seq(), &wire::plausible_result(&quest.method)))
        }
    }

    pub fn of(&self, id: CallId) -> usize {
        self.0.lock().unwrap().get(&id).copied().unwrap_or(0)
    }

    /// Fails the test if the outcome does not agree with what the server did. To be asked once nothing is under way.
    pub fn check(&self, id: CallId, outcome: &Result<(), Error>) {
        let times = self.of(id);
        let agrees = match outcome {
            Ok(()) => times == 1,
            Err(error) if error.may_have_executed() => times <= 1,
            Err(_) => times == 0,
        };
        assert!(agrees, "call {id:?} was executed {times} times and came out as {outcome:?}");
    }
}
