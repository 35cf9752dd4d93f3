//! What was set aside, over REST and on the page.

use super::*;
use jiff::Timestamp;
use tillway_proto::report::{AsideName, AsideSort, AsideUnit, Reported, TillState};
use tillway_proto::{Report, TillId};

pub(super) const ADMIN: &str = "Basic YWRtaW46c2VjcmV0";

impl Server {
    /// The till says that a package and a document stand aside there.
    fn hear_of_aside(&self, till: &TillId) {
        let unit = |sort, name: &str| AsideUnit {
            unit: AsideName { sort, name: name.to_owned() },
            reason: "counts differ".to_owned(),
            at: Some(Timestamp::now()),
        };
        let aside = vec![unit(AsideSort::Package, "000017"), unit(AsideSort::Document, "5:<b>")];
        let state = TillState { set_aside: 3, aside, ..TillState::default() };
        self.hear(till, Report::Contact { state });
    }

    /// A package that leads the till there was announced to it before.
    fn announced(&self, till: &TillId, to: tillway_proto::Revision) {
        let package = "07".repeat(32);
        self.exchange_db.tamper(&format!(
            "INSERT INTO delivery (id, till, package, bytes, objects, from_revision, to_revision, repair, tries, state,
             state_at, created_at, confirmed, ended) VALUES (randomblob(16), '{till}', '{package}', 1, 1, 0, {to},
             '\"nothing\"', 0, 'applied', 1, 1, 1, 1)"
        ));
    }

    fn hear(&self, till: &TillId, report: Report) {
        let instance = uuid::Uuid::from_u128(1);
        let said = Reported { schema: 1, peer: till.clone().into(), instance, sent_at: Timestamp::now(), report };
        self.reports.take_now(&[said.to_bytes().unwrap()], None).unwrap();
    }

    pub(super) async fn page(&self, path: &str) -> String {
        let request = Request::get(path).header(header::AUTHORIZATION, ADMIN).body(Body::empty()).unwrap();
        let answer = self.page.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap()
    }

    pub(super) async fn submit(&self, path: &str, form: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let mut request = Request::post(path).header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let answer = self.page.clone().oneshot(request.body(Body::from(form.to_owned())).unwrap()).await.unwrap();
        let status = answer.status();
        (status, String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap())
    }
}

fn till_of(made: &Value) -> TillId {
    made["node"]["id"].as_str().unwrap().parse().unwrap()
}

