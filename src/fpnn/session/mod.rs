//! Encrypted sessions (section 3): keys of elliptic curves go in, a [`Encryptor`](super::Encryptor) and an
//! [`Decryptor`](super::Decryptor) come out.

mod aes_cfb;
mod curve;
mod ecdh;
mod encryption;
mod exchange;
mod key_error;
mod pem;
#[cfg(any(test, feature = "gate"))]
mod server_key;
#[cfg(test)]
mod tests;

pub use aes_cfb::{PackageCipher, StreamDecryptor, StreamEncryptor};
pub use encryption::{CipherMode, Encryption, KeyBits};
pub use exchange::KeyExchange;
#[cfg(any(test, feature = "gate"))]
pub use {curve::Curve, server_key::ServerKey};
