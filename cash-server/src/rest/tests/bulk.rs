//! One thing done with many tills over REST and on the page: before and after.

use super::aside::{ADMIN, token_in};
use super::*;

const OURS: [(&str, &str); 2] = [("authorization", ADMIN), ("sec-fetch-site", "same-origin")];

impl Server {
    async fn bulk(&self, body: Value) -> (StatusCode, Value) {
        self.ask("POST", "/api/v1/tills/bulk", Some(body)).await
    }
}

fn results(told: &Value) -> Vec<(&str, &str)> {
    told.as_array()
        .unwrap()
        .iter()
        .map(|row| (row["till"].as_str().unwrap(), row["result"].as_str().unwrap()))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn tills_below_a_node_are_moved_after_a_look_at_what_would_become_of_each() {
    let server = Server::start();
    server.two_shops().await;
    let to_eight = json!({"act": "move", "below": "All", "shop": "shop-8", "dry_run": true});
    let (status, told) = server.bulk(to_eight).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    // Both have the code 1: one would stand beside its like.
    assert_eq!(results(&told), [("till-7-1", "fails"), ("till-8-1", "same")]);
    assert!(told[0]["problem"].as_str().unwrap().contains("is taken"), "{told}");
    let new = json!({"parent": "shop-7", "level": "till", "code": "2"});
    server.ask("POST", "/api/v1/nodes", Some(new)).await;
    let moves = |dry_run| json!({"act": "move", "tills": ["till-7-2"], "shop": "shop-8", "dry_run": dry_run});
    assert_eq!(results(&server.bulk(moves(true)).await.1), [("till-7-2", "does")]);
    assert_eq!(server.ask("GET", "/api/v1/nodes/till-7-2", None).await.0, StatusCode::OK, "nothing was done");
    assert_eq!(results(&server.bulk(moves(false)).await.1), [("till-7-2", "done")]);
    assert_eq!(server.ask("GET", "/api/v1/nodes/till-8-2", None).await.0, StatusCode::OK);
    for (wrong, expected) in [
        (json!({"act": "explode", "below": "All"}), StatusCode::BAD_REQUEST),
        (json!({"act": "move", "below": "All"}), StatusCode::BAD_REQUEST),
        (json!({"act": "move", "below": "All", "shop": "All", "dry_run": true}), StatusCode::BAD_REQUEST),
        (json!({"act": "park", "below": "shop-9"}), StatusCode::NOT_FOUND),
        (json!({"act": "park", "below": "All", "condition": "tired"}), StatusCode::BAD_REQUEST),
        (json!({"act": "park", "tills": ["till-9-9"]}), StatusCode::NOT_FOUND),
        (json!({"act": "park", "tills": vec!["x"; 2_001]}), StatusCode::BAD_REQUEST),
        (json!({"act": "settings", "below": "All", "settings": {"x": "1"}}), StatusCode::BAD_REQUEST),
    ] {
        assert_eq!(server.bulk(wrong.clone()).await.0, expected, "{wrong}");
    }
    let silent = json!({"act": "park", "below": "All", "condition": "never-heard-of"});
    assert_eq!(server.bulk(silent).await.1.as_array().unwrap().len(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn codes_for_many_are_told_once_and_settings_are_set_on_each() {
    let server = Server::start();
    server.two_shops().await;
    let (_, told) =
        server.bulk(json!({"act": "codes", "tills": ["till-7-1", "till-9-9", "till-8-1"], "hours": 2})).await;
    assert_eq!(results(&told), [("till-7-1", "done"), ("till-9-9", "failed"), ("till-8-1", "done")]);
    let code = |at: usize| told[at]["code"].as_str().map(str::to_owned);
    assert!(code(0).is_some() && code(1).is_none() && code(2).is_some() && code(0) != code(2), "{told}");
    // A till that is named twice has one code, and its code is told.
    let id = server.id_of("till-7-1").await;
    let (_, told) = server.bulk(json!({"act": "codes", "tills": ["till-7-1", id], "below": "shop-7"})).await;
    assert!(results(&told) == [("till-7-1", "done")] && told[0]["code"].is_string(), "{told}");
    let set = |value: &str| json!({"act": "settings", "below": "All", "settings": {"queuechunksize": value}});
    assert_eq!(results(&server.bulk(set("100")).await.1), [("till-7-1", "done"), ("till-8-1", "done")]);
    assert_eq!(results(&server.bulk(set("100")).await.1), [("till-7-1", "same"), ("till-8-1", "same")]);
    let (_, audit) = server.ask("GET", "/api/v1/audit?verb=node.settings", None).await;
    assert_eq!(audit["lines"].as_array().unwrap().len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn on_the_page_codes_come_as_a_file_and_a_setting_is_asked_about_first() {
    let server = Server::start();
    server.two_shops().await;
    let list = server.page("/tills?lang=en").await;
    let asked = |more: &str| format!("token={}&filter=&scope=all&shop=&key=&value=&hours=2&{more}", token_in(&list));
    let (status, question) = server.submit("/tills/bulk?lang=en", &asked("act=codes"), &OURS).await;
    assert!(status == StatusCode::OK && question.contains("Make new codes for 2 tills?"), "{question}");
    let tills = question.split("name=\"tills\" value=\"").nth(1).unwrap().split('"').next().unwrap().replace(' ', "+");
    let yes = format!("token={}&tills={tills}&filter=&hours=2&act=codes", token_in(&question));
    let (status, csv) = server.submit("/tills/bulk/do?lang=en", &yes, &OURS).await;
    assert_eq!(status, StatusCode::OK);
    assert!(csv.lines().count() == 3 && csv.contains("till-7-1") && csv.contains("till-8-1"), "{csv}");
    let setting = asked("act=settings").replace("key=&value=", "key=contactperiod&value=30");
    let (_, question) = server.submit("/tills/bulk?lang=en", &setting, &OURS).await;
    assert!(question.contains("Set contactperiod to 30 on 2 tills?"), "{question}");
    let wrong = setting.replace("value=30", "value=x");
    let (status, told) = server.submit("/tills/bulk?lang=en", &wrong, &OURS).await;
    assert!(status == StatusCode::BAD_REQUEST && told.contains("a whole number"), "{status} {told}");
    let to_nowhere = asked("act=move");
    assert_eq!(server.submit("/tills/bulk", &to_nowhere, &OURS).await.0, StatusCode::NOT_FOUND);
    let yes = format!("token={}&tills={tills}&filter=&act=send-anew", token_in(&question));
    let (_, done) = server.submit("/tills/bulk/do?lang=en", &yes, &OURS).await;
    assert!(done.contains("2 are so already"), "a till that was never heard of gets everything: {done}");
}
