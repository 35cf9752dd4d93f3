//! A till on another machine, all of whose links are over TLS, and somebody who writes down every
//! byte between the two.

use crate::support::{converged, has_receipts, item, load, now};
use crate::tools::{beside, python, said};
use fs_err as fs;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use tempfile::TempDir;
use tillway_proto::{Kopecks, Thousandths};
use tillway_service::tls::{Lives, Names, Tls, TlsSettings};
use tillway_tests::bench::{BenchOptions, TestBench, TillOptions};
use tillway_tests::broker::Broker;
use tillway_tests::faults::elsewhere::Elsewhere;
use tillway_tests::pos::{Basket, Entry, Tender};

/// Authority and pairs as the server makes them, before there is a server.
fn certificates(folder: &TempDir, names: &[&str]) -> PathBuf {
    let settings = TlsSettings {
        folder: folder.path().join("tls"),
        issuer: "test".to_owned(),
        names: Names::of(names),
        others: vec![("broker", Names::of(names))],
        own: None,
        lives: Lives::default(),
    };
    Tls::open(settings, Arc::new(jiff::Timestamp::now)).unwrap();
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

fn holds(heard: &[u8], text: &str) -> bool {
    heard.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn the_broker_speaks_tls_with_the_pair_that_we_made() {
    let folder = tempfile::tempdir().unwrap();
    let made = certificates(&folder, &["localhost", "127.0.0.1"]);
    let broker = Broker::start_with_tls(&made.join("broker.pem"), &made.join("broker.key")).unwrap();
    let (vhost, port) = (broker.virtual_host().unwrap(), broker.tls_port.unwrap().to_string());
    let authority = made.join("authority.pem").display().to_string();
    for host in ["localhost", "127.0.0.1"] {
        let told = said(python("tls_broker.py", [&authority, host, &port, &vhost.name, &vhost.user, &vhost.password]));
        assert_eq!(told, "heard\n");
    }
}

#[test]
fn nothing_of_a_till_on_another_machine_passes_in_clear() {
    let Some(elsewhere) = Elsewhere::new().unwrap() else {
        eprintln!("no other machine can be had here: not root; nothing is tested");
        return;
    };
    let here = elsewhere.here.to_string();
    let folder = tempfile::tempdir().unwrap();
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
