//! A till that was broken into, at REST and at the sales service: each try at what is not its own
//! fails, is counted and shown, and honest tills beside it do not notice. And the same till, once
//! somebody says that it was stolen.

use crate::http::{Curl, field_of};
use crate::rogue::{Inside, OUT_WITHIN_S, rogue};
use crate::sales_service::code;
use crate::support::{converged, has_receipts, item, load, now, piece_at, until};
use crate::tools::{python, said};
use fs_err as fs;
use serde_json::{Value, json};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};
use tillway_proto::PeerSecret;
use tillway_tests::bench::{TestBench, Till, TillOptions};
use tillway_tests::binaries::{SYNC_AGENT, binary};

/// An administrator's question beside a flood, unoptimised and on two busy cores.
const P99_WITHIN: Duration = Duration::from_secs(3);

fn rest_of_rogue(bench: &TestBench, till: &Till, other: &Till, code: &str) -> Command {
    let ports = bench.server.ports;
    let [rest, page, aif] = [ports.rest, ports.web, ports.aif].map(|port| port.to_string());
    let token = till.secret().unwrap().token();
    // The other's, which has what was loaded.
    let mut files = fs::read_dir(bench.server.data().join("packages")).unwrap().map(|entry| entry.unwrap().path());
    let package = files.find(|path| path.extension().is_some_and(|end| end == "twp")).unwrap();
    let package = package.file_name().unwrap().to_str().unwrap().to_owned();
    python("rogue_rest.py", [&rest, &page, &aif, &till.id, &token, &other.id, &code[..4].to_owned(), &package])
}

fn sales_of_rogue(bench: &TestBench, till: &Till, secret: &PeerSecret, shop: &str, other: &Till) -> Command {
    let folder = bench.folder().display().to_string();
    let address = format!("127.0.0.1:{}", bench.server.ports.sales);
    let token = secret.token();
    python("rogue_sales.py", [&folder, &address, &till.id, &shop.to_owned(), &token, &other.id])
}

fn an_open_code(bench: &TestBench, wanted: &[&str]) -> String {
    let made = bench.server.command(&[&["--json", "attach-code"], wanted].concat()).unwrap();
    serde_json::from_str::<Value>(&made).unwrap()["code"].as_str().unwrap().to_owned()
}

/// Findings of a till, open or closed: kind, and what they say.
fn findings(rest: &Curl, till: &str, closed: bool) -> Vec<(String, String)> {
    let found = rest.json(&[&format!("/api/v1/findings?till={till}&closed={closed}")]);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    found.as_array().unwrap().iter().map(|one| (text(&one["kind"]), text(&one["text"]))).collect()
}

