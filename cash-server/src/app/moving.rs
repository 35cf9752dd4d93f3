//! Where this server is, told to a till that asks at an address whether that is it.

use super::App;
use super::error::AppError;
use crate::exchange::ExchangeError;
use tillway_proto::moving::ADDRESSES_KIND;
use tillway_proto::{Direction, MessageHead, PeerId, TillId};

impl App {
    /// What is answered, with the head that shows whose it is; nothing of it is secret. A till
    /// without a secret could not tell who answers, and is not answered. Blocking.
    pub fn addresses_for(&self, till: &TillId, nonce: &str) -> Result<(MessageHead, Vec<u8>), AppError> {
        let unknown = || AppError::from(ExchangeError::UnknownTill { till: till.clone() });
        let peer = PeerId::from(till.clone());
        self.parts.network.current()?.till(till).ok_or_else(unknown)?;
        let known = self.parts.keys.of(&peer).ok_or_else(unknown)?;
        let body = serde_json::to_vec(&self.parts.addresses.all())
            .map_err(|source| AppError::from(ExchangeError::Message { source }))?;
        Ok((known.key.head(Direction::Answer, &peer, ADDRESSES_KIND, nonce, &body), body))
    }
}
