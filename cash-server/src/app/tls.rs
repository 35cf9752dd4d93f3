//! TLS: which certificates this server shows, for how long, and which ports do without.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use crate::certificates::{LOOK_BELOW_DAYS, OpenPort};
use tillway_service::tls::{AuthorityState, CertificateState};

/// How TLS stands.
#[derive(Debug, Clone)]
pub struct TlsOverview {
    /// The server's certificate first.
    pub certificates: Vec<CertificateLeft>,
    /// The one that signs now first.
    pub authorities: Vec<AuthorityState>,
    /// Ports that other machines may use without TLS.
    pub open_ports: Vec<OpenPort>,
}

/// A certificate with the days that are left of it.
#[derive(Debug, Clone)]
pub struct CertificateLeft {
    /// The certificate.
    pub state: CertificateState,
    /// Whole days; below zero: it has ended.
    pub days: i64,
    /// It is not valid yet: the clock was wrong when it was made, or is wrong now.
    pub is_early: bool,
}

impl CertificateLeft {
    /// Whether a person should look at it.
    pub fn needs_look(&self) -> bool {
        self.is_early || self.days < LOOK_BELOW_DAYS
    }
}

impl Acting {
    /// How TLS stands, now.
    pub fn tls(&self) -> Result<TlsOverview, AppError> {
        self.allow(Act::LookAtServer, Place::Everywhere)?;
        let certificates = &self.parts.certificates;
        let (state, now) = (certificates.state(), certificates.now());
        let left = |state: CertificateState| CertificateLeft {
            days: state.validity.days_left(now),
            is_early: now < state.validity.from,
            state,
        };
        Ok(TlsOverview {
            certificates: state.certificates.into_iter().map(left).collect(),
            authorities: state.authorities,
            open_ports: certificates.open_ports().to_vec(),
        })
    }
}
