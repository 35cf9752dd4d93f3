//! Attaching tills with codes: a till that is new or has settings of its site, a false server, a
//! code that is used, ended, or tried by others, and a hundred at once.

use crate::support::{converged, has_receipts, item, load, now, piece_at, until};
use fs_err as fs;
use rusqlite::Connection;
use serde_json::{Value, json};
use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::thread;
use tillway_exchangers::till::dictionary::State;
use tillway_proto::AttachCode;
use tillway_tests::bench::{BenchError, Server, TestBench, TillOptions};
use tillway_tests::binaries::{SYNC_AGENT, binary};

/// A shop whose server has dictionaries, and where tills are attached.
fn shop() -> (TestBench, String) {
    let bench = TestBench::start().unwrap();
    bench.add_shop("7").unwrap();
    load(&bench.server, "All", &[item(1, "10"), item(2, "5.5")]);
    let address = format!("127.0.0.1:{}", bench.server.ports.rest);
    (bench, address)
}

fn code(server: &Server, arguments: &[&str]) -> String {
    let made = server.command(&[&["--json", "attach-code"], arguments].concat()).unwrap();
    serde_json::from_str::<Value>(&made).unwrap()["code"].as_str().unwrap().to_owned()
}

/// `sync-agent --root <folder> attach …`: a till that has nothing yet. What it says, and whether
/// it was attached.
fn attach(root: &Path, arguments: &[&str], language: &str) -> (bool, String) {
    let mut command = Command::new(binary(SYNC_AGENT).unwrap());
    command.arg("--root").arg(root).arg("attach").args(arguments).env("LC_ALL", language);
    let output = command.output().unwrap();
    (output.status.success(), String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

fn refused(root: &Path, arguments: &[&str]) -> String {
    let (attached, told) = attach(root, arguments, "C");
    assert!(!attached, "{told}");
    told
}

fn told(done: Result<String, BenchError>) -> String {
    match done {
        Ok(told) | Err(BenchError::Command { output: told, .. }) => told,
        Err(error) => panic!("{error}"),
    }
}

fn cash_ini(root: &Path) -> std::path::PathBuf {
    root.join("linuxcash/cash/sync/properties/cash.ini")
}

/// Codes as the server's list shows them: name and state.
fn states(server: &Server) -> Vec<(String, String)> {
    let codes = server.api().unwrap().read("/api/v1/attach-codes").unwrap();
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    codes.as_array().unwrap().iter().map(|code| (text(&code["name"]), text(&code["state"]))).collect()
}

#[test]
fn a_till_with_nothing_is_in_step_by_one_command_and_a_second_one_is_told_that_the_code_is_used() {
    let (bench, address) = shop();
    let code = code(&bench.server, &["new", "71", "--parent", "shop-7"]);
    let (root, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (attached, told) = attach(root.path(), &[&address, &code.to_lowercase(), "--wait", "120"], "C");
    assert!(attached && told.contains("in step: revision 1"), "{told}");
    assert!(!told.contains("tws1_"), "a secret is not shown: {told}");
    let state = State::read(&root.path().join("linuxcash/cash/data/dictionaries.db")).unwrap();
    assert_eq!(state.cursor.0, 1);
    let authorities = root.path().join("linuxcash/cash/data/sync/trust/authorities.pem");
    assert_eq!(
        fs::read_to_string(authorities).unwrap(),
        fs::read_to_string(bench.server.data().join("tls/authority.pem")).unwrap()
    );
    assert_eq!(states(&bench.server), [(code[..4].to_owned(), "used".to_owned())]);

    // Another machine with the same code.
    for (language, part) in [("C", "the code was used already"), ("ru_RU.UTF-8", "код уже использован")]
    {
        let (attached, told) = attach(other.path(), &[&address, &code, "--wait", "5"], language);
        assert!(!attached && told.contains(part), "{told}");
    }
    assert!(!cash_ini(other.path()).exists());
    // The audit log tells who used it, and of the code its name alone.
    let lines = bench.server.command(&["--json", "audit"]).unwrap();
    assert!(lines.contains("till.attach") && lines.contains("attach-code.make"), "{lines}");
    assert!(lines.contains(&code[..4]) && !lines.contains(&code[6..]), "{lines}");
}

#[test]
fn a_broken_till_is_replaced_keeps_what_its_site_set_and_its_sales_go_on() {
    let (bench, address) = shop();
    let shop = bench.server.nodes().unwrap().into_iter().find(|node| node["folder"] == "shop-7").unwrap();
    let shop = shop["id"].as_str().unwrap().to_owned();
    let mut till = bench.add_till_with(&shop, "7", "71", TillOptions::default()).unwrap();
    converged(&bench.server, &mut till);
    let mut pos = till.pos().unwrap();
    pos.open_shift(1, 1, now()).unwrap();
    let mut rung = vec![pos.ring(&piece_at(1_000)).unwrap().uuid.to_string()];
    till.stop_agent().unwrap();
    let (file, old) = (till.settings_file(), till.secret().unwrap());
    // Of what the server gave nothing is left, and the broker's password is lost.
    let text = fs::read_to_string(&file).unwrap();
    let ours =
        ["cash.code", "datafolder", "dictionariesdb", "documentsdb", "filequeueroot", "backupfolder", "unloadperiod"];
    let is_kept = |line: &&str| line.starts_with(['[', '#']) || ours.iter().any(|key| line.starts_with(key));
    let left = text.lines().filter(is_kept).collect::<Vec<_>>().join("\n") + "\n";
    fs::write(&file, format!("{left}dept.broker.passwordfile = {}\n", till.folder().join("new.password").display()))
        .unwrap();

    // A code of another till is not for this one, and stays good.
    let of_other = code(&bench.server, &["new", "72", "--parent", "shop-7"]);
    let refusal = told(till.command(&["attach", &address, &of_other]));
    assert!(refusal.contains("the code is for _cash_72_") && refusal.contains(&till.id), "{refusal}");
    let code = code(&bench.server, &["for", "till-7-71"]);
    let done = told(till.command(&["attach", &address, &code, "--wait", "120"]));
    assert!(done.contains("in step") && done.contains("cash.ini.before-"), "{done}");
    let text = fs::read_to_string(&file).unwrap();
    assert!(text.contains("# Of the bench.") && text.contains(&format!("cash.code={}", till.id)), "{text}");
    assert_ne!(till.secret().unwrap(), old);
    let codes = states(&bench.server);
    assert!(codes.contains(&(of_other[..4].to_owned(), "open".to_owned())), "{codes:?}");

    till.start_agent().unwrap();
    rung.push(pos.ring(&piece_at(1_000)).unwrap().uuid.to_string());
    pos.close_shift(now()).unwrap();
    has_receipts(&bench.server, &till, 1, &rung);
    // The secret of before opens nothing any more.
    let request = format!("/api/v1/tills/{}/token", till.id);
    assert_eq!(bench_token(&bench.server, &request, &old.token()), 401);
    assert_eq!(bench_token(&bench.server, &request, &till.secret().unwrap().token()), 204);
}

/// The status of an answer to a till's token.
fn bench_token(server: &Server, path: &str, token: &str) -> u16 {
    let mut stream = TcpStream::connect(("127.0.0.1", server.ports.rest)).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).unwrap().parse().unwrap()
}

#[test]
fn a_false_server_and_a_code_that_is_not_right_change_nothing_and_use_nothing_up() {
    let (bench, address) = shop();
    let right = code(&bench.server, &["new", "71", "--parent", "shop-7"]);
    let root = tempfile::tempdir().unwrap();

    // One letter is wrong: in the name, in the secret.
    for at in [0, right.len() - 1] {
        let mut typed: Vec<char> = right.chars().collect();
        typed[at] = if typed[at] == '2' { '3' } else { '2' };
        let typed: String = typed.into_iter().collect();
        let told = refused(root.path(), &[&address, &typed]);
        assert!(told.contains("does not prove that it knows this code"), "{told}");
    }
    let told = refused(root.path(), &[&address, &right[..right.len() - 1]]);
    assert!(told.contains("this one has 19"), "{told}");
    let told = refused(root.path(), &["127.0.0.1:1", &right]);
    assert!(told.contains("cannot be reached"), "{told}");

    // Another cash server, which has no such code.
    let second = bench.another_server("Second").unwrap();
    let told = refused(root.path(), &[&format!("127.0.0.1:{}", second.ports.rest), &right]);
    assert!(told.contains("does not prove that it knows this code"), "{told}");

    // Somebody who speaks no TLS hears no more than the beginning of a handshake.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let heard = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let mut heard = vec![0; 4096];
        let length = stream.read(&mut heard).unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        heard.truncate(length);
        heard
    });
    let told = refused(root.path(), &[&format!("127.0.0.1:{port}"), &right]);
    assert!(told.contains("not with TLS 1.3"), "{told}");
    let heard = String::from_utf8_lossy(&heard.join().unwrap()).into_owned();
    assert!(!heard.contains(&right[..4]), "not even the name of the code");

    assert!(!cash_ini(root.path()).exists());
    assert_eq!(states(&bench.server), [(right[..4].to_owned(), "open".to_owned())]);
    // And after all that the right one is as good as ever.
    let (attached, told) = attach(root.path(), &[&address, &right, "--wait", "120"], "C");
    assert!(attached, "{told}");
}

