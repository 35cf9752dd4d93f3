//! The one connection on which a till is attached: TLS 1.3 with whoever answers, and what names
//! the connection to both ends.

use super::error::{AttachError, Refusal};
use crate::error::chain;
use crate::settings::reader::in_url;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper::{Request, StatusCode, header};
use hyper_util::rt::TokioIo;
use jiff::Timestamp;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, SignatureScheme};
use serde::Serialize;
use serde::de::DeserializeOwned;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::attach::EXPORTER;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

/// The port of REST where none is named.
const DEFAULT_PORT: u16 = 8080;

/// Longest wait for each step: a person waits for the whole.
const STEP_TIME: Duration = Duration::from_secs(30);

/// Largest answer: settings, and a few certificates.
const MAX_ANSWER_BYTES: usize = 256 * 1024;

/// Where the server is, as a person types it: `<host>`, `<host>:<port>`, with `https://` or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct ServerAddress {
    /// A name or an address, without brackets.
    pub(crate) host: String,
    port: u16,
}

/// A text that is no address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no address of a server: a host name or an address, with `:<port>` where it is not {DEFAULT_PORT}")]
pub(crate) struct AddressError(String);

impl FromStr for ServerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let wrong = || AddressError(text.to_owned());
        let bare = text.trim().trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
        let (host, port) = match bare.rsplit_once(':') {
            // An address of IPv6 without brackets has colons of its own.
            Some((host, port)) if !host.contains(':') || host.ends_with(']') => {
                (host, port.parse().map_err(|_| wrong())?)
            }
            _ => (bare, DEFAULT_PORT),
        };
        let host = host.trim_start_matches('[').trim_end_matches(']').to_owned();
        if ServerName::try_from(host.as_str()).is_err() || port == 0 {
            return Err(wrong());
        }
        Ok(Self { host, port })
    }
}

impl fmt::Display for ServerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", in_url(&self.host), self.port)
    }
}

/// An answer, with the server's time where it says it.
pub(super) struct Answer<T> {
    pub(super) said: T,
    pub(super) date: Option<Timestamp>,
}

/// Open as long as it lives.
pub(super) struct Connection {
    server: String,
    binding: [u8; 32],
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<()>,
}

impl Connection {
    pub(super) async fn open(server: &ServerAddress) -> Result<Self, AttachError> {
        let name = server.to_string();
        let unreachable = |detail: String| AttachError::Unreachable { server: name.clone(), detail };
        let no_tls = |detail: String| AttachError::NoTls { server: name.clone(), detail };
        let connecting = TcpStream::connect((server.host.as_str(), server.port));
        let stream = match tokio::time::timeout(STEP_TIME, connecting).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(unreachable(error.to_string())),
            Err(late) => return Err(unreachable(late.to_string())),
        };
        let connector = TlsConnector::from(Arc::new(config().map_err(|error| no_tls(error.to_string()))?));
        let host = ServerName::try_from(server.host.clone()).map_err(|error| no_tls(error.to_string()))?;
        let stream = match tokio::time::timeout(STEP_TIME, connector.connect(host, stream)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return Err(no_tls(error.to_string())),
            Err(late) => return Err(no_tls(late.to_string())),
        };
        let exported = stream.get_ref().1.export_keying_material([0; 32], EXPORTER.as_bytes(), None);
        let binding = exported.map_err(|error| no_tls(error.to_string()))?;
        let (sender, connection) =
            handshake(TokioIo::new(stream)).await.map_err(|error| unreachable(error.to_string()))?;
        // Its end is the end of requests, which tell it.
        let driver = tokio::spawn(async move { drop(connection.await) });
        Ok(Self { server: name, binding, sender, driver })
    }

    /// What names this connection.
    pub(super) fn binding(&self) -> &[u8; 32] {
        &self.binding
    }

    pub(super) async fn ask<Q: Serialize, T: DeserializeOwned>(
        &mut self,
        path: &str,
        question: &Q,
    ) -> Result<Answer<T>, AttachError> {
        let server = || self.server.clone();
        let unreadable = |detail: String| AttachError::Unreadable { server: server(), detail };
        let unreachable = |detail: String| AttachError::Unreachable { server: server(), detail };
        let body = serde_json::to_vec(question).map_err(|error| unreadable(error.to_string()))?;
        let request = Request::post(path)
            .header(header::HOST, &self.server)
            .header(header::CONTENT_TYPE, "application/json")
            .header(header::USER_AGENT, concat!("tillway-sync-agent/", env!("CARGO_PKG_VERSION")))
            .body(Full::new(Bytes::from(body)))
            .map_err(|error| unreadable(error.to_string()))?;
        let asked = async {
            let response = self.sender.send_request(request).await.map_err(|error| chain(&error))?;
            let (head, body) = response.into_parts();
            let body = Limited::new(body, MAX_ANSWER_BYTES).collect().await.map_err(|error| error.to_string())?;
            Ok::<_, String>((head, body.to_bytes()))
        };
        let (head, body) = match tokio::time::timeout(STEP_TIME, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(detail)) => return Err(unreachable(detail)),
            Err(late) => return Err(unreachable(late.to_string())),
        };
        let text = |name: header::HeaderName| head.headers.get(name).and_then(|value| value.to_str().ok());
        if head.status.is_success() {
            let date = text(header::DATE).and_then(|date| jiff::fmt::rfc2822::parse(date).ok());
            let said = serde_json::from_slice(&body).map_err(|error| unreadable(error.to_string()))?;
            return Ok(Answer { said, date: date.map(|date| date.timestamp()) });
        }
        if head.status == StatusCode::TOO_MANY_REQUESTS {
            let seconds = text(header::RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()).unwrap_or(10);
            return Err(AttachError::SlowDown { wait: Duration::from_secs(seconds) });
        }
        // Only what names a kind of ours comes from a server that attaches tills.
        match serde_json::from_slice::<Refusal>(&body) {
            Ok(refusal) if refusal.is_ours() => Err(AttachError::Refused(refusal)),
            _ => Err(AttachError::NotThere { server: server(), status: head.status.as_u16() }),
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// TLS 1.3 alone: its exporter names the connection, which that of older versions does not.
fn config() -> Result<ClientConfig, rustls::Error> {
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let accepts = AnyCertificate(provider.signature_verification_algorithms);
    let versions = [&rustls::version::TLS13];
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(&versions)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(accepts))
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(config)
}

/// Takes any certificate: this till trusts no authority yet. Who stands behind the connection is
/// shown by the proof that follows, which is made for this very connection; nothing is taken from
/// it, and nothing said, before that.
#[derive(Debug)]
struct AnyCertificate(WebPkiSupportedAlgorithms);

impl ServerCertVerifier for AnyCertificate {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Err(rustls::PeerIncompatible::Tls12NotOffered.into())
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(message, certificate, signed, &self.0)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_read_as_people_type_it() {
        for (typed, meant) in [
            ("shop7", "shop7:8080"),
            (" https://shop7.example:443/ ", "shop7.example:443"),
            ("10.0.0.5:8443", "10.0.0.5:8443"),
            ("[fd00::5]:81", "[fd00::5]:81"),
            ("fd00::5", "[fd00::5]:8080"),
        ] {
            assert_eq!(typed.parse::<ServerAddress>().unwrap().to_string(), meant);
        }
        for wrong in ["", "shop7:", "shop7:many", "shop7:0", "a b", "http://"] {
            assert!(wrong.parse::<ServerAddress>().is_err(), "{wrong}");
        }
    }
}
