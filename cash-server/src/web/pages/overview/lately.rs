//! The charts of a day and a week, and the tables that they are made of.

use super::super::super::chart::{Chart, Value, chart};
use super::seconds;
use crate::app::{Lately, Slot};
use crate::words::{Language, Words};
use jiff::SignedDuration;
use jiff::civil::DateTime;
use serde::Serialize;
use tillway_service::page::group_digits;

/// Charts of one stretch of time.
#[derive(Debug, Serialize)]
pub(in super::super) struct Period {
    /// Its words: `lately-<name>`, and the column `lately-slot-<name>`.
    pub(in super::super) name: &'static str,
    pub(in super::super) charts: Vec<Plot>,
    /// The newest first.
    pub(in super::super) rows: Vec<SlotRow>,
}

/// A chart with what it shows.
#[derive(Debug, Serialize)]
pub(in super::super) struct Plot {
    /// Its words: `plot-<name>`.
    pub(in super::super) name: &'static str,
    pub(in super::super) chart: Chart,
}

/// An hour or a day.
#[derive(Debug, Serialize)]
pub(in super::super) struct SlotRow {
    pub(in super::super) label: String,
    pub(in super::super) receipts: Option<u64>,
    pub(in super::super) loads: u64,
    pub(in super::super) applied: u64,
    pub(in super::super) half: Option<String>,
    pub(in super::super) most: Option<String>,
}

/// A day by hours, and a week by days.
pub(super) fn periods(lately: &Lately, words: &Words) -> Vec<Period> {
    let language = words.language();
    let hour = |begins: DateTime| begins.strftime("%H:%M").to_string();
    let day = |begins: DateTime| match language {
        Language::English => begins.strftime("%m-%d").to_string(),
        Language::Russian => begins.strftime("%d.%m").to_string(),
    };
    vec![period("day", &lately.hours, hour, words), period("week", &lately.days, day, words)]
}

fn period(name: &'static str, slots: &[Slot], label: impl Fn(DateTime) -> String, words: &Words) -> Period {
    let plot = |name, value: &dyn Fn(&Slot) -> Value| {
        let labelled = |slot: &Slot| Value { label: label(slot.begins), ..value(slot) };
        Plot { name, chart: chart(slots.iter().map(labelled).collect()) }
    };
    let counted = |count: u64| Value { told: group_digits(&count.to_string()), amount: count, ..Value::default() };
    let charts = vec![
        plot("receipts", &|slot| counted(slot.receipts.unwrap_or_default())),
        plot("way", &|slot| way(slot, words)),
        plot("loads", &|slot| counted(slot.loads)),
    ];
    let told = |took: Option<SignedDuration>| took.map(|took| seconds(took, words.language()));
    let row = |slot: &Slot| SlotRow {
        label: label(slot.begins),
        receipts: slot.receipts,
        loads: slot.loads,
        applied: slot.applied,
        half: told(slot.half),
        most: told(slot.most),
    };
    Period { name, charts, rows: slots.iter().rev().map(row).collect() }
}

/// The bar is the time of 95 of 100, the filled part that of half of them.
fn way(slot: &Slot, words: &Words) -> Value {
    let (Some(half), Some(most)) = (slot.half, slot.most) else { return Value { filled: Some(0), ..Value::default() } };
    let told = |took| words.text("seconds", [("n", seconds(took, words.language()).into())]);
    let tenths = |took: SignedDuration| u64::try_from(took.as_millis() / 100).unwrap_or_default();
    Value {
        told: words.text("way-told", [("half", told(half).into()), ("most", told(most).into())]),
        amount: tenths(most),
        filled: Some(tenths(half)),
        ..Value::default()
    }
}
