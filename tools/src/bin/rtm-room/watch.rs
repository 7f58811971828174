//! `watch`: messages and events as they happen.

use std::io::{self, Write};
use std::process;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rtm_server_sdk::{Client, Event, Gap, Listen, Push, Target};
use serde_json::{Value, json};

use crate::args::{Common, Watch};
use crate::failure::{Failure, INTERRUPTED, details_of, with_advice};
use crate::message_view::{as_json, columns_for_pipes, text_of, time_on, utc};
use crate::output::{Output, json_text, printable};
use crate::session::client_builder;
use crate::signals::on_stop_signal;
use crate::stderr::{tell_error, tell_note};
use crate::table::{Column, Screen, wrap, write_row};

pub(crate) fn run(common: &Common, watch: &Watch, output: Output) -> Result<(), Failure> {
    let client = client_that_tells_of_its_connection(common, output)?;
    let is_stopped = Arc::new(AtomicBool::new(false));
    let (for_signal, stopped) = (client.clone(), Arc::clone(&is_stopped));
    on_stop_signal(move || {
        if stopped.swap(true, Ordering::SeqCst) {
            // The reader of a full pipe reads nothing, so there is no place for what was received.
            process::exit(i32::from(INTERRUPTED));
        }
        // The listener ends after everything it has received.
        for_signal.close();
    })?;
    let listener = match client.listen(subscription(watch)).fill_gaps(true).start() {
        Err(_) if is_stopped.load(Ordering::SeqCst) => return Ok(()),
        listener => listener.map_err(Failure::Read)?,
    };
    if output.is_terminal() {
        tell_note(output, "listening; press Ctrl-C to end");
    }
    let mut view = View { output, names_targets: watch.all_rooms || watch.rooms.len() != 1, widths: Vec::new() };
    for push in &listener {
        view.show(&push)?;
    }
    Ok(())
}

/// Creates a client that reports the state of its connection. Otherwise a silent room could not be distinguished from
/// an absent server.
fn client_that_tells_of_its_connection(common: &Common, output: Output) -> Result<Client, Failure> {
    let was_lost = Arc::new(AtomicBool::new(false));
    let is_lost = Arc::clone(&was_lost);
    let builder = client_builder(common)?
        .on_closed(move |_, error| {
            if let Some(error) = error {
                is_lost.store(true, Ordering::SeqCst);
                tell_error(output, with_advice(error, Some("reconnecting")), details_of(error));
            }
        })
        .on_connected(move |_| {
            if was_lost.swap(false, Ordering::SeqCst) {
                tell_note(output, "connected again");
            }
        });
    Ok(builder.build()?)
}

fn subscription(watch: &Watch) -> Listen {
    let subscription = if watch.all_rooms { Listen::new().all_rooms() } else { Listen::new().rooms(&watch.rooms) };
    if watch.events.iter().any(|event| event == "all") {
        return subscription.all_events();
    }
    let events: Vec<&str> = watch.events.iter().map(String::as_str).collect();
    subscription.events(&events)
}

struct View {
    output: Output,
    /// More than one room is watched.
    names_targets: bool,
    /// The widest cells so far, by column.
    widths: Vec<usize>,
}

impl View {
    fn show(&mut self, push: &Push) -> io::Result<()> {
        let mut stdout = io::stdout().lock();
        match self.output {
            Output::Json => writeln!(stdout, "{}", json_text(&to_json(push)))?,
            Output::Lines => {
                let cells: Vec<String> = for_pipes(push).iter().map(|cell| printable(cell)).collect();
                writeln!(stdout, "{}", cells.join("\t"))?;
            }
            Output::Terminal(screen) => self.show_on(screen, push, &mut stdout)?,
        }
        stdout.flush()
    }

