//! Certificates that somebody else made and renews.

use super::certificate::Certificate;
use super::{AuthorityState, TlsError, Validity, show};
use fs_err as fs;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::sign::CertifiedKey;
use std::path::PathBuf;
use std::sync::Arc;

/// Where they lie, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFiles {
    /// The chain of certificates, the service's first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
    /// Who signed: what clients should trust. None: the last certificate of the chain.
    pub authority: Option<PathBuf>,
}

/// What was read of them.
#[derive(Clone)]
pub(super) struct Read {
    pub(super) shown: Arc<CertifiedKey>,
    pub(super) validity: Validity,
    pub(super) authorities: Vec<AuthorityState>,
}

/// What was taken up last, with the texts that it was read from.
#[derive(Default)]
pub(super) struct Own(Option<(Texts, Read)>);

#[derive(PartialEq, Eq)]
struct Texts {
    cert: String,
    key: String,
    authority: Option<String>,
}

impl Own {
    /// What the files hold. Files that cannot be used while they are replaced, one after the
    /// other, leave what was taken up before.
    pub(super) fn read(&mut self, files: &OwnFiles) -> Result<Read, TlsError> {
        let fresh = texts(files).and_then(|texts| match &self.0 {
            Some((known, read)) if *known == texts => Ok((texts, read.clone())),
            _ => understand(files, &texts).map(|read| (texts, read)),
        });
        match (fresh, &self.0) {
            (Ok(fresh), _) => {
                let read = fresh.1.clone();
                self.0 = Some(fresh);
                Ok(read)
            }
            (Err(error), Some((_, read))) => {
                tracing::warn!(error = crate::error_chain(&error), "the certificate shown before is shown on");
                Ok(read.clone())
            }
            (Err(error), None) => Err(error),
        }
    }
}

fn texts(files: &OwnFiles) -> Result<Texts, TlsError> {
    let read = |path: &PathBuf| {
        fs::read_to_string(path).map_err(|source| TlsError::File { action: "read", path: path.clone(), source })
    };
    Ok(Texts {
        cert: read(&files.cert)?,
        key: read(&files.key)?,
        authority: files.authority.as_ref().map(read).transpose()?,
    })
}

fn understand(files: &OwnFiles, texts: &Texts) -> Result<Read, TlsError> {
    let wrong = |detail: String| TlsError::Own { cert: files.cert.clone(), key: files.key.clone(), detail };
    let all = |text: &str| CertificateDer::pem_slice_iter(text.as_bytes()).collect::<Result<Vec<_>, _>>();
    let chain = all(&texts.cert).map_err(|error| wrong(error.to_string()))?;
    let key = PrivateKeyDer::from_pem_slice(texts.key.as_bytes()).map_err(|error| wrong(error.to_string()))?;
    let parse = |der: &CertificateDer<'static>| {
        let pem = pem_of(der);
        Certificate::from_der(der.clone(), pem).ok_or_else(|| wrong("a certificate is damaged".to_owned()))
    };
    let first = chain.first().ok_or_else(|| wrong("there is no certificate".to_owned()))?;
    let validity = parse(first)?.validity;
    let authorities = match &texts.authority {
        Some(text) => all(text).map_err(|error| wrong(error.to_string()))?,
        None => chain.last().cloned().into_iter().collect(),
    };
    let authorities = authorities.iter().map(|der| {
        let Certificate { validity, pem, .. } = parse(der)?;
        Ok(AuthorityState { fingerprint: super::Fingerprint::of(der), validity, pem })
    });
    let authorities = authorities.collect::<Result<_, TlsError>>()?;
    let shown = show::certified(chain, key).map_err(|error| wrong(error.to_string()))?;
    Ok(Read { shown, validity, authorities })
}

/// As text, in lines of 64 characters.
fn pem_of(der: &[u8]) -> String {
    pem::encode_config(
        &pem::Pem::new("CERTIFICATE", der),
        pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF),
    )
}
