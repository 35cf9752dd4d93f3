//! Why sales do not reach the server: in a word and a sentence, kept until an unloading comes to
//! its end.

use super::run::UnloadError;
use super::stream::StreamError;
use crate::error::chain;
use crate::state::{State, StateError};
use std::error::Error;
use std::io;
use std::path::Path;
use tillway_exchangers::till::documents::{Documents, DocumentsError};
use tillway_proto::TillId;
use tillway_proto::report::{MAX_SALES_WAIT_BYTES, SalesWaitKind};
use tonic::Code;

/// Why unsent documents cannot be counted.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CountError {
    #[error("failed to read the progress of unloading")]
    State(#[source] StateError),
    #[error("failed to count unsent documents")]
    Documents(#[source] DocumentsError),
    #[error("documents.db is not there any more, or empty, and was")]
    Gone,
}

impl CountError {
    pub(crate) fn kind(&self) -> SalesWaitKind {
        match self {
            Self::State(_) => SalesWaitKind::Agent,
            Self::Documents(error) => of_documents(error),
            Self::Gone => SalesWaitKind::DocumentsMissing,
        }
    }
}

/// Finished documents that the server has not acknowledged; none where the POS has made no
/// `documents.db` yet.
pub(crate) fn count_unsent(state: &State, documents: &Path, till: &TillId) -> Result<u64, CountError> {
    let progress = state.progress().map_err(CountError::State)?;
    let mut documents = match Documents::open(documents, till.clone()) {
        Ok(documents) => documents,
        Err(DocumentsError::Missing { .. }) => {
            let sent = state.mark().map_err(CountError::State)?;
            return if sent.is_some() { Err(CountError::Gone) } else { Ok(0) };
        }
        Err(error) => return Err(CountError::Documents(error)),
    };
    documents.unsent(&progress).map_err(CountError::Documents)
}

/// What an unloading failed of.
pub(super) fn of_unload(error: &UnloadError) -> (SalesWaitKind, String) {
    let kind = match error {
        UnloadError::Documents(error) => of_documents(error),
        UnloadError::DocumentsGone => SalesWaitKind::DocumentsMissing,
        UnloadError::Stream(error) | UnloadError::Broken(error) => of_stream(error),
        UnloadError::ServerCannotTell => SalesWaitKind::Interrupted,
        UnloadError::State(_) | UnloadError::Aborted(_) | UnloadError::Script(_) => SalesWaitKind::Agent,
    };
    (kind, chain(error))
}

/// A text as it is kept and reported.
pub(crate) fn shortened(mut text: String) -> String {
    text.truncate(text.floor_char_boundary(MAX_SALES_WAIT_BYTES));
    text
}

fn of_documents(error: &DocumentsError) -> SalesWaitKind {
    match error {
        DocumentsError::Missing { .. } => SalesWaitKind::DocumentsMissing,
        DocumentsError::Locked { .. } => SalesWaitKind::DocumentsLocked,
        DocumentsError::Open { .. }
        | DocumentsError::Schema { .. }
        | DocumentsError::Query { .. }
        | DocumentsError::Migrate { .. } => SalesWaitKind::DocumentsUnreadable,
    }
}

fn of_stream(error: &StreamError) -> SalesWaitKind {
    match error {
        StreamError::Certificate(_) => SalesWaitKind::Tls,
        _ if is_tls(error) => SalesWaitKind::Tls,
        StreamError::Token => SalesWaitKind::Refused,
        StreamError::Address { .. } | StreamError::Connect { .. } => SalesWaitKind::Unreachable,
        StreamError::Ended { status } if matches!(status.code(), Code::Unauthenticated | Code::PermissionDenied) => {
            SalesWaitKind::Refused
        }
        StreamError::Ended { .. }
        | StreamError::Silent { .. }
        | StreamError::ClosedEarly
        | StreamError::Protocol { .. } => SalesWaitKind::Interrupted,
    }
}

/// Whether TLS did not come about, by what lies deepest in the error.
fn is_tls(error: &(dyn Error + 'static)) -> bool {
    let mut next = Some(error);
    while let Some(error) = next {
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        let by_tls = error.is::<rustls::Error>()
            || inner.and_then(<dyn Error + Send + Sync>::downcast_ref::<rustls::Error>).is_some();
        // A peer that hangs up in the middle of it is told as an end of the file alone.
        if by_tls || error.to_string().contains("tls handshake") {
            return true;
        }
        next = error.source();
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    #[test]
    fn what_a_stream_ended_of_is_told_apart() {
        let ended = |status| of_stream(&StreamError::Ended { status: Box::new(status) });
        assert_eq!(ended(Status::unauthenticated("wrong token")), SalesWaitKind::Refused);
        assert_eq!(ended(Status::permission_denied("another till")), SalesWaitKind::Refused);
        assert_eq!(ended(Status::unavailable("full")), SalesWaitKind::Interrupted);
        let none = io::Error::from(io::ErrorKind::NotFound);
        assert_eq!(of_stream(&StreamError::Certificate(none)), SalesWaitKind::Tls);
        let unknown = rustls::Error::InvalidCertificate(rustls::CertificateError::UnknownIssuer);
        assert!(is_tls(&io::Error::new(io::ErrorKind::InvalidData, unknown)));
        assert!(!is_tls(&io::Error::from(io::ErrorKind::ConnectionRefused)));
    }

    /// A certificate of nobody's: no server is signed by it.
    const AUTHORITY: &str = "\
-----BEGIN CERTIFICATE-----\n\
MIIBeTCCAR+gAwIBAgIUN/EkgSqmADFZTTzh71e/q1B1SDwwCgYIKoZIzj0EAwIw\n\
ETEPMA0GA1UEAwwGbm9ib2R5MCAXDTI2MTEyOTIwNTMzNloYDzIxMjYxMTA1MjA1\n\
MzM2WjARMQ8wDQYDVQQDDAZub2JvZHkwWTATBgcqhkjOPQIBBggqhkjOPQMBBwNC\n\
AAQOzyFwy2a23vsXrp3gDoLFZ+Sg3RA5fAmOtskYi+SpOb6vumMema738PE6ea/E\n\
fpm4whc1VM2xV3JQgbgu0+81o1MwUTAdBgNVHQ4EFgQUhqhkK4r5NgurWozham8T\n\
EoHFPsIwHwYDVR0jBBgwFoAUhqhkK4r5NgurWozham8TEoHFPsIwDwYDVR0TAQH/\n\
BAUwAwEB/zAKBggqhkjOPQQDAgNIADBFAiBn1X94uvLLjQ0LNlQ1FRLw7uaC9kZx\n\
/vZn9z5J25S4KwIhAMxxuUrAuOILxV5MTbT7DMikFHk3AooqifftgFy44/18\n\
-----END CERTIFICATE-----\n\
";

    /// What reaching a sales-loader comes to that answers the first bytes with these, over TLS.
    async fn reaching(answer: &'static [u8]) -> SalesWaitKind {
        crate::install_crypto();
        let till = crate::till::bench::TestTill::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = till.settings.current().sales.clone();
        (settings.host, settings.port) = ("127.0.0.1".to_owned(), listener.local_addr().unwrap().port());
        let certificate = till.folder.path().join("authority.pem");
        fs_err::write(&certificate, AUTHORITY).unwrap();
        settings.root_certificate = Some(certificate);
        if answer.is_empty() {
            drop(listener);
        } else {
            tokio::spawn(async move {
                use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
                let (mut stream, _) = listener.accept().await.unwrap();
                let _ = stream.read(&mut [0; 1024]).await;
                let _ = stream.write_all(answer).await;
            });
        }
        of_stream(&super::super::stream::connect(&settings).await.unwrap_err())
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_told_from_one_that_is_not_there() {
        assert_eq!(reaching(b"HTTP/1.1 400 Bad Request\r\n\r\n").await, SalesWaitKind::Tls);
        assert_eq!(reaching(b"\x15").await, SalesWaitKind::Tls, "it hangs up in the middle");
        assert_eq!(reaching(b"").await, SalesWaitKind::Unreachable);
    }

    #[test]
    fn unsent_documents_are_counted_or_said_to_be_unknown() {
        let folder = tempfile::tempdir().unwrap();
        let (path, till) = (folder.path().join("documents.db"), "_cash_1_00ab34ef".parse().unwrap());
        let state = State::open(folder.path()).unwrap();
        assert_eq!(count_unsent(&state, &path, &till).unwrap(), 0, "nothing sold yet");
        fs_err::write(&path, vec![0xaa; 8192]).unwrap();
        let damaged = count_unsent(&state, &path, &till).unwrap_err();
        assert_eq!(damaged.kind(), SalesWaitKind::DocumentsUnreadable, "{damaged}");
        fs_err::remove_file(&path).unwrap();
        drop(tillway_exchangers::till::documents::writer::PosWriter::open(&path).unwrap());
        assert_eq!(count_unsent(&state, &path, &till).unwrap(), 0);
        let pos = rusqlite::Connection::open(&path).unwrap();
        pos.execute_batch("PRAGMA journal_mode = DELETE; BEGIN EXCLUSIVE").unwrap();
        let locked = count_unsent(&state, &path, &till).unwrap_err();
        assert_eq!(locked.kind(), SalesWaitKind::DocumentsLocked, "{locked}");
    }
}
