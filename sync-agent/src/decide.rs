//! Decisions of the agent as pure functions over plain data. The simulated till runs the same ones.

use jiff::Span;
use jiff::civil::DateTime;
use std::collections::BTreeSet;
use std::time::Duration;
use tillway_proto::{DeliveryState, PackageLink, Revision};
use uuid::Uuid;

/// What a till has when a link arrives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Have {
    /// The revision applied.
    pub cursor: Revision,
    /// The highest revision that waits in the file queue, where any does.
    pub queued_to: Option<Revision>,
    /// The state that this very delivery reached before, where the message comes twice.
    pub seen: Option<DeliveryState>,
}

/// What to do with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LinkStep {
    /// Download it.
    Fetch,
    /// It was worked on before: say again how that ended.
    Repeat(DeliveryState),
    /// The till is further already: nothing to do.
    Older,
    /// It starts behind a revision that the till does not have: ask for the one it needs.
    Gap {
        /// What the till will have once its queue is empty.
        have: Revision,
    },
}

/// What to do with a link.
///
/// A package that ends exactly where the till stands is fetched: it may repair rows that differ, and the loader skips it
/// if it does not.
pub fn on_link(link: &PackageLink, have: Have) -> LinkStep {
    let reached = have.queued_to.unwrap_or(have.cursor).max(have.cursor);
    match have.seen {
        Some(state) if state.is_final() => return LinkStep::Repeat(state),
        // Acknowledged to ourselves but not to the broker; the batch is in the queue.
        Some(DeliveryState::Queued) if have.queued_to.is_some_and(|queued| queued >= link.to) => {
            return LinkStep::Repeat(DeliveryState::Queued);
        }
        _ => {}
    }
    if link.to < reached {
        LinkStep::Older
    } else if link.from > reached {
        LinkStep::Gap { have: reached }
    } else {
        LinkStep::Fetch
    }
}

/// What an answer to a download means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// The file from its beginning.
    Whole,
    /// The file from the offset that was asked for.
    Rest,
    /// What lies here already is longer than the file or of another one: begin anew.
    BeginAnew,
    /// The link is dead: it will not live again by asking (R6).
    Gone,
    /// The server is busy or broken: ask again later.
    Later,
}

/// What an HTTP status means to a download that asked from `offset`.
pub fn on_status(status: u16, offset: u64) -> Answer {
    match status {
        200 => Answer::Whole,
        206 if offset > 0 => Answer::Rest,
        416 if offset > 0 => Answer::BeginAnew,
        408 | 425 | 429 | 500..=599 => Answer::Later,
        // Everything else, redirects to nowhere and answers nobody asked for too, will be the same next time.
        _ => Answer::Gone,
    }
}

/// How long to wait before the next try: what the server asks for, within reason, else the back-off.
pub fn wait_before_retry(backoff: Duration, retry_after: Option<Duration>, cap: Duration) -> Duration {
    retry_after.map_or(backoff, |asked| asked.max(backoff).min(cap))
}

/// Which documents of `documents.db` the server has: all up to `low_water`, and those in `sent`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Progress {
    /// Every document up to here is done with.
    pub low_water: i64,
    /// Documents above it that are done with.
    pub sent: BTreeSet<i64>,
}

impl Progress {
    /// Whether the server has this document.
    pub fn has(&self, document: i64) -> bool {
        document <= self.low_water || self.sent.contains(&document)
    }
}

/// What ended before this local time is history from before the till was attached, where the server asks a till that has
/// never unloaded for what ended at `asked` or later.
pub fn history_ends(installed: DateTime, asked: DateTime) -> DateTime {
    asked.min(installed.checked_sub(Span::new().hours(24)).unwrap_or(DateTime::MIN))
}

/// The newest document that was sent: if `documents.db` has another one in its place, it is another database.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Its row id on the till.
    pub document: i64,
    /// The UUID of its key.
    pub uuid: Uuid,
}

/// Whether `documents.db` is another one than the one that was sent from: restored from an old image, or new. `found` is
/// its first finished document with the marked id or a later one.
///
/// A POS may prune old documents, the marked one too, as long as later ones are there. Where this says yes without
/// need, documents are offered again that the server has, and it says so.
pub fn is_another_database(mark: Mark, found: Option<Mark>) -> bool {
    found.is_none_or(|found| found.document == mark.document && found.uuid != mark.uuid)
}

#[cfg(test)]
mod tests {
    #[test]
    fn nothing_since_a_day_before_the_installation_is_history() {
        let at = |text: &str| text.parse::<DateTime>().unwrap();
        // Asked for at once: a day back. Asked for after three days offline: still everything since the installation.
        assert_eq!(history_ends(at("2026-03-10T12:00:00"), at("2026-03-09T12:00:10")), at("2026-03-09T12:00:00"));
        assert_eq!(history_ends(at("2026-03-10T12:00:00"), at("2026-03-12T12:00:00")), at("2026-03-09T12:00:00"));
        assert_eq!(history_ends(at("2026-03-10T12:00:00"), at("2026-01-01T00:00:00")), at("2026-01-01T00:00:00"));
    }

