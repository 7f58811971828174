//! The public and private info of a room: the functions of a client.

use super::{Call, Client};
use crate::rtm::RoomId;
use crate::rtm::methods::info::{self, RoomInfo};

/// # Infos of rooms
impl Client {
    /// Sets the public info `oinfo`, the private info `pinfo`, or both (`setroominfo`). `None` leaves an info
    /// unchanged.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) if both are `None`, or one has more than 65,535 bytes.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.set_room_info(42, Some("Welcome!"), Some("level=3")).call()?;
    /// client.set_room_info(42, Some("Come in!"), None).call()?; // Keeps the private info.
    ///
    /// let error = client.set_room_info(42, None, None).call().unwrap_err();
    /// assert!(matches!(error, rtm_server_sdk::Error::InvalidArgument(_)));
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn set_room_info(&self, rid: RoomId, oinfo: Option<&str>, pinfo: Option<&str>) -> Call<'_, ()> {
        Call::new(self, info::set_room_info(rid, oinfo, pinfo))
    }

    /// Reads both infos of the room `rid` (`getroominfo`).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.set_room_info(42, Some("Welcome!"), Some("level=3")).call()?;
    /// let info = client.get_room_info(42).call()?;
    /// assert_eq!(info.oinfo.as_deref(), Some("Welcome!"));
    /// assert_eq!(info.pinfo.as_deref(), Some("level=3"));
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn get_room_info(&self, rid: RoomId) -> Call<'_, RoomInfo> {
        Call::new(self, info::get_room_info(rid))
    }
}
