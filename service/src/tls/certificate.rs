//! What a certificate says.

use super::names::Names;
use jiff::{SignedDuration, Timestamp};
use rcgen::{KeyPair, PublicKeyData as _};
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// From when to when a certificate is good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Validity {
    /// From then.
    pub from: Timestamp,
    /// Until then.
    pub until: Timestamp,
}

impl Validity {
    /// Whether it is good at this moment.
    pub fn holds_at(self, now: Timestamp) -> bool {
        self.from <= now && now < self.until
    }

    /// Whole days that are left; below zero: it has ended.
    pub fn days_left(self, now: Timestamp) -> i64 {
        self.until.duration_since(now).as_secs().div_euclid(SignedDuration::from_hours(24).as_secs())
    }
}

/// The SHA-256 of a certificate, by which people and programs name it.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Fingerprint(pub [u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of(der: &[u8]) -> Self {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, der).as_ref());
        Self(bytes)
    }
}

/// 64 hex digits.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({self})")
    }
}

/// A certificate, read.
#[derive(Debug, Clone)]
pub(super) struct Certificate {
    pub(super) der: CertificateDer<'static>,
    pub(super) pem: String,
    pub(super) validity: Validity,
    pub(super) names: Names,
    subject: Vec<u8>,
    issuer: Vec<u8>,
    key: Vec<u8>,
}

impl Certificate {
    /// The first one of a text; none where there is none, or where it is damaged.
    pub(super) fn from_pem(text: &str) -> Option<Self> {
        let der = CertificateDer::pem_slice_iter(text.as_bytes()).next()?.ok()?;
        Self::from_der(der, text.to_owned())
    }

    /// `pem`: the same as text.
    pub(super) fn from_der(der: CertificateDer<'static>, pem: String) -> Option<Self> {
        let (_, read) = X509Certificate::from_der(&der).ok()?;
        let time = |seconds| Timestamp::from_second(seconds).ok();
        let validity = Validity {
            from: time(read.validity().not_before.timestamp())?,
            until: time(read.validity().not_after.timestamp())?,
        };
        let names = read.subject_alternative_name().ok()?;
        let names = names.map(|names| Names::of(names.value.general_names.iter().filter_map(name)));
        let (subject, issuer) = (read.subject().as_raw().to_vec(), read.issuer().as_raw().to_vec());
        let key = read.public_key().raw.to_vec();
        Some(Self { names: names.unwrap_or_default(), validity, subject, issuer, key, pem, der })
    }

    pub(super) fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.der)
    }

    pub(super) fn has_key(&self, key: &KeyPair) -> bool {
        self.key == key.subject_public_key_info()
    }

    /// By its name, which holds a part of its key: no other authority has the same.
    pub(super) fn was_signed_by(&self, authority: &Self) -> bool {
        self.issuer == authority.subject
    }
}

fn name(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => <[u8; 4]>::try_from(*bytes)
            .map(|octets| Ipv4Addr::from(octets).to_string())
            .or_else(|_| <[u8; 16]>::try_from(*bytes).map(|octets| Ipv6Addr::from(octets).to_string()))
            .ok(),
        _ => None,
    }
}