pub(super) fn token_in(page: &str) -> String {
    page.split("name=\"token\" value=\"").nth(1).unwrap().chars().take_while(|letter| *letter != '"').collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn files_that_will_never_be_read_are_listed_and_settled_where_they_lie() {
    let server = Server::start();
    let folder = server.folder.path().join("inbox/shop-99");
    fs_err::create_dir_all(&folder).unwrap();
    fs_err::write(folder.join("pos1.aif"), "x").unwrap();
    let (_, listed) = server.ask("GET", "/api/v1/aside", None).await;
    let id = format!("files:no-node:{}", folder.display());
    let found = (&listed[0]["id"], &listed[0]["sort"], &listed[0]["droppable"]);
    assert_eq!(found, (&json!(id), &json!("files"), &json!(false)));
    assert!(listed[0]["name"].as_str().unwrap().contains("pos1.aif"), "{listed}");
    assert!(listed[0]["reason"].as_str().unwrap().contains("no node of the network"), "{listed}");
    let (status, answer) = server.ask("POST", "/api/v1/aside/drop", Some(json!({"units": [id]}))).await;
    assert_eq!(status, StatusCode::CONFLICT, "{answer}");
    assert!(folder.join("pos1.aif").exists());
    let page = server.page("/findings?lang=ru").await;
    assert!(page.contains("Файлы, которые никогда не будут прочитаны") && page.contains("pos1.aif"), "{page}");
}

#[tokio::test]
async fn units_on_a_till_are_listed_and_settled_by_one_order_to_it() {
    let server = Server::start();
    let till = till_of(&server.make_till().await);
    server.hear_of_aside(&till);
    let (status, listed) = server.ask("GET", "/api/v1/aside", None).await;
    assert_eq!(status, StatusCode::OK);
    let ids: Vec<_> = listed.as_array().unwrap().iter().map(|unit| unit["id"].as_str().unwrap().to_owned()).collect();
    let expected =
        [format!("till:{till}:package:000017"), format!("till:{till}:document:5:<b>"), format!("till:{till}")];
    assert_eq!(ids, expected);
    assert_eq!(listed[2]["name"], "1", "the till counts three and names two");
    let both = json!({"units": [ids[0], ids[1]]});
    let (status, settled) = server.ask("POST", "/api/v1/aside/retry", Some(both)).await;
    assert_eq!((status, &settled[0]["done"]), (StatusCode::OK, &json!("the till was told")), "{settled}");
    let (_, commands) = server.ask("GET", "/api/v1/commands", None).await;
    assert_eq!(commands.as_array().unwrap().len(), 1);
    assert_eq!(commands[0]["what"], "try again what is set aside: 000017, 5:<b>");
    let (_, listed) = server.ask("GET", "/api/v1/aside", None).await;
    assert_eq!((&listed[0]["ordered"], &listed[2]["ordered"]), (&json!("retry"), &Value::Null));
}

#[tokio::test]
async fn a_report_that_was_set_aside_is_tried_again_or_dropped() {
    let server = Server::start();
    server.reports.take_now(&[b"{".to_vec(), b"[".to_vec()], None).unwrap();
    let stranger: TillId = "_cash_9_00ab34ef".parse().unwrap();
    server.hear(&stranger, Report::Contact { state: TillState::default() });
    let ids = |listed: &Value| -> Vec<String> {
        listed.as_array().unwrap().iter().map(|unit| unit["id"].as_str().unwrap().to_owned()).collect()
    };
    let (_, listed) = server.ask("GET", "/api/v1/aside", None).await;
    assert_eq!(ids(&listed), ["stranger:_cash_9_00ab34ef", "report:2", "report:1"]);
    let (status, _) = server.ask("POST", "/api/v1/aside/retry", Some(json!({"units": ["report:1"]}))).await;
    assert_eq!(status, StatusCode::OK);
    let (_, listed) = server.ask("GET", "/api/v1/aside", None).await;
    assert_eq!(ids(&listed), ["stranger:_cash_9_00ab34ef", "report:3", "report:2"], "still broken: set aside anew");
    let all = json!({"units": ["report:3", "report:2", "report:77", "stranger:_cash_9_00ab34ef"]});
    let (status, settled) = server.ask("POST", "/api/v1/aside/drop", Some(all)).await;
    assert_eq!(status, StatusCode::OK);
    let done: Vec<_> = settled.as_array().unwrap().iter().map(|one| one["done"].is_string()).collect();
    assert_eq!(done, [true, true, false, true], "{settled}");
    assert_eq!(server.ask("GET", "/api/v1/aside", None).await.1, json!([]));
    for (units, expected) in [
        (json!([]), StatusCode::BAD_REQUEST),
        (json!(["planet:1"]), StatusCode::BAD_REQUEST),
        (json!(["report:77"]), StatusCode::NOT_FOUND),
        (json!(["till:_cash_8_00ab34ef:package:1"]), StatusCode::NOT_FOUND),
    ] {
        let (status, problem) = server.ask("POST", "/api/v1/aside/drop", Some(json!({"units": units}))).await;
        assert_eq!(status, expected, "{problem}");
    }
}

#[tokio::test]
async fn the_page_acts_only_on_its_own_forms() {
    let server = Server::start();
    let till = till_of(&server.make_till().await);
    server.hear_of_aside(&till);
    let page = server.page("/findings?lang=en").await;
    let token = token_in(&page);
    assert!(page.contains("counts differ") && page.contains("5:&lt;b&gt;") && !page.contains("5:<b>"), "{page}");
    let form = format!("token={token}&unit=till:{till}:package:000017&action=retry");
    let here = [("authorization", ADMIN), ("origin", "http://shop:8081"), ("host", "shop:8081")];
    for (form, headers) in [
        (form.as_str(), vec![("origin", "http://shop:8081"), ("host", "shop:8081")]),
        (form.as_str(), vec![("authorization", ADMIN), ("origin", "http://evil"), ("host", "shop:8081")]),
        (form.as_str(), vec![("authorization", ADMIN), ("sec-fetch-site", "cross-site")]),
        (form.as_str(), vec![("authorization", ADMIN)]),
        ("token=&unit=report:1&action=drop", here.to_vec()),
    ] {
        let (status, _) = server.submit("/aside", form, &headers).await;
        // Who is nobody is led to where one comes in.
        let expected =
            if headers.contains(&("authorization", ADMIN)) { StatusCode::FORBIDDEN } else { StatusCode::SEE_OTHER };
        assert_eq!(status, expected, "{headers:?}");
    }
    assert_eq!(server.ask("GET", "/api/v1/commands", None).await.1, json!([]));
    let (status, _) = server.submit("/aside?lang=en", &form, &here).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let (_, commands) = server.ask("GET", "/api/v1/commands", None).await;
    assert_eq!(commands.as_array().unwrap().len(), 1);
    assert!(server.page("/findings?lang=en").await.contains("told to try again"));
}

#[tokio::test]
async fn dropping_on_the_page_is_asked_for_twice() {
    let server = Server::start();
    server.reports.take_now(&[b"{".to_vec()], None).unwrap();
    let token = token_in(&server.page("/findings?lang=ru").await);
    let here = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];
    let asked = format!("token={token}&unit=report:1&reason=%3Cb%3Emade-up");
    let (status, confirm) = server.submit("/aside/confirm?lang=ru", &asked, &here).await;
    assert_eq!(status, StatusCode::OK);
    assert!(confirm.contains("Удалить навсегда?") && confirm.contains("это не отчёт: EOF"), "{confirm}");
    assert!(!confirm.contains("made-up"), "what it is comes from the list, however long it is");
    assert_eq!(server.ask("GET", "/api/v1/aside", None).await.1.as_array().unwrap().len(), 1);
    let confirmed = format!("token={}&unit=report:1&action=drop", token_in(&confirm));
    assert_eq!(server.submit("/aside?lang=ru", &confirmed, &here).await.0, StatusCode::SEE_OTHER);
    assert_eq!(server.ask("GET", "/api/v1/aside", None).await.1, json!([]));
    let (status, told) = server.submit("/aside?lang=ru", &confirmed, &here).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(told.contains("report:1 не отложено"), "{told}");
}

