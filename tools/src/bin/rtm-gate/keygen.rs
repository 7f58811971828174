//! `rtm-gate keygen`: writes a key pair for encrypted sessions.

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use clap::builder::{PossibleValuesParser, TypedValueParser};
use rtm_server_sdk::gate::{Curve, GateKey};

/// What the gate's binary can do besides serving.
#[derive(clap::Subcommand)]
pub enum Tool {
    /// Write a new key pair: rtm-gate-private.pem for --key, rtm-gate-public.pem for the clients
    Keygen {
        /// The curve of the keys
        #[arg(long, value_name = "CURVE", default_value = "secp256k1", value_parser = curve())]
        curve: Curve,
        /// The folder to write to; it is made if it is not there, and no file in it is overwritten
        #[arg(long, value_name = "DIR", default_value = ".")]
        out: PathBuf,
    },
}

impl Tool {
    pub fn run(&self) -> Result<(), String> {
        let Tool::Keygen { curve, out } = self;
        let key = GateKey::generate(*curve).map_err(|error| format!("{error:#}"))?;
        let private = key.private_pem().map_err(|error| format!("{error:#}"))?;
        let public = key.public_pem().map_err(|error| format!("{error:#}"))?;
        std::fs::create_dir_all(out).map_err(|error| format!("{} cannot be made: {error}", out.display()))?;
        write_new(&out.join("rtm-gate-private.pem"), &private, 0o600)?;
        write_new(&out.join("rtm-gate-public.pem"), &public, 0o644)
    }
}

fn curve() -> impl TypedValueParser<Value = Curve> {
    PossibleValuesParser::new(Curve::ALL.map(Curve::name)).map(|name| {
        // The parser lets nothing but the names of the four pass.
        Curve::ALL.into_iter().find(|curve| curve.name() == name).unwrap_or(Curve::Secp256k1)
    })
}

/// Writes a file that is not there yet, with these permissions from its first moment.
fn write_new(path: &Path, text: &str, mode: u32) -> Result<(), String> {
    create(path, mode)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .map_err(|error| format!("{} cannot be written: {error}", path.display()))?;
    // The file is there, whether or not anybody reads of it.
    let _ = writeln!(io::stdout(), "wrote {}", path.display());
    Ok(())
}

#[cfg(unix)]
fn create(path: &Path, mode: u32) -> io::Result<std::fs::File> {
    use std::os::unix::fs::OpenOptionsExt;
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)
}

#[cfg(not(unix))]
fn create(path: &Path, _mode: u32) -> io::Result<std::fs::File> {
    OpenOptions::new().write(true).create_new(true).open(path)
}
