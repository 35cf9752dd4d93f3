//! What is refused, and that it leaves nothing behind.

use tillway_file_queue::{Limit, Limits, NewMessage, QueueError};

use crate::kit::{Kit, bodies, drain, put, try_put};

#[test]
fn put_over_the_number_of_batches_is_refused_until_there_is_room() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_batches: 2, ..Limits::default() });
    put(&queue, &["a"]);
    put(&queue, &["b"]);
    let error = try_put(&queue, &["c"]).unwrap_err();
    assert!(matches!(error, QueueError::Full { limit: Limit::Batches, present: 2, asked: 1, max: 2, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "file queue dicts is full: 1 more on top of 2 pass the limit of 2 batches in the queue; \
         see why its consumer does not go on (`file-queue ls dicts`), or raise the limit"
    );
    assert!(kit.under("staging").is_empty());
    queue.next().unwrap().unwrap().ack().unwrap();
    put(&queue, &["c"]);
}

#[test]
fn put_over_the_bytes_of_the_queue_is_refused() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_bytes: 3000, ..Limits::default() });
    let body = "x".repeat(1000);
    put(&queue, &[&body]);
    let error = try_put(&queue, &[&body, &body]).unwrap_err();
    assert!(matches!(error, QueueError::Full { limit: Limit::Bytes, .. }), "{error:?}");
    let error = try_put(&queue, &[&body, &body, &body]).unwrap_err();
    assert!(matches!(error, QueueError::Full { .. }), "{error:?}");
    drain(&queue);
    let error = try_put(&queue, &[&body, &body, &body]).unwrap_err();
    assert!(matches!(error, QueueError::TooLarge { limit: Limit::Bytes, .. }), "alone too large: {error:?}");
    assert!(kit.under("staging").is_empty() && kit.under("ready").is_empty());
}

#[test]
fn two_producers_cannot_pass_the_limit_together() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_batches: 1, ..Limits::default() });
    let (one, two) = (queue.begin_batch().unwrap(), queue.begin_batch().unwrap());
    one.commit().unwrap();
    assert!(matches!(two.commit(), Err(QueueError::Full { .. })));
    assert_eq!(queue.depth().unwrap().batches, 1);
}

#[test]
fn large_message_is_refused_and_its_batch_cannot_be_committed_without_it() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_message_bytes: 10, max_batch_messages: 2, ..Limits::default() });
    let mut batch = queue.begin_batch().unwrap();
    batch.put(NewMessage::new("text/plain"), b"0123456789").unwrap();
    let error = batch.put(NewMessage::new("text/plain"), b"0123456789a").unwrap_err();
    assert!(matches!(error, QueueError::TooLarge { limit: Limit::MessageBytes, asked: 11, max: 10, .. }), "{error:?}");
    assert!(matches!(batch.put(NewMessage::new("text/plain"), b"1"), Err(QueueError::BatchFailed { .. })));
    assert!(matches!(batch.commit(), Err(QueueError::BatchFailed { .. })));
    let error = try_put(&queue, &["1", "2", "3"]).unwrap_err();
    assert!(matches!(error, QueueError::TooLarge { limit: Limit::BatchMessages, .. }), "{error:?}");
    assert!(kit.under("staging").is_empty() && kit.under("ready").is_empty());
}

#[test]
fn large_attributes_are_refused() {
    let kit = Kit::new();
    let message = NewMessage::new("text/plain").attribute("name", "x".repeat(70_000));
    let error = kit.queue().put(message, b"").unwrap_err();
    assert!(matches!(error, QueueError::TooLarge { limit: Limit::HeaderBytes, .. }), "{error:?}");
    let mut batch = kit.queue().begin_batch().unwrap();
    batch.set_attribute("name", "x".repeat(70_000));
    assert!(matches!(batch.commit(), Err(QueueError::TooLarge { limit: Limit::HeaderBytes, .. })));
    assert!(kit.under("staging").is_empty());
}

#[test]
fn oldest_of_what_lies_aside_goes_first() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_aside_batches: 2, ..Limits::default() });
    for body in ["a", "b", "c", "d"] {
        put(&queue, &[body]);
        queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    }
    let ids: Vec<_> = queue.entries().unwrap().into_iter().map(|entry| entry.id).collect();
    assert_eq!(ids, ["3", "4"]);
}

#[test]
fn what_lies_aside_is_bounded_in_bytes() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_aside_bytes: 3000, ..Limits::default() });
    let body = "x".repeat(1000);
    for _ in 0..4 {
        put(&queue, &[&body]);
        queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    }
    let depth = queue.aside_depth().unwrap();
    assert!(depth.batches == 2 && depth.bytes <= 3000, "{depth:?}");
    assert!(kit.under("gone").is_empty());
}

#[test]
fn requeue_respects_the_limits_of_the_queue() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { max_batches: 1, ..Limits::default() });
    put(&queue, &["a"]);
    queue.next().unwrap().unwrap().set_aside("no good").unwrap();
    put(&queue, &["b"]);
    assert!(matches!(queue.requeue("1"), Err(QueueError::Full { .. })));
    assert_eq!(bodies(&queue.next().unwrap().unwrap()), ["b"]);
    assert_eq!(queue.aside_depth().unwrap().batches, 1);
}

#[test]
fn long_reason_is_cut_at_a_character() {
    let kit = Kit::new();
    let queue = kit.queue();
    put(&queue, &["a"]);
    queue.next().unwrap().unwrap().set_aside(&"ы".repeat(5000)).unwrap();
    assert_eq!(queue.entries().unwrap()[0].reason.as_ref().unwrap().chars().count(), 2048);
}

#[test]
fn hung_holder_of_the_lock_is_an_error_not_a_wait_for_ever() {
    let kit = Kit::new();
    let queue = kit.queue_with(Limits { lock_wait: std::time::Duration::from_millis(30), ..Limits::default() });
    let held = fs_err::File::open(kit.folder().join("queue.lock")).unwrap();
    held.file().lock().unwrap();
    assert!(matches!(queue.next(), Err(QueueError::Busy { .. })));
    drop(held);
    assert!(queue.next().unwrap().is_none());
}
