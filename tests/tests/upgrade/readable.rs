//! Each file and each message by itself.

use crate::VERSIONS;
use crate::place::{Place, fixtures, messages};
use fs_err as fs;
use prost::Message as _;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tillway_cash_server::sales::spool::{Arrival, Item, Position, Spool, SpoolLimits};
use tillway_exchangers::package::verify_file;
use tillway_exchangers::till::dictionary::{Loader, State};
use tillway_exchangers::till::documents::Documents;
use tillway_file_queue::disk::RealDisk;
use tillway_file_queue::{Limits, Queue};
use tillway_proto::report::Reported;
use tillway_proto::sales::v1;
use tillway_proto::{Command, PackageName};
use tillway_sync_agent::settings::{Layout, Settings};

#[test]
fn commands_of_every_version_are_read() {
    for version in VERSIONS {
        let mut sorts = BTreeSet::new();
        for (name, bytes) in messages(version, "command-") {
            let command = Command::parse(&bytes).unwrap_or_else(|error| panic!("{version} {name}: {error}"));
            sorts.insert(name.rsplit_once('-').unwrap().0.to_owned());
            assert_eq!(Command::parse(&command.to_bytes().unwrap()).unwrap(), command);
        }
        let known = ["command-load-package", "command-report-state", "command-unload-sales"];
        assert!(known.iter().all(|sort| sorts.contains(*sort)), "{version}: {sorts:?}");
    }
}

#[test]
fn reports_of_every_version_are_read() {
    for version in VERSIONS {
        for (name, bytes) in messages(version, "report-") {
            let report = Reported::parse(&bytes).unwrap_or_else(|error| panic!("{version} {name}: {error}"));
            assert_eq!(Reported::parse(&report.to_bytes().unwrap()).unwrap(), report);
        }
    }
}

#[test]
fn frames_of_every_version_are_read_and_nothing_in_them_is_unknown() {
    for version in VERSIONS {
        for (name, bytes) in messages(version, "till-frame-") {
            let frame = v1::PeerFrame::decode(bytes.as_slice()).unwrap();
            assert_eq!(frame.encode_to_vec(), bytes, "{version} {name}");
        }
        for (name, bytes) in messages(version, "server-frame-") {
            let frame = v1::ServerFrame::decode(bytes.as_slice()).unwrap();
            assert_eq!(frame.encode_to_vec(), bytes, "{version} {name}");
        }
    }
}

#[test]
fn status_servers_are_still_told_in_the_same_words() {
    for version in VERSIONS {
        for (name, bytes) in messages(version, "status-") {
            let told = String::from_utf8(bytes).unwrap();
            let (request, body) = told.split_once('\n').unwrap();
            assert!(request.contains("/CSrest/rest/dicts/"), "{name}: {request}");
            let body: BTreeMap<String, tillway_proto::ExchangeStatus> = serde_json::from_str(body).unwrap();
            assert!(body.contains_key("status"), "{name}");
        }
    }
}

#[test]
fn packages_of_every_version_are_whole() {
    for version in VERSIONS {
        let mut count = 0;
        for entry in fs::read_dir(fixtures(version).join("server/data/packages")).unwrap() {
            let path = entry.unwrap().path();
            let Some(name) = path.file_name().and_then(|name| name.to_str()).and_then(|name| name.strip_suffix(".twp"))
            else {
                continue;
            };
            let name: PackageName = name.parse().unwrap();
            verify_file(&path, &name).unwrap();
            count += 1;
        }
        assert!(count > 0, "{version}");
    }
}

#[test]
fn the_queue_of_every_version_hands_out_what_waits_and_keeps_what_is_aside() {
    for version in VERSIONS {
        let place = Place::of(version, None);
        let name = "dictionary".parse().unwrap();
        let queue = Queue::open(&place.till().join("queues"), &name, Limits::default()).unwrap();
        assert_eq!(queue.aside_depth().unwrap().batches, 1, "{version}");
        let waiting = queue.depth().unwrap().batches;
        assert!(waiting > 0, "{version}");
        for _ in 0..waiting {
            let claim = queue.next().unwrap().unwrap();
            assert!(claim.messages().all(|message| message.is_ok()), "{version}");
            claim.ack().unwrap();
        }
        assert!(queue.next().unwrap().is_none());
    }
}

#[test]
fn the_spool_of_every_version_is_read_to_its_end() {
    for version in VERSIONS {
        let place = Place::of(version, None);
        let spool = place.data().join("spool");
        let disk = Arc::new(RealDisk);
        let first = fs::read_dir(&spool)
            .unwrap()
            .filter_map(|entry| entry.unwrap().file_name().to_str()?.strip_suffix(".spool")?.parse().ok())
            .min()
            .unwrap();
        let from = Position { segment: first, offset: 0 };
        let opened = Spool::open(&spool, from, SpoolLimits::default(), disk).unwrap();
        let chunk = opened.read(from, 1_000, usize::MAX).unwrap();
        let records = chunk.items.iter().filter_map(|item| match item {
            Item::Record { payload, .. } => Some(Arrival::parse(payload).unwrap()),
            _ => None,
        });
        assert!(records.count() > 0, "{version}: {:?}", chunk.items);
    }
}

#[test]
fn settings_of_every_version_are_read() {
    for version in VERSIONS {
        let place = Place::of(version, None);
        Settings::read(&place.till().join("cash.ini"), &Layout::under(place.till())).unwrap();
        let server = fs::read_to_string(place.server().join("cash-server.toml")).unwrap();
        tillway_cash_server::settings::Settings::read(&server, &place.server(), []).unwrap();
    }
}

#[test]
fn databases_of_every_tills_version_are_read() {
    for version in VERSIONS {
        let place = Place::of(version, None);
        let dictionary = place.till().join("dictionaries.db");
        let before = State::read(&dictionary).unwrap();
        assert!(before.cursor.0 > 0 && before.rows > 0, "{version}: {before:?}");
        let mut loader = Loader::open(&dictionary).unwrap();
        assert_eq!(loader.verify().unwrap(), Vec::new(), "{version}");
        drop(loader);
        assert_eq!(State::read(&dictionary).unwrap().digest(), before.digest());
        let mut documents =
            Documents::open(&place.till().join("documents.db"), place.till_id.parse().unwrap()).unwrap();
        assert!(documents.highest().unwrap() > 10);
    }
}
