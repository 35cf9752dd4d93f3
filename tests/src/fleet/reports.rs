//! What a simulated till says, and what may happen to it on the way.

use super::Shared;
use super::link::{LinkError, Session};
use super::till::SimulatedTill;
use jiff::Timestamp;
use tillway_proto::report::{REPORT_SCHEMA, Reported, TillState};
use tillway_proto::{DeliveryState, Direction, PackageLink, RejectCause, Report};
use uuid::Uuid;

/// A delivery reached a state.
pub(super) async fn delivery(
    till: &SimulatedTill,
    shared: &Shared,
    session: &Session,
    link: &PackageLink,
    state: DeliveryState,
    why: Option<(RejectCause, String)>,
) -> Result<(), LinkError> {
    let (cause, reason) = why.map_or((None, None), |(cause, reason)| (Some(cause), Some(reason)));
    let (delivery, package) = (link.delivery, link.package.clone());
    let report = Report::Delivery { delivery, package, state, reason, cause, till_state: till.state() };
    tell(till, shared, session, report).await
}

/// It is here, and has this.
pub(super) async fn contact(till: &SimulatedTill, shared: &Shared, session: &Session) -> Result<(), LinkError> {
    tell(till, shared, session, Report::Contact { state: till.state() }).await
}

/// Publishes a report, as far as its luck goes.
pub(super) async fn tell(
    till: &SimulatedTill,
    shared: &Shared,
    session: &Session,
    report: Report,
) -> Result<(), LinkError> {
    let reported = Reported {
        schema: REPORT_SCHEMA,
        peer: till.identity.till.clone().into(),
        instance: till.instance,
        sent_at: till.clock(Timestamp::now()),
        report,
    };
    let Ok(bytes) = reported.to_bytes() else { return Ok(()) };
    let id = Uuid::now_v7().to_string();
    let (key, kind) = (till.identity.secret.code_key(), reported.report.kind());
    let head = key.head(Direction::ToServer, &reported.peer, kind, &id, &bytes);
    let faults = shared.faults();
    let (hold, twice) =
        till.with_luck(|luck| (luck.happens(faults.holds_reports), luck.happens(faults.doubles_reports)));
    let late = till.take_held();
    if hold && late.is_none() {
        till.count(|told| told.reports_held += 1);
        till.hold((head, bytes));
        return Ok(());
    }
    session.publish(&head, &bytes).await?;
    if twice {
        till.count(|told| told.reports_doubled += 1);
        session.publish(&head, &bytes).await?;
    }
    match late {
        Some((head, late)) => session.publish(&head, &late).await,
        None => Ok(()),
    }
}

/// What a till that has nothing says.
pub(super) fn empty_state() -> TillState {
    TillState { agent_version: env!("CARGO_PKG_VERSION").to_owned(), shows_token: true, ..TillState::default() }
}
