//! Which mails a person gets now, of what waits for them. Pure.

use crate::store::outbox::{Alert, AlertSort, Content, Outgoing, Stage};
use jiff::civil::Time;
use jiff::{SignedDuration, Timestamp, ToSpan as _, Zoned};
use std::collections::BTreeMap;

/// Most lines of one mail about alerts; the rest goes with the next.
const MAX_LINES: usize = 200;

const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// A mail to be sent, of what waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mail<'a> {
    /// Somebody wants to see whether mails arrive.
    Trial(&'a Outgoing),
    /// The report of a day.
    Report(&'a Outgoing),
    /// What happened.
    Alerts(Vec<&'a Outgoing>),
}

impl Mail<'_> {
    /// The numbers of what it tells.
    pub(super) fn numbers(&self) -> Vec<i64> {
        match self {
            Self::Trial(one) | Self::Report(one) => vec![one.no],
            Self::Alerts(all) => all.iter().map(|one| one.no).collect(),
        }
    }

    /// What receivers know a repeat by.
    pub(super) fn id(&self) -> uuid::Uuid {
        match self {
            Self::Trial(one) | Self::Report(one) => one.id,
            Self::Alerts(all) => all.first().map(|one| one.id).unwrap_or_default(),
        }
    }
}

/// What is done about what waits for one person.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Plan<'a> {
    pub(super) mails: Vec<Mail<'a>>,
    /// What nobody is told any more.
    pub(super) dropped: Vec<i64>,
    /// When to look again, where something waits for a time.
    pub(super) wake: Option<Timestamp>,
}

impl Plan<'_> {
    fn wait(&mut self, until: Timestamp) {
        self.wake = Some(self.wake.map_or(until, |wake| wake.min(until)));
    }
}

/// How much a person gets.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pace<'a> {
    /// When mails arrived within the last hour, the oldest first.
    pub(super) sent: &'a [Timestamp],
    /// Most of them within an hour.
    pub(super) per_hour: u32,
    /// Until when no mails go out, where that is so now.
    pub(super) quiet_until: Option<Timestamp>,
}

/// What is done about what waits for one person, the oldest first.
pub(super) fn plan<'a>(rows: &[&'a Outgoing], pace: Pace<'_>, now: Timestamp) -> Plan<'a> {
    let mut plan = Plan { dropped: no_news(rows), ..Plan::default() };
    let mut left = (pace.per_hour as usize).saturating_sub(pace.sent.len());
    let mut reports: Vec<&Outgoing> = Vec::new();
    let mut alerts: Vec<&Outgoing> = Vec::new();
    let mut trials: Vec<&Outgoing> = Vec::new();
    for row in rows.iter().copied().filter(|row| !plan.dropped.contains(&row.no)) {
        match row.content {
            Content::Trial => trials.push(row),
            Content::Report { .. } => reports.push(row),
            Content::Alert { .. } => alerts.push(row),
            Content::Unknown => {}
        }
    }
    // When there is room for one more within the hour.
    let room_at = pace.sent.first().and_then(|oldest| oldest.checked_add(HOUR).ok());
    let gap = HOUR / i32::try_from(pace.per_hour.max(1) * 4).unwrap_or(i32::MAX);
    // A burst becomes few mails, and does not use up the hour.
    let spaced_at = pace.sent.last().and_then(|newest| newest.checked_add(gap).ok());
    let mut send = |plan: &mut Plan<'a>, mail: Mail<'a>, first: &Outgoing, is_spaced: bool, is_quiet: bool| {
        let quiet = pace.quiet_until.filter(|_| is_quiet);
        let spaced = spaced_at.filter(|_| is_spaced);
        let room = room_at.filter(|_| left == 0);
        // Where one waits, those after it wait too: an end is not told before its start.
        let until = [Some(first.due_at), quiet, spaced, room].into_iter().flatten().max();
        match until.filter(|until| *until > now) {
            Some(until) => plan.wait(until),
            None if left == 0 => {}
            None => {
                left -= 1;
                plan.mails.push(mail);
            }
        }
    };
    for trial in trials {
        send(&mut plan, Mail::Trial(trial), trial, false, false);
    }
    if let Some(report) = reports.pop() {
        // Of several days only the newest tells how it is.
        plan.dropped.extend(reports.iter().map(|older| older.no));
        send(&mut plan, Mail::Report(report), report, false, true);
    }
    if let Some(first) = alerts.first().copied() {
        alerts.truncate(MAX_LINES);
        send(&mut plan, Mail::Alerts(alerts), first, true, true);
    }
    plan
}

/// Silences that began and are over before their mail went, and what nobody here understands.
fn no_news(rows: &[&Outgoing]) -> Vec<i64> {
    let mut dropped = Vec::new();
    let mut begun: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for row in rows {
        match &row.content {
            Content::Unknown => dropped.push(row.no),
            Content::Alert { stage, alert: Alert { sort: AlertSort::SilentShop, object, .. }, .. } => match stage {
                Stage::Start => drop(begun.insert(object, vec![row.no])),
                Stage::Growth => {
                    if let Some(numbers) = begun.get_mut(object.as_str()) {
                        numbers.push(row.no);
                    }
                }
                Stage::End => {
                    if let Some(numbers) = begun.remove(object.as_str()) {
                        dropped.extend(numbers);
                        dropped.push(row.no);
                    }
                }
            },
            _ => {}
        }
    }
    dropped
}

