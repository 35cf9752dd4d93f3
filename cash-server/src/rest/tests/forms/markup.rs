//! What anybody brought in, through any door, is shown as text on every page.

use super::*;
use crate::app::Role;
use crate::sales::receipt::Receipt;
use crate::sales::spool::Position;
use crate::sales::tests::sale;
use crate::store::sales::{Incoming, Refused};
use crate::words::Reason;
use tillway_proto::ShopId;
use tillway_proto::sales::v1;

/// Ends a tag, an attribute and a string, and turns the direction of what follows.
const NASTY: &str = "<script>alert(1)</script>\"' onfocus=x\u{202e}&{{7*7}}";

/// What would be there if a page took it as markup.
const TAKEN: [&str; 4] = ["<script>alert", "</script>\"'", "\"' onfocus", "\u{202e}"];

impl Server {
    /// Brings it in as names of nodes, goods and people, as files, values, receipts and reasons.
    async fn with_nasty_data(&self) -> [String; 2] {
        self.two_shops().await;
        for node in ["shop-7", "till-7-1"] {
            assert_eq!(
                self.ask("PATCH", &format!("/api/v1/nodes/{node}"), Some(json!({"name": NASTY}))).await.0,
                StatusCode::OK
            );
        }
        let group = json!({"parent": "All", "level": "group", "code": "g", "name": NASTY});
        assert_eq!(self.ask("POST", "/api/v1/nodes", Some(group)).await.0, StatusCode::CREATED);
        let code = self.nasty_goods();
        self.nasty_load();
        self.nasty_reports();
        let user = json!({"login": "anna", "name": NASTY, "role": "viewer"});
        assert_eq!(self.ask("POST", "/api/v1/users", Some(user)).await.0, StatusCode::CREATED);
        let receipt = self.nasty_receipts().await;
        let finding = self.ask("GET", "/api/v1/findings", None).await.1[0]["id"].clone();
        let note = json!({"note": NASTY});
        let closed = self.ask("POST", &format!("/api/v1/findings/{finding}/close"), Some(note)).await;
        assert_eq!(closed.0, StatusCode::NO_CONTENT, "{}", closed.1);
        [code, receipt]
    }

    fn nasty_goods(&self) -> String {
        let code = "\"'<i>7";
        let invent = json!({"inventcode": code, "barcode": NASTY, "name": NASTY, "price": 1});
        let price = json!({"barcode": NASTY, "doctype": 1, "documentid": NASTY, "price": 2});
        let records =
            [json!({"command": "addInventItem", "invent": invent}), json!({"command": "addPrice", "price": price})];
        self.load("All", 901, &records.map(|record| format!("{record}\n---\n")).concat());
        code.to_owned()
    }

    /// A load whose file, rejects and warnings have it, and one that was refused with its reason.
    fn nasty_load(&self) {
        use crate::store::intake::{Consent, LoadEnd, LoadSource, LoadState, NewLoad, NoticeRecord};
        let node = self.network.current().unwrap().find("shop-7").unwrap().id.clone();
        let now = jiff::Timestamp::now();
        for state in [LoadState::ReadyWithErrors, LoadState::Error] {
            let load = self.journal.accept(&NewLoad {
                node: node.clone(),
                source: LoadSource::Folder(format!("/in/{NASTY}.aif").into()),
                bytes: 5,
                at: now,
                watch: None,
                delivery: None,
                consent: Consent::No,
            });
            let notice = |is_warning| NoticeRecord {
                line: 8,
                verb: Some(NASTY.to_owned()),
                key: Some(NASTY.to_owned()),
                field: Some(NASTY.to_owned()),
                value: Some(NASTY.to_owned()),
                ..NoticeRecord::of(Reason::worded(NASTY), is_warning)
            };
            let end = LoadEnd {
                at: now,
                state,
                counts: crate::dictionary::entry::LoadCounts { rejected: 1, ..Default::default() },
                revision: None,
                applies_from: None,
                reason: Some(Reason::worded(NASTY)),
                notices: vec![notice(false), notice(true)],
                mended: Vec::new(),
                aside: None,
                held: None,
            };
            self.journal.end(load.unwrap(), &end).unwrap();
        }
    }

