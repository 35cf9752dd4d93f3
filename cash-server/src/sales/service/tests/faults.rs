//! Tills that misbehave, links that are half open, and a disk that is nearly full.

use tillway_file_queue::disk::power::ForgetfulDisk;

use super::*;

#[tokio::test]
async fn a_flood_of_streams_for_one_till_leaves_one_of_them_and_the_till_goes_on() {
    let (_folder, server) = Server::plain().await;
    let mut streams = Vec::new();
    for _ in 0..64 {
        streams.push(server.open(hello(&[])).await.unwrap().0);
    }
    let mut last = streams.pop().unwrap();
    for mut stream in streams {
        assert_eq!(stream.end().await.unwrap_err().code(), Code::Aborted);
    }
    last.send(one(1)).await;
    assert_eq!(last.ack().await.unwrap().through, 1);
}

#[tokio::test]
async fn streams_above_the_limit_are_told_to_come_again_and_may_when_others_have_ended() {
    let folder = tempfile::tempdir().unwrap();
    let deadlines = Deadlines { hello: Duration::from_mins(1), ..Deadlines::default() };
    let server = Server::start(folder.path(), SpoolLimits::default(), deadlines).await;
    let endpoint = Endpoint::from_shared(server.address.clone()).unwrap();
    let mut open = Vec::new();
    // Half open: they never say who they are. Each connection carries a few streams only.
    while open.len() < crate::sales::service::MAX_STREAMS {
        let channel = endpoint.connect().await.unwrap();
        for _ in 0..8 {
            let mut client = SalesLoaderClient::new(channel.clone());
            let (frames, receiver) = mpsc::channel::<PeerFrame>(1);
            let mut request = Request::new(ReceiverStream::new(receiver));
            let token = format!("Bearer secret-{}", open.len());
            request.metadata_mut().insert("authorization", token.parse().unwrap());
            open.push((frames, client.unload(request).await.unwrap()));
        }
    }
    assert_eq!(server.open(hello(&[])).await.err().unwrap().code(), Code::ResourceExhausted);
    drop(open);
    let again = async { while server.open(hello(&[])).await.is_err() {} };
    tokio::time::timeout(DEADLINE, again).await.expect("there is a place again");
}

#[tokio::test]
async fn two_machines_that_take_turns_with_one_id_lose_nothing_and_are_found_once() {
    let (_folder, server) = Server::plain().await;
    for turn in 1..=4_u64 {
        let instance = if turn % 2 == 0 { "two" } else { "one" };
        let hello = v1::Hello { instance: instance.to_owned(), ..hello(&[1]) };
        let opened = async {
            loop {
                // The former stream may still be ending.
                if let Ok(opened) = server.open(hello.clone()).await {
                    return opened;
                }
            }
        };
        let (mut stream, holdings) = tokio::time::timeout(DEADLINE, opened).await.expect("its turn comes");
        let held: Vec<_> = holdings.iter().flat_map(|holding| holding.numbers.clone()).collect();
        assert_eq!(held.len() as u64, turn - 1, "each is told of what the other sent: {held:?}");
        stream.send(one(turn)).await;
        assert_eq!(stream.ack().await.unwrap().through, 1);
        stream.frames = None;
        stream.end().await.unwrap();
        server.load();
    }
    assert_eq!(server.receipts(), 4);
    let findings = server.findings();
    assert_eq!(findings.iter().filter(|kind| *kind == "instance-changed").count(), 1, "{findings:?}");
}

#[tokio::test]
async fn a_nearly_full_disk_is_told_to_the_till_and_it_goes_on_by_itself() {
    let (folder, ledger) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let disk = Arc::new(ForgetfulDisk::new(ledger.path()).unwrap());
    let store = open_store(folder.path());
    let position = store.position().unwrap();
    let spool = Spool::open(&folder.path().join("spool"), position, SpoolLimits::default(), disk.clone()).unwrap();
    let (auth, intruders) = (Arc::new(OneTill::default()), Intruders::new(store.clone()));
    let deps = Deps { auth, store, spool, intruders, deadlines: Deadlines::default() };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let served = tokio::spawn(serve(listener, deps.clone(), Speaks::Tongues(Tongues::plain()), shutdown.clone()));
    let server = Server { deps, void: Arc::default(), address, shutdown, served };
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    stream.send(one(1)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
    disk.set_free_bytes(1_000);
    stream.send(one(2)).await;
    let refused = stream.end().await.unwrap_err();
    assert_eq!(refused.code(), Code::ResourceExhausted);
    assert!(refused.message().contains("nearly full"), "{refused}");
    server.load();
    assert_eq!(server.receipts(), 1, "what was accepted is loaded all the same");
    disk.set_free_bytes(u64::MAX);
    let (mut stream, _) = server.open(hello(&[])).await.unwrap();
    stream.send(one(2)).await;
    assert_eq!(stream.ack().await.unwrap().through, 1);
}
