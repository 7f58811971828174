//! From options and environment to a client, the secret included.

use std::env;
use std::fs;
use std::io::{self, Read};
use std::path::Path;

use rtm_server_sdk::{Client, ClientBuilder};

use crate::args::{Common, project_id};
use crate::failure::Failure;
use crate::output::printable;

const ENDPOINT_VARIABLE: &str = "RTM_ENDPOINT";
const PROJECT_VARIABLE: &str = "RTM_PID";
const SECRET_VARIABLE: &str = "RTM_SECRET";

/// A client with the settings that all commands share. It is not connected yet.
pub(crate) fn client_builder(common: &Common) -> Result<ClientBuilder, Failure> {
    let endpoint = match &common.endpoint {
        Some(endpoint) => endpoint.clone(),
        None => variable(ENDPOINT_VARIABLE)?
            .ok_or_else(|| Failure::usage("no server is named: give --endpoint HOST:PORT or set RTM_ENDPOINT"))?,
    };
    let builder = Client::builder(project(common)?, read_secret(common)?, endpoint)
        .quest_timeout(common.timeout)
        .connect_timeout(common.timeout);
    encrypted(builder, common)
}

/// Reads a text from a file, or from stdin for `-`. One line end at its end is not part of it.
pub(crate) fn read_text(path: &Path) -> Result<String, Failure> {
    let text = if is_stdin(path) {
        let mut text = String::new();
        io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        fs::read_to_string(path)
    };
    let text = text.map_err(|error| Failure::file(path, &error))?;
    Ok(without_line_end(without_mark(&text)).to_owned())
}

/// The text without a byte order mark, which marks it as Unicode and is no part of it.
pub(crate) fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

pub(crate) fn without_line_end(text: &str) -> &str {
    let Some(line) = text.strip_suffix('\n') else { return text };
    line.strip_suffix('\r').unwrap_or(line)
}

pub(crate) fn is_stdin(path: &Path) -> bool {
    path.as_os_str() == "-"
}

/// The file as it is named in messages.
pub(crate) fn name_of(path: &Path) -> String {
    if is_stdin(path) { "stdin".into() } else { path.display().to_string() }
}

/// Stdin can be read once. `wanted_by` are the options that name it, if they do.
pub(crate) fn check_stdin_is_wanted_once(wanted_by: &[(Option<&Path>, &str)]) -> Result<(), Failure> {
    let readers: Vec<_> =
        wanted_by.iter().filter(|(path, _)| path.is_some_and(is_stdin)).map(|(_, name)| *name).collect();
    match readers.as_slice() {
        [] | [_] => Ok(()),
        names => Err(Failure::Usage(format!("only one of {} can be read from stdin", names.join(" and ")))),
    }
}

fn project(common: &Common) -> Result<i32, Failure> {
    if let Some(pid) = common.pid {
        return Ok(pid);
    }
    let text = variable(PROJECT_VARIABLE)?
        .ok_or_else(|| Failure::usage("no project is named: give --pid PID or set RTM_PID"))?;
    project_id(&text).map_err(|why| Failure::Usage(format!("{PROJECT_VARIABLE} is `{}`: {why}", printable(&text))))
}

/// A variable of the environment. One that is empty counts as none, but for the secret, which is looked at on its own.
fn variable(name: &str) -> Result<Option<String>, Failure> {
    match env::var(name) {
        Ok(text) if text.is_empty() && name != SECRET_VARIABLE => Ok(None),
        Ok(text) => Ok(Some(text)),
        Err(env::VarError::NotPresent) => Ok(None),
        Err(env::VarError::NotUnicode(_)) => Err(Failure::Usage(format!("{name} is not valid UTF-8"))),
    }
}

fn read_secret(common: &Common) -> Result<String, Failure> {
    let secret = match &common.secret_file {
        Some(path) => read_text(path)?,
        None => variable(SECRET_VARIABLE)?
            .ok_or_else(|| Failure::usage("no secret is given: set RTM_SECRET or give --secret-file FILE"))?,
    };
    match (&common.secret_file, secret.is_empty()) {
        (_, false) => Ok(secret),
        (Some(path), true) => Err(Failure::Usage(format!("{} holds no secret: it is empty", name_of(path)))),
        (None, true) => {
            Err(Failure::usage("RTM_SECRET is empty: set it to the project's secret, or give --secret-file FILE"))
        }
    }
}

#[cfg(not(feature = "encryption"))]
fn encrypted(builder: ClientBuilder, _common: &Common) -> Result<ClientBuilder, Failure> {
    Ok(builder)
}

#[cfg(feature = "encryption")]
fn encrypted(builder: ClientBuilder, common: &Common) -> Result<ClientBuilder, Failure> {
    use rtm_server_sdk::{CipherMode, Encryption, KeyBits};

    let Some(path) = &common.cipher.key else { return Ok(builder) };
    let bits = if common.cipher.key_bits == "128" { KeyBits::Aes128 } else { KeyBits::Aes256 };
    let mode = if common.cipher.cipher_mode == "package" { CipherMode::Package } else { CipherMode::Stream };
    let encryption =
        Encryption::from_pem_file(path).map_err(|error| Failure::Usage(format!("{}: {error:#}", path.display())))?;
    Ok(builder.encryption(encryption.key_bits(bits).mode(mode)))
}
