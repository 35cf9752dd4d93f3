//! Commands to a till, and its answers.

use crate::support::{SOON, converged, item, load};
use fs_err as fs;
use serde_json::Value;
use tillway_proto::queue::{ControlQueue, REPORTS_QUEUE};
use tillway_tests::bench::TestBench;
use tillway_tests::wait::{Seen, wait_for};
use uuid::Uuid;

#[test]
fn a_command_that_the_agent_does_not_know_is_answered() {
    let mut bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    converged(&bench.server, &mut till);
    // The answers are read here in place of the server.
    bench.server.switch_off().unwrap();

    let queue = ControlQueue::of(&till.id.parse().unwrap());
    for (schema, kind) in [(1, "dance"), (99, "load-package")] {
        let id = Uuid::new_v4().to_string();
        let command = format!(r#"{{"schema":{schema},"id":"{id}","type":"{kind}"}}"#);
        let head = till.head_of_server(&command).unwrap();
        bench.vhost().publish_with(queue.as_str(), &command, &head).unwrap();
        wait_for(format!("an answer to `{kind}` of schema {schema}"), SOON, || {
            till.check_agent().unwrap();
            let reports = bench.vhost().take(REPORTS_QUEUE, 100).unwrap();
            let answered = reports.iter().any(|report| {
                let report: Value = serde_json::from_str(report).unwrap();
                report["type"] == "refused" && report["command"] == id.as_str()
            });
            Seen::when(answered, (), format!("{reports:?}"))
        })
        .unwrap();
    }
}

#[test]
fn a_till_tells_what_it_has() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    let mut till = bench.add_till(&shop, "7", "71").unwrap();
    load(&bench.server, "All", &[item(1, "10")]);
    let cursor = converged(&bench.server, &mut till);
    let status: Value = serde_json::from_str(&till.command(&["status", "--json"]).unwrap()).unwrap();
    assert!(status.to_string().contains(&cursor.to_string()), "{status}");
    // No figure where there is none to read: a person would take 0 for a till that was emptied.
    till.stop_agent().unwrap();
    fs::write(till.dictionaries(), "not a database").unwrap();
    for log in ["-wal", "-shm"] {
        let mut beside = till.dictionaries().into_os_string();
        beside.push(log);
        drop(fs::remove_file(beside));
    }
    let told = till.command(&["status"]).unwrap();
    assert!(told.contains("dictionary    unknown: it cannot be read"), "{told}");
    let status: Value = serde_json::from_str(&till.command(&["status", "--json"]).unwrap()).unwrap();
    assert_eq!((&status["cursor"], &status["rows"]), (&Value::Null, &Value::Null), "{status}");
}
