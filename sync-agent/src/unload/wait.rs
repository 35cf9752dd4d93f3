//! Why sales do not reach the server: in a word and a sentence, kept until an unloading comes to
//! its end.

use super::run::UnloadError;
use super::stream::StreamError;
use crate::error::chain;
use crate::unsent;
use std::error::Error;
use std::io;
use tillway_proto::report::SalesWaitKind;
use tonic::Code;

/// What an unloading failed of.
pub(super) fn of_unload(error: &UnloadError) -> (SalesWaitKind, String) {
    let kind = match error {
        UnloadError::Documents(error) => unsent::kind_of(error),
        UnloadError::DocumentsGone => SalesWaitKind::DocumentsMissing,
        UnloadError::Stream(error) | UnloadError::Broken(error) => of_stream(error),
        UnloadError::ServerCannotTell => SalesWaitKind::Interrupted,
        UnloadError::State(_) | UnloadError::Aborted(_) | UnloadError::Script(_) => SalesWaitKind::Agent,
    };
    (kind, chain(error))
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
        let till = crate::tests::TestTill::new();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut settings = till.unloader.settings.current().sales.clone();
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
        of_stream(&super::super::stream::connect(&settings, &crate::settings::Trust::default()).await.unwrap_err())
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_told_from_one_that_is_not_there() {
        assert_eq!(reaching(b"HTTP/1.1 400 Bad Request\r\n\r\n").await, SalesWaitKind::Tls);
        assert_eq!(reaching(b"\x15").await, SalesWaitKind::Tls, "it hangs up in the middle");
        assert_eq!(reaching(b"").await, SalesWaitKind::Unreachable);
    }
}
