//! `quest`: any call, by the name of its method.

use std::path::Path;

use serde_json::Value;

use crate::args::{Common, Quest};
use crate::failure::Failure;
use crate::output::{Output, Reply, escaped_in_json, json_text};
use crate::room::single_call_client;
use crate::texts::{check_stdin_is_wanted_once, read_text};

pub(crate) fn run(common: &Common, quest: &Quest, output: Output) -> Result<(), Failure> {
    let params = if quest.params == "-" {
        let secret_file = (common.secret_file.as_deref(), "--secret-file");
        check_stdin_is_wanted_once(&[secret_file, (Some(Path::new("-")), "the parameters")])?;
        read_text(Path::new("-"))?
    } else {
        quest.params.clone()
    };
    let params: Value = serde_json::from_str(&params)
        .map_err(|error| Failure::Usage(format!("the parameters are not JSON: {error}")))?;
    if !params.is_object() {
        return Err(Failure::usage("the parameters must be a JSON object, such as '{\"rid\": 42}'"));
    }
    let answer: Value = single_call_client(common)?.quest(&quest.method, &params).call()?;
    let text = match output {
        // A terminal is read by people.
        Output::Terminal(_) => escaped_in_json(&format!("{answer:#}")),
        _ => json_text(&answer),
    };
    Ok(output.print(&Reply::raw(answer, text))?)
}
