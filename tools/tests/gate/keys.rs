//! `rtm-gate keygen` and `--key`: the files that it writes, and what is served with them.

use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output};

use rtm_server_sdk::gate::{Curve, Gate, GateKey};
use rtm_server_sdk::{Client, Encryption};

fn keygen(curve: &str, out: &PathBuf) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rtm-gate"));
    command.args(["keygen", "--curve", curve, "--out"]).arg(out).output().unwrap()
}

/// A folder of this test's own, empty.
fn folder(name: &str) -> PathBuf {
    let folder = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
    let _ = fs::remove_dir_all(&folder);
    folder
}

#[test]
fn written_keys_serve_a_session_on_every_curve() {
    for curve in Curve::ALL {
        let out = folder(&format!("keygen-{}", curve.name()));
        assert!(keygen(curve.name(), &out).status.success());
        let key = GateKey::from_pem_file(out.join("rtm-gate-private.pem")).unwrap();
        let encryption = Encryption::from_pem_file(out.join("rtm-gate-public.pem")).unwrap();
        let gate = Gate::builder().project(1, "secret").key(key).require_encryption().bind("127.0.0.1:0").unwrap();
        let client = Client::builder(1, "secret", gate.endpoint()).encryption(encryption).connect().unwrap();
        client.add_room_member(1, 2).call().unwrap();
    }
}

#[cfg(unix)]
#[test]
fn private_key_is_for_its_owner_only() {
    use std::os::unix::fs::PermissionsExt;
    let out = folder("keygen-permissions");
    assert!(keygen("secp256k1", &out).status.success());
    let mode = fs::metadata(out.join("rtm-gate-private.pem")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[test]
fn no_key_is_overwritten() {
    let out = folder("keygen-twice");
    assert!(keygen("secp256r1", &out).status.success());
    let before = fs::read(out.join("rtm-gate-private.pem")).unwrap();
    let again = keygen("secp256r1", &out);
    assert_eq!(again.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&again.stderr).contains("cannot be written"));
    assert_eq!(fs::read(out.join("rtm-gate-private.pem")).unwrap(), before);
}