#[test]
fn plain_requests_are_told_nothing_and_many_wrong_tries_slow_their_address_down_alone() {
    let (bench, _) = shop();
    let right = code(&bench.server, &["new", "71", "--parent", "shop-7"]);
    let hello = |name: &str| json!({"protocol": 5, "version": env!("CARGO_PKG_VERSION"), "code": name});
    let refusal = bench.server.api().unwrap().post("/api/v1/attach/hello", &hello(&right[..4])).unwrap_err();
    assert!(refusal.to_string().contains("TLS 1.3"), "{refusal}");

    // Over TLS a name that is nobody's is answered like a code.
    let curl = |name: &str, address: &str| {
        let mut command = Command::new("curl");
        command.args(["--silent", "--insecure", "--interface", address, "--write-out", "\n%{http_code}"]);
        command.args(["--header", "Content-Type: application/json", "--data", &hello(name).to_string()]);
        command.arg(format!("https://127.0.0.1:{}/api/v1/attach/hello", bench.server.ports.rest));
        let said = String::from_utf8(command.output().unwrap().stdout).unwrap();
        let (body, status) = said.rsplit_once('\n').unwrap();
        (status.to_owned(), body.to_owned())
    };
    for name in [&right[..4], "0000"] {
        let (status, body) = curl(name, "127.0.0.1");
        let body: Value = serde_json::from_str(&body).unwrap();
        let fields: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!((status.as_str(), &fields[..]), ("200", &["proof", "protocol", "version"][..]));
    }
    let slowed = (0..60).find(|_| curl("0000", "127.0.0.66").0 == "429");
    assert!(slowed.is_some(), "tries of one address are slowed");
    assert_eq!(curl("0000", "127.0.0.7").0, "200", "others are not");
    let root = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", bench.server.ports.rest);
    let (attached, told) = attach(root.path(), &[&address, &right, "--wait", "120"], "C");
    assert!(attached, "{told}");
}

