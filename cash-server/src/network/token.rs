//! The token of a till: what its agent shows to the server over HTTP and gRPC.

use std::fmt;
use subtle::ConstantTimeEq as _;
use uuid::Uuid;

/// Starts every token, so that one is recognised where it should not be: in a log, in a
/// repository.
const PREFIX: &str = "tw1_";

/// A till's token. Given out once, when it is made; the server keeps its hash.
#[derive(Clone, PartialEq, Eq)]
pub struct TillToken(String);

/// What the server keeps of a token.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct TokenHash([u8; 32]);

impl TillToken {
    /// A new one, 244 random bits.
    pub fn generate() -> Self {
        Self(format!("{PREFIX}{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
    }

    /// The text that goes into the agent's settings.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What the server keeps.
    pub fn hash(&self) -> TokenHash {
        TokenHash::of(&self.0)
    }
}

impl fmt::Debug for TillToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("TillToken(…)")
    }
}

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
