//! Puts, takes, ends of a claim.

use tillway_file_queue::disk::RealDisk;
use tillway_file_queue::{Depth, Limits, NewMessage, Queue, QueueError, Sequence, State, durable};

use crate::kit::{Fake, Kit, Step, bodies, drain, put};

#[test]
fn batch_comes_back_as_it_was_put_on_a_real_disk() {
    let kit = Kit::new();
    let queue = kit.queue_on(std::sync::Arc::new(RealDisk), Limits::default()).unwrap();
    let mut batch = queue.begin_batch().unwrap();
    batch.set_attribute("package", "b3:1234");
    let message = NewMessage::new("application/x-chunk").attribute("kind", "item");
    let binary: Vec<u8> = (0..=255).cycle().take(200_000).collect();
    batch.put(message.clone(), &binary).unwrap();
    batch.put(NewMessage::new("application/x-chunk"), b"").unwrap();
    let committed = batch.commit().unwrap();

    let claim = queue.next().unwrap().unwrap();
    assert_eq!((claim.sequence(), claim.id(), claim.tries()), (Sequence(1), committed.id, 1));
    assert_eq!((claim.message_count(), claim.bytes()), (2, committed.bytes));
    assert_eq!(claim.attributes()["package"], "b3:1234");
    for _twice in 0..2 {
        let messages: Vec<_> = claim.messages().map(Result::unwrap).collect();
        assert_eq!(messages.len(), 2);
        assert_eq!(messages[0].header.id, message.id);
        assert_eq!(messages[0].header.attributes, message.attributes);
        assert_eq!(messages[0].body, binary);
        assert!(messages[1].body.is_empty());
    }
    claim.ack().unwrap();
    assert!(queue.next().unwrap().is_none());
    for folder in ["ready", "aside", "staging", "gone"] {
        assert!(kit.under(folder).is_empty(), "{folder}");
    }
}

#[test]
fn batches_come_in_the_order_of_their_commits() {
    let kit = Kit::new();
    let queue = kit.queue();
    let mut early = queue.begin_batch().unwrap();
    early.put(NewMessage::new("text/plain"), b"begun first").unwrap();
    put(&queue, &["committed first"]);
    early.commit().unwrap();
    for body in 3..=40 {
        put(&queue, &[&body.to_string()]);
    }
    let drained = drain(&queue);
    assert_eq!(drained[0].1, ["committed first"]);
    assert_eq!(drained[1].1, ["begun first"]);
    assert_eq!(drained.len(), 40);
    assert!(drained.is_sorted());
}

#[test]
fn sequence_is_not_given_twice_even_after_everything_was_consumed() {
    let kit = Kit::new();
    let first = put(&kit.queue(), &["a"]);
    drain(&kit.queue());
    assert!(put(&kit.queue(), &["b"]) > first);
}

#[test]
fn sequences_that_two_handles_note_for_themselves_still_grow_in_the_order_of_commits() {
    let kit = Kit::new();
    let (one, other) = (kit.queue(), kit.queue());
    let mut last = Sequence(0);
    for queue in [&one, &one, &other, &one, &other, &other, &kit.queue(), &one, &one] {
        let sequence = put(queue, &["x"]);
        assert!(sequence > last, "{sequence} after {last}");
        last = sequence;
        drain(queue);
    }
}

#[test]
fn a_sequence_that_is_noted_already_costs_no_sync() {
    let kit = Kit::new();
    let disk = std::sync::Arc::new(Fake::default());
    let queue = kit.queue_on(disk.clone(), Limits::default()).unwrap();
    put(&queue, &["a"]);
    disk.steps.lock().unwrap().clear();
    assert_eq!(put(&queue, &["b"]), Sequence(2));
    assert!(!disk.steps.lock().unwrap().contains(&Step::SyncDir(kit.folder())));
}

#[test]
fn a_producer_takes_its_own_batch_where_nothing_waits_before_it_and_the_try_counts() {
    let kit = Kit::new();
    let queue = kit.queue();
    let commit = |body: &[u8]| {
        let mut batch = queue.begin_batch().unwrap();
        batch.put(NewMessage::new("text/plain"), body).unwrap();
        batch.commit_and_claim().unwrap()
    };
    let (first, claim) = commit(b"first");
    let claim = claim.unwrap();
    assert_eq!((claim.sequence(), claim.id(), claim.tries()), (first.sequence, first.id, 1));
    assert_eq!(bodies(&claim), ["first"]);
    assert!(queue.next().unwrap().is_none(), "it is with one consumer");
    let (_, behind) = commit(b"second");
    assert!(behind.is_none(), "order is the order of commits");
    claim.release("not now").unwrap();
    let again = queue.next().unwrap().unwrap();
    assert_eq!((again.sequence(), again.tries()), (first.sequence, 2));
    again.ack().unwrap();
    assert_eq!(drain(&queue).len(), 1);
}

