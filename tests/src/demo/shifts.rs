//! Sales up: a week's real receipts are rung, the shift closes, the server has them.

use super::{Demo, DemoError, Place};
use crate::bench::BenchError;
use crate::journey::{Receipt, Totals, cashier_of, receipt_uuid, till_of, totals, week_start};
use crate::pos::{Basket, Pos, Rung};
use crate::wait::{Seen, wait_for};
use jiff::ToSpan as _;
use jiff::civil::DateTime;
use serde_json::Value;
use std::time::{Duration, Instant};
use tillway_proto::Kopecks;

/// A shift close is noticed at once; the rest is work for one small machine.
const UNLOAD_TIMEOUT: Duration = Duration::from_mins(1);

/// Change money that a shift begins with.
const FLOAT: Kopecks = Kopecks(10_000);

/// What came of one week.
#[derive(Debug, Default)]
pub(super) struct Played {
    /// What was rung.
    pub(super) rung: Totals,
    /// What the server has of these shifts.
    pub(super) received: Totals,
    /// What the data set has of the week.
    pub(super) expected: Totals,
    /// From the close of the last shift until the server had checked all.
    pub(super) time: Duration,
}

impl Demo {
    /// Rings a week at all tills, closes the shifts, waits for the sales.
    pub(super) fn play_week(&mut self, week: u32) -> Result<Played, DemoError> {
        let mut played = Played::default();
        for place in 0..self.places.len() {
            played.rung = played.rung + self.ring_week(place, week)?;
        }
        played.expected = totals(self.journey.receipts.iter().filter(|receipt| receipt.week == week));
        let closed = Instant::now();
        for place in 0..self.places.len() {
            played.received = played.received + self.wait_for_shift(place, week)?;
        }
        played.time = closed.elapsed();
        if (played.rung, played.received) != (played.expected, played.expected) {
            self.differ(format!(
                "week {week}: the data set has {}, rung were {}, the server has {}",
                played.expected, played.rung, played.received
            ));
        }
        Ok(played)
    }

    fn ring_week(&mut self, place: usize, week: u32) -> Result<Totals, DemoError> {
        let place = &mut self.places[place];
        let code = place.till.code.clone();
        let receipts: Vec<&Receipt> =
            self.journey.receipts.iter().filter(|receipt| receipt.week == week && till_of(receipt) == code).collect();
        let mut wrong = Vec::new();
        let shelf = self.shelves.get(&place.shop);
        let mut check = |receipt: &Receipt, rung: &Rung| {
            for (line, rung) in receipt.lines.iter().zip(&rung.lines).filter(|(line, _)| line.quantity.0 > 0) {
                let expected = shelf.map(|shelf| shelf.price(line.product));
                if expected != Some(rung.price) {
                    wrong.push(format!(
                        "week {week}, till {code}: {} costs {} on the till, {expected:?} by the data set",
                        rung.barcode, rung.price
                    ));
                }
            }
        };
        let begin = receipts.first().map_or_else(|| week_start(week).at(9, 0, 0, 0), |receipt| receipt.time);
        let end = receipts.last().map_or(begin, |receipt| receipt.time).saturating_add(1.minute());
        let pos = place.pos().map_err(DemoError::Bench)?;
        let cashier = cashier_of(&code, week);
        let rung = ring_shift(pos, u64::from(week), cashier, (begin, end), &receipts, &mut check);
        let rung = rung.map_err(|error| DemoError::Bench(BenchError::Pos(error)))?;
        place.rung = place.rung + rung;
        self.differences.append(&mut wrong);
        Ok(rung)
    }

    /// Until the server has the closed shift and its check came out.
    fn wait_for_shift(&mut self, place_number: usize, week: u32) -> Result<Totals, DemoError> {
        let (bench, place, interrupt) = (&self.bench, &mut self.places[place_number], &self.interrupt);
        let path = format!("/api/v1/shifts?till={}&limit=10", place.till.id);
        let what = format!("shift {week} of till {} to arrive", place.till.code);
        let till = &mut place.till;
        let shift = wait_for(what, UNLOAD_TIMEOUT, || {
            if interrupt.is_asked() {
                return Seen::Ready(Err(DemoError::Interrupted));
            }
            if let Err(error) = till.check_agent() {
                return Seen::Ready(Err(DemoError::Bench(error)));
            }
            let shifts = match bench.server.api().and_then(|api| api.read(&path).map_err(BenchError::Api)) {
                Ok(shifts) => shifts,
                Err(error) => return Seen::NotYet(format!("{error:?}")),
            };
            let shift = shifts.as_array().into_iter().flatten().find(|shift| shift["number"] == week);
            match shift {
                Some(shift) => Seen::when(is_checked(shift), Ok(shift.clone()), shift),
                None => Seen::NotYet("nothing of it is there".to_owned()),
            }
        })
        .map_err(DemoError::TimedOut)??;
        if shift["outcome"]["verdict"] != "ok" {
            self.differ(format!("the check of shift {week} says {}", shift["outcome"]));
        }
        self.compare_receipts(place_number, week)
    }

