//! The network over its SQLite store.

use super::*;
use crate::store::dictionary::DictionaryStore as _;
use crate::store::sqlite::DictionaryDb;
use std::path::Path;
use tillway_proto::{LoadId, PeerSecret};

struct Fixture {
    folder: tempfile::TempDir,
    service: NetworkService,
    chain: NodeId,
}

fn code(text: &str) -> NodeCode {
    text.parse().unwrap()
}

fn open(folder: &Path) -> NetworkService {
    NetworkService::new(Arc::new(DictionaryDb::open(&folder.join("dictionary.db")).unwrap()))
}

impl Fixture {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let service = open(folder.path());
        let chain = service.ensure_chain(&code("main"), "The chain").unwrap();
        Self { folder, service, chain }
    }

    fn make(&self, parent: &NodeId, level: NodeLevel, text: &str) -> NodeId {
        self.service.create(parent, level, &code(text), text).unwrap().id
    }

    fn till(&self, shop: &NodeId, text: &str) -> (TillId, PeerSecret) {
        let created = self.service.create(shop, NodeLevel::Till, &code(text), "").unwrap();
        let NodeId::Till(id) = created.id else { panic!("not a till") };
        (id, created.secret.unwrap())
    }
}

#[test]
fn the_chain_is_made_once_and_survives_a_restart() {
    let fixture = Fixture::new();
    assert_eq!(fixture.service.ensure_chain(&code("other"), "").unwrap(), fixture.chain);
    let shop = fixture.make(&fixture.chain, NodeLevel::Shop, "7");
    let reopened = open(fixture.folder.path());
    assert_eq!(reopened.ensure_chain(&code("other"), "").unwrap(), fixture.chain);
    assert_eq!(*reopened.current().unwrap(), *fixture.service.current().unwrap());
    assert_eq!(reopened.current().unwrap().shop("7").unwrap().id, shop);
}

#[test]
fn the_network_is_read_while_another_process_loads() {
    let fixture = Fixture::new();
    let loading = DictionaryDb::open(&fixture.folder.path().join("dictionary.db")).unwrap();
    let no = fixture.service.current().unwrap().chain().unwrap().no;
    let load = loading.begin_load(no, LoadId(1)).unwrap();
    let beside = open(fixture.folder.path());
    assert_eq!(beside.ensure_chain(&code("main"), "").unwrap(), fixture.chain);
    assert_eq!(beside.current().unwrap().chain().unwrap().id, fixture.chain);
    load.rollback();
}

#[test]
fn levels_hang_where_they_belong() {
    let fixture = Fixture::new();
    let group = fixture.make(&fixture.chain, NodeLevel::Group, "north");
    let inner = fixture.make(&group, NodeLevel::Group, "coast");
    let shop = fixture.make(&inner, NodeLevel::Shop, "7");
    let (till, _) = fixture.till(&shop, "1");
    let wrong =
        [(&shop, NodeLevel::Shop), (&shop, NodeLevel::Group), (&group, NodeLevel::Till), (&group, NodeLevel::Chain)];
    for (parent, level) in wrong {
        let error = fixture.service.create(parent, level, &code("x"), "").unwrap_err();
        assert!(matches!(error, NetworkError::Level { .. }), "{error}");
        assert!(error.to_string().contains(parent.as_str()), "{error}");
    }
    let error = fixture.service.move_node(&group, &inner).unwrap_err();
    assert!(matches!(error, NetworkError::Loop { .. }), "{error}");
    let network = fixture.service.current().unwrap();
    let path: Vec<_> = network
        .path_at(network.till(&till).unwrap().no, Revision::ZERO)
        .iter()
        .map(|no| network.by_no(*no).unwrap().id.clone())
        .collect();
    assert_eq!(path, [fixture.chain.clone(), group, inner, shop, till.into()]);
}

#[test]
fn codes_are_unique_where_people_use_them() {
    let fixture = Fixture::new();
    let first = fixture.make(&fixture.chain, NodeLevel::Shop, "1");
    let second = fixture.make(&fixture.chain, NodeLevel::Shop, "2");
    let group = fixture.make(&fixture.chain, NodeLevel::Group, "1");
    let error = fixture.service.create(&group, NodeLevel::Shop, &code("1"), "").unwrap_err();
    assert!(matches!(&error, NetworkError::CodeTaken { by, .. } if *by == first), "{error}");
    let (till, _) = fixture.till(&first, "1");
    fixture.till(&second, "1");
    assert!(fixture.service.create(&first, NodeLevel::Till, &code("1"), "").is_err());
    let error = fixture.service.move_node(&till.clone().into(), &second).unwrap_err();
    assert!(matches!(error, NetworkError::CodeTaken { .. }), "{error}");
    // A removed node frees its code, and the new one is another.
    fixture.service.remove(&till.clone().into()).unwrap();
    let (again, _) = fixture.till(&first, "1");
    assert_ne!(again, till);
}