#[tokio::test]
async fn a_till_that_went_back_needs_a_look_until_somebody_acknowledges_it() {
    let server = Server::start();
    let till = till_of(&server.make_till().await);
    for cursor in [5, 3] {
        let cursor = tillway_proto::Revision(cursor);
        server.announced(&till, cursor);
        server.hear(&till, Report::Contact { state: TillState { cursor, ..TillState::default() } });
    }
    let page = server.page("/findings?lang=en").await;
    assert!(page.contains("Till went back to older data"), "{page}");
    let (_, tills) = server.ask("GET", "/api/v1/tills", None).await;
    assert!(tills[0]["went_back_at"].is_string() && tills[0]["acknowledged_at"].is_null(), "{tills}");
    let until = page.split("name=\"until\" value=\"").nth(1).and_then(|rest| rest.split('"').next()).unwrap();
    // What is found after the page was shown is not acknowledged with it.
    let earlier = format!("token={}&till={till}&until=2020-01-01T00%3A00%3A00Z", token_in(&page));
    let here = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];
    assert_eq!(server.submit("/acknowledge?lang=en", &earlier, &here).await.0, StatusCode::SEE_OTHER);
    assert!(server.page("/findings?lang=en").await.contains("went back to older data"));
    let form = format!("token={}&till={till}&until={}", token_in(&page), until.replace(':', "%3A"));
    let here = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];
    assert_eq!(server.submit("/acknowledge?lang=en", &form, &here).await.0, StatusCode::SEE_OTHER);
    assert!(!server.page("/findings?lang=en").await.contains("went back to older data"));
    let (status, _) = server.ask("POST", "/api/v1/tills/till-7-1/acknowledge", None).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
}

