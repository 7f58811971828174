//! `rtm-room`: the Room API from a terminal or a script. This file handles the command line and the exit status.

mod args;
mod bulk;
mod failure;
mod generate;
mod history;
mod info;
mod members;
mod message_view;
mod messages;
mod output;
mod quest;
mod room;
mod session;
mod signals;
mod stderr;
mod stdin;
mod stdout;
mod table;
mod texts;
mod watch;

use std::env;
use std::process::ExitCode;

use clap::Parser;

use args::{Cli, Command};
use failure::{BAD_USAGE, DONE, Failure};
use output::Output;
use stderr::tell_error;

fn main() -> ExitCode {
    let cli = Cli::try_parse().unwrap_or_else(|error| end_without_a_command(&error));
    start_log(cli.common.verbose);
    let output = Output::choose(cli.common.json);
    ExitCode::from(run(&cli, output).unwrap_or_else(|failure| failure.report(output)))
}

/// Prints the requested help, or what is wrong with the command line, as JSON if requested.
fn end_without_a_command(error: &clap::Error) -> ! {
    if !error.use_stderr() {
        let printed = stdout::check_it_is_open().and_then(|()| Ok(error.print()?));
        std::process::exit(printed.map_or_else(|failure| failure.report(Output::Lines), |()| DONE).into());
    }
    if !env::args_os().any(|argument| argument == "--json") {
        error.exit();
    }
    let text = error.render().to_string();
    // The usage follows an empty line.
    let message = text.split("\n\n").next().unwrap_or_default().trim_start_matches("error: ");
    let words: Vec<&str> = message.split_whitespace().collect();
    tell_error(Output::Json, words.join(" "), serde_json::json!({}));
    std::process::exit(i32::from(BAD_USAGE));
}

fn run(cli: &Cli, output: Output) -> Result<u8, Failure> {
    if cli.common.json || cli.command.has_a_result() {
        stdout::check_it_is_open()?;
    }
    match &cli.command {
        Command::Bulk(bulk) => return bulk::run(&cli.common, bulk, output),
        Command::Completions { shell } => generate::completions(*shell)?,
        Command::Man { dir } => generate::man(dir.as_deref())?,
        Command::Info(info) => info::run(&cli.common, info, output)?,
        Command::Say(say) => messages::say(&cli.common, say, output)?,
        Command::DeleteMessage(message) => messages::delete(&cli.common, message, output)?,
        Command::Watch(watch) => watch::run(&cli.common, watch, output)?,
        Command::Quest(quest) => quest::run(&cli.common, quest, output)?,
        Command::History(query) => history::run(&cli.common, query, output)?,
        Command::Call(call) => room::run(&cli.common, call, output)?,
    }
    Ok(DONE)
}

/// The log goes to stderr. `RUST_LOG` takes precedence over `-v`.
fn start_log(verbose: u8) {
    let level = match verbose {
        0 => log::LevelFilter::Off,
        1 => log::LevelFilter::Info,
        2 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    env_logger::Builder::new().filter_level(level).parse_default_env().init();
}
