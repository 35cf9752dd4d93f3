//! A till that was broken into, with all that stands on its disk: what it tries at what is not its
//! own fails, and it is put out within seconds.

use crate::http::Curl;
use crate::support::{converged, item, load, until};
use crate::tools::{python, said};
use serde_json::{Value, json};
use std::io::{BufRead as _, BufReader, Read as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use tillway_proto::PeerSecret;
use tillway_tests::bench::{TestBench, Till, TillOptions};

/// Within which a peer that may not come in any more is out.
pub(crate) const OUT_WITHIN_S: f64 = 5.0;

pub(crate) fn rogue(
    bench: &TestBench,
    elsewhere: &str,
    till: &Till,
    secret: &PeerSecret,
    other: &Till,
    more: &[&str],
) -> Command {
    let (port, secret) = (bench.node().unwrap().port.to_string(), secret.to_text());
    let arguments = [port.as_str(), &bench.vhost().name, elsewhere, &till.id, &secret, &other.id];
    python("rogue_till.py", arguments.into_iter().chain(more.iter().copied()))
}

#[test]
fn a_till_that_was_broken_into_has_its_own_queues_at_the_broker_and_nothing_else() {
    let bench = TestBench::start_with(&[("exchange.reconcile_period_s", "1")]).unwrap();
    let elsewhere = bench.node().unwrap().virtual_host().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut honest = bench.add_till(&shop, "7", "72").unwrap();
    let broken = bench.prepare_till(&shop, "7", "71", TillOptions::default()).unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    converged(&bench.server, &mut honest);
    until("its login to be there", || {
        let queue = bench.vhost().queue(&format!("tillway.dictionary.{}", broken.id)).unwrap();
        (queue.is_some() && bench.vhost().users().unwrap().contains(&broken.id), String::new())
    });
    let told = said(rogue(&bench, &elsewhere.name, &broken, &broken.secret().unwrap(), &honest, &[]));
    let told: Value = serde_json::from_str(&told).unwrap();
    for (deed, outcome) in told.as_object().unwrap() {
        let expected = match deed.as_str() {
            "report" | "look into own queue" | "read own queue" => json!("done"),
            // A name that is not the login's own.
            "report as another" => json!(406),
            "log in elsewhere" => json!(530),
            _ => json!(403),
        };
        assert_eq!(outcome, &expected, "{deed}: {told}");
    }
    assert_eq!(told.as_object().unwrap().len(), 21);

    // Nobody else noticed.
    load(&bench.server, "All", &[item(1, "11")]);
    converged(&bench.server, &mut honest);
}

/// Somebody who is in with a till's login.
pub(crate) struct Inside {
    process: Child,
    said: BufReader<ChildStdout>,
}

impl Inside {
    pub(crate) fn new(mut command: Command) -> Self {
        let mut process = command.stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let mut said = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        said.read_line(&mut line).unwrap();
        assert_eq!(line.trim(), "in");
        Self { process, said }
    }

    /// Waits for the end of its connection.
    pub(crate) fn put_out(self) -> bool {
        self.rest().trim().parse::<f64>().is_ok()
    }

    /// Waits for its end; what it says then.
    pub(crate) fn rest(mut self) -> String {
        let mut rest = String::new();
        self.said.read_to_string(&mut rest).unwrap();
        self.process.wait().unwrap();
        rest
    }
}

#[test]
fn who_is_parked_removed_or_has_a_new_secret_is_out_within_seconds_and_stays_out() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let other = bench.prepare_till(&shop, "7", "72", TillOptions::default()).unwrap();
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    let way = |path: &str| format!("/api/v1/{path}");
    for deed in ["new secret", "parked", "removed"] {
        let code = deed.split(' ').next().unwrap();
        let till = bench.prepare_till(&shop, "7", code, TillOptions::default()).unwrap();
        let secret = till.secret().unwrap();
        until("its login to be there", || (bench.vhost().users().unwrap().contains(&till.id), String::new()));
        let come_in = || Inside::new(rogue(&bench, "/", &till, &secret, &other, &["wait"]));
        let inside = come_in();
        let began = std::time::Instant::now();
        match deed {
            "new secret" => {
                rest.json(&[&way(&format!("tills/{}/token", till.id)), "-X", "POST"]);
            }
            "parked" => {
                let node = way(&format!("nodes/{}", till.id));
                rest.json(&[&node, "-X", "PATCH", "-H", "Content-Type: application/json", "-d", r#"{"parked":true}"#]);
            }
            _ => assert_eq!(rest.status(&[&way(&format!("nodes/{}", till.id)), "-X", "DELETE"]), 204),
        }
        assert!(inside.put_out(), "{deed}");
        let took = began.elapsed().as_secs_f64();
        assert!(took < OUT_WITHIN_S, "{deed}: out after {took} s");
        let again = rogue(&bench, "/", &till, &secret, &other, &["wait"]).stderr(Stdio::null()).output().unwrap();
        assert!(!again.status.success() && again.stdout.is_empty(), "{deed}: in again");
    }
}

#[test]
fn who_floods_the_queue_of_reports_is_put_out_for_a_while_and_shown_and_keeps_nobody_waiting() {
    let bench = TestBench::start_with(&[("exchange.reconcile_period_s", "1")]).unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut honest = bench.add_till(&shop, "7", "72").unwrap();
    let broken = bench.prepare_till(&shop, "7", "71", TillOptions::default()).unwrap();
    let secret = broken.secret().unwrap();
    let may_come_in = || (bench.vhost().users().unwrap().contains(&broken.id), String::new());
    until("its login to be there", may_come_in);
    // By now there is where reports go, too.
    load(&bench.server, "All", &[item(1, "10")]);
    converged(&bench.server, &mut honest);
    let flooding = Inside::new(rogue(&bench, "/", &broken, &secret, &honest, &["flood"]));
    load(&bench.server, "All", &[item(1, "11")]);
    converged(&bench.server, &mut honest);
    assert!(flooding.put_out());
    let again = rogue(&bench, "/", &broken, &secret, &honest, &["wait"]).stderr(Stdio::null()).output().unwrap();
    assert!(!again.status.success() && again.stdout.is_empty(), "in again at once");
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    until("the flood to be told", || {
        let findings = rest.text(&[&format!("/api/v1/findings?till={}", broken.id)]);
        (findings.contains("more than 1200 times within a minute"), findings)
    });
    until("it to be let in again", may_come_in);
}
