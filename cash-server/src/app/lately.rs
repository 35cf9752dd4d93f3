//! A day by its hours and a week by its days: receipts, loads, and how long prices took to their
//! tills. All of it is read from sums that are kept, so that a page may ask every two seconds.

use super::error::AppError;
use super::{Acting, SalesOf};
use crate::store::exchange::Way;
use crate::store::sales::{TotalsBy, TotalsFilter};
use jiff::civil::{Date, DateTime, Time};
use jiff::{SignedDuration, Span, Timestamp, Unit, Zoned};
use std::collections::BTreeMap;
use tillway_proto::NodeId;

/// Hours of a day, the one that runs included.
const HOURS: i32 = 24;

/// Days of a week, today included.
const DAYS: i32 = 7;

/// What happened in an hour or on a day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Slot {
    /// When it begins, in the server's time.
    pub begins: DateTime,
    /// Receipts that ended then, by the tills' clocks; none where their database does not answer.
    pub receipts: Option<u64>,
    /// Loads that came in.
    pub loads: u64,
    /// Deliveries that were applied.
    pub applied: u64,
    /// Half of these took at most so long from a price to the till.
    pub half: Option<SignedDuration>,
    /// And 95 of a hundred at most so long.
    pub most: Option<SignedDuration>,
}

/// A day by its hours and a week by its days, the newest last.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Lately {
    /// The last 24 hours, of which the newest runs.
    pub hours: Vec<Slot>,
    /// The last 7 days, of which the newest runs.
    pub days: Vec<Slot>,
    /// From a price to its till, in half of all cases of these hours, and in 95 of 100.
    pub half: Option<SignedDuration>,
    /// See `half`.
    pub most: Option<SignedDuration>,
}

/// What is known, by the beginnings of hours and by days.
struct Known {
    receipts_of_hours: Option<BTreeMap<DateTime, u64>>,
    receipts_of_days: Option<BTreeMap<Date, u64>>,
    loads: Vec<(Zoned, u64)>,
    ways: Vec<(Zoned, Way)>,
}

impl Acting {
    /// What happened lately, as far as the caller may see it.
    pub fn lately(&self, now: &Zoned) -> Result<Lately, AppError> {
        let scope = self.reading()?;
        let hours = beginnings_of_hours(now);
        let first_day = now.date().checked_sub(Span::new().days(DAYS - 1)).unwrap_or(now.date());
        let first_hour = hours.first().map_or_else(|| now.timestamp(), Zoned::timestamp);
        let from =
            first_day.to_zoned(now.time_zone().clone()).map_or(first_hour, |day| day.timestamp().min(first_hour));
        let here = |at: Timestamp| at.to_zoned(now.time_zone().clone());
        let nodes: Option<Vec<NodeId>> = (!scope.is_whole()).then(|| {
            let network = self.parts.network.current();
            network.map(|network| scope.seen(network).nodes().map(|node| node.id.clone()).collect()).unwrap_or_default()
        });
        let loads = self.parts.journal.loads_by_hour(from, nodes.as_deref())?;
        let ways = self.parts.exchange.ways(scope.tills().as_deref(), from)?;
        let known = Known {
            receipts_of_hours: self.receipts_of_hours(&hours).ok(),
            receipts_of_days: self.receipts_of_days(first_day, now.date()).ok(),
            loads: loads.into_iter().map(|(at, count)| (here(at), count)).collect(),
            ways: ways.into_iter().map(|way| (here(way.hour), way)).collect(),
        };
        Ok(known.told(&hours, first_day))
    }

    fn receipts_of_hours(&self, hours: &[Zoned]) -> Result<BTreeMap<DateTime, u64>, AppError> {
        let mut days: Vec<Date> = hours.iter().map(Zoned::date).collect();
        days.dedup();
        let mut found = BTreeMap::new();
        for day in days {
            let filter = TotalsFilter { from: Some(day), to: Some(day), ..TotalsFilter::default() };
            for row in self.totals(SalesOf::default(), &filter, TotalsBy::Hour)? {
                let hour = row.key.parse().ok().and_then(|hour| Time::new(hour, 0, 0, 0).ok());
                let Some(begins) = hour.map(|hour| day.to_datetime(hour)) else { continue };
                found.insert(begins, u64::try_from(row.receipts).unwrap_or_default());
            }
        }
        Ok(found)
    }

    fn receipts_of_days(&self, from: Date, to: Date) -> Result<BTreeMap<Date, u64>, AppError> {
        let filter = TotalsFilter { from: Some(from), to: Some(to), ..TotalsFilter::default() };
        let rows = self.totals(SalesOf::default(), &filter, TotalsBy::Day)?;
        let told = rows.iter().filter_map(|row| Some((row.key.parse().ok()?, u64::try_from(row.receipts).ok()?)));
        Ok(told.collect())
    }
}

/// When each of the last hours begins, the oldest first.
fn beginnings_of_hours(now: &Zoned) -> Vec<Zoned> {
    let rounding = jiff::ZonedRound::new().smallest(Unit::Hour).mode(jiff::RoundMode::Trunc);
    let Ok(running) = now.round(rounding) else { return Vec::new() };
    let before = |hours: i32| running.checked_sub(Span::new().hours(hours)).ok();
    (0..HOURS).rev().filter_map(before).collect()
}

