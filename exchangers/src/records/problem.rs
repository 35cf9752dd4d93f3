//! What keeps a record from being taken.

use super::{Cause, MAX_KEY_CHARS, RejectReason, ValueFault, shortened};

/// Why what a format has read of a record is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The record as a whole.
    Whole {
        /// For programs.
        cause: Cause,
        /// For people.
        reason: RejectReason,
    },
    /// One of its values: within a nested list it is that of the entry alone.
    Value {
        /// For programs.
        cause: Cause,
        /// The field.
        field: String,
        /// Its value, as it came.
        value: String,
        /// For people.
        reason: RejectReason,
    },
}

impl Problem {
    /// The record as a whole.
    pub fn whole(cause: Cause, reason: RejectReason) -> Self {
        Self::Whole { cause, reason }
    }

    /// One name comes twice in one object.
    pub(crate) fn twice(name: &str) -> Self {
        let field = shortened(name.escape_debug().to_string(), MAX_KEY_CHARS);
        Self::whole(Cause::Twice, RejectReason::FieldTwice { field })
    }

    /// A value that its field does not take.
    pub(super) fn value(field: &'static str, value: String, fault: ValueFault) -> Self {
        let reason = RejectReason::Value { field, fault };
        Self::Value { cause: Cause::Value, field: field.to_owned(), value, reason }
    }
}
