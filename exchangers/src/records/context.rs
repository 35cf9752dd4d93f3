//! What goes along while one record is read: the zone of its times, the warnings so far, how many
//! entries it has.

use super::{Cause, MAX_ENTRIES, Problem, RejectReason, Warning, WarningKind};
use jiff::tz::TimeZone;

/// One record's reading.
#[derive(Debug)]
pub struct Context<'z> {
    /// Times that name a zone are converted to this one.
    pub(crate) zone: &'z TimeZone,
    pub(crate) warnings: Vec<Warning>,
    /// Whether a time was converted: under other rules of the zone the same text may be another
    /// row.
    pub(crate) zoned: bool,
    entries: usize,
}

impl<'z> Context<'z> {
    /// For one record; times that name a zone become times of `zone`.
    pub fn new(zone: &'z TimeZone) -> Self {
        Self { zone, warnings: Vec::new(), zoned: false, entries: 0 }
    }

    pub(crate) fn warn(&mut self, field: &str, value: &str, what: WarningKind) {
        self.warnings.push(Warning::new(field, value, what));
    }

    /// Puts the place of an entry before the fields of the warnings from `from` on.
    pub(crate) fn within(&mut self, from: usize, field: &str, place: Option<usize>) {
        for warning in &mut self.warnings[from..] {
            let place = place.map(|place| format!("[{place}]")).unwrap_or_default();
            let inner = std::mem::take(&mut warning.field);
            let point = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
            warning.field = format!("{field}{place}{point}{inner}");
        }
    }

    /// An entry is rejected by itself: nothing else is told of it, of the warnings from `from` on.
    pub(crate) fn reject_entry(&mut self, from: usize, field: &str, value: &str, reason: RejectReason) {
        self.warnings.truncate(from);
        self.warn(field, value, WarningKind::EntryRejected { reason });
    }

    /// Another entry of a nested list.
    pub(crate) fn count_entry(&mut self) -> Result<(), Problem> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            return Err(Problem::whole(Cause::TooManyEntries, RejectReason::TooManyEntries { max: MAX_ENTRIES }));
        }
        Ok(())
    }
}