#[test]
fn lost_or_damaged_sequence_file_is_counted_on_from_what_is_there() {
    for damage in [None, Some(&b""[..]), Some(&b"\0\0\0\0"[..]), Some(&b"9999 0123456789abcdef\n"[..])] {
        let kit = Kit::new();
        let queue = kit.queue();
        put(&queue, &["a"]);
        let aside = put(&queue, &["b"]);
        queue.next().unwrap().unwrap().ack().unwrap();
        queue.next().unwrap().unwrap().set_aside("no good").unwrap();
        let file = kit.folder().join("sequence");
        match damage {
            Some(bytes) => fs_err::write(&file, bytes).unwrap(),
            None => fs_err::remove_file(&file).unwrap(),
        }
        assert_eq!(put(&kit.queue(), &["c"]).0, aside.0 + 1);
    }
}

#[test]
fn batch_is_seen_only_after_its_commit() {
    let kit = Kit::new();
    let queue = kit.queue();
    let mut batch = queue.begin_batch().unwrap();
    batch.put(NewMessage::new("text/plain"), b"a").unwrap();
    assert!(kit.queue().next().unwrap().is_none());
    assert_eq!(queue.depth().unwrap(), Depth::default());
    batch.commit().unwrap();
    assert!(kit.queue().next().unwrap().is_some());
}

#[test]
fn batch_dropped_without_commit_leaves_nothing() {
    let kit = Kit::new();
    let queue = kit.queue();
    let mut batch = queue.begin_batch().unwrap();
    batch.put(NewMessage::new("text/plain"), b"a").unwrap();
    assert_eq!(kit.under("staging").len(), 1);
    drop(batch);
    assert!(kit.under("staging").is_empty());
}

#[test]
fn batch_without_messages_is_a_batch() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &[]);
    let claim = queue.next().unwrap().unwrap();
    assert_eq!((claim.message_count(), claim.messages().count()), (0, 0));
    assert_eq!(claim.attributes()["from"], "test");
}

#[test]
fn open_does_not_take_away_a_batch_that_a_live_producer_writes() {
    let kit = Kit::new();
    let queue = kit.queue();
    let mut batch = queue.begin_batch().unwrap();
    batch.put(NewMessage::new("text/plain"), b"a").unwrap();
    let other = kit.queue();
    batch.put(NewMessage::new("text/plain"), b"b").unwrap();
    batch.commit().unwrap();
    assert_eq!(drain(&other)[0].1, ["a", "b"]);
}

#[test]
fn claimed_batch_is_with_one_consumer_and_the_next_one_gets_the_next() {
    let kit = Kit::new();
    let (one, two) = (kit.queue(), kit.queue());
    put(&one, &["a"]);
    put(&one, &["b"]);
    let a = one.next().unwrap().unwrap();
    let b = two.next().unwrap().unwrap();
    assert_eq!((bodies(&a), bodies(&b)), (vec!["a".to_owned()], vec!["b".to_owned()]));
    assert!(two.next().unwrap().is_none());
    assert_eq!(two.depth().unwrap().batches, 2);
}

#[test]
fn more_claims_than_one_listing_brings_do_not_hide_the_free_batch_behind_them() {
    let kit = Kit::new();
    let queue = kit.queue();
    let committed: Vec<_> = (0..70).map(|body| put(&queue, &[&body.to_string()])).collect();
    let claims: Vec<_> = (0..69).map(|_| queue.next().unwrap().unwrap()).collect();
    assert_eq!(queue.next().unwrap().unwrap().sequence(), committed[69]);
    drop(claims);
}

#[test]
fn released_batch_keeps_its_place_and_its_try_counts() {
    let kit = Kit::new();
    let queue = kit.queue();
    let first = put(&queue, &["a"]);
    put(&queue, &["b"]);
    queue.next().unwrap().unwrap().release("database busy").unwrap();
    let again = kit.queue().next().unwrap().unwrap();
    assert_eq!((again.sequence(), again.tries()), (first, 2));
    drop(again);
    assert_eq!(queue.next().unwrap().unwrap().tries(), 3, "dropped without a word is released");
}

#[test]
fn put_back_batch_is_as_if_it_had_not_been_claimed() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["a"]);
    for _stop in 0..20 {
        let claim = queue.next().unwrap().unwrap();
        assert_eq!(claim.tries(), 1);
        claim.put_back().unwrap();
    }
}