#[test]
fn a_code_that_ended_or_was_replaced_says_so_to_who_knows_it() {
    let (mut bench, address) = shop();
    let first = code(&bench.server, &["new", "71", "--parent", "shop-7"]);
    let second = code(&bench.server, &["for", "till-7-71"]);
    let root = tempfile::tempdir().unwrap();
    let told = refused(root.path(), &[&address, &first]);
    assert!(told.contains("the code ended at"), "{told}");
    // A day passes.
    bench.server.switch_off().unwrap();
    let database = Connection::open(bench.server.data().join("network.db")).unwrap();
    database.execute("UPDATE attach_code SET made_at = made_at - 86400000, ends_at = ends_at - 86400000", ()).unwrap();
    bench.server.switch_on().unwrap();
    let told = refused(root.path(), &[&address, &second]);
    assert!(told.contains("the code ended at"), "{told}");
    assert!(!cash_ini(root.path()).exists());
}

#[test]
fn a_hundred_tills_have_their_codes_by_one_file() {
    let (bench, _) = shop();
    let file = bench.folder().join("tills.csv");
    let rows = (1..=100).map(|till| format!("7,{till},Till {till}\n")).collect::<Vec<_>>().concat();
    fs::write(&file, format!("shop,till,name\n{rows}")).unwrap();
    let csv = bench.server.command(&["attach-code", "csv", file.to_str().unwrap()]).unwrap();
    let mut reader = csv::Reader::from_reader(csv.as_bytes());
    let lines: Vec<csv::StringRecord> = reader.records().map(Result::unwrap).collect();
    assert_eq!(lines.len(), 100);
    for (till, line) in (1..).zip(&lines) {
        assert_eq!((&line[0], &line[1], &line[2]), ("7", till.to_string().as_str(), format!("Till {till}").as_str()));
        assert!(line[3].starts_with(&format!("_cash_{till}_")), "{line:?}");
        line[4].parse::<AttachCode>().unwrap();
    }
    assert_eq!(states(&bench.server).len(), 100);
    // The same once more: no till is made twice, and the codes of before are void.
    bench.server.command(&["attach-code", "csv", file.to_str().unwrap()]).unwrap();
    let codes = states(&bench.server);
    let open = codes.iter().filter(|(_, state)| state == "open").count();
    assert_eq!((codes.len(), open), (200, 100));
    let tills = bench.server.nodes().unwrap().iter().filter(|node| node["level"] == "till").count();
    assert_eq!(tills, 100);
}

