//! Receipts that are found by what goods are called and shown with their cashiers' names; what was
//! set aside, shown as the receipt that it is.

use super::*;
use crate::app::Role;
use crate::sales::receipt::Receipt;
use crate::sales::spool::Position;
use crate::sales::tests::sale;
use crate::store::sales::{Incoming, Refused};
use crate::words::Reason;
use tillway_proto::ShopId;
use tillway_proto::report::{AsideName, AsideSort, AsideUnit, Report, Reported, TillState};
use tillway_proto::sales::v1;

const DICTIONARY: &str = r#"{"command":"addInventItem","invent":{"inventcode":"100","barcode":"46","name":"Молоко <b>3%","price":79.90}}
---
{"command":"addInventItem","invent":{"inventcode":"200","barcode":"47","name":"Хлеб","price":30.00}}
---
{"command":"addMCashUser","mcashuser":{"code":"7","login":"anna","name":"Анна <i>К."}}
---
"#;

/// Two shops; till 7-1 sold milk with number 1 and bread with number 2, and one document of it was
/// refused.
async fn shop() -> (Server, TillId) {
    let server = Server::start();
    server.two_shops().await;
    server.load("All", 1, DICTIONARY);
    server.read_names();
    let till: TillId = server.id_of("till-7-1").await.parse().unwrap();
    let shop: ShopId = server.id_of("shop-7").await.parse().unwrap();
    let document = |number: u64, item: &str| {
        let mut document = sale(&till, 1, number);
        "7".clone_into(&mut document.cashier);
        item.clone_into(&mut document.lines[0].item_code);
        document
    };
    let broken = v1::Document { document_id: 33, ..document(3, "100") };
    let refused = Refused { document: Some(broken), shift: None, reason: Reason::worded("<b>a sum differs") };
    let incoming = Incoming {
        till: till.clone(),
        shop,
        received_at: jiff::Timestamp::now(),
        receipts: [(1, "100"), (2, "200")].map(|(n, item)| Receipt::parse(&till, document(n, item)).unwrap()).into(),
        shifts: Vec::new(),
        refused: vec![refused],
    };
    let (from, through) = (Position { segment: 0, offset: 0 }, Position { segment: 1, offset: 1 });
    server.sales.load(from, through, &[incoming], jiff::Timestamp::now()).unwrap();
    (server, till)
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_found_by_the_words_of_a_goods_name_and_name_their_cashier() {
    let (server, _) = shop().await;
    let numbers = async |item: &str| -> Vec<u64> {
        let path = format!("/api/v1/receipts?from=2017-02-28&to=2017-02-28&item={item}");
        let (status, found) = server.ask("GET", &path, None).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        let rows = found["receipts"].as_array().unwrap();
        assert!(rows.iter().all(|row| row["cashier_name"] == "Анна <i>К."), "{found}");
        rows.iter().map(|row| row["number"].as_u64().unwrap()).collect()
    };
    let milk = "%D0%BC%D0%BE%D0%BB%D0%BE%D0%BA%D0%BE";
    assert_eq!(numbers(milk).await, [1], "by a word in small letters");
    assert_eq!(numbers("100").await, [1], "by code");
    assert_eq!(numbers("%D1%81%D1%8B%D1%80").await, [0_u64; 0], "nobody sells cheese");
    let page = server.page(&format!("/sales/receipts?from=2017-02-28&to=2017-02-28&item={milk}&lang=en")).await;
    assert!(page.contains("Анна &lt;i&gt;К.") && !page.contains("<i>К."), "{page}");
    let csv = server.page("/sales/receipts.csv?from=2017-02-28&to=2017-02-28&lang=en").await;
    assert!(csv.contains("Cashier's name") && csv.contains("Анна <i>К."), "{csv}");
    let path = "/api/v1/receipts?from=2017-02-28&to=2017-02-28&number=2";
    let (_, found) = server.ask("GET", path, None).await;
    let address = found["receipts"][0]["id"].as_str().unwrap();
    let receipt = server.page(&format!("/sales/receipts/{address}?lang=en")).await;
    assert!(receipt.contains("Cashier: Анна &lt;i&gt;К.") && receipt.contains("Хлеб"), "{receipt}");
}

#[tokio::test(flavor = "multi_thread")]
async fn words_that_very_many_goods_have_are_told_to_be_too_few() {
    let server = Server::start();
    let item = |n: u32| {
        format!(r#"{{"command":"addInventItem","invent":{{"inventcode":"{n}","name":"Сыр {n}","price":1.00}}}}"#)
    };
    let goods: Vec<String> = (1000..1201).map(item).collect();
    server.load("All", 1, &goods.join("\n---\n"));
    server.read_names();
    let (status, told) = server.ask("GET", "/api/v1/receipts?item=%D1%81%D1%8B%D1%80", None).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{told}");
    assert!(told["detail"].as_str().unwrap().contains("more than 200 goods"), "{told}");
    let page = server.page("/sales/receipts?item=%D1%81%D1%8B%D1%80&lang=en").await;
    assert!(page.contains("more than 200 goods"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_was_set_aside_is_shown_as_the_receipt_that_it_is() {
    let (server, till) = shop().await;
    let unit = |sort, name: &str| AsideUnit {
        unit: AsideName { sort, name: name.to_owned() },
        reason: "<b>refused".to_owned(),
        at: None,
    };
    let aside = vec![unit(AsideSort::Document, "33"), unit(AsideSort::Package, "000017")];
    let state = TillState { set_aside: 2, aside, ..TillState::default() };
    let (instance, sent_at) = (uuid::Uuid::from_u128(1), jiff::Timestamp::now());
    let reported =
        Reported { schema: 1, peer: till.clone().into(), instance, sent_at, report: Report::Contact { state } };
    server.reports.take_now(&[reported.to_bytes().unwrap(), b"{\"x\":\"<b>\"".to_vec()], None).unwrap();
    let of_till = server.page("/tills/till-7-1?lang=en").await;
    assert!(of_till.contains("&#x2f;findings&#x2f;unit?unit=till%3A"), "{of_till}");
    let path = format!("/findings/unit?unit=till:{till}:document:33&lang=en");
    let page = server.page(&path).await;
    for part in ["Молоко &lt;b&gt;3%", "&lt;b&gt;a sum differs", "class=\"card slip\""] {
        assert!(page.contains(part), "{part}: {page}");
    }
    let (status, told) = server.ask("GET", &format!("/api/v1/aside/content?unit=till:{till}:document:33"), None).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let document = &told["documents"][0];
    assert_eq!((&document["number"], &document["lines"][0]["name"]), (&json!(3), &json!("Молоко <b>3%")));
    assert_eq!(document["reason"], "<b>a sum differs");
    let page = server.page(&format!("/findings/unit?unit=till:{till}:package:000017&lang=en")).await;
    assert!(page.contains("it stands on the till alone"), "{page}");
    let (_, told) = server.ask("GET", "/api/v1/aside/content?unit=report:1", None).await;
    assert_eq!(told["text"], "{\"x\":\"<b>\"");
    let page = server.page("/findings/unit?unit=report:1&lang=en").await;
    assert!(page.contains("{&quot;x&quot;:&quot;&lt;b&gt;&quot;"), "{page}");
    let key = server.key(Role::Operator, "shop-8").await;
    for unit in [format!("till:{till}:document:33"), "report:1".to_owned()] {
        let path = format!("/api/v1/aside/content?unit={unit}");
        assert!(server.with_key(&key, "get", &path, "").await.0.is_client_error(), "{unit} is another's");
    }
    assert_eq!(server.ask("GET", "/api/v1/aside/content?unit=report:99", None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(server.ask("GET", "/api/v1/aside/content?unit=x", None).await.0, StatusCode::BAD_REQUEST);
}
