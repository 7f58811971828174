//! Error codes: the numbers that RTM servers and this library report, under their official names.

use std::fmt;

/// An error code of FPNN or RTM: a number with an official name.
///
/// Servers may send codes that this version does not know yet. They are kept unchanged, and [`name`](ErrorCode::name) is
/// `None` for them. The numbers and names are those of the FPNN framework
/// (prefix `FPNN_EC_`) and of the RTM service (prefix `RTM_EC_`); see `docs/protocol.md`, section 4.
///
/// # Examples
///
/// ```
/// use rtm_server_sdk::ErrorCode;
///
/// let code = ErrorCode::FPNN_EC_CORE_TIMEOUT;
/// assert_eq!(code.value(), 20003);
/// assert_eq!(code.name(), Some("FPNN_EC_CORE_TIMEOUT"));
/// assert_eq!(code.to_string(), "20003 FPNN_EC_CORE_TIMEOUT");
/// assert_eq!(ErrorCode::from(424242).name(), None);
/// ```
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ErrorCode(i32);

impl ErrorCode {
    /// The number on the wire.
    #[must_use]
    pub const fn value(self) -> i32 {
        self.0
    }
}

impl From<i32> for ErrorCode {
    fn from(value: i32) -> ErrorCode {
        ErrorCode(value)
    }
}

impl From<ErrorCode> for i32 {
    fn from(code: ErrorCode) -> i32 {
        code.0
    }
}

impl PartialEq<i32> for ErrorCode {
    fn eq(&self, other: &i32) -> bool {
        self.0 == *other
    }
}

impl PartialEq<ErrorCode> for i32 {
    fn eq(&self, other: &ErrorCode) -> bool {
        *self == other.0
    }
}

/// Shows the number, then the name if there is one: `20003 FPNN_EC_CORE_TIMEOUT`.
impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{} {name}", self.0),
            None => write!(f, "{}", self.0),
        }
    }
}

impl fmt::Debug for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ErrorCode({self})")
    }
}

macro_rules! error_codes {
    ($($name:ident = $value:literal, $meaning:literal;)+) => {
        impl ErrorCode {
            $(#[doc = concat!($meaning, " (", stringify!($value), ").")]
            pub const $name: ErrorCode = ErrorCode($value);)+

            /// Every code that this version knows, in ascending order.
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),+];

            /// The official name, or `None` for a number that this version does not know.
            #[must_use]
            pub const fn name(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some(stringify!($name)),)+
                    _ => None,
                }
            }

            /// What the code says, in a few words, or `None` for a number that this version does not know.
            #[must_use]
            pub const fn meaning(self) -> Option<&'static str> {
                match self.0 {
                    $($value => Some($meaning),)+
                    _ => None,
                }
            }
        }
    };
}

