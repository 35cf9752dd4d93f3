//! A till on another machine, all of whose links are over TLS, and somebody who writes down every
//! byte between the two.

use crate::support::{converged, has_receipts, item, load, now, until};
use crate::tools::{beside, python, said};
use fs_err as fs;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use tempfile::TempDir;
use tillway_proto::{ControlQueue, Kopecks, Order, PeerId, Thousandths};
use tillway_service::tls::{Clock, Lives, Names, Tls, TlsSettings};
use tillway_tests::bench::{BenchOptions, TestBench, TillOptions};
use tillway_tests::binaries::{CASH_SERVER, binary};
use tillway_tests::broker::Broker;
use tillway_tests::faults::elsewhere::Elsewhere;
use tillway_tests::pos::{Basket, Entry, Tender};

/// TLS of a server before there is one, with a clock that is set.
fn tls(folder: &Path, names: &[&str], clock: Clock) -> Tls {
    let settings = TlsSettings {
        folder: folder.join("tls"),
        issuer: "test".to_owned(),
        names: Names::of(names),
        others: vec![("broker", Names::of(names))],
        own: None,
        lives: Lives::default(),
    };
    Tls::open(settings, clock).unwrap()
}

/// Authority and pairs as the server makes them.
fn certificates(folder: &TempDir, names: &[&str]) -> PathBuf {
    tls(folder.path(), names, Arc::new(jiff::Timestamp::now));
    folder.path().join("tls")
}

/// Whoever listens on a device.
struct Listener {
    child: Child,
    file: PathBuf,
}

impl Listener {
    fn on(device: &str, file: &Path) -> Self {
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-I", "-B"]).arg(beside("listen.py")).arg(device).arg(file);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "listening\n");
        Self { child, file: file.to_owned() }
    }

    /// All that passed.
    fn heard(mut self) -> Vec<u8> {
        drop(self.child.stdin.take());
        assert!(self.child.wait().unwrap().success());
        fs::read(&self.file).unwrap()
    }
}

/// Whoever is at an address that is not the server's.
struct Stranger {
    child: Child,
    said: BufReader<std::process::ChildStdout>,
    port: u16,
}

impl Stranger {
    fn at(arguments: &[&str]) -> Self {
        let mut command = python("stranger.py", arguments);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
        let (mut said, mut line) = (BufReader::new(child.stdout.take().unwrap()), String::new());
        said.read_line(&mut line).unwrap();
        Self { child, said, port: line.trim().parse().unwrap() }
    }

    /// What came to him.
    fn told(mut self) -> Value {
        drop(self.child.stdin.take());
        let mut line = String::new();
        self.said.read_line(&mut line).unwrap();
        assert!(self.child.wait().unwrap().success());
        serde_json::from_str(&line).unwrap()
    }
}

fn holds(heard: &[u8], text: &str) -> bool {
    heard.windows(text.len()).any(|window| window == text.as_bytes())
}

/// The byte that a connection over TLS begins with.
const CLIENT_HELLO: char = '\u{16}';

/// So much is left of the certificate that ends. The broker looks for a new one every two minutes.
const LEFT_S: i64 = 150;

/// What `broker setup --print` has a person write into the broker's configuration, but its ports.
fn configuration_told(folder: &Path, pair_dir: &Path) -> String {
    let settings = folder.join("cash-server.toml");
    let pair_dir = pair_dir.display();
    fs::write(
        &settings,
        format!("broker.pair_dir = \"{pair_dir}\"\nbroker.till_tls = true\nbroker.till_port = 5671\n"),
    )
    .unwrap();
    let mut command = Command::new(binary(CASH_SERVER).unwrap());
    let told = said({
        command.arg("--settings").arg(settings).args(["broker", "setup", "--close-plain", "--print"]);
        command
    });
    let text = told.split("printf '%s' '").nth(1).unwrap().split("' >").next().unwrap();
    for port in ["listeners.tcp.default = 127.0.0.1:5672", "listeners.ssl.default = 5671"] {
        assert!(text.lines().any(|line| line == port), "{port}: {told}");
    }
    let is_ours = |line: &&str| !["listeners.", "management.", "#"].iter().any(|begin| line.starts_with(begin));
    text.lines().filter(is_ours).flat_map(|line| [line, "\n"]).collect()
}

