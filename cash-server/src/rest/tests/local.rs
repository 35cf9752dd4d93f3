//! The socket of this machine, and what the server does by itself.

use super::*;
use crate::network::NetworkError;
use tillway_service::background::{Failure, Task};
use tillway_service::serving::LocalUser;
use tillway_service::system_user;
use tokio_util::sync::CancellationToken;

/// A user who is nobody here.
const OTHER: u32 = 3_999_999_999;

impl Server {
    async fn ask_locally(&self, user: u32, method: &str, path: &str, body: Value) -> (StatusCode, Value) {
        let request = Request::builder().method(method).uri(path).header(header::CONTENT_TYPE, "application/json");
        let mut request = request.body(Body::from(body.to_string())).unwrap();
        request.extensions_mut().insert(LocalUser(user));
        let answer = self.local.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        (parts.status, serde_json::from_slice(&to_bytes(body, usize::MAX).await.unwrap()).unwrap_or(Value::Null))
    }
}

#[tokio::test]
async fn root_and_the_user_who_runs_the_server_ask_without_a_password_and_are_named_in_the_audit() {
    let server = Server::start();
    let own = system_user::own_number();
    for (user, code) in [(system_user::ROOT, "1"), (own, "2")] {
        let shop = json!({"parent": "All", "level": "shop", "code": code});
        let (status, made) = server.ask_locally(user, "POST", "/api/v1/nodes", shop).await;
        assert_eq!(status, StatusCode::CREATED, "{made}");
        let (_, page) = server.ask_locally(user, "GET", "/api/v1/audit?limit=1", Value::Null).await;
        let line = &page["lines"][0];
        assert_eq!(line["actor"], format!("system:{}", system_user::name_of(user)), "{line}");
        assert_eq!((&line["face"], &line["verb"]), (&json!("command-line"), &json!("node.create")), "{line}");
        assert!(line["address"].is_null(), "{line}");
    }
}

#[tokio::test]
async fn another_user_of_this_machine_is_told_who_may() {
    let server = Server::start();
    let shop = json!({"parent": "All", "level": "shop", "code": "1"});
    let (status, problem) = server.ask_locally(OTHER, "POST", "/api/v1/nodes", shop).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    let own = system_user::name_of(system_user::own_number());
    let told = problem["detail"].as_str().unwrap();
    assert!(told.contains("`3999999999`") && told.contains("as root") && told.contains(&format!("`{own}`")), "{told}");
    let (_, nodes) = server.ask("GET", "/api/v1/nodes", None).await;
    assert_eq!(nodes.as_array().unwrap().len(), 1, "nothing was done");
    // The password of REST opens nothing here, and a claim of being root is only a header.
    let secret = base64::engine::general_purpose::STANDARD.encode("admin:secret");
    let request = Request::get("/api/v1/nodes").header(header::AUTHORIZATION, format!("Basic {secret}"));
    let answer = server.local.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    assert_eq!(answer.status(), StatusCode::UNAUTHORIZED, "nobody is known to ask");
}

#[tokio::test]
async fn a_move_says_its_revision_and_a_till_s_settings_come_without_its_token() {
    let server = Server::start();
    let till = server.make_till().await["node"]["id"].as_str().unwrap().to_owned();
    server.ask("POST", "/api/v1/nodes", Some(json!({"parent": "All", "level": "group", "code": "g"}))).await;
    let (status, moved) = server.ask("PATCH", "/api/v1/nodes/shop-7", Some(json!({"parent": "group-g"}))).await;
    assert_eq!((status, &moved["folder"]), (StatusCode::OK, &json!("shop-7")), "{moved}");
    assert!(moved["revision"].as_u64().is_some_and(|revision| revision > 0), "{moved}");
    let (_, renamed) = server.ask("PATCH", "/api/v1/nodes/shop-7", Some(json!({"name": "North"}))).await;
    assert!(renamed["revision"].is_null(), "{renamed}");
    let (status, settings) = server.ask("GET", &format!("/api/v1/tills/{till}/cash-ini"), None).await;
    assert_eq!(status, StatusCode::OK);
    let text = settings["cash_ini"].as_str().unwrap();
    assert!(text.contains(&till) && text.contains("cash.secret=\n"), "{text}");
}

#[tokio::test]
async fn what_the_server_does_by_itself_is_listed_with_its_last_failure() {
    let server = Server::start();
    let (_, listed) = server.ask("GET", "/api/v1/background", None).await;
    assert_eq!(listed, json!([]));
    let period = std::time::Duration::from_mins(10);
    let tasks = vec![
        Task::blocking("intake-cleaning", period, |_| Ok::<_, Failure>(tillway_service::background::Next::AtPeriod)),
        Task::blocking("old-audit", period, |_| {
            Err::<_, Failure>(NetworkError::UnknownNode { text: "<b>".to_owned() }.into())
        }),
    ];
    let (background, stop) = (server.background.clone(), CancellationToken::new());
    let token = stop.clone();
    let driver = tokio::spawn(async move { background.run(tasks, token).await });
    let listed = loop {
        let (_, listed) = server.ask("GET", "/api/v1/background", None).await;
        if listed.as_array().unwrap().iter().all(|task| task["runs"] == 1) && listed[1].is_object() {
            break listed;
        }
        tokio::task::yield_now().await;
    };
    let (good, bad) = (&listed[0], &listed[1]);
    assert_eq!(
        (&good["name"], &good["period_s"], &good["failures"]),
        (&json!("intake-cleaning"), &json!(600), &json!(0))
    );
    assert!(good["last_run"].is_string() && good["next_run"].is_string() && good["last_error"].is_null(), "{good}");
    assert_eq!((&bad["failures"], &bad["last_error_kind"]), (&json!(1), &json!("unknown-node")), "{bad}");
    assert_eq!(bad["last_error_parameters"], json!({"text": "<b>"}));
    assert!(bad["last_error"].as_str().unwrap().starts_with("there is no node `<b>`"), "{bad}");
    assert!(bad["last_error_at"].is_string() && bad["running_since"].is_null(), "{bad}");
    stop.cancel();
    driver.await.unwrap();
}
