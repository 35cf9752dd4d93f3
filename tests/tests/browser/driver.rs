//! A real Chromium, as a person has it: on a desk or on a telephone, in light or dark.

use fantoccini::wd::WebDriverCompatibleCommand;
use fantoccini::{Client, ClientBuilder, Locator};
use hyper_util::client::legacy::connect::HttpConnector;
use reqwest::{Method, Url};
use serde_json::{Value, json};
use std::path::PathBuf;
use std::process::Command;
use std::str::FromStr;
use std::time::Duration;
use tempfile::TempDir;
use tillway_tests::bench::TestBench;
use tillway_tests::ports::free_port;
use tillway_tests::process::Daemon;
use tokio::time::sleep;

/// Folder that pictures of all pages are put into, where it is set.
const SHOTS: &str = "TILLWAY_SHOTS";

/// A browser with its driver. Both end with it.
pub(crate) struct Browser {
    pub(crate) client: Client,
    base: String,
    driver: Option<Daemon>,
    _folder: TempDir,
}

impl Browser {
    /// Opens one of this width, logged in at the pages of a bench. 390 is a telephone.
    pub(crate) async fn open(bench: &TestBench, width: u32) -> Self {
        Self::open_as(bench, width, &format!("anna-{width}"), &["--role", "administrator"]).await
    }

    /// The same as somebody of a role and a place.
    pub(crate) async fn open_as(bench: &TestBench, width: u32, login: &str, may: &[&str]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let port = free_port().unwrap();
        let mut command = Command::new("chromedriver");
        command.arg(format!("--port={port}")).env("TMPDIR", folder.path()).env("HOME", folder.path());
        let driver = Daemon::start("chromedriver", &mut command, &folder.path().join("chromedriver.log")).unwrap();
        let client = connect(port, width).await;
        let add: Vec<&str> = ["--json", "user", "add", login].into_iter().chain(may.iter().copied()).collect();
        let invited: Value = serde_json::from_str(&bench.server.command(&add).unwrap()).unwrap();
        let link = invited["link"]["url"].as_str().unwrap();
        let base = bench.server.page().trim_end_matches('/').to_owned();
        let browser = Self { client, base, driver: Some(driver), _folder: folder };
        browser.goto("/").await;
        browser.shoot(&format!("login-{width}")).await;
        browser.goto(&link[link.find("/first").unwrap()..]).await;
        for field in ["input[name=password]", "input[name=again]"] {
            browser.write(field, "a password of the tests").await;
        }
        browser.click("main button").await;
        browser.until("the page after the login", "location.pathname === '/'").await;
        browser
    }

    pub(crate) async fn write(&self, css: &str, text: &str) {
        self.client.find(Locator::Css(css)).await.unwrap().send_keys(text).await.unwrap();
    }

    pub(crate) async fn goto(&self, path: &str) {
        self.client.goto(&format!("{}{path}", self.base)).await.unwrap();
    }

    /// What a script says.
    pub(crate) async fn eval(&self, script: &str) -> Value {
        self.client.execute(&format!("return ({script});"), Vec::new()).await.unwrap()
    }

    pub(crate) async fn text(&self, css: &str) -> String {
        self.client.find(Locator::Css(css)).await.unwrap().text().await.unwrap()
    }

    pub(crate) async fn click(&self, css: &str) {
        let element = self.client.find(Locator::Css(css)).await.unwrap_or_else(|error| panic!("{css}: {error}"));
        element.click().await.unwrap_or_else(|error| panic!("{css}: {error}"));
    }

    /// Waits until a script says yes.
    pub(crate) async fn until(&self, what: &str, script: &str) {
        for _ in 0..300 {
            if self.eval(script).await == json!(true) {
                return;
            }
            sleep(Duration::from_millis(100)).await;
        }
        let page = self.eval("document.body.innerText").await;
        panic!("waited in vain for {what}: {}", page.as_str().unwrap_or_default());
    }

    /// What the browser complained of since it was asked last.
    pub(crate) async fn complaints(&self) -> Vec<String> {
        let log = Raw { path: "se/log", body: json!({"type": "browser"}) };
        let entries = self.client.issue_cmd(log).await.unwrap();
        let entries = entries.as_array().cloned().unwrap_or_default();
        let is_grave = |entry: &&Value| entry["level"] == "SEVERE" || entry["level"] == "WARNING";
        entries.iter().filter(is_grave).map(|entry| entry["message"].to_string()).collect()
    }

