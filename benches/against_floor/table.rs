//! Prints the figures: the table of goals, then each scenario; or everything as JSON.

use serde::Serialize;

use super::measure::{Sample, Spread};
use super::{Arguments, Pair, Row};

/// A row of the table of goals, if its scenarios were measured.
#[derive(Serialize)]
struct Headline {
    connection: &'static str,
    one_thread_p50_over_floor: Option<Spread>,
    one_thread_cpu_ms_per_1000: Option<Spread>,
    eight_threads_over_floor: Option<Spread>,
    eight_threads_over_self_writers: Option<Spread>,
    thirty_two_threads_over_floor: Option<Spread>,
    thousand_submitted_share_of_floor: Option<Spread>,
    thousand_submitted_p99_over_p50: Option<Spread>,
    thousand_submitted_cpu_ms_per_1000: Option<Spread>,
    thousand_callbacks_share_of_floor: Option<Spread>,
    thousand_callbacks_p99_over_p50: Option<Spread>,
    thousand_callbacks_cpu_ms_per_1000: Option<Spread>,
    thousand_submitted_share_of_plain_floor: Option<Spread>,
    thousand_callbacks_share_of_plain_floor: Option<Spread>,
}

/// A scenario's figures over all rounds.
#[derive(Serialize)]
struct Detail<'a> {
    scenario: &'a str,
    floor: &'a str,
    library: Figures,
    floor_beside_it: Figures,
    other: Option<&'static str>,
    other_beside_it: Figures,
    p50_over_floor: Option<Spread>,
    calls_per_second_over_floor: Option<Spread>,
    cpu_over_floor: Option<Spread>,
    p99_over_p50: Option<Spread>,
    calls_per_second_over_other: Option<Spread>,
}

#[derive(Serialize)]
struct Figures {
    p50_us: Option<Spread>,
    p99_us: Option<Spread>,
    calls_per_second: Option<Spread>,
    cpu_ms_per_1000: Option<Spread>,
}

/// Everything for machines.
pub fn print_json(rows: &[Row], arguments: &Arguments) -> serde_json::Result<()> {
    let headlines: Vec<_> = connections(rows).into_iter().map(|connection| headline(rows, connection)).collect();
    let details: Vec<_> = rows.iter().map(detail).collect();
    let report = serde_json::json!({
        "rounds": arguments.rounds(),
        "headlines": headlines,
        "scenarios": details,
        "samples": rows.iter().map(|row| (row.name.clone(), &row.pairs)).collect::<std::collections::BTreeMap<_, _>>(),
    });
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(())
}

/// Everything for people.
pub fn print(rows: &[Row], arguments: &Arguments) {
    println!("\nSigned getroominfo: medians of {} rounds, and their range.\n", arguments.rounds());
    println!(
        "|  | 1 thread, p50 over floor | CPU per 1,000 | 8 threads, calls/s over the floor's one thread | over callers that \
         write themselves | 32 threads | \
         1,000 in flight, share of the floor | p99 over p50 | CPU per 1,000 | share of the floor that writes each quest by itself |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |");
    println!("| goal | ≤ 1.25 | ≤ 28 ms | ≥ 3.5 | ≥ 1.0 | ≥ 5.5 | ≥ 0.75, callbacks ≥ 0.7 | ≤ 3 | ≤ 2.6 ms | |");
    for connection in connections(rows) {
        let line = headline(rows, connection);
        println!(
            "| {connection}, submitted | {} | {} | {} | {} | {} | {} | {} | {} | {} |",
            ratio(line.one_thread_p50_over_floor),
            millis(line.one_thread_cpu_ms_per_1000),
            ratio(line.eight_threads_over_floor),
            ratio(line.eight_threads_over_self_writers),
            ratio(line.thirty_two_threads_over_floor),
            ratio(line.thousand_submitted_share_of_floor),
            ratio(line.thousand_submitted_p99_over_p50),
            millis(line.thousand_submitted_cpu_ms_per_1000),
            ratio(line.thousand_submitted_share_of_plain_floor),
        );
        println!(
            "| {connection}, callbacks | | | | | | {} | {} | {} | {} |",
            ratio(line.thousand_callbacks_share_of_floor),
            ratio(line.thousand_callbacks_p99_over_p50),
            millis(line.thousand_callbacks_cpu_ms_per_1000),
            ratio(line.thousand_callbacks_share_of_plain_floor),
        );
    }
    println!("\nEach scenario, with the floor that it was measured beside:\n");
    println!(
        "| scenario | p50, µs | p99, µs | calls/s | CPU per 1,000 | p50 over floor | calls/s over floor | CPU over floor |"
    );
    println!("| --- | --- | --- | --- | --- | --- | --- | --- |");
    for row in rows {
        let detail = detail(row);
        let ratios = [detail.p50_over_floor, detail.calls_per_second_over_floor, detail.cpu_over_floor].map(ratio);
        println!("| {} | {} | {} |", detail.scenario, figures(&detail.library), ratios.join(" | "));
        println!("| {} | {} | | | |", detail.floor, figures(&detail.floor_beside_it));
        if let Some(other) = detail.other {
            let (figures, share) = (figures(&detail.other_beside_it), ratio(detail.calls_per_second_over_other));
            println!("| {other} | {figures} | | {share} | |");
        }
    }
}

