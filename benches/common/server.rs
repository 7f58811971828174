//! A minimal server for benches, which neither checks signatures nor keeps rooms. It answers every quest with the same
//! infos, except for `isbanofroom`, which it never answers: this keeps calls in flight.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

const HEADER_LEN: usize = 12;
const SEQ_LEN: usize = 4;
const UNANSWERED: &[u8] = b"isbanofroom";
/// `{oinfo: "public info", pinfo: "private info"}`
const INFOS: &[u8] = b"\x82\xa5oinfo\xabpublic info\xa5pinfo\xacprivate info";

/// Serves every connection on a thread of its own, until accepting fails.
pub fn serve(listener: &TcpListener) {
    while let Ok((stream, _)) = listener.accept() {
        // The end of a connection is not an error here; the client is what is measured.
        thread::spawn(move || answer(stream));
    }
}

fn answer(mut stream: TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut input, mut filled) = (vec![0; 256 * 1024], 0);
    let mut output = Vec::with_capacity(256 * 1024);
    loop {
        let received = stream.read(&mut input[filled..])?;
        if received == 0 {
            return Ok(());
        }
        filled += received;
        let taken = answer_whole_quests(&input[..filled], &mut output);
        input.copy_within(taken..filled, 0);
        filled -= taken;
        stream.write_all(&output)?;
        output.clear();
    }
}

/// Says how many bytes were taken.
pub fn answer_whole_quests(received: &[u8], output: &mut Vec<u8>) -> usize {
    let mut taken = 0;
    while let Some((header, rest)) = received[taken..].split_at_checked(HEADER_LEN) {
        let method_len = usize::from(header[7]);
        let payload_len = u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize;
        if rest.len() < SEQ_LEN + method_len + payload_len {
            break;
        }
        let (seq, rest) = rest.split_at(SEQ_LEN);
        if &rest[..method_len] != UNANSWERED {
            output.extend_from_slice(b"FPNN\x01\x80\x02\x00");
            output.extend_from_slice(&(INFOS.len() as u32).to_le_bytes());
            output.extend_from_slice(seq);
            output.extend_from_slice(INFOS);
        }
        taken += HEADER_LEN + SEQ_LEN + method_len + payload_len;
    }
    taken
}
