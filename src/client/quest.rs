//! Calls of any method by name.

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Call, Client};
use crate::rtm::methods::by_name;

/// # Any method
impl Client {
    /// Calls any method by name, with the caller's own types for parameters and result.
    ///
    /// `params` is a map or a struct with text keys: a `struct` that derives `Serialize`, a `HashMap<&str, _>`, a
    /// `serde_json::Value`. Numbers keep their 64 bits in both directions. Only types that serialize as bytes are sent
    /// as bytes, for example with `serde_bytes`; a plain `Vec<u8>` is a list of numbers. The client adds the four keys
    /// of the signature.
    ///
    /// The result is the whole answer, a map: use a `struct`, a `HashMap<String, _>`, a `serde_json::Value` if it has
    /// no bytes, or `serde::de::IgnoredAny` to ignore it.
    ///
    /// Only the caller knows whether the call can be repeated without harm.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) if the name of the method does not have 1 to 255 bytes, if
    /// `params` is not a map with text keys or has one of the keys `pid`, `sign`, `salt` and `ts`, or if the call takes
    /// 8 MiB or more. [`Decode`](crate::Error::Decode) if the answer does not fit the type `R`.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use serde::{Deserialize, Serialize};
    /// use serde::de::IgnoredAny;
    ///
    /// #[derive(Serialize)]
    /// struct Params {
    ///     rid: i64,
    ///     uid: i64,
    /// }
    ///
    /// #[derive(Deserialize)]
    /// struct Members {
    ///     uids: Vec<i64>,
    /// }
    ///
    /// client.quest::<IgnoredAny>("addroommember", &Params { rid: 42, uid: 1001 }).call()?;
    /// let members: Members = client.quest("getroommembers", &serde_json::json!({"rid": 42})).call()?;
    /// assert_eq!(members.uids, [1001]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn quest<R: DeserializeOwned>(&self, method: &str, params: &impl Serialize) -> Call<'_, R> {
        Call::new(self, by_name::quest(method, params))
    }
}