fn figures(figures: &Figures) -> String {
    let plain = |spread: Option<Spread>, digits| show(spread, digits, "");
    [
        plain(figures.p50_us, 1),
        plain(figures.p99_us, 1),
        plain(figures.calls_per_second, 0),
        millis(figures.cpu_ms_per_1000),
    ]
    .join(" | ")
}

fn ratio(spread: Option<Spread>) -> String {
    show(spread, 2, "")
}

fn millis(spread: Option<Spread>) -> String {
    show(spread, 2, " ms")
}

fn show(spread: Option<Spread>, digits: usize, unit: &str) -> String {
    match spread {
        None => "–".into(),
        Some(Spread { median, min, max }) => format!("{median:.digits$}{unit} ({min:.digits$}–{max:.digits$})"),
    }
}

fn connections(rows: &[Row]) -> Vec<&'static str> {
    let mut connections: Vec<_> = rows.iter().map(|row| row.connection).collect();
    connections.dedup();
    connections
}

fn headline(rows: &[Row], connection: &'static str) -> Headline {
    let of = |scenario: &str| rows.iter().find(|row| row.connection == connection && row.scenario == scenario);
    let library = |scenario, figure: fn(&Sample) -> f64| {
        of(scenario).and_then(|row| Spread::of(row.pairs.iter().map(|pair| figure(&pair.library))))
    };
    let over = |scenario, figure| of(scenario).and_then(|row| over_floor(row, figure));
    Headline {
        connection,
        one_thread_p50_over_floor: over("call-1", |sample| sample.p50_us),
        one_thread_cpu_ms_per_1000: library("call-1", |sample| sample.cpu_ms_per_1000),
        eight_threads_over_self_writers: of("call-8").and_then(over_other),
        eight_threads_over_floor: over("call-8", |sample| sample.calls_per_second),
        thirty_two_threads_over_floor: over("call-32", |sample| sample.calls_per_second),
        thousand_submitted_share_of_floor: over("submit-1000", |sample| sample.calls_per_second),
        thousand_submitted_p99_over_p50: of("submit-1000").and_then(p99_over_p50),
        thousand_submitted_cpu_ms_per_1000: library("submit-1000", |sample| sample.cpu_ms_per_1000),
        thousand_callbacks_share_of_floor: over("callback-1000", |sample| sample.calls_per_second),
        thousand_callbacks_p99_over_p50: of("callback-1000").and_then(p99_over_p50),
        thousand_callbacks_cpu_ms_per_1000: library("callback-1000", |sample| sample.cpu_ms_per_1000),
        thousand_submitted_share_of_plain_floor: of("submit-1000").and_then(over_other),
        thousand_callbacks_share_of_plain_floor: of("callback-1000").and_then(over_other),
    }
}

fn detail(row: &Row) -> Detail<'_> {
    Detail {
        scenario: &row.name,
        floor: row.floor,
        library: figures_of(row.pairs.iter().map(|pair| &pair.library)),
        floor_beside_it: figures_of(row.pairs.iter().map(|pair| &pair.floor)),
        other: row.way.other_name(),
        other_beside_it: figures_of(row.pairs.iter().filter_map(|pair| pair.other.as_ref())),
        p50_over_floor: over_floor(row, |sample| sample.p50_us),
        calls_per_second_over_floor: over_floor(row, |sample| sample.calls_per_second),
        cpu_over_floor: over_floor(row, |sample| sample.cpu_ms_per_1000),
        p99_over_p50: p99_over_p50(row),
        calls_per_second_over_other: over_other(row),
    }
}

fn figures_of<'a>(samples: impl Iterator<Item = &'a Sample> + Clone) -> Figures {
    let spread = |figure: fn(&Sample) -> f64| Spread::of(samples.clone().map(figure));
    Figures {
        p50_us: spread(|sample| sample.p50_us),
        p99_us: spread(|sample| sample.p99_us),
        calls_per_second: spread(|sample| sample.calls_per_second),
        cpu_ms_per_1000: spread(|sample| sample.cpu_ms_per_1000),
    }
}

/// The ratio within each round, in which both were measured next to each other.
fn over_floor(row: &Row, figure: fn(&Sample) -> f64) -> Option<Spread> {
    Spread::of(row.pairs.iter().map(|pair| figure(&pair.library) / figure(&pair.floor)))
}

fn p99_over_p50(row: &Row) -> Option<Spread> {
    Spread::of(row.pairs.iter().map(|pair| pair.library.p99_us / pair.library.p50_us))
}

fn over_other(row: &Row) -> Option<Spread> {
    let share = |pair: &Pair| Some(pair.library.calls_per_second / pair.other?.calls_per_second);
    Spread::of(row.pairs.iter().filter_map(share))
}