    use super::*;
    use tillway_proto::{DeliveryId, PackageName};

    fn link(from: u64, to: u64) -> PackageLink {
        PackageLink {
            delivery: DeliveryId::generate(),
            package: PackageName::from_hash([7; 32]),
            link: String::new(),
            bytes: 1,
            from: Revision(from),
            to: Revision(to),
            objects: 1,
        }
    }

    fn have(cursor: u64) -> Have {
        Have { cursor: Revision(cursor), queued_to: None, seen: None }
    }

    #[test]
    fn a_link_is_fetched_where_its_package_applies() {
        assert_eq!(on_link(&link(3, 5), have(3)), LinkStep::Fetch);
        assert_eq!(on_link(&link(3, 5), have(4)), LinkStep::Fetch);
        assert_eq!(on_link(&link(0, 5), have(5)), LinkStep::Fetch, "a repair ends where the till stands");
        assert_eq!(on_link(&link(3, 5), have(6)), LinkStep::Older);
        assert_eq!(on_link(&link(3, 5), have(2)), LinkStep::Gap { have: Revision(2) });
    }

    #[test]
    fn what_waits_in_the_queue_counts_as_reached() {
        let queued = Have { queued_to: Some(Revision(5)), ..have(3) };
        assert_eq!(on_link(&link(5, 7), queued), LinkStep::Fetch);
        assert_eq!(on_link(&link(3, 4), queued), LinkStep::Older);
        assert_eq!(on_link(&link(6, 7), queued), LinkStep::Gap { have: Revision(5) });
    }

    #[test]
    fn a_message_that_comes_twice_is_answered_and_not_worked_twice() {
        for state in [DeliveryState::Applied, DeliveryState::Rejected] {
            let seen = Have { seen: Some(state), ..have(3) };
            assert_eq!(on_link(&link(3, 5), seen), LinkStep::Repeat(state));
        }
        let queued = Have { seen: Some(DeliveryState::Queued), queued_to: Some(Revision(5)), ..have(3) };
        assert_eq!(on_link(&link(3, 5), queued), LinkStep::Repeat(DeliveryState::Queued));
        // Lost from the queue since: fetch it again.
        let lost = Have { queued_to: None, ..queued };
        assert_eq!(on_link(&link(3, 5), lost), LinkStep::Fetch);
        let half = Have { seen: Some(DeliveryState::Downloaded), ..have(3) };
        assert_eq!(on_link(&link(3, 5), half), LinkStep::Fetch);
    }

    #[test]
    fn a_dead_link_is_told_from_a_busy_server() {
        assert_eq!(on_status(200, 10), Answer::Whole);
        assert_eq!((on_status(206, 10), on_status(206, 0)), (Answer::Rest, Answer::Gone));
        assert_eq!((on_status(416, 10), on_status(416, 0)), (Answer::BeginAnew, Answer::Gone));
        for status in [400, 401, 403, 404, 410, 302] {
            assert_eq!(on_status(status, 10), Answer::Gone);
        }
        for status in [408, 429, 500, 503] {
            assert_eq!(on_status(status, 0), Answer::Later);
        }
    }

    #[test]
    fn retry_after_is_honoured_within_reason() {
        let [short, long, cap] = [1, 20, 60].map(Duration::from_secs);
        assert_eq!(wait_before_retry(short, Some(long), cap), long);
        assert_eq!(wait_before_retry(long, Some(short), cap), long);
        assert_eq!(wait_before_retry(short, Some(Duration::from_hours(24)), cap), cap);
        assert_eq!(wait_before_retry(short, None, cap), short);
    }

    #[test]
    fn a_document_that_finishes_late_is_not_skipped() {
        let progress = Progress { low_water: 3, sent: [5, 6].into() };
        assert!(progress.has(2) && progress.has(5) && !progress.has(4) && !progress.has(7));
    }

    #[test]
    fn another_database_is_noticed_by_the_newest_document_that_was_sent() {
        let mark = |document, uuid| Mark { document, uuid: Uuid::from_u128(uuid) };
        assert!(!is_another_database(mark(5, 1), Some(mark(5, 1))));
        assert!(!is_another_database(mark(5, 1), Some(mark(8, 2))), "pruned");
        assert!(is_another_database(mark(5, 1), Some(mark(5, 2))), "restored, and sold again since");
        assert!(is_another_database(mark(5, 1), None), "restored");
    }
}
