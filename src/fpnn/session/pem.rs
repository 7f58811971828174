//! Finds a key's PEM block in a file, as leniently as OpenSSL does.

use elliptic_curve::pkcs8::der::{self, SecretDocument, pem};
use zeroize::Zeroizing;

use super::key_error::KeyError;

/// The line width that the strict PEM reader requires.
const STRICT_WIDTH: usize = 64;

/// Returns the DER in the first block `label` of `text`.
///
/// Like OpenSSL, it accepts text and other blocks before and after the block, lines of any length, and white space in
/// and between the lines.
pub(super) fn read_block(text: &[u8], label: &'static str) -> Result<SecretDocument, KeyError> {
    if text.trim_ascii().is_empty() {
        return Err(KeyError::Empty);
    }
    let block = strict_block(text, label)?;
    let (_label, der) = SecretDocument::from_pem(&block)?;
    Ok(der)
}

/// Converts the block to the form that the strict reader requires: lines of 64 characters, without anything around it.
fn strict_block(text: &[u8], label: &'static str) -> Result<Zeroizing<String>, KeyError> {
    let (begin, end) = (format!("-----BEGIN {label}-----"), format!("-----END {label}-----"));
    let begin_at = position(text, &begin).ok_or(KeyError::NoPemBlock(label))?;
    let rest = &text[begin_at + begin.len()..];
    let end_at = position(rest, &end).ok_or(broken(pem::Error::PostEncapsulationBoundary))?;
    let body = std::str::from_utf8(&rest[..end_at]).map_err(|_| broken(pem::Error::CharacterEncoding))?;
    if body.contains(':') {
        return Err(broken(pem::Error::HeaderDisallowed));
    }

    // Large enough from the start, because a growing string would leave copies of a private key behind.
    let mut block = Zeroizing::new(String::with_capacity(begin.len() + 2 * body.len() + end.len() + 4));
    block.push_str(&begin);
    for (at, c) in body.chars().filter(|c| !c.is_ascii_whitespace()).enumerate() {
        if at % STRICT_WIDTH == 0 {
            block.push('\n');
        }
        block.push(c);
    }
    block.push('\n');
    block.push_str(&end);
    Ok(block)
}

fn position(text: &[u8], part: &str) -> Option<usize> {
    text.windows(part.len()).position(|window| window == part.as_bytes())
}

fn broken(error: pem::Error) -> KeyError {
    KeyError::Encoding(der::Error::from(error))
}