impl Known {
    fn told(&self, hours: &[Zoned], first_day: Date) -> Lately {
        let of_hours = hours.iter().map(|hour| {
            let is_in = |at: &Zoned| at >= hour && at.duration_since(hour) < SignedDuration::from_hours(1);
            let begins = hour.datetime();
            let receipts = self.receipts_of_hours.as_ref().map(|of| of.get(&begins).copied().unwrap_or_default());
            self.slot(begins, receipts, is_in)
        });
        let of_days = (0..DAYS).filter_map(|day| first_day.checked_add(Span::new().days(day)).ok()).map(|day| {
            let receipts = self.receipts_of_days.as_ref().map(|of| of.get(&day).copied().unwrap_or_default());
            self.slot(day.to_datetime(Time::midnight()), receipts, |at| at.date() == day)
        });
        let of_the_hours = self.ways.iter().filter(|(at, _)| hours.first().is_some_and(|first| at >= first));
        let took = Took::of(of_the_hours.map(|(_, way)| way));
        Lately { hours: of_hours.collect(), days: of_days.collect(), half: took.share(50), most: took.share(95) }
    }

    fn slot(&self, begins: DateTime, receipts: Option<u64>, is_in: impl Fn(&Zoned) -> bool) -> Slot {
        let took = Took::of(self.ways.iter().filter(|(at, _)| is_in(at)).map(|(_, way)| way));
        Slot {
            begins,
            receipts,
            loads: self.loads.iter().filter(|(at, _)| is_in(at)).map(|(_, count)| count).sum(),
            applied: took.count,
            half: took.share(50),
            most: took.share(95),
        }
    }
}

/// How many took how long.
#[derive(Default)]
struct Took {
    by_step_ms: BTreeMap<i64, u64>,
    count: u64,
}

impl Took {
    fn of<'a>(ways: impl Iterator<Item = &'a Way>) -> Self {
        let mut this = Self::default();
        for way in ways {
            *this.by_step_ms.entry(way.took_up_to_ms).or_default() += way.deliveries;
            this.count += way.deliveries;
        }
        this
    }

    /// The time that so many of a hundred do not exceed.
    fn share(&self, percent: u64) -> Option<SignedDuration> {
        let wanted = (self.count * percent).div_ceil(100).max(1);
        let mut counted = 0;
        self.by_step_ms.iter().find_map(|(step_ms, count)| {
            counted += count;
            (counted >= wanted).then(|| SignedDuration::from_millis(*step_ms))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::tz::TimeZone;

    fn way(at: &Zoned, took_up_to_ms: i64, deliveries: u64) -> (Zoned, Way) {
        (at.clone(), Way { hour: at.timestamp(), took_up_to_ms, deliveries })
    }

    #[test]
    fn an_hour_and_a_day_have_what_happened_in_them() {
        let now: Zoned = "2026-03-04T01:20:00+03:00[Europe/Moscow]".parse().unwrap();
        let hours = beginnings_of_hours(&now);
        assert_eq!((hours.len(), hours[0].to_string()), (24, "2026-03-03T02:00:00+03:00[Europe/Moscow]".to_owned()));
        let yesterday = &hours[5];
        let known = Known {
            receipts_of_hours: Some(BTreeMap::from([(hours[23].datetime(), 7), (yesterday.datetime(), 9)])),
            receipts_of_days: None,
            loads: vec![(hours[23].clone(), 1), (yesterday.clone(), 2)],
            ways: vec![way(&hours[23], 200, 95), way(&hours[23], 4_000, 5), way(yesterday, 100, 1)],
        };
        let first_day = Date::constant(2026, 2, 26);
        let told = known.told(&hours, first_day);
        let newest = &told.hours[23];
        assert_eq!(
            (newest.begins.to_string().as_str(), newest.receipts, newest.loads),
            ("2026-03-04T01:00:00", Some(7), 1)
        );
        assert_eq!(newest.applied, 100);
        let ms = |took: Option<SignedDuration>| took.map(|took| took.as_millis());
        assert_eq!((ms(newest.half), ms(newest.most)), (Some(200), Some(200)), "95 of 100 are within the step");
        assert_eq!((told.hours[4].receipts, told.hours[4].loads, told.hours[4].half), (Some(0), 0, None));
        assert_eq!((told.days.len(), told.days[6].loads, told.days[5].loads), (7, 1, 2), "a day ends at midnight here");
        assert_eq!((told.days[6].receipts, told.days[6].applied, told.days[5].applied), (None, 100, 1));
        assert_eq!((ms(told.half), ms(told.most)), (Some(200), Some(200)));
    }

    #[test]
    fn shares_are_those_of_half_and_of_95_in_100() {
        let now = Zoned::new(Timestamp::UNIX_EPOCH, TimeZone::UTC);
        let ways: Vec<Way> = (1..=100).map(|tenth| way(&now, tenth * 100, 1).1).collect();
        let took = Took::of(ways.iter());
        let ms = |percent| took.share(percent).map(|took| took.as_millis());
        assert_eq!((ms(50), ms(95), ms(100)), (Some(5_000), Some(9_500), Some(10_000)));
        assert_eq!(Took::of(std::iter::empty()).share(95), None);
        assert_eq!(Took::of(ways[..1].iter()).share(50).map(|took| took.as_millis()), Some(100));
    }
}