#[test]
fn an_answer_that_was_lost_does_not_strand_its_till() {
    let (mut bench, address) = shop();
    // All tills share a login, whose password they are given.
    bench.server.switch_off().unwrap();
    let file = bench.server.settings_file();
    let settings = fs::read_to_string(&file).unwrap();
    let lines = settings.lines().filter(|line| !line.starts_with("broker.management_url"));
    let shared =
        format!("broker.till_user = \"{}\"\nbroker.till_password_file = \"tills.password\"", bench.vhost().tills);
    fs::write(&file, lines.chain([shared.as_str()]).map(|line| format!("{line}\n")).collect::<Vec<_>>().concat())
        .unwrap();
    bench.server.switch_on().unwrap();
    let code = code(&bench.server, &["new", "71", "--parent", "shop-7"]);
    let root = tempfile::tempdir().unwrap();
    // The server takes the code, and at that very moment the till cannot write. What it keeps of
    // its attempt is all that is left.
    let in_the_way = cash_ini(root.path()).with_file_name("broker.password");
    fs::create_dir_all(&in_the_way).unwrap();
    let told = refused(root.path(), &[&address, &code]);
    assert_eq!(states(&bench.server), [(code[..4].to_owned(), "used".to_owned())], "{told}");
    fs::remove_dir(&in_the_way).unwrap();
    // Somebody else who has the code does not profit.
    let other = tempfile::tempdir().unwrap();
    let of_other = refused(other.path(), &[&address, &code]);
    assert!(of_other.contains("the code was used already"), "{of_other}");
    let (attached, told) = attach(root.path(), &[&address, &code, "--wait", "120"], "C");
    assert!(attached && told.contains("in step"), "{told}");
    until("the till to be heard of with its codes", || {
        let till = bench.server.api().unwrap().read("/api/v1/tills/till-7-71").unwrap();
        (!till["last_contact"].is_null(), till.to_string())
    });
}
