//! Members: the functions of a client.

use std::collections::HashMap;

use super::{Call, Client};
use crate::rtm::methods::members;
use crate::rtm::{RoomId, UserId};

/// # Members of rooms
impl Client {
    /// Adds `uid` to the room `rid` (`addroommember`). Adding a member again does no harm.
    ///
    /// # Errors
    ///
    /// [`RTM_EC_MAX_ROOM_COUNT`](crate::ErrorCode::RTM_EC_MAX_ROOM_COUNT) from the server: the user is in as many rooms
    /// as the project allows.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?; // Blocks until the server has answered.
    ///
    /// // By callback: returns at once. The callback runs once, on another thread.
    /// let (sender, receiver) = std::sync::mpsc::channel();
    /// client.add_room_member(42, 1002).callback(move |outcome| { let _ = sender.send(outcome); });
    /// receiver.recv().expect("a callback runs exactly once")?;
    ///
    /// assert_eq!(client.get_room_members(42).call()?, [1001, 1002]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn add_room_member(&self, rid: RoomId, uid: UserId) -> Call<'_, ()> {
        Call::new(self, members::add_room_member(rid, uid))
    }

    /// Removes `uid` from the room `rid` (`delroommember`). Removing a user who is not a member does no harm.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?;
    /// client.delete_room_member(42, 1001).call()?;
    /// assert!(client.get_room_members(42).call()?.is_empty());
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn delete_room_member(&self, rid: RoomId, uid: UserId) -> Call<'_, ()> {
        Call::new(self, members::delete_room_member(rid, uid))
    }

    /// Lists the members of the room `rid`, in the server's order (`getroommembers`). An unknown room has none.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?;
    /// assert_eq!(client.get_room_members(42).call()?, [1001]);
    /// assert!(client.get_room_members(43).call()?.is_empty());
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn get_room_members(&self, rid: RoomId) -> Call<'_, Vec<UserId>> {
        Call::new(self, members::get_room_members(rid))
    }

    /// Counts the members of each of the rooms `rids` (`getroomcount`). The result omits the rooms that the server
    /// omits.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) for more than 900,000 rooms: the server closes the connection
    /// for a call that long.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_member(42, 1001).call()?;
    /// client.add_room_member(42, 1002).call()?;
    /// let counts = client.get_room_count(&[42, 43]).call()?;
    /// assert_eq!(counts[&42], 2);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn get_room_count(&self, rids: &[RoomId]) -> Call<'_, HashMap<RoomId, i64>> {
        Call::new(self, members::get_room_count(rids))
    }

    /// Adds several users to the room `rid` in one call (`addroommembers`). The result lists the users for whom it
    /// worked; the server does not say why it failed for the others. The vendor does not document how many users one
    /// call may have.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) for no users or more than 900,000.
    /// [`FPNN_EC_CORE_UNKNOWN_METHOD`](crate::ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD) from a server without batches,
    /// [`RTM_EC_TOO_MANY_ITEMS_IN_PARAMETERS`](crate::ErrorCode::RTM_EC_TOO_MANY_ITEMS_IN_PARAMETERS) for a list that
    /// is too long for the server.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// let added = client.add_room_members(42, &[1001, 1002]).call()?;
    /// assert_eq!(added, [1001, 1002]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn add_room_members(&self, rid: RoomId, uids: &[UserId]) -> Call<'_, Vec<UserId>> {
        Call::new(self, members::add_room_members(rid, uids))
    }

    /// Removes several users from the room `rid` in one call (`delroommembers`). The result lists the users for whom it
    /// worked.
    ///
    /// # Errors
    ///
    /// Those of [`add_room_members`](Client::add_room_members).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_members(42, &[1001, 1002, 1003]).call()?;
    /// client.delete_room_members(42, &[1001, 1002]).call()?;
    /// assert_eq!(client.get_room_members(42).call()?, [1003]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn delete_room_members(&self, rid: RoomId, uids: &[UserId]) -> Call<'_, Vec<UserId>> {
        Call::new(self, members::delete_room_members(rid, uids))
    }

    /// Adds `uid` to several rooms in one call (`adduserrooms`).
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) for no rooms or more than 900,000.
    /// [`FPNN_EC_CORE_UNKNOWN_METHOD`](crate::ErrorCode::FPNN_EC_CORE_UNKNOWN_METHOD) from a server without batches,
    /// [`RTM_EC_MAX_ROOM_COUNT`](crate::ErrorCode::RTM_EC_MAX_ROOM_COUNT) if the user would be in too many rooms.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_user_rooms(&[42, 43], 1001).call()?;
    /// assert_eq!(client.get_room_members(43).call()?, [1001]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn add_user_rooms(&self, rids: &[RoomId], uid: UserId) -> Call<'_, ()> {
        Call::new(self, members::add_user_rooms(rids, uid))
    }

    /// Removes `uid` from several rooms in one call (`deleteuserrooms`).
    ///
    /// # Errors
    ///
    /// Those of [`add_user_rooms`](Client::add_user_rooms).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_user_rooms(&[42, 43, 44], 1001).call()?;
    /// client.delete_user_rooms(&[42, 43], 1001).call()?;
    /// assert_eq!(client.get_room_members(44).call()?, [1001]);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn delete_user_rooms(&self, rids: &[RoomId], uid: UserId) -> Call<'_, ()> {
        Call::new(self, members::delete_user_rooms(rids, uid))
    }
}
