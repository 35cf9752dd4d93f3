//! The proof of a cursor: that this server gave out a package which leads a till on this path to
//! this revision.
//!
//! A package carries it in its header, the till keeps it beside its cursor and reports both. It is
//! a keyed BLAKE3 code over the identity of the database, revision, path and promised digest, so
//! all tills that share a package share its proof. Whoever lacks the key can claim no cursor that
//! was not given out. The key lies apart from the databases: one that was restored from a backup
//! still knows what it gave out since.

use crate::settings::proof_key::ProofKey;
use tillway_proto::{CursorProof, Digest, Revision};
use uuid::Uuid;

/// Begins what the code is made over: another meaning, or another order, gets another word.
const PURPOSE: &[u8] = b"tillway cursor proof 1";

/// Makes and checks proofs for one database.
#[derive(Debug, Clone)]
pub struct Prover {
    key: ProofKey,
    database: Uuid,
}

impl Prover {
    /// For this database.
    pub fn new(key: ProofKey, database: Uuid) -> Self {
        Self { key, database }
    }

    /// The proof for whoever applies a package that leads a path to a revision and promises this
    /// digest.
    pub fn prove(&self, revision: Revision, path: &str, digest: Digest) -> CursorProof {
        CursorProof { digest, code: *self.code(revision, path, digest).as_bytes() }
    }

    /// Whether this server gave out a package that leads this path to this revision. Takes the
    /// same time wherever they differ.
    pub fn proves(&self, proof: &CursorProof, revision: Revision, path: &str) -> bool {
        self.code(revision, path, proof.digest) == blake3::Hash::from_bytes(proof.code)
    }

    /// Names key and database without telling the key: packages made under another one carry
    /// proofs that are worth nothing.
    pub fn mark(&self) -> String {
        self.code(Revision::ZERO, "mark", Digest::EMPTY).to_hex().to_string()
    }

    fn code(&self, revision: Revision, path: &str, digest: Digest) -> blake3::Hash {
        let mut code = blake3::Hasher::new_keyed(self.key.bytes());
        code.update(PURPOSE);
        code.update(self.database.as_bytes());
        code.update(&revision.0.to_be_bytes());
        code.update(&digest.to_bytes());
        // Last, since it alone has no fixed length.
        code.update(path.as_bytes());
        code.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proof_holds_for_its_revision_path_digest_database_and_key_alone() {
        let key = |byte| ProofKey::of([byte; 32]);
        let database = Uuid::from_u128(1);
        let prover = Prover::new(key(1), database);
        let proof = prover.prove(Revision(7), "/1/2", Digest(9));
        assert!(prover.proves(&proof, Revision(7), "/1/2"));
        assert!(!prover.proves(&proof, Revision(8), "/1/2"));
        assert!(!prover.proves(&proof, Revision(7), "/1/3"));
        assert!(!prover.proves(&CursorProof { digest: Digest(8), ..proof }, Revision(7), "/1/2"));
        assert!(!Prover::new(key(2), database).proves(&proof, Revision(7), "/1/2"));
        assert!(!Prover::new(key(1), Uuid::from_u128(2)).proves(&proof, Revision(7), "/1/2"));
        assert_ne!(prover.mark(), Prover::new(key(2), database).mark());
    }
}
