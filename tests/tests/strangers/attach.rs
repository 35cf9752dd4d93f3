//! The proofs by which tills are attached, computed by a program that has nothing of ours.

use crate::tools::{python, said};
use tillway_proto::attach::Side;
use tillway_proto::{AttachCode, ProofKey};

#[test]
fn a_blake3_that_is_not_ours_makes_the_proofs_that_ours_makes() {
    for binding in [[0; 32], [0xA5; 32]] {
        let code = AttachCode::generate();
        let hex = |bytes: [u8; 32]| blake3::Hash::from_bytes(bytes).to_hex().to_string();
        let key = ProofKey::of(&code.secret);
        let proof = |side| serde_json::to_value(key.prove(side, code.name, &binding)).unwrap();
        let ours = [proof(Side::Server), proof(Side::Peer)].map(|proof| proof.as_str().unwrap().to_owned());
        let theirs = said(python("attach_proof.py", [code.to_string(), hex(binding)]));
        let theirs: Vec<&str> = theirs.lines().collect();
        assert_eq!(theirs, [&hex(key.to_bytes()), &ours[0], &ours[1]]);
    }
}