/// Until when no mails go out, where that is so now.
pub(super) fn quiet_until(now: &Zoned, quiet: Option<(Time, Time)>) -> Option<Timestamp> {
    let (from, until) = quiet?;
    let time = now.time();
    let (is_quiet, is_tomorrow) =
        if from < until { (time >= from && time < until, false) } else { (time >= from || time < until, time >= from) };
    let day = if is_tomorrow { now.date().checked_add(1.day()).ok()? } else { now.date() };
    is_quiet.then(|| day.to_datetime(until).to_zoned(now.time_zone().clone()).ok()).flatten().map(|end| end.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::outbox::Receiver;
    use uuid::Uuid;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap()
    }

    fn row(no: i64, content: Content) -> Outgoing {
        let receiver = Receiver::User(1);
        Outgoing { no, id: Uuid::from_u128(1), receiver, content, made_at: at(0), due_at: at(0), tries: 0, error: None }
    }

    fn alert(no: i64, sort: AlertSort, stage: Stage) -> Outgoing {
        let node = "_shop_7_00ab34ef".parse().unwrap();
        let alert = Alert { sort, object: "7".to_owned(), node, since: at(0), size: 1, detail: None };
        row(no, Content::Alert { stage, at: at(0), alert })
    }

    const PACE: Pace<'static> = Pace { sent: &[], per_hour: 6, quiet_until: None };

    fn told(rows: &[Outgoing], pace: Pace<'_>, now: i64) -> (Vec<Vec<i64>>, Vec<i64>, Option<Timestamp>) {
        let plan = plan(&rows.iter().collect::<Vec<_>>(), pace, at(now));
        (plan.mails.iter().map(Mail::numbers).collect(), plan.dropped, plan.wake)
    }

    #[test]
    fn what_happened_is_one_mail_and_reports_and_trials_are_mails_of_their_own() {
        let day = jiff::civil::date(2026, 12, 1);
        let rows = [
            alert(1, AlertSort::HeldLoad, Stage::Start),
            row(2, Content::Report { day: day.yesterday().unwrap() }),
            row(3, Content::Report { day }),
            row(4, Content::Trial),
            alert(5, AlertSort::ShiftDiffers, Stage::Growth),
            row(6, Content::Unknown),
        ];
        let (mails, dropped, wake) = told(&rows, PACE, 0);
        assert_eq!((mails, wake), (vec![vec![4], vec![3], vec![1, 5]], None));
        assert_eq!(dropped, [6, 2], "what nobody understands, and a day that is past");
    }

    #[test]
    fn a_silence_that_is_over_before_its_mail_is_no_news_and_other_ends_are() {
        use Stage::{End, Growth, Start};
        let silent = |no, stage| alert(no, AlertSort::SilentShop, stage);
        let (mails, dropped, _) =
            told(&[silent(1, Start), silent(2, Growth), silent(3, End), silent(4, Start)], PACE, 0);
        assert_eq!((mails, dropped), (vec![vec![4]], vec![1, 2, 3]));
        let (mails, dropped, _) = told(&[silent(1, End)], PACE, 0);
        assert_eq!((mails, dropped), (vec![vec![1]], vec![]), "its start was told");
        let held = |no, stage| alert(no, AlertSort::HeldLoad, stage);
        assert_eq!(told(&[held(1, Start), held(2, End)], PACE, 0).0, [[1, 2]]);
    }

    #[test]
    fn in_quiet_hours_nothing_but_a_trial_goes_out() {
        let rows = [alert(1, AlertSort::HeldLoad, Stage::Start), row(2, Content::Trial)];
        let quiet = Pace { quiet_until: Some(at(90)), ..PACE };
        assert_eq!(told(&rows, quiet, 0), (vec![vec![2]], vec![], Some(at(90))));
    }

    #[test]
    fn an_hour_has_so_many_mails_and_the_rest_is_gathered() {
        let rows = [alert(1, AlertSort::HeldLoad, Stage::Start), alert(2, AlertSort::ShiftDiffers, Stage::Start)];
        let full: Vec<_> = (0..6).map(at).collect();
        let pace = Pace { sent: &full, ..PACE };
        assert_eq!(told(&rows, pace, 30), (vec![], vec![], Some(at(60))), "the oldest leaves the hour then");
        let just_now = [at(30)];
        let pace = Pace { sent: &just_now, ..PACE };
        assert_eq!(told(&rows, pace, 31).2, Some(at(30) + SignedDuration::from_secs(150)));
        assert_eq!(told(&rows, pace, 33).0, [[1, 2]]);
    }

    #[test]
    fn what_failed_waits_and_holds_up_what_came_after_it() {
        let failed = Outgoing { due_at: at(5), tries: 1, ..alert(1, AlertSort::HeldLoad, Stage::Start) };
        let rows = [failed, alert(2, AlertSort::HeldLoad, Stage::End)];
        assert_eq!(told(&rows, PACE, 1), (vec![], vec![], Some(at(5))));
        assert_eq!(told(&rows, PACE, 5).0, [[1, 2]]);
    }

    #[test]
    fn quiet_hours_may_go_over_midnight() {
        let time = |hour| Time::constant(hour, 0, 0, 0);
        let until = |now: &str, quiet| {
            let now: Zoned = format!("{now}+03:00[Europe/Moscow]").parse().unwrap();
            quiet_until(&now, quiet).map(|end| end.to_zoned(now.time_zone().clone()).datetime().to_string())
        };
        let night = Some((time(22), time(6)));
        assert_eq!(until("2026-12-01T23:30:00", night).as_deref(), Some("2026-12-02T06:00:00"));
        assert_eq!(until("2026-12-02T05:59:00", night).as_deref(), Some("2026-12-02T06:00:00"));
        assert_eq!(until("2026-12-02T06:00:00", night), None);
        let noon = Some((time(12), time(14)));
        assert_eq!(until("2026-12-01T13:00:00", noon).as_deref(), Some("2026-12-01T14:00:00"));
        assert_eq!(until("2026-12-01T14:00:00", noon), None);
        assert_eq!(until("2026-12-01T13:00:00", None), None);
    }
}
