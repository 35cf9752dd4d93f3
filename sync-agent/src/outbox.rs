//! Reports that wait for the broker: bounded, in memory, and of each matter only the newest.
//!
//! A report is a hint that carries its state whole, so nothing is lost with one: what counts is
//! said again with the next contact. That is why the outbox may forget the oldest when it is full,
//! and all of it when the process ends.

use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tillway_proto::report::{REPORT_SCHEMA, Reported};
use tillway_proto::{DeliveryId, PeerId, Report};
use tokio::sync::Notify;
use uuid::Uuid;

/// Most matters that wait: a till has a handful of deliveries and commands under way.
const MAX_WAITING_REPORTS: usize = 256;

/// What a report is about; a newer one about the same takes its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Matter {
    Contact,
    Delivery(DeliveryId),
    NeedSnapshot,
    Unload(Option<Uuid>),
    Command(Uuid),
}

impl Matter {
    fn of(report: &Report) -> Self {
        match report {
            Report::Contact { .. } => Self::Contact,
            Report::Delivery { delivery, .. } => Self::Delivery(*delivery),
            Report::NeedSnapshot { .. } => Self::NeedSnapshot,
            Report::Unload { command, .. } => Self::Unload(*command),
            Report::Refused { command, .. } => Self::Command(*command),
        }
    }
}

/// A report on its way; [`Outbox::done`] takes it off.
#[derive(Debug, Clone)]
pub(crate) struct Waiting {
    number: u64,
    matter: Matter,
    /// The report with its envelope.
    pub(crate) reported: Reported,
}

#[derive(Debug, Default)]
struct Inner {
    waiting: VecDeque<Waiting>,
    next: u64,
}

/// Reports that wait. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outbox {
    peer: PeerId,
    instance: Uuid,
    inner: Arc<Mutex<Inner>>,
    changed: Arc<Notify>,
}

impl Outbox {
    pub(crate) fn new(peer: PeerId, instance: Uuid) -> Self {
        Self { peer, instance, inner: Arc::default(), changed: Arc::default() }
    }

    /// Puts a report in, in place of an older one about the same matter. Never waits.
    pub(crate) fn put(&self, report: Report) {
        let matter = Matter::of(&report);
        let reported = Reported {
            schema: REPORT_SCHEMA,
            peer: self.peer.clone(),
            instance: self.instance,
            sent_at: Timestamp::now(),
            report,
        };
        let mut inner = self.inner();
        let number = inner.next;
        inner.next += 1;
        inner.waiting.retain(|waiting| waiting.matter != matter);
        if inner.waiting.len() >= MAX_WAITING_REPORTS {
            inner.waiting.pop_front();
        }
        inner.waiting.push_back(Waiting { number, matter, reported });
        drop(inner);
        self.changed.notify_one();
    }

    /// The oldest report, as soon as there is one. It stays until [`Self::done`].
    pub(crate) async fn next(&self) -> Waiting {
        loop {
            let first = self.inner().waiting.front().cloned();
            if let Some(mut waiting) = first {
                waiting.reported.sent_at = Timestamp::now();
                return waiting;
            }
            self.changed.notified().await;
        }
    }

    /// The broker has it.
    pub(crate) fn done(&self, sent: &Waiting) {
        self.inner().waiting.retain(|waiting| waiting.number != sent.number);
    }

    /// How many wait.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.inner().waiting.len()
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_proto::report::TillState;

    fn outbox() -> Outbox {
        Outbox::new("_cash_1_00ab34ef".parse().unwrap(), Uuid::nil())
    }

    fn contact(queued: u64) -> Report {
        Report::Contact { state: TillState { queued, ..TillState::default() } }
    }

    fn refused(command: u128) -> Report {
        Report::Refused { command: Uuid::from_u128(command), reason: String::new() }
    }

    #[tokio::test]
    async fn the_newest_word_on_a_matter_wins() {
        let outbox = outbox();
        outbox.put(contact(1));
        outbox.put(refused(1));
        outbox.put(contact(2));
        assert_eq!(outbox.len(), 2);
        assert_eq!(outbox.next().await.reported.report, refused(1));
        outbox.done(&outbox.next().await);
        assert_eq!(outbox.next().await.reported.report, contact(2));
    }

    #[tokio::test]
    async fn a_report_that_came_while_the_old_one_was_sent_still_goes_out() {
        let outbox = outbox();
        outbox.put(contact(1));
        let sending = outbox.next().await;
        outbox.put(contact(2));
        outbox.done(&sending);
        assert_eq!(outbox.next().await.reported.report, contact(2));
    }

    #[test]
    fn a_full_outbox_forgets_the_oldest() {
        let outbox = outbox();
        for command in 0..1000 {
            outbox.put(refused(command));
        }
        assert_eq!(outbox.len(), MAX_WAITING_REPORTS);
    }
}
