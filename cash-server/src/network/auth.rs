//! Tills show their token to whatever serves them.

use super::{Network, NetworkService};
use std::error::Error;
use std::fmt::{self, Debug};
use tillway_proto::{NodeId, ShopId, TillId};

/// Checks a till's token. Blocking.
pub trait TillAuth: Debug + Send + Sync + 'static {
    /// The shop the till stands in now, where the token is this till's.
    fn authenticate(&self, till: &TillId, token: &str) -> Result<ShopId, AuthError>;

    /// The till whose token this is, and the shop it stands in now.
    fn till_of(&self, token: &str) -> Result<(TillId, ShopId), AuthError>;
}

/// Why a till is not served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No such till here, or it was removed.
    #[error("this server has no till of this id: is it attached to another server, or was it removed?")]
    UnknownTill,
    /// The token is not this till's.
    #[error(
        "the token is not this till's: `cash-server till settings <till> --new-secret` makes a new secret for its cash.ini"
    )]
    WrongToken,
    /// It cannot be told now.
    #[error("the server cannot check tokens now: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
}

impl AuthError {
    fn unavailable(error: &dyn Error) -> Self {
        Self::Unavailable { reason: crate::error_chain(error) }
    }
}

impl Debug for NetworkService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("NetworkService").finish_non_exhaustive()
    }
}

impl TillAuth for NetworkService {
    fn authenticate(&self, till: &TillId, token: &str) -> Result<ShopId, AuthError> {
        let network = self.current().map_err(|error| AuthError::unavailable(&error))?;
        let shop = shop_of(&network, till)?;
        if network.verify_token(till, token) { Ok(shop) } else { Err(AuthError::WrongToken) }
    }

    fn till_of(&self, token: &str) -> Result<(TillId, ShopId), AuthError> {
        let network = self.current().map_err(|error| AuthError::unavailable(&error))?;
        let till = network.till_of_token(token).ok_or(AuthError::WrongToken)?;
        Ok((till.clone(), shop_of(&network, till)?))
    }
}

fn shop_of(network: &Network, till: &TillId) -> Result<ShopId, AuthError> {
    match network.shop_of(till).map(|shop| &shop.id) {
        Some(NodeId::Shop(shop)) => Ok(shop.clone()),
        _ => Err(AuthError::UnknownTill),
    }
}