#[test]
fn the_broker_speaks_tls_as_setup_says_and_takes_a_renewed_certificate_while_all_come_in() {
    // The server's clock is behind, so what it makes now ends during this test.
    let folder = tempfile::tempdir().unwrap();
    let behind = Arc::new(AtomicI64::new(Lives::default().certificate.as_secs() - LEFT_S));
    let clock: Clock = {
        let behind = Arc::clone(&behind);
        Arc::new(move || jiff::Timestamp::now() - SignedDuration::from_secs(behind.load(Ordering::Relaxed)))
    };
    let tls = tls(folder.path(), &["localhost", "127.0.0.1"], clock);
    let pair_dir = folder.path().join("pair");
    fs::create_dir(&pair_dir).unwrap();
    tls.copy_pair("broker", &pair_dir).unwrap();
    let broker = Broker::start_with_tls_lines(&configuration_told(folder.path(), &pair_dir)).unwrap();
    let (vhost, port) = (broker.virtual_host().unwrap(), broker.tls_port.unwrap().to_string());
    let authority = folder.path().join("tls/authority.pem").display().to_string();
    for host in ["localhost", "127.0.0.1"] {
        let told = said(python("tls_broker.py", [&authority, host, &port, &vhost.name, &vhost.user, &vhost.password]));
        assert_eq!(told, "heard\n");
    }

    // Somebody comes in all the time, until after its end.
    let seconds = (LEFT_S + 5).to_string();
    let mut command = python("tls_renewal.py", [&authority, "127.0.0.1", &port, &seconds]);
    let coming = command.stdout(Stdio::piped()).spawn().unwrap();
    behind.store(0, Ordering::Relaxed);
    tls.renew().unwrap();
    tls.copy_pair("broker", &pair_dir).unwrap();
    let output = coming.wait_with_output().unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!((&told["refused"], told["certificates"].as_array().unwrap().len()), (&json!([]), 2), "{told}");
    assert!(told["connections"].as_u64() > Some(100), "{told}");
    println!("the broker shows a renewed certificate after {} s", told["seen_after_s"]);
}

