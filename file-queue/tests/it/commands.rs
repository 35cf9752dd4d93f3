//! `file-queue` as a person uses it.

use std::process::Command;

use serde_json::Value;

use crate::kit::{Kit, put};

struct Answer {
    code: i32,
    out: String,
    err: String,
}

fn run(kit: &Kit, arguments: &[&str]) -> Answer {
    let output = Command::new(env!("CARGO_BIN_EXE_file-queue"))
        .arg("--root")
        .arg(kit.root.path())
        .args(arguments)
        .output()
        .unwrap();
    Answer {
        code: output.status.code().unwrap(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    }
}

fn json(kit: &Kit, arguments: &[&str]) -> Value {
    let answer = run(kit, &[arguments, &["--json"]].concat());
    serde_json::from_str(&answer.out).unwrap_or_else(|error| panic!("{error}: {}{}", answer.out, answer.err))
}

#[test]
fn ls_shows_queues_and_where_each_batch_stands() {
    let kit = Kit::new();
    assert_eq!(run(&kit, &["ls"]).out, format!("no queues under {}\n", kit.root.path().display()));
    let queue = kit.queue();
    for body in ["a", "b", "c"] {
        put(&queue, &[body, body]);
    }
    queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    let _claim = queue.next().unwrap().unwrap();
    let answer = run(&kit, &["ls"]);
    let lines: Vec<_> = answer.out.lines().map(|line| line.split_whitespace().collect::<Vec<_>>()).collect();
    assert_eq!(lines[0][..5], ["dicts:", "2", "batches,", "4", "messages,"], "{}", answer.out);
    assert_eq!(lines[2][..2], ["2", "claimed"], "{}", answer.out);
    assert_eq!(lines[3][..2], ["3", "ready"]);
    assert_eq!(lines[4][..2], ["1", "aside"]);
    assert!(answer.out.trim_end().ends_with("no good"));

    let listed = json(&kit, &["ls", "dicts"]);
    assert_eq!(listed[0]["queue"], "dicts");
    let states: Vec<_> = listed[0]["entries"].as_array().unwrap().iter().map(|entry| &entry["state"]).collect();
    assert_eq!(states, ["claimed", "ready", "aside"]);
    assert_eq!(listed[0]["entries"][2]["reason"], "no good");
    assert_eq!(listed[0]["entries"][0]["content_type"], "text/plain");
    assert_eq!(listed[0]["entries"][0]["tries"], 1);
}

#[test]
fn verify_names_what_is_broken_and_ends_with_1() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["a"]);
    put(&queue, &["b"]);
    let sound = run(&kit, &["verify"]);
    assert_eq!((sound.code, sound.out.as_str()), (0, "dicts: 2 batches read, all sound\n"));
    let file = kit.under("ready")[1].join("00000000.msg");
    fs_err::write(&file, "").unwrap();
    let broken = run(&kit, &["verify", "dicts"]);
    assert_eq!(broken.code, 1);
    assert!(broken.out.contains(&format!("2 (ready): {}: the file is empty", file.display())), "{}", broken.out);
    assert_eq!(json(&kit, &["verify"])[0]["broken"][0]["id"], "2");
    assert_eq!(kit.under("ready").len(), 2, "verify changes nothing");
}

#[test]
fn drop_and_requeue_do_what_they_say() {
    let kit = Kit::new();
    let queue = kit.queue();
    for body in ["a", "b", "c", "d"] {
        put(&queue, &[body]);
    }
    queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    assert_eq!(run(&kit, &["requeue", "dicts", "1"]).out, "dicts: 1 batch put back\n");
    assert_eq!(run(&kit, &["drop", "dicts", "--aside"]).out, "dicts: 1 batch dropped\n");
    assert_eq!(run(&kit, &["drop", "dicts", "3"]).out, "dicts: 1 batch dropped\n");
    queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    assert_eq!(json(&kit, &["requeue", "dicts", "--aside"])["requeued"], 1);
    let _claim = queue.next().unwrap().unwrap();
    let all = run(&kit, &["drop", "dicts", "--all"]);
    assert_eq!(all.out, "dicts: 1 batch dropped; 1 batch left, since a consumer works on it\n");
}

#[test]
fn show_prints_headers_of_a_batch_and_its_messages() {
    let kit = Kit::new();
    put(&kit.queue(), &["four", "five!"]);
    let shown = run(&kit, &["show", "dicts", "1"]).out;
    assert!(shown.contains("  from = test\n") && shown.contains("message 1: "), "{shown}");
    assert_eq!(json(&kit, &["show", "dicts", "1"])["messages"][1]["attributes"]["length"], "5");
}

#[test]
fn wrong_use_ends_with_2_and_says_what_is_wrong() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["a"]);
    let _claim = queue.next().unwrap().unwrap();
    for (arguments, said) in [
        (&["ls", "sales"][..], "there is no file queue sales under"),
        (&["ls", "../dicts"][..], "cannot be the name of a file queue"),
        (&["drop", "dicts"][..], "required"),
        (&["drop", "dicts", "1", "--all"][..], "cannot be used with"),
        (&["drop", "dicts", "77"][..], "holds no batch 77"),
        (&["drop", "dicts", "1"][..], "is being worked on by a consumer"),
        (&["requeue", "dicts", "1"][..], "holds no batch 1"),
        (&["frobnicate"][..], "unrecognized subcommand"),
    ] {
        let answer = run(&kit, arguments);
        assert_eq!(answer.code, 2, "{arguments:?}: {}", answer.err);
        assert!(answer.err.contains(said), "{arguments:?}: {}", answer.err);
    }
}

#[test]
fn refusal_of_the_disk_ends_with_3_and_names_the_file() {
    let kit = Kit::new();
    let file = kit.root.path().join("file");
    fs_err::write(&file, "").unwrap();
    let output = Command::new(env!("CARGO_BIN_EXE_file-queue")).arg("--root").arg(&file).arg("ls").output().unwrap();
    assert_eq!(output.status.code(), Some(3));
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("failed to list the file queues under") && said.contains(file.to_str().unwrap()), "{said}");
}
