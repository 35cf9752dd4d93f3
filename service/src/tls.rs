//! TLS of a service: its own authority, certificates for its names, and their renewal.
//!
//! The first start makes an authority. It signs a certificate for the service itself (the pair
//! `server`) and one for each program beside it that needs one; or the service shows certificates
//! that somebody else made ([`OwnFiles`]). All lies in one folder ([`files`]).
//!
//! Promises:
//! - [`Tls::renew`] brings everything to where it should be, whatever it finds: what is missing,
//!   near its end, not yet valid, of another authority, or for other names is made anew. It may be
//!   cut off at any point and is called again, on a period.
//! - A new certificate is shown from the next connection on. No connection is refused for it, and
//!   those that are open go on.
//! - The key of a certificate stays the same when the certificate is renewed, so each renewal is
//!   one file that is replaced as a whole: whoever reads the two finds two that go together.
//! - A new authority is among [`Tls::authorities_pem`] for [`Lives::handed_out`] before it signs,
//!   and the old one until it ends, so that those who take over the list in time never lose trust.
//! - Private keys are files that only their owner reads.

mod authority;
mod certificate;
mod decide;
mod files;
mod names;
mod own;
mod show;
#[cfg(test)]
mod tests;

pub use certificate::{Fingerprint, Validity};
pub use decide::Lives;
pub use names::Names;
pub use own::OwnFiles;

use crate::words::as_said;
use authority::Authority;
use certificate::Certificate;
use decide::{NextAuthority, is_due, next_authority};
use files::Folder;
use jiff::Timestamp;
use own::Own;
use rcgen::KeyPair;
use serde::Serialize;
use show::Shown;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use tokio_rustls::TlsAcceptor;

/// What time it is. A test brings its own.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

/// The pair of files that the service itself shows.
const SERVER: &str = "server";

/// What a service needs for TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsSettings {
    /// The folder of authority and certificates.
    pub folder: PathBuf,
    /// Whose authority it is, for people.
    pub issuer: String,
    /// Names and addresses under which clients reach the service.
    pub names: Names,
    /// Certificates for other programs, by the name of their files.
    pub others: Vec<(&'static str, Names)>,
    /// Certificates that somebody else made, to be shown in place of our own.
    pub own: Option<OwnFiles>,
    /// How long what we make lives.
    pub lives: Lives,
}

/// Why there is no TLS.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum TlsError {
    /// A file.
    #[error("failed to {action} {}", path.display())]
    #[serde(rename = "tls-file")]
    File {
        /// What was to be done with it.
        #[serde(skip)]
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The key of the authority is not the one of its certificate, or is none.
    #[error(
        "{} does not go with its certificate beside it: put the right file back; or remove both, and a new authority is \
         made, which nobody trusts yet",
        path.display()
    )]
    #[serde(rename = "tls-authority-key")]
    AuthorityKey {
        /// The key's file.
        path: PathBuf,
    },
    /// What somebody else made cannot be used.
    #[error("{} with the key {} cannot be used for TLS: {detail}", cert.display(), key.display())]
    #[serde(rename = "tls-own-certificate")]
    Own {
        /// The certificate's file.
        cert: PathBuf,
        /// The key's file.
        key: PathBuf,
        /// Why not.
        detail: String,
    },
    /// Making a certificate failed.
    #[error("failed to make the certificate {}: {detail}", path.display())]
    #[serde(rename = "tls-not-made")]
    NotMade {
        /// The certificate's file.
        path: PathBuf,
        /// Why.
        detail: String,
    },
    /// The library that speaks TLS lacks what it needs: a defect of how this program was built.
    #[error("TLS cannot be set up: {detail}")]
    #[serde(rename = "tls-library")]
    Library {
        /// Why.
        detail: String,
    },
}

/// How a certificate stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateState {
    /// `server`, or the name of the pair.
    pub name: &'static str,
    /// From when to when it is good.
    pub validity: Validity,
    /// Somebody else made it, and has to renew it.
    pub is_foreign: bool,
}

/// An authority that others should trust.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorityState {
    /// What names it.
    pub fingerprint: Fingerprint,
    /// From when to when it is good.
    pub validity: Validity,
    /// The certificate.
    pub pem: String,
}

/// How TLS stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TlsState {
    /// All certificates that are shown or made here.
    pub certificates: Vec<CertificateState>,
    /// All authorities to trust, the one that signs now first.
    pub authorities: Vec<AuthorityState>,
}

/// TLS of a service. Cheap to clone.
#[derive(Clone)]
pub struct Tls {
    inner: Arc<Inner>,
}

struct Inner {
    settings: TlsSettings,
    folder: Folder,
    clock: Clock,
    /// One renewal at a time; it remembers what of others' files was taken up.
    renewing: Mutex<Own>,
    shown: Arc<Shown>,
    state: RwLock<TlsState>,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("folder", &self.inner.folder.path()).finish_non_exhaustive()
    }
}

impl Tls {
    /// Reads what is there and makes what is missing. Blocks.
    pub fn open(settings: TlsSettings, clock: Clock) -> Result<Self, TlsError> {
        let folder = Folder::open(&settings.folder)?;
        let inner = Inner {
            folder,
            clock,
            renewing: Mutex::default(),
            shown: Arc::default(),
            state: RwLock::default(),
            settings,
        };
        let tls = Self { inner: Arc::new(inner) };
        tls.renew()?;
        Ok(tls)
    }

