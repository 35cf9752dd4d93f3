//! What is found, what it costs for whom, and how that came about.

mod counting;

use super::changes::{Change, History, Log};
use super::index::Indexer;
use super::rows::{self, ItemKeys, ItemRows, Offer};
use super::search::{Found, Position, Shelves, Sought};
use crate::dictionary::tests::kit::{CLEAR, Chain, item};
use crate::network::LayerNo;
use crate::store::goods::GoodsIndex;
use crate::store::sqlite::GoodsDb;
use counting::Counting;
use jiff::civil::{DateTime, date};
use jiff::tz::TimeZone;
use std::sync::Arc;
use std::time::Instant;
use tillway_exchangers::goods::PricedBy;
use tillway_proto::{NodeLevel, Revision};

const NOON: DateTime = date(2026, 1, 2).at(12, 0, 0, 0);

const CHAIN: &str = "All";

/// A price by document, dated where `dates` says so.
fn price(of: &str, document: &str, price: &str, dates: &str) -> String {
    format!(
        r#"{{"command":"addPrice","price":{{"barcode":"{of}","doctype":1,"documentid":"{document}","price":{price}{dates}}}}}"#
    ) + "\n---\n"
}

fn barcode(barcode: &str, code: &str) -> String {
    format!(r#"{{"command":"addBarcode","barcode":{{"barcode":"{barcode}","code":"{code}"}}}}"#) + "\n---\n"
}

/// A barcode with its price in kopecks, and what gives it.
type Told = (Option<String>, Option<(i64, PricedBy)>);

/// A chain with an index of names.
struct Goods {
    chain: Chain,
    index: Arc<dyn GoodsIndex>,
    indexer: Indexer,
}

impl Goods {
    fn new() -> Self {
        let chain = Chain::new();
        let index: Arc<dyn GoodsIndex> = Arc::new(GoodsDb::open(&chain.folder.path().join("goods_search.db")).unwrap());
        let indexer = Indexer::new(chain.dictionary.clone(), Arc::clone(&index));
        Self { chain, index, indexer }
    }

    /// Reads names until all are read; in how many steps.
    fn read_names(&mut self) -> usize {
        let mut steps = 0;
        while self.indexer.step().unwrap() {
            steps += 1;
        }
        steps
    }

    fn all_layers(&self) -> Vec<LayerNo> {
        self.chain.network.current().unwrap().nodes().map(|node| node.no).collect()
    }

    fn find_in(&self, layers: &[LayerNo], text: &str, after: Option<Position>, limit: usize) -> Found {
        let (snapshot, view) = self.chain.dictionary.moment().unwrap();
        let layers: Vec<_> = layers.iter().copied().filter(|layer| view.layers.contains_key(layer)).collect();
        let shelves = Shelves {
            snapshot: snapshot.as_ref(),
            view: &view,
            layers: &layers,
            index: self.index.as_ref(),
            dictionary: self.chain.dictionary.store().identity().unwrap(),
        };
        shelves.find(&Sought { text, after, limit }).unwrap()
    }

    fn find(&self, text: &str) -> Vec<String> {
        codes(self.find_in(&self.all_layers(), text, None, 50))
    }

    fn keys(&self, code: &str) -> ItemKeys {
        let (snapshot, _) = self.chain.dictionary.moment().unwrap();
        rows::keys_of(snapshot.as_ref(), &self.all_layers(), code, &[]).unwrap()
    }

    fn rows(&self, code: &str, revision: Revision) -> ItemRows {
        let (snapshot, _) = self.chain.dictionary.moment().unwrap();
        rows::at(snapshot.as_ref(), &self.all_layers(), &self.keys(code), revision).unwrap()
    }

    /// Barcodes and prices in kopecks that a node sees, with what gives them.
    fn offers(&self, node: &str, code: &str, at: DateTime) -> Vec<Told> {
        let (_, view) = self.chain.dictionary.moment().unwrap();
        let rows = self.rows(code, view.head);
        let path = view.effective_path(self.chain.no(node), view.head);
        let told =
            |offer: Offer<'_>| (offer.barcode.map(str::to_owned), offer.priced.map(|(price, by, _)| (price.0, by)));
        rows.seen(&path).offers(at).into_iter().map(told).collect()
    }

    fn changes(&self, code: &str) -> Vec<Change> {
        self.history(code, None, 50).changes
    }

    fn history(&self, code: &str, before: Option<Revision>, limit: usize) -> History {
        let (snapshot, view) = self.chain.dictionary.moment().unwrap();
        let store = self.chain.dictionary.store();
        let layers = self.all_layers();
        let (snapshot, store) = (snapshot.as_ref(), store.as_ref());
        let log = Log { snapshot, view: &view, store, layers: &layers, zone: &TimeZone::UTC };
        log.changes(&self.keys(code), before, limit).unwrap()
    }
}

fn codes(found: Found) -> Vec<String> {
    found.hits.into_iter().map(|hit| hit.code).collect()
}

#[test]
fn a_good_is_found_by_barcode_code_and_words_of_its_name() {
    let mut goods = Goods::new();
    let milk = item("100", "Молоко «Ёлочка» 3,2% 1л", "10.00");
    let load = [
        &milk,
        &item("1001", "Молоко топлёное", "11"),
        &item("200", "Хлеб", "5"),
        &barcode("4600682000013", "100"),
        &barcode("4600682000013", "200"),
    ];
    goods.chain.load(CHAIN, &load.map(String::as_str).concat());
    goods.chain.load("shop-1", &item("9", "Молоко местное", "7"));
    assert_eq!(goods.find("4600682000013"), ["100", "200"], "two items share it");
    assert_eq!(goods.find("100"), ["100", "1001"], "the code itself first");
    assert_eq!(goods.find("46"), Vec::<String>::new(), "a barcode is whole");
    assert_eq!(goods.find(""), ["100", "1001", "200", "9"]);
    assert!(goods.find_in(&goods.all_layers(), "молоко", None, 9).is_behind, "names are not read yet");
    goods.read_names();
    for (wanted, expected) in [
        ("МОЛОКО", &["100", "1001", "9"][..]),
        ("елочка мол", &["100"]),
        ("молоко 1 л", &["100"]),
        ("молоко 3,2", &["100"]),
        ("топленое", &["1001"]),
        ("местное молоко", &["9"]),
        ("молоко хлеб", &[]),
        ("%", &[]),
    ] {
        assert_eq!(goods.find(wanted), expected, "{wanted}");
    }
    // A shop's goods are those of the layers that its tills see.
    let seen = ["All", "group-south", "shop-2", "till-2-1"].map(|node| goods.chain.no(node));
    assert_eq!(codes(goods.find_in(&seen, "молоко", None, 9)), ["100", "1001"]);
    assert_eq!(codes(goods.find_in(&seen, "9", None, 9)), Vec::<String>::new());
}

#[test]
fn a_list_goes_on_where_it_ended() {
    let mut goods = Goods::new();
    let all: String = (10..40).map(|code| item(&code.to_string(), &format!("Сок {code}"), "1")).collect();
    goods.chain.load(CHAIN, &all);
    goods.chain.load("shop-1", &item("10", "Сок шоп", "2"));
    goods.read_names();
    let layers = goods.all_layers();
    for (wanted, expected) in [("", 30), ("1", 10), ("сок", 30), ("сок 3", 10)] {
        let (mut after, mut found, mut parts) = (None, Vec::new(), 0);
        loop {
            let part = goods.find_in(&layers, wanted, after, 7);
            assert!(part.hits.len() <= 7 && !part.is_behind);
            parts += 1;
            after = part.next.clone().map(|next| next.to_string().parse::<Position>().unwrap());
            found.extend(codes(part));
            if after.is_none() {
                break;
            }
        }
        let mut distinct = found.clone();
        distinct.sort_unstable();
        distinct.dedup();
        assert_eq!((found.len(), distinct.len()), (expected, expected), "{wanted}: {found:?}");
        assert!(parts >= expected / 7);
    }
}

#[test]
fn a_barcode_that_codes_begin_with_too_leaves_no_code_out() {
    let goods = Goods::new();
    let codes_of: Vec<String> = (0..30).map(|n| format!("10{n:02}")).collect();
    let all: String = codes_of.iter().map(|code| item(code, "Сок", "1")).collect();
    // It has the barcode that is looked for, and stands in the middle of the codes.
    goods.chain.load(CHAIN, &(all + &barcode("10", "1010")));
    assert_eq!(codes(goods.find_in(&goods.all_layers(), "10", None, 1)), ["1010"]);
    for limit in [1, 5, 7, 10] {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let part = goods.find_in(&goods.all_layers(), "10", after, limit);
            after = part.next.clone();
            found.extend(codes(part));
            if after.is_none() {
                break;
            }
        }
        found.sort();
        assert_eq!(found, codes_of, "{limit}");
    }
}

