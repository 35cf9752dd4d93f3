//! A server that moves: tills follow it with nobody at them, and nothing of theirs goes to whoever
//! is not the server.

use crate::support::{converged, has_receipts, item, load, now, piece_at, shelf_price, until};
use fs_err as fs;
use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpListener};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;
use tillway_proto::moving::Coming;
use tillway_proto::{Command, ControlQueue, Kopecks, Order, PeerId};
use tillway_tests::bench::{ServerPorts, TestBench, Till, TillOptions};
use tillway_tests::broker::Broker;
use tillway_tests::faults::proxy::Proxy;
use tillway_tests::ports::free_port;

/// How long new addresses may be silent here.
const UNDO_AFTER_S: u32 = 4;

/// A chain whose tills reach the broker under an address that can be closed.
struct Chain {
    bench: TestBench,
    shop: String,
    /// The broker as tills reach it, at the old place and at the new one.
    old_broker: Proxy,
    new_broker: Proxy,
    old: ServerPorts,
    new: ServerPorts,
}

impl Chain {
    fn start() -> Self {
        let broker = Broker::shared().unwrap();
        let (old_broker, new_broker) = (Proxy::to(broker.port).unwrap(), Proxy::to(broker.port).unwrap());
        let port = old_broker.port.to_string();
        let bench =
            TestBench::start_with(&[("exchange.reconcile_period_s", "1"), ("broker.till_port", &port)]).unwrap();
        let shop = bench.add_shop("7").unwrap();
        let old = bench.server.ports;
        let new = ServerPorts { rest: free_port().unwrap(), sales: free_port().unwrap(), ..old };
        Self { bench, shop, old_broker, new_broker, old, new }
    }

    fn add_till(&self, code: &str) -> Till {
        let options = TillOptions { contact_period_s: 1, unload_period_s: 1, ..TillOptions::default() };
        let mut till = self.bench.prepare_till(&self.shop, "7", code, options).unwrap();
        let ini = fs::read_to_string(till.settings_file()).unwrap();
        fs::write(till.settings_file(), format!("{ini}addressundoperiod = {UNDO_AFTER_S}\n")).unwrap();
        till.start_agent().unwrap();
        till
    }

    /// Switches the server off and on again with other settings.
    fn restart(&mut self, ports: ServerPorts, broker: u16, more: &[(&str, String)]) {
        let server = &mut self.bench.server;
        server.switch_off().unwrap();
        let of_ports = [("rest.listen", ports.rest), ("sales.listen", ports.sales)];
        let listens = of_ports.map(|(key, port)| (key, format!("\"127.0.0.1:{port}\"")));
        let broker = ("broker.till_port", broker.to_string());
        let set: Vec<_> = listens.into_iter().chain([broker]).chain(more.iter().cloned()).collect();
        let text = fs::read_to_string(server.settings_file()).unwrap();
        let is_kept = |line: &&str| {
            let key = line.split(" = ").next().unwrap();
            !key.starts_with("server.moves_to") && set.iter().all(|(set, _)| *set != key)
        };
        let kept = text.lines().filter(is_kept).map(|line| format!("{line}\n"));
        let text: String = kept.chain(set.iter().map(|(key, value)| format!("{key} = {value}\n"))).collect();
        fs::write(server.settings_file(), text).unwrap();
        server.ports = ports;
        server.switch_on().unwrap();
    }

    fn announce(&mut self) {
        let (old, broker) = (self.old, self.old_broker.port);
        let more =
            [("server.moves_to", "\"127.0.0.1\"".to_owned()), ("server.moves_to_port", self.new.rest.to_string())];
        self.restart(old, broker, &more);
    }

    fn move_away(&mut self) {
        self.old_broker.cut();
        let (new, broker) = (self.new, self.new_broker.port);
        self.restart(new, broker, &[]);
    }
}

