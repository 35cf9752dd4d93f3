//! Neighbouring minor versions work together while a chain is upgraded till by till: what an older
//! agent says is taken by today's server, and what an older server orders is carried out by
//! today's agent. The messages are those that the older version put on its wires.

use crate::VERSIONS;
use crate::place::{Place, SOON, fixtures, messages};
use fs_err as fs;
use prost::Message as _;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::PathBuf;
use std::thread;
use std::time::Duration;
use tillway_proto::queue::{ControlQueue, DictionaryQueue, REPORTS_QUEUE};
use tillway_proto::report::{Report, Reported};
use tillway_proto::sales::MAX_FRAME_BYTES;
use tillway_proto::sales::v1::{self, peer_frame, sales_loader_client::SalesLoaderClient, server_frame};
use tillway_proto::{Command, DeliveryId, DeliveryState, ExchangeStatus, Order, PeerId, TillId};
use tillway_tests::bench::Api;
use tillway_tests::broker::{Broker, VirtualHost};
use tillway_tests::wait::{Seen, wait_for};
use tonic::Request;
use tonic::transport::Endpoint;
use uuid::Uuid;

/// How long one answer of the sales service may take.
const ANSWER: Duration = Duration::from_secs(30);

/// Reports that are set aside.
fn reports_aside(api: &Api) -> Vec<Value> {
    let units = api.read("/api/v1/aside").unwrap();
    units.as_array().unwrap().iter().filter(|unit| unit["sort"] == "report").cloned().collect()
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap()
}

#[test]
fn the_server_takes_what_agents_of_every_version_report() {
    for version in VERSIONS {
        let broker = Broker::shared().unwrap();
        let vhost = broker.virtual_host().unwrap();
        let place = Place::of(version, Some((broker, &vhost)));
        let (mut server, api) = place.start_server();
        let aside_before = reports_aside(&api).len();
        let path = format!("/api/v1/tills/{}", place.till_id);
        wait_for("the queue of reports", SOON, || match vhost.queue(REPORTS_QUEUE) {
            Ok(Some(_)) => Seen::Ready(()),
            other => Seen::NotYet(format!("{other:?}")),
        })
        .unwrap();
        let mut sent = 0;
        for (name, bytes) in messages(version, "report-") {
            let before = api.read(&path).unwrap()["last_contact"].clone();
            vhost.publish(REPORTS_QUEUE, text(&bytes)).unwrap();
            sent += 1;
            // Each of them is a word of the till, whatever it says.
            wait_for(format!("{version} {name} to be taken"), SOON, || {
                server.check().unwrap();
                let till = api.read(&path).unwrap();
                let is_heard = till["last_contact"] != before;
                Seen::when(is_heard, (), format!("{till} {:?}", reports_aside(&api)))
            })
            .unwrap();
        }
        assert!(sent >= 5, "{version}");
        assert_eq!(reports_aside(&api).len(), aside_before, "{version}: {:?}", reports_aside(&api));
        let till = api.read(&path).unwrap();
        assert_eq!(till["rows"].as_u64(), Some(87), "{version}: {till}");
        assert_eq!(till["agent_version"], "0.1.0", "{version}");
    }
}

/// Says the hello to the sales service, then the batches; gives the acknowledgements.
async fn unload(address: String, token: &str, hello: Vec<u8>, batches: &[Vec<u8>]) -> Vec<v1::Ack> {
    let frame = |bytes: &[u8]| v1::PeerFrame::decode(bytes).unwrap();
    let (frames, outgoing) = tokio::sync::mpsc::channel(16);
    let mut request = Request::new(tokio_stream::wrappers::ReceiverStream::new(outgoing));
    // An agent of v0.1 names itself in its hello alone.
    request.metadata_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let hello = frame(&hello);
    assert!(matches!(&hello.frame, Some(peer_frame::Frame::Hello(_))));
    frames.send(hello).await.unwrap();
    let channel = Endpoint::from_shared(address).unwrap().connect().await.unwrap();
    let mut client = SalesLoaderClient::new(channel).max_encoding_message_size(MAX_FRAME_BYTES);
    let mut answers = client.unload(request).await.unwrap().into_inner();
    let mut next = async || {
        let answer = tokio::time::timeout(ANSWER, answers.message()).await.expect("an answer in time");
        answer.unwrap().and_then(|frame| frame.frame)
    };
    loop {
        let Some(server_frame::Frame::Holding(holding)) = next().await else { panic!("what is there comes first") };
        if holding.last {
            break;
        }
    }
    for batch in batches {
        frames.send(frame(batch)).await.unwrap();
    }
    drop(frames);
    let mut acks = Vec::new();
    while let Some(answer) = next().await {
        let server_frame::Frame::Ack(ack) = answer else { panic!("{answer:?}") };
        acks.push(ack);
    }
    acks
}

