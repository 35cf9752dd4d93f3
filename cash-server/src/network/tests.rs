//! The network over its SQLite store.

use super::*;
use crate::store::dictionary::DictionaryStore as _;
use crate::store::sqlite::DictionaryDb;
use std::path::Path;
use tillway_proto::LoadId;

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

    fn till(&self, shop: &NodeId, text: &str) -> (TillId, TillToken) {
        let created = self.service.create(shop, NodeLevel::Till, &code(text), "").unwrap();
        let NodeId::Till(id) = created.id else { panic!("not a till") };
        (id, created.token.unwrap())
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
    assert!(!fixture.service.current().unwrap().verify_token(&till, token.as_str()));
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
    assert!(network.verify_token(&first, token.as_str()));
    assert!(!network.verify_token(&second, token.as_str()));
    assert_eq!(network.till_of_token(token.as_str()), Some(&first));
    assert!(!format!("{token:?}").contains(&token.as_str()[4..]));
    let renewed = fixture.service.reissue_token(&first).unwrap();
    let network = fixture.service.current().unwrap();
    assert!(!network.verify_token(&first, token.as_str()));
    assert_eq!(network.till_of_token(token.as_str()), None);
    assert!(network.verify_token(&first, renewed.as_str()));
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
    let old = DictionaryDb::open(&fixture.folder.path().join("dictionary.db")).unwrap();
    let seven = fixture.make(&fixture.chain, NodeLevel::Shop, "7");
    let insert = "INSERT INTO node(id, code, name, created_at) VALUES (?1, ?2, '', 0)";
    for (id, code) in [("_shop_007_00000001", "007"), ("_shop_a.b_00000002", "a.b")] {
        let writer = old.database().writer();
        writer.execute(insert, [id, code]).unwrap();
        let parent =
            "INSERT INTO node_parent SELECT n.no, 0, c.no FROM node n, node c WHERE n.id = ?1 AND c.code = 'main'";
        writer.execute(parent, [id]).unwrap();
        writer.execute("UPDATE counter SET value = value + 1 WHERE name = 'network'", ()).unwrap();
    }
    let service = open(fixture.folder.path());
    let network = service.current().unwrap();
    assert!(network.shop("a.b").is_some() && network.shop("007").is_some() && network.shop("7").is_some());
    let alike: Vec<Vec<&str>> =
        change::alike(&network).iter().map(|nodes| nodes.iter().map(|node| node.code.as_str()).collect()).collect();
    assert_eq!(alike, [vec!["007", "7"]]);
    // They can still be moved as a whole.
    let group = service.create(&fixture.chain, NodeLevel::Group, &code("north"), "").unwrap().id;
    service.move_node(&seven, &group).unwrap();
}
