//! Several processes on one queue: this test program starts itself as producers and consumers.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use tillway_file_queue::{Limits, NewMessage, Queue};

use crate::kit::{Kit, bodies, drain, name, put};

const ROLE: &str = "FILE_QUEUE_TEST_ROLE";
const ROOT: &str = "FILE_QUEUE_TEST_ROOT";
const BATCHES: usize = 15;

fn spawn(root: &Path, role: &str) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "processes::helper", "--nocapture", "--quiet"])
        .env(ROLE, role)
        .env(ROOT, root)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

fn wait_for_line(output: &mut BufReader<ChildStdout>, wanted: &str) {
    let mut line = String::new();
    while output.read_line(&mut line).unwrap() > 0 {
        if line.trim_end().ends_with(wanted) {
            return;
        }
        line.clear();
    }
    panic!("the helper ended without saying {wanted:?}");
}

/// Not a test: what the other processes do. Does nothing in a run of the tests.
#[test]
fn helper() {
    let (Ok(role), Ok(root)) = (std::env::var(ROLE), std::env::var(ROOT)) else { return };
    let queue = Queue::open(Path::new(&root), &name(), Limits::default()).unwrap();
    match role.as_str() {
        "consume" => {
            let started = Instant::now();
            loop {
                let Some(claim) = queue.next().unwrap() else {
                    assert!(started.elapsed() < Duration::from_secs(30), "nobody said stop");
                    std::thread::sleep(Duration::from_millis(2));
                    continue;
                };
                let bodies = bodies(&claim);
                if bodies == ["stop"] {
                    return claim.ack().unwrap();
                }
                println!("\ntook {}", bodies.join(" "));
                claim.ack().unwrap();
            }
        }
        "claim" => {
            let _claim = queue.next().unwrap().unwrap();
            println!("\nclaimed");
            std::thread::sleep(Duration::from_mins(1));
        }
        "stage" => {
            let mut batch = queue.begin_batch().unwrap();
            batch.put(NewMessage::new("text/plain"), b"half").unwrap();
            println!("\nstaged");
            std::thread::sleep(Duration::from_mins(1));
        }
        producer => {
            for batch in 0..BATCHES {
                put(&queue, &[producer, &batch.to_string()]);
            }
        }
    }
}

#[test]
fn producers_and_consumers_in_several_processes_lose_nothing_and_double_nothing() {
    let kit = Kit::new();
    let queue = kit.queue();
    let consumers: Vec<_> = (0..2).map(|_| spawn(kit.root.path(), "consume")).collect();
    let producers: Vec<_> = ["p1", "p2"].map(|role| spawn(kit.root.path(), role)).into();
    for mut producer in producers {
        assert!(producer.wait().unwrap().success());
    }
    for _ in &consumers {
        put(&queue, &["stop"]);
    }
    let mut taken = BTreeMap::new();
    for consumer in consumers {
        let output = consumer.wait_with_output().unwrap();
        assert!(output.status.success());
        let mut last = BTreeMap::new();
        for line in String::from_utf8(output.stdout).unwrap().lines() {
            let Some((producer, batch)) = line.strip_prefix("took ").and_then(|line| line.split_once(' ')) else {
                continue;
            };
            let batch: usize = batch.parse().unwrap();
            assert!(last.insert(producer.to_owned(), batch) < Some(batch), "each consumer sees each producer's order");
            *taken.entry((producer.to_owned(), batch)).or_insert(0) += 1;
        }
    }
    assert_eq!(taken.len(), 2 * BATCHES);
    assert!(taken.values().all(|times| *times == 1), "{taken:?}");
    assert!(kit.under("ready").is_empty());
}

#[test]
fn claim_of_a_killed_process_is_free_again_and_its_try_counts() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["a"]);
    let mut consumer = spawn(kit.root.path(), "claim");
    wait_for_line(&mut BufReader::new(consumer.stdout.take().unwrap()), "claimed");
    assert!(queue.next().unwrap().is_none());
    consumer.kill().unwrap();
    consumer.wait().unwrap();
    let claim = queue.next().unwrap().unwrap();
    assert_eq!((bodies(&claim), claim.tries()), (vec!["a".to_owned()], 2));
}

#[test]
fn batch_of_a_killed_producer_is_taken_away_and_that_of_a_live_one_is_not() {
    let kit = Kit::new();
    let mut producer = spawn(kit.root.path(), "stage");
    wait_for_line(&mut BufReader::new(producer.stdout.take().unwrap()), "staged");
    kit.queue();
    assert_eq!(kit.under("staging").len(), 1);
    producer.kill().unwrap();
    producer.wait().unwrap();
    let queue = kit.queue();
    assert!(kit.under("staging").is_empty());
    assert!(drain(&queue).is_empty());
}
