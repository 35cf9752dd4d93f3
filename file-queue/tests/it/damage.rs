//! Damaged files: set aside by themselves, with a reason, and the rest goes on.

use std::path::Path;

use proptest::prelude::*;
use tillway_file_queue::format::{self, BatchHeader, MessageHeader};
use tillway_file_queue::{Limits, Queue, QueueError, Sequence, State};

use crate::kit::{Kit, drain, put};

/// Puts a broken batch between two good ones; says the reason for which it was set aside.
fn reason_for(break_it: impl FnOnce(&Path)) -> String {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["good"]);
    put(&queue, &["one", "two", "three"]);
    put(&queue, &["good too"]);
    break_it(&kit.under("ready")[1]);
    let verified = queue.verify().unwrap();
    assert_eq!(verified.broken.len(), 1, "{verified:?}");
    let drained = drain(&queue);
    assert_eq!(drained.iter().map(|(_, bodies)| bodies[0].as_str()).collect::<Vec<_>>(), ["good", "good too"]);
    let entries = queue.entries().unwrap();
    let [entry] = entries.as_slice() else { panic!("{entries:?}") };
    assert_eq!((entry.id.as_str(), entry.state), ("2", State::Aside));
    assert!(entry.aside_since.is_some());
    // Back by hand it is found out again.
    assert_eq!(queue.requeue_aside().unwrap(), 1);
    assert!(queue.next().unwrap().is_none());
    assert_eq!(queue.aside_depth().unwrap().batches, 1);
    entry.reason.clone().unwrap()
}

fn rewrite(path: &Path, change: impl FnOnce(&mut Vec<u8>)) {
    let mut bytes = fs_err::read(path).unwrap();
    change(&mut bytes);
    fs_err::write(path, bytes).unwrap();
}

#[test]
fn message_with_zeroed_tail_is_set_aside() {
    let reason = reason_for(|batch| {
        rewrite(&batch.join("00000001.msg"), |bytes| {
            let from = bytes.len() - 33;
            bytes[from..].fill(0);
        });
    });
    assert_eq!(reason, "00000001.msg: the body does not match its checksum");
}

#[test]
fn message_with_torn_tail_is_set_aside() {
    let reason = reason_for(|batch| rewrite(&batch.join("00000002.msg"), |bytes| bytes.truncate(bytes.len() - 7)));
    assert!(reason.starts_with("00000002.msg: the file should be "), "{reason}");
    let reason = reason_for(|batch| rewrite(&batch.join("00000002.msg"), |bytes| bytes.truncate(20)));
    assert_eq!(reason, "00000002.msg: the file is cut off after 20 bytes");
}

#[test]
fn message_with_bytes_behind_its_end_is_set_aside() {
    let reason = reason_for(|batch| rewrite(&batch.join("00000000.msg"), |bytes| bytes.push(0)));
    assert!(reason.starts_with("00000000.msg: the file should be "), "{reason}");
}

#[test]
fn empty_message_file_is_set_aside() {
    let reason = reason_for(|batch| fs_err::write(batch.join("00000000.msg"), "").unwrap());
    assert_eq!(reason, "00000000.msg: the file is empty");
}

#[test]
fn message_of_zeros_is_set_aside() {
    let reason = reason_for(|batch| rewrite(&batch.join("00000000.msg"), |bytes| bytes.fill(0)));
    assert_eq!(reason, "00000000.msg: the file does not start with the mark of a queue file");
}

#[test]
fn batch_that_misses_a_message_is_set_aside() {
    let reason = reason_for(|batch| fs_err::remove_file(batch.join("00000002.msg")).unwrap());
    assert_eq!(reason, "00000002.msg: the file is missing");
}

#[test]
fn batch_that_misses_its_manifest_is_set_aside() {
    let reason = reason_for(|batch| fs_err::remove_file(batch.join("batch")).unwrap());
    assert_eq!(reason, "batch: the file is missing");
}

#[test]
fn empty_folder_is_set_aside() {
    let reason = reason_for(|batch| {
        fs_err::remove_dir_all(batch).unwrap();
        fs_err::create_dir(batch).unwrap();
    });
    assert_eq!(reason, "batch: the file is missing");
}

#[test]
fn batch_whose_messages_changed_places_is_set_aside() {
    let reason = reason_for(|batch| {
        fs_err::rename(batch.join("00000000.msg"), batch.join("swap")).unwrap();
        fs_err::rename(batch.join("00000001.msg"), batch.join("00000000.msg")).unwrap();
        fs_err::rename(batch.join("swap"), batch.join("00000001.msg")).unwrap();
    });
    assert_eq!(reason, "00000000.msg: the message belongs to another batch or another place in it");
}

#[test]
fn message_of_a_newer_program_is_set_aside() {
    let reason = reason_for(|batch| rewrite(&batch.join("00000000.msg"), |bytes| bytes[8] = 2));
    assert_eq!(reason, "00000000.msg: the file has version 2, this program knows 1");
}

#[test]
fn batch_renamed_by_hand_to_other_counts_is_set_aside() {
    let reason = reason_for(|batch| fs_err::rename(batch, batch.with_file_name("0000000000000002-1-5-0")).unwrap());
    assert!(reason.starts_with("batch: the batch should hold 3 messages"), "{reason}");
}