    /// A till that says odd things of itself, and a report that is none.
    fn nasty_reports(&self) {
        use tillway_proto::report::{
            AsideName, AsideSort, AsideUnit, Report, Reported, SalesWait, SalesWaitKind, TillState,
        };
        let network = self.network.current().unwrap();
        let (till, _) = network.tills().next().unwrap();
        let now = jiff::Timestamp::now();
        let unit = AsideName { sort: AsideSort::Document, name: NASTY.to_owned() };
        let state = TillState {
            set_aside: 1,
            aside: vec![AsideUnit { unit, reason: NASTY.to_owned(), at: Some(now) }],
            sales_wait: Some(SalesWait { kind: SalesWaitKind::Refused, text: NASTY.to_owned(), since: now }),
            agent_version: NASTY.to_owned(),
            ..TillState::default()
        };
        let said = Reported {
            schema: 1,
            peer: till.clone().into(),
            instance: uuid::Uuid::from_u128(1),
            sent_at: now,
            report: Report::Contact { state },
        };
        self.reports.take_now(&[said.to_bytes().unwrap(), NASTY.as_bytes().to_vec()], None).unwrap();
    }

    async fn nasty_receipts(&self) -> String {
        let network = self.network.current().unwrap();
        let (till, _) = network.tills().next().unwrap();
        let shop: ShopId = network.shop_of(till).unwrap().id.as_str().parse().unwrap();
        let mut document = sale(till, 1, 7);
        document.cashier = NASTY.to_owned();
        document.identifier = NASTY.to_owned();
        document.lines[0].item_code = NASTY.to_owned();
        document.lines[0].barcode = NASTY.to_owned();
        document.payments[0].card_number = NASTY.to_owned();
        document.payments[0].slip = NASTY.to_owned();
        let broken = v1::Document { cashier: NASTY.to_owned(), ..v1::Document::default() };
        let refused = Refused { document: Some(broken), shift: None, reason: Reason::worded(NASTY) };
        let arrived = Incoming {
            till: till.clone(),
            shop,
            received_at: jiff::Timestamp::now(),
            receipts: vec![Receipt::parse(till, document).unwrap()],
            shifts: Vec::new(),
            refused: vec![refused],
        };
        let (from, through) = (Position { segment: 0, offset: 0 }, Position { segment: 1, offset: 1 });
        self.sales.load(from, through, &[arrived], jiff::Timestamp::now()).unwrap();
        let found = self.ask("GET", "/api/v1/receipts", None).await.1;
        found["receipts"][0]["id"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_stored_is_text_on_every_page_in_every_language() {
    let server = Server::start();
    let [code, receipt] = server.with_nasty_data().await;
    let person = server.person(Role::Administrator, "All").await;
    let till = server.id_of("till-7-1").await;
    let headers = [OURS, ("cookie", person.cookie.as_str())];
    let code = code.replace('"', "%22").replace('\'', "%27").replace('<', "%3C").replace('>', "%3E");
    let mut shown = 0;
    for language in ["en", "ru"] {
        for (_, path, ..) in PAGES.iter().filter(|(method, path, ..)| *method == "get" && !path.starts_with("/page.")) {
            let path = if path.starts_with("/sales/receipts/") {
                path.replace("{id}", &receipt)
            } else {
                path.replace("{id}", &till)
            };
            let path = path.replace("{node}", "shop-7").replace("{number}", "1").replace("{code}", &code);
            let nasty = "%3Cscript%3Ealert(1)%3C%2Fscript%3E%22%27+onfocus%3Dx%E2%80%AE";
            for query in [
                String::new(),
                format!("&q={nasty}&till={nasty}&who={nasty}&item={nasty}&shop={nasty}&barcode={nasty}&next={nasty}"),
            ] {
                let got = server.browse(&format!("{path}?lang={language}{query}"), &headers).await;
                assert!(!got.status.is_server_error(), "{path}: {} {}", got.status, got.body);
                let sort = got.headers.get(header::CONTENT_TYPE).map_or("", |sort| sort.to_str().unwrap());
                let is_table = sort.starts_with("text/csv");
                for taken in TAKEN.iter().filter(|_| !is_table) {
                    assert!(!got.body.contains(taken), "{path}: `{taken}` in {}", got.body);
                }
                shown += usize::from(got.body.contains("&lt;script&gt;"));
            }
        }
        for (path, fields) in [
            ("/stolen/confirm", format!("till={till}")),
            ("/tills/bulk", format!("scope=chosen&till={till}&act=park")),
            ("/network/do/ask-remove", "node=till-7-1".to_owned()),
            ("/people/confirm", "login=%3Cscript%3Ealert(1)&what=remove".to_owned()),
            ("/network/import/preview", "table=till,%3Cscript%3Ealert(1)%22,shop-7,%3Cscript%3Ealert".to_owned()),
        ] {
            let (status, told) =
                server.send_row(&format!("{path}?lang={language}"), &fields, Some(&person.token), &headers).await;
            assert!(status.is_success(), "{path}: {status} {told}");
            for taken in TAKEN {
                assert!(!told.contains(taken), "{path}: `{taken}` in {told}");
            }
            shown += usize::from(told.contains("&lt;script&gt;"));
        }
    }
    assert!(shown > 30, "it is shown, as text: on {shown} pages");
}