#[test]
fn the_server_takes_the_sales_streams_of_agents_of_every_version() {
    for version in VERSIONS {
        let broker = Broker::shared().unwrap();
        let vhost = broker.virtual_host().unwrap();
        let place = Place::of(version, Some((broker, &vhost)));
        let (_server, api) = place.start_server();
        let settings = fs::read_to_string(place.till().join("cash.ini")).unwrap();
        let of_key = |key: &str| {
            let line = settings.lines().find_map(|line| line.strip_prefix(key)?.trim().strip_prefix('='));
            line.unwrap_or_else(|| panic!("{version} has no {key}")).trim().to_owned()
        };
        let (token, address) = (of_key("cash.token"), format!("http://127.0.0.1:{}", of_key("grpcportcs")));
        let hellos = messages(version, "till-frame-10-");
        let batches: Vec<_> = messages(version, "till-frame-18-").into_iter().map(|(_, bytes)| bytes).collect();
        let runtime = tokio::runtime::Runtime::new().unwrap();
        for (name, hello) in &hellos {
            let acks = runtime.block_on(unload(address.clone(), &token, hello.clone(), &[]));
            assert!(acks.is_empty(), "{version} {name}: {acks:?}");
        }
        let (_, hello) = &hellos[0];
        let acks = runtime.block_on(unload(address, &token, hello.clone(), &batches));
        assert_eq!(acks.last().unwrap().through, batches.len() as u64, "{version}");
        // What the older server set aside is set aside, and nothing else.
        let numbers = |acks: &[v1::Ack]| -> BTreeSet<i64> {
            acks.iter().flat_map(|ack| &ack.refused).map(|refused| refused.document_id).collect()
        };
        let acks_of_then: Vec<v1::Ack> = messages(version, "server-frame-18-")
            .iter()
            .filter_map(|(_, bytes)| match v1::ServerFrame::decode(bytes.as_slice()).unwrap().frame {
                Some(server_frame::Frame::Ack(ack)) => Some(ack),
                _ => None,
            })
            .collect();
        assert_eq!(numbers(&acks), numbers(&acks_of_then), "{version}");
        for batch in &batches {
            let Some(peer_frame::Frame::Batch(batch)) = v1::PeerFrame::decode(batch.as_slice()).unwrap().frame else {
                panic!("no batch")
            };
            for document in batch.documents.iter().filter(|document| document.document_id != 0) {
                let key = document.key.clone().unwrap();
                if numbers(&acks).contains(&document.document_id) {
                    continue;
                }
                let uuid = Uuid::from_slice(&key.uuid).unwrap().to_string();
                let path = format!("/api/v1/tills/{}/shifts/{}/receipts?limit=1000", place.till_id, key.shift);
                wait_for(format!("{version}: receipt {} to be there", key.number), SOON, || {
                    let there = api.read(&path).unwrap_or_default();
                    let found = there.as_array().into_iter().flatten().filter(|one| one["uuid"] == uuid.as_str());
                    let count = found.count();
                    assert!(count <= 1, "once is enough: {there}");
                    Seen::when(count == 1, (), &there)
                })
                .unwrap();
            }
        }
    }
}

/// Serves packages as the older server's port did, on a port of its own.
fn serve_packages(folder: PathBuf) -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that goes away is no fault of the test.
            let _ = serve_package(&folder, &stream);
        }
    });
    port
}

