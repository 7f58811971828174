//! Feeds a connection's bytes to the gate. The answers, the pushes and the end are the same, however the bytes are
//! split.

use std::sync::LazyLock;

use rtm_server_sdk::gate::internals::OfflineGate;
use rtm_server_sdk::gate::{Gate, GateKey};

use super::cut::{pieces, split_seed};
use super::keys::SERVER_KEYS;
use super::stream::name_of;

/// Project, secret and time of the golden bytes, so that their signatures are valid.
const PID: i32 = 80_000_001;
const SECRET: &str = "secret-key-for-tests";
const UNIX_MS: i64 = 1_700_000_000_000;

static KEY: LazyLock<GateKey> = LazyLock::new(|| GateKey::from_pem(SERVER_KEYS[0].as_bytes()).unwrap());

pub fn check(data: &[u8]) {
    let (seed, stream) = split_seed(data);
    let (whole, cut) = (converse([stream]), converse(pieces(stream, seed)));
    assert!(whole == cut, "cut: {cut:?}, whole: {whole:?}");
}

/// The bytes of the answers and of the pushes, and why the gate closed the connection, if it did.
fn converse<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<u8>, Vec<u8>, Option<String>) {
    let mut gate = OfflineGate::new(Gate::builder().project(PID, SECRET).key(KEY.clone()), UNIX_MS);
    let end = pieces.into_iter().find_map(|piece| gate.receive(piece).err());
    (gate.answers().to_vec(), gate.pushes().to_vec(), end.map(|violation| name_of(&violation)))
}
