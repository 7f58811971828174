//! Encrypted sessions: each curve, key size and mode, the defaults, and what a wrong key looks like.
//!
//! ```sh
//! cargo run --features gate --example encrypted
//! ```
//!
//! It runs against its own gate. With RTM_ENDPOINT, RTM_PID, RTM_SECRET and RTM_KEY (the file with the server's
//! public key) it connects to a real server instead.

use std::env;
use std::error::Error as StdError;

use rtm_server_sdk::gate::{Curve, Gate, GateKey};
use rtm_server_sdk::{CipherMode, Client, Encryption, KeyBits};

const PID: i32 = 80000001;
const SECRET: &str = "secret";

fn main() -> Result<(), Box<dyn StdError>> {
    let variable = |name| env::var(name).ok();
    match (variable("RTM_ENDPOINT"), variable("RTM_PID"), variable("RTM_SECRET"), variable("RTM_KEY")) {
        (Some(endpoint), Some(pid), Some(secret), Some(key)) => visit(&endpoint, pid.parse()?, &secret, &key),
        _ => tour(),
    }
}

/// A real server.
fn visit(endpoint: &str, pid: i32, secret: &str, key: &str) -> Result<(), Box<dyn StdError>> {
    let encryption = Encryption::from_pem_file(key)?;
    println!("connecting to {endpoint} with {encryption:?}");
    let client = Client::builder(pid, secret, endpoint).encryption(encryption).connect()?;
    println!("connected; room 1 has the members {:?}", client.get_room_members(1).call()?);
    Ok(())
}

/// Everything, against gates of our own.
fn tour() -> Result<(), Box<dyn StdError>> {
    for curve in Curve::ALL {
        // The server keeps the key pair; clients get the public half beforehand, through a trusted channel.
        let key = GateKey::generate(curve)?;
        let public_key = Encryption::from_pem(key.public_pem()?.as_bytes())?;
        let gate = Gate::builder().project(PID, SECRET).key(key).require_encryption().bind("127.0.0.1:0")?;

        for bits in [KeyBits::Aes256, KeyBits::Aes128] {
            for mode in [CipherMode::Stream, CipherMode::Package] {
                let encryption = public_key.clone().key_bits(bits).mode(mode);
                let client = Client::builder(PID, SECRET, gate.endpoint()).encryption(encryption.clone()).connect()?;
                client.add_room_member(42, 1001).call()?;
                println!("{encryption:?}: members {:?}", client.get_room_members(42).call()?);
            }
        }

        let plain = Client::new(PID, SECRET, gate.endpoint())?;
        if let Err(error) = plain.get_room_members(42).call() {
            println!("without encryption: {error:#}");
        }
        let stranger = Encryption::from_pem(GateKey::generate(curve)?.public_pem()?.as_bytes())?;
        if let Err(error) = Client::builder(PID, SECRET, gate.endpoint()).encryption(stranger).connect() {
            println!("with another server's key: {error:#}\n");
        }
    }
    println!("What encryption protects, and what it does not, is in docs/security.md.");
    Ok(())
}
