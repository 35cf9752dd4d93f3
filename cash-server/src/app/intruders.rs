//! What the server notes of requests that it refused: whoever showed a till's token, a token that
//! is nobody's, or a wrong password.

use super::App;
use super::error::AppError;
use jiff::Timestamp;
use std::net::IpAddr;
use tillway_proto::TillId;

/// What was asked for by somebody who was refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// What this till alone may ask.
    OfTill(TillId),
    /// What administrators alone may ask.
    OfAdministrator,
    /// What there is not, or not so.
    OutOfPlace,
}

impl App {
    /// Somebody who showed this token was refused. Blocking.
    pub fn refused_token(&self, token: &str, asked: &Asked, from: Option<IpAddr>) -> Result<(), AppError> {
        let network = self.parts.network.current()?;
        let intruders = &self.parts.intruders;
        let address = from.map_or_else(|| "an unknown address".to_owned(), |from| from.to_string());
        match (network.till_of_token(token), asked) {
            (Some(own), Asked::OfTill(named)) if own != named => {
                intruders.in_others_name(own, named.as_str(), &address);
            }
            (Some(own), Asked::OfAdministrator) => intruders.at_administration(own, &address),
            (Some(own), _) => intruders.out_of_place(own, &address),
            (None, Asked::OfTill(named)) if network.till(named).is_some() => intruders.wrong_token(named, &address),
            (None, _) => self.refused_password(from),
        }
        Ok(())
    }

    /// Somebody came with a wrong password, or with a token that is nobody's.
    pub fn refused_password(&self, from: Option<IpAddr>) {
        self.parts.passwords.note(from, Timestamp::now());
    }
}
