//! The secret of a peer, and what is derived from it.
//!
//! A peer has one secret, 32 random bytes, which its `cash.ini` holds (`cash.secret`). What it
//! shows to others is derived with BLAKE3's `derive_key`, one context a purpose, so that none of
//! it tells the secret, nor anything of what serves another purpose:
//!
//! | purpose | who keeps it |
//! |---|---|
//! | [`PeerSecret::token`]: bearer token for REST and the sales service | the server keeps its hash |
//! | [`PeerSecret::code_key`]: key of the codes of messages | the server keeps it, usable |
//! | [`PeerSecret::broker_password`]: password of the peer's own login at the broker | the broker and the server keep its hash |
//!
//! The server keeps no secret.

use crate::message_code::CodeKey;
use std::fmt;
use std::str::FromStr;
use uuid::Uuid;

/// Starts the text of every secret, so that one is recognised where it should not be: in a log, in
/// a repository.
const PREFIX: &str = "tws1_";

/// Starts every token that is derived from a secret. Tokens of before, which were random by
/// themselves, start with `tw1_`.
const TOKEN_PREFIX: &str = "tw2_";

/// Starts every password that is derived from a secret.
const PASSWORD_PREFIX: &str = "twb1_";

const NEW_SECRET: &str = "tillway 2026-11-30 a new secret of a peer";
const TOKEN: &str = "tillway 2026-11-30 bearer token of a peer";
const BROKER_PASSWORD: &str = "tillway 2026-11-30 password of a peer at the broker";
const CODE_KEY: &str = "tillway 2026-11-30 key of the codes of a peer's messages";

/// The secret of a peer. Given out once, when it is made.
#[derive(Clone)]
pub struct PeerSecret([u8; 32]);

/// The password of a peer's own login at the broker. `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct BrokerPassword(String);

impl BrokerPassword {
    /// As the broker is told it.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for BrokerPassword {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("BrokerPassword(…)")
    }
}

/// A text that is no secret. It does not say which text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not the secret of a peer: expected `{PREFIX}` and 64 hex digits")]
pub struct SecretError;

impl PeerSecret {
    /// A new one: 244 random bits, spread over 32 bytes.
    pub fn generate() -> Self {
        let mut random = [0; 32];
        random[..16].copy_from_slice(Uuid::new_v4().as_bytes());
        random[16..].copy_from_slice(Uuid::new_v4().as_bytes());
        Self(blake3::derive_key(NEW_SECRET, &random))
    }

    /// The text that goes into the peer's settings: `tws1_` and 64 hex digits.
    pub fn to_text(&self) -> String {
        format!("{PREFIX}{}", blake3::Hash::from_bytes(self.0).to_hex())
    }

    /// The bearer token for REST and the sales service.
    pub fn token(&self) -> String {
        format!("{TOKEN_PREFIX}{}", blake3::Hash::from_bytes(blake3::derive_key(TOKEN, &self.0)).to_hex())
    }

    /// The password of its own login at the broker.
    pub fn broker_password(&self) -> BrokerPassword {
        let hash = blake3::Hash::from_bytes(blake3::derive_key(BROKER_PASSWORD, &self.0));
        BrokerPassword(format!("{PASSWORD_PREFIX}{}", hash.to_hex()))
    }

    /// The key of the codes of messages from and to this peer.
    pub fn code_key(&self) -> CodeKey {
        CodeKey::from_bytes(blake3::derive_key(CODE_KEY, &self.0))
    }
}

impl FromStr for PeerSecret {
    type Err = SecretError;

    fn from_str(text: &str) -> Result<Self, SecretError> {
        let digits = text.strip_prefix(PREFIX).ok_or(SecretError)?;
        blake3::Hash::from_hex(digits).map(|bytes| Self(*bytes.as_bytes())).map_err(|_| SecretError)
    }
}

impl PartialEq for PeerSecret {
    /// In a time that tells nothing, as `blake3::Hash` compares.
    fn eq(&self, other: &Self) -> bool {
        blake3::Hash::from_bytes(self.0) == blake3::Hash::from_bytes(other.0)
    }
}

impl Eq for PeerSecret {}

impl fmt::Debug for PeerSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PeerSecret(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn a_secret_reads_back_and_is_told_by_nothing_else() {
        let secret = PeerSecret::generate();
        let text = secret.to_text();
        assert_eq!(text.parse(), Ok(secret.clone()));
        assert!(!format!("{secret:?}").contains(&text[PREFIX.len()..]));
        assert_ne!(secret, PeerSecret::generate());
        for wrong in ["", "tws1_", &text[..text.len() - 1], &text[1..], &format!("{text}0"), &secret.token()] {
            assert_eq!(wrong.parse::<PeerSecret>(), Err(SecretError), "{wrong}");
        }
    }

    /// Both sides derive the same, in every version: what is derived never changes.
    #[test]
    fn what_is_derived_stays_as_it_is() {
        let secret: PeerSecret = format!("{PREFIX}{}", "01".repeat(32)).parse().unwrap();
        let password = secret.broker_password();
        assert!(!format!("{password:?}").contains("twb1"));
        let derived = [secret.token(), secret.code_key().to_text(), password.as_str().to_owned()];
        assert_eq!(
            derived,
            [
                "tw2_185baa439820c8d0196300492cceb9ae93008ad531fe8adacb2610179970dc5d".to_owned(),
                "22ee69be6847c096ede5461f395c174107e7c14f3ecbe50258735c79d3396456".to_owned(),
                "twb1_25b499bf3cf4deaaf5fc015520ad373dba2f90968376c4feb228b733feb90757".to_owned()
            ]
        );
        let others: HashSet<String> = derived.into_iter().chain([secret.to_text()]).collect();
        assert_eq!(others.len(), 4);
    }
}
