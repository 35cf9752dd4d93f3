//! Attaching a peer with a code: how the code looks, how each side proves to the other that it
//! knows it, and what they say to each other.
//!
//! **The code** is 100 random bits, written as four groups of five symbols of Crockford's base32
//! (`0`–`9`, `A`–`Z` without `I`, `L`, `O`, `U`): `7ZQK4-…`. The first four symbols are its name,
//! 20 bits, by which the server finds it; the other sixteen its secret, 80 bits, which never
//! crosses the network and which the server does not keep. It is read as people type it: in any
//! case, with blanks and dashes anywhere, `O` for `0`, `I` and `L` for `1`, and Cyrillic letters
//! for the Latin ones that look the same.
//!
//! **The key** of the proofs is BLAKE3's `derive_key` of the ten bytes of the secret. The server
//! keeps it as long as it keeps the code.
//!
//! **A proof** is BLAKE3, keyed with it, over 38 bytes: the version (1), the side (1: the server
//! proves, 2: the peer proves), the four symbols of the name, and the 32 bytes that TLS exports
//! of the very connection ([`EXPORTER`]). So a proof is of no use on another connection, nor in
//! the other direction: who stands between two connections can pass none on.
//!
//! **What they say**, on one connection of TLS 1.3, as JSON over HTTP:
//!
//! 1. `POST` [`HELLO_PATH`] with a [`Hello`]: the name of the code. The server answers with a
//!    [`Welcome`], which holds its proof. To a name that it does not know it gives one that fits
//!    no code, so a caller without a code learns nothing.
//! 2. `POST` [`ATTACH_PATH`] with a [`Claim`]: the peer's proof. The server answers with all that
//!    the peer needs, an [`Attached`].
//!
//! Vectors that another program can compute stand in the tests, and are computed anew by
//! `tests/tests/strangers/attach_proof.py`.

use crate::cash_ini::Properties;
use crate::id::{PeerId, TillId};
use crate::revision::Revision;
use crate::secret::PeerSecret;
use crate::version::Version;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Version of codes, proofs and messages.
pub const ATTACH_VERSION: u8 = 1;

/// The label under which both sides have TLS export 32 bytes of their connection.
pub const EXPORTER: &str = "EXPORTER-tillway-attach";

/// Where the peer names its code.
pub const HELLO_PATH: &str = "/api/v1/attach/hello";

/// Where the peer proves that it knows it.
pub const ATTACH_PATH: &str = "/api/v1/attach";

const NEW_CODE: &str = "tillway 2026-11-30 a new code to attach a peer";
const PROOF_KEY: &str = "tillway 2026-11-30 key of the proofs of a code to attach a peer";

/// Crockford's symbols, in the order of their values.
const SYMBOLS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/// Cyrillic capitals and the Latin ones that look the same.
const LOOK_ALIKES: [(char, char); 12] = [
    ('А', 'A'),
    ('В', 'B'),
    ('Е', 'E'),
    ('К', 'K'),
    ('М', 'M'),
    ('Н', 'H'),
    ('О', 'O'),
    ('Р', 'P'),
    ('С', 'C'),
    ('Т', 'T'),
    ('У', 'Y'),
    ('Х', 'X'),
];

const BITS_PER_SYMBOL: u32 = 5;
const NAME_SYMBOLS: usize = 4;
const SECRET_SYMBOLS: usize = 16;
const CODE_SYMBOLS: usize = NAME_SYMBOLS + SECRET_SYMBOLS;
const GROUP_SYMBOLS: usize = 5;
const SECRET_BYTES: usize = 10;

/// The public part of a code: the server finds it by this, and people may speak of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CodeName(u32);

/// The secret part of a code.
#[derive(Clone, Copy)]
pub struct CodeSecret([u8; SECRET_BYTES]);

/// A code, as a person is given it. Shown once.
#[derive(Debug, Clone, Copy)]
pub struct AttachCode {
    /// Its name.
    pub name: CodeName,
    /// Its secret.
    pub secret: CodeSecret,
}

/// A text that is no code. It says nothing of the code but how it is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AttachCodeError {
    /// Too short or too long.
    #[error("a code has {CODE_SYMBOLS} letters and digits, in four groups of five; this one has {symbols}")]
    Length {
        /// How many it has.
        symbols: usize,
    },
    /// Something that no code has.
    #[error("`{symbol}` is in no code: it has digits and Latin letters without U")]
    Symbol {
        /// What was read.
        symbol: char,
    },
    /// A name has another length.
    #[error("the name of a code is its first {NAME_SYMBOLS} letters and digits")]
    Name,
}

