//! Reads the golden files in `tests/vectors`. The unit tests in `src` use this file too.

use serde::de::DeserializeOwned;

/// Reads a file in `tests/vectors`.
pub(crate) fn load<T: DeserializeOwned>(file: &str) -> T {
    let path = format!("{}/tests/vectors/{file}", env!("CARGO_MANIFEST_DIR"));
    let text = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Decodes hexadecimal digits.
pub(crate) fn unhex(hex: &str) -> Vec<u8> {
    assert_eq!(hex.len() % 2, 0, "half a byte in {hex}");
    let digit = |byte: u8| char::from(byte).to_digit(16).unwrap() as u8;
    hex.as_bytes().chunks(2).map(|pair| digit(pair[0]) << 4 | digit(pair[1])).collect()
}