#[test]
fn nothing_of_a_till_on_another_machine_passes_in_clear() {
    let Some(elsewhere) = Elsewhere::new().unwrap() else {
        eprintln!("no other machine can be had here: not root; nothing is tested");
        return;
    };
    let here = elsewhere.here.to_string();
    let (folder, other_folder) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = certificates(&folder, &["localhost", "127.0.0.1", &here]);
    let broker = Broker::start_with_tls(&made.join("broker.pem"), &made.join("broker.key")).unwrap();
    let tls_port = broker.tls_port.unwrap().to_string();
    let settings = [("exchange.reconcile_period_s", "1"), ("rest.plain", "false"), ("sales.plain", "false")];
    let mut bench = TestBench::start_as(BenchOptions::with(&settings).on(broker)).unwrap();

    // Now with the authority that is there, and open to other machines.
    bench.server.switch_off().unwrap();
    let tls = bench.server.data().join("tls");
    for file in fs::read_dir(&made).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), tls.join(file.file_name())).unwrap();
    }
    let mut text = String::new();
    for line in fs::read_to_string(bench.server.settings_file()).unwrap().lines() {
        let (key, value) = line.split_once(" = ").unwrap();
        let value = match key {
            "server.public_host" => format!("\"{here}\""),
            "rest.listen" | "sales.listen" => value.replace("127.0.0.1", "0.0.0.0"),
            "broker.port" => tls_port.clone(),
            _ => value.to_owned(),
        };
        text.extend([key, " = ", &value, "\n"]);
    }
    text.push_str("broker.tls = true\nbroker.till_tls = true\n");
    fs::write(bench.server.settings_file(), text).unwrap();
    bench.server.switch_on().unwrap();

    let shop = bench.add_shop("7").unwrap();
    load(&bench.server, "All", &[item(1, "1234.56")]);
    let options = TillOptions { contact_period_s: 1, unload_period_s: 1, ..TillOptions::default() };
    let mut till = bench.prepare_till(&shop, "7", "71", options).unwrap();
    let ini = fs::read_to_string(till.settings_file()).unwrap();
    assert!(ini.contains("dept.broker.tls=True") && ini.contains(&format!("dept.broker.port={tls_port}")), "{ini}");
    // Whoever attaches a till gives it the authority; the rest of its life the server does.
    fs::create_dir_all(till.folder().join("data/trust")).unwrap();
    fs::copy(tls.join("authority.pem"), till.folder().join("data/trust/authorities.pem")).unwrap();
    let listener = Listener::on(&elsewhere.device, &bench.folder().join("heard"));
    till.start_agent_on(&elsewhere).unwrap();
    converged(&bench.server, &mut till);
    let mut pos = till.pos().unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    let entries = vec![Entry::new("b1", Thousandths(1_000))];
    let rung = pos.ring(&Basket::sale(now(), entries, vec![Tender::Cash(Kopecks(123_456))])).unwrap();
    pos.close_shift(now()).unwrap();
    has_receipts(&bench.server, &till, 1, &[rung.uuid.to_string()]);
    let seen = bench.server.api().unwrap().read(&format!("/api/v1/tills/{}", till.id)).unwrap();

    // It is told in the server's name, with its code, that the server moves: to somebody with
    // another authority, to one who speaks no TLS. Neither is told a thing, and it stays where it
    // is.
    let others = certificates(&other_folder, &["localhost", "127.0.0.1", &here]);
    let pair = ["server.pem", "server.key"].map(|name| others.join(name).display().to_string());
    let strangers = [Stranger::at(&[&here, &pair[0], &pair[1]]), Stranger::at(&[&here])];
    let before = fs::read_to_string(till.settings_file()).unwrap();
    let queue = ControlQueue::of(&till.id.parse::<PeerId>().unwrap());
    for (number, stranger) in (0_u64..).zip(&strangers) {
        let mut command = tillway_proto::Command::new(Order::ReportState { verify: false });
        command.settings_generation = u64::MAX / 2 + number;
        let pushed = [("httphostcs", here.clone()), ("cashserverrestport", stranger.port.to_string())];
        command.settings = pushed.map(|(key, value)| (key.to_owned(), value)).into();
        let body = String::from_utf8(command.to_bytes().unwrap()).unwrap();
        bench.vhost().publish_with(queue.as_str(), &body, &till.head_of_server(&body).unwrap()).unwrap();
        until("the offer to be tried", || {
            let log = fs::read_to_string(till.folder().join("sync.log")).unwrap();
            let lines =
                log.lines().filter(|line| line.contains("is not taken") && line.contains(&stranger.port.to_string()));
            (lines.count() > 0, String::new())
        });
    }
    let told = strangers.map(Stranger::told);
    for told in &told {
        assert!(told["connections"].as_u64() > Some(0), "{told}");
    }
    assert_eq!((&told[0]["requests"], &told[0]["heard"]), (&json!(0), &json!("")), "another authority hears no word");
    // He who knows no TLS sees where one begins.
    let heard = told[1]["heard"].as_str().unwrap();
    assert!(heard.starts_with(CLIENT_HELLO) && !heard.contains("HTTP") && !heard.contains(&till.id), "{heard:?}");
    assert_eq!(fs::read_to_string(till.settings_file()).unwrap(), before);
    till.stop_agent().unwrap();

    let heard = listener.heard();
    assert!(heard.len() > 10_000, "{} bytes: somebody listened at the wrong place", heard.len());
    let secret = till.secret().unwrap();
    let password = &bench.vhost().tills_password;
    let uuid = rung.uuid.to_string();
    for told in [secret.token().as_str(), secret.to_text().as_str(), password, &uuid, &till.id, "Item 1", "123456"] {
        assert!(!holds(&heard, told), "`{told}` passed in clear; {seen}");
    }
}