#[test]
fn each_try_at_what_is_not_its_own_fails_is_counted_and_shown_and_nobody_else_notices() {
    let bench = TestBench::start_with(&[("exchange.reconcile_period_s", "1")]).unwrap();
    let shop = bench.add_shop("7").unwrap();
    let options = TillOptions { unload_period_s: 1, ..TillOptions::default() };
    let mut honest = bench.add_till_with(&shop, "7", "72", options).unwrap();
    let broken = bench.prepare_till(&shop, "7", "71", TillOptions::default()).unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    converged(&bench.server, &mut honest);
    code(bench.folder());
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    let open_code = an_open_code(&bench, &["new", "73", "--parent", "shop-7"]);
    let network = rest.text(&["/api/v1/nodes"]);

    // Beside all of it an administrator looks, and the honest till sells.
    let mut pos = honest.pos().unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = vec![pos.ring(&piece_at(1_000)).unwrap().uuid.to_string()];
    let done = AtomicBool::new(false);
    let (at_rest, at_sales, mut looks) = thread::scope(|scope| {
        // Where something here fails, the other thread must end too.
        let guard = SetWhenDropped(&done);
        let looking = scope.spawn(|| {
            let mut looks = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let began = Instant::now();
                bench.server.api().unwrap().read(&format!("/api/v1/tills/{}", honest.id)).unwrap();
                looks.push(began.elapsed());
                thread::sleep(Duration::from_millis(20));
            }
            looks
        });
        let told = said(rest_of_rogue(&bench, &broken, &honest, &open_code));
        let at_rest: Value = serde_json::from_str(&told).unwrap();
        let told = said(sales_of_rogue(&bench, &broken, &broken.secret().unwrap(), &shop, &honest));
        let at_sales: Value = serde_json::from_str(&told).unwrap();
        let mut flood = rest_of_rogue(&bench, &broken, &honest, &open_code);
        flood.args(["flood", "5"]);
        let answered: u64 = said(flood).trim().parse().unwrap();
        assert!(answered > 100, "{answered} refusals of a flood");
        drop(guard);
        (at_rest, at_sales, looking.join().unwrap())
    });

    for (deed, status) in at_rest.as_object().unwrap() {
        let expected: &[Value] = match deed.as_str() {
            "itself" => &[json!(204)],
            "attach as another" => &[json!([403]), json!([403, 429])],
            "attach without TLS" => &[json!(426)],
            // To where people come in.
            "the page" => &[json!(303)],
            "up from packages" | "up from packages, escaped" | "up from packages, with its end" => {
                &[json!(404), json!(401)]
            }
            "up from tills" => &[json!(404), json!(401)],
            "no such package" | "a package without its link" => &[json!(410)],
            "a package by another's link" | "a package by a link of its own making" => &[json!(403)],
            "up with backslashes" | "a zero in a name" | "two tills in one" => &[json!(404), json!(400), json!(401)],
            "another method" | "write a package" | "trace" | "connect" => {
                &[json!(405), json!(404), json!(400), json!(401), json!("cut off")]
            }
            "a long path" | "a large head" => &[json!(431), json!(414), json!(400), json!("cut off")],
            "a large body" => &[json!(413), json!("cut off")],
            // Whatever could be understood in two ways.
            "two lengths" | "both framings" => &[json!(400), json!(401), json!("cut off")],
            _ => &[json!(401)],
        };
        assert!(expected.contains(status), "{deed}: {status}, of {at_rest}");
    }
    assert!(at_rest.as_object().unwrap().len() >= 47, "{at_rest}");
    assert_eq!(rest.text(&["/api/v1/nodes"]), network, "nothing of the network changed");

    let refused = json!({"through": 1, "refused": 2});
    let taken = json!({"through": 1, "refused": 0});
    for (deed, outcome) in at_sales.as_object().unwrap() {
        let expected: &[Value] = match deed.as_str() {
            "documents of another" => std::slice::from_ref(&refused),
            "its own" | "its own again" => std::slice::from_ref(&taken),
            // They are its own; a time that cannot be is set aside.
            "long ago" | "long after" => &[taken.clone(), json!({"through": 1, "refused": 1})],
            "two machines" => &[json!("FAILED_PRECONDITION")],
            // Its own silent streams take over from it: nobody else's affair.
            "a flood of streams" => &[taken.clone(), json!("ABORTED")],
            "a huge frame" => &[json!("OUT_OF_RANGE"), json!("RESOURCE_EXHAUSTED")],
            "knock as another" | "knock as another with a guess" | "greet as another" => &[json!("UNAUTHENTICATED")],
            _ => &[json!("INVALID_ARGUMENT")],
        };
        assert!(expected.contains(outcome), "{deed}: {outcome}, of {at_sales}");
    }
    assert_eq!(at_sales.as_object().unwrap().len(), 15, "{at_sales}");

    // Counted and shown, each with what it was; of the other till nobody says a thing.
    let in_name = format!("in the name of {}", honest.id);
    let parts = [
        ("trespass", "where administrators alone may come"),
        ("trespass", in_name.as_str()),
        ("trespass", "where there is nothing for a till"),
        ("trespass", "broke the protocol"),
        ("two-machines", "two machines"),
        ("document-refused", "belongs to"),
    ];
    until("the tries to be told", || {
        // A document of its own in the same row closes what was said of the other's.
        let found = findings(&rest, &broken.id, true);
        let is_told = |(kind, part): &(&str, &str)| found.iter().any(|(of, text)| of == kind && text.contains(part));
        (parts.iter().all(is_told), format!("{found:?}"))
    });
    let page = Curl::admin(&bench, bench.server.ports.web).text(&["/?lang=en"]);
    for shown in ["A till tries what is not its own", "7&#x2f;71", "Somebody tries codes to attach tills"] {
        assert!(page.contains(shown), "{shown}: {page}");
    }

    // Honest tills do not notice: what is sold arrives once, prices come, answers come in time.
    rung.push(pos.ring(&piece_at(1_000)).unwrap().uuid.to_string());
    pos.close_shift(now()).unwrap();
    has_receipts(&bench.server, &honest, 1, &rung);
    // Of the other till somebody guessed a token; it has logged in since.
    until("nothing to be told of the other till", || {
        let found = findings(&rest, &honest.id, false);
        (found.is_empty(), format!("{found:?}"))
    });
    load(&bench.server, "All", &[item(1, "11")]);
    converged(&bench.server, &mut honest);
    looks.sort();
    let p99 = looks[looks.len() * 99 / 100];
    println!("{} looks beside the rogue: p99 {p99:?}, longest {:?}", looks.len(), looks[looks.len() - 1]);
    assert!(p99 < P99_WITHIN, "{p99:?}");
    // And the code that others tried is as good as ever.
    assert!(attach(&bench, &bench.folder().join("till-73"), &open_code).contains("in step"));
}

