//! Whom this machine trusts: the authorities of its server.
//!
//! They lie in `trust/authorities.pem` in the data folder, apart from `grpccacertpath` and what
//! else a site has set, which keeps its meaning and wins. They come from whoever attaches the
//! till, or from the server in a message with a right code.
//!
//! Promises: with an authority, nothing that holds a secret goes to another machine but over TLS
//! with a certificate that the authority has signed. Without one all is as it was before.

use super::SettingsError;
use fs_err as fs;
use ring::digest::{SHA256, digest};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use std::fmt::Write as _;
use std::io;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;
use tillway_file_queue::durable;

/// A machine without authorities (no package `ca-certificates`) trusts nobody else over https, and
/// reqwest makes no client there at all, not even for plain addresses.
static HAS_AUTHORITIES: LazyLock<bool> = LazyLock::new(|| {
    crate::install_crypto();
    reqwest::Client::builder().build().is_ok()
});

/// Below the data folder.
const FILE: &str = "trust/authorities.pem";

/// Most authorities that a server can have at one time is three, and those of a site beside them.
const MAX_AUTHORITIES: usize = 16;

/// The authorities of the server; none: it is spoken to as before there was TLS.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Trust {
    pem: String,
    fingerprints: Vec<String>,
}

impl Trust {
    /// Where the authorities lie.
    pub fn file(data: &Path) -> PathBuf {
        data.join(FILE)
    }

    /// What lies below the data folder.
    pub(super) fn read(data: &Path) -> Result<Self, SettingsError> {
        let path = Self::file(data);
        match fs::read_to_string(&path) {
            Ok(text) => Self::of(text).ok_or(SettingsError::Authorities { path }),
            // A data folder that is none is told of by itself, and nothing starts with it.
            Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
                Ok(Self::default())
            }
            Err(source) => Err(SettingsError::File { action: "read", source }),
        }
    }

    /// Of a text of PEM; none where there is nothing in it to trust.
    pub(crate) fn of(pem: String) -> Option<Self> {
        let read = CertificateDer::pem_slice_iter(pem.as_bytes()).collect::<Result<Vec<_>, _>>().ok()?;
        let mut roots = rustls::RootCertStore::empty();
        let are_sound = read.iter().all(|der| roots.add(der.clone()).is_ok());
        let fingerprints = read.iter().map(|der| fingerprint(der)).collect();
        (are_sound && !read.is_empty() && read.len() <= MAX_AUTHORITIES).then_some(Self { pem, fingerprints })
    }

    /// Replaces what lies below the data folder; after a power cut it is the old or the new.
    pub(super) fn write(&self, data: &Path) -> io::Result<()> {
        durable::write_secret(&Self::file(data), &self.pem)
    }

    /// Whether there is any.
    pub fn is_some(&self) -> bool {
        !self.pem.is_empty()
    }

    /// SHA-256 of each, in hex, as reports tell them.
    pub fn fingerprints(&self) -> &[String] {
        &self.fingerprints
    }

    /// All of them.
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// Whether this host is spoken to over TLS. What stays on this machine nobody else hears.
    pub fn asks_tls_of(&self, host: &str) -> bool {
        self.is_some() && !is_this_machine(host)
    }

    /// `https` or `http`.
    pub fn scheme(&self, host: &str) -> &'static str {
        if self.asks_tls_of(host) { "https" } else { "http" }
    }

    /// A client that takes no other authority, and follows no answer elsewhere: for requests that
    /// hold a secret.
    pub fn client(&self) -> Result<reqwest::ClientBuilder, reqwest::Error> {
        let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let alone = self.is_some() || !*HAS_AUTHORITIES;
        Ok(if alone { client.tls_certs_only(self.certificates()?) } else { client })
    }

    /// The same as what else the machine trusts, for requests that hold no secret.
    pub fn beside_others(&self, client: reqwest::ClientBuilder) -> Result<reqwest::ClientBuilder, reqwest::Error> {
        let certificates = self.certificates()?;
        Ok(if *HAS_AUTHORITIES { client.tls_certs_merge(certificates) } else { client.tls_certs_only(certificates) })
    }

    fn certificates(&self) -> Result<Vec<reqwest::Certificate>, reqwest::Error> {
        if self.is_some() { reqwest::Certificate::from_pem_bundle(self.pem.as_bytes()) } else { Ok(Vec::new()) }
    }
}

fn fingerprint(der: &[u8]) -> String {
    let mut text = String::new();
    for byte in digest(&SHA256, der).as_ref() {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// Whether a host is this machine itself.
pub(crate) fn is_this_machine(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(address) => address.to_canonical().is_loopback(),
        Err(_) => host.trim_end_matches('.').eq_ignore_ascii_case("localhost"),
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use rcgen::{BasicConstraints, CertificateParams, IsCa, KeyPair};
    use std::sync::LazyLock;

    /// One that is the same in the whole run, as PEM.
    pub(crate) static AUTHORITY: LazyLock<String> = LazyLock::new(authority);

    /// An authority, as PEM.
    pub(crate) fn authority() -> String {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().pem()
    }

    #[test]
    fn a_till_that_trusts_speaks_tls_to_all_but_its_own_machine() {
        let trust = Trust::of(authority()).unwrap();
        for host in ["10.0.0.5", "shop7", "fd00::1"] {
            assert_eq!((trust.scheme(host), Trust::default().scheme(host)), ("https", "http"), "{host}");
        }
        for host in ["127.0.0.1", "::1", "localhost", "LOCALHOST."] {
            assert_eq!(trust.scheme(host), "http", "{host}");
        }
    }

    #[test]
    fn what_is_no_authority_is_not_trusted() {
        assert_eq!(Trust::of(String::new()), None);
        assert_eq!(Trust::of("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n".to_owned()), None);
        let two = Trust::of(authority() + &authority()).unwrap();
        assert_eq!(two.fingerprints().len(), 2);
        assert!(two.fingerprints().iter().all(|one| one.len() == 64));
    }
}
