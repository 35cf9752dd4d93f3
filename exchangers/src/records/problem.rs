//! What keeps a record from being taken.

use super::Cause;

/// Why what a format has read of a record is not taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Problem {
    /// The record as a whole.
    Whole {
        /// For programs.
        cause: Cause,
        /// For people.
        reason: String,
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
        reason: String,
    },
}

impl Problem {
    /// The record as a whole.
    pub fn whole(cause: Cause, reason: impl Into<String>) -> Self {
        Self::Whole { cause, reason: reason.into() }
    }

    /// One name comes twice in one object.
    pub(crate) fn twice(name: &str) -> Self {
        Self::whole(Cause::Twice, format!("field `{}`: {}", name.escape_debug(), crate::json::TWICE))
    }

    /// A value that its field does not take; `reason` goes on after the field's name.
    pub(super) fn value(field: &str, value: String, reason: impl std::fmt::Display) -> Self {
        Self::Value {
            cause: Cause::Value,
            field: field.to_owned(),
            value,
            reason: format!("field `{field}`: {reason}"),
        }
    }
}
