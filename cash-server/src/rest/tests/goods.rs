//! Goods over REST and on their pages: what is found, told and seen by whom.

use super::*;
use crate::app::Role;
use crate::dictionary::tests::kit::load_aif;
use crate::exchange::model::{Contact, Needs};
use crate::goods::index::Indexer;
use crate::store::dictionary::DictionaryStore as _;
use crate::store::exchange::ExchangeChanges;
use jiff::Timestamp;
use tillway_proto::report::TillState;
use tillway_proto::{LoadId, Revision};

const MILK: &str = r#"{"command":"addInventItem","invent":{"inventcode":"100","barcode":"46","name":"Молоко <b>3%","price":79.90}}
---
"#;

impl Server {
    /// Loads AIF into the layer of a node; the revision that it took.
    pub(super) fn load(&self, node: &str, load: i64, aif: &str) -> Revision {
        let dictionary = DictionaryDb::open(&self.folder.path().join("dictionary.db")).unwrap();
        let layer = self.network.current().unwrap().find(node).unwrap().no;
        load_aif(dictionary.begin_load(layer, LoadId(load)).unwrap(), aif).0.revision.unwrap()
    }

    fn read_names(&self) {
        let at = |name: &str| self.folder.path().join(name);
        let dictionary = Arc::new(DictionaryDb::open(&at("dictionary.db")).unwrap());
        let index = Arc::new(GoodsDb::open(&at("goods_search.db")).unwrap());
        let mut indexer = Indexer::new(DictionaryService::new(dictionary), index);
        while indexer.step().unwrap() {}
    }

    /// The till has proved to have this revision.
    fn has(&self, till: &str, cursor: Revision) {
        let till: TillId = till.parse().unwrap();
        let now = Timestamp::now();
        let contact = Contact {
            first_at: now,
            last_at: now,
            present_since: now,
            sent_at: now,
            instance: uuid::Uuid::from_u128(7),
            previous_instance: None,
            state: TillState { cursor, ..TillState::default() },
            needs: Needs::Nothing,
            needs_since: None,
            needs_reason: String::new(),
            two_machines_at: None,
            went_back_at: None,
            claimed: None,
            claimed_at: None,
        };
        let changes = ExchangeChanges { contacts: vec![(till.into(), contact)], ..ExchangeChanges::default() };
        self.exchange_db.change(&mut |_| Ok(changes.clone())).unwrap();
    }
}

