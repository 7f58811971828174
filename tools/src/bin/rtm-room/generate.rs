//! `completions` and `man`: generated from the definition of the command line.

use std::fs;
use std::io::{self, Write};
use std::path::Path;

use clap::{Command, CommandFactory};
use clap_complete::Shell;
use clap_mangen::Man;

use crate::args::{Cli, ENVIRONMENT, EXIT_STATUS, SECRET_HELP};
use crate::failure::Failure;

const NAME: &str = "rtm-room";

pub(crate) fn completions(shell: Shell) -> Result<(), Failure> {
    // Into memory first: the generator panics if it cannot write, but a closed pipe must not cause a panic.
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), NAME, &mut script);
    if shell == Shell::Bash {
        // If the program's name contains a `-`, the generator names subcommands in two ways and does not find them.
        let text = String::from_utf8_lossy(&script).replace("rtm__subcmd__room", "rtm__room");
        script = text.into_bytes();
    }
    print(&script)
}

pub(crate) fn man(dir: Option<&Path>) -> Result<(), Failure> {
    // There is no page for the command `help`.
    let mut program = Cli::command().after_help(SECRET_HELP).disable_help_subcommand(true);
    program.build();
    let Some(dir) = dir else { return print(&page(&program, NAME)?) };
    let written = fs::create_dir_all(dir).and_then(|()| write_pages(&program, NAME, dir));
    written.map_err(|error| Failure::file(dir, &error))
}

/// A page for the command, and one for each of its subcommands.
fn write_pages(command: &Command, name: &str, dir: &Path) -> io::Result<()> {
    fs::write(dir.join(format!("{name}.1")), page(command, name)?)?;
    for below in command.get_subcommands() {
        write_pages(below, &format!("{name}-{}", below.get_name()), dir)?;
    }
    Ok(())
}

fn page(command: &Command, name: &str) -> io::Result<Vec<u8>> {
    let mut page = Vec::new();
    let program = format!("{NAME} {}", env!("CARGO_PKG_VERSION"));
    Man::new(command.clone().display_name(name)).source(program).render(&mut page)?;
    // The usual heading in manual pages for what the generator calls EXTRA.
    let mut page = String::from_utf8_lossy(&page).replace(".SH EXTRA", ".SH NOTES").into_bytes();
    writeln!(page, ".SH ENVIRONMENT")?;
    for (variable, meaning) in ENVIRONMENT {
        writeln!(page, ".TP\n\\fB{}\\fR\n{}", roff(variable), roff(meaning))?;
    }
    writeln!(page, ".SH \"EXIT STATUS\"")?;
    for (status, meaning) in EXIT_STATUS {
        writeln!(page, ".TP\n\\fB{status}\\fR\n{}", roff(meaning))?;
    }
    Ok(page)
}

/// Escapes text for roff. No text here begins with a `.` or a `'`.
fn roff(text: &str) -> String {
    text.replace('\\', "\\e").replace('-', "\\-")
}

fn print(bytes: &[u8]) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes)?;
    Ok(stdout.flush()?)
}