#[test]
fn nodes_are_found_by_id_and_by_folder_name() {
    let fixture = Fixture::new();
    let shop = fixture.make(&fixture.chain, NodeLevel::Shop, "7");
    let (till, _) = fixture.till(&shop, "1");
    let network = fixture.service.current().unwrap();
    assert_eq!(network.find("All").unwrap().id, fixture.chain);
    assert_eq!(network.find("shop-7").unwrap().id, shop);
    assert_eq!(network.find("till-7-1").unwrap().id, NodeId::Till(till.clone()));
    assert_eq!(network.find(till.as_str()).unwrap().id, NodeId::Till(till.clone()));
    assert_eq!(network.till_of(&shop, "1").unwrap().id, NodeId::Till(till));
    assert!(network.find("shop-8").unwrap_err().to_string().contains("`shop-8`"));
}

#[test]
fn a_move_takes_a_revision_and_the_old_path_stays_known() {
    let fixture = Fixture::new();
    let [north, south] = ["north", "south"].map(|text| fixture.make(&fixture.chain, NodeLevel::Group, text));
    let shop = fixture.make(&north, NodeLevel::Shop, "7");
    assert_eq!(fixture.service.move_node(&shop, &north).unwrap(), None);
    assert_eq!(fixture.service.move_node(&shop, &south).unwrap(), Some(Revision(1)));
    assert_eq!(fixture.service.move_node(&shop, &north).unwrap(), Some(Revision(2)));
    assert_eq!(fixture.service.move_node(&shop, &south).unwrap(), Some(Revision(3)));
    let network = fixture.service.current().unwrap();
    let no = network.node(&shop).unwrap().no;
    let parent_at = |revision| network.by_no(network.path_at(no, Revision(revision))[1]).unwrap().id.clone();
    assert_eq!([0, 1, 2, 3, 9].map(parent_at), [&north, &south, &north, &south, &south].map(Clone::clone));
    assert_eq!(network.children(&south).len(), 1);
    assert!(network.children(&north).is_empty());
    assert_eq!(*open(fixture.folder.path()).current().unwrap(), *network);
}

#[test]
fn only_a_node_without_children_goes() {
    let fixture = Fixture::new();
    let shop = fixture.make(&fixture.chain, NodeLevel::Shop, "7");
    let (till, token) = fixture.till(&shop, "1");
    assert!(matches!(fixture.service.remove(&shop), Err(NetworkError::HasChildren { children: 1, .. })));
    assert!(matches!(fixture.service.remove(&fixture.chain), Err(NetworkError::ChainStays { .. })));
    fixture.service.remove(&till.clone().into()).unwrap();
    assert!(matches!(fixture.service.remove(&till.clone().into()), Err(NetworkError::UnknownNode { .. })));
    assert!(!fixture.service.current().unwrap().verify_token(&till, &token.token()));
    fixture.service.remove(&shop).unwrap();
    assert_eq!(fixture.service.current().unwrap().nodes().count(), 1);
}

#[test]
fn a_token_is_good_for_its_till_until_it_is_made_anew() {
    let fixture = Fixture::new();
    let shop = fixture.make(&fixture.chain, NodeLevel::Shop, "7");
    let (first, token) = fixture.till(&shop, "1");
    let (second, _) = fixture.till(&shop, "2");
    let network = fixture.service.current().unwrap();
    assert!(network.verify_token(&first, &token.token()));
    assert!(!network.verify_token(&second, &token.token()));
    assert_eq!(network.till_of_token(&token.token()), Some(&first));
    assert!(!format!("{token:?}").contains(&token.to_text()[5..]));
    let renewed = fixture.service.renew_secret(&first).unwrap();
    let network = fixture.service.current().unwrap();
    assert!(!network.verify_token(&first, &token.token()));
    assert_eq!(network.till_of_token(&token.token()), None);
    assert!(network.verify_token(&first, &renewed.token()));
}

