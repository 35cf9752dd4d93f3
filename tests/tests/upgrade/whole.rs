//! The whole: everything was under way when the old version's lights went out, and this version
//! brings it to its end.

use crate::VERSIONS;
use crate::place::{Place, SOON};
use fs_err as fs;
use rusqlite::Connection;
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use tillway_exchangers::till::dictionary::Shelf;
use tillway_exchangers::till::documents::Documents;
use tillway_file_queue::{Limits, Queue};
use tillway_proto::Kopecks;
use tillway_tests::bench::Api;
use tillway_tests::broker::Broker;
use tillway_tests::wait::{Seen, wait_for};

/// A receipt that no server takes, because of what stands in it: the fixtures have one.
const REFUSED_NUMBER: u64 = 902;

/// Receipts of the till that a server must have, by shift: numbers and uuids.
fn rung(place: &Place) -> BTreeMap<u64, BTreeSet<(u64, String)>> {
    let mut documents = Documents::open(&place.till().join("documents.db"), place.till_id.parse().unwrap()).unwrap();
    let page = documents.finished_after(0, &BTreeSet::new(), 1_000).unwrap();
    assert_eq!(page.broken.len(), 1, "{:?}", page.broken);
    let mut rung: BTreeMap<u64, BTreeSet<(u64, String)>> = BTreeMap::new();
    for document in page.documents {
        let key = document.key.unwrap();
        if key.number != REFUSED_NUMBER {
            let uuid = uuid::Uuid::from_slice(&key.uuid).unwrap();
            assert!(rung.entry(key.shift).or_default().insert((key.number, uuid.to_string())));
        }
    }
    rung
}

/// What the server has of a shift, as often as it has it.
fn received(api: &Api, place: &Place, shift: u64) -> Vec<(u64, String)> {
    let path = format!("/api/v1/tills/{}/shifts/{shift}/receipts?limit=1000", place.till_id);
    let answer = api.read(&path).unwrap_or_default();
    let receipt = |receipt: &Value| (receipt["number"].as_u64().unwrap(), receipt["uuid"].as_str().unwrap().to_owned());
    answer.as_array().into_iter().flatten().map(receipt).collect()
}

fn schema_version(database: &Path) -> i64 {
    Connection::open(database).unwrap().query_row("PRAGMA user_version", (), |row| row.get(0)).unwrap()
}

fn price(place: &Place, number: u32) -> Option<Kopecks> {
    let shelf = Shelf::open(&place.till().join("dictionaries.db")).unwrap();
    let at = jiff::Zoned::now().datetime();
    shelf.by_barcode(&format!("b{number}"), at).unwrap().into_iter().next().and_then(|good| good.price)
}

#[test]
fn what_every_version_left_under_way_comes_to_its_end() {
    for version in VERSIONS {
        let broker = Broker::shared().unwrap();
        let vhost = broker.virtual_host().unwrap();
        let place = Place::of(version, Some((broker, &vhost)));
        let rung = rung(&place);
        assert!(rung.values().map(BTreeSet::len).sum::<usize>() > 10, "{rung:?}");

        // The server alone: what it acknowledged it has, without the till.
        let of_before = ["dictionary.db", "exchange.db", "intake.db", "sales.db"]
            .map(|name| (name, schema_version(&place.data().join(name))));
        let (mut server, api) = place.start_server();
        let kept: Vec<_> =
            fs::read_dir(place.data().join("before-upgrade")).unwrap().map(|one| one.unwrap().path()).collect();
        assert_eq!(kept.len(), 1, "{version}: {kept:?}");
        for (name, schema) in of_before {
            assert_eq!(schema_version(&kept[0].join(name)), schema, "{version}: {name}");
        }
        let path = "/api/v1/loads?limit=1000";
        wait_for("unfinished loads to end", SOON, || {
            server.check().unwrap();
            let loads = api.read(path).unwrap();
            let open = loads.as_array().unwrap().iter().filter(|load| load["ended_at"].is_null()).count();
            let left = fs::read_dir(place.data().join("inbox/All")).unwrap().count();
            Seen::when(open == 0 && left == 0, (), &loads)
        })
        .unwrap();
        let acknowledged: BTreeSet<u64> = (1..=4).collect();
        wait_for("what lay in the spool to be loaded", SOON, || {
            let missing: Vec<u64> = acknowledged
                .iter()
                .copied()
                .filter(|shift| received(&api, &place, *shift).len() < rung[shift].len())
                .collect();
            Seen::when(missing.is_empty(), (), format!("shifts {missing:?} are not whole"))
        })
        .unwrap();

        // With the till.
        let state_before = schema_version(&place.till().join("data/sync.db"));
        let mut agent = place.start_agent();
        let path = format!("/api/v1/tills/{}", place.till_id);
        wait_for("the till to have everything", SOON, || {
            agent.check().unwrap();
            server.check().unwrap();
            let seen = api.read(&path).unwrap();
            Seen::when(seen["target"].as_u64() > Some(0) && seen["cursor"] == seen["target"], (), &seen)
        })
        .unwrap();
        wait_for("all receipts to be there", SOON, || {
            agent.check().unwrap();
            let missing: Vec<&u64> = rung
                .iter()
                .filter(|(shift, keys)| received(&api, &place, **shift).len() < keys.len())
                .map(|(shift, _)| shift)
                .collect();
            Seen::when(missing.is_empty(), (), format!("shifts {missing:?} are not whole"))
        })
        .unwrap();

        // Exactly once each, and nothing else.
        for (shift, keys) in &rung {
            let received = received(&api, &place, *shift);
            assert_eq!(received.len(), keys.len(), "shift {shift}");
            assert_eq!(&received.into_iter().collect::<BTreeSet<_>>(), keys, "shift {shift}");
        }
        // What the two promised loads brought, and the file that lay there, and the waiting batch.
        for (number, cost) in [(3, 3_300), (4, 3_400), (11, 1_700), (10, 1_600)] {
            assert_eq!(price(&place, number), Some(Kopecks(cost)), "item {number}");
        }
        wait_for("all deliveries to end", SOON, || {
            let deliveries = api.read(&format!("/api/v1/deliveries?till={}&limit=1000", place.till_id)).unwrap();
            let open = |delivery: &&Value| {
                ["announced", "downloaded", "queued", "built"].contains(&delivery["state"].as_str().unwrap())
            };
            Seen::when(deliveries.as_array().unwrap().iter().find(open).is_none(), (), &deliveries)
        })
        .unwrap();
        agent.stop().unwrap();
        let copy = place.till().join(format!("data/before-upgrade/sync.db.schema-{state_before}"));
        assert_eq!(schema_version(&copy), state_before, "{version}: the way back of the agent");
        let queue =
            Queue::open(&place.till().join("queues"), &"dictionary".parse().unwrap(), Limits::default()).unwrap();
        assert_eq!(queue.depth().unwrap().batches, 0);
        server.stop().unwrap();
        // Nothing waits in the spool, and what was aside still is.
        let loaded: i64 = Connection::open(place.data().join("sales.db"))
            .unwrap()
            .query_row("SELECT count(*) FROM receipt", [], |row| row.get(0))
            .unwrap();
        assert_eq!(usize::try_from(loaded).unwrap(), rung.values().map(BTreeSet::len).sum::<usize>());
        assert!(fs::read_dir(place.data().join("spool/aside")).unwrap().count() >= 2);
    }
}
