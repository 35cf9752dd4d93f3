//! Decisions of the agent as pure functions over plain data. The simulated till runs the same
//! ones.
//!
//! - A link comes: [`on_link`] over what the till has ([`Have`]). An answer to its download:
//!   [`on_status`], [`wait_before_retry`]. A package is to be applied: [`on_package`].
//! - Sales: [`Progress`] tells what was sent, [`Holdings`] what the server says it has, [`lost`]
//!   what to send again, [`is_another_database`] when nothing that is remembered counts.
//!
//! **Architecture invariant:** none of them reads a clock, nor takes a time of day: what is sent
//! or applied follows from row ids, keys and revisions. A till's clock may be anywhere.

mod sales;

pub use sales::{Holdings, Lost, Mark, Progress, Sent, SetAside, TillShift, is_another_database, lost};
pub use tillway_exchangers::till::dictionary::{PackageStep, on_package};

use std::time::Duration;
use tillway_proto::{DeliveryState, PackageLink, Revision};

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
/// A package that ends exactly where the till stands is fetched: it may repair rows that differ,
/// and the loader skips it if it does not. One that stands alone and names the till's cursor as
/// one that the server does not believe is fetched too.
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
    if link.to < reached && link.replaces != Some(reached) {
        LinkStep::Older
    } else if link.from > reached {
        LinkStep::Gap { have: reached }
    } else {
        LinkStep::Fetch
    }
}

/// What an answer to a download means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StatusMeaning {
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
pub fn on_status(status: u16, offset: u64) -> StatusMeaning {
    match status {
        200 => StatusMeaning::Whole,
        206 if offset > 0 => StatusMeaning::Rest,
        416 if offset > 0 => StatusMeaning::BeginAnew,
        408 | 425 | 429 | 500..=599 => StatusMeaning::Later,
        // Everything else, redirects to nowhere and answers nobody asked for too, will be the same
        // next time.
        _ => StatusMeaning::Gone,
    }
}

/// How long to wait before the next try: what the server asks for, within reason, else the
/// back-off.
pub fn wait_before_retry(backoff: Duration, retry_after: Option<Duration>, cap: Duration) -> Duration {
    retry_after.map_or(backoff, |asked| asked.max(backoff).min(cap))
}

#[cfg(test)]
mod tests {
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
            until: None,
            replaces: None,
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
    fn a_cursor_that_the_server_does_not_believe_is_replaced_only_while_it_is_that_one() {
        let anew = PackageLink { replaces: Some(Revision(9)), ..link(0, 5) };
        assert_eq!(on_link(&anew, have(9)), LinkStep::Fetch);
        assert_eq!(on_link(&anew, have(8)), LinkStep::Older, "it came late");
        let queued = Have { queued_to: Some(Revision(10)), ..have(9) };
        assert_eq!(on_link(&anew, queued), LinkStep::Older);
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
        assert_eq!(on_status(200, 10), StatusMeaning::Whole);
        assert_eq!((on_status(206, 10), on_status(206, 0)), (StatusMeaning::Rest, StatusMeaning::Gone));
        assert_eq!((on_status(416, 10), on_status(416, 0)), (StatusMeaning::BeginAnew, StatusMeaning::Gone));
        for status in [400, 401, 403, 404, 410, 302] {
            assert_eq!(on_status(status, 10), StatusMeaning::Gone);
        }
        for status in [408, 429, 500, 503] {
            assert_eq!(on_status(status, 0), StatusMeaning::Later);
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
}