#[test]
fn batch_is_set_aside_after_its_last_try_and_the_rest_goes_on() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_tries: 3, ..Limits::default() });
    put(&queue, &["poison"]);
    put(&queue, &["good"]);
    for _ in 0..3 {
        queue.next().unwrap().unwrap().release("syntax error").unwrap();
    }
    assert_eq!(drain(&queue)[0].1, ["good"]);
    let entry = queue.entries().unwrap().pop().unwrap();
    assert_eq!((entry.state, entry.tries), (State::Aside, 3));
    assert_eq!(entry.reason.unwrap(), "given up after 3 tries, the last: syntax error");
}

#[test]
fn requeued_batch_goes_back_to_its_old_place_with_all_its_tries() {
    let kit = Kit::new();
    let queue = kit.queue();
    let first = put(&queue, &["a"]);
    put(&queue, &["b"]);
    queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    assert!(matches!(queue.requeue("2"), Err(QueueError::NoSuchBatch { .. })));
    queue.requeue(&first.to_string()).unwrap();
    let claim = queue.next().unwrap().unwrap();
    assert_eq!((claim.sequence(), claim.tries(), bodies(&claim)), (first, 1, vec!["a".to_owned()]));
    assert!(kit.under("aside").is_empty());
}

#[test]
fn drop_spares_what_a_consumer_works_on() {
    let kit = Kit::new();
    let queue = kit.queue();
    for body in ["a", "b", "c"] {
        put(&queue, &[body]);
    }
    queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    let claim = queue.next().unwrap().unwrap();
    let refused = queue.drop_batch(&claim.sequence().to_string());
    assert!(matches!(refused, Err(QueueError::Claimed { .. })), "{refused:?}");
    let dropped = queue.drop_all().unwrap();
    assert_eq!((dropped.dropped, dropped.claimed), (2, 1));
    assert_eq!(bodies(&claim), ["b"]);
    claim.ack().unwrap();
    assert!(queue.entries().unwrap().is_empty());
}

#[test]
fn batch_gets_its_name_only_after_all_of_it_is_synced_and_is_committed_only_after_that_name_is() {
    let kit = Kit::new();
    let disk = std::sync::Arc::new(Fake::default());
    let queue = kit.queue_on(disk.clone(), Limits::default()).unwrap();
    disk.steps.lock().unwrap().clear();
    put(&queue, &["a", "b"]);
    let steps = disk.steps.lock().unwrap().clone();
    let commit =
        steps.iter().position(|step| matches!(step, Step::Rename(_, to) if to.starts_with(queue.ready_folder())));
    let (before, after) = steps.split_at(commit.unwrap());
    for (at, step) in before.iter().enumerate() {
        let later = &before[at..];
        match step {
            Step::Write(path) => assert!(later.contains(&Step::SyncFile(path.clone())), "{path:?}"),
            Step::CreateFile(path) if path.starts_with(kit.folder().join("staging")) => {
                assert!(later.contains(&Step::SyncDir(path.parent().unwrap().into())), "{path:?}");
            }
            _ => {}
        }
    }
    assert!(before.contains(&Step::SyncDir(kit.folder())), "the sequence is noted");
    assert_eq!(after[1], Step::SyncDir(queue.ready_folder()));
}

#[test]
fn queue_of_a_newer_program_is_refused_and_left_alone() {
    let kit = Kit::new();
    put(&kit.queue(), &["a"]);
    let open = || Queue::open(kit.root.path(), &crate::kit::name(), Limits::default());
    fs_err::write(kit.folder().join("format"), "tillway file-queue 3\n").unwrap();
    open().expect("without its check it is a damaged one of ours");
    let check = &blake3::hash(b"tillway file-queue 2").to_hex()[..16];
    fs_err::write(kit.folder().join("format"), format!("tillway file-queue 2 {check}\n")).unwrap();
    let refused = open();
    assert!(matches!(refused, Err(QueueError::NewerFormat { found: 2, .. })), "{refused:?}");
    assert_eq!(kit.under("ready").len(), 1);
}

#[test]
fn small_file_is_replaced_whole_and_keeps_its_permissions() {
    use std::os::unix::fs::PermissionsExt as _;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("cash.ini");
    durable::write_atomic(&path, b"old").unwrap();
    fs_err::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    durable::write_atomic(&path, b"new").unwrap();
    assert_eq!(fs_err::read(&path).unwrap(), b"new");
    assert_eq!(fs_err::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    fs_err::write(folder.path().join(".cash.ini.tmp-dead"), "ne").unwrap();
    durable::remove_leftovers(&path).unwrap();
    durable::rename(&path, &folder.path().join("cash.bak")).unwrap();
    assert_eq!(crate::kit::paths_in(folder.path()), [folder.path().join("cash.bak")]);
}
