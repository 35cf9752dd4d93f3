//! Codes read as people type them, and proofs that fit nothing else.

use super::*;
use std::collections::HashSet;

const CODE: &str = "7ZQK4-0189A-BCDEF-GHJKM";

fn code(text: &str) -> AttachCode {
    text.parse().unwrap()
}

#[test]
fn a_code_reads_back_as_it_is_shown() {
    let mut names = HashSet::new();
    for _ in 0..500 {
        let made = AttachCode::generate();
        let shown = made.to_string();
        let read = code(&shown);
        assert_eq!((read.name, read.secret.0), (made.name, made.secret.0), "{shown}");
        assert_eq!(read.to_string(), shown);
        assert_eq!(shown.split('-').map(str::len).collect::<Vec<_>>(), [5; 4], "{shown}");
        assert!(shown.starts_with(&made.name.to_string()));
        names.insert(made.name);
    }
    assert!(names.len() > 490, "names are random");
}

#[test]
fn a_code_is_read_as_people_type_it() {
    let right = code(CODE);
    for typed in [
        "7zqk40189abcdefghjkm",
        " 7ZQK4 0189A\tBCDEF–GHJKM\n",
        "7zqk4.oI89a_bcdef-ghjkm",
        "7ZQK4-O L89A-BCDEF-GHJKM",
        // С, К, Е, Н, А, В, М: Cyrillic.
        "7ZQК4-0189А-ВСDЕF-GНJКМ",
        "7zqк4-о189а-всdеf-gнjкм",
    ] {
        let read = code(typed);
        assert_eq!((read.name, read.secret.0), (right.name, right.secret.0), "{typed}");
    }
    let refused = |text: &str| text.parse::<AttachCode>().unwrap_err();
    assert_eq!(refused(""), AttachCodeError::Length { symbols: 0 });
    assert_eq!(refused(&CODE[..CODE.len() - 1]), AttachCodeError::Length { symbols: 19 });
    assert_eq!(refused(&format!("{CODE}0")), AttachCodeError::Length { symbols: 21 });
    assert_eq!(refused("7ZQK4-0189A-BCDEF-GHJKU"), AttachCodeError::Symbol { symbol: 'U' });
    assert_eq!("7ZQ".parse::<CodeName>(), Err(AttachCodeError::Name));
    assert_eq!(CodeName::of_number(right.name.number()), Some(right.name));
    assert_eq!(CodeName::of_number(1 << 20), None);
}

#[test]
fn nothing_that_may_be_logged_shows_the_secret() {
    let code = code(CODE);
    let claim = Claim {
        code: code.name,
        proof: ProofKey::of(&code.secret).prove(Side::Peer, code.name, &[0; 32]),
        attempt: Attempt::generate(),
        till: None,
    };
    let shown = format!("{code:?} {:?} {:?}", ProofKey::of(&code.secret), claim.attempt);
    for hidden in ["0189A", &claim.attempt.to_text(), &format!("{:?}", code.secret.0)] {
        assert!(!shown.contains(hidden), "{shown}");
    }
}

#[test]
fn a_proof_fits_its_side_its_code_and_its_connection_alone() {
    let (one, other) = (code(CODE), code("7ZQK4-0189A-BCDEF-GHJKN"));
    let key = ProofKey::of(&one.secret);
    let right = key.prove(Side::Server, one.name, &[1; 32]);
    assert_eq!(right, ProofKey::from_bytes(key.to_bytes()).prove(Side::Server, one.name, &[1; 32]));
    assert_ne!(right, key.prove(Side::Peer, one.name, &[1; 32]), "sent back");
    assert_ne!(right, key.prove(Side::Server, one.name, &[2; 32]), "passed on to another connection");
    assert_ne!(right, key.prove(Side::Server, CodeName(one.name.0 ^ 1), &[1; 32]), "another name");
    assert_ne!(right, ProofKey::of(&other.secret).prove(Side::Server, one.name, &[1; 32]), "another secret");
}

/// What was written once is right in every version. `attach_proof.py` of the tests computes the
/// same with a BLAKE3 of its own.
#[test]
fn the_vectors_stay() {
    let code = code(CODE);
    let mut binding = [0; 32];
    for (at, byte) in (0..).zip(&mut binding) {
        *byte = at;
    }
    let hex = |bytes: [u8; 32]| blake3::Hash::from_bytes(bytes).to_hex().to_string();
    assert_eq!(
        (code.name.number(), code.secret.0),
        (0x3_FEF3, [0x20, 0x02, 0x84, 0xA9, 0x6C, 0x6B, 0x9F, 0x08, 0xCA, 0x74])
    );
    let key = ProofKey::of(&code.secret);
    let proofs = [Side::Server, Side::Peer].map(|side| key.prove(side, code.name, &binding).0.to_hex().to_string());
    assert_eq!(hex(key.to_bytes()), KEY);
    assert_eq!(proofs, [SERVER, PEER]);
}

const KEY: &str = "7d57856c694b2f20acbd2198601f0fe629dbe82e6d03300d9171c912bd89df26";
const SERVER: &str = "79ab4c9fe36be12a79d5573564abac611d03d6073fa7953b6f23417647ad338b";
const PEER: &str = "58f6b11a7df3d0161520a47432bc287c843e54eed493b7e954a421030f6ecb6a";
