//! Values: as a format reads them, and as a row keeps them.

use crate::json::write_text;
use crate::row::ValueRef;
use jiff::civil::{Date, DateTime};
use std::borrow::Cow;

/// A value as a format reads it, its text borrowed from the record where possible.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cell<'a> {
    /// Nothing: the field is absent.
    #[default]
    Null,
    /// Yes or no.
    Flag(bool),
    /// A whole number.
    Integer(i64),
    /// A number, as a JSON number is written: `-12.50`, `1e3`. It never passes through floating
    /// point.
    Decimal(Cow<'a, str>),
    /// A text; of a field that holds a number, a time or a flag the text of one.
    Text(Cow<'a, str>),
    /// A day.
    Day(Date),
    /// Local time.
    Time(DateTime),
    /// A value that holds others, as JSON: in canonical form where it is kept, so where the
    /// field's type is [`Json`](crate::kinds::FieldType::Json) or the field is not declared.
    Nested(Cow<'a, str>),
}

/// A value of a row, its text borrowed from the record where possible.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) enum RowValue<'a> {
    #[default]
    Null,
    Integer(i64),
    Text(Cow<'a, str>),
}

impl Cell<'_> {
    /// As it came, for people.
    pub(crate) fn into_text(self) -> String {
        match self {
            Self::Null => "null".to_owned(),
            Self::Flag(value) => value.to_string(),
            Self::Integer(number) => number.to_string(),
            Self::Decimal(text) | Self::Text(text) | Self::Nested(text) => text.into_owned(),
            Self::Day(day) => day.to_string(),
            Self::Time(time) => time.to_string(),
        }
    }

    /// Whether it is absent, or a text of nothing but blanks.
    pub(crate) fn is_blank(&self) -> bool {
        match self {
            Self::Null => true,
            Self::Text(text) => text.trim().is_empty(),
            _ => false,
        }
    }

    /// Appends it as canonical JSON.
    pub(crate) fn write_json(&self, out: &mut String) {
        match self {
            Self::Null => out.push_str("null"),
            Self::Flag(value) => out.push_str(if *value { "true" } else { "false" }),
            Self::Integer(number) => out.push_str(&number.to_string()),
            Self::Decimal(number) => out.push_str(number),
            Self::Text(text) => write_text(text, out),
            Self::Day(day) => write_text(&day.to_string(), out),
            Self::Time(time) => write_text(&time.to_string(), out),
            Self::Nested(json) => out.push_str(json),
        }
    }
}

impl<'a> RowValue<'a> {
    pub(crate) fn from_value(value: ValueRef<'a>) -> Self {
        match value {
            ValueRef::Null => Self::Null,
            ValueRef::Integer(number) => Self::Integer(number),
            ValueRef::Text(text) => Self::Text(Cow::Borrowed(text)),
        }
    }

    pub(crate) fn as_value(&self) -> ValueRef<'_> {
        match self {
            Self::Null => ValueRef::Null,
            Self::Integer(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text),
        }
    }
}

/// An object of these members as canonical JSON; of members with one name the last counts.
pub(super) fn write_members(mut members: Vec<(Cow<'_, str>, Cell<'_>)>) -> String {
    let mut out = String::from("{");
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    for (at, (name, cell)) in members.iter().enumerate() {
        if members.get(at + 1).is_some_and(|(next, _)| next == name) {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        write_text(name, &mut out);
        out.push(':');
        cell.write_json(&mut out);
    }
    out.push('}');
    out
}
