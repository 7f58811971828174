//! Finds a key's PEM block in a file.

use elliptic_curve::pkcs8::der::{SecretDocument, pem};

use super::key_error::KeyError;

/// The DER inside the block `label` of `text`. Text before the block is skipped: it may well be a comment, or the curve's
/// parameters. Nothing but white space may follow.
pub(super) fn read_block(text: &[u8], label: &'static str) -> Result<SecretDocument, KeyError> {
    if text.trim_ascii().is_empty() {
        return Err(KeyError::Empty);
    }
    let begin = find_begin(text, label).ok_or(KeyError::NoPemBlock(label))?;
    let block = std::str::from_utf8(text[begin..].trim_ascii_end())
        .map_err(|_| KeyError::Encoding(pem::Error::CharacterEncoding.into()))?;
    let (_label, der) = SecretDocument::from_pem(block)?;
    Ok(der)
}

fn find_begin(text: &[u8], label: &str) -> Option<usize> {
    let begin = format!("-----BEGIN {label}-----");
    text.windows(begin.len()).position(|window| window == begin.as_bytes())
}