    fn show_on(&mut self, screen: Screen, push: &Push, to: &mut impl Write) -> io::Result<()> {
        let (time, target, from, text) = match push {
            Push::Message(message) => {
                let time = time_on(screen, message.mtime);
                (time, name_of(message.target), message.from.to_string(), text_of(message))
            }
            Push::Event(event) => {
                let data = event.data.as_ref().map(|data| format!(" {data}")).unwrap_or_default();
                let text = format!("* {} from {}{data}", event.name, event.endpoint);
                (time_on(screen, millis_of(event)), "event".into(), event.uid.to_string(), text)
            }
            Push::Gap(gap) => {
                let line = format!("--- {} ---", words_of(gap));
                return wrap(&line, screen.width).iter().try_for_each(|line| writeln!(to, "{line}"));
            }
            _ => return Ok(()),
        };
        const COLUMNS: [Column; 4] = [Column::Text(""), Column::Text(""), Column::Number(""), Column::Text("")];
        let columns = if self.names_targets { &COLUMNS[..] } else { &COLUMNS[1..] };
        let mut row = vec![time];
        row.extend(self.names_targets.then_some(target));
        row.extend([from, text]);
        let row: Vec<String> = row.iter().map(|cell| printable(cell)).collect();
        write_row(to, columns, &row, &mut self.widths, screen)
    }
}

fn name_of(target: Target) -> String {
    match target {
        Target::Room(room) => room.to_string(),
        Target::Group(group) => format!("group {group}"),
        Target::User(user) => format!("user {user}"),
    }
}

fn millis_of(event: &Event) -> Option<i64> {
    event.time.checked_mul(1000)
}

fn words_of(gap: &Gap) -> String {
    let since = match gap.since() {
        Some(mtime) => format!(", after {}", utc(Some(mtime))),
        None => String::new(),
    };
    format!("messages may be missing{since}: {gap}")
}

fn for_pipes(push: &Push) -> Vec<String> {
    match push {
        Push::Message(message) => {
            let mut cells = columns_for_pipes(message);
            cells.insert(1, name_of(message.target));
            cells.insert(0, "message".into());
            cells
        }
        Push::Event(event) => vec![
            "event".into(),
            utc(millis_of(event)),
            event.name.clone(),
            event.uid.to_string(),
            event.endpoint.clone(),
            event.data.clone().unwrap_or_default(),
        ],
        Push::Gap(gap) => vec!["gap".into(), words_of(gap)],
        other => vec!["unknown".into(), format!("{other:?}")],
    }
}

fn to_json(push: &Push) -> Value {
    match push {
        Push::Message(message) => of_kind("message", as_json(message)),
        Push::Event(Event { name, uid, time, endpoint, data, .. }) => {
            json!({"kind": "event", "event": name, "user": uid, "time": time, "endpoint": endpoint, "data": data})
        }
        Push::Gap(gap) => json!({
            "kind": "gap", "reason": format!("{:?}", gap.reason()).to_lowercase(), "missed": gap.missed(),
            "since": gap.since(), "message": gap.to_string(),
        }),
        other => json!({"kind": "unknown", "message": format!("{other:?}")}),
    }
}

fn of_kind(kind: &str, mut json: Value) -> Value {
    json["kind"] = kind.into();
    json
}

#[cfg(test)]
mod tests {
    use super::*;
    use rtm_server_sdk::{Message, MessageType};

    fn message(room: i64, from: i64, text: &str) -> Push {
        Push::Message(Message {
            target: Target::Room(room),
            from,
            mid: 7,
            mtype: MessageType::CHAT,
            body: text.into(),
            attrs: String::new(),
            mtime: Some(1_700_000_000_000),
        })
    }

    #[test]
    fn rooms_are_named_where_there_are_many_and_texts_stay_below_each_other() {
        let screen = Screen { width: 40, has_colours: false };
        let mut view = View { output: Output::Terminal(screen), names_targets: true, widths: Vec::new() };
        let mut shown = Vec::new();
        for push in [message(42, 1001, "one"), message(7, 9, "a text that is too long for a line")] {
            view.show_on(screen, &push, &mut shown).unwrap();
        }
        let expected =
            "22:13:20  42  1001  one\n22:13:20  7      9  a text that is too\n                    long for a line\n";
        assert_eq!(String::from_utf8(shown).unwrap(), expected);
    }

    #[test]
    fn every_push_is_an_object_and_a_line() {
        let event = Push::Event(Event {
            pid: 1,
            name: "login".into(),
            uid: 1001,
            time: 1_700_000_000,
            endpoint: "127.0.0.1:1".into(),
            data: None,
        });
        assert_eq!(to_json(&event)["kind"], "event");
        assert_eq!(for_pipes(&event)[..4], ["event", "2023-11-14T22:13:20Z", "login", "1001"]);
        assert_eq!(to_json(&message(42, 1, "x"))["room"], 42);
        assert_eq!(for_pipes(&message(42, 1, "x"))[..4], ["message", "2023-11-14T22:13:20Z", "42", "1"]);
    }
}