fn serve_package(folder: &std::path::Path, mut stream: &TcpStream) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let first = lines.next().transpose()?.unwrap_or_default();
    while lines.next().transpose()?.is_some_and(|line| !line.is_empty()) {}
    let name = first.split(' ').nth(1).and_then(|path| path.rsplit('/').next()).unwrap_or_default().to_owned();
    match fs::read(folder.join(name)) {
        Ok(package) => {
            let length = package.len();
            write!(stream, "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n")?;
            stream.write_all(&package)
        }
        Err(_) => stream.write_all(b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"),
    }
}

/// What an agent of v0.1 sends to fetch a package: the path of the link, and no token.
fn fetched_as_before(port: u16, link: &str) -> std::io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    write!(stream, "GET {link} HTTP/1.1\r\nhost: 127.0.0.1:{port}\r\naccept: */*\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer)
}

#[test]
fn the_server_gives_packages_to_agents_of_every_version() {
    for version in VERSIONS {
        let broker = Broker::shared().unwrap();
        let vhost = broker.virtual_host().unwrap();
        let place = Place::of(version, Some((broker, &vhost)));
        let (mut server, api) = place.start_server();
        // One that has nothing yet is told of a package at once; nobody knows of its agent.
        let nodes = api.read("/api/v1/nodes").unwrap();
        let shop = nodes.as_array().unwrap().iter().find(|node| node["level"] == "shop").unwrap()["id"].clone();
        let made = api.post("/api/v1/nodes", &json!({ "parent": shop, "level": "till", "code": "old" })).unwrap();
        let till: TillId = made["node"]["id"].as_str().unwrap().parse().unwrap();
        let queue = DictionaryQueue::of(&PeerId::from(till));
        let found = wait_for(format!("{version}: a link for the till"), SOON, || {
            server.check().unwrap();
            let taken = vhost.take(queue.as_str(), 1).unwrap_or_default();
            let command = taken.first().map(|message| Command::parse(message.as_bytes()).unwrap());
            match command.as_ref().map(|command| &command.order) {
                Some(Order::LoadPackage(link)) => {
                    Seen::Ready((link.clone(), command.as_ref().unwrap().settings["dicturlportcs"].parse().unwrap()))
                }
                other => Seen::NotYet(format!("{other:?}")),
            }
        });
        let (link, port) = found.unwrap();
        let answer = fetched_as_before(port, &link.link).unwrap();
        let head = String::from_utf8_lossy(&answer[..answer.len().min(600)]).into_owned();
        assert!(head.starts_with("HTTP/1.1 200"), "{version}: {head}");
        let body = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap() + 4;
        assert_eq!(link.package.as_str(), blake3::hash(&answer[body..]).to_hex().as_str(), "{version}");
        // The link is what opens it.
        let name = link.link.split('?').next().unwrap();
        assert!(fetched_as_before(port, name).unwrap().starts_with(b"HTTP/1.1 401"), "{version}");
        server.stop().unwrap();
    }
}

/// What the agent says, as it comes.
fn heard(vhost: &VirtualHost, so_far: &mut Vec<Report>) {
    for message in vhost.take(REPORTS_QUEUE, 100).unwrap() {
        so_far.push(Reported::parse(message.as_bytes()).unwrap().report);
    }
}

/// Whether an order was carried out to its end; what the till or the server set aside on the way
/// is told with it.
fn answers(reports: &[Report], order: Uuid) -> bool {
    reports.iter().any(|report| {
        matches!(report, Report::Unload { command: Some(command), status, .. }
            if *command == order && matches!(status, ExchangeStatus::Ready | ExchangeStatus::ReadyWithError))
    })
}

fn is_loaded(reports: &[Report], link: DeliveryId) -> bool {
    reports.iter().any(|report| {
        matches!(report, Report::Delivery { delivery, state: DeliveryState::Applied, .. } if *delivery == link)
    })
}

