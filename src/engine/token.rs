//! The token that represents the waiting caller of a call.

/// Represents a waiting caller.
pub trait Token {
    /// Asks for permission to send the call. Returns `false` if the caller has given up and was told that the call was
    /// not sent. After `true`, the caller is told that the call may have been sent.
    fn begin_sending(&self) -> bool;
}