    /// Brings authority and certificates to where they should be now. Blocks.
    pub fn renew(&self) -> Result<(), TlsError> {
        let Inner { settings, folder, clock, renewing, shown, state } = &*self.inner;
        // What it remembers is whole after each step.
        let mut own = renewing.lock().unwrap_or_else(PoisonError::into_inner);
        // Another process may work on the same folder.
        let _turn = folder.turn()?;
        let now = clock();
        let authorities = authorities(settings, folder, now)?;
        let Some(signer) = authorities.first() else { return Ok(()) };
        let mut certificates = Vec::new();
        let others = settings.others.iter().map(|(name, names)| (*name, names));
        for (name, names) in [(SERVER, &settings.names)].into_iter().chain(others) {
            let (certificate, key) = pair(settings, folder, signer, name, names, now)?;
            certificates.push(CertificateState { name, validity: certificate.validity, is_foreign: false });
            if name == SERVER && settings.own.is_none() {
                let chain = vec![certificate.der.clone()];
                shown.show(show::certified(chain, key.into()).map_err(|source| TlsError::NotMade {
                    path: folder.certificate(name),
                    detail: source.to_string(),
                })?);
            }
        }
        let mut trusted: Vec<_> = authorities.iter().map(Authority::state).collect();
        if let Some(files) = &settings.own {
            let read = own.read(files)?;
            shown.show(read.shown);
            certificates[0] = CertificateState { name: SERVER, validity: read.validity, is_foreign: true };
            // Those who trust ours would not trust what is shown.
            trusted.splice(0..0, read.authorities);
        }
        *state.write().unwrap_or_else(PoisonError::into_inner) = TlsState { certificates, authorities: trusted };
        Ok(())
    }

    /// Keeps a copy of a pair in a folder that the program of the pair may read through the
    /// folder's group: it must not see what else lies here. Changes only what differs. Blocks.
    pub fn copy_pair(&self, name: &str, folder: &Path) -> Result<(), TlsError> {
        self.inner.folder.copy_pair(name, folder)
    }

    /// How it stands.
    pub fn state(&self) -> TlsState {
        self.inner.state.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// All authorities to trust, as one text of PEM, the one that signs now first.
    pub fn authorities_pem(&self) -> String {
        self.state().authorities.iter().map(|authority| authority.pem.as_str()).collect()
    }

    /// What time it is for certificates.
    pub fn now(&self) -> Timestamp {
        (self.inner.clock)()
    }

    /// Whoever shakes hands shows what is good at that moment. `protocols`: those spoken within
    /// TLS, by their names for ALPN.
    pub fn acceptor(&self, protocols: &[&str]) -> Result<TlsAcceptor, TlsError> {
        let acceptor = show::acceptor(Arc::clone(&self.inner.shown), protocols);
        acceptor.map_err(|error| TlsError::Library { detail: error.to_string() })
    }
}

/// All authorities to trust, the one that signs first.
fn authorities(settings: &TlsSettings, folder: &Folder, now: Timestamp) -> Result<Vec<Authority>, TlsError> {
    let make = |name: &'static str| -> Result<Authority, TlsError> {
        let path = folder.certificate(name);
        let made = Authority::make(&settings.issuer, now, &settings.lives).map_err(not_made(&path))?;
        folder.write_authority(name, &made)?;
        tracing::info!(file = %path.display(), "made an authority for TLS");
        Ok(made)
    };
    folder.finish_rotation()?;
    let mut current = folder.read_authority(files::CURRENT)?.map_or_else(|| make(files::CURRENT), Ok)?;
    let mut next = folder.read_authority(files::NEXT)?;
    let validity = |authority: &Authority| authority.certificate.validity;
    match next_authority(now, validity(&current), next.as_ref().map(validity), &settings.lives) {
        NextAuthority::Wait => {}
        NextAuthority::Make => next = Some(make(files::NEXT)?),
        NextAuthority::Signs => {
            folder.rotate()?;
            tracing::info!("the new authority for TLS signs from now on");
            current = folder.read_authority(files::CURRENT)?.map_or_else(|| make(files::CURRENT), Ok)?;
            next = None;
        }
        NextAuthority::TooLate => {
            tracing::warn!("by this machine's clock the authority for TLS is not valid now; a new one is made");
            folder.let_go_of_current()?;
            current = make(files::CURRENT)?;
        }
    }
    let old = folder.read_old()?.filter(|old| old.certificate.validity.holds_at(now));
    Ok([Some(current), next, old].into_iter().flatten().collect())
}

/// A certificate of ours with its key, made anew where it has to be.
fn pair(
    settings: &TlsSettings,
    folder: &Folder,
    signer: &Authority,
    name: &'static str,
    names: &Names,
    now: Timestamp,
) -> Result<(Certificate, KeyPair), TlsError> {
    let path = folder.certificate(name);
    let key = folder.key_of(name)?;
    if let Some(present) = folder.read_certificate(name)?
        && present.has_key(&key)
        && present.was_signed_by(&signer.certificate)
        && present.names == *names
        && !is_due(now, present.validity, &settings.lives)
    {
        return Ok((present, key));
    }
    let made = signer.sign(&key, names, now, &settings.lives).map_err(not_made(&path))?;
    folder.write_certificate(name, &made.pem)?;
    tracing::info!(file = %path.display(), until = %made.validity.until, "made a certificate for TLS");
    Ok((made, key))
}

fn not_made(path: &Path) -> impl Fn(rcgen::Error) -> TlsError + use<'_> {
    move |error| TlsError::NotMade { path: path.to_owned(), detail: error.to_string() }
}
