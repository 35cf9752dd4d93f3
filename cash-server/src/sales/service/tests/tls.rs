//! The service over TLS.

use rcgen::generate_simple_self_signed;
use tonic::transport::{Certificate, ClientTlsConfig};

use super::*;

#[tokio::test]
async fn over_tls_a_till_that_knows_the_certificate_unloads_and_one_that_does_not_cannot() {
    let folder = tempfile::tempdir().unwrap();
    let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let paths = TlsPaths { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    fs_err::write(&paths.cert, made.cert.pem()).unwrap();
    fs_err::write(&paths.key, made.signing_key.serialize_pem()).unwrap();
    let server = Server::start_with(folder.path(), SpoolLimits::default(), Deadlines::default(), Some(paths)).await;
    let connect = async |known: &str| {
        let tls = ClientTlsConfig::new().ca_certificate(Certificate::from_pem(known)).domain_name("localhost");
        Endpoint::from_shared(server.address.clone()).unwrap().tls_config(tls).unwrap().connect().await
    };
    let channel = connect(&made.cert.pem()).await.unwrap();
    let mut stream = server.connect_through(channel, Some("secret"), hello(&[1])).await.unwrap();
    assert!(stream.holdings().await.unwrap()[0].receipts.is_empty());
    stream.send(one(1)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
    server.load();
    assert_eq!(server.receipts(), 1);

    let other = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    assert!(connect(&other.cert.pem()).await.is_err(), "a certificate of somebody else");
    let plain = Endpoint::from_shared(server.address.replace("https", "http")).unwrap();
    let answered = match plain.connect().await {
        Ok(channel) => server.connect_through(channel, Some("secret"), hello(&[1])).await.map(drop),
        Err(_) => return,
    };
    assert!(answered.is_err(), "without TLS nothing is taken");
}

#[tokio::test]
async fn a_certificate_that_is_none_is_named_with_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let paths = TlsPaths { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    fs_err::write(&paths.cert, "no certificate").unwrap();
    fs_err::write(&paths.key, "no key").unwrap();
    let server = Server::start_with(folder.path(), SpoolLimits::default(), Deadlines::default(), Some(paths)).await;
    let error = server.served.await.unwrap().unwrap_err();
    assert!(matches!(&error, ServeError::Tls { .. }) && error.to_string().contains("cert.pem"), "{error:?}");
}
