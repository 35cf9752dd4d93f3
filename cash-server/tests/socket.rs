//! Commands and the server of one data folder: over the socket while it runs, by themselves while
//! it does not.

#![allow(clippy::unwrap_used, reason = "a test")]

use clap::Parser as _;
use fs_err as fs;
use serde_json::Value;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;
use tillway_cash_server::cli::{self, Arguments};
use tillway_cash_server::run::{Listeners, run};
use tillway_cash_server::settings::Settings;
use tillway_cash_server::socket;
use tillway_service::system_user;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A start and a stop on a busy machine.
const DEADLINE: Duration = Duration::from_mins(1);

/// Nothing listens on port 1.
const SETTINGS: &str = "[server]\ndata_dir = \"data\"\npublic_host = \"127.0.0.1\"\n[broker]\nport = 1\n\
                        [rest]\nlisten = \"127.0.0.1:0\"\n[aif]\nlisten = \"127.0.0.1:0\"\n\
                        [web]\nlisten = \"127.0.0.1:0\"\n[sales]\nlisten = \"127.0.0.1:0\"\n";

struct Place {
    folder: tempfile::TempDir,
}

impl Place {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("cash-server.toml"), SETTINGS).unwrap();
        Self { folder }
    }

    fn data(&self) -> std::path::PathBuf {
        self.folder.path().join("data")
    }

    async fn start(&self) -> Running {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let settings = Settings::read(SETTINGS, self.folder.path(), []).unwrap();
        let listeners = Listeners::bind(&settings, true).unwrap();
        let health = format!("http://{}/health", listeners.rest.local_addr().unwrap());
        let shutdown = CancellationToken::new();
        let server = tokio::spawn(run(settings, listeners, shutdown.clone()));
        // The listener is open already, so the request waits until the server serves.
        let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
        assert!(http.get(health).send().await.unwrap().status().is_success());
        Running { shutdown, server }
    }

    /// A command, on a thread as of a process of its own.
    async fn command(&self, line: &[&str]) -> (ExitCode, String, String) {
        let settings = self.folder.path().join("cash-server.toml");
        let words = ["cash-server", "--json", "--settings", settings.to_str().unwrap()];
        let words: Vec<String> = words.iter().chain(line).map(|word| (*word).to_owned()).collect();
        let command = tokio::task::spawn_blocking(move || {
            let (mut output, mut errors) = (Vec::new(), Vec::new());
            let code = cli::run(Arguments::parse_from(words), &mut output, &mut errors);
            (code, String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap())
        });
        command.await.unwrap()
    }

    async fn told(&self, line: &[&str]) -> Value {
        let (code, output, errors) = self.command(line).await;
        assert_eq!(code, ExitCode::SUCCESS, "{line:?}: {errors}");
        serde_json::from_str(&output).unwrap_or_else(|_| output.into())
    }
}

struct Running {
    shutdown: CancellationToken,
    server: JoinHandle<Result<(), tillway_cash_server::run::RunError>>,
}

impl Running {
    async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(DEADLINE, self.server).await.unwrap().unwrap().unwrap();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_are_the_same_with_and_without_a_server_and_name_their_user() {
    let place = Place::new();
    let me = format!("system:{}", system_user::name_of(system_user::own_number()));
    // Before the first start, and what is left of a server that crashed.
    place.told(&["node", "add", "shop", "1"]).await;
    drop(std::os::unix::net::UnixListener::bind(socket::path(&place.data())).unwrap());
    place.told(&["node", "add", "till", "11", "--parent", "shop-1"]).await;

    let server = place.start().await;
    assert_eq!(mode(&socket::path(&place.data())), 0o660);
    let made = place.told(&["node", "add", "till", "12", "--parent", "shop-1"]).await;
    assert!(
        made["secret"].as_str().is_some_and(|secret| made["cash_ini"].as_str().unwrap().contains(secret)),
        "{made}"
    );
    place.told(&["node", "park", "till-1-12"]).await;
    place.told(&["node", "rename", "shop-1", "North / 1"]).await;
    let settings = place.told(&["till", "settings", "till-1-12", "--new-secret"]).await;
    assert!(settings.as_str().unwrap().contains("cash.secret=tws1_"), "{settings}");
    place.told(&["node", "add", "group", "g"]).await;
    let moved = place.told(&["node", "move", "shop-1", "group-g"]).await;
    assert!(moved["revision"].is_number() || moved["revision"].is_null(), "{moved}");
    place.told(&["node", "remove", "till-1-12"]).await;
    let (code, _, errors) = place.command(&["node", "remove", "till-1-12"]).await;
    assert_eq!(code, ExitCode::from(1));
    assert!(errors.contains("till-1-12"), "{errors}");
    let listed = place.told(&["node", "list"]).await;
    let find = |folder: &str| listed.as_array().unwrap().iter().find(|node| node["folder"] == folder);
    assert_eq!(find("shop-1").unwrap()["name"], "North / 1", "{listed}");
    assert_eq!(find("shop-1").unwrap()["parent"], "group-g", "{listed}");
    assert!(find("till-1-11").is_some() && find("till-1-12").is_none(), "{listed}");

    // Without a server's word for it: every change has its line.
    let audit = place.told(&["audit"]).await;
    let by_hand = |line: &&serde_json::Value| line["face"] == "command-line";
    let lines: Vec<_> = audit.as_array().unwrap().iter().filter(by_hand).collect();
    let verbs: Vec<&str> = lines.iter().rev().filter_map(|line| line["verb"].as_str()).collect();
    let of_commands = [
        "node.create",
        "node.create",
        "node.create",
        "till.park",
        "node.rename",
        "till.token",
        "node.create",
        "node.move",
        "node.remove",
    ];
    assert!(verbs.ends_with(&of_commands), "{verbs:?}");
    for line in &lines[..of_commands.len()] {
        assert_eq!(
            (line["actor"].as_str(), line["face"].as_str()),
            (Some(me.as_str()), Some("command-line")),
            "{line}"
        );
    }
    // What the server does by itself can be asked for, too.
    let tasks = place.told(&["background"]).await;
    let names: Vec<&str> = tasks.as_array().unwrap().iter().filter_map(|task| task["name"].as_str()).collect();
    for name in ["reconciler", "intake", "status-callbacks", "sales-loader", "sales-checks", "old-audit"] {
        assert!(names.contains(&name), "{names:?}");
    }

    server.stop().await;
    assert!(!socket::path(&place.data()).exists());
    assert_eq!(place.told(&["node", "list"]).await, listed, "the same without it");
    let (code, _, errors) = place.command(&["tills"]).await;
    assert_eq!(code, ExitCode::from(4), "{errors}");
}