#[test]
fn a_till_is_parked_and_a_node_renamed() {
    let fixture = Fixture::new();
    let shop = fixture.make(&fixture.chain, NodeLevel::Shop, "7");
    let (till, _) = fixture.till(&shop, "1");
    fixture.service.park(&till, true).unwrap();
    assert!(fixture.service.current().unwrap().till(&till).unwrap().parked);
    fixture.service.park(&till, false).unwrap();
    assert!(!fixture.service.current().unwrap().till(&till).unwrap().parked);
    fixture.service.rename(&shop, " Harbour street 3 ").unwrap();
    assert_eq!(fixture.service.current().unwrap().node(&shop).unwrap().name, "Harbour street 3");
    assert!(matches!(fixture.service.rename(&shop, "a\nb"), Err(NetworkError::Name { .. })));
}

#[test]
fn a_new_code_is_short_and_simple_and_no_sibling_differs_by_zeros_alone() {
    let fixture = Fixture::new();
    let make = |parent: &NodeId, level, text: &str| fixture.service.create(parent, level, &code(text), "");
    for text in ["a.b", "123456789012345678901", "shop.7"] {
        let error = make(&fixture.chain, NodeLevel::Shop, text).unwrap_err();
        assert!(matches!(error, NetworkError::Code { .. }), "{error}");
    }
    assert!(
        "Север".parse::<NodeCode>().is_err() && "a b".parse::<NodeCode>().is_err() && "".parse::<NodeCode>().is_err()
    );
    let shop = fixture.make(&fixture.chain, NodeLevel::Shop, "12345678901234567-_Z");
    let seven = fixture.make(&fixture.chain, NodeLevel::Shop, "007");
    let group = fixture.make(&fixture.chain, NodeLevel::Group, "7");
    for (parent, text) in [(&fixture.chain, "7"), (&group, "07"), (&fixture.chain, "0007")] {
        let error = make(parent, NodeLevel::Shop, text).unwrap_err();
        assert!(matches!(&error, NetworkError::CodeAlike { by, .. } if *by == seven), "{error}");
    }
    fixture.make(&fixture.chain, NodeLevel::Shop, "70");
    let (till, _) = fixture.till(&shop, "01");
    assert!(make(&shop, NodeLevel::Till, "1").is_err());
    let (other, _) = fixture.till(&seven, "1");
    let error = fixture.service.move_node(&NodeId::Till(other), &shop).unwrap_err();
    assert!(matches!(&error, NetworkError::CodeAlike { by, .. } if *by == NodeId::Till(till)), "{error}");
    assert!(change::alike(&fixture.service.current().unwrap()).is_empty());
}

#[test]
fn codes_of_older_nodes_stay_and_those_that_are_alike_are_named() {
    let fixture = Fixture::new();
    let seven = fixture.make(&fixture.chain, NodeLevel::Shop, "7");
    let old = rusqlite::Connection::open(fixture.folder.path().join("network.db")).unwrap();
    let insert = "INSERT INTO node(id, code, name, parent, created_at) \
                  SELECT ?1, ?2, '', no, 0 FROM node WHERE code = 'main'";
    for (id, code) in [("_shop_007_00000001", "007"), ("_shop_a.b_00000002", "a.b")] {
        old.execute(insert, [id, code]).unwrap();
        old.execute("UPDATE counter SET value = value + 1 WHERE name = 'network'", ()).unwrap();
    }
    let service = open(fixture.folder.path());
    let network = service.current().unwrap();
    assert!(network.shop("a.b").is_some() && network.shop("007").is_some() && network.shop("7").is_some());
    let alike: Vec<Vec<&str>> =
        change::alike(&network).iter().map(|nodes| nodes.iter().map(|node| node.code.as_str()).collect()).collect();
    assert_eq!(alike, [vec!["007", "7"]]);
    let of_each = change::alike_of_each(&network);
    assert_eq!((of_each.len(), &of_each[&network.shop("7").unwrap().no]), (2, &vec!["shop-007".to_owned()]));
    // They can still be moved as a whole.
    let group = service.create(&fixture.chain, NodeLevel::Group, &code("north"), "").unwrap().id;
    service.move_node(&seven, &group).unwrap();
}

