//! REST, AIF over REST and the page, as `curl` meets them.

use crate::support::{item, until};
use crate::tools::said;
use fs_err as fs;
use serde_json::Value;
use std::fs::Permissions;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::process::Command;
use tillway_tests::bench::TestBench;

/// `curl` with somebody's credentials on one of the server's ports.
pub(crate) struct Curl {
    credentials: Option<String>,
    base: String,
}

impl Curl {
    /// The administrator.
    pub(crate) fn admin(bench: &TestBench, port: u16) -> Self {
        Self::with(bench, "admin", port)
    }

    fn with(bench: &TestBench, who: &str, port: u16) -> Self {
        let file = bench.server.data().join("credentials").join(who);
        let credentials = fs::read_to_string(file).unwrap().trim().to_owned();
        Self { credentials: Some(credentials), base: format!("http://127.0.0.1:{port}") }
    }

    pub(crate) fn nobody(port: u16) -> Self {
        Self { credentials: None, base: format!("http://127.0.0.1:{port}") }
    }

    /// Path first, then arguments of curl.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("/usr/bin/curl");
        // Neither the user's settings nor a proxy of the environment.
        command.args(["-q", "--noproxy", "*", "--silent", "--show-error", "--max-time", "60"]);
        if let Some(credentials) = &self.credentials {
            command.args(["--user", credentials]);
        }
        command.arg(format!("{}{}", self.base, arguments[0])).args(&arguments[1..]);
        command
    }

    /// The answer; it must be a good one.
    pub(crate) fn text(&self, arguments: &[&str]) -> String {
        let mut command = self.command(arguments);
        command.arg("--fail-with-body");
        said(command)
    }

    pub(crate) fn json(&self, arguments: &[&str]) -> Value {
        let text = self.text(arguments);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The status of an answer, whatever it is.
    pub(crate) fn status(&self, arguments: &[&str]) -> u16 {
        self.answer(arguments).0
    }

    /// Status and body of an answer, whatever it is.
    fn answer(&self, arguments: &[&str]) -> (u16, String) {
        let mut command = self.command(arguments);
        command.args(["--write-out", "\n%{http_code}"]);
        let told = said(command);
        let (body, status) = told.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), body.to_owned())
    }
}

/// The value of a hidden field of a page.
pub(crate) fn field_of(html: &str, name: &str) -> String {
    let begin = format!("name=\"{name}\" value=\"");
    let at = html.find(&begin).unwrap_or_else(|| panic!("no field {name} in {html}"));
    html[at + begin.len()..].split('"').next().unwrap().to_owned()
}