#[test]
fn names_follow_the_layers_and_are_read_anew_where_the_log_does_not_tell() {
    let mut goods = Goods::new();
    goods.chain.load(CHAIN, &[item("1", "Старый сыр", "1"), item("2", "Масло", "1")].concat());
    goods.read_names();
    assert_eq!(goods.find("старый"), ["1"]);
    goods.chain.load(CHAIN, &item("1", "Новый сыр", "1"));
    assert_eq!(goods.find("старый"), ["1"], "it is read by and by");
    goods.read_names();
    assert_eq!((goods.find("старый"), goods.find("новый")), (vec![], vec!["1".to_owned()]));
    assert_eq!(goods.read_names(), 0, "nothing is left to do");
    // The price alone changes no name.
    goods.chain.load(CHAIN, &item("1", "Новый сыр", "2"));
    goods.read_names();
    goods.chain.load(CHAIN, &[CLEAR, &item("2", "Масло", "1")].concat());
    goods.read_names();
    assert_eq!((goods.find("сыр"), goods.find("масло")), (vec![], vec!["2".to_owned()]));
    // A damaged or missing index is a new one.
    goods.index = Arc::new(GoodsDb::open(&goods.chain.folder.path().join("another.db")).unwrap());
    goods.indexer = Indexer::new(goods.chain.dictionary.clone(), Arc::clone(&goods.index));
    goods.read_names();
    assert_eq!(goods.find("масло"), ["2"]);
    // What was pruned is not a range of the log any more.
    goods.chain.load(CHAIN, &[CLEAR, &item("3", "Соль", "1")].concat());
    let head = goods.chain.dictionary.head().unwrap();
    while !goods.chain.dictionary.store().prune(head, 100).unwrap().done {}
    goods.read_names();
    assert_eq!((goods.find("масло"), goods.find("соль")), (vec![], vec!["3".to_owned()]));
    // Nobody finds the goods of a shop that is gone.
    let shop = goods.chain.make(&goods.chain.root, NodeLevel::Shop, "9");
    goods.chain.load("shop-9", &item("4", "Перец", "1"));
    goods.read_names();
    assert_eq!(goods.find("перец"), ["4"]);
    goods.chain.network.remove(&shop).unwrap();
    goods.read_names();
    assert_eq!(goods.read_names(), 0);
    assert_eq!(goods.index.find(&["перец".to_owned()], 0, 9).unwrap(), []);
}

