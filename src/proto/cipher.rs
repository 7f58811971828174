//! What a session does to the bytes of its frames: nothing, or AES in CFB mode (section 3).

/// The sending side of a session.
#[derive(Debug, Default)]
pub enum Sealer {
    /// Frames leave as they are.
    #[default]
    Plain,
}

impl Sealer {
    /// How many bytes stand in front of each frame on the wire.
    #[must_use]
    pub fn prefix_len(&self) -> usize {
        match self {
            Sealer::Plain => 0,
        }
    }

    /// Enciphers one frame in place. `wire` is the frame behind [`prefix_len`](Sealer::prefix_len) free bytes, which
    /// are filled in.
    pub fn seal(&mut self, wire: &mut [u8]) {
        match self {
            Sealer::Plain => _ = wire,
        }
    }
}

/// The receiving side of a session.
#[derive(Debug, Default)]
pub enum Opener {
    /// Frames come as they are.
    #[default]
    Plain,
}

impl Opener {
    /// Deciphers received bytes in place, where the session is one stream.
    pub fn open_stream(&mut self, received: &mut [u8]) {
        match self {
            Opener::Plain => _ = received,
        }
    }

    /// Whether each frame comes in a package of its own, behind its length.
    #[must_use]
    pub fn is_packaged(&self) -> bool {
        match self {
            Opener::Plain => false,
        }
    }

    /// Deciphers the content of one whole package in place.
    pub fn open_package(&mut self, frame: &mut [u8]) {
        match self {
            Opener::Plain => _ = frame,
        }
    }
}
