//! TLS and plain on one port.

use super::*;
use crate::tls::{Lives, Names, Tls, TlsSettings};
use axum::Extension;
use jiff::{SignedDuration, Timestamp};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

fn tls(folder: &TempDir, lives: Lives) -> Tls {
    let settings = TlsSettings {
        folder: folder.path().join("tls"),
        issuer: "test".to_owned(),
        names: Names::of(["localhost", "127.0.0.1"]),
        others: Vec::new(),
        own: None,
        lives,
    };
    Tls::open(settings, Arc::new(Timestamp::now)).unwrap()
}

fn serve_over(tls: &Tls, plain: Plain) -> Server {
    let refusal = Router::new().fallback(|| async { (axum::http::StatusCode::UPGRADE_REQUIRED, "only TLS here") });
    let acceptor = tls.acceptor(&["http/1.1"]).unwrap();
    start_with(Port::new(Tongues::tls(acceptor, plain), refusal), limits())
}

fn trusting(pem: &str, versions: &[&'static SupportedProtocolVersion]) -> TlsConnector {
    let mut roots = RootCertStore::empty();
    for der in CertificateDer::pem_slice_iter(pem.as_bytes()) {
        roots.add(der.unwrap()).unwrap();
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_protocol_versions(versions).unwrap();
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    // A session that is resumed shows no certificate.
    config.resumption = rustls::client::Resumption::disabled();
    TlsConnector::from(Arc::new(config))
}

async fn connect(server: &Server, connector: &TlsConnector) -> io::Result<TlsStream<TcpStream>> {
    let stream = TcpStream::connect(server.address).await?;
    connector.connect(ServerName::try_from("127.0.0.1").unwrap(), stream).await
}

async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, path: &str) -> io::Result<String> {
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut all = Vec::new();
    timeout(DEADLINE, stream.read_to_end(&mut all)).await??;
    Ok(String::from_utf8_lossy(&all).into_owned())
}

fn bound(connection: &ClientConnection) -> String {
    let binding = connection.export_keying_material([0; 32], CHANNEL_BINDING_LABEL, None).unwrap();
    format!("{binding:?}")
}

#[tokio::test]
async fn a_port_takes_tls_from_who_trusts_it_and_plain_from_who_may() {
    let folder = tempfile::tempdir().unwrap();
    let tls = tls(&folder, Lives::default());
    let connector = trusting(&tls.authorities_pem(), rustls::DEFAULT_VERSIONS);
    for (plain, expected) in [(Plain::ThisMachine, "200"), (Plain::Everybody, "200"), (Plain::Nobody, "426")] {
        let server = serve_over(&tls, plain);
        let answer = ask(connect(&server, &connector).await.unwrap(), "/ok").await.unwrap();
        assert!(answer.starts_with("HTTP/1.1 200") && answer.ends_with("ok"), "{plain:?}: {answer}");
        let answer = ask(TcpStream::connect(server.address).await.unwrap(), "/ok").await.unwrap();
        assert!(answer.starts_with(&format!("HTTP/1.1 {expected}")), "{plain:?}: {answer}");
    }
    let other = tempfile::tempdir().unwrap();
    let stranger = trusting(&self::tls(&other, Lives::default()).authorities_pem(), rustls::DEFAULT_VERSIONS);
    assert!(connect(&serve_over(&tls, Plain::ThisMachine), &stranger).await.is_err());
}

#[tokio::test]
async fn a_refused_client_has_one_answer_and_no_second_request() {
    let folder = tempfile::tempdir().unwrap();
    let server = serve_over(&tls(&folder, Lives::default()), Plain::Nobody);
    let mut client = TcpStream::connect(server.address).await.unwrap();
    let request = b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
    client.write_all(&request).await.unwrap();
    let all = rest(&mut client).await;
    assert_eq!(all.matches("HTTP/1.1 426").count(), 1, "{all}");
    assert!(all.ends_with("only TLS here"), "{all}");
}

#[tokio::test]
async fn both_ends_of_a_tls_13_connection_know_the_same_binding_and_others_have_none() {
    let folder = tempfile::tempdir().unwrap();
    let tls = tls(&folder, Lives::default());
    let shown = async |binding: Option<Extension<ChannelBinding>>, secured: Option<Extension<OverTls>>| {
        format!("{:?} {}", binding.map(|Extension(binding)| binding.0), secured.is_some())
    };
    let router = Router::new().route("/binding", get(shown));
    let listener = bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let server = Server { address: listener.local_addr().unwrap(), stop: CancellationToken::new() };
    let port = Port::new(Tongues::tls(tls.acceptor(&["http/1.1"]).unwrap(), Plain::ThisMachine), Router::new());
    tokio::spawn(serve_within(listener, port, router, server.stop.clone(), limits()));

    let newest = trusting(&tls.authorities_pem(), &[&rustls::version::TLS13]);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let stream = connect(&server, &newest).await.unwrap();
        let here = bound(stream.get_ref().1);
        let answer = ask(stream, "/binding").await.unwrap();
        assert!(answer.ends_with(&format!("Some({here}) true")), "{answer}");
        seen.push(here);
    }
    assert_ne!(seen[0], seen[1]);
    let older = trusting(&tls.authorities_pem(), &[&rustls::version::TLS12]);
    let answer = ask(connect(&server, &older).await.unwrap(), "/binding").await.unwrap();
    assert!(answer.ends_with("None true"), "{answer}");
    let answer = ask(TcpStream::connect(server.address).await.unwrap(), "/binding").await.unwrap();
    assert!(answer.ends_with("None false"), "{answer}");
}

#[tokio::test]
async fn a_certificate_that_ends_in_the_middle_of_steady_requests_is_renewed_with_none_refused() {
    let folder = tempfile::tempdir().unwrap();
    let lives =
        Lives { certificate: SignedDuration::from_secs(4), backdated: SignedDuration::ZERO, ..Lives::default() };
    let tls = tls(&folder, lives);
    let server = serve_over(&tls, Plain::Nobody);
    let connector = trusting(&tls.authorities_pem(), rustls::DEFAULT_VERSIONS);
    let mut kept = connect(&server, &connector).await.unwrap();
    let (began, mut shown) = (Instant::now(), std::collections::BTreeSet::new());
    while began.elapsed() < Duration::from_secs(7) {
        let renewed = tls.clone();
        tokio::task::spawn_blocking(move || renewed.renew()).await.unwrap().unwrap();
        let stream = connect(&server, &connector).await.unwrap();
        shown.insert(stream.get_ref().1.peer_certificates().unwrap()[0].as_ref().to_vec());
        assert!(ask(stream, "/ok").await.unwrap().ends_with("ok"));
        kept.write_all(b"GET /ok HTTP/1.1\r\nhost: x\r\n\r\n").await.unwrap();
        let mut piece = [0; 1_024];
        let read = timeout(DEADLINE, kept.read(&mut piece)).await.unwrap().unwrap();
        assert!(piece[..read].ends_with(b"ok"), "a connection that is open goes on");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(shown.len() >= 3, "{} certificates in two lives", shown.len());
}