impl AttachCode {
    /// A new one, of 100 random bits.
    pub fn generate() -> Self {
        let mut random = [0; 32];
        random[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        random[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self::of_bytes(&blake3::derive_key(NEW_CODE, &random))
    }

    fn of_bytes(bytes: &[u8; 32]) -> Self {
        let mut secret = [0; SECRET_BYTES];
        secret.copy_from_slice(&bytes[..SECRET_BYTES]);
        let [.., high, middle, low] = *bytes;
        let name = u32::from_be_bytes([0, high, middle, low]) >> (24 - BITS_PER_SYMBOL * 4);
        Self { name: CodeName(name), secret: CodeSecret(secret) }
    }
}

impl FromStr for AttachCode {
    type Err = AttachCodeError;

    fn from_str(text: &str) -> Result<Self, AttachCodeError> {
        let values = values(text)?;
        if values.len() != CODE_SYMBOLS {
            return Err(AttachCodeError::Length { symbols: values.len() });
        }
        let (name, secret) = values.split_at(NAME_SYMBOLS);
        let bits = secret.iter().fold(0_u128, |bits, value| bits << BITS_PER_SYMBOL | u128::from(*value));
        let mut bytes = [0; SECRET_BYTES];
        bytes.copy_from_slice(&bits.to_be_bytes()[16 - SECRET_BYTES..]);
        Ok(Self { name: CodeName::of_values(name), secret: CodeSecret(bytes) })
    }
}

/// In four groups of five.
impl fmt::Display for AttachCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut padded = [0; 16];
        padded[16 - SECRET_BYTES..].copy_from_slice(&self.secret.0);
        let symbols = self.name.to_string() + &written(u128::from_be_bytes(padded), SECRET_SYMBOLS);
        for (at, symbol) in symbols.char_indices() {
            let dash = if at > 0 && at.is_multiple_of(GROUP_SYMBOLS) { "-" } else { "" };
            write!(f, "{dash}{symbol}")?;
        }
        Ok(())
    }
}

impl CodeName {
    /// As a number of 20 bits.
    pub fn number(self) -> u32 {
        self.0
    }

    /// From what [`number`](Self::number) gave.
    pub fn of_number(number: u32) -> Option<Self> {
        (number < 1 << (BITS_PER_SYMBOL * 4)).then_some(Self(number))
    }

    fn of_values(values: &[u8]) -> Self {
        Self(values.iter().fold(0, |bits, value| bits << BITS_PER_SYMBOL | u32::from(*value)))
    }
}

impl FromStr for CodeName {
    type Err = AttachCodeError;

    fn from_str(text: &str) -> Result<Self, AttachCodeError> {
        let values = values(text)?;
        if values.len() == NAME_SYMBOLS { Ok(Self::of_values(&values)) } else { Err(AttachCodeError::Name) }
    }
}

impl TryFrom<String> for CodeName {
    type Error = AttachCodeError;

    fn try_from(text: String) -> Result<Self, AttachCodeError> {
        text.parse()
    }
}

impl From<CodeName> for String {
    fn from(name: CodeName) -> Self {
        name.to_string()
    }
}

impl fmt::Display for CodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&written(self.0.into(), NAME_SYMBOLS))
    }
}

impl fmt::Debug for CodeSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("CodeSecret(…)")
    }
}

/// The values of the symbols of a text, as a person typed it.
fn values(text: &str) -> Result<Vec<u8>, AttachCodeError> {
    let symbols = text.chars().filter(|c| !c.is_whitespace() && !matches!(c, '-' | '‐' | '‑' | '–' | '—' | '_' | '.'));
    symbols.map(value).collect()
}

fn value(symbol: char) -> Result<u8, AttachCodeError> {
    let capital = symbol.to_uppercase().next().unwrap_or(symbol);
    let latin = LOOK_ALIKES.iter().find(|(cyrillic, _)| *cyrillic == capital).map_or(capital, |(_, latin)| *latin);
    let meant = match latin {
        'O' => '0',
        'I' | 'L' => '1',
        other => other,
    };
    let at = SYMBOLS.iter().position(|symbol| char::from(*symbol) == meant);
    at.and_then(|at| u8::try_from(at).ok()).ok_or(AttachCodeError::Symbol { symbol })
}

/// The lowest bits as so many symbols.
fn written(bits: u128, symbols: usize) -> String {
    let symbol = |at: usize| {
        let value = bits >> (BITS_PER_SYMBOL as usize * (symbols - 1 - at)) & 0b11111;
        char::from(SYMBOLS[usize::try_from(value).unwrap_or_default()])
    };
    (0..symbols).map(symbol).collect()
}