/// Says that something is over, whichever way it ends.
struct SetWhenDropped<'a>(&'a AtomicBool);

impl Drop for SetWhenDropped<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// `sync-agent attach` on a machine that has nothing yet; what it says.
fn attach(bench: &TestBench, root: &Path, code: &str) -> String {
    fs::create_dir_all(root).unwrap();
    let mut command = Command::new(binary(SYNC_AGENT).unwrap());
    command.arg("--root").arg(root).arg("attach").arg(format!("127.0.0.1:{}", bench.server.ports.rest));
    command.args([code, "--wait", "120"]).env("LC_ALL", "C");
    said(command)
}

/// The mark of a till's token in the list beside the backups.
fn mark(bench: &TestBench, till: &Till) -> Value {
    let list = fs::read_to_string(bench.server.data().join("server-backups/peers.json")).unwrap_or_default();
    serde_json::from_str::<Value>(&list).unwrap_or_default()["tills"][&till.id]["token"].clone()
}

/// What whoever has the disk of a till gets at each of the three places.
struct Thief<'a> {
    bench: &'a TestBench,
    till: &'a Till,
    secret: PeerSecret,
    shop: &'a str,
    other: &'a Till,
}

impl Thief<'_> {
    fn at_broker(&self) -> Command {
        rogue(self.bench, "/", self.till, &self.secret, self.other, &["wait"])
    }

    fn at_services(&self) -> Command {
        let mut command = sales_of_rogue(self.bench, self.till, &self.secret, self.shop, self.other);
        command.args(["hold", &self.bench.server.ports.rest.to_string()]);
        command
    }

    fn is_let_in_nowhere(&self, when: &str) {
        let broker = self.at_broker().stderr(Stdio::null()).output().unwrap();
        assert!(!broker.status.success() && broker.stdout.is_empty(), "{when}: in at the broker");
        let sales = self.at_services().stderr(Stdio::null()).output().unwrap();
        let told = String::from_utf8_lossy(&sales.stdout).trim().to_owned();
        assert_eq!(told, "\"UNAUTHENTICATED\"", "{when}: in at the sales service");
        let token = format!("/api/v1/tills/{}/token", self.till.id);
        let header = format!("Authorization: Bearer {}", self.secret.token());
        let rest = Curl::nobody(self.bench.server.ports.rest);
        assert_eq!(rest.status(&[&token, "-H", &header]), 401, "{when}: in at REST");
    }
}

