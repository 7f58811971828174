//! The token that represents whoever waits for the outcome of a call.

/// Stands for whoever waits.
pub trait Token {
    /// Asks for leave to send the call: `false` if its caller has given up meanwhile and was told that it was not sent.
    /// Once this was true, the caller learns that the call may have left.
    fn begin_sending(&self) -> bool;
}