/// Who proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// The server, first.
    Server,
    /// The peer.
    Peer,
}

/// The key of the proofs of one code: who has it can prove to know the code.
#[derive(Clone, Copy)]
pub struct ProofKey([u8; 32]);

impl ProofKey {
    /// Of a code's secret.
    pub fn of(secret: &CodeSecret) -> Self {
        Self(blake3::derive_key(PROOF_KEY, &secret.0))
    }

    /// As it is stored.
    pub fn to_bytes(self) -> [u8; 32] {
        self.0
    }

    /// From what was stored.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// What `side` shows on the connection that exports `binding`.
    pub fn prove(&self, side: Side, name: CodeName, binding: &[u8; 32]) -> Proof {
        let side = match side {
            Side::Server => 1,
            Side::Peer => 2,
        };
        let mut hasher = blake3::Hasher::new_keyed(&self.0);
        hasher.update(&[ATTACH_VERSION, side]);
        hasher.update(name.to_string().as_bytes());
        hasher.update(binding);
        Proof(hasher.finalize())
    }
}

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProofKey(…)")
    }
}

/// What shows that its maker knows a code. Compares in a time that tells nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Proof(blake3::Hash);

impl Serialize for Proof {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(&self.0.to_hex())
    }
}

impl<'de> Deserialize<'de> for Proof {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hash(deserializer).map(Self)
    }
}

fn hash<'de, D: Deserializer<'de>>(deserializer: D) -> Result<blake3::Hash, D::Error> {
    let text = String::deserialize(deserializer)?;
    blake3::Hash::from_hex(&text).map_err(serde::de::Error::custom)
}

/// Made by a peer for one use of one code, and told to the server alone: who repeats it after a
/// lost answer is that same peer.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Attempt(blake3::Hash);

impl Attempt {
    /// A new one.
    pub fn generate() -> Self {
        let mut hasher = blake3::Hasher::new();
        hasher.update(Uuid::new_v4().as_bytes()).update(Uuid::new_v4().as_bytes());
        Self(hasher.finalize())
    }

    /// What the server keeps of it.
    pub fn mark(&self) -> [u8; 32] {
        *blake3::hash(self.0.as_bytes()).as_bytes()
    }

    /// As the peer keeps it.
    pub fn to_text(&self) -> String {
        self.0.to_hex().to_string()
    }

    /// From what the peer kept.
    pub fn of_text(text: &str) -> Option<Self> {
        blake3::Hash::from_hex(text).ok().map(Self)
    }
}

impl fmt::Debug for Attempt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Attempt(…)")
    }
}

impl Serialize for Attempt {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_text())
    }
}

impl<'de> Deserialize<'de> for Attempt {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        hash(deserializer).map(Self)
    }
}

/// What the peer says first.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Hello {
    /// The protocol that it speaks after it is attached.
    pub protocol: u32,
    /// Its version.
    pub version: Version,
    /// Which code it has.
    pub code: CodeName,
}

/// What the server answers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Welcome {
    /// The protocol that it speaks.
    pub protocol: u32,
    /// Its version.
    pub version: Version,
    /// That it knows the code.
    pub proof: Proof,
}

/// What the peer says then.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Claim {
    /// Which code.
    pub code: CodeName,
    /// That it knows the code.
    pub proof: Proof,
    /// This use of the code.
    pub attempt: Attempt,
    /// Which till it is by its `cash.ini`, where it has one: a code of another till is refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub till: Option<TillId>,
}

/// All that a peer leaves with. It has no `Debug`: it is made of secrets.
#[derive(Clone, Serialize, Deserialize)]
pub struct Attached {
    /// Who it is.
    pub peer: PeerId,
    /// Its secret.
    #[serde(with = "secret_as_text")]
    pub secret: PeerSecret,
    /// The authorities whose certificates it trusts from now on, PEM.
    pub authorities: String,
    /// The password of its user at the broker; none: the server does not know it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_password: Option<String>,
    /// Its settings, without the secret. A host that is empty is the one where it found the
    /// server.
    pub settings: Properties,
    /// The revision of dictionaries that waits for it; 0: none yet.
    pub revision: Revision,
}

mod secret_as_text {
    use super::{Deserialize, Deserializer, PeerSecret, Serializer};

    pub(super) fn serialize<S: Serializer>(secret: &PeerSecret, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&secret.to_text())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<PeerSecret, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests;