fn setting(till: &Till, key: &str) -> String {
    let text = fs::read_to_string(till.settings_file()).unwrap();
    let mut lines = text.lines().filter_map(|line| line.split_once('='));
    let found = lines.rfind(|(name, _)| name.trim().eq_ignore_ascii_case(key));
    found.map(|(_, value)| value.trim().to_owned()).unwrap_or_default()
}

fn has_ports(till: &Till, rest: u16, broker: u16) -> (bool, String) {
    let found = ["cashserverrestport", "dept.broker.port"].map(|key| setting(till, key));
    (found == [rest.to_string(), broker.to_string()], format!("{found:?}"))
}

/// Until a till has written down what it was told.
fn knows(till: &Till, port: u16) {
    until("the till to know of the new address", || {
        let log = fs::read_to_string(till.folder().join("sync.log")).unwrap_or_default();
        (log.contains("where it is, or will be") && log.contains(&format!("port: {port}")), String::new())
    });
}

#[test]
fn tills_follow_a_server_that_moves_with_its_broker_and_nobody_touches_them() {
    let mut chain = Chain::start();
    let mut tills = ["71", "72"].map(|code| chain.add_till(code));
    load(&chain.bench.server, "All", &[item(1, "10")]);
    for till in &mut tills {
        converged(&chain.bench.server, till);
    }
    chain.announce();
    load(&chain.bench.server, "All", &[item(1, "11")]);
    for till in &mut tills {
        knows(till, chain.new.rest);
        // Nobody is there yet: all goes on where it is.
        converged(&chain.bench.server, till);
        assert!(has_ports(till, chain.old.rest, chain.old_broker.port).0);
    }
    // One of them sells while everything is away.
    let mut pos = tills[0].pos().unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    chain.move_away();
    let rung = pos.ring(&piece_at(1_100)).unwrap().uuid.to_string();
    pos.close_shift(now()).unwrap();
    for till in &mut tills {
        until("the till to follow", || has_ports(till, chain.new.rest, chain.new_broker.port));
    }
    has_receipts(&chain.bench.server, &tills[0], 1, &[rung]);
    load(&chain.bench.server, "All", &[item(1, "12")]);
    for till in &mut tills {
        converged(&chain.bench.server, till);
        assert_eq!(shelf_price(till, 1), Some(Kopecks(1_200)));
        // What a site has set is as it was.
        assert_eq!(setting(till, "addressundoperiod"), UNDO_AFTER_S.to_string());
    }
}

#[test]
fn a_till_comes_back_from_a_new_address_that_falls_silent_and_follows_again_later() {
    let mut chain = Chain::start();
    let mut till = chain.add_till("71");
    load(&chain.bench.server, "All", &[item(1, "10")]);
    converged(&chain.bench.server, &mut till);
    chain.announce();
    load(&chain.bench.server, "All", &[item(1, "10.5")]);
    knows(&till, chain.new.rest);
    chain.move_away();
    until("the till to follow", || has_ports(&till, chain.new.rest, chain.new_broker.port));
    converged(&chain.bench.server, &mut till);

    // The new machine burns down; the old one is switched on again.
    chain.new_broker.cut();
    chain.old_broker.heal();
    let (old, broker) = (chain.old, chain.old_broker.port);
    chain.restart(old, broker, &[]);
    until("the till to come back", || has_ports(&till, chain.old.rest, chain.old_broker.port));
    load(&chain.bench.server, "All", &[item(1, "11")]);
    converged(&chain.bench.server, &mut till);

    // And once more, for good.
    chain.new_broker.heal();
    chain.announce();
    load(&chain.bench.server, "All", &[item(1, "11.5")]);
    converged(&chain.bench.server, &mut till);
    chain.move_away();
    until("the till to follow again", || has_ports(&till, chain.new.rest, chain.new_broker.port));
    load(&chain.bench.server, "All", &[item(1, "12")]);
    converged(&chain.bench.server, &mut till);
}