#[test]
fn the_agent_does_what_servers_of_every_version_order() {
    for version in VERSIONS {
        let broker = Broker::shared().unwrap();
        let vhost = broker.virtual_host().unwrap();
        let place = Place::of(version, Some((broker, &vhost)));
        let peer = PeerId::from(place.till_id.parse::<TillId>().unwrap());
        let (control, dictionary) = (ControlQueue::of(&peer), DictionaryQueue::of(&peer));
        // Makes the queues, as the older one did, and goes; the sales-loader stays.
        let (server, _) = place.start_server();
        wait_for("the till's queues", SOON, || {
            let queues = vhost.queues().unwrap();
            let there = [control.as_str(), dictionary.as_str(), REPORTS_QUEUE];
            Seen::when(there.iter().all(|name| queues.iter().any(|queue| queue == name)), (), format!("{queues:?}"))
        })
        .unwrap();
        server.stop().unwrap();
        for queue in [control.as_str(), dictionary.as_str(), REPORTS_QUEUE] {
            vhost.purge(queue).unwrap();
        }
        let mut sales = place.start_sales_loader();
        let packages = serve_packages(fixtures(version).join("server/data/packages"));
        let mut agent = place.start_agent();

        let (mut orders, mut links) = (Vec::new(), Vec::new());
        for (name, bytes) in messages(version, "command-") {
            let command = Command::parse(&bytes).unwrap_or_else(|error| panic!("{version} {name}: {error}"));
            // Ports were of that run only.
            let mut of_today = text(&bytes).to_owned();
            for (key, port) in [("dicturlportcs", packages), ("grpcportcs", place.sales_port())] {
                let then = &command.settings[key];
                of_today = of_today.replace(&format!("\"{key}\":\"{then}\""), &format!("\"{key}\":\"{port}\""));
            }
            let queue = if let Order::LoadPackage(link) = &command.order {
                links.push((link.delivery, link.to));
                dictionary.as_str()
            } else {
                orders.push((name, command.id));
                control.as_str()
            };
            vhost.publish(queue, &of_today).unwrap();
        }
        assert!(orders.len() >= 4 && links.len() == 1, "{orders:?} {links:?}");
        let mut reports = Vec::new();
        wait_for(format!("{version}: all orders to be answered"), SOON, || {
            agent.check().unwrap();
            sales.check().unwrap();
            heard(&vhost, &mut reports);
            let open: Vec<_> = orders.iter().filter(|(_, id)| !answers(&reports, *id)).map(|(name, _)| name).collect();
            let waiting = links.iter().filter(|(link, _)| !is_loaded(&reports, *link)).count();
            Seen::when(open.is_empty() && waiting == 0, (), format!("{open:?}, {waiting} links; {reports:?}"))
        })
        .unwrap();
        let refused: Vec<_> = reports.iter().filter(|report| matches!(report, Report::Refused { .. })).collect();
        assert!(refused.is_empty(), "{version}: {refused:?}");
        let at = tillway_exchangers::till::dictionary::State::read(&place.till().join("dictionaries.db")).unwrap();
        assert!(links.iter().all(|(_, to)| at.cursor >= *to), "{version}: {links:?}, the till is at {}", at.cursor);
        agent.stop().unwrap();
        sales.stop().unwrap();
    }
}

#[test]
fn frames_to_which_a_next_version_adds_something_are_read_as_far_as_they_are_known() {
    // Field 1000, a text: no version has it.
    const ADDED: [u8; 7] = [0xc2, 0x3e, 4, b'n', b'e', b'x', b't'];
    for version in VERSIONS {
        for (name, bytes) in messages(version, "till-frame-") {
            let known = v1::PeerFrame::decode(bytes.as_slice()).unwrap();
            let more = [bytes.as_slice(), &ADDED].concat();
            assert_eq!(v1::PeerFrame::decode(more.as_slice()).unwrap(), known, "{version} {name}");
        }
        for (name, bytes) in messages(version, "server-frame-") {
            let known = v1::ServerFrame::decode(bytes.as_slice()).unwrap();
            let more = [bytes.as_slice(), &ADDED].concat();
            assert_eq!(v1::ServerFrame::decode(more.as_slice()).unwrap(), known, "{version} {name}");
        }
    }
}
