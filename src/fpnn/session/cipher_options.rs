//! [`KeyBits`] and [`CipherMode`]: a client's choices for the cipher of its sessions.

/// The length of an encrypted session's AES key.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum KeyBits {
    /// 128 bits.
    Aes128,
    /// 256 bits, the default.
    #[default]
    Aes256,
}

impl KeyBits {
    /// The number that `*key` carries.
    pub(super) fn on_the_wire(self) -> i64 {
        match self {
            KeyBits::Aes128 => 128,
            KeyBits::Aes256 => 256,
        }
    }
}

/// How the frames of an encrypted session are enciphered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[non_exhaustive]
pub enum CipherMode {
    /// All frames of a direction form one stream of ciphertext: the default, and the recommended mode.
    #[default]
    Stream,
    /// Each frame is enciphered separately, so an eavesdropper sees which frames are equal.
    Package,
}