/// A `dictionary.db` as servers before `network.db` left it: the schema of that time, with nodes
/// in it, one of them moved.
fn of_older_server(path: &Path) {
    let database = rusqlite::Connection::open(path).unwrap();
    for step in [
        include_str!("../store/sqlite/dictionary_1.sql"),
        include_str!("../store/sqlite/dictionary_2.sql"),
        include_str!("../store/sqlite/dictionary_3.sql"),
        include_str!("../store/sqlite/dictionary_4.sql"),
    ] {
        database.execute_batch(step).unwrap();
    }
    let nodes = "PRAGMA user_version = 4;
        INSERT INTO node(no, id, code, name, created_at, removed_at, removed_after, parked) VALUES
            (1, '_chain_main_00000001', 'main', 'The chain', 1, NULL, NULL, 0),
            (2, '_group_n_00000002', 'n', '', 2, NULL, NULL, 0), (3, '_group_s_00000003', 's', '', 3, NULL, NULL, 0),
            (4, '_shop_7_00000004', '7', '', 4, NULL, NULL, 0), (5, '_cash_1_00000005', '1', '', 5, NULL, NULL, 1),
            (6, '_shop_8_00000006', '8', '', 6, 7, 1, 0);
        INSERT INTO node_parent VALUES (2, 0, 1), (3, 0, 1), (4, 0, 2), (4, 1, 3), (5, 0, 4), (6, 0, 1);
        INSERT INTO revision(revision, at, layer, load) VALUES (1, 8, 4, NULL), (2, 9, 4, 1);
        INSERT INTO layer VALUES (4, 2, 2);
        UPDATE counter SET value = 2 WHERE name = 'revision';
        UPDATE counter SET value = 8 WHERE name = 'network'";
    database.execute_batch(nodes).unwrap();
    database.execute("UPDATE node SET token = ?1 WHERE no = 5", [TokenHash::of("old").to_bytes()]).unwrap();
}

#[test]
fn nodes_of_an_older_server_are_taken_over_once_with_where_they_hung() {
    let folder = tempfile::tempdir().unwrap();
    of_older_server(&folder.path().join("dictionary.db"));
    for _ in 0..2 {
        let service = open(folder.path());
        let network = service.current().unwrap();
        let till = network.find("till-7-1").unwrap();
        assert!(till.parked && network.till_of_token("old").is_some());
        let path = |revision| network.path_at(till.no, Revision(revision)).iter().map(|no| no.0).collect::<Vec<_>>();
        assert_eq!([path(0), path(1)], [vec![1, 2, 4, 5], vec![1, 3, 4, 5]]);
        assert!(network.shop("8").is_none() && network.by_no(LayerNo(6)).unwrap().removed_at.is_some());
        let (shop, group) = (&network.shop("7").unwrap().id, &network.find("group-s").unwrap().id);
        assert_eq!(service.move_node(shop, group).unwrap(), None, "it hangs there already");
    }
    // A crash before the old rows went, or an older backup: the new file knows better.
    open(folder.path()).rename(&"_shop_7_00000004".parse().unwrap(), "Harbour street").unwrap();
    for file in ["dictionary.db", "dictionary.db-wal", "dictionary.db-shm"] {
        let _ = fs_err::remove_file(folder.path().join(file));
    }
    of_older_server(&folder.path().join("dictionary.db"));
    assert_eq!(open(folder.path()).current().unwrap().shop("7").unwrap().name, "Harbour street");
    // A number is never given again, though the record of its node was lost.
    let lost = rusqlite::Connection::open(folder.path().join("network.db")).unwrap();
    lost.execute_batch("PRAGMA foreign_keys = OFF; DELETE FROM node WHERE no > 3").unwrap();
    let service = open(folder.path());
    lost.execute("UPDATE counter SET value = value + 1", ()).unwrap();
    let network = service.current().unwrap();
    let made = service.create(&network.chain().unwrap().id, NodeLevel::Shop, &code("9"), "").unwrap();
    assert_eq!(service.current().unwrap().node(&made.id).unwrap().no, LayerNo(5));
}

#[test]
fn dictionaries_without_their_network_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    of_older_server(&folder.path().join("dictionary.db"));
    drop(open(folder.path()));
    for name in ["network.db", "network.db-wal", "network.db-shm"] {
        let _ = fs_err::remove_file(folder.path().join(name));
    }
    let refused = DictionaryDb::open(&folder.path().join("dictionary.db")).unwrap_err();
    assert!(
        matches!(&refused, StoreError::Corrupt { place, .. } if place.to_string().ends_with("/network.db")),
        "{refused}"
    );
}
