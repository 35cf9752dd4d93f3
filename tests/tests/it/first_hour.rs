//! What a person reads in the first hour: all faults of a start at once, one line for each try,
//! each fatal error once, and nothing that only a programmer understands.

use crate::support::{RECOVERY, set};
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tillway_tests::bench::{BenchError, Server, TestBench, Till, TillOptions};
use tillway_tests::wait::{Seen, wait_for};

/// As a user has it: the kit's own level would show what libraries say.
const AS_A_USER: (&str, &str) = ("log.level", "\"info\"");

fn options() -> TillOptions {
    TillOptions { log_level: "INFO", shared_login: true, ..TillOptions::default() }
}

fn shop(settings: &[(&str, &str)]) -> (TestBench, Till) {
    let all: Vec<_> = settings.iter().copied().chain([AS_A_USER]).collect();
    let bench = TestBench::start_with(&all).unwrap();
    let shop = bench.add_shop("7").unwrap();
    let till = bench.add_till_with(&shop, "7", "71", options()).unwrap();
    (bench, till)
}

fn output(server: &Server) -> PathBuf {
    server.settings_file().with_file_name("cash-server.log")
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

/// Waits until so many lines of a log hold this; gives the log.
fn wait_for_lines(log: &Path, part: &str, count: usize) -> String {
    wait_for(format!("{count} lines with `{part}`"), RECOVERY, || {
        let text = read(log);
        Seen::when(lines(&text, part).len() >= count, text.clone(), &text)
    })
    .unwrap()
}

fn lines<'a>(text: &'a str, part: &str) -> Vec<&'a str> {
    text.lines().filter(|line| line.contains(part)).collect()
}

/// What a command says, which must fail.
fn refused(done: Result<String, BenchError>) -> String {
    match done {
        Err(BenchError::Command { output, .. }) => output,
        other => panic!("it did not fail: {other:?}"),
    }
}

fn hang_up(pid: Option<u32>) {
    let sent = Command::new("kill").args(["-s", "HUP", &pid.unwrap().to_string()]).status().unwrap();
    assert!(sent.success());
}

#[test]
fn a_wrong_broker_password_is_one_line_a_try_with_key_and_file_until_it_is_right() {
    let (mut bench, mut till) = shop(&[]);
    till.stop_agent().unwrap();
    bench.server.switch_off().unwrap();
    let (log, password) = (output(&bench.server), bench.server.settings_file().with_file_name("broker.password"));
    let right = fs::read(&password).unwrap();
    fs::write(&password, "wrong\n").unwrap();
    fs::remove_file(&log).unwrap();
    // It goes on: REST answers.
    bench.server.switch_on().unwrap();
    let text = wait_for_lines(&log, "tries=3 ", 1);
    let told = lines(&text, "refuses user");
    assert!(
        told.iter()
            .all(|line| line.contains("broker.password_file: ") && line.contains(&password.display().to_string())),
        "{text}"
    );
    let at_start =
        format!("line {}: broker.password_file: ", 1 + line_of(&bench.server.settings_file(), "broker.password_file"));
    assert_eq!(lines(&text, &at_start).len(), 1, "{text}");
    let tries: Vec<_> = told.iter().filter_map(|line| line.split_once(" tries=")?.1.split(' ').next()).collect();
    let counted: Vec<String> = (1..=tries.len()).map(|number| number.to_string()).collect();
    assert_eq!((tries.len() + 1, &tries), (told.len(), &counted.iter().map(String::as_str).collect()), "{text}");
    assert_eq!(lines(&text, "ACCESS").len(), told.len(), "{text}");
    // The logins of tills cannot be made either: that is work of its own, and says so.
    assert!(lines(&text, "ERROR").iter().all(|line| line.contains("task=\"broker-logins\"")), "{text}");
    fs::write(&password, right).unwrap();
    wait_for_lines(&log, "linked to the broker, publishing", 1);

    let (log, password) = (till.folder().join("sync.log"), till.folder().join("broker.password"));
    fs::write(&password, "wrong\n").unwrap();
    // It may have been stopped before it came to write one.
    let _ = fs::remove_file(&log);
    till.start_agent().unwrap();
    let text = wait_for_lines(&log, "no link to the broker", 3);
    let at =
        format!("line {}: dept.broker.passwordfile: ", 1 + line_of(&till.settings_file(), "dept.broker.passwordfile"));
    let told = lines(&text, "ACCESS");
    assert_eq!(told.len(), lines(&text, "no link to the broker").len(), "{text}");
    assert!(told.iter().all(|line| line.contains(&at) && line.contains(&password.display().to_string())), "{text}");
    assert!(lines(&text, "ERROR").is_empty(), "{text}");
}

/// From 0.
fn line_of(file: &Path, key: &str) -> usize {
    read(file).lines().position(|line| line.split('=').next().is_some_and(|name| name.trim() == key)).unwrap()
}

#[test]
fn what_only_has_to_be_waited_for_is_no_error_in_any_log() {
    let (bench, mut till) = shop(&[]);
    // The virtual host is marked for the first server.
    let mut second = bench.another_server("Second").unwrap();
    second.switch_off().unwrap();
    set(&second.settings_file(), "log.level", AS_A_USER.1);
    fs::remove_file(output(&second)).unwrap();
    second.switch_on().unwrap();
    let text = wait_for_lines(&output(&second), "another server works at virtual host", 3);
    assert!(lines(&text, "ERROR").is_empty() && lines(&text, "PRECONDITION").is_empty(), "{text}");
    second.switch_off().unwrap();

    // A till whose queues are not there.
    till.stop_agent().unwrap();
    let line = set(&till.settings_file(), "cash.code", "_cash_99_00000000");
    let log = till.folder().join("sync.log");
    let _ = fs::remove_file(&log);
    till.start_agent().unwrap();
    let text = wait_for_lines(&log, "does not know this till", 2);
    assert!(lines(&text, "ERROR").is_empty(), "{text}");
    assert!(
        lines(&text, "does not know this till").iter().all(|told| told.contains(&format!("line {line}: cash.code: "))),
        "{text}"
    );
    assert_eq!(lines(&text, "NOT_FOUND").len(), 0, "{text}");
    assert!(lines(&read(&output(&bench.server)), "ERROR").is_empty());
}

