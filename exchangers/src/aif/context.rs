//! What goes along while one record is read: the zone of its times, the warnings so far, how many
//! entries it has.

use super::command::Problem;
use super::warning::{Warning, WarningKind};
use super::{Cause, MAX_ENTRIES};
use jiff::tz::TimeZone;

/// One record's reading.
pub(super) struct Context<'z> {
    /// Times that name a zone are converted to this one.
    pub(super) zone: &'z TimeZone,
    pub(super) warnings: Vec<Warning>,
    /// Whether a time was converted: under other rules of the zone the same text may be another
    /// row.
    pub(super) zoned: bool,
    entries: usize,
}

impl<'z> Context<'z> {
    pub(super) fn new(zone: &'z TimeZone) -> Self {
        Self { zone, warnings: Vec::new(), zoned: false, entries: 0 }
    }

    pub(super) fn warn(&mut self, field: &str, value: &str, what: WarningKind) {
        self.warnings.push(Warning::new(field, value, what));
    }

    /// Puts the place of an entry before the fields of the warnings from `from` on.
    pub(super) fn within(&mut self, from: usize, field: &str, place: Option<usize>) {
        for warning in &mut self.warnings[from..] {
            let place = place.map(|place| format!("[{place}]")).unwrap_or_default();
            let inner = std::mem::take(&mut warning.field);
            let point = if inner.is_empty() || inner.starts_with('[') { "" } else { "." };
            warning.field = format!("{field}{place}{point}{inner}");
        }
    }

    /// Another entry of a nested list.
    pub(super) fn count_entry(&mut self) -> Result<(), Problem> {
        self.entries += 1;
        if self.entries > MAX_ENTRIES {
            let reason = format!("the record has more than {MAX_ENTRIES} entries in its lists: hand it over in parts");
            return Err(Problem::Whole(Cause::TooManyEntries, reason));
        }
        Ok(())
    }
}