#[test]
fn stray_in_ready_is_set_aside_and_can_only_be_dropped() {
    let kit = Kit::new();
    let queue = kit.queue();
    fs_err::write(kit.folder().join("ready/notes.txt"), "do not touch").unwrap();
    fs_err::create_dir(kit.folder().join("ready/copy of 1")).unwrap();
    fs_err::write(kit.folder().join("ready/0000000000000007-1-5-0"), "a file, not a folder").unwrap();
    put(&queue, &["good"]);
    assert_eq!(drain(&queue).len(), 1);
    assert!(kit.under("ready").is_empty());
    let entries = queue.entries().unwrap();
    assert_eq!(entries.len(), 3, "{entries:?}");
    let stray = entries.iter().find(|entry| entry.id.starts_with("stray-")).unwrap();
    assert!(stray.reason.is_some());
    assert!(matches!(queue.requeue(&stray.id), Err(QueueError::NotABatch { .. })));
    assert_eq!(queue.drop_aside().unwrap(), 3);
    assert!(kit.under("aside").is_empty());
}

#[test]
fn message_damaged_after_its_claim_is_an_error_and_its_batch_goes_aside_at_the_next_claim() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["one", "two"]);
    let claim = queue.next().unwrap().unwrap();
    rewrite(&kit.under("ready")[0].join("00000001.msg"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    let read: Vec<_> = claim.messages().collect();
    assert!(matches!(read.as_slice(), [Ok(_), Err(QueueError::Damaged { .. })]), "{read:?}");
    claim.release("damaged").unwrap();
    assert!(queue.next().unwrap().is_none());
    assert_eq!(queue.aside_depth().unwrap().batches, 1);
}

#[test]
fn what_is_set_aside_on_the_way_is_told_with_what_its_producer_said_of_it() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["good"]);
    put(&queue, &["damaged in its message"]);
    put(&queue, &["damaged in its manifest"]);
    put(&queue, &["good too"]);
    let batches = kit.under("ready");
    rewrite(&batches[1].join("00000000.msg"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    rewrite(&batches[2].join("batch"), |bytes| *bytes.last_mut().unwrap() ^= 1);
    let mut told = Vec::new();
    queue.next_telling(|aside| told.push(aside)).unwrap().unwrap().ack().unwrap();
    assert_eq!(told, []);
    let claim = queue.next_telling(|aside| told.push(aside)).unwrap().unwrap();
    assert_eq!(claim.sequence(), Sequence(4));
    let [message, manifest] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((message.sequence, manifest.sequence), (Sequence(2), Sequence(3)));
    assert_eq!(message.attributes.as_ref().unwrap()["from"], "test");
    assert_eq!(message.reason, "00000000.msg: the body does not match its checksum");
    assert_eq!(manifest.attributes, None);
    assert!(manifest.reason.starts_with("batch: "), "{manifest:?}");
}

#[test]
fn a_batch_that_was_handed_out_too_often_is_told_when_it_is_set_aside() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_tries: 1, ..Limits::default() });
    put(&queue, &["kills its consumer"]);
    // As a process that dies leaves it: the try counted, the lock gone.
    queue.next().unwrap().unwrap().put_back().unwrap();
    let ready = kit.under("ready").remove(0);
    let tried = ready.to_str().unwrap().strip_suffix("-0").unwrap();
    fs_err::rename(&ready, format!("{tried}-1")).unwrap();
    let mut told = Vec::new();
    assert!(queue.next_telling(|aside| told.push(aside)).unwrap().is_none());
    assert_eq!(told.len(), 1);
    assert!(told[0].reason.contains("handed out 1 times") && told[0].attributes.is_some(), "{told:?}");
}

#[test]
fn any_flipped_bit_in_a_batch_is_found() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["body"]);
    let batch = kit.under("ready").remove(0);
    for file in ["batch", "00000000.msg"] {
        let path = batch.join(file);
        let sound = fs_err::read(&path).unwrap();
        for bit in 0..sound.len() * 8 {
            let mut bytes = sound.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert!(!is_sound(file, &bytes), "{file}: bit {bit}");
        }
        assert!(is_sound(file, &sound));
    }
}

fn is_sound(file: &str, bytes: &[u8]) -> bool {
    let length = bytes.len() as u64;
    match file {
        "batch" => format::open_from::<BatchHeader, _>(bytes, length).and_then(format::Opened::check).is_ok(),
        _ => format::open_from::<MessageHeader, _>(bytes, length).and_then(format::Opened::check).is_ok(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_read_without_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), keep_magic: bool) {
        let mut bytes = bytes;
        if keep_magic {
            bytes.splice(..bytes.len().min(12), *b"TLWMSG\r\n\x01\0\0\0");
        }
        prop_assert!(!is_sound("00000000.msg", &bytes));
    }

    #[test]
    fn file_cut_anywhere_is_found(body in prop::collection::vec(any::<u8>(), 0..400), cut: prop::sample::Index) {
        let header = crate::golden::message_header(0);
        let sealed = format::seal(&header, &body).unwrap();
        let mut file = [sealed.head.as_slice(), &body, &sealed.seal].concat();
        prop_assert!(is_sound("00000000.msg", &file));
        file.truncate(cut.index(file.len()));
        prop_assert!(!is_sound("00000000.msg", &file));
    }
}

#[test]
fn unreadable_root_is_an_error_that_names_it() {
    let kit = Kit::new();
    let file = kit.root.path().join("file");
    fs_err::write(&file, "").unwrap();
    let error = Queue::open(&file, &crate::kit::name(), tillway_file_queue::Limits::default()).unwrap_err();
    assert!(matches!(&error, QueueError::Io { folder, .. } if folder.starts_with(&file)), "{error}");
}