#[test]
fn logs_that_were_renamed_go_on_in_a_new_file_after_sighup() {
    let (bench, till) = shop(&[("log.file", "\"server.log\"")]);
    let of_server = bench.server.settings_file().with_file_name("server.log");
    for (log, pid) in [(of_server, bench.server.pid()), (till.folder().join("sync.log"), till.pid())] {
        wait_for_lines(&log, "broker", 1);
        let old = log.with_extension("log.1");
        fs::rename(&log, &old).unwrap();
        hang_up(pid);
        wait_for_lines(&log, "SIGHUP: logs are opened anew", 1);
        assert!(!read(&old).contains("SIGHUP"), "the old one is left alone");
    }
}

#[test]
fn whoever_starts_a_daemon_twice_is_told_once_that_it_runs() {
    let (bench, till) = shop(&[("log.file", "\"server.log\"")]);
    let told = refused(bench.server.command(&["run"]));
    let first = format!("already running: process {}", bench.server.pid().unwrap());
    assert_eq!((told.lines().count(), told.matches(&first).count()), (1, 1), "{told}");
    let log = read(&bench.server.settings_file().with_file_name("server.log"));
    assert_eq!(log.matches("already running").count(), 1, "once in the log file too, which is not the terminal: {log}");

    let told = refused(till.command(&["run"]));
    assert_eq!((told.lines().count(), told.matches("already running").count()), (1, 1), "{told}");
    assert!(told.contains(&format!("process {}", till.pid().unwrap())), "{told}");
    assert_eq!(read(&till.folder().join("sync.log")).matches("already running").count(), 1);
}

#[test]
fn a_start_tells_every_fault_at_once_and_goes_on_where_it_can() {
    let (bench, _till) = shop(&[]);
    let mut second = bench.another_server("Second").unwrap();
    second.switch_off().unwrap();
    let (file, log) = (second.settings_file(), output(&second));
    let text = format!("{}intake.folders = [\"All=/nowhere\"]\n", read(&file));
    fs::write(&file, text).unwrap();
    let vhost = set(&file, "broker.vhost", "\"nowhere\"");
    let folders = 1 + line_of(&file, "intake.folders");

    // What it needs not: told, and it goes on.
    fs::remove_file(&log).unwrap();
    second.switch_on().unwrap();
    let goes_on = [format!("line {folders}: intake.folders: "), format!("line {vhost}: broker.vhost: ")];
    for fault in &goes_on {
        let text = wait_for_lines(&log, fault, 1);
        assert!(lines(&text, fault)[0].contains(&file.display().to_string()), "{text}");
    }
    second.switch_off().unwrap();

    // What it needs: all of it in one message, which is not said again.
    let ports = [bench.server.ports.rest, bench.server.ports.web];
    let taken = ["rest.listen", "web.listen"].into_iter().zip(ports);
    let needed: Vec<String> = taken
        .map(|(key, port)| {
            format!("line {}: {key}: 127.0.0.1:{port}", set(&file, key, &format!("\"127.0.0.1:{port}\"")))
        })
        .collect();
    let told = refused(second.command(&["run"]));
    for fault in needed.iter().chain(&goes_on[..1]) {
        assert_eq!(told.matches(fault.as_str()).count(), 1, "{fault}: {told}");
    }
    assert!(told.contains("cannot start") && told.contains("end it, or name another port"), "{told}");
}

#[test]
fn an_agent_that_may_write_no_folder_names_each_with_its_line_and_does_not_start() {
    let (_bench, mut till) = shop(&[]);
    till.stop_agent().unwrap();
    let file = till.settings_file();
    // Below a file there is no folder for anybody.
    let nowhere = |name: &str| file.join(name).display().to_string();
    let faults: Vec<String> = ["datafolder", "filequeueroot", "backupfolder", "dept.broker.passwordfile"]
        .into_iter()
        .map(|key| format!("line {}: {key}: ", set(&file, key, &nowhere(key))))
        .collect();
    for command in ["check", "run"] {
        let told = refused(till.command(&[command]));
        for fault in &faults {
            assert_eq!(told.matches(fault.as_str()).count(), 1, "{command}: {fault}: {told}");
        }
    }
}

#[test]
fn a_check_right_after_a_till_was_made_waits_for_the_server_to_make_its_queues() {
    let bench = TestBench::start().unwrap();
    let shop = bench.add_shop("7").unwrap();
    // As the command line makes it: the server sees it at its next pass.
    let made = bench.server.command(&["node", "add", "till", "72", "--parent", &shop]).unwrap();
    let till = bench.prepare_till(&shop, "7", "71", TillOptions::default()).unwrap();
    let id = made.lines().find_map(|line| line.strip_prefix("cash.code=")).unwrap();
    let secret = made.lines().find_map(|line| line.strip_prefix("cash.secret=")).unwrap();
    set(&till.settings_file(), "cash.code", id);
    set(&till.settings_file(), "cash.secret", secret);
    till.command(&["check", "--online"]).unwrap();
}
