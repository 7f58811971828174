//! Bans: the functions of a client.

use std::time::Duration;

use super::{Call, Client};
use crate::rtm::methods::bans;
use crate::rtm::{RoomId, UserId};

/// # Bans
impl Client {
    /// Bans `uid` from speaking in the room `rid`, or in every room of the project for `None` (`addroomban`). The user
    /// stays a member.
    ///
    /// `btime` is the length of the ban, sent in whole seconds, rounded up. `None` and zero ban without an end.
    ///
    /// # Errors
    ///
    /// [`InvalidArgument`](crate::Error::InvalidArgument) if `btime` is over 2,147,483,647 seconds.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// use std::time::Duration;
    ///
    /// client.add_room_ban(Some(42), 1001, Some(Duration::from_secs(600))).call()?; // One room, ten minutes.
    /// client.add_room_ban(None, 1002, None).call()?; // Every room, with no end.
    /// assert!(client.is_ban_of_room(42, 1001).call()?);
    /// assert!(client.is_ban_of_room(77, 1002).call()?);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn add_room_ban(&self, rid: Option<RoomId>, uid: UserId, btime: Option<Duration>) -> Call<'_, ()> {
        Call::new(self, bans::add_room_ban(rid, uid, btime))
    }

    /// Ends the ban of `uid` in the room `rid` (`removeroomban`). `None` ends every ban of the user in the project,
    /// including those in single rooms. Only `None` ends a ban in every room.
    ///
    /// The vendor's pages do not say which bans `None` ends; this is what the local gate does.
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_ban(Some(42), 1001, None).call()?;
    /// client.remove_room_ban(Some(42), 1001).call()?;
    /// assert!(!client.is_ban_of_room(42, 1001).call()?);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn remove_room_ban(&self, rid: Option<RoomId>, uid: UserId) -> Call<'_, ()> {
        Call::new(self, bans::remove_room_ban(rid, uid))
    }

    /// Returns whether `uid` is banned from speaking in the room `rid` (`isbanofroom`).
    ///
    /// # Examples
    ///
    /// ```
    /// # fn main() -> Result<(), rtm_server_sdk::Error> {
    /// # #[cfg(feature = "gate")] {
    /// # let gate = rtm_server_sdk::gate::Gate::builder().project(80000001, "secret").bind("127.0.0.1:0")?;
    /// # let client = rtm_server_sdk::Client::new(80000001, "secret", gate.endpoint())?;
    /// client.add_room_ban(Some(42), 1001, None).call()?;
    /// assert!(client.is_ban_of_room(42, 1001).call()?);
    /// assert!(!client.is_ban_of_room(42, 1002).call()?);
    /// # }
    /// # Ok(()) }
    /// ```
    pub fn is_ban_of_room(&self, rid: RoomId, uid: UserId) -> Call<'_, bool> {
        Call::new(self, bans::is_ban_of_room(rid, uid))
    }
}
