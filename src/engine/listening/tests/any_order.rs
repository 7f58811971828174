//! Listeners that come and go, and a server that does anything a server can do, in any order.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum Step {
    Add(Listen),
    Remove(prop::sample::Index),
    Send,
    Answer,
    /// The server is busy.
    PutOff,
    /// The answer is lost, whether or not the server granted the request.
    LoseAnswer(bool),
    /// Time passes until something is due.
    Wait,
    /// The server answers until nothing is due.
    Settle,
    /// From now on, the server refuses these rooms unless it pushes them already.
    Refuse(Vec<i64>),
    Reconnect,
}

fn step() -> impl Strategy<Value = Step> {
    let rooms = |count| prop::collection::vec(0..3_i64, count);
    prop_oneof![
        5 => rooms(1..3).prop_map(|rooms| Step::Add(Listen::new().rooms(&rooms))),
        1 => Just(Step::Add(Listen::new().all_groups())),
        7 => any::<prop::sample::Index>().prop_map(Step::Remove),
        4 => Just(Step::Send),
        3 => Just(Step::Answer),
        1 => Just(Step::PutOff),
        1 => any::<bool>().prop_map(Step::LoseAnswer),
        1 => Just(Step::Wait),
        1 => Just(Step::Settle),
        1 => rooms(0..2).prop_map(Step::Refuse),
        1 => Just(Step::Reconnect),
    ]
}

impl Table {
    fn lose_answer(&mut self, is_done: bool) {
        let Some(request) = self.in_flight.clone() else { return };
        if is_done {
            self.accept(request);
        }
        self.fail(no_answer());
    }

    fn wait(&mut self) {
        let Some(due) = self.subscriptions.next_due() else { return };
        self.now = self.now.max(due);
        let mut decisions = Vec::new();
        self.subscriptions.handle_timeout(self.now, Stage::WaitingForAnswer, &mut decisions);
        self.note(decisions);
    }

    /// Checks that the server pushes what is granted, and will do so whatever the outcome of the `setlisten` in flight.
    fn check_granted(&self) -> Result<(), TestCaseError> {
        let granted =
            self.subscriptions.subscriptions.values().filter(|subscription| subscription.standing == Standing::Granted);
        let listens = granted.map(|subscription| &subscription.listen);
        for listen in listens {
            for pushed in self.accepted.iter().chain(&self.in_flight) {
                let has_groups = pushed.groups == Subjects::All || !listen.groups.all;
                let has_rooms = listen.rooms.named.iter().all(|room| named(&pushed.rooms).contains(room));
                prop_assert!(has_groups && has_rooms, "{:?} is granted, and {:?} pushed", listen, pushed);
            }
            prop_assert!(self.accepted.is_some());
        }
        Ok(())
    }

    /// Continues until nothing is due, then checks that the server pushes exactly the union of what is granted.
    fn settle_and_check(&mut self, live: &BTreeMap<u64, Listen>) -> Result<(), TestCaseError> {
        self.settle();
        while self.subscriptions.next_due().is_some() {
            self.wait();
            self.settle();
        }
        let mut union = Union::default();
        for (id, listen) in live {
            match self.told(*id).last() {
                Some(&("started" | "granted")) => _ = union.add(listen),
                Some(&"failed" | &"refused") => {}
                told => prop_assert!(false, "{} is told {:?}", id, told),
            }
        }
        let pushed = self.accepted.clone().unwrap_or_else(|| Union::default().to_parameters());
        prop_assert_eq!(pushed, union.to_parameters());
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn server_ends_with_the_union_of_what_is_granted(steps in prop::collection::vec(step(), 1..200)) {
        let mut table = Table::new(&[0]);
        table.subscriptions.handle_connected();
        let mut live: BTreeMap<u64, Listen> = BTreeMap::new();
        for (id, step) in (1..).zip(steps) {
            match step {
                Step::Add(listen) => {
                    live.insert(id, listen.clone());
                    table.add(id, listen);
                }
                Step::Remove(at) if !live.is_empty() => {
                    let id = *live.keys().nth(at.index(live.len())).unwrap();
                    live.remove(&id);
                    table.subscriptions.remove(ListenerId(id));
                }
                Step::Remove(_) => {}
                Step::Send => _ = table.send(),
                Step::Answer => table.answer(),
                Step::PutOff if table.in_flight.is_some() => table.fail(not_now()),
                Step::PutOff => {}
                Step::LoseAnswer(is_done) => table.lose_answer(is_done),
                Step::Wait => table.wait(),
                Step::Settle => table.settle_and_check(&live)?,
                Step::Refuse(rooms) => table.refused_rooms = rooms,
                Step::Reconnect => table.reconnect(),
            }
            table.check_granted()?;
            live.retain(|id, _| !table.told(*id).contains(&"failed"));
        }
        table.settle_and_check(&live)?;
    }
}
