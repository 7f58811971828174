//! What a session does to the bytes of its frames: nothing, or AES in CFB mode (section 3).

#[cfg(feature = "encryption")]
use {
    super::session::{PackageCipher, StreamOpener, StreamSealer},
    byteorder::{ByteOrder, LittleEndian},
};

/// The length in front of an encrypted package.
pub(super) const PACKAGE_PREFIX: usize = 4;

/// The sending side of a session.
#[derive(Debug, Default)]
pub enum Sealer {
    /// Frames leave as they are.
    #[default]
    Plain,
    /// All frames are one stream of ciphertext.
    #[cfg(feature = "encryption")]
    Stream(Box<StreamSealer>),
    /// Each frame is enciphered by itself and leaves behind its length.
    #[cfg(feature = "encryption")]
    Package(Box<PackageCipher>),
}

impl Sealer {
    /// How many bytes stand in front of each frame on the wire.
    #[must_use]
    pub fn prefix_len(&self) -> usize {
        match self {
            Sealer::Plain => 0,
            #[cfg(feature = "encryption")]
            Sealer::Stream(_) => 0,
            #[cfg(feature = "encryption")]
            Sealer::Package(_) => PACKAGE_PREFIX,
        }
    }

    /// Enciphers one frame in place. `wire` is the frame behind [`prefix_len`](Sealer::prefix_len) free bytes, which
    /// are filled in. Frames are to be sealed in the order in which they are sent.
    pub fn seal(&mut self, wire: &mut [u8]) {
        match self {
            Sealer::Plain => _ = wire,
            #[cfg(feature = "encryption")]
            Sealer::Stream(stream) => stream.seal(wire),
            #[cfg(feature = "encryption")]
            Sealer::Package(package) => {
                let (prefix, frame) = wire.split_at_mut(PACKAGE_PREFIX);
                LittleEndian::write_u32(prefix, u32::try_from(frame.len()).unwrap_or(u32::MAX));
                package.seal(frame);
            }
        }
    }
}

/// The receiving side of a session.
#[derive(Debug, Default)]
pub enum Opener {
    /// Frames come as they are.
    #[default]
    Plain,
    /// All frames are one stream of ciphertext.
    #[cfg(feature = "encryption")]
    Stream(Box<StreamOpener>),
    /// Each frame is enciphered by itself and comes behind its length.
    #[cfg(feature = "encryption")]
    Package(Box<PackageCipher>),
}

impl Opener {
    /// Deciphers received bytes in place, where the session is one stream.
    pub fn open_stream(&mut self, received: &mut [u8]) {
        match self {
            Opener::Plain => _ = received,
            #[cfg(feature = "encryption")]
            Opener::Stream(stream) => stream.open(received),
            #[cfg(feature = "encryption")]
            Opener::Package(_) => {}
        }
    }

    /// Whether each frame comes in a package of its own, behind its length.
    #[must_use]
    pub fn is_packaged(&self) -> bool {
        match self {
            Opener::Plain => false,
            #[cfg(feature = "encryption")]
            Opener::Stream(_) => false,
            #[cfg(feature = "encryption")]
            Opener::Package(_) => true,
        }
    }

    /// Deciphers the content of one whole package in place.
    pub fn open_package(&mut self, frame: &mut [u8]) {
        match self {
            Opener::Plain => _ = frame,
            #[cfg(feature = "encryption")]
            Opener::Stream(_) => {}
            #[cfg(feature = "encryption")]
            Opener::Package(package) => package.open(frame),
        }
    }
}