#[test]
fn the_deepest_layer_wins_and_a_price_by_document_while_it_holds() {
    let goods = Goods::new();
    goods.chain.load(CHAIN, &[item("1", "Сыр", "10"), barcode("46", "1"), price("46", "a", "9", "")].concat());
    let none = Vec::new();
    let of = |by, price: i64| vec![(Some("46".to_owned()), Some((price, by)))];
    for node in ["till-1-1", "shop-2", CHAIN] {
        assert_eq!(goods.offers(node, "1", NOON), of(PricedBy::Document, 900), "{node}");
    }
    let dated = r#","effectivedate":"2026-01-03T00:00:00","effectivedateend":"2026-01-04T23:59:59""#;
    goods.chain.load("group-north", &price("46", "b", "8", dated));
    let day = |day| date(2026, 1, day).at(12, 0, 0, 0);
    assert_eq!(goods.offers("till-1-1", "1", day(3)), of(PricedBy::Document, 800));
    // The group's prices stand for those of the chain, also when none of them holds.
    assert_eq!(goods.offers("till-1-1", "1", day(2)), of(PricedBy::Item, 1000));
    assert_eq!(goods.offers("till-2-1", "1", day(3)), of(PricedBy::Document, 900));
    goods.chain.load("shop-1", &item("1", "Сыр", "7"));
    assert_eq!(goods.offers("shop-1", "1", day(2)), of(PricedBy::Item, 700));
    assert_eq!(goods.offers("shop-1", "2", NOON), none);
    let (_, view) = goods.chain.dictionary.moment().unwrap();
    let rows = goods.rows("1", view.head);
    let path = view.effective_path(goods.chain.no("till-1-1"), view.head);
    let coming = rows.seen(&path).coming(NOON);
    let told: Vec<_> =
        coming.iter().map(|(at, offers)| (at.to_string(), offers[0].price().unwrap().to_string())).collect();
    let [begins, ends] = [("2026-01-03T00:00:00", "8.00"), ("2026-01-05T00:00:00", "7.00")];
    assert_eq!(told, [begins, ends].map(|(at, price)| (at.to_owned(), price.to_owned())));
}

