//! Receipts and totals over REST and on the page: of one's own part of the tree alone, with what
//! was stored never read as markup, and with sums that are equal.

use super::aside::{ADMIN, token_in};
use super::*;
use crate::sales::receipt::Receipt;
use crate::sales::spool::Position;
use crate::sales::tests::sale;
use crate::store::sales::Incoming;
use tillway_proto::sales::v1;
use tillway_proto::{Kopecks, NodeId, ShopId};

const OURS: [(&str, &str); 2] = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];

/// All days of the sales that tests make.
const DAYS: &str = "from=2017-02-28&to=2017-02-28";

impl Server {
    /// Two shops with a till each, with the sales 1 to 3 of shop 7, a refund there, and one sale
    /// of shop 8.
    async fn with_sales(&self) -> [TillId; 2] {
        self.make_till().await;
        for (parent, level, code) in [("All", "shop", "8"), ("shop-8", "till", "1")] {
            let new = json!({"parent": parent, "level": level, "code": code});
            assert_eq!(self.ask("POST", "/api/v1/nodes", Some(new)).await.0, StatusCode::CREATED);
        }
        let network = self.network.current().unwrap();
        let till = |shop: &str| {
            let found = network.nodes().find(|node| network.folder_name(node) == format!("till-{shop}-1"));
            match &found.unwrap().id {
                NodeId::Till(till) => till.clone(),
                other => panic!("{other}"),
            }
        };
        let tills = ["7", "8"].map(till);
        let of = |till: &TillId, numbers: std::ops::RangeInclusive<u64>| {
            let shop: ShopId = network.shop_of(till).unwrap().id.as_str().parse().unwrap();
            let documents = numbers.map(|number| {
                let mut document = sale(till, 1, number);
                document.cashier = "<i>anna".to_owned();
                document.lines[0].item_code = "<b>milk".to_owned();
                if number == 4 {
                    document.doctype = 2;
                    document.source_identifier = "<b>2".to_owned();
                    document.payments =
                        vec![v1::Payment { opcode: 74, type_code: 1, sum: document.sum, ..v1::Payment::default() }];
                }
                Receipt::parse(till, document).unwrap()
            });
            Incoming {
                till: till.clone(),
                shop,
                received_at: jiff::Timestamp::now(),
                receipts: documents.collect(),
                shifts: Vec::new(),
                refused: Vec::new(),
            }
        };
        let arrived = [of(&tills[0], 1..=4), of(&tills[1], 9..=9)];
        let (from, through) = (Position { segment: 0, offset: 0 }, Position { segment: 1, offset: 1 });
        self.sales.load(from, through, &arrived, jiff::Timestamp::now()).unwrap();
        tills
    }

    /// What somebody whose place is shop 7 gets.
    async fn as_viewer(&self, key: &str, path: &str) -> (StatusCode, String) {
        let request = Request::get(path).header(header::AUTHORIZATION, format!("Bearer {key}"));
        let router = if path.starts_with("/api/") { &self.router } else { &self.page };
        let answer = router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = answer.status();
        (status, String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap())
    }

