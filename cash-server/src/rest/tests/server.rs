//! The server itself: databases, what is kept how long, the log.

use super::*;
use jiff::Timestamp;
use tillway_proto::process::LineLevel;

#[tokio::test(flavor = "multi_thread")]
async fn databases_and_what_is_kept_are_told_over_rest_and_on_the_page() {
    let server = Server::start();
    let (status, told) = server.ask("GET", "/api/v1/databases", None).await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let names: Vec<_> = told.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    for name in ["dictionary.db", "network.db", "sales.db", "people.db", "packages.db", "goods_search.db"] {
        assert!(names.contains(&name), "{names:?}");
    }
    assert!(
        told.as_array().unwrap().iter().all(|one| one["bytes"].as_u64() > Some(0) && one["schema"].is_u64()),
        "{told}"
    );
    let (_, kept) = server.ask("GET", "/api/v1/retention", None).await;
    assert_eq!(
        kept[0],
        json!({"what": "receipts", "setting": "retention.sales_days", "days": null, "max_bytes": null})
    );
    let page = server.page("/server?lang=en").await;
    assert!(page.contains("people.db") && page.contains("retention.sales_days") && page.contains("for ever"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_is_for_administrators_of_the_whole_chain_and_is_found_by_level_and_text() {
    let server = Server::start();
    server.make_till().await;
    for (level, text) in
        [(LineLevel::Info, "it starts"), (LineLevel::Warn, "<b>little room"), (LineLevel::Error, "no room")]
    {
        server.log.keep(Timestamp::now(), level, text);
    }
    let texts = async |query: &str| -> Vec<String> {
        let (status, told) = server.ask("GET", &format!("/api/v1/log{query}"), None).await;
        assert_eq!(status, StatusCode::OK, "{told}");
        told.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(texts("").await, ["no room", "<b>little room", "it starts"]);
    assert_eq!(texts("?level=warn&text=ROOM&limit=1").await, ["no room"]);
    let (status, problem) = server.ask("GET", "/api/v1/log?level=loud", None).await;
    assert_eq!((status, &problem["kind"]), (StatusCode::BAD_REQUEST, &json!("no-log-level")), "{problem}");
    let page = server.page("/server/log?level=warn&q=room&lang=en").await;
    assert!(page.contains("&lt;b&gt;little room") && !page.contains("it starts"), "{page}");
    let server_page = server.page("/server?lang=en").await;
    assert!(server_page.contains("href=\"/server/log\""), "{server_page}");
    let key = server.key(crate::app::Role::Auditor, "All").await;
    assert_eq!(server.with_key(&key, "get", "/api/v1/log", "").await.0, StatusCode::FORBIDDEN);
    let request = Request::get("/server?lang=en").header(header::AUTHORIZATION, format!("Bearer {key}"));
    let answer = server.page.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let shown = String::from_utf8(to_bytes(answer.into_body(), usize::MAX).await.unwrap().to_vec()).unwrap();
    assert!(!shown.contains("/server/log") && shown.contains("people.db"), "{shown}");
}
