//! The library's side: blocking calls on one thread.

use rtm_server_sdk::Client;
use serde::Serialize;
use serde::de::IgnoredAny;
use serde_bytes::Bytes;

use super::{Outcome, Peer, UPLOAD_LEN};

pub struct Library {
    client: Client,
    upload: Vec<u8>,
}

#[derive(Serialize)]
struct Upload<'a> {
    data: &'a Bytes,
}

impl Library {
    pub fn new(client: Client) -> Library {
        Library { client, upload: vec![b'x'; UPLOAD_LEN] }
    }
}

impl Peer for Library {
    fn prepare(&mut self) -> Outcome<()> {
        Ok(self.client.add_room_member(42, 7).call()?)
    }

    fn download(&mut self) -> Outcome<String> {
        Ok(self.client.get_room_info(42).call()?.oinfo.ok_or("the answer has no text")?)
    }

    fn upload(&mut self) -> Outcome<()> {
        let params = Upload { data: Bytes::new(&self.upload) };
        self.client.quest::<IgnoredAny>("upload", &params).call()?;
        Ok(())
    }
}
