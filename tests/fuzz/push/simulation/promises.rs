//! What must hold in any case.

use std::time::Duration;

use rtm_server_sdk::engine::{Action, Outcome};
use rtm_server_sdk::rtm::{PushMethod, PushRef};
use rtm_server_sdk::{Error, GapReason, Push};

use super::super::as_delivered;
use super::super::model_listener::{Expected, ModelListener, Verdict};
use super::super::server::NOT_ALLOWED;
use super::super::subscription::{Items, covers, union};
use super::{Simulation, Waiter};

impl Simulation {
    /// Records what an action of the engine promises to listeners, before it is carried out.
    pub(super) fn expect(&mut self, action: &Action<Waiter>) {
        match action {
            Action::Pushed { connection, pushes } => {
                pushes.iter().for_each(|(method, payload)| self.expect_push(*connection, method, payload));
            }
            Action::Granted { connection, listener } => {
                self.enter(*connection);
                if let Some(model) = self.models.get_mut(&listener.0) {
                    model.first_granted.get_or_insert(*connection);
                    model.verdict = Some(Verdict::Granted);
                }
            }
            Action::Refused { connection, listener, error } => {
                self.enter(*connection);
                let refused_for = &self.refused_for;
                if let Some(model) = self.models.get_mut(&listener.0) {
                    assert!(
                        error.code().value() != NOT_ALLOWED || !model.subscription.is_disjoint(refused_for),
                        "{model:?}"
                    );
                    assert!(
                        model.first_granted.is_some(),
                        "a subscription is refused that was never granted, and stays"
                    );
                    model.expect_gap(GapReason::Refused);
                    model.verdict = Some(Verdict::Refused);
                }
            }
            _ => {}
        }
    }

    /// A push is on its way to the listeners: the next one sent by the server that can be read as a map.
    fn expect_push(&mut self, connection: u64, method: PushMethod, payload: &[u8]) {
        assert_eq!(connection, self.connection);
        let is_it = |sent: &(PushMethod, Vec<u8>)| sent.0 == method && sent.1 == payload;
        let sent = self.pushed.pop_front();
        assert!(sent.as_ref().is_some_and(is_it), "{method:?} {payload:?}, not {sent:?}");
        let push = match PushRef::read(method, payload) {
            Ok(Some(push)) => as_delivered(&push),
            Ok(None) | Err(_) => return,
        };
        self.enter(connection);
        if !self.models.values().any(|model| model.wants(&push)) {
            return;
        }
        if let Push::Message(message) = &push {
            if !self.seen.insert((message.target, message.from, message.mid)) {
                return;
            }
        }
        for model in self.models.values_mut().filter(|model| model.wants(&push)) {
            model.expect(&push);
        }
    }

    /// The first sign of a connection. Listeners that were there before missed what was sent in between.
    fn enter(&mut self, connection: u64) {
        assert_eq!(connection, self.connection);
        if self.entered < connection {
            self.entered = connection;
            self.models.values_mut().for_each(|model| model.enter(connection));
        }
    }

    pub(super) fn complete(&mut self, waiter: Waiter, outcome: Outcome) {
        if waiter == Waiter(0) {
            return;
        }
        let own = self.starting.remove(&waiter.0).expect("each has one outcome");
        if matches!(outcome, Err(Error::Timeout(_))) {
            self.gave_up_at = Some(self.now);
        }
        let Some(model) = self.models.get_mut(&waiter.0) else { return };
        match outcome {
            Ok(_) => {
                assert_eq!(model.verdict, Some(Verdict::Granted));
                // Starting waits until the beginning of a later catch-up is known.
                self.finish_readings();
                if let Some(ModelListener { expected: Expected::Filled(filled), .. }) = self.models.get_mut(&waiter.0) {
                    filled.begin(&self.history);
                }
            }
            Err(error) => {
                match &error {
                    // A server that does not answer is asked again: it is the listener's own time that counts.
                    Error::Timeout(error) => {
                        assert!(own.deadline <= self.now, "{model:?} ends early: {error}");
                        assert_eq!(error.timeout(), own.timeout, "{model:?}");
                    }
                    Error::Answer(answer) if answer.code().value() == NOT_ALLOWED => {
                        assert!(
                            !model.subscription.is_disjoint(&self.refused_for),
                            "refused for what others want: {model:?}"
                        );
                    }
                    _ => {}
                }
                self.remove(waiter.0);
            }
        }
    }

    /// The network is up, the server answers, and its rules stay as they are: in the end all is as it should be, on the
    /// connection that is there and on the next one.
    pub fn settle(&mut self) {
        (self.is_down, self.is_prompt) = (false, true);
        self.check_settled();
        self.lose_connection(0);
        self.check_settled();
    }

    fn check_settled(&mut self) {
        self.run_engine();
        // The current attempt may wait in vain, for an answer that never arrives.
        for _ in 0..2 {
            self.engine.handle_connect(self.now, Waiter(0));
            self.run_engine();
            self.advance(Duration::from_secs(60));
        }
        self.finish_readings();
        assert!(self.starting.is_empty(), "somebody still starts");
        for model in self.models.values_mut() {
            assert!(model.verdict.is_some(), "{model:?} waits for ever");
            model.take_pushes(usize::MAX, &self.history);
            if let Expected::Filled(filled) = &model.expected {
                filled.check_nothing_is_missing(&self.history);
            }
        }
        assert_eq!(self.server.granted, self.granted());
    }

    /// Checks that what was granted on this connection is pushed, and nothing else unless the engine is about to change
    /// that.
    pub(super) fn check_granted(&self) {
        let (pushed, granted) = (&self.server.granted, self.granted());
        assert!(covers(pushed, &granted), "{pushed:?}, but not all of {granted:?}");
        if self.asking_since.is_none() && !self.is_put_off {
            assert_eq!(*pushed, granted);
        }
    }

    /// The union of what is granted.
    fn granted(&self) -> Items {
        let granted = self.models.values().filter(|model| model.verdict == Some(Verdict::Granted));
        union(granted.map(|model| &model.subscription))
    }

    pub fn close(mut self) {
        self.engine.handle_close(self.now);
        self.run_engine();
        self.listeners.close();
        for model in self.models.values_mut() {
            model.take_pushes(usize::MAX, &self.history);
            assert!(model.listener.is_over(), "{model:?} has something left");
        }
    }
}
