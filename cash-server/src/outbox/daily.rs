//! The report of a day, written down once for everybody who wants it.

use super::{Outbox, OutboxError};
use crate::hints::Hint;
use crate::store::outbox::{Content, NewOutgoing, Receiver};
use jiff::civil::{Date, Time};
use jiff::{Timestamp, ToSpan as _, Zoned};
use tillway_service::background::Next;

/// The last day whose report is due.
fn last_due(now: &Zoned, at: Time) -> Date {
    let today = now.date();
    if now.time() >= at { today } else { today.checked_sub(1.day()).unwrap_or(today) }
}

impl Outbox {
    pub(super) fn write_daily(&self) -> Result<Next, OutboxError> {
        let store = &self.parts.store;
        if self.parts.mail.server.is_none() {
            return Ok(Next::AtPeriod);
        }
        let day = last_due(&Zoned::now(), self.parts.mail.report_at);
        let written = store.report_written()?;
        if written.is_some_and(|written| written >= day) {
            return Ok(Next::AtPeriod);
        }
        let wanted = |user: &tillway_service::people::User| {
            !user.disabled && user.mailing.report && user.mailing.address.is_some()
        };
        let mut reports = Vec::new();
        // A server that has never written one begins with the next day.
        if written.is_some() {
            let users = self.own().users()?.into_iter().map(|(user, _)| user).filter(wanted);
            let report = |no| NewOutgoing { receiver: Receiver::User(no), content: Content::Report { day } };
            reports.extend(users.map(|user| report(user.no)));
        }
        if store.write_report(day, &reports, Timestamp::now())? && !reports.is_empty() {
            tracing::info!(%day, reports = reports.len(), "the daily report is due");
            self.parts.hints.give(Hint::Outbox);
        }
        Ok(Next::AtPeriod)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn a_day_s_report_is_due_from_its_hour_on() {
        let six = Time::constant(6, 0, 0, 0);
        let at = |text: &str| text.parse::<Zoned>().unwrap();
        assert_eq!(last_due(&at("2026-12-01T06:00:00+03:00[Europe/Moscow]"), six), date(2026, 12, 1));
        assert_eq!(last_due(&at("2026-12-01T05:59:59+03:00[Europe/Moscow]"), six), date(2026, 11, 30));
        // The night in which the clock goes back has the hour twice, and one day.
        let before = at("2026-10-25T02:30:00+02:00[Europe/Berlin]");
        let after = at("2026-10-25T02:30:00+01:00[Europe/Berlin]");
        let at_two = Time::constant(2, 0, 0, 0);
        assert_eq!(last_due(&before, at_two), last_due(&after, at_two));
    }
}