error_codes! {
    FPNN_EC_OK = 0, "No error";
    FPNN_EC_PROTO_UNKNOWN_ERROR = 10001, "Unspecified protocol error";
    FPNN_EC_PROTO_NOT_SUPPORTED = 10002, "The peer does not support this part of the protocol";
    FPNN_EC_PROTO_INVALID_PACKAGE = 10003, "The packet violates the protocol";
    FPNN_EC_PROTO_JSON_CONVERT = 10004, "The payload cannot be converted to or from JSON";
    FPNN_EC_PROTO_STRING_KEY = 10005, "The payload has a key that is not a string";
    FPNN_EC_PROTO_MAP_VALUE = 10006, "The payload is not a map";
    FPNN_EC_PROTO_METHOD_TYPE = 10007, "The method does not allow this kind of call";
    FPNN_EC_PROTO_PROTO_TYPE = 10008, "The payload's encoding is not allowed";
    FPNN_EC_PROTO_KEY_NOT_FOUND = 10009, "A required parameter is missing";
    FPNN_EC_PROTO_TYPE_CONVERT = 10010, "A parameter has the wrong type";
    FPNN_EC_PROTO_FILE_SIGN = 10011, "The file signature is wrong";
    FPNN_EC_PROTO_FILE_NOT_EXIST = 10012, "The file does not exist";
    FPNN_EC_CORE_UNKNOWN_ERROR = 20001, "Unspecified framework error";
    FPNN_EC_CORE_CONNECTION_CLOSED = 20002, "The connection ended before the answer came";
    FPNN_EC_CORE_TIMEOUT = 20003, "No answer within the call's time";
    FPNN_EC_CORE_UNKNOWN_METHOD = 20004, "The peer does not know the method";
    FPNN_EC_CORE_ENCODING = 20005, "The message could not be encoded";
    FPNN_EC_CORE_DECODING = 20006, "The message could not be decoded";
    FPNN_EC_CORE_SEND_ERROR = 20007, "Sending failed";
    FPNN_EC_CORE_RECV_ERROR = 20008, "Receiving failed";
    FPNN_EC_CORE_INVALID_PACKAGE = 20009, "The packet is malformed";
    FPNN_EC_CORE_HTTP_ERROR = 20010, "Error in the framework's HTTP support";
    FPNN_EC_CORE_WORK_QUEUE_FULL = 20011, "Too many calls are in progress";
    FPNN_EC_CORE_INVALID_CONNECTION = 20012, "There is no connection, and none could be made";
    FPNN_EC_CORE_FORBIDDEN = 20013, "The peer does not allow it";
    FPNN_EC_CORE_SERVER_STOPPING = 20014, "The server is shutting down";
    FPNN_EC_CORE_CANCELLED = 20015, "The call was cancelled";
    FPNN_EC_ZIP_COMPRESS = 30001, "Compression failed";
    FPNN_EC_ZIP_DECOMPRESS = 30002, "Decompression failed";
    RTM_EC_INVALID_PID_OR_UID = 200001, "Unknown project id or user id";
    RTM_EC_INVALID_PID_OR_SIGN = 200002, "Wrong project id or signature";
    RTM_EC_INVALID_FILE_OR_SIGN_OR_TOKEN = 200003, "The file, its signature or its token is wrong";
    RTM_EC_ATTRS_WITHOUT_SIGN_OR_EXT = 200004, "File attributes without a signature or an extension";
    RTM_EC_INVALID_MTYPE = 200005, "The message type is not allowed";
    RTM_EC_SAME_SIGN = 200006, "The signature was used before";
    RTM_EC_INVALID_FILE_MTYPE = 200007, "The message type of a file is not allowed";
    RTM_EC_INVALID_SERVER_TIME = 200008, "The time stamp is too far from the server's clock";
    RTM_EC_FREQUENCY_LIMITED = 200010, "Too many calls in too short a time";
    RTM_EC_REFRESH_SCREEN_LIMITED = 200011, "The same message is sent too often";
    RTM_EC_KICKOUT_SELF = 200012, "A client cannot kick itself out";
    RTM_EC_FORBIDDEN_METHOD = 200020, "The method is not allowed for this project";
    RTM_EC_PERMISSION_DENIED = 200021, "Permission denied";
    RTM_EC_UNAUTHORIZED = 200022, "Not authorised";
    RTM_EC_DUPLICATED_AUTH = 200023, "Already authorised";
    RTM_EC_AUTH_DENIED = 200024, "Authorisation was denied";
    RTM_EC_ADMIN_LOGIN = 200025, "An administrator's login is not allowed here";
    RTM_EC_ADMIN_ONLY = 200026, "For administrators only";
    RTM_EC_INVALID_AUTH_TOKEN = 200027, "The authorisation token is wrong or has expired";
    RTM_EC_LARGE_MESSAGE_OR_ATTRS = 200030, "The text or its attributes are too large";
    RTM_EC_LARGE_FILE_OR_ATTRS = 200031, "The file or its attributes are too large";
    RTM_EC_TOO_MANY_ITEMS_IN_PARAMETERS = 200032, "A list has too many items";
    RTM_EC_EMPTY_PARAMETER = 200033, "A parameter is empty";
    RTM_EC_INVALID_PARAMETER = 200034, "A parameter is missing or invalid";
    RTM_EC_NOT_IN_ROOM = 200040, "The user is not in the room";
    RTM_EC_NOT_GROUP_MEMBER = 200041, "The user is not in the group";
    RTM_EC_MAX_GROUP_MEMBER_COUNT = 200042, "The group is full";
    RTM_EC_NOT_FRIEND = 200043, "The users are not friends";
    RTM_EC_BANNED_IN_GROUP = 200044, "The user is banned in the group";
    RTM_EC_BANNED_IN_ROOM = 200045, "The user is banned in the room";
    RTM_EC_EMPTY_GROUP = 200046, "The group is empty";
    RTM_EC_MAX_ROOM_COUNT = 200047, "The user is in too many rooms";
    RTM_EC_MAX_FRIEND_COUNT = 200048, "The user has too many friends";
    RTM_EC_BLOCKED_USER = 200049, "The user is blocked";
    RTM_EC_UNSUPPORTED_LANGUAGE = 200050, "The language is not supported";
    RTM_EC_EMPTY_TRANSLATION = 200051, "The translation is empty";
    RTM_EC_SEND_TO_SELF = 200052, "Users cannot send messages to themselves";
    RTM_EC_DUPLICATED_MID = 200053, "The message id was used before";
    RTM_EC_SENSITIVE_WORDS = 200054, "The text contains words that are not allowed";
    RTM_EC_NOT_ONLINE = 200055, "The user is not online";
    RTM_EC_TRANSLATION_ERROR = 200056, "The translation failed";
    RTM_EC_PROFANITY_STOP = 200057, "The profanity filter stopped the text";
    RTM_EC_NO_CONFIG_IN_CONSOLE = 200060, "The feature is not configured in the project's console";
    RTM_EC_UNSUPPORTED_TRANSCRIBE_TYPE = 200061, "Recordings of this type cannot be transcribed";
    RTM_EC_MESSAGE_NOT_FOUND = 200070, "The message was not found";
    RTM_EC_UNKNOWN_ERROR = 200999, "Unspecified RTM error";
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_unique_and_ascending() {
        assert!(ErrorCode::ALL.windows(2).all(|pair| pair[0] < pair[1]));
        assert_eq!(ErrorCode::ALL.len(), 76);
    }

    #[test]
    fn unknown_code_keeps_its_number() {
        let code = ErrorCode::from(-7);
        assert_eq!((code.value(), code.name(), code.to_string().as_str()), (-7, None, "-7"));
    }
}
