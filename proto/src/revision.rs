//! Revisions, and the digests that prove that two sides hold the same rows.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// A state of the server's dictionaries: a number that only grows, one sequence for the whole
/// server. 0 is the empty state before the first load.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Revision(pub u64);

impl Revision {
    /// The empty state, before the first load.
    pub const ZERO: Self = Self(0);

    /// The revision that follows.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Revision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// A load as the back office and the report know it: one batch handed to one layer. Counts from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LoadId(pub i64);

impl fmt::Display for LoadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// One package on its way to one till.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DeliveryId(pub Uuid);

impl DeliveryId {
    /// A new one; ids made later sort later.
    #[must_use]
    pub fn generate() -> Self {
        Self(Uuid::now_v7())
    }
}

impl fmt::Display for DeliveryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// The 128-bit hash (XXH3) of one canonical row, kind and key included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RowHash(pub u128);

impl RowHash {
    /// Sixteen bytes, big-endian, as stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From sixteen stored bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

/// The order-free digest of a set of rows: the sum of their hashes, modulo 2^128. Rows can be
/// added to it and taken out of it, so it is kept up to date at the cost of what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(pub u128);

impl Digest {
    /// The digest of no rows.
    pub const EMPTY: Self = Self(0);

    /// Puts a row in.
    pub fn add(&mut self, row: RowHash) {
        self.0 = self.0.wrapping_add(row.0);
    }

    /// Takes a row out.
    pub fn remove(&mut self, row: RowHash) {
        self.0 = self.0.wrapping_sub(row.0);
    }

    /// Sixteen bytes, big-endian, as stored.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_be_bytes()
    }

    /// From sixteen stored bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(u128::from_be_bytes(bytes))
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// A text that is not what it should be a name or a digest of.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not {digits} hex digits")]
pub struct HexError {
    text: String,
    digits: usize,
}

impl FromStr for Digest {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let wrong = || HexError { text: text.to_owned(), digits: 32 };
        if text.len() != 32 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(wrong());
        }
        u128::from_str_radix(text, 16).map(Self).map_err(|_| wrong())
    }
}

impl TryFrom<String> for Digest {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

/// What speaks for a cursor: the digest that the package promised which led there, and a code of
/// the server over it. Only the server that made it can check it. 96 hex digits: first the digest,
/// then the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CursorProof {
    /// The digest of the state that the package leads to.
    pub digest: Digest,
    /// The server's code.
    pub code: [u8; 32],
}

impl fmt::Display for CursorProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.digest, PackageName::from_hash(self.code))
    }
}

impl FromStr for CursorProof {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let wrong = || HexError { text: text.chars().take(96).collect(), digits: 96 };
        if text.len() != 96 || !text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            return Err(wrong());
        }
        let digest = text[..32].parse().map_err(|_| wrong())?;
        let mut code = [0; 32];
        for (byte, at) in code.iter_mut().zip((32..).step_by(2)) {
            *byte = u8::from_str_radix(&text[at..at + 2], 16).map_err(|_| wrong())?;
        }
        Ok(Self { digest, code })
    }
}

impl TryFrom<String> for CursorProof {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        text.parse()
    }
}

impl From<CursorProof> for String {
    fn from(proof: CursorProof) -> Self {
        proof.to_string()
    }
}

/// The name of a package: the BLAKE3 hash of the whole file, 64 hex digits.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PackageName(String);

impl PackageName {
    /// From the 32 bytes of the hash.
    pub fn from_hash(hash: [u8; 32]) -> Self {
        use fmt::Write as _;
        Self(hash.iter().fold(String::with_capacity(64), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        }))
    }

    /// The 64 hex digits.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first twelve digits, enough for people and logs.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }

    /// The name of the file in the package store: `<name>.twp`.
    pub fn file_name(&self) -> String {
        format!("{}.twp", self.0)
    }
}

impl FromStr for PackageName {
    type Err = HexError;

    fn from_str(text: &str) -> Result<Self, HexError> {
        let hex = text.len() == 64 && text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if hex { Ok(Self(text.to_owned())) } else { Err(HexError { text: text.to_owned(), digits: 64 }) }
    }
}

impl TryFrom<String> for PackageName {
    type Error = HexError;

    fn try_from(text: String) -> Result<Self, HexError> {
        text.parse()
    }
}

impl From<PackageName> for String {
    fn from(name: PackageName) -> Self {
        name.0
    }
}

impl fmt::Display for PackageName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_does_not_depend_on_order_and_forgets_what_is_taken_out() {
        let rows = [RowHash(u128::MAX), RowHash(17), RowHash(1 << 100)];
        let mut forward = Digest::EMPTY;
        for row in rows {
            forward.add(row);
        }
        let mut backward = Digest::EMPTY;
        for row in rows.iter().rev() {
            backward.add(*row);
        }
        assert_eq!(forward, backward);
        forward.remove(rows[0]);
        forward.remove(rows[2]);
        assert_eq!(forward, Digest(17));
    }

    #[test]
    fn names_and_digests_read_back() {
        let name = PackageName::from_hash([0xab; 32]);
        assert_eq!(name.as_str().parse::<PackageName>().unwrap(), name);
        assert!("../../etc/passwd".parse::<PackageName>().is_err());
        let digest = Digest(0x00ff);
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
        let proof = CursorProof { digest, code: [0xab; 32] };
        assert_eq!(proof.to_string().parse::<CursorProof>().unwrap(), proof);
        assert!("ä".repeat(48).parse::<CursorProof>().is_err());
    }
}
