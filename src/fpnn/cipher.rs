//! The cipher of a session: none, or AES in CFB mode (section 3).

#[cfg(feature = "encryption")]
use {
    super::session::{PackageDecryptor, PackageEncryptor, StreamDecryptor, StreamEncryptor},
    byteorder::{ByteOrder, LittleEndian},
};

/// The size of the length in front of an encrypted package.
pub(super) const PACKAGE_PREFIX: usize = 4;

/// The sending side of a session.
#[derive(Debug, Default)]
pub enum Encryptor {
    /// Frames are sent as they are.
    #[default]
    Plain,
    /// All frames form one stream of ciphertext.
    #[cfg(feature = "encryption")]
    Stream(Box<StreamEncryptor>),
    /// Each frame is enciphered separately and follows its length.
    #[cfg(feature = "encryption")]
    Package(Box<PackageEncryptor>),
}

impl Encryptor {
    /// How many bytes precede each frame on the wire.
    #[must_use]
    pub fn prefix_len(&self) -> usize {
        match self {
            Encryptor::Plain => 0,
            #[cfg(feature = "encryption")]
            Encryptor::Stream(_) => 0,
            #[cfg(feature = "encryption")]
            Encryptor::Package(_) => PACKAGE_PREFIX,
        }
    }

    /// Whether frames are sent as they are.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        matches!(self, Encryptor::Plain)
    }

    /// Enciphers one frame in place. `wire` has [`prefix_len`](Encryptor::prefix_len) free bytes in front of the frame,
    /// which this fills in. Call this in the order in which frames are sent.
    pub fn encrypt(&mut self, wire: &mut [u8]) {
        match self {
            Encryptor::Plain => _ = wire,
            #[cfg(feature = "encryption")]
            Encryptor::Stream(stream) => stream.encrypt(wire),
            #[cfg(feature = "encryption")]
            Encryptor::Package(package) => package.encrypt(write_prefix(wire)),
        }
    }
}

/// The same in pieces, for frames that would take long in one go.
impl Encryptor {
    /// Begins a frame, `wire`, and fills in the [`prefix_len`](Encryptor::prefix_len) bytes in front of it.
    pub fn begin(&mut self, wire: &mut [u8]) {
        match self {
            Encryptor::Plain => _ = wire,
            #[cfg(feature = "encryption")]
            Encryptor::Stream(_) => {}
            #[cfg(feature = "encryption")]
            Encryptor::Package(package) => {
                write_prefix(wire);
                package.begin();
            }
        }
    }

    /// Enciphers the next bytes of the frame in place.
    pub fn encrypt_next(&mut self, bytes: &mut [u8]) {
        match self {
            Encryptor::Plain => _ = bytes,
            #[cfg(feature = "encryption")]
            Encryptor::Stream(stream) => stream.encrypt(bytes),
            #[cfg(feature = "encryption")]
            Encryptor::Package(package) => package.encrypt_next(bytes),
        }
    }
}

/// Fills in a package's length, and returns the frame behind it.
#[cfg(feature = "encryption")]
fn write_prefix(wire: &mut [u8]) -> &mut [u8] {
    let (prefix, frame) = wire.split_at_mut(PACKAGE_PREFIX);
    LittleEndian::write_u32(prefix, u32::try_from(frame.len()).unwrap_or(u32::MAX));
    frame
}

/// The receiving side of a session.
#[derive(Debug, Default)]
pub enum Decryptor {
    /// Frames arrive as they are.
    #[default]
    Plain,
    /// All frames form one stream of ciphertext.
    #[cfg(feature = "encryption")]
    Stream(Box<StreamDecryptor>),
    /// Each frame is enciphered separately and follows its length.
    #[cfg(feature = "encryption")]
    Package(Box<PackageDecryptor>),
}

impl Decryptor {
    /// Deciphers received bytes in place, if the session is one stream.
    pub fn decrypt_stream(&mut self, received: &mut [u8]) {
        match self {
            Decryptor::Plain => _ = received,
            #[cfg(feature = "encryption")]
            Decryptor::Stream(stream) => stream.decrypt(received),
            #[cfg(feature = "encryption")]
            Decryptor::Package(_) => {}
        }
    }

    /// Whether each frame arrives in its own package, behind its length.
    #[must_use]
    pub fn is_packaged(&self) -> bool {
        match self {
            Decryptor::Plain => false,
            #[cfg(feature = "encryption")]
            Decryptor::Stream(_) => false,
            #[cfg(feature = "encryption")]
            Decryptor::Package(_) => true,
        }
    }

    /// Begins a new package.
    pub fn begin_package(&mut self) {
        match self {
            Decryptor::Plain => {}
            #[cfg(feature = "encryption")]
            Decryptor::Stream(_) => {}
            #[cfg(feature = "encryption")]
            Decryptor::Package(package) => package.begin(),
        }
    }

    /// Deciphers the next bytes of the package in place.
    pub fn decrypt_package(&mut self, bytes: &mut [u8]) {
        match self {
            Decryptor::Plain => _ = bytes,
            #[cfg(feature = "encryption")]
            Decryptor::Stream(_) => {}
            #[cfg(feature = "encryption")]
            Decryptor::Package(package) => package.decrypt(bytes),
        }
    }
}