#[test]
fn a_stolen_till_is_out_everywhere_within_seconds_by_one_click_and_no_backup_brings_it_back() {
    let mut bench = TestBench::start_with(&[("exchange.reconcile_period_s", "1")]).unwrap();
    let shop = bench.add_shop("7").unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    let till = bench.prepare_till(&shop, "7", "71", TillOptions::default()).unwrap();
    let other = bench.prepare_till(&shop, "7", "72", TillOptions::default()).unwrap();
    code(bench.folder());
    until("its login to be there", || (bench.vhost().users().unwrap().contains(&till.id), String::new()));
    until("the list beside the backups", || (mark(&bench, &till).is_string(), String::new()));
    let secret = till.secret().unwrap();
    let backup = {
        bench.server.command(&["backup", "create"]).unwrap();
        let listed = bench.server.command(&["--json", "backup", "list"]).unwrap();
        serde_json::from_str::<Value>(&listed).unwrap()[0]["name"].as_str().unwrap().to_owned()
    };
    let mark_before = mark(&bench, &till);
    {
        let thief = Thief { bench: &bench, till: &till, secret, shop: &shop, other: &other };
        let (at_broker, at_services) = (Inside::new(thief.at_broker()), Inside::new(thief.at_services()));

        // What the page tells before, and the click.
        let page = Curl::admin(&bench, bench.server.ports.web);
        let token = field_of(&page.text(&["/attach?lang=en"]), "token");
        let origin = format!("Origin: http://127.0.0.1:{}", bench.server.ports.web);
        let submit = |path: &str| {
            let (token, till) = (format!("token={token}"), format!("till={}", till.id));
            page.text(&[path, "--data-urlencode", &token, "--data-urlencode", &till, "-H", &origin])
        };
        let told = submit("/stolen/confirm?lang=en");
        assert!(told.contains("on that disk and nowhere else") && told.contains("Shut this till out"), "{told}");
        let began = Instant::now();
        let told = submit("/stolen?lang=en");
        assert!(told.contains("is shut out") && told.contains("Code for the machine"), "{told}");
        let ended: Value = serde_json::from_str(&at_services.rest()).unwrap();
        assert!(at_broker.put_out(), "out at the broker");
        let took = began.elapsed().as_secs_f64();
        assert!(took < OUT_WITHIN_S, "out after {took} s: {ended}");
        assert_eq!((&ended["sales"][0], &ended["rest"][0]), (&json!("UNAUTHENTICATED"), &json!(0)), "{ended}");
        thief.is_let_in_nowhere("shut out");
        let audit = bench.server.command(&["--json", "audit"]).unwrap();
        assert!(audit.contains("till.stolen"), "{audit}");
        let rest = Curl::admin(&bench, bench.server.ports.rest);
        assert_eq!(rest.json(&[&format!("/api/v1/tills/{}", till.id)])["parked"], true);

        // Its replacement has node and history, and is back in service by itself.
        let told = submit("/attach?lang=en");
        let code = told.split("class=\"code\">").nth(1).unwrap().split('<').next().unwrap().to_owned();
        assert!(attach(&bench, &bench.folder().join("replacement"), &code).contains("in step"));
        assert_eq!(rest.json(&[&format!("/api/v1/tills/{}", till.id)])["parked"], false);
        thief.is_let_in_nowhere("replaced");
    }
    until("the list beside the backups to follow", || (mark(&bench, &till) != mark_before, String::new()));

    // A backup of before: the server comes back as it was then, the thief does not.
    bench.server.switch_off().unwrap();
    bench.server.command(&["backup", "restore", &backup, "--replace"]).unwrap();
    bench.server.switch_on().unwrap();
    until("its login to be put right", || {
        let tasks = bench.server.api().unwrap().read("/api/v1/background").unwrap();
        let logins = tasks.as_array().unwrap().iter().find(|task| task["name"] == "broker-logins").unwrap().clone();
        (logins["runs"].as_u64() > Some(0) && logins["failures"] == 0, logins.to_string())
    });
    let thief = Thief { bench: &bench, till: &till, secret: till.secret().unwrap(), shop: &shop, other: &other };
    thief.is_let_in_nowhere("after a restore");

    // By the command line it is the same.
    let told = bench.server.command(&["till", "stolen", "till-7-72"]).unwrap();
    assert!(told.contains("till-7-72 is shut out") && told.contains("attach-code for till-7-72"), "{told}");
}
