//! The sales service, as a till in Python speaks it, and the sales files that come of it, as a
//! back office reads them.

use crate::http::Curl;
use crate::support::until;
use crate::tools::{of_project, python, said};
use fs_err as fs;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;
use tillway_proto::PeerSecret;
use tillway_tests::bench::TestBench;

const RECEIPT: &str = "01890000-0000-7000-8000-00000000002a";

/// Has the distribution's protoc make Python of our page.
pub(crate) fn code(folder: &Path) {
    let mut protoc = Command::new("/usr/bin/protoc");
    protoc.arg("--proto_path").arg(of_project("proto/proto")).arg("--python_out").arg(folder).arg("sales.proto");
    said(protoc);
}

/// All files below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let paths = entries.map(|entry| entry.unwrap().path());
    paths.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn a_till_in_python_is_heard_once_and_the_sales_file_is_read_by_a_back_office() {
    let bench = TestBench::start_with(&[("sales.handover_dir", "\"handover\"")]).unwrap();
    let chain = bench.server.chain_id().unwrap();
    let shop = bench.server.create_node(&chain, "shop", "7").unwrap().id;
    let till = bench.server.create_node(&shop, "till", "72").unwrap();
    let ini = till.cash_ini.unwrap();
    let secret = ini.lines().find_map(|line| line.split_once('=').filter(|(key, _)| key.trim() == "cash.secret"));
    let secret: PeerSecret = secret.unwrap().1.trim().parse().unwrap();
    let token = &secret.token();
    code(bench.folder());
    let speak = |token: &str, deed: &str| -> Value {
        let folder = bench.folder().display().to_string();
        let address = format!("127.0.0.1:{}", bench.server.ports.sales);
        let arguments = [folder, address, till.id.clone(), shop.clone(), token.to_owned(), deed.to_owned()];
        serde_json::from_str(&said(python("sales_till.py", arguments))).unwrap()
    };

    let knocked = speak("guessed", "knock");
    assert_eq!(knocked["refused"], "UNAUTHENTICATED", "{knocked}");
    assert_eq!(speak(token, "hold"), json!({"held": [], "closed": false}));
    let sent = speak(token, "send");
    assert_eq!(sent["through"], 2, "{sent}");
    assert!(sent["refused"]["2"].as_str().unwrap().contains("uuid"), "{sent}");
    assert!(sent["refused"]["1"].is_null(), "{sent}");
    let held = json!({"held": [RECEIPT.replace('-', "")], "closed": true});
    until("the server to state what it has", || {
        let told = speak(token, "hold");
        (told == held, told.to_string())
    });
    let rest = Curl::admin(&bench, bench.server.ports.rest);
    until("the receipt, once", || {
        let shifts = rest.json(&["/api/v1/shifts"]);
        let shift = shifts[0].clone();
        ((shift["server"]["sales"] == 1 && shift["server"]["sale_sum"] == 2_000), shift.to_string())
    });
    let findings = rest.text(&["/api/v1/findings"]);
    assert!(findings.contains("uuid"), "what was refused is a finding: {findings}");

    // A back office that does not want to wait for the hour asks for the day.
    let handover = bench.server.data().with_file_name("handover");
    fs::create_dir_all(handover.join("sale72")).unwrap();
    fs::write(handover.join("sale72/sale.req"), "###\n04.03.2026-04.03.2026\n").unwrap();
    until("the sales file", || (!sales_files(&handover).is_empty(), format!("{:?}", files(&handover))));
    let read = said(python("back_office_reader.py", sales_files(&handover)));
    assert!(read.contains("1 documents"), "{read}");
}

/// Those that are whole: a hidden one is still being written.
fn sales_files(handover: &Path) -> Vec<PathBuf> {
    let is_whole = |path: &PathBuf| {
        let name = path.file_name().unwrap().to_string_lossy();
        name.starts_with("sale") && path.extension().is_some_and(|extension| extension == "json")
    };
    files(handover).into_iter().filter(is_whole).collect()
}
