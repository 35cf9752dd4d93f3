//! Settings of tills over REST and on the page: who sets them, what is allowed, what a till has.

use super::aside::{ADMIN, token_in};
use super::*;
use tillway_proto::report::{Report, Reported, TillState};

const OURS: [(&str, &str); 2] = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];

impl Server {
    async fn setting(&self, node: &str, key: &str) -> Value {
        let (status, settings) = self.ask("GET", &format!("/api/v1/nodes/{node}/settings"), None).await;
        assert_eq!(status, StatusCode::OK, "{settings}");
        settings.as_array().unwrap().iter().find(|one| one["key"] == key).unwrap().clone()
    }

    async fn set(&self, node: &str, settings: Value) -> (StatusCode, Value) {
        self.ask("PATCH", &format!("/api/v1/nodes/{node}/settings"), Some(json!({"settings": settings}))).await
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deepest_node_wins_and_what_is_wrong_changes_nothing() {
    let server = Server::start();
    server.make_till().await;
    let value = async |node: &str| {
        let one = server.setting(node, "queuechunksize").await;
        (one["value"].clone(), one["set_by"].clone(), one["own"].clone())
    };
    assert_eq!(value("till-7-1").await, (json!("25000"), Value::Null, Value::Null));
    assert_eq!(server.set("All", json!({"QueueChunkSize": "300"})).await.0, StatusCode::OK);
    assert_eq!(server.set("shop-7", json!({"queuechunksize": " 0200 "})).await.0, StatusCode::OK);
    assert_eq!(value("till-7-1").await, (json!("200"), json!("shop-7"), Value::Null));
    assert_eq!(server.set("till-7-1", json!({"queuechunksize": "100"})).await.0, StatusCode::OK);
    assert_eq!(value("till-7-1").await, (json!("100"), json!("till-7-1"), json!("100")));
    assert_eq!(server.setting("till-7-1", "queuechunksize").await["above"], "200");
    for (wrong, told) in [
        (json!({"contactperiod": "30", "queuechunksize": "0"}), "from 1 to 1000000"),
        (json!({"contactperiod": "30", "usequeueinupload": "no"}), "True or False"),
        (json!({"contactperiod": "30", "dept.broker.ip": "10.0.0.1"}), "is no setting"),
    ] {
        let (status, problem) = server.set("till-7-1", wrong).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(problem["detail"].as_str().unwrap().contains(told), "{problem}");
    }
    assert_eq!(server.setting("till-7-1", "contactperiod").await["set_by"], Value::Null, "all or nothing");
    assert_eq!(server.set("till-7-1", json!({"queuechunksize": null})).await.0, StatusCode::OK);
    assert_eq!(value("till-7-1").await.0, json!("200"));
    let (_, audit) = server.ask("GET", "/api/v1/audit?verb=node.settings", None).await;
    let lines = audit["lines"].as_array().unwrap();
    assert_eq!(lines.len(), 4);
    assert_eq!(
        (&lines[0]["before"], &lines[0]["after"]),
        (&json!({"queuechunksize": "100"}), &json!({"queuechunksize": null}))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn settings_are_set_on_a_tills_page_which_shows_what_the_till_has() {
    let server = Server::start();
    let till: TillId = server.make_till().await["node"]["id"].as_str().unwrap().parse().unwrap();
    let say = |settings: &[(&str, &str)]| {
        let settings = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let state = TillState { settings: Some(settings), ..TillState::default() };
        let (instance, sent_at) = (uuid::Uuid::from_u128(1), jiff::Timestamp::now());
        let peer = till.clone().into();
        let reported = Reported { schema: 1, peer, instance, sent_at, report: Report::Contact { state } };
        server.reports.take_now(&[reported.to_bytes().unwrap()], None).unwrap();
    };
    let page = server.page("/tills/till-7-1?lang=en").await;
    assert!(page.contains("Its agent does not say what it has") && page.contains("queuechunksize"), "{page}");
    say(&[("queuechunksize", "7")]);
    let form = |set: &str| format!("token={}&node=till-7-1&{set}", token_in(&page));
    let set = form("was.queuechunksize=&set.queuechunksize=100&was.contactperiod=&set.contactperiod=");
    let (status, _) = server.submit("/network/do/settings", &set, &OURS).await;
    assert_eq!(status, StatusCode::SEE_OTHER);
    let one = server.setting("till-7-1", "queuechunksize").await;
    assert_eq!((&one["own"], &one["on_till"]), (&json!("100"), &json!("7")));
    assert_eq!(server.setting("till-7-1", "contactperiod").await["on_till"], "60", "its default");
    let page = server.page("/tills/till-7-1?lang=en").await;
    assert!(page.contains("not yet") && page.contains("Set settings"), "{page}");
    let (status, told) = server
        .submit("/network/do/settings?lang=en", &form("was.queuechunksize=100&set.queuechunksize=x"), &OURS)
        .await;
    assert!(!status.is_success() && told.contains("a whole number from 1 to"), "{status} {told}");
    say(&[("queuechunksize", "100")]);
    assert!(!server.page("/tills/till-7-1?lang=en").await.contains("not yet"));
    let shop = server.page("/network/shop-7?lang=en").await;
    assert!(shop.contains("Settings of the tills here and below"), "{shop}");
}
