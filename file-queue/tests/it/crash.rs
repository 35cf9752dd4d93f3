//! The process dies, or the disk is full, at each step of a story in turn; afterwards every
//! promise still holds.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use tillway_file_queue::{Limits, Queue, QueueError, Sequence};

use crate::kit::{Fake, Fault, Kit, bodies, put, try_put};

/// What the world was told of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Committed,
    /// An acknowledgement or drop was asked for and did not return `Ok`.
    MayBeGone,
    Gone,
}

type World = BTreeMap<&'static str, Told>;

fn put_told(queue: &Queue, world: &mut World, body: &'static str) -> Option<Sequence> {
    let sequence = try_put(queue, &[body, body]).ok()?;
    world.insert(body, Told::Committed);
    Some(sequence)
}

fn told_gone(world: &mut World, body: &str, ended: &Result<(), QueueError>) {
    *world.get_mut(body).unwrap() = if ended.is_ok() { Told::Gone } else { Told::MayBeGone };
}

/// A story with every kind of change in it. Whoever gets an error carries on, as a careless
/// program might.
fn story(queue: &Queue, world: &mut World) {
    put_told(queue, world, "a");
    put_told(queue, world, "b");
    let d = put_told(queue, world, "c").and_then(|_| put_told(queue, world, "d"));
    for round in 0..5 {
        let Ok(Some(claim)) = queue.next() else { continue };
        let body = bodies(&claim).remove(0);
        match (body.as_str(), round) {
            ("a", _) => told_gone(world, "a", &claim.ack()),
            ("b", 1) => drop(claim.release("again")),
            ("b", 2) => drop(claim.put_back()),
            ("b", _) => drop(claim.set_aside("no good")),
            _ => drop(claim),
        }
    }
    let _ = queue.requeue_aside();
    if let Some(d) = d {
        told_gone(world, "d", &queue.drop_batch(&d.to_string()));
    }
}

fn check(kit: &Kit, world: &World, case: &str) {
    let queue = kit.queue_with(Limits::default());
    let verified = queue.verify().unwrap();
    assert!(verified.broken.is_empty(), "{case}: {verified:?}");
    queue.requeue_aside().unwrap();
    let mut found = Vec::new();
    let mut last = None;
    while let Some(claim) = queue.next().unwrap() {
        let bodies = bodies(&claim);
        assert!(bodies.len() == 2 && bodies[0] == bodies[1], "{case}: {bodies:?}");
        assert!(Some(claim.sequence()) > last, "{case}: order");
        last = Some(claim.sequence());
        found.push(bodies[0].clone());
        claim.ack().unwrap();
    }
    for (&body, told) in world {
        let times = found.iter().filter(|found| *found == body).count();
        match told {
            Told::Committed => assert_eq!(times, 1, "{case}: {body} was committed: {found:?}"),
            Told::Gone => assert_eq!(times, 0, "{case}: {body} was gone: {found:?}"),
            Told::MayBeGone => assert!(times <= 1, "{case}: {body}: {found:?}"),
        }
    }
    put(&queue, &["the queue goes on"]);
    assert_eq!(queue.depth().unwrap().batches, 1, "{case}");
    for folder in ["staging", "gone", "aside"] {
        assert!(kit.under(folder).is_empty(), "{case}: leftovers in {folder}");
    }
    let mut files: Vec<_> =
        crate::kit::paths_in(&kit.folder()).iter().map(|path| path.file_name().unwrap().to_owned()).collect();
    files.retain(|name| !["ready", "staging", "gone", "aside"].iter().any(|folder| name == folder));
    assert_eq!(files, ["format", "queue.lock", "sequence"], "{case}");
}

fn sweep(fault: fn(usize) -> Fault) {
    let steps = {
        let (kit, disk) = (Kit::new(), Arc::new(Fake::default()));
        let mut world = World::new();
        story(&kit.queue_on(disk.clone(), Limits::default()).unwrap(), &mut world);
        assert_eq!(world.values().filter(|told| **told == Told::Gone).count(), 2, "{world:?}");
        check(&kit, &world, "without a fault");
        disk.taken.load(Ordering::SeqCst)
    };
    assert!(steps > 80, "the story has lost its steps: {steps}");
    for at in 0..steps {
        let kit = Kit::new();
        let mut world = World::new();
        if let Ok(queue) = kit.queue_on(Fake::failing(fault(at)), Limits::default()) {
            story(&queue, &mut world);
        }
        check(&kit, &world, &format!("{:?}", fault(at)));
    }
}

#[test]
fn death_at_any_step_loses_nothing_and_leaves_nothing() {
    sweep(Fault::DeadFrom);
}

#[test]
fn full_disk_at_any_step_loses_nothing_and_leaves_nothing() {
    sweep(Fault::FullAt);
}

#[test]
fn batch_half_written_by_a_dead_producer_is_taken_away() {
    let kit = Kit::new();
    put(&kit.queue(), &["good"]);
    let half = kit.folder().join("staging/0199f0c0a1b27c3d8e4f5a6b7c8d9e0f");
    fs_err::create_dir(&half).unwrap();
    fs_err::write(half.join("00000000.msg"), "TLWMSG").unwrap();
    fs_err::write(kit.folder().join("staging/not a folder"), "").unwrap();
    let queue = kit.queue();
    assert!(kit.under("staging").is_empty() && kit.under("gone").is_empty());
    assert_eq!(queue.depth().unwrap().batches, 1);
}

#[test]
fn acknowledged_batch_whose_files_were_not_yet_removed_does_not_come_again() {
    let kit = Kit::new();
    put(&kit.queue(), &["done"]);
    fs_err::rename(&kit.under("ready")[0], kit.folder().join("gone/0199f0c0a1b27c3d8e4f5a6b7c8d9e0f")).unwrap();
    assert!(kit.queue().next().unwrap().is_none());
    assert!(kit.under("gone").is_empty());
}

#[test]
fn batch_with_a_reason_that_never_got_aside_is_ready() {
    let kit = Kit::new();
    put(&kit.queue(), &["a"]);
    fs_err::write(kit.under("ready")[0].join("reason"), r#"{"version":1,"rea"#).unwrap();
    assert!(kit.queue().next().unwrap().is_some());
}

#[test]
fn batch_that_lies_aside_without_its_reason_is_listed() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["a"]);
    queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    fs_err::remove_file(kit.under("aside")[0].join("reason")).unwrap();
    assert_eq!(queue.entries().unwrap()[0].reason, None);
    queue.requeue("1").unwrap();
    assert!(queue.next().unwrap().is_some());
}
