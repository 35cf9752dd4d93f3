//! Who may fetch a package: the till that it was announced to, while it has its token.

use super::App;
use super::error::AppError;
use crate::network::{Network, TokenHash};
use crate::packages::links::{Links, Pass};
use crate::till_connections::ShownFor;
use jiff::Timestamp;
use std::net::IpAddr;
use tillway_proto::{PackageName, TillId};
use tillway_service::serving::Connection;

/// What somebody asks for, and what he shows.
#[derive(Debug)]
pub struct PackageAsked {
    /// The package.
    pub package: PackageName,
    /// A till's token.
    pub token: Option<String>,
    /// What stands in the link.
    pub pass: Option<Pass>,
}

/// Why a package is not given out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PackageDenied {
    /// No token, or one that is nobody's, and no link that opens it by itself.
    NoToken,
    /// The link is not one that this server made for this till and this package.
    OfAnother,
    /// The link has ended, was made before links named their till, or its till is parked: the till
    /// is told another one where it may have one.
    Over,
}

impl App {
    /// Whether a package is given out over this connection, which ends once that is over.
    /// Blocking.
    pub fn lets_fetch(
        &self,
        asked: &PackageAsked,
        connection: Option<&Connection>,
        from: Option<IpAddr>,
    ) -> Result<Result<(), PackageDenied>, AppError> {
        let admitted = || -> Result<_, AppError> {
            Ok(admit(&*self.parts.network.current()?, &self.parts.links, asked, Timestamp::now()))
        };
        let (till, token) = match admitted()? {
            Ok(admitted) => admitted,
            Err(denied) => {
                // Who shows a token is counted with all others who do.
                if denied == PackageDenied::OfAnother && asked.token.is_none() {
                    self.refused_password(from);
                }
                return Ok(Err(denied));
            }
        };
        if asked.token.is_some() {
            self.parts.intruders.right_token(&till);
        }
        let Some(connection) = connection else { return Ok(Ok(())) };
        self.parts.connections.note(connection, &till, token, ShownFor::Packages);
        // It may have become void before this connection was noted.
        Ok(admitted()?.map(drop))
    }
}

/// The till that gets it, and the token that it has.
fn admit(
    network: &Network,
    links: &Links,
    asked: &PackageAsked,
    now: Timestamp,
) -> Result<(TillId, TokenHash), PackageDenied> {
    let till = match (&asked.token, &asked.pass) {
        (Some(token), _) => network.till_of_token(token).ok_or(PackageDenied::NoToken)?,
        (None, Some(pass)) if pass.until.is_some() => &pass.till,
        (None, _) => return Err(PackageDenied::NoToken),
    };
    let pass = asked.pass.as_ref().ok_or(PackageDenied::Over)?;
    let node = network.till(till).ok_or(PackageDenied::Over)?;
    let token = node.token.ok_or(PackageDenied::Over)?;
    if pass.till != *till || !links.made(pass, &asked.package, &token) {
        return Err(PackageDenied::OfAnother);
    }
    if node.parked || (asked.token.is_none() && pass.is_over(now)) {
        return Err(PackageDenied::Over);
    }
    Ok((till.clone(), token))
}
