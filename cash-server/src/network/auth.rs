//! Tills show their token to the sales-loader.

use super::NetworkService;
use crate::sales::auth::{AuthError, TillAuth};
use std::error::Error;
use std::fmt;
use tillway_proto::{NodeId, ShopId, TillId};

impl fmt::Debug for NetworkService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkService").finish_non_exhaustive()
    }
}

impl TillAuth for NetworkService {
    fn authenticate(&self, till: &TillId, token: &str) -> Result<ShopId, AuthError> {
        let network = self.current().map_err(|error| AuthError::Unavailable { reason: told(&error) })?;
        let Some(NodeId::Shop(shop)) = network.shop_of(till).map(|shop| &shop.id) else {
            return Err(AuthError::UnknownTill);
        };
        if network.verify_token(till, token) { Ok(shop.clone()) } else { Err(AuthError::WrongToken) }
    }

    fn till_of(&self, token: &str) -> Result<TillId, AuthError> {
        let network = self.current().map_err(|error| AuthError::Unavailable { reason: told(&error) })?;
        network.till_of_token(token).cloned().ok_or(AuthError::WrongToken)
    }
}

fn told(error: &dyn Error) -> String {
    error.source().map_or_else(|| error.to_string(), |source| format!("{error}: {}", told(source)))
}