#[tokio::test]
async fn what_a_till_does_not_name_is_tried_again_but_never_dropped() {
    let server = Server::start();
    let till = till_of(&server.make_till().await);
    server.hear_of_aside(&till);
    let (_, listed) = server.ask("GET", "/api/v1/aside", None).await;
    let droppable: Vec<_> = listed.as_array().unwrap().iter().map(|unit| &unit["droppable"]).collect();
    assert_eq!(droppable, [&json!(true), &json!(true), &json!(false)]);
    assert_eq!(server.page("/findings?lang=en").await.matches("formaction=\"/aside/confirm").count(), 2);
    let alone = json!({"units": [format!("till:{till}")]});
    let (status, problem) = server.ask("POST", "/api/v1/aside/drop", Some(alone.clone())).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert_eq!(server.ask("GET", "/api/v1/commands", None).await.1, json!([]));
    // Beside it, what has a name goes, and only that.
    let both = json!({"units": [format!("till:{till}"), format!("till:{till}:package:000017")]});
    let (_, settled) = server.ask("POST", "/api/v1/aside/drop", Some(both)).await;
    assert!(settled[0]["problem"].is_string() && settled[1]["done"].is_string(), "{settled}");
    let (_, commands) = server.ask("GET", "/api/v1/commands", None).await;
    let orders: Vec<_> = commands.as_array().unwrap().iter().map(|command| &command["what"]).collect();
    assert_eq!(orders, [&json!("drop what is set aside: 000017")]);
    let (status, settled) = server.ask("POST", "/api/v1/aside/retry", Some(alone)).await;
    assert_eq!((status, &settled[0]["problem"]), (StatusCode::OK, &Value::Null));
}

#[tokio::test]
async fn a_report_that_was_cut_can_only_be_dropped() {
    let server = Server::start();
    server.reports.take_now(&[vec![b'x'; 20 * 1024], vec![b'x'; 1024]], None).unwrap();
    let (_, listed) = server.ask("GET", "/api/v1/aside", None).await;
    assert_eq!((&listed[0]["id"], &listed[0]["retryable"]), (&json!("report:2"), &json!(true)));
    assert_eq!((&listed[1]["id"], &listed[1]["retryable"]), (&json!("report:1"), &json!(false)));
    let cut = json!({"units": ["report:1"]});
    let (status, problem) = server.ask("POST", "/api/v1/aside/retry", Some(cut.clone())).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    assert_eq!(server.ask("POST", "/api/v1/aside/drop", Some(cut)).await.0, StatusCode::OK);
}

