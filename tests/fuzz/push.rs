//! Pushes: what the server sends is read, or refused, and what is read can be copied out.

use rtm_server_sdk::fpnn::{Decoder, Frame};
use rtm_server_sdk::rtm::{PushMethod, PushRef};

const MAX_PAYLOAD: usize = 64 * 1024;

pub fn check(data: &[u8]) {
    let mut decoder = Decoder::new(MAX_PAYLOAD);
    for piece in data.chunks(1000) {
        decoder.space()[..piece.len()].copy_from_slice(piece);
        decoder.advance(piece.len());
        while let Ok(Some(frame)) = decoder.next_frame() {
            if let Frame::Quest(quest) = frame {
                read(quest.payload);
            }
        }
    }
}

/// Reads the payload as each kind of push: what one kind refuses may be another.
fn read(payload: &[u8]) {
    let methods = ["pushmsg", "pushgroupmsg", "pushroommsg", "pushevent", "ping"];
    for method in methods.iter().filter_map(|name| PushMethod::from_name(name.as_bytes())) {
        match PushRef::read(method, payload) {
            Ok(Some(PushRef::Message(message))) => {
                let copy = message.to_message();
                assert_eq!((copy.target, copy.from, copy.mid), (message.target, message.from, message.mid));
            }
            Ok(Some(PushRef::Event(event))) => assert_eq!(event.to_event().uid, event.uid),
            Ok(None) | Err(_) => {}
        }
    }
}
