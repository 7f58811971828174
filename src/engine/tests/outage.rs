//! A server that goes away and comes back, and how its clients behave: promise 8 of the API.

use super::*;

/// A client of a server that can be reachable or not.
struct Outage {
    rig: Rig,
    resolved: usize,
    dialed: usize,
    /// When each attempt started, counted from the start.
    attempts: Vec<Duration>,
    token: u32,
}

impl Outage {
    fn new(seed: u64) -> Outage {
        let mut rig = Rig::seeded(seed, |settings| settings.reconnect = ReconnectPolicy::default());
        rig.connect();
        rig.serve_one_call();
        Outage { resolved: rig.resolves.len(), dialed: rig.dials.len(), rig, attempts: Vec::new(), token: 0 }
    }

    fn call(&mut self) {
        self.token += 1;
        self.rig.call(self.token, SECOND);
    }

    /// Advances by a millisecond. Each dial is answered or refused.
    fn step(&mut self, is_reachable: bool) {
        self.pass(MILLI, is_reachable);
    }

    fn pass(&mut self, time: Duration, is_reachable: bool) {
        self.rig.pass(time);
        while self.resolved < self.rig.resolves.len() {
            self.resolved += 1;
            self.attempts.push(self.rig.elapsed());
            self.rig.resolve(&["192.0.2.1:1"]);
            while self.dialed < self.rig.dials.len() {
                self.dialed += 1;
                if is_reachable {
                    self.rig.dialed();
                } else {
                    self.rig.refuse();
                }
            }
        }
    }

    /// Asserts that the attempts kept promise 8 in an outage from the start.
    fn assert_attempts_are_bounded(&self) {
        let in_second = |second: u64| {
            let range = Duration::from_secs(second)..Duration::from_secs(second + 1);
            self.attempts.iter().filter(|at| range.contains(at)).count()
        };
        assert!(in_second(0) <= 20, "{} attempts in the first second", in_second(0));
        for second in 1..self.rig.elapsed().as_secs() {
            assert!(in_second(second) <= 2, "{} attempts in second {second}", in_second(second));
        }
    }
}

#[test]
fn call_made_two_seconds_after_the_server_is_back_succeeds() {
    for (seed, away) in [100, 1000, 1700, 3000, 3300, 12_000].into_iter().enumerate() {
        for calls_every in [2, 1000, u64::MAX] {
            let mut outage = Outage::new(seed as u64);
            outage.rig.hang_up();
            for milli in 0..away {
                if milli % calls_every == 0 {
                    outage.call();
                }
                outage.step(false);
            }
            outage.assert_attempts_are_bounded();
            for _ in 0..2000 {
                outage.step(true);
            }
            outage.rig.outcomes.clear();
            outage.rig.serve_one_call();
        }
    }
}

#[test]
fn server_that_repeatedly_answers_once_and_goes_away_is_not_overrun() {
    let mut outage = Outage::new(1);
    outage.rig.hang_up();
    while outage.rig.elapsed() < 20 * SECOND {
        outage.call();
        outage.step(true);
        if outage.rig.is_ready() {
            for seq in outage.rig.seen_seqs() {
                outage.rig.answer(seq);
            }
            if outage.rig.outcomes.drain(..).any(|(_, outcome)| outcome.is_ok()) {
                outage.rig.hang_up();
            }
        }
    }
    assert!(outage.attempts.len() >= 40, "{} attempts", outage.attempts.len());
    outage.assert_attempts_are_bounded();
}

#[test]
fn a_thousand_clients_of_a_restarted_server_come_back_spread_over_the_wait() {
    const CLIENTS: usize = 1000;
    const SLOT: Duration = Duration::from_millis(100);
    let back = 3 * SECOND;
    let mut arrivals: Vec<Duration> = (0..CLIENTS as u64)
        .map(|seed| {
            let mut outage = Outage::new(seed);
            outage.rig.hang_up();
            while !outage.rig.is_ready() {
                let is_back = outage.rig.elapsed() >= back;
                outage.pass(10 * MILLI, is_back);
            }
            outage.rig.elapsed() - back
        })
        .collect();
    arrivals.sort_unstable();
    let most_in_a_slot = (0..20)
        .map(|slot| arrivals.iter().filter(|at| (slot * SLOT..(slot + 1) * SLOT).contains(at)).count())
        .max()
        .unwrap();
    let median = arrivals[CLIENTS / 2];
    println!("median {median:?}, last {:?}, at most {most_in_a_slot} in {SLOT:?}", arrivals[CLIENTS - 1]);
    assert!(arrivals[CLIENTS - 1] <= 2 * SECOND, "the last after {:?}", arrivals[CLIENTS - 1]);
    assert!(median <= SECOND, "half of them after {median:?}");
    assert!(most_in_a_slot <= CLIENTS / 8, "{most_in_a_slot} of them within {SLOT:?}");
}

#[test]
fn no_policy_reconnects_in_a_hot_loop() {
    let zero = Duration::ZERO;
    for policy in [
        ReconnectPolicy::default().first_delay(zero),
        ReconnectPolicy::default().first_delay(zero).max_delay(zero).jitter(1.0),
        ReconnectPolicy::regressive().free_failures(u32::MAX).short_lived(zero).jitter(0.0),
    ] {
        let mut rig = Rig::with(|settings| settings.reconnect = policy.clone());
        rig.connect();
        rig.hang_up();
        let mut attempts = 1;
        for token in 0..3000 {
            rig.call(token, SECOND);
            rig.pass(MILLI);
            while attempts < rig.resolves.len() {
                attempts = rig.resolves.len();
                rig.fail_resolve();
            }
        }
        assert!(attempts <= 301, "{attempts} attempts in 3 s with {policy:?}");
    }
}