#[tokio::test]
async fn a_broken_report_is_forgotten_only_after_it_was_taken() {
    let server = Server::start();
    let till = till_of(&server.make_till().await);
    let state = TillState { cursor: tillway_proto::Revision(7), ..TillState::default() };
    let report = Report::Contact { state };
    let said = Reported {
        schema: 1,
        peer: till.clone().into(),
        instance: uuid::Uuid::nil(),
        sent_at: Timestamp::now(),
        report,
    };
    let kept = crate::store::exchange::BrokenReport {
        id: 0,
        at: Timestamp::now(),
        reason: crate::words::Reason::worded("a defect that is mended since"),
        body: said.to_bytes().unwrap(),
    };
    let broken = crate::store::exchange::ExchangeChanges { broken: vec![kept], ..Default::default() };
    server.reports.store.change(&mut |_| Ok(broken.clone())).unwrap();
    let retry = || server.ask("POST", "/api/v1/aside/retry", Some(json!({"units": ["report:1"]})));
    server.exchange_db.tamper("ALTER TABLE contact RENAME TO elsewhere");
    assert_eq!(retry().await.0, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(server.reports.store.broken_report(1).unwrap().is_some(), "the database failed: it is there still");
    server.exchange_db.tamper("ALTER TABLE elsewhere RENAME TO contact");
    assert_eq!(retry().await.0, StatusCode::OK);
    assert_eq!(server.reports.store.record(&till.clone().into()).unwrap().claimed(), Some(tillway_proto::Revision(7)));
    assert_eq!(server.ask("GET", "/api/v1/aside", None).await.1, json!([]));
}

#[tokio::test]
async fn a_list_of_what_is_set_aside_that_does_not_read_is_a_line_on_the_page() {
    let server = Server::start();
    let till = till_of(&server.make_till().await);
    server.hear_of_aside(&till);
    server.exchange_db.tamper("DROP TABLE broken_report");
    let page = server.page("/findings?lang=en").await;
    assert!(page.contains("What is set aside cannot be listed in full"), "{page}");
    assert!(page.contains("000017"), "the rest is there: {page}");
}

#[tokio::test]
async fn a_form_of_another_site_does_nothing_over_rest() {
    let server = Server::start();
    let till = till_of(&server.make_till().await);
    let post = |name: &'static str, value: &'static str| {
        let uri = format!("/api/v1/tills/{till}/verify");
        let request = Request::post(uri).header(header::AUTHORIZATION, ADMIN).header("host", "shop:8080");
        request.header(name, value).body(Body::empty()).unwrap()
    };
    assert_eq!(server.send(post("origin", "http://evil")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(server.send(post("sec-fetch-site", "cross-site")).await.0, StatusCode::FORBIDDEN);
    assert_eq!(server.ask("GET", "/api/v1/commands", None).await.1, json!([]));
    assert!(server.send(post("origin", "http://shop:8080")).await.0.is_success());
}

#[tokio::test]
async fn the_server_goes_past_a_revision_only_where_the_till_names_that_very_one() {
    use crate::dictionary::tests::kit::{ITEM, entry, upsert};
    use crate::store::dictionary::DictionaryStore as _;
    let server = Server::start();
    let till = till_of(&server.make_till().await);
    let path = format!("/api/v1/tills/{till}/go-past");
    let ask = |revision: u64| server.ask("POST", &path, Some(json!({ "revision": revision })));
    let refused = async |revision: u64, why: &str| {
        let (status, problem) = ask(revision).await;
        assert_eq!(status, StatusCode::CONFLICT, "{problem}");
        assert!(problem["detail"].as_str().unwrap().contains(why), "{problem}");
    };
    let state = TillState { cursor: tillway_proto::Revision(40), ..TillState::default() };
    server.hear(&till, Report::Contact { state });
    refused(40, "no dictionary").await;
    let dictionary = DictionaryDb::open(&server.folder.path().join("dictionary.db")).unwrap();
    let all = server.network.current().unwrap().find("All").unwrap().no;
    let mut load = dictionary.begin_load(all, tillway_proto::LoadId(1)).unwrap();
    load.upsert_all(&[upsert(entry(ITEM, "1", 1), None)]).unwrap();
    load.commit().unwrap();
    refused(41, "does not name revision 41").await;
    assert_eq!(ask(40).await, (StatusCode::OK, json!({ "revision": 41 })));
    let (_, audit) = server.ask("GET", "/api/v1/audit?limit=1", None).await;
    let line = &audit["lines"][0];
    assert_eq!((&line["verb"], &line["object"]), (&json!("till.go-past"), &json!(till)), "{line}");
    assert_eq!((&line["before"]["revision"], &line["after"]["revision"]), (&json!(1), &json!(41)), "{line}");
    let (_, shown) = server.ask("GET", &format!("/api/v1/tills/{till}"), None).await;
    assert_eq!((&shown["target"], &shown["cursor"], &shown["claimed_cursor"]), (&json!(41), &json!(0), &json!(40)));
    let (status, _) = server.ask("POST", "/api/v1/tills/till-9-9/go-past", Some(json!({ "revision": 40 }))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
}
