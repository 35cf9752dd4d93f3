//! The first hour of an operator: what `check --online` says where something named in the settings
//! is wrong.

use crate::support::set;
use fs_err as fs;
use std::path::Path;
use tillway_tests::bench::{BenchError, TestBench, Till, TillOptions};

/// What a check says, which must find something.
fn found(checked: Result<String, BenchError>) -> String {
    match checked {
        Err(BenchError::Command { output, .. }) => output,
        other => panic!("nothing was found: {other:?}"),
    }
}

fn with(file: &Path, key: &str, value: &str, check: impl FnOnce() -> Result<String, BenchError>) -> (usize, String) {
    let before = fs::read(file).unwrap();
    let line = set(file, key, value);
    let told = found(check());
    fs::write(file, before).unwrap();
    (line, told)
}

#[test]
fn both_checks_name_key_and_line_of_what_the_broker_or_the_server_refuses() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let shared = TillOptions { shared_login: true, ..TillOptions::default() };
    let till = bench.add_till_with(&shop, "7", "71", shared).unwrap();
    let server = &bench.server;
    let of_server = || server.command(&["check", "--online"]);
    let sound = of_server();
    // The bench says by itself that its addresses are loopback; nothing else may be wrong with it.
    let told = match sound {
        Ok(told) | Err(BenchError::Command { output: told, .. }) => told,
        Err(error) => panic!("{error}"),
    };
    assert!(told.contains("tills get: dept.broker.ip=") && told.contains("grpcportcs="), "{told}");
    assert!(!told.contains("broker.user") && !told.contains("broker.password_file"), "{told}");

    let file = server.settings_file();
    for (key, value, part) in [
        ("broker.vhost", "\"nowhere\"", "virtual host nowhere"),
        ("broker.port", "1", "no broker at 127.0.0.1:1"),
        ("broker.user", "\"nobody\"", "refuses user nobody"),
    ] {
        let (line, told) = with(&file, key, value, of_server);
        assert!(told.contains(part), "{key}: {told}");
        // A refused login hangs on the password, an unreachable port on the host: each has the
        // line of its own key.
        assert!(key != "broker.vhost" || told.contains(&format!("line {line}: {key}")), "{told}");
        assert!(!told.contains("default: broker."), "{told}");
    }

    checks_of_the_till(&till);
}

fn checks_of_the_till(till: &Till) {
    let check = || till.command(&["check", "--online"]);
    check().unwrap();
    let file = till.settings_file();
    let of_nobody = &format!("tws1_{}", "0".repeat(64));
    for (key, value, part) in [
        ("dept.broker.vhost", "nowhere", "virtual host nowhere"),
        ("dept.broker.user", "nobody", "refuses user nobody"),
        ("cashserverrestport", "1", "REST does not answer"),
        ("grpcportcs", "1", "the sales-loader at 127.0.0.1:1"),
        ("dicturlportcs", "1", "packages at 127.0.0.1:1"),
        ("cash.code", "_cash_99_00000000", "does not know this till"),
        ("cash.secret", of_nobody, "the server refuses it"),
    ] {
        let (line, told) = with(&file, key, value, check);
        assert!(told.contains(part), "{key}: {told}");
        let own_line = matches!(key, "dept.broker.vhost" | "cash.code" | "cash.secret");
        assert!(!own_line || told.contains(&format!("line {line}: {key}")), "{key}: {told}");
    }
    // All at once.
    let before = fs::read(&file).unwrap();
    set(&file, "dept.broker.vhost", "nowhere");
    set(&file, "cashserverrestport", "1");
    let told = found(check());
    assert!(told.contains("virtual host nowhere") && told.contains("REST does not answer"), "{told}");
    fs::write(&file, before).unwrap();
}
