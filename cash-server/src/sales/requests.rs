//! What a till is asked for. Pure; the exchange sends it.

use jiff::ToSpan;
use jiff::civil::{Date, DateTime};
use tillway_proto::UnloadSelection;

/// So far back a till is asked for that has never sent a sale here.
pub const NEW_TILL_HOURS: i64 = 24;

/// Why sales are asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// The till told that a shift closed, or its period is over, or it was attached, or an
    /// operator wants what is missing.
    WhatIsMissing,
    /// An operator wants these local days again, both included.
    Days {
        /// First day.
        from: Date,
        /// Last day.
        to: Date,
    },
    /// An operator wants everything from this local time on again.
    Since(DateTime),
}

/// Decides the selection. `last_receipt` is the end of the newest receipt the server has of this
/// till, `now` the local time of the till's shop.
pub fn selection(ask: Ask, last_receipt: Option<DateTime>, now: DateTime) -> UnloadSelection {
    match (ask, last_receipt) {
        (Ask::WhatIsMissing, Some(_)) => UnloadSelection::MISSING,
        (Ask::WhatIsMissing, None) => {
            let from = now.checked_sub(NEW_TILL_HOURS.hours()).unwrap_or(DateTime::MIN);
            UnloadSelection::Missing { new_till_from: Some(from) }
        }
        (Ask::Days { from, to }, _) => UnloadSelection::Days { from: from.min(to), to: from.max(to) },
        (Ask::Since(time), _) => UnloadSelection::Since { time },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: DateTime = DateTime::constant(2017, 3, 1, 9, 30, 0, 0);

    #[test]
    fn a_till_without_sales_is_asked_for_the_last_24_hours() {
        let time = DateTime::constant(2017, 2, 28, 9, 30, 0, 0);
        let expected = UnloadSelection::Missing { new_till_from: Some(time) };
        assert_eq!(selection(Ask::WhatIsMissing, None, NOW), expected);
    }

    #[test]
    fn a_till_with_sales_is_asked_for_what_is_missing_and_for_days_on_demand() {
        assert_eq!(selection(Ask::WhatIsMissing, Some(NOW), NOW), UnloadSelection::MISSING);
        let (from, to) = (Date::constant(2017, 1, 1), Date::constant(2017, 1, 7));
        let days = UnloadSelection::Days { from, to };
        assert_eq!(selection(Ask::Days { from, to }, None, NOW), days);
        assert_eq!(selection(Ask::Days { from: to, to: from }, Some(NOW), NOW), days);
    }
}