/// Whoever is at an address that is not the server's: takes what comes, answers that all is well,
/// and writes down what it was sent.
fn stranger() -> (u16, Arc<Mutex<Vec<u8>>>) {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = Arc::<Mutex<Vec<u8>>>::default();
    let written = Arc::clone(&heard);
    thread::spawn(move || {
        for mut stream in listener.incoming().flatten() {
            let written = Arc::clone(&written);
            thread::spawn(move || {
                let _ = stream.set_read_timeout(Some(Duration::from_secs(5)));
                let mut buffer = vec![0; 65_536];
                while let Ok(count @ 1..) = stream.read(&mut buffer) {
                    written.lock().unwrap().extend_from_slice(&buffer[..count]);
                    let body = format!(
                        r#"{{"httphostcs":"127.0.0.1","cashserverrestport":"{port}","dept.broker.port":"{port}"}}"#
                    );
                    let code = "ab".repeat(32);
                    let length = body.len();
                    let answer =
                        format!("HTTP/1.1 200 OK\r\ntillway-code: 1.{code}\r\ncontent-length: {length}\r\n\r\n{body}");
                    if stream.write_all(answer.as_bytes()).is_err() {
                        return;
                    }
                }
            });
        }
    });
    (port, heard)
}

#[test]
fn a_till_tells_nothing_to_a_stranger_and_stays_where_it_is() {
    let chain = Chain::start();
    let mut till = chain.add_till("71");
    load(&chain.bench.server, "All", &[item(1, "10")]);
    converged(&chain.bench.server, &mut till);
    let (port, heard) = stranger();
    let queue = ControlQueue::of(&till.id.parse::<PeerId>().unwrap());
    // As if the server itself said so, with its code: that it moved, and that it will.
    let pushed = [("httphostcs", "127.0.0.1".to_owned()), ("cashserverrestport", port.to_string())];
    let pushed: BTreeMap<_, _> = pushed.map(|(key, value)| (key.to_owned(), value)).into();
    let own = Some("127.0.0.1".to_owned());
    let coming = Coming { host: "127.0.0.1".to_owned(), port, broker_host: own, broker_port: chain.old_broker.port };
    let far_away = Coming { host: "192.0.2.66".to_owned(), ..coming.clone() };
    for (settings, coming) in [(pushed, None), (BTreeMap::new(), Some(coming)), (BTreeMap::new(), Some(far_away))] {
        let mut command = Command::new(Order::ReportState { verify: false });
        (command.settings, command.coming) = (settings, coming);
        command.settings_generation = u64::MAX / 2;
        let body = String::from_utf8(command.to_bytes().unwrap()).unwrap();
        let asked_before = heard.lock().unwrap().len();
        chain.bench.vhost().publish_with(queue.as_str(), &body, &till.head_of_server(&body).unwrap()).unwrap();
        if command.coming.as_ref().is_none_or(|coming| coming.host == "127.0.0.1") {
            until("the stranger to be asked", || (heard.lock().unwrap().len() > asked_before, String::new()));
        }
    }
    thread::sleep(Duration::from_secs(u64::from(UNDO_AFTER_S) + 2));
    assert!(has_ports(&till, chain.old.rest, chain.old_broker.port).0, "{:?}", setting(&till, "cashserverrestport"));
    let (heard, secret) = (heard.lock().unwrap().clone(), till.secret().unwrap());
    let told = String::from_utf8_lossy(&heard).into_owned();
    assert!(told.contains("/addresses?nonce="), "{told}");
    let secrets = [secret.token(), secret.to_text(), secret.broker_password().as_str().to_owned()];
    assert!(
        secrets.iter().all(|secret| !told.contains(secret)) && !told.to_lowercase().contains("authorization"),
        "{told}"
    );
    // All else goes on.
    let mut pos = till.pos().unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    let rung = pos.ring(&piece_at(1_000)).unwrap().uuid.to_string();
    pos.close_shift(now()).unwrap();
    has_receipts(&chain.bench.server, &till, 1, &[rung]);
}
