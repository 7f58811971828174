//! AES in CFB mode: the ciphers of a session, as one stream or frame by frame. Keys and ciphers wipe themselves.

use std::fmt;

use aes::cipher::consts::U16;
use aes::cipher::{BlockCipherEncClosure, BlockCipherEncrypt, BlockSizeUser, InnerIvInit, KeyInit};
use aes::{Aes128Enc, Aes256Enc};
use cfb_mode::{BufDecryptor, BufEncryptor, Encryptor as CfbEncryptor};
use sha2::{Digest, Sha256};
use zeroize::{ZeroizeOnDrop, Zeroizing};

use super::cipher_options::KeyBits;

const IV_LEN: usize = 16;
const KEY_LEN_128: usize = 16;
pub(super) const KEY_LEN_256: usize = 32;

pub(super) type Iv = Zeroizing<[u8; IV_LEN]>;

/// A key of either length.
pub(super) enum AesKey {
    Bits128(Zeroizing<[u8; KEY_LEN_128]>),
    Bits256(Zeroizing<[u8; KEY_LEN_256]>),
}

impl AesKey {
    /// Derives the key from the shared secret, which has at least 24 bytes.
    pub(super) fn derive(secret: &[u8], bits: KeyBits) -> AesKey {
        match bits {
            KeyBits::Aes128 => {
                let mut key = Zeroizing::new([0; KEY_LEN_128]);
                key.copy_from_slice(&secret[..KEY_LEN_128]);
                AesKey::Bits128(key)
            }
            KeyBits::Aes256 => {
                let mut key = Zeroizing::new([0; KEY_LEN_256]);
                if secret.len() == KEY_LEN_256 {
                    key.copy_from_slice(secret);
                } else {
                    Sha256::new_with_prefix(secret).finalize_into((&mut *key).into());
                }
                AesKey::Bits256(key)
            }
        }
    }

    fn expand(&self) -> Aes {
        match self {
            AesKey::Bits128(key) => Aes::Bits128(Aes128Enc::new((&**key).into())),
            AesKey::Bits256(key) => Aes::Bits256(Aes256Enc::new((&**key).into())),
        }
    }
}

/// AES with a key of either length. CFB uses only the forward direction of the block cipher.
#[allow(clippy::large_enum_variant, reason = "there are two per connection, and each lies in a box with its mode")]
#[derive(Clone)]
enum Aes {
    Bits128(Aes128Enc),
    Bits256(Aes256Enc),
}

impl BlockSizeUser for Aes {
    type BlockSize = U16;
}

impl BlockCipherEncrypt for Aes {
    fn encrypt_with_backend(&self, f: impl BlockCipherEncClosure<BlockSize = U16>) {
        match self {
            Aes::Bits128(aes) => aes.encrypt_with_backend(f),
            Aes::Bits256(aes) => aes.encrypt_with_backend(f),
        }
    }
}

/// Sound because both variants wipe themselves.
impl ZeroizeOnDrop for Aes {}

/// Enciphers a session's frames as one stream.
pub struct StreamEncryptor(BufEncryptor<Aes>);

impl StreamEncryptor {
    pub(super) fn new(key: &AesKey, iv: &Iv) -> StreamEncryptor {
        StreamEncryptor(BufEncryptor::inner_iv_init(key.expand(), (&**iv).into()))
    }

    /// Enciphers the next bytes of the stream.
    pub fn encrypt(&mut self, bytes: &mut [u8]) {
        self.0.encrypt(bytes);
    }
}

/// Deciphers a session's frames as one stream.
pub struct StreamDecryptor(BufDecryptor<Aes>);

impl StreamDecryptor {
    pub(super) fn new(key: &AesKey, iv: &Iv) -> StreamDecryptor {
        StreamDecryptor(BufDecryptor::inner_iv_init(key.expand(), (&**iv).into()))
    }

    /// Deciphers the next bytes of the stream.
    pub fn decrypt(&mut self, bytes: &mut [u8]) {
        self.0.decrypt(bytes);
    }
}

/// Enciphers each frame separately, at once or in pieces.
pub struct PackageEncryptor {
    aes: Aes,
    iv: Iv,
    frame: BufEncryptor<Aes>,
}

impl PackageEncryptor {
    pub(super) fn new(key: &AesKey, iv: &Iv) -> PackageEncryptor {
        let frame = BufEncryptor::inner_iv_init(key.expand(), (&**iv).into());
        PackageEncryptor { aes: key.expand(), iv: iv.clone(), frame }
    }

    /// Enciphers one frame.
    pub fn encrypt(&self, frame: &mut [u8]) {
        CfbEncryptor::inner_iv_init(&self.aes, (&*self.iv).into()).encrypt(frame);
    }

    /// Begins a new frame, which is enciphered in pieces.
    pub fn begin(&mut self) {
        self.frame = BufEncryptor::inner_iv_init(self.aes.clone(), (&*self.iv).into());
    }

    /// Enciphers the next bytes of the frame.
    pub fn encrypt_next(&mut self, bytes: &mut [u8]) {
        self.frame.encrypt(bytes);
    }
}

/// Deciphers each frame separately, in pieces as they arrive.
pub struct PackageDecryptor {
    aes: Aes,
    iv: Iv,
    frame: BufDecryptor<Aes>,
}

impl PackageDecryptor {
    pub(super) fn new(key: &AesKey, iv: &Iv) -> PackageDecryptor {
        let frame = BufDecryptor::inner_iv_init(key.expand(), (&**iv).into());
        PackageDecryptor { aes: key.expand(), iv: iv.clone(), frame }
    }

    /// Begins a new frame.
    pub fn begin(&mut self) {
        self.frame = BufDecryptor::inner_iv_init(self.aes.clone(), (&*self.iv).into());
    }

    /// Deciphers the next bytes of the frame.
    pub fn decrypt(&mut self, bytes: &mut [u8]) {
        self.frame.decrypt(bytes);
    }
}

impl fmt::Debug for StreamEncryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamEncryptor").finish_non_exhaustive()
    }
}

impl fmt::Debug for StreamDecryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamDecryptor").finish_non_exhaustive()
    }
}

impl fmt::Debug for PackageEncryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackageEncryptor").finish_non_exhaustive()
    }
}

impl fmt::Debug for PackageDecryptor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PackageDecryptor").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use md5::Md5;

    #[test]
    fn types_that_hold_a_key_wipe_themselves() {
        fn is_wiped<T: ZeroizeOnDrop>() {}
        is_wiped::<Aes128Enc>();
        is_wiped::<Aes256Enc>();
        is_wiped::<BufEncryptor<Aes>>();
        is_wiped::<BufDecryptor<Aes>>();
        is_wiped::<CfbEncryptor<Aes>>();
        is_wiped::<Md5>();
        is_wiped::<Sha256>();
        is_wiped::<elliptic_curve::SecretKey<k256::Secp256k1>>();
        is_wiped::<elliptic_curve::ecdh::SharedSecret<k256::Secp256k1>>();
    }
}