    /// Dark or light, as the system's setting would have it.
    pub(crate) async fn scheme(&self, scheme: &str) {
        let features = json!([{"name": "prefers-color-scheme", "value": scheme}]);
        self.command("Emulation.setEmulatedMedia", json!({"features": features})).await;
    }

    /// A picture of the whole page, where somebody wants to see it.
    pub(crate) async fn shoot(&self, name: &str) {
        let Some(folder) = std::env::var_os(SHOTS).map(PathBuf::from) else { return };
        let asked = json!({"captureBeyondViewport": true, "format": "png"});
        let picture = self.command("Page.captureScreenshot", asked).await;
        let path = folder.join(format!("{name}.png"));
        fs_err::create_dir_all(&folder).unwrap();
        fs_err::write(path, decoded(picture["data"].as_str().unwrap())).unwrap();
    }

    /// The upper part of the page as a PNG; less of it where the page ends.
    pub(crate) async fn picture(&self, width: u32, height: u32) -> Vec<u8> {
        let whole = self.eval("document.documentElement.scrollHeight").await.as_u64().unwrap();
        let clip = json!({"x": 0, "y": 0, "width": width, "height": whole.min(height.into()), "scale": 1});
        let asked = json!({"captureBeyondViewport": true, "format": "png", "clip": clip});
        let picture = self.command("Page.captureScreenshot", asked).await;
        decoded(picture["data"].as_str().unwrap())
    }

    async fn command(&self, name: &str, parameters: Value) -> Value {
        let body = json!({"cmd": name, "params": parameters});
        self.client.issue_cmd(Raw { path: "goog/cdp/execute", body }).await.unwrap()
    }

    pub(crate) async fn close(mut self) {
        self.client.clone().close().await.unwrap();
        if let Some(driver) = self.driver.take() {
            driver.stop().unwrap();
        }
    }
}

async fn connect(port: u16, width: u32) -> Client {
    let mut options = json!({
        // Whoever runs the tests may be root, and a container has little shared memory.
        "args": ["--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars",
            "--no-proxy-server", "--remote-debugging-pipe", format!("--window-size={},1000", width.max(500))],
    });
    if width < 500 {
        let metrics = json!({"width": width, "height": 844, "pixelRatio": 1.0, "touch": true});
        options["mobileEmulation"] = json!({"deviceMetrics": metrics});
    }
    let wanted =
        json!({"browserName": "chrome", "goog:chromeOptions": options, "goog:loggingPrefs": {"browser": "ALL"}});
    let capabilities = wanted.as_object().unwrap().clone();
    let address = format!("http://127.0.0.1:{port}");
    let mut last = None;
    for _ in 0..100 {
        match ClientBuilder::new(HttpConnector::new()).capabilities(capabilities.clone()).connect(&address).await {
            Ok(client) => return client,
            Err(error) => last = Some(error),
        }
        sleep(Duration::from_millis(100)).await;
    }
    panic!("no browser: {last:?}");
}

/// A command of the driver that WebDriver does not have.
#[derive(Debug)]
struct Raw {
    path: &'static str,
    body: Value,
}

impl WebDriverCompatibleCommand for Raw {
    fn endpoint(&self, base: &Url, session: Option<&str>) -> Result<Url, <Url as FromStr>::Err> {
        base.join(&format!("session/{}/{}", session.unwrap_or_default(), self.path))
    }

    fn method_and_body(&self, _: &Url) -> (Method, Option<String>) {
        (Method::POST, Some(self.body.to_string()))
    }
}

/// Base64 as browsers send pictures.
fn decoded(text: &str) -> Vec<u8> {
    const LETTERS: &[u8] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let six = |byte: u8| LETTERS.iter().position(|letter| *letter == byte).and_then(|at| u32::try_from(at).ok());
    let sixes: Vec<u32> = text.bytes().filter_map(six).collect();
    let bytes = sixes.chunks(4).flat_map(|four| {
        let bits = (0..4).fold(0, |bits, at| (bits << 6) | four.get(at).copied().unwrap_or_default());
        bits.to_be_bytes()[1..four.len()].to_vec()
    });
    bytes.collect()
}