/// Two shops with a till each; the chain sells milk, shop 8 at a price of its own. Till 7-1 has
/// what it shall have, till 8-1 what was before.
async fn dairy() -> (Server, Revision) {
    let server = Server::start();
    server.two_shops().await;
    server.load("All", 1, MILK);
    let first = server.load("All", 2, &MILK.replace("79.90", "84.90"));
    let second = server.load(
        "shop-8",
        3,
        r#"{"command":"addPrice","price":{"barcode":"46","doctype":1,"documentid":"s8","price":89.90}}"#,
    );
    server.has(&server.id_of("till-7-1").await, second);
    server.has(&server.id_of("till-8-1").await, first);
    server.read_names();
    (server, second)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_is_found_and_told_with_its_layers_prices_history_and_tills() {
    let (server, newest) = dairy().await;
    let [till, other, shop] = ["till-7-1", "till-8-1", "shop-8"].map(|node| server.id_of(node));
    let (till, other, shop) = (till.await, other.await, shop.await);
    for wanted in ["46", "100", "1", "%D0%BC%D0%BE%D0%BB%D0%BE%D0%BA%D0%BE", "3+%D0%BC%D0%BE%D0%BB"] {
        let (status, found) = server.ask("GET", &format!("/api/v1/goods?q={wanted}"), None).await;
        assert_eq!((status, found["goods"].as_array().unwrap().len()), (StatusCode::OK, 1), "{wanted}: {found}");
        let line = &found["goods"][0];
        assert_eq!((&line["code"], &line["price_from"]), (&json!("100"), &json!(8490)), "the chain's: {line}");
        assert_eq!((&line["barcodes"], &found["complete"]), (&json!(["46"]), &json!(true)));
    }
    let (status, good) = server.ask("GET", "/api/v1/goods/100", None).await;
    assert_eq!((status, &good["tills"], &good["shops"]), (StatusCode::OK, &json!(2), &json!(2)), "{good}");
    let prices: Vec<_> =
        good["prices"].as_array().unwrap().iter().map(|one| (one["price"].as_i64(), one["by"].as_str())).collect();
    assert!(prices.contains(&(Some(8490), Some("item"))) && prices.contains(&(Some(8990), Some("document"))), "{good}");
    let wins: Vec<_> =
        good["layers"].as_array().unwrap().iter().map(|one| (one["by"].as_str(), one["tills"].as_u64())).collect();
    let [item, barcode, document] = [("item", 1), ("barcode", 0), ("document", 1)];
    assert_eq!(wins, [item, barcode, document].map(|(by, tills)| (Some(by), Some(tills))), "{good}");
    let stale = &good["stale"];
    assert_eq!(stale.as_array().unwrap().len(), 1, "{good}");
    assert_eq!(
        (&stale[0]["till"], &stale[0]["has"], &stale[0]["should_have"]),
        (&json!(other), &json!(8490), &json!(8990))
    );

    let (status, history) = server.ask("GET", "/api/v1/goods/100/history", None).await;
    assert_eq!(status, StatusCode::OK);
    let changes: Vec<_> = history["changes"].as_array().unwrap().iter().collect();
    let told: Vec<_> = changes
        .iter()
        .map(|one| (one["old"].as_i64(), one["new"].as_i64(), one["load"].as_i64(), one["tills_have"].as_u64()))
        .collect();
    let expected = [
        (Some(8490), Some(8990), Some(3), Some(0)),
        (Some(7990), Some(8490), Some(2), Some(2)),
        (None, Some(7990), Some(1), Some(2)),
    ];
    assert_eq!(told, expected, "{history}");
    assert_eq!((&changes[0]["node"], &changes[0]["tills"]), (&json!(shop), &json!(1)));
    let (_, limited) = server.ask("GET", "/api/v1/goods/100/history?limit=1", None).await;
    assert_eq!(limited["changes"].as_array().unwrap().len(), 1);
    let (status, tills) = server.ask("GET", &format!("/api/v1/goods/100/history/{newest}"), None).await;
    assert_eq!((status, &tills), (StatusCode::OK, &json!([{"till": other, "has": false, "since": null}])));

    let (_, price) = server.ask("GET", "/api/v1/tills/till-8-1/price?barcode=46", None).await;
    let here = &price["goods"][0];
    assert_eq!((&here["has"]["price"], &here["will_have"]["price"]), (&json!(8490), &json!(8990)), "{price}");
    let (_, price) = server.ask("GET", &format!("/api/v1/tills/{till}/price?barcode=100"), None).await;
    let here = &price["goods"][0];
    assert_eq!((&here["has"], &here["has"]["price"]), (&here["will_have"], &json!(8490)), "{price}");
    let (status, price) = server.ask("GET", "/api/v1/tills/till-7-1/price?barcode=47", None).await;
    assert_eq!((status, &price["goods"]), (StatusCode::OK, &json!([])));
    for path in ["/api/v1/goods/101", "/api/v1/goods/101/history", "/api/v1/goods/100/history/99"] {
        assert_eq!(server.ask("GET", path, None).await.0, StatusCode::NOT_FOUND, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_shop_sees_what_its_tills_see_and_nothing_of_another() {
    let (server, newest) = dairy().await;
    server.load("shop-8", 4, r#"{"command":"addInventItem","invent":{"inventcode":"8","name":"Кефир","price":1}}"#);
    server.read_names();
    let (other, other_shop) = (server.id_of("till-8-1").await, server.id_of("shop-8").await);
    let key = server.key(Role::Viewer, "shop-7").await;
    let ask = async |path: &str| server.with_key(&key, "get", path, "").await;
    let kefir = "%D0%BA%D0%B5%D1%84%D0%B8%D1%80";
    for wanted in ["8", kefir] {
        assert_eq!(ask(&format!("/api/v1/goods?q={wanted}")).await.1["goods"], json!([]), "{wanted}");
    }
    for path in ["/api/v1/goods", "/api/v1/goods/100", "/api/v1/goods/100/history"] {
        let (status, told) = ask(path).await;
        let text = told.to_string();
        assert!(status == StatusCode::OK && text.contains("8490") && !text.contains("8990"), "{path}: {text}");
        assert!(!text.contains(&other) && !text.contains(&other_shop), "{path}: {text}");
    }
    assert_eq!(ask("/api/v1/goods/100").await.1["tills"], 1);
    for (path, expected) in [
        ("/api/v1/goods/8".to_owned(), StatusCode::NOT_FOUND),
        (format!("/api/v1/goods/100/history/{newest}"), StatusCode::NOT_FOUND),
        ("/api/v1/tills/till-8-1/price?barcode=46".to_owned(), StatusCode::FORBIDDEN),
        ("/api/v1/tills/till-7-1/price?barcode=46".to_owned(), StatusCode::OK),
    ] {
        assert_eq!(ask(&path).await.0, expected, "{path}");
    }
    let page = async |path: &str| {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {key}"));
        let answer = server.page.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        (status, String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap())
    };
    for path in ["/goods?lang=en", "/goods.csv", "/goods/100?lang=en", "/goods/100/history.csv"] {
        let (status, shown) = page(path).await;
        assert!(status == StatusCode::OK && shown.contains("84.90") && !shown.contains("89.90"), "{path}: {shown}");
        assert!(
            !shown.contains(&other) && !shown.contains(&other_shop) && !shown.contains("shop 8"),
            "{path}: {shown}"
        );
    }
    assert_eq!(page("/goods/8").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_pages_of_goods_show_it_in_both_languages() {
    let (server, newest) = dairy().await;
    let found = server.page("/goods?q=%D0%BC%D0%BE%D0%BB&lang=en").await;
    assert!(found.contains("href=\"&#x2f;goods&#x2f;100\"") && found.contains("Молоко &lt;b&gt;3%"), "{found}");
    assert!(server.page("/goods?q=xyz&lang=en").await.contains("Nothing is found"));
    let shown = server.page(&format!("/goods/100?revision={newest}&lang=en")).await;
    for text in [
        "Code 100",
        "Sold on 2 tills",
        "1 till still has an old price.",
        "price by document",
        "<s>84.90</s> → <b>89.90</b>",
        "0 of 1",
        "does not have it yet",
        "href=\"&#x2f;tills&#x2f;till-8-1\"",
        "href=\"/loads/3\"",
    ] {
        assert!(shown.contains(text), "{text}: {shown}");
    }
    assert!(!shown.contains("<b>3%"), "{shown}");
    let russian = server.page("/goods/100?lang=ru").await;
    assert!(russian.contains("На 1 кассе ещё старая цена.") && russian.contains("84,90"), "{russian}");
    let till = server.page("/tills/till-8-1?barcode=46&lang=en").await;
    for text in ["84.90", "89.90", "an old price", "value=\"46\""] {
        assert!(till.contains(text), "{text}: {till}");
    }
    let current = server.page("/tills/till-7-1?barcode=46&lang=en").await;
    assert!(current.contains("84.90") && !current.contains("an old price"), "{current}");
    let unknown = server.page("/tills/till-7-1?barcode=%3Cb%3E47&lang=en").await;
    assert!(unknown.contains("know &lt;b&gt;47") && !unknown.contains("<b>47"), "{unknown}");
    let csv = server.page("/goods/100/history.csv?lang=en").await;
    assert!(csv.contains("79.90,84.90,46,"), "{csv}");
}
