//! The signature of an RTM quest (section 2).

use std::fmt;

use itoa::Integer;
use md5::{Digest, Md5};

/// The length of a signature, an MD5 in hex.
pub const SIGN_LEN: usize = 32;

/// Signs quests with a project's secret, which it never shows.
pub struct Signer {
    pid: i32,
    /// The hash state after `pid:secret:`, the constant prefix of the signed text. It holds up to a block of that text,
    /// and overwrites it when dropped. Boxed, because moving it would leave a copy behind.
    prefix: Box<Md5>,
}

impl Signer {
    /// Creates a signer for the project `pid`.
    #[must_use]
    pub fn new(pid: i32, secret: &str) -> Signer {
        let mut prefix = Box::new(Md5::new());
        for part in [&pid.to_string(), ":", secret, ":"] {
            prefix.update(part);
        }
        Signer { pid, prefix }
    }

    /// The project that the secret belongs to.
    #[must_use]
    pub fn pid(&self) -> i32 {
        self.pid
    }

    /// The MD5 of `pid:secret:salt:method:ts`, in upper-case hex. Values received from the network may have numbers
    /// that exceed 64 bits with a sign, and a method that is not text.
    #[must_use]
    pub fn sign(&self, salt: impl Integer, method: &[u8], ts: impl Integer) -> [u8; SIGN_LEN] {
        let mut digits = itoa::Buffer::new();
        let mut md5 = Md5::clone(&self.prefix);
        md5.update(digits.format(salt));
        md5.update(b":");
        md5.update(method);
        md5.update(b":");
        md5.update(digits.format(ts));
        upper_hex(md5.finalize().into())
    }
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").finish_non_exhaustive()
    }
}

fn upper_hex(bytes: [u8; 16]) -> [u8; SIGN_LEN] {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    let mut hex = [0; SIGN_LEN];
    for (pair, byte) in hex.chunks_exact_mut(2).zip(bytes) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 0xf)];
    }
    hex
}

#[cfg(test)]
mod tests;
