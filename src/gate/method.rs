//! The methods that the gate knows, by their names on the wire.

/// A method of the gate. Its number is its place in [`NAMES`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Method {
    /// `*ping`: FPNN's own, without a signature.
    Ping,
    /// `addroommember`
    AddRoomMember,
    /// `delroommember`
    DelRoomMember,
    /// `setroominfo`
    SetRoomInfo,
    /// `getroominfo`
    GetRoomInfo,
    /// `addroomban`
    AddRoomBan,
    /// `removeroomban`
    RemoveRoomBan,
    /// `isbanofroom`
    IsBanOfRoom,
    /// `getroommembers`
    GetRoomMembers,
    /// `getroomcount`
    GetRoomCount,
}

/// Every method and its name.
pub const NAMES: [(&str, Method); 10] = [
    ("*ping", Method::Ping),
    ("addroommember", Method::AddRoomMember),
    ("delroommember", Method::DelRoomMember),
    ("setroominfo", Method::SetRoomInfo),
    ("getroominfo", Method::GetRoomInfo),
    ("addroomban", Method::AddRoomBan),
    ("removeroomban", Method::RemoveRoomBan),
    ("isbanofroom", Method::IsBanOfRoom),
    ("getroommembers", Method::GetRoomMembers),
    ("getroomcount", Method::GetRoomCount),
];

impl Method {
    /// The method of that name.
    pub fn from_name(name: &[u8]) -> Option<Method> {
        NAMES.iter().find(|(known, _)| known.as_bytes() == name).map(|&(_, method)| method)
    }

    /// The method's place in [`NAMES`].
    pub fn index(self) -> usize {
        self as usize
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stand_in_the_order_of_the_methods() {
        for (index, (name, method)) in NAMES.into_iter().enumerate() {
            assert_eq!(method.index(), index);
            assert_eq!(Method::from_name(name.as_bytes()), Some(method));
        }
        assert_eq!(Method::from_name(b"addroommembe"), None);
        assert_eq!(Method::from_name(b""), None);
    }
}
