//! How a server that moves is followed: what it announces with its commands, and how whoever is at
//! an address proves that he is the server.
//!
//! A till asks `GET /api/v1/tills/<id>/addresses?nonce=<text>` without showing anything. The
//! answer is a JSON object with keys of `cash.ini` and the values that a till of this server has
//! there, and the header `tillway-code`: a [code](crate::message_code) with the direction
//! *answer*, the kind [`ADDRESSES_KIND`] and the nonce as id, over the body. Only who has the key
//! of the till's messages can make it, and for that nonce.

use crate::id::PeerId;
use serde::{Deserialize, Serialize};

/// The kind of the answer.
pub const ADDRESSES_KIND: &str = "addresses";

/// Longest nonce that is answered.
pub const MAX_NONCE_CHARS: usize = 64;

/// Where a peer asks for the addresses.
pub fn addresses_path(peer: &PeerId) -> String {
    format!("/api/v1/tills/{peer}/addresses")
}

/// Where the server will be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Coming {
    /// Host of REST there.
    pub host: String,
    /// Port of REST there.
    pub port: u16,
    /// Host of the broker, as tills of this server have it now. Where a till has another one, its
    /// site has set it, and it stays.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub broker_host: Option<String>,
    /// Port of the broker, in the same way.
    pub broker_port: u16,
}