    /// Every receipt of a shift on the server against the data set: each there, once, to the
    /// kopeck.
    fn compare_receipts(&mut self, place: usize, week: u32) -> Result<Totals, DemoError> {
        let code = self.places[place].till.code.clone();
        let path = format!("/api/v1/tills/{}/shifts/{week}/receipts?limit=1000", self.places[place].till.id);
        let answer = self.bench.server.api().and_then(|api| api.read(&path).map_err(BenchError::Api));
        let answer = answer.map_err(DemoError::Bench)?;
        let mut received = Totals::default();
        let mut of_server = Vec::new();
        for receipt in answer.as_array().into_iter().flatten().filter(|receipt| receipt["doctype"] == 1) {
            let lines = receipt["lines"].as_u64().unwrap_or_default();
            let sum = Kopecks(receipt["sum"].as_i64().unwrap_or_default());
            received = received + Totals { receipts: 1, lines, sum };
            of_server.push((receipt["uuid"].as_str().unwrap_or_default().to_owned(), lines, sum));
        }
        let mut expected: Vec<(String, u64, Kopecks)> = self
            .journey
            .receipts_of(week, &code)
            .map(|receipt| (receipt_uuid(receipt).to_string(), receipt.lines.len() as u64, receipt.sum()))
            .collect();
        of_server.sort();
        expected.sort();
        if of_server != expected {
            let stray = of_server.iter().find(|receipt| !expected.contains(receipt));
            let missing = expected.iter().find(|receipt| !of_server.contains(receipt));
            self.differ(format!("week {week}, till {code}: receipts differ; stray {stray:?}, missing {missing:?}"));
        }
        Ok(received)
    }

    /// Everything that the server has, by till, against the data set.
    pub(super) fn compare_totals(&mut self) -> Result<(), DemoError> {
        for place in 0..self.places.len() {
            let (id, code) = (self.places[place].till.id.clone(), self.places[place].till.code.clone());
            let path = format!("/api/v1/totals?till={id}");
            let answer = self.bench.server.api().and_then(|api| api.read(&path).map_err(BenchError::Api));
            let row = answer.map_err(DemoError::Bench)?[0].clone();
            let received = Totals {
                receipts: row["receipts"].as_u64().unwrap_or_default(),
                lines: row["lines"].as_u64().unwrap_or_default(),
                sum: Kopecks(row["sale_sum"].as_i64().unwrap_or_default()),
            };
            let weeks = 1..=self.options.weeks;
            let of_till = |receipt: &&Receipt| weeks.contains(&receipt.week) && till_of(receipt) == code;
            let expected = totals(self.journey.receipts.iter().filter(of_till));
            if received != expected {
                self.differ(format!("till {code}: the data set has {expected}, the server {received}"));
            }
        }
        Ok(())
    }
}

impl Place {
    /// The POS, switched on when the till first has a dictionary.
    fn pos(&mut self) -> Result<&mut Pos, BenchError> {
        let pos = match self.pos.take() {
            Some(pos) => pos,
            None => self.till.pos()?,
        };
        Ok(self.pos.insert(pos))
    }
}

fn ring_shift(
    pos: &mut Pos,
    number: u64,
    cashier: u32,
    (begin, end): (DateTime, DateTime),
    receipts: &[&Receipt],
    check: &mut dyn FnMut(&Receipt, &Rung),
) -> Result<Totals, crate::pos::PosError> {
    pos.open_shift(number, cashier, begin)?;
    pos.cash_in(FLOAT, begin)?;
    let mut total = Totals::default();
    for receipt in receipts {
        let rung = pos.ring(&Basket::from(*receipt))?;
        check(receipt, &rung);
        total = total + Totals { receipts: 1, lines: rung.lines.len() as u64, sum: rung.sum };
    }
    pos.cash_out(FLOAT, end)?;
    pos.close_shift(end)?;
    Ok(total)
}

/// Whether the check of a shift has come to an end, good or bad.
fn is_checked(shift: &Value) -> bool {
    matches!(shift["outcome"]["verdict"].as_str(), Some("ok" | "differs"))
}
