//! Clients that say nothing, know no token, or hold what others need.

use std::net::SocketAddr;
use std::time::Instant;

use rcgen::generate_simple_self_signed;
use tillway_proto::sales::{MAX_HELLO_BYTES, PEER_METADATA};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use super::*;

const SOON: Duration = Duration::from_secs(5);

fn address(server: &Server) -> SocketAddr {
    server.address.rsplit('/').next().unwrap().parse().unwrap()
}

async fn connect_from(last: u8, to: SocketAddr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind(([127, 0, 0, last], 0).into()).unwrap();
    socket.connect(to).await.unwrap()
}

/// A stream whose call names the till, as agents do.
async fn log_in(server: &Server, till: &TillId, token: &str) -> Result<Streaming<ServerFrame>, Status> {
    let channel = Endpoint::from_shared(server.address.clone()).unwrap().connect().await.unwrap();
    let (frames, receiver) = mpsc::channel(1);
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    request.metadata_mut().insert(PEER_METADATA, till.as_str().parse().unwrap());
    let hello = v1::Hello { peer_id: till.to_string(), ..hello(&[]) };
    frames.send(PeerFrame { frame: Some(peer_frame::Frame::Hello(hello)) }).await.unwrap();
    Ok(SalesLoaderClient::new(channel).unload(request).await?.into_inner())
}

