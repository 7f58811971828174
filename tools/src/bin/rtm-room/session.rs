//! Creates a client from options and environment, including the secret.

use std::env;

use rtm_server_sdk::{Client, ClientBuilder};

use crate::args::{Common, project_id};
use crate::failure::Failure;
use crate::output::printable;
use crate::stdin::name_of;
use crate::texts::read_text;

const ENDPOINT_VARIABLE: &str = "RTM_ENDPOINT";
const PROJECT_VARIABLE: &str = "RTM_PID";
const SECRET_VARIABLE: &str = "RTM_SECRET";

/// Creates a client with the settings that all commands share. It is not connected yet.
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
