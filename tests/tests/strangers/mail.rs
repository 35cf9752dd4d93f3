//! Mails and webhooks, as a mail server and a program that are not ours get them.

use crate::support::{catalogue, load, until};
use crate::tools::{python, said, sqlite3};
use fs_err as fs;
use serde_json::Value;
use std::ffi::OsStr;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use tempfile::TempDir;
use tillway_tests::bench::TestBench;
use tillway_tests::ports::free_port;

/// A program that runs until the test ends.
struct Program(Child);

impl Program {
    fn start<A: AsRef<OsStr>>(script: &str, arguments: impl IntoIterator<Item = A>) -> Self {
        let mut command = python(script, arguments);
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        assert_eq!(line, "ready\n", "{script}");
        Self(child)
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Where a mail server listens, and keeps what it gets.
struct Post {
    port: u16,
    folder: TempDir,
}

impl Post {
    fn new() -> Self {
        Self { port: free_port().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn start(&self, more: &[&str]) -> Program {
        let mut arguments = vec![self.port.to_string(), self.folder.path().display().to_string()];
        arguments.extend(more.iter().map(|one| (*one).to_owned()));
        Program::start("mail_server.py", arguments)
    }

    /// Settings of a server that sends its mails here.
    fn settings(&self) -> Vec<(String, String)> {
        settings(&[
            ("mail.server", &format!("\"smtp://127.0.0.1:{}\"", self.port)),
            ("mail.from", "\"tillway@example.org\""),
            ("mail.page", "\"https://cash.example.org\""),
            ("mail.per_hour", "1000"),
            ("server.name", "\"сервер 1\""),
        ])
    }

    fn mails(&self) -> Vec<Value> {
        serde_json::from_str(&said(python("mails.py", [self.folder.path()]))).unwrap()
    }

    /// The mails to somebody, once there are so many.
    fn wait_for(&self, to: &str, count: usize) -> Vec<Value> {
        let mut found = Vec::new();
        until("mails to arrive", || {
            found = self.mails();
            found.retain(|mail| mail["envelope"]["to"][0].as_str().is_some_and(|address| address.contains(to)));
            (found.len() >= count, format!("{found:#?}"))
        });
        assert_eq!(found.len(), count, "{found:#?}");
        found
    }
}

fn settings(all: &[(&str, &str)]) -> Vec<(String, String)> {
    all.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
}

fn bench(settings: &[(String, String)]) -> TestBench {
    let borrowed: Vec<_> = settings.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect();
    TestBench::start_with(&borrowed).unwrap()
}

fn add_user(bench: &TestBench, login: &str, place: &str, mail: &[&str]) {
    bench.server.command(&["user", "add", login, "--role", "viewer", "--place", place]).unwrap();
    let address = format!("{login}@example.org");
    bench.server.command(&[&["user", "mail", login, "--address", &address], mail].concat()).unwrap();
}

/// A load that would take away nearly everything of a shop: its number.
fn held_load(bench: &TestBench, shop: &str) -> i64 {
    load(&bench.server, shop, &catalogue(1..31, "10"));
    let folder = bench.server.inbox(shop);
    fs::write(folder.join("pos.aif"), catalogue(1..2, "11").join("\n---\n") + "\n---\n").unwrap();
    fs::write(folder.join("pos.flz"), "").unwrap();
    let mut number = None;
    until("a load to be held", || {
        let loads = bench.server.api().unwrap().read("/api/v1/loads").unwrap();
        let held = loads.as_array().unwrap().iter().find(|load| load["state"] == "held");
        number = held.and_then(|load| load["id"].as_i64());
        (number.is_some(), loads.to_string())
    });
    number.unwrap()
}

/// What the server has noted: where it ends before that, the receiver gets it once more.
fn nothing_waits(bench: &TestBench) {
    let people = bench.server.data().join("people.db");
    let waiting = || said(sqlite3(&people, "SELECT count(*) FROM outgoing WHERE ended_at IS NULL"));
    until("all to be noted as sent", || (waiting().trim() == "0", waiting()));
}

fn text(mail: &Value, part: &str) -> String {
    mail[part].as_str().unwrap().to_owned()
}

#[test]
fn each_person_gets_mails_in_their_language_and_of_their_part_alone() {
    let post = Post::new();
    let _server = post.start(&[]);
    let bench = bench(&post.settings());
    for shop in ["7", "8"] {
        bench.add_shop(shop).unwrap();
    }
    add_user(&bench, "anna", "shop-7", &["--language", "ru", "--alerts", "held-load,silent-shop,shift-differs"]);
    add_user(&bench, "boris", "All", &["--language", "en", "--alerts", "held-load"]);
    let number = held_load(&bench, "shop-8");
    let started = &post.wait_for("boris@", 1)[0];
    let subject = text(started, "subject");
    assert!(subject.starts_with("сервер 1: A load for shop 8 waits for a yes or a no"), "{started:#}");
    assert_eq!((&started["type"], &started["automatic"]), (&"multipart/alternative".into(), &"auto-generated".into()));
    assert_eq!(started["defects"], serde_json::json!([]), "{started:#}");
    let link = format!("https://cash.example.org/loads/{number}");
    assert!(text(started, "text").contains(&link) && text(started, "html").contains(&link), "{started:#}");

    // A report, as each sees it.
    for login in ["anna", "boris"] {
        bench.server.command(&["report", "trial", login]).unwrap();
    }
    let of_boris = &post.wait_for("boris@", 2)[1];
    assert!(text(of_boris, "text").contains("A load waits for a yes or a no: 1"), "{of_boris:#}");
    let of_anna = &post.wait_for("anna@", 1)[0];
    assert!(text(of_anna, "subject").starts_with("Проба: сервер 1, магазин 7: "), "{of_anna:#}");
    for part in ["text", "html"] {
        let told = text(of_anna, part);
        assert!(told.contains("Это проба") && told.contains("магазин 7"), "{told}");
        for elsewhere in ["магазин 8", "shop-8", "shop 8", "_shop_8_", "pos.aif"] {
            assert!(!told.contains(elsewhere), "{elsewhere}: {told}");
        }
    }
    // What the page and the command line tell is the same.
    let told = bench.server.command(&["report"]).unwrap();
    assert!(told.contains("A load waits for a yes or a no: 1") && told.contains("pos.aif"), "{told}");

    bench.server.command(&["loads", "refuse", &number.to_string()]).unwrap();
    let ended = &post.wait_for("boris@", 3)[2];
    assert!(text(ended, "subject").contains("The load for shop 8 waits no more"), "{ended:#}");
    assert_eq!(post.wait_for("anna@", 1).len(), 1, "nothing of another shop");
}

#[test]
fn a_mail_waits_for_its_server_and_comes_once_however_often_ours_ends() {
    let post = Post::new();
    let mut bench = bench(&post.settings());
    add_user(&bench, "boris", "All", &[]);
    bench.server.command(&["report", "trial", "boris"]).unwrap();
    let is_failing = |bench: &TestBench| {
        let tasks = bench.server.api().unwrap().read("/api/v1/background").unwrap();
        let outbox = tasks.as_array().unwrap().iter().find(|task| task["name"] == "outbox").unwrap().clone();
        (outbox["failures"].as_u64() > Some(0), outbox)
    };
    until("the try to fail", || {
        let (is_failing, task) = is_failing(&bench);
        (is_failing, task.to_string())
    });
    let (_, task) = is_failing(&bench);
    assert!(
        task["last_error"]["reason"].as_str().or(task["last_error"].as_str()).unwrap().contains("127.0.0.1"),
        "{task}"
    );
    bench.server.kill();
    let _server = post.start(&[]);
    bench.server.switch_on().unwrap();
    post.wait_for("boris@", 1);
    nothing_waits(&bench);
    // The receiver has it, and the server ends before it has noted that: the same once more.
    bench.server.kill();
    bench.server.switch_on_with_env([("TILLWAY_CRASH", "outbox::sent=1")]).unwrap();
    bench.server.command(&["report", "trial", "boris"]).unwrap();
    until("the server to end", || {
        let ended = bench.server.has_ended();
        (ended.is_some(), format!("{ended:?}"))
    });
    bench.server.switch_on().unwrap();
    let mails = post.wait_for("boris@", 3);
    nothing_waits(&bench);
    assert_ne!(mails[0]["id"], mails[1]["id"]);
    assert_eq!(mails[1]["id"], mails[2]["id"], "a repeat can be known by its id: {mails:#?}");
    bench.server.kill();
    bench.server.switch_on().unwrap();
    bench.server.command(&["report", "trial", "boris"]).unwrap();
    assert_eq!(post.wait_for("boris@", 4).len(), 4, "and not a third time");
}

#[test]
fn a_password_and_mails_go_to_a_server_that_proves_who_it_is_over_tls_alone() {
    let post = Post::new();
    let folder = tempfile::tempdir().unwrap();
    let password = secret_file(&folder, "mail.password", "s3cret of the mail server");
    let mut settings = post.settings();
    settings.retain(|(key, _)| key != "mail.server");
    let bench = {
        settings.push(("mail.server".to_owned(), format!("\"smtp+starttls://127.0.0.1:{}\"", post.port)));
        settings.push(("mail.login".to_owned(), "\"tillway\"".to_owned()));
        settings.push(("mail.password_file".to_owned(), format!("{:?}", password.display().to_string())));
        settings.push(("mail.authority".to_owned(), "\"authority.pem\"".to_owned()));
        bench(&settings)
    };
    // Its authority is not there yet: nothing is sent to whoever listens.
    let (chain, key) = (bench.server.data().join("tls/server.pem"), bench.server.data().join("tls/server.key"));
    let [chain, key] = [chain, key].map(|path| path.display().to_string());
    let _server = post.start(&[&chain, &key, "tillway", "s3cret of the mail server"]);
    add_user(&bench, "boris", "All", &[]);
    bench.server.command(&["report", "trial", "boris"]).unwrap();
    let reason = || bench.server.api().unwrap().read("/api/v1/background").unwrap().to_string();
    until("the missing file to be told", || (reason().contains("authority.pem"), reason()));
    assert_eq!(post.mails(), Vec::<Value>::new());
    let place = bench.server.settings_file().parent().unwrap().join("authority.pem");
    fs::copy(bench.server.data().join("tls/authority.pem"), place).unwrap();
    post.wait_for("boris@", 1);
    assert!(!reason().contains("s3cret"), "{}", reason());
}

#[test]
fn a_mailbox_that_is_not_there_delays_nobody_else() {
    let post = Post::new();
    let _server = post.start(&[]);
    let bench = bench(&post.settings());
    add_user(&bench, "nobody", "All", &[]);
    add_user(&bench, "boris", "All", &[]);
    for login in ["nobody", "boris"] {
        bench.server.command(&["report", "trial", login]).unwrap();
    }
    post.wait_for("boris@", 1);
    let told = bench.server.api().unwrap().read("/api/v1/background").unwrap().to_string();
    assert!(told.contains("no such mailbox") || told.contains("550"), "{told}");
}

#[test]
fn the_report_of_a_day_comes_once_over_restarts_and_no_day_twice() {
    let post = Post::new();
    let _server = post.start(&[]);
    let mut all = post.settings();
    all.push(("report.at".to_owned(), "\"00:00\"".to_owned()));
    let mut bench = bench(&all);
    add_user(&bench, "boris", "All", &["--report", "true", "--language", "en"]);
    let day_of_yesterday = "UPDATE noted SET text = '2026-01-02' WHERE name = 'day of the last report'";
    let people = bench.server.data().join("people.db");
    let written = || said(sqlite3(&people, "SELECT count(*) FROM noted WHERE name = 'day of the last report'"));
    until("the first start to note its day", || (written().trim() == "1", written()));
    assert_eq!(post.mails(), Vec::<Value>::new(), "a new server begins with the next day");
    bench.server.switch_off().unwrap();
    let mut sqlite = std::process::Command::new("/usr/bin/sqlite3");
    sqlite.arg(&people).arg(day_of_yesterday);
    said(sqlite);
    for _ in 0..3 {
        bench.server.switch_on().unwrap();
        let mails = post.wait_for("boris@", 1);
        assert!(text(&mails[0], "subject").starts_with("сервер 1, chain"), "{mails:#?}");
        nothing_waits(&bench);
        bench.server.kill();
    }
}

/// A file for its owner alone.
fn secret_file(folder: &TempDir, name: &str, text: &str) -> PathBuf {
    use std::os::unix::fs::PermissionsExt as _;
    let path = folder.path().join(name);
    fs::write(&path, format!("{text}\n")).unwrap();
    fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn calls(folder: &Path) -> Vec<Value> {
    let mut paths: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|ending| ending == "json"));
    paths.sort();
    paths.iter().map(|path| serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()).collect()
}

#[test]
fn a_program_is_told_of_its_node_by_calls_that_are_signed_and_a_dead_one_holds_up_nobody() {
    let (port, dead, folder, secrets) =
        (free_port().unwrap(), free_port().unwrap(), tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let file = secret_file(&secrets, "hook.secret", "a shared secret");
    let at = |port: u16| format!("http://127.0.0.1:{port}");
    let hooks = format!("[\"All={}/a?b=c\", \"shop-7={}/seven\", \"All={}/d\"]", at(port), at(port), at(dead));
    let bench = bench(&settings(&[
        ("alerts.webhooks", &hooks),
        ("alerts.webhooks_local", "true"),
        ("alerts.webhook_secret_file", &format!("{:?}", file.display().to_string())),
    ]));
    for shop in ["7", "8"] {
        bench.add_shop(shop).unwrap();
    }
    let _program = Program::start(
        "hook_server.py",
        [port.to_string(), folder.path().display().to_string(), "a shared secret".to_owned()],
    );
    let number = held_load(&bench, "shop-8");
    let mut told = Vec::new();
    until("the call", || {
        told = calls(folder.path());
        (!told.is_empty(), format!("{told:#?}"))
    });
    bench.server.command(&["loads", "refuse", &number.to_string()]).unwrap();
    until("the call of its end", || {
        told = calls(folder.path());
        (told.len() >= 2, format!("{told:#?}"))
    });
    assert_eq!(told.len(), 2, "nothing for shop 7: {told:#?}");
    for (call, stage) in told.iter().zip(["start", "end"]) {
        assert_eq!((&call["path"], &call["type"]), (&"/a?b=c".into(), &"application/json".into()), "{call:#}");
        assert_eq!(call["signed"], true, "{call:#}");
        let body = &call["body"];
        assert_eq!((&body["kind"], &body["stage"]), (&"held-load".into(), &stage.into()), "{call:#}");
        assert_eq!((&body["object"], &body["id"]), (&number.to_string().into(), &call["delivery"]), "{call:#}");
        assert!(body["words"].as_str().unwrap().contains("shop 8"), "{call:#}");
        assert!(body["link"].as_str().unwrap().ends_with(&format!("/loads/{number}")), "{call:#}");
    }
    assert_ne!(told[0]["delivery"], told[1]["delivery"]);
}
