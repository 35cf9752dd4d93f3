//! What is shown to be let in without a password: tokens of sessions, links and keys.

use super::PeopleError;
use ring::rand::{SecureRandom as _, SystemRandom};
use std::fmt;

/// Bytes of a secret: nobody guesses 256 bits.
const SECRET_BYTES: usize = 32;

/// What keys begin with, so that one that got lost is known for what it is.
pub const KEY_PREFIX: &str = "twk_";

/// Letters of a secret: base 64 for addresses, without a crate of its own.
const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

/// What hashes of secrets are made for.
const PURPOSE: &str = "tillway 2026-12-01 hash of a secret that lets somebody in";

/// A secret that was made just now. It is told once.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

/// What is kept of a secret. With 256 random bits in it a fast hash is as good as a slow one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SecretHash([u8; 32]);

impl Secret {
    /// A new one that begins so.
    pub fn generate(prefix: &str) -> Result<Self, PeopleError> {
        let bytes: [u8; SECRET_BYTES] = random()?;
        let mut text = prefix.to_owned();
        for three in bytes.chunks(3) {
            let number =
                three.iter().fold(0_usize, |number, byte| number << 8 | usize::from(*byte)) << (8 * (3 - three.len()));
            let letters = [18, 12, 6, 0].map(|shift| char::from(LETTERS[number >> shift & 63]));
            text.extend(&letters[..=three.len()]);
        }
        Ok(Self(text))
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> SecretHash {
        SecretHash::of(&self.0)
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret")
    }
}

impl SecretHash {
    /// Of a text that somebody shows.
    pub fn of(text: &str) -> Self {
        Self(blake3::derive_key(PURPOSE, text.as_bytes()))
    }

    /// As it was kept.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// To keep it.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], PeopleError> {
    let mut bytes = [0; N];
    let filled = SystemRandom::new().fill(&mut bytes);
    filled.map_err(|_| PeopleError::PasswordNotHashed { detail: "no random numbers".to_owned() })?;
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn secrets_are_long_differ_and_tell_nothing_of_themselves() {
        let made: BTreeSet<String> = (0..100).map(|_| Secret::generate("twk_").unwrap().0).collect();
        assert_eq!(made.len(), 100);
        for text in &made {
            let own = text.strip_prefix("twk_").unwrap();
            assert!(own.len() == 43 && own.bytes().all(|byte| LETTERS.contains(&byte)), "{text}");
        }
        let secret = Secret::generate("").unwrap();
        assert!(!format!("{secret:?}").contains(secret.as_str()));
        assert_eq!(SecretHash::of(secret.as_str()), secret.hash());
        assert_ne!(SecretHash::of("x"), secret.hash());
    }
}
