//! Who may send for which till.

use std::fmt::Debug;
use tillway_proto::{ShopId, TillId};

/// Checks a till's token. Blocking.
pub trait TillAuth: Debug + Send + Sync + 'static {
    /// The shop the till stands in now, where the token is this till's.
    fn authenticate(&self, till: &TillId, token: &str) -> Result<ShopId, AuthError>;

    /// The till whose token this is.
    fn till_of(&self, token: &str) -> Result<TillId, AuthError>;
}

/// Why a till may not send.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AuthError {
    /// No such till here, or it was removed.
    #[error("this server has no till of this id: is it attached to another server, or was it removed?")]
    UnknownTill,
    /// The token is not this till's.
    #[error(
        "the token is not this till's: `cash-server till settings <till> --new-token` makes a new one for its cash.ini"
    )]
    WrongToken,
    /// It cannot be told now.
    #[error("the server cannot check tokens now: {reason}")]
    Unavailable {
        /// Why not.
        reason: String,
    },
}
