//! The time of simulations that drive the client's engine.

use std::time::Instant;

use rtm_server_sdk::engine::{Engine, Token};

/// Advances the time of a simulation to `end`, stopping whenever its engine is due. `run` carries out what the engine
/// asks for.
pub fn advance<S, T: Token>(
    simulation: &mut S,
    end: Instant,
    clock: impl Fn(&mut S) -> (&mut Engine<T>, &mut Instant),
    run: impl Fn(&mut S),
) {
    let mut stops_at_once = 0;
    loop {
        let (engine, now) = clock(simulation);
        let Some(due) = engine.next_due().filter(|due| *due <= end) else {
            *now = end;
            return;
        };
        stops_at_once = if due > *now { 0 } else { stops_at_once + 1 };
        assert!(stops_at_once < 5, "the engine is never done");
        *now = due.max(*now);
        engine.handle_timeout(*now);
        run(simulation);
    }
}
