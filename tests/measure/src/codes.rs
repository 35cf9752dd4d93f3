//! What a code costs each message. Printed, not compared: it is far below anything that a till or
//! a server notices.

use std::hint::black_box;
use std::time::Instant;
use tillway_proto::{Direction, PeerId, PeerSecret};

const MESSAGES: u32 = 20_000;

/// A contact of an ordinary till.
const BYTES: usize = 600;

#[test]
#[allow(clippy::print_stdout)] // that is what it is for
fn making_and_checking_a_code_is_printed() {
    let (key, peer): (_, PeerId) = (PeerSecret::generate().code_key(), "_cash_1_00ab34ef".parse().unwrap());
    let body = vec![b'x'; BYTES];
    let began = Instant::now();
    for _ in 0..MESSAGES {
        let head = key.head(Direction::ToServer, &peer, "contact", "0193", black_box(&body));
        black_box(key.check(Direction::ToServer, &peer, &head, black_box(&body))).unwrap();
    }
    println!("a code of a message of {BYTES} B, made and checked: {:?}", began.elapsed() / MESSAGES);
}
