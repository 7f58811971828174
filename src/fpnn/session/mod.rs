//! Encrypted sessions (section 3): derives an [`Encryptor`](super::Encryptor) and a [`Decryptor`](super::Decryptor)
//! from elliptic-curve keys.

mod aes_cfb;
mod cipher_options;
mod curve;
mod ecdh;
mod encryption;
mod exchange;
mod key_error;
mod named_curve;
mod pem;
#[cfg(any(test, feature = "gate"))]
mod server_key;
mod server_point;
mod session_key;
#[cfg(test)]
mod tests;

pub use aes_cfb::{PackageDecryptor, PackageEncryptor, StreamDecryptor, StreamEncryptor};
pub use cipher_options::{CipherMode, KeyBits};
pub use encryption::Encryption;
pub use exchange::KeyExchange;
#[cfg(feature = "unstable-internals")]
pub use session_key::session_of_secret;
#[cfg(any(test, feature = "gate"))]
pub use {curve::Curve, server_key::ServerKey};
