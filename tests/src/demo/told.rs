//! What the demo prints.

use super::prices::Applied;
use super::shifts::Played;
use crate::journey::Totals;
use std::time::Duration;

/// Above the weeks.
pub(super) const HEADING: &str = "\
week  objects   on the wire  applied at till (ms)                 receipts rung/received   sum received    of data set";

/// The line about the catalogue.
pub(super) fn opening(applied: &Applied, products: usize) -> String {
    format!(
        "The catalogue ({products} items) and the first prices: {} objects, {}, applied at {}.",
        applied.objects,
        bytes(applied.bytes),
        times(&applied.times)
    )
}

/// The line about a week.
pub(super) fn week(week: u32, applied: &Applied, played: &Played) -> String {
    format!(
        "{week:>4} {:>8} {:>13}  {:<36} {:>6} / {:<6} {:>21} {:>14}",
        applied.objects,
        bytes(applied.bytes),
        times(&applied.times),
        played.rung.receipts,
        played.received.receipts,
        played.received.sum.to_string(),
        played.expected.sum.to_string(),
    )
}

/// The last line, when all agreed.
pub(super) fn totals(weeks: u32, rung: Totals, (objects, sent): (u64, u64), time: Duration) -> String {
    let seconds = time.as_secs();
    format!("demo: ok {weeks} weeks, {rung}; {objects} objects changed, {} on the wire; {seconds} s", bytes(sent))
}

fn bytes(bytes: u64) -> String {
    if bytes < 10_000 { format!("{bytes} B") } else { format!("{} kB", bytes / 1000) }
}

fn times(times: &[(String, Duration)]) -> String {
    if times.is_empty() {
        return "with the catalogue".to_owned();
    }
    let told: Vec<String> = times.iter().map(|(till, time)| format!("{till} {}", time.as_millis())).collect();
    told.join(", ")
}
