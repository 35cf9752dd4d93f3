//! The token of a till: what its agent shows to the server over HTTP and gRPC. It is derived from
//! the till's secret; those of before were random by themselves.

use std::fmt;
use subtle::ConstantTimeEq as _;

/// What the server keeps of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TokenHash {
    /// The hash of a text that claims to be a token. The token has enough random bits that a fast
    /// hash is right.
    pub fn of(text: &str) -> Self {
        Self(*blake3::hash(text.as_bytes()).as_bytes())
    }

    /// Compares in a time that tells nothing.
    pub fn matches(&self, other: &Self) -> bool {
        self.0.ct_eq(&other.0).into()
    }

    /// As stored.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// From what was stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TokenHash(…)")
    }
}