#[tokio::test]
async fn connections_that_say_nothing_end_in_time_and_leave_honest_tills_their_places() {
    tillway_proto::process::OpenFiles::raise();
    let folder = tempfile::tempdir().unwrap();
    let deadlines = Deadlines { hello: Duration::from_secs(3), ..Deadlines::default() };
    let server = Server::start(folder.path(), SpoolLimits::default(), deadlines).await;
    let began = Instant::now();
    let mut silent = Vec::new();
    for n in 0..1_010_u16 {
        let mut client = connect_from(if n % 2 == 0 { 2 } else { 3 }, address(&server)).await;
        if n % 3 == 0 {
            // A part of what begins HTTP/2.
            client.write_all(b"PRI * HT").await.unwrap();
        }
        silent.push(client);
    }
    let asked = Instant::now();
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    stream.send(one(1)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    for client in &mut silent {
        let mut left = Vec::new();
        let _ = tokio::time::timeout(DEADLINE, client.read_to_end(&mut left)).await.expect("it is ended");
    }
    assert!(began.elapsed() < Duration::from_secs(30), "{:?}", began.elapsed());
    stream.send(one(2)).await;
    assert_eq!(stream.ack().await.unwrap().through, 2, "who works stays");
}

#[tokio::test]
async fn a_handshake_that_is_not_finished_ends_in_time() {
    let folder = tempfile::tempdir().unwrap();
    let made = generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let paths = TlsPaths { cert: folder.path().join("cert.pem"), key: folder.path().join("key.pem") };
    fs_err::write(&paths.cert, made.cert.pem()).unwrap();
    fs_err::write(&paths.key, made.signing_key.serialize_pem()).unwrap();
    let deadlines = Deadlines { hello: Duration::from_millis(300), ..Deadlines::default() };
    let server = Server::start_with(folder.path(), SpoolLimits::default(), deadlines, Some(paths)).await;
    let mut client = connect_from(1, address(&server)).await;
    client.write_all(&[0x16, 3, 1]).await.unwrap();
    let mut left = Vec::new();
    let _ = tokio::time::timeout(DEADLINE, client.read_to_end(&mut left)).await.expect("it is ended");
    assert_eq!(left, b"");
}

#[tokio::test]
async fn wrong_tokens_take_no_place_and_those_of_a_known_till_are_a_finding_until_it_logs_in() {
    let folder = tempfile::tempdir().unwrap();
    // A connection on which no token is right ends soon; here all of them are to be answered
    // first.
    let deadlines = Deadlines { hello: DEADLINE, ..Deadlines::default() };
    let server = Server::start(folder.path(), SpoolLimits::default(), deadlines).await;
    let mut tries = tokio::task::JoinSet::new();
    let endpoint = Endpoint::from_shared(server.address.clone()).unwrap();
    for n in 0..256 {
        let endpoint = endpoint.clone();
        tries.spawn(async move {
            let channel = endpoint.connect().await.unwrap();
            let (_frames, receiver) = mpsc::channel::<PeerFrame>(1);
            let mut request = Request::new(ReceiverStream::new(receiver));
            request.metadata_mut().insert("authorization", format!("Bearer wrong{n}").parse().unwrap());
            request.metadata_mut().insert(PEER_METADATA, till().as_str().parse().unwrap());
            SalesLoaderClient::new(channel).unload(request).await.err().map(|status| status.code())
        });
    }
    let asked = Instant::now();
    let stranger = log_in(&server, &other_till(), "secret").await.err().unwrap();
    assert_eq!(stranger.code(), Code::NotFound);
    let (mut honest, _) = server.open(hello(&[])).await.unwrap();
    assert!(asked.elapsed() < SOON, "{:?}", asked.elapsed());
    honest.send(one(1)).await;
    assert_eq!(honest.ack().await.unwrap().through, 1);
    while let Some(refused) = tries.join_next().await {
        assert_eq!(refused.unwrap(), Some(Code::Unauthenticated));
    }
    let _ = log_in(&server, &till(), "wrong").await.err().unwrap();
    let open = || {
        let filter = FindingFilter { open_only: true, ..FindingFilter::default() };
        let open = server.deps.store.findings(&filter, Page::default()).unwrap();
        open.into_iter().filter(|finding| finding.kind == "failed-logins").collect::<Vec<_>>()
    };
    let shown = async {
        while open().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, shown).await.expect("it is shown");
    let found = open();
    assert_eq!((found.len(), found[0].till.as_ref()), (1, Some(&till())));
    for told in ["cash.token", "127.0.0.1", &format!("till settings {} --new-secret", till())] {
        assert!(
            crate::words::in_english(&found[0].reason).contains(told),
            "{told}: {}",
            crate::words::in_english(&found[0].reason)
        );
    }
    let ended = async {
        while !open().is_empty() {
            drop(log_in(&server, &till(), "secret").await.unwrap());
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, ended).await.expect("it ends with the right token");
}

#[tokio::test]
async fn a_stream_that_does_not_say_who_it_is_gives_way_to_the_next_one_of_its_till() {
    let (_folder, server) = Server::plain().await;
    let channel = Endpoint::from_shared(server.address.clone()).unwrap().connect().await.unwrap();
    let (_frames, receiver) = mpsc::channel::<PeerFrame>(1);
    let mut request = Request::new(ReceiverStream::new(receiver));
    request.metadata_mut().insert("authorization", "Bearer secret".parse().unwrap());
    let mut quiet = SalesLoaderClient::new(channel).unload(request).await.unwrap().into_inner();
    let (_stream, _) = server.open(hello(&[])).await.unwrap();
    let ended = tokio::time::timeout(SOON, quiet.message()).await.expect("it is ended at once");
    assert_eq!(ended.unwrap_err().code(), Code::Aborted);
}

#[tokio::test]
async fn another_machine_with_the_right_token_takes_over_from_one_that_has_fallen_silent() {
    let folder = tempfile::tempdir().unwrap();
    let deadlines = Deadlines { silent: Duration::from_millis(500), ..Deadlines::default() };
    let server = Server::start(folder.path(), SpoolLimits::default(), deadlines).await;
    let (mut first, _) = server.open(hello(&[])).await.unwrap();
    let copy = v1::Hello { instance: "two".to_owned(), ..hello(&[]) };
    let takes_over = async {
        loop {
            if let Ok((stream, _)) = server.open(copy.clone()).await {
                return stream;
            }
        }
    };
    let mut second = tokio::time::timeout(DEADLINE, takes_over).await.expect("it takes over");
    assert_eq!(first.end().await.unwrap_err().code(), Code::Aborted);
    second.send(one(1)).await;
    assert_eq!(second.ack().await.unwrap().through, 1);
}

#[tokio::test]
async fn a_first_frame_that_is_too_large_is_refused() {
    let (_folder, server) = Server::plain().await;
    let large = v1::Hello { shop_id: "x".repeat(MAX_HELLO_BYTES), ..hello(&[]) };
    let refused = server.open(large).await.err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    assert!(refused.message().contains("32768"), "{refused}");
}