#[test]
fn a_state_of_before_is_what_a_till_of_that_revision_has() {
    let goods = Goods::new();
    goods.chain.load(CHAIN, &[item("1", "Сыр", "10"), barcode("46", "1"), price("46", "a", "9", "")].concat());
    let before = goods.chain.dictionary.head().unwrap();
    goods.chain.load(CHAIN, &price("46", "a", "8", ""));
    let moved = goods.chain.dictionary.head().unwrap();
    goods.chain.load("group-south", &price("46", "b", "5", ""));
    let till = goods.chain.no("till-1-1");
    goods.chain.network.move_node(&goods.chain.node("shop-1"), &goods.chain.node("group-south")).unwrap();
    let (_, view) = goods.chain.dictionary.moment().unwrap();
    let at = |revision| {
        let rows = goods.rows("1", revision);
        rows.seen(&view.effective_path(till, revision)).offers(NOON)[0].price().unwrap().0
    };
    assert_eq!([before, moved, view.head].map(at), [900, 800, 500]);
}

#[test]
fn every_change_of_a_price_is_told_with_its_load() {
    let goods = Goods::new();
    let cheese = |name: &str| {
        let invent = format!(r#"{{"inventcode":"1","barcode":"46","name":"{name}","price":10}}"#);
        format!(r#"{{"command":"addInventItem","invent":{invent}}}"#) + "\n---\n"
    };
    goods.chain.load(CHAIN, &cheese("Сыр"));
    goods.chain.load(CHAIN, &[cheese("Сыр новый"), item("2", "Соль", "1")].concat());
    goods.chain.load(CHAIN, &price("46", "a", "9", ""));
    goods.chain.load(CHAIN, &price("46", "b", "8", r#","effectivedate":"2999-01-01T00:00:00""#));
    goods.chain.load("shop-1", &price("46", "c", "7", ""));
    goods.chain.load(CHAIN, &[CLEAR, &item("2", "Соль", "1")].concat());
    let changes = goods.changes("1");
    let told: Vec<_> = changes
        .iter()
        .map(|change| {
            let money = |price: Option<tillway_proto::Kopecks>| price.map(|price| price.0);
            (change.revision.0, money(change.old), money(change.new), change.from.is_some(), change.load.is_some())
        })
        .collect();
    let expected = [
        (6, Some(900), None, false, true),
        (5, Some(900), Some(700), false, true),
        (4, Some(900), Some(800), true, true),
        (3, Some(1000), Some(900), false, true),
        (1, None, Some(1000), false, true),
    ];
    assert_eq!(told, expected, "a new name is no new price");
    assert!(changes.iter().all(|change| change.barcodes == ["46"]), "{changes:?}");
    assert_eq!(changes[1].layer, goods.chain.no("shop-1"));
    // What was before the log began is not told of.
    let store = goods.chain.dictionary.store();
    while !store.prune(Revision(3), 100).unwrap().done {}
    let history = goods.history("1", None, 50);
    assert_eq!((history.changes.len(), history.is_cut), (3, true), "{history:?}");
}

#[test]
fn a_barcode_that_is_added_at_the_same_price_is_no_change() {
    let goods = Goods::new();
    goods.chain.load(CHAIN, &item("1", "Сыр", "10"));
    goods.chain.load(CHAIN, &barcode("46", "1"));
    assert_eq!(goods.changes("1").len(), 1);
    goods.chain.load(CHAIN, r#"{"command":"addBarcode","barcode":{"barcode":"47","code":"1","price":5}}"#);
    let changes = goods.changes("1");
    assert_eq!((changes.len(), changes[0].barcodes.as_slice()), (2, &["47".to_owned()][..]), "{changes:?}");
}

#[test]
fn changes_are_walked_page_by_page_each_once() {
    let goods = Goods::new();
    for price in 1..=9 {
        goods.chain.load(CHAIN, &item("1", "Сыр", &price.to_string()));
        goods.chain.load("shop-1", &item("1", "Сыр", &format!("{price}.50")));
    }
    let all: Vec<u64> = goods.changes("1").iter().map(|change| change.revision.0).collect();
    assert_eq!(all, (1..=18).rev().collect::<Vec<u64>>());
    for limit in [1, 4, 18, 19] {
        let (mut before, mut walked, mut pages) = (None, Vec::new(), 0);
        loop {
            let page = goods.history("1", before, limit);
            assert!(page.changes.len() <= limit && !page.is_cut);
            walked.extend(page.changes.iter().map(|change| change.revision.0));
            pages += 1;
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!((walked.as_slice(), pages), (all.as_slice(), all.len().div_ceil(limit)), "{limit}");
    }
}

/// Shops that each load a good of their own again and again; states that the page of the good
/// reads.
fn states_read(shops: usize, nights: usize) -> usize {
    let goods = Goods::new();
    let names: Vec<String> = (0..shops).map(|shop| format!("shop-1{shop}")).collect();
    for shop in 0..shops {
        goods.chain.make(&goods.chain.root, NodeLevel::Shop, &format!("1{shop}"));
    }
    let cheese = |price: usize| {
        let invent = format!(r#"{{"inventcode":"1","barcode":"46","name":"Сыр","price":{price}}}"#);
        format!(r#"{{"command":"addInventItem","invent":{invent}}}"#) + "\n---\n" + &price_of_46(price)
    };
    for night in 1..=nights {
        for name in &names {
            goods.chain.load(name, &cheese(night));
        }
    }
    let (snapshot, view) = goods.chain.dictionary.moment().unwrap();
    let (snapshot, layers, store) = (Counting::over(snapshot), goods.all_layers(), goods.chain.dictionary.store());
    let keys = rows::keys_of(&snapshot, &layers, "1", &[]).unwrap();
    assert_eq!(rows::at(&snapshot, &layers, &keys, view.head).unwrap().len(), 3 * shops);
    let log = Log { snapshot: &snapshot, view: &view, store: store.as_ref(), layers: &layers, zone: &TimeZone::UTC };
    assert_eq!(log.changes(&keys, None, 10).unwrap().changes.len(), 10.min(shops * nights));
    snapshot.states.get()
}

fn price_of_46(kopecks: usize) -> String {
    price("46", "a", &format!("0.{kopecks:02}"), "")
}

#[test]
fn what_a_page_reads_of_a_good_grows_with_its_layers_and_not_with_their_log() {
    let (few, many) = (states_read(6, 25), states_read(6, 50));
    assert_eq!(few, many, "a log of twice the length");
    let wide = states_read(18, 25);
    assert!(wide <= 3 * few, "three times the layers: {few}, {wide}");
    // Of each layer what it says now, once for the keys and once for the rows, and its former
    // barcodes; and what ten changes are of.
    assert!(few <= 6 * (1 + 20 + 2 + 3) + 10 * 2 * 3, "{few}");
}

/// A measurement: `cargo test … a_million_goods -- --ignored --nocapture`.
#[test]
#[ignore = "takes minutes: a million goods are loaded and read"]
fn a_million_goods_are_found_within_a_tenth_of_a_second() {
    const GOODS: u32 = 1_000_000;
    let mut goods = Goods::new();
    let kinds = ["Молоко", "Хлеб", "Сыр", "Масло", "Сок", "Вода", "Чай", "Кофе", "Соль", "Мука"];
    let load: String = (0..GOODS)
        .map(|n| {
            let name = format!("{} Марка{} {}г вид{n}", kinds[n as usize % 10], n % 5_000, n % 900);
            let barcode = format!("46{n:011}");
            format!(
                r#"{{"command":"addInventItem","invent":{{"inventcode":"{n}","barcode":"{barcode}","name":"{name}","price":1}}}}"#
            ) + "\n---\n"
        })
        .collect();
    let began = Instant::now();
    goods.chain.load(CHAIN, &load);
    println!("loaded in {:?}", began.elapsed());
    let began = Instant::now();
    let steps = goods.read_names();
    println!("names read in {:?}, {steps} steps", began.elapsed());
    let size = fs_err::metadata(goods.chain.folder.path().join("goods_search.db")).unwrap().len();
    println!("goods_search.db has {} MiB", size >> 20);
    let layers = goods.all_layers();
    let mut slowest = std::time::Duration::ZERO;
    for wanted in [
        "4600000777777",
        "777777",
        "77",
        "",
        "м",
        "мо",
        "молоко",
        "молоко марка77",
        "марка4999 г 777",
        "сыр молоко",
        "вид999999",
        "в",
        "масло 899 г",
        "нет такого",
    ] {
        let took = (0..5).map(|_| {
            let began = Instant::now();
            let found = goods.find_in(&layers, wanted, None, 50);
            // With what each costs, as the list shows it.
            let prices = found.hits.iter().map(|hit| goods.offers(CHAIN, &hit.code, NOON).len());
            (began.elapsed(), prices.sum::<usize>(), found.next)
        });
        let (took, found, next) = took.max_by_key(|(took, ..)| *took).unwrap();
        println!("`{wanted}`: {found} found in {took:?}, goes on: {}", next.is_some());
        slowest = slowest.max(took);
    }
    assert!(slowest.as_millis() < 100, "{slowest:?}");
}
