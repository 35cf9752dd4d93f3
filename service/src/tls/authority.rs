//! The authority: makes itself, and signs.

use super::AuthorityState;
use super::certificate::{Certificate, Fingerprint};
use super::decide::Lives;
use super::names::Names;
use jiff::{SignedDuration, Timestamp};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, Error, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, PublicKeyData as _, SerialNumber, date_time_ymd,
};
use std::time::Duration;
use uuid::Uuid;

/// Longest text that the standard allows for a part of a name.
const MAX_NAME_CHARS: usize = 64;

/// Authorities that may stand between this one and a certificate: one, of a service below.
const AUTHORITIES_BELOW: u8 = 1;

/// An authority, with its key where it still signs.
#[derive(Debug)]
pub(super) struct Authority {
    pub(super) certificate: Certificate,
    pub(super) key: Option<KeyPair>,
}

impl Authority {
    /// A new one.
    pub(super) fn make(issuer: &str, now: Timestamp, lives: &Lives) -> Result<Self, Error> {
        let key = KeyPair::generate()?;
        let mut params = params(now, lives.authority, now + lives.authority, lives);
        // So that two authorities never have one name.
        let mark = Fingerprint::of(&key.subject_public_key_info()).to_string();
        let common = format!("Tillway authority {}", &mark[..16]);
        params.distinguished_name.push(DnType::CommonName, common);
        params
            .distinguished_name
            .push(DnType::OrganizationName, issuer.chars().take(MAX_NAME_CHARS).collect::<String>());
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(AUTHORITIES_BELOW));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let made = params.self_signed(&key)?;
        Ok(Self { certificate: read(&made)?, key: Some(key) })
    }

    /// A certificate for whoever has this key and is reached by these names.
    pub(super) fn sign(
        &self,
        key: &KeyPair,
        names: &Names,
        now: Timestamp,
        lives: &Lives,
    ) -> Result<Certificate, Error> {
        let signing = self.key.as_ref().ok_or(Error::CouldNotParseKeyPair)?;
        let issuer = Issuer::from_ca_cert_der(&self.certificate.der, signing)?;
        let mut params = params(now, lives.certificate, self.certificate.validity.until, lives);
        params.subject_alt_names =
            CertificateParams::new(names.iter().map(str::to_owned).collect::<Vec<_>>())?.subject_alt_names;
        params.distinguished_name.push(DnType::CommonName, "Tillway");
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        params.use_authority_key_identifier_extension = true;
        read(&params.signed_by(key, &issuer)?)
    }

    pub(super) fn state(&self) -> AuthorityState {
        let Certificate { pem, validity, .. } = &self.certificate;
        AuthorityState { fingerprint: self.certificate.fingerprint(), validity: *validity, pem: pem.clone() }
    }
}

fn params(now: Timestamp, life: SignedDuration, at_most: Timestamp, lives: &Lives) -> CertificateParams {
    let time = |at: Timestamp| {
        let seconds = Duration::from_secs(u64::try_from(at.as_second()).unwrap_or_default());
        date_time_ymd(1970, 1, 1) + seconds
    };
    let mut params = CertificateParams::default();
    params.not_before = time(now - lives.backdated);
    params.not_after = time((now + life).min(at_most));
    // A key keeps its certificates' numbers apart.
    params.serial_number = Some(SerialNumber::from_slice(Uuid::new_v4().as_bytes()));
    params.distinguished_name = DistinguishedName::new();
    params
}

fn read(made: &rcgen::Certificate) -> Result<Certificate, Error> {
    Certificate::from_der(made.der().clone(), made.pem()).ok_or(Error::CouldNotParseCertificate)
}