    async fn key_of_shop(&self, shop: &str) -> String {
        let new = json!({"name": format!("viewer of {shop}"), "role": "viewer", "place": shop});
        self.ask("POST", "/api/v1/keys", Some(new)).await.1["token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn receipts_are_found_over_rest_and_one_is_read_whole() {
    let server = Server::start();
    let tills = server.with_sales().await;
    let find = async |query: &str| {
        let (status, found) = server.ask("GET", &format!("/api/v1/receipts?{DAYS}&{query}"), None).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        found
    };
    let numbers = |found: &Value| -> Vec<u64> {
        found["receipts"].as_array().unwrap().iter().map(|one| one["number"].as_u64().unwrap()).collect()
    };
    assert_eq!(numbers(&find("").await), [9, 4, 3, 2, 1]);
    assert_eq!(numbers(&find("till=till-7-1&sort=sale&order=oldest").await), [1, 2, 3]);
    assert_eq!(numbers(&find("shop=shop-8").await), [9]);
    assert_eq!(numbers(&find("group=All&least=2,50&most=3.50").await), [3, 2]);
    let (_, recent) = server.ask("GET", "/api/v1/receipts", None).await;
    assert_eq!(numbers(&recent).len(), 5, "without days: the week of the newest receipt");
    let first = find("limit=2").await;
    assert_eq!(numbers(&first), [9, 4]);
    let more = find(&format!("limit=9&cursor={}", first["next"].as_str().unwrap())).await;
    assert_eq!((numbers(&more), &more["next"]), (vec![3, 2, 1], &Value::Null));
    let id = find("number=2").await["receipts"][0]["id"].as_str().unwrap().to_owned();
    let (status, receipt) = server.ask("GET", &format!("/api/v1/receipts/{id}"), None).await;
    assert_eq!(
        (status, &receipt["sum"], &receipt["till"]),
        (StatusCode::OK, &json!(250), &json!(tills[0])),
        "{receipt}"
    );
    assert_eq!((&receipt["lines"][0]["item"], &receipt["payments"][0]["type"]), (&json!("<b>milk"), &json!(1)));
    for (query, kind) in [
        ("least=much", "no-such-filter"),
        ("from=yesterday", "no-such-filter"),
        ("sort=gift", "no-such-filter"),
        ("cursor=7", "no-such-filter"),
    ] {
        let (status, problem) = server.ask("GET", &format!("/api/v1/receipts?{query}"), None).await;
        assert_eq!((status, &problem["kind"]), (StatusCode::BAD_REQUEST, &json!(kind)), "{problem}");
    }
    for missing in ["7", "_cash_1_00ab34ef:1:1:0000000000000000000000000000000a"] {
        let (status, problem) = server.ask("GET", &format!("/api/v1/receipts/{missing}"), None).await;
        assert_eq!((status, &problem["kind"]), (StatusCode::NOT_FOUND, &json!("no-receipt")), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn who_has_one_shop_sees_its_receipts_and_sums_alone() {
    let server = Server::start();
    let tills = server.with_sales().await;
    let key = server.key_of_shop("shop-7").await;
    let (_, all) = server.ask("GET", &format!("/api/v1/receipts?{DAYS}&number=9"), None).await;
    let other = all["receipts"][0]["id"].as_str().unwrap();
    for path in [
        "/api/v1/receipts",
        "/api/v1/totals?by=till",
        "/sales/receipts",
        "/sales/receipts.csv",
        "/sales/totals?by=till",
    ] {
        let (status, told) =
            server.as_viewer(&key, &format!("{path}{}{DAYS}", if path.contains('?') { "&" } else { "?" })).await;
        assert_eq!(status, StatusCode::OK, "{path}: {told}");
        assert!(!told.contains(tills[1].as_str()) && !told.contains("shop-8"), "{path}: {told}");
        assert!(
            told.contains(tills[0].as_str()) || told.contains("7/1") || told.contains("7&#x2f;1"),
            "{path}: {told}"
        );
    }
    for path in [format!("/api/v1/receipts/{other}"), format!("/sales/receipts/{other}")] {
        assert_eq!(server.as_viewer(&key, &path).await.0, StatusCode::NOT_FOUND, "{path}");
    }
    for query in ["till=till-8-1", "shop=shop-8", "group=All"] {
        let (status, told) = server.as_viewer(&key, &format!("/api/v1/receipts?{query}")).await;
        assert_eq!(status, StatusCode::FORBIDDEN, "{query}: {told}");
        let (status, page) = server.as_viewer(&key, &format!("/sales/receipts?{query}")).await;
        assert!(status == StatusCode::OK && page.contains("class=\"notice bad\""), "{query}: {page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sums_are_equal_by_rest_on_the_page_and_in_the_table() {
    let server = Server::start();
    server.with_sales().await;
    let (sales, refunds) = (150 + 250 + 350 + 950, 450);
    for by in ["day", "hour", "shop", "till", "cashier", "payment"] {
        let (status, rows) = server.ask("GET", &format!("/api/v1/totals?by={by}&{DAYS}"), None).await;
        assert_eq!(status, StatusCode::OK, "{rows}");
        let sum = |of: &str| rows.as_array().unwrap().iter().map(|row| row[of].as_i64().unwrap()).sum::<i64>();
        assert_eq!((sum("sale_sum"), sum("refund_sum")), (sales, refunds), "{by}: {rows}");
        let page = server.page(&format!("/sales/totals?by={by}&{DAYS}&lang=en")).await;
        assert!(page.contains(">17.00<") && page.contains(">4.50<") && page.contains("<b>12.50</b>"), "{by}: {page}");
        assert!(page.contains("<svg") && page.contains("role=\"img\""), "{by}");
        let csv = server.page(&format!("/sales/totals.csv?by={by}&{DAYS}")).await;
        let column = |at: usize| -> Kopecks {
            csv.lines().skip(1).map(|line| line.split(',').nth(at).unwrap().parse::<Kopecks>().unwrap()).sum()
        };
        assert_eq!(
            (column(3), column(4), column(5)),
            (Kopecks(sales), Kopecks(refunds), Kopecks(sales - refunds)),
            "{csv}"
        );
    }
    let csv = server.page(&format!("/sales/receipts.csv?{DAYS}")).await;
    assert_eq!(csv.lines().count(), 6, "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receipt_is_shown_as_it_was_printed_and_nothing_of_it_is_markup() {
    let server = Server::start();
    server.with_sales().await;
    let list = server.page(&format!("/sales/receipts?till=7-1&{DAYS}&sort=refund&lang=en")).await;
    assert!(list.contains("&lt;i&gt;anna") && !list.contains("<i>anna"), "{list}");
    let address = list.split("href=\"").find(|rest| rest.contains(":1:4:")).and_then(|rest| rest.split('"').next());
    let address = address.unwrap().replace("&#x2f;", "/");
    for (language, returned, total) in [("en", "Return of receipt", "4.50"), ("ru", "Возврат по чеку", "4,50")]
    {
        let page = server.page(&format!("{address}?lang={language}")).await;
        assert!(page.contains(returned) && page.contains("&lt;b&gt;2") && page.contains(total), "{page}");
        assert!(page.contains("&lt;b&gt;milk") && !page.contains("<b>milk"), "{page}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tills_of_a_shop_are_asked_for_a_day_again_after_a_preview() {
    let server = Server::start();
    server.with_sales().await;
    let page = server.page("/sales?shop=shop-7&from=2017-02-28&lang=en").await;
    assert!(page.contains("value=\"shop=shop-7\"") && page.contains("value=\"2017-02-28\""), "{page}");
    let asked =
        format!("token={}&filter=shop%3Dshop-7&scope=all&act=ask-days&from=2017-02-28&to=2017-02-28", token_in(&page));
    let (status, question) = server.submit("/tills/bulk?lang=en", &asked, &OURS).await;
    assert_eq!(status, StatusCode::OK, "{question}");
    assert!(question.contains("Ask 1 till for the sales from 2017-02-28 to 2017-02-28 again?"), "{question}");
    assert_eq!(server.ask("GET", "/api/v1/commands", None).await.1, json!([]), "nobody has said yes yet");
    let tills = question.split("name=\"tills\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    let yes = format!("token={}&tills={tills}&act=ask-days&from=2017-02-28&to=2017-02-28", token_in(&question));
    let (_, done) = server.submit("/tills/bulk/do?lang=en", &yes, &OURS).await;
    assert!(done.contains("1 till was asked for these days."), "{done}");
    let (_, commands) = server.ask("GET", "/api/v1/commands", None).await;
    assert_eq!(commands.as_array().unwrap().len(), 1, "{commands}");
    assert!(commands.to_string().contains("2017-02-28"), "{commands}");
    let (status, told) = server.ask("POST", "/api/v1/nodes/All/unload", Some(json!({"from": "2017-02-27"}))).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let ordered: Vec<_> = told.as_array().unwrap().iter().map(|one| (&one["till"], &one["ordered"])).collect();
    assert_eq!(ordered, [(&json!("till-7-1"), &json!(true)), (&json!("till-8-1"), &json!(true))]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_day_and_a_week_are_told_and_charted_for_one_s_own_place_alone() {
    let server = Server::start();
    server.two_shops().await;
    let network = server.network.current().unwrap();
    let now = jiff::Zoned::now();
    for (till, (shop, count)) in ["till-7-1", "till-8-1"].into_iter().zip([("7", 3_u64), ("8", 2)]) {
        let found = network.nodes().find(|node| network.folder_name(node) == till).unwrap();
        let NodeId::Till(id) = found.id.clone() else { panic!("{till}") };
        let receipts = (1..=count).map(|number| {
            let mut document = sale(&id, 1, number);
            document.time_end = now.datetime().strftime("%Y-%m-%dT%H:%M:%S").to_string();
            Receipt::parse(&id, document).unwrap()
        });
        let arrived = Incoming {
            till: id.clone(),
            shop: network.shop_of(&id).unwrap().id.as_str().parse().unwrap(),
            received_at: now.timestamp(),
            receipts: receipts.collect(),
            shifts: Vec::new(),
            refused: Vec::new(),
        };
        let at = |segment| Position { segment, offset: segment };
        let from = u64::from(shop != "7");
        server.sales.load(at(from), at(from + 1), &[arrived], now.timestamp()).unwrap();
        let node = NodeId::Shop(network.shop_of(&id).unwrap().id.as_str().parse().unwrap());
        for _ in 0..count {
            server.journal.accept(&new_load(&node, now.timestamp())).unwrap();
        }
    }
    let told = async |key: &str| {
        let (_, told) = server.with_key(key, "get", "/api/v1/lately", "").await;
        let last = |list: &str| told[list].as_array().unwrap().last().unwrap().clone();
        let [hour, day] = ["hours", "days"].map(last);
        assert_eq!((told["hours"].as_array().unwrap().len(), told["days"].as_array().unwrap().len()), (24, 7));
        let of = |slot: &Value| (slot["receipts"].as_u64().unwrap(), slot["loads"].as_u64().unwrap());
        // The hour may have ended meanwhile; the day hardly.
        assert!(of(&hour) == of(&day) || of(&hour) == (0, 0), "{hour} {day}");
        of(&day)
    };
    let viewer = crate::app::Role::Viewer;
    let [all, own] = [server.key(viewer, "All").await, server.key(viewer, "shop-7").await];
    assert_eq!((told(&all).await, told(&own).await), ((5, 5), (3, 3)));
    let page = server.page("/?lang=en").await;
    assert_eq!(page.matches("<svg").count(), 4, "receipts and loads of a day and a week: {page}");
    assert_eq!(page.matches("Nothing went out to tills.").count(), 2, "{page}");
    assert!(page.contains("<title id=\"chart-receipts-day\">Receipts, The last 24 hours</title>"), "{page}");
}

fn new_load(node: &NodeId, at: jiff::Timestamp) -> crate::store::intake::NewLoad {
    use crate::store::intake::{Consent, LoadSource, NewLoad};
    let source = LoadSource::Folder("/in/a.aif".into());
    NewLoad { node: node.clone(), source, bytes: 5, at, watch: None, delivery: None, consent: Consent::No }
}
