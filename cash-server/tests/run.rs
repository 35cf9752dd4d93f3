//! The whole server in this process, on ports of its own, without a broker: everything but
//! deliveries works.

#![allow(clippy::unwrap_used, reason = "a test")]

use fs_err as fs;
use std::path::Path;
use std::time::Duration;
use tillway_cash_server::run::{Listeners, run};
use tillway_cash_server::settings::{Settings, credentials};
use tokio_util::sync::CancellationToken;

/// A start on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

fn settings(folder: &Path) -> Settings {
    // Nothing listens on port 1.
    let text = "[server]\ndata_dir = \"data\"\npublic_host = \"127.0.0.1\"\n[broker]\nport = 1\n\
                [rest]\nlisten = \"127.0.0.1:0\"\n[aif]\nlisten = \"127.0.0.1:0\"\n\
                [web]\nlisten = \"127.0.0.1:0\"\n[sales]\nlisten = \"127.0.0.1:0\"\n\
                handover_dir = \"office\"\n[retention]\nsales_days = 3000\n";
    Settings::read(text, folder, []).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_answers_without_a_broker_and_stops_when_told() {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let folder = tempfile::tempdir().unwrap();
    let settings = settings(folder.path());
    let listeners = Listeners::bind(&settings, true).unwrap();
    let base = format!("http://{}", listeners.rest.local_addr().unwrap());
    let page = format!("http://{}/server", listeners.web.local_addr().unwrap());
    let shutdown = CancellationToken::new();
    let server = tokio::spawn(run(settings.clone(), listeners, shutdown.clone()));

    let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
    // The listener is open already, so the request waits until the server serves.
    let health = http.get(format!("{base}/health")).send().await.unwrap();
    assert!(health.status().is_success());
    assert_eq!(http.get(format!("{base}/api/v1/tills")).send().await.unwrap().status(), 401);
    let admin = credentials::read(&credentials::admin_path(&settings.data_dir)).unwrap();
    let ask = |url: &str| http.get(url).basic_auth(&admin.user, Some(admin.password())).send();
    assert!(ask(&format!("{base}/api/v1/tills")).await.unwrap().status().is_success());
    let tasks = ask(&format!("{base}/api/v1/background")).await.unwrap();
    let tasks: Vec<serde_json::Value> = tasks.json().await.unwrap();
    assert_eq!(tasks.len(), 21, "{tasks:#?}");
    // Each has its words in every language: the page is not shown without one.
    for language in ["en", "ru"] {
        let shown = ask(&format!("{page}?lang={language}")).await.unwrap();
        assert!(shown.status().is_success());
        assert_eq!(shown.text().await.unwrap().matches("class=\"task\"").count(), tasks.len());
    }
    let described = http.get(format!("{base}/api/v1/openapi.json")).send().await.unwrap();
    let described: serde_json::Value = described.json().await.unwrap();
    assert!(described["paths"]["/api/v1/tills"].is_object());
    assert!(
        fs::metadata(settings.data_dir.join("inbox/All")).is_ok()
            || fs::metadata(settings.data_dir.join("inbox")).is_ok()
    );

    let listeners = Listeners::bind(&settings, true).unwrap();
    let second = run(settings, listeners, CancellationToken::new()).await.unwrap_err();
    let cause = std::error::Error::source(&second).unwrap().to_string();
    assert!(cause.contains("already running: process"), "{cause}");

    shutdown.cancel();
    tokio::time::timeout(DEADLINE, server).await.unwrap().unwrap().unwrap();
}
