//! The hash of a password as RabbitMQ keeps it: four random bytes, then the SHA-256 of these and
//! the password; as text in base64 ("Passwords" in RabbitMQ's manual,
//! `rabbit_password_hashing_sha256`).
//!
//! The password is 256 random bits, so nobody finds it from its hash.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest as _, Sha256};
use tillway_proto::BrokerPassword;
use uuid::Uuid;

/// The name of this way to hash at the broker.
pub const ALGORITHM: &str = "rabbit_password_hashing_sha256";

const SALT_BYTES: usize = 4;

/// The hash of a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BrokerPasswordHash([u8; SALT_BYTES + 32]);

impl BrokerPasswordHash {
    /// With random bytes of its own.
    pub fn of(password: &BrokerPassword) -> Self {
        let mut salt = [0; SALT_BYTES];
        salt.copy_from_slice(&Uuid::new_v4().as_bytes()[..SALT_BYTES]);
        Self::with(salt, password.as_str())
    }

    fn with(salt: [u8; SALT_BYTES], password: &str) -> Self {
        let mut bytes = [0; SALT_BYTES + 32];
        bytes[..SALT_BYTES].copy_from_slice(&salt);
        bytes[SALT_BYTES..].copy_from_slice(&Sha256::new().chain_update(salt).chain_update(password).finalize());
        Self(bytes)
    }

    /// As the broker has it.
    pub fn to_text(&self) -> String {
        STANDARD.encode(self.0)
    }

    /// The hash of such a text.
    pub fn of_text(text: &str) -> Option<Self> {
        STANDARD.decode(text).ok()?.try_into().ok().map(Self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_the_manual_comes_out_and_reads_back() {
        let hash = BrokerPasswordHash::with([0x90, 0x8d, 0xc6, 0x0a], "test12");
        let text = "kI3GCqW5JLMJa4iX1lo7X4D6XbYqlLgxIs30+P6tENUV2POR";
        assert_eq!((hash.to_text().as_str(), BrokerPasswordHash::of_text(text)), (text, Some(hash)));
        assert_eq!(BrokerPasswordHash::of_text("kI3GCg=="), None);
    }
}
