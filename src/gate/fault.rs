//! [`Fault`]: how a gate misbehaves on request.

use std::time::Duration;

use crate::code::ErrorCode;

/// A way for a gate to misbehave, to test how a program copes: see [`Gate::inject`](super::Gate::inject).
///
/// A fault applies to every method, including `*ping`, unless [`on`](Fault::on) names one. It stays until
/// [`clear_faults`](super::Gate::clear_faults), unless [`times`](Fault::times) limits it. It applies before the
/// signature is checked, and also to unknown methods, but not to packets that violate the protocol nor to the key
/// exchange of an encrypted session.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::gate::{Fault, Gate};
/// use rtm_server_sdk::{Client, ErrorCode};
///
/// let gate = Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
/// let client = Client::new(80000001, "secret", gate.endpoint())?;
///
/// gate.inject(Fault::answer(ErrorCode::RTM_EC_FREQUENCY_LIMITED, "slow down").on("addroommember").times(1));
/// let error = client.add_room_member(42, 1001).call().unwrap_err();
/// assert_eq!(error.code(), ErrorCode::RTM_EC_FREQUENCY_LIMITED);
/// client.add_room_member(42, 1001).call()?;
/// # Ok::<(), rtm_server_sdk::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "a fault does nothing until it is injected"]
pub struct Fault {
    effect: Effect,
    method: Option<String>,
    times_left: Option<u32>,
}

/// The effect of a fault on a quest.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Effect {
    /// It is answered with an error.
    Answer(ErrorCode, String),
    /// It is executed, but answered late.
    Delay(Duration),
    /// It is never answered.
    Silence,
    /// Its connection is closed.
    Disconnect,
}

impl Fault {
    /// Answers with an error instead of executing the quest.
    pub fn answer(code: ErrorCode, text: impl Into<String>) -> Fault {
        Fault::with(Effect::Answer(code, text.into()))
    }

    /// Executes the quest at once and sends its answer `delay` later, by the gate's clock:
    /// [`Gate::advance`](super::Gate::advance) shortens the wait. Other answers do not wait for it.
    /// More than 1,000 years count as 1,000 years.
    pub fn delay(delay: Duration) -> Fault {
        Fault::with(Effect::Delay(delay))
    }

    /// Neither executes the quest nor answers it.
    pub fn silence() -> Fault {
        Fault::with(Effect::Silence)
    }

    /// Closes the connection instead of executing the quest. Earlier answers still arrive.
    pub fn disconnect() -> Fault {
        Fault::with(Effect::Disconnect)
    }

    /// Restricts the fault to one wire method, such as `addroommember`.
    pub fn on(mut self, method: impl Into<String>) -> Fault {
        self.method = Some(method.into());
        self
    }

    /// Limits the fault to the first `times` quests that it matches.
    pub fn times(mut self, times: u32) -> Fault {
        self.times_left = Some(times);
        self
    }

    fn with(effect: Effect) -> Fault {
        Fault { effect, method: None, times_left: None }
    }

    fn fits(&self, method: &[u8]) -> bool {
        self.times_left != Some(0) && self.method.as_ref().is_none_or(|name| name.as_bytes() == method)
    }
}

/// The injected faults, in order.
#[derive(Debug, Default)]
pub(super) struct Faults {
    injected: Vec<Fault>,
}

impl Faults {
    /// Adds a fault after the others.
    pub(super) fn inject(&mut self, fault: Fault) {
        self.injected.push(fault);
    }

    /// Removes all of them.
    pub(super) fn clear(&mut self) {
        self.injected.clear();
    }

    /// Returns the effect of the first fault that matches a quest of this method.
    pub(super) fn apply(&mut self, method: &[u8]) -> Option<Effect> {
        let place = self.injected.iter().position(|fault| fault.fits(method))?;
        let fault = &mut self.injected[place];
        if let Some(times) = &mut fault.times_left {
            *times -= 1;
        }
        let effect = fault.effect.clone();
        if fault.times_left == Some(0) {
            _ = self.injected.remove(place);
        }
        Some(effect)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_matching_fault_applies_as_often_as_it_says() {
        let mut faults = Faults::default();
        faults.inject(Fault::silence().on("a").times(2));
        faults.inject(Fault::disconnect().times(1));
        faults.inject(Fault::delay(Duration::ZERO).on("b"));
        let applied: Vec<_> = ["a", "b", "a", "a", "b", "b"].map(|method| faults.apply(method.as_bytes())).into();
        let [silence, disconnect, delay] =
            [Effect::Silence, Effect::Disconnect, Effect::Delay(Duration::ZERO)].map(Some);
        assert_eq!(applied, [silence.clone(), disconnect, silence, None, delay.clone(), delay]);
        faults.clear();
        assert_eq!(faults.apply(b"b"), None);
    }

    #[test]
    fn fault_for_no_times_never_applies() {
        let mut faults = Faults::default();
        faults.inject(Fault::silence().times(0));
        assert_eq!(faults.apply(b"a"), None);
    }
}