#[test]
fn curl_makes_a_shop_loads_goods_and_reads_what_came_of_them() {
    let bench = TestBench::start().unwrap();
    let ports = bench.server.ports;
    let rest = Curl::admin(&bench, ports.rest);
    let chain = bench.server.chain_id().unwrap();
    let json = ["-H", "Content-Type: application/json", "-d"];
    let node = format!(r#"{{"parent":"{chain}","level":"shop","code":"7","name":"Main street"}}"#);
    let made = rest.json(&["/api/v1/nodes", json[0], json[1], json[2], &node]);
    assert_eq!(made["node"]["name"], "Main street", "{made}");

    let goods = bench.folder().join("goods.json");
    fs::write(&goods, format!("[{},{}]", item(1, "10"), item(2, "\"dear\""))).unwrap();
    let office = Curl::with(&bench, "backoffice", ports.aif);
    let upload = format!("@{}", goods.display());
    let load_dicts = "/aifexchange/loaddicts?shopcode=7";
    let taken = office.json(&[load_dicts, "--data-binary", &upload]);
    assert_eq!(taken["success"], true, "{taken}");
    let path = format!("/api/v1/loads/{}", taken["loadid"]);
    until("the load to end", || {
        let load = rest.json(&[&path]);
        let ended = !load["ended_at"].is_null() || !load["load"]["ended_at"].is_null();
        (ended, load.to_string())
    });
    let load = rest.text(&[&path]);
    // The one is taken; the other one is named with what is wrong.
    assert!(load.contains("\"rejected\":1") && load.contains("dear"), "{load}");
    let page = Curl::admin(&bench, ports.web).text(&["/loads?lang=en"]);
    assert!(page.contains("STATUS_READY_WITH_ERROR"), "{page}");
    let openapi = rest.json(&["/api/v1/openapi.json"]);
    assert!(openapi["paths"]["/api/v1/loads"]["get"].is_object());
}

#[test]
fn curl_with_bad_input_is_told_what_is_wrong_and_stops_nobody() {
    let bench = TestBench::start().unwrap();
    let ports = bench.server.ports;
    let (rest, page) = (Curl::admin(&bench, ports.rest), Curl::admin(&bench, ports.web));
    let office = Curl::with(&bench, "backoffice", ports.aif);
    assert_eq!(Curl::nobody(ports.web).status(&["/"]), 303, "to the login page");
    for (port, path) in [(ports.rest, "/api/v1/nodes"), (ports.aif, "/aifexchange/loaddicts")] {
        let arguments: &[&str] = if port == ports.aif { &[path, "-d", "[]"] } else { &[path] };
        let (status, told) = Curl::nobody(port).answer(arguments);
        assert_eq!(status, 401, "{told}");
        assert!(told.contains("password"), "{told}");
    }
    // The back office's word opens its own port alone.
    let (user, port) = (office.credentials.clone(), ports.rest);
    let wrong = Curl { credentials: user, base: format!("http://127.0.0.1:{port}") };
    assert_eq!(wrong.status(&["/api/v1/nodes"]), 401);

    let json = "Content-Type: application/json";
    for (arguments, status, word) in [
        (vec!["/api/v1/nodes", "-H", json, "-d", "{"], 400, ""),
        (vec!["/api/v1/nodes", "-H", json, "-d", r#"{"level":"shop"}"#], 422, "parent"),
        (vec!["/api/v1/nodes", "-H", json, "-d", r#"{"parent":"x","level":"shop","code":"7","name":"n"}"#], 404, "x"),
        (vec!["/api/v1/nodes", "-d", "level=shop"], 415, ""),
        (vec!["/api/v1/tills/nobody"], 404, "nobody"),
        (vec!["/api/v1/loads/0"], 404, ""),
        (vec!["/api/v1/loads/%ff"], 400, ""),
        (vec!["/api/v1/nodes", "-X", "BREW"], 405, ""),
        (vec!["/api/v1/../../etc/passwd", "--path-as-is"], 404, ""),
    ] {
        let (found, told) = rest.answer(&arguments);
        assert_eq!(found, status, "{arguments:?}: {told}");
        assert!(told.contains(word), "{arguments:?}: {told}");
    }
    for (arguments, status, word) in [
        (vec!["/aifexchange/loaddicts", "-d", "[]"], 400, "shopcode"),
        (vec!["/aifexchange/loaddicts?shopcode=none", "-d", "[]"], 404, "none"),
        (vec!["/aifexchange/loaddicts"], 405, ""),
    ] {
        let (found, told) = office.answer(&arguments);
        assert_eq!(found, status, "{arguments:?}: {told}");
        assert!(told.contains(word), "{arguments:?}: {told}");
    }
    assert_eq!(page.status(&["/nothing"]), 404);
    assert_eq!(page.status(&["/acknowledge", "-d", "token=x"]), 422);
    assert_eq!(rest.status(&["/api/v1/nodes"]), 200);
    assert_eq!(page.status(&["/"]), 200);
}

#[test]
fn curl_asks_over_the_socket_without_a_password_and_another_user_may_not() {
    let bench = TestBench::start().unwrap();
    let socket = bench.server.data().join("cash-server.sock");
    let curl = |user: Option<u32>, arguments: &[&str]| {
        let mut command = Command::new("/usr/bin/curl");
        command.args(["-q", "--silent", "--show-error", "--max-time", "60", "--unix-socket"]).arg(&socket);
        command.args(arguments).args(["--write-out", "\n%{http_code}"]);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        let told = said(command);
        let (body, status) = told.rsplit_once('\n').unwrap();
        (status.to_owned(), serde_json::from_str::<Value>(body).unwrap_or(Value::Null))
    };
    let new = r#"{"parent":"All","level":"shop","code":"77"}"#;
    let json = "Content-Type: application/json";
    let (status, made) = curl(None, &["http://x/api/v1/nodes", "-H", json, "-d", new]);
    assert_eq!(status, "201", "{made}");
    let (_, audit) = curl(None, &["http://x/api/v1/audit?limit=1"]);
    let line = &audit["lines"][0];
    assert_eq!(line["face"], "command-line", "{line}");
    assert!(line["actor"].as_str().unwrap().starts_with("system:"), "{line}");
    let (_, tasks) = curl(None, &["http://x/api/v1/background"]);
    assert!(tasks.as_array().unwrap().iter().any(|task| task["name"] == "reconciler"), "{tasks}");

    if fs::metadata("/proc/self").unwrap().uid() != 0 {
        return; // Nobody else can be tried.
    }
    // By its mode nobody else reaches it; here somebody does.
    for folder in socket.ancestors().skip(1).take_while(|folder| folder.starts_with(bench.folder())) {
        fs::set_permissions(folder, Permissions::from_mode(0o755)).unwrap();
    }
    fs::set_permissions(&socket, Permissions::from_mode(0o666)).unwrap();
    let (status, problem) = curl(Some(65_534), &["http://x/api/v1/nodes", "-H", json, "-d", new]);
    assert_eq!(status, "403", "{problem}");
    assert!(problem["detail"].as_str().unwrap().contains("do it as root"), "{problem}");
}
