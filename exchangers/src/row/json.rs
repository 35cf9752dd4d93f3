//! A row as JSON: for REST, histories and formats that write JSON.

use super::{Row, RowRef, ValueRef};
use crate::json::{is_json, write_text};
use crate::kinds::{FieldType, Kind};
use serde_json::value::RawValue;
use std::fmt::Write as _;
use tillway_proto::money::format_scaled;

/// Appends the row as a JSON object: field names of the table, decimal numbers with all their
/// digits, nested values as they are, unknown fields at the end. Nulls are left out.
pub fn write_json(kind: Kind, row: &RowRef<'_>, out: &mut String) {
    out.push('{');
    let start = out.len();
    for (field, value) in kind.fields().iter().zip(&row.values) {
        if *value == ValueRef::Null {
            continue;
        }
        if out.len() > start {
            out.push(',');
        }
        write_text(field.name, out);
        out.push(':');
        write_value(field.field_type, *value, out);
    }
    // `extra` is a canonical JSON object: what is between its braces goes in as it is.
    let inner = row.extra.and_then(|extra| extra.strip_prefix('{')?.strip_suffix('}')).unwrap_or("");
    if !inner.is_empty() {
        if out.len() > start {
            out.push(',');
        }
        out.push_str(inner);
    }
    out.push('}');
}

/// The row as JSON text; see [`write_json`].
pub fn to_json(kind: Kind, row: &RowRef<'_>) -> String {
    let mut out = String::with_capacity(256);
    write_json(kind, row, &mut out);
    out
}

/// The row as a JSON value that can stand inside another one; see [`write_json`].
pub fn to_payload(kind: Kind, row: &RowRef<'_>) -> Result<Box<RawValue>, serde_json::Error> {
    RawValue::from_string(to_json(kind, row))
}

impl Row {
    /// The row, borrowed, with a value for every field of its kind.
    pub fn to_ref(&self, kind: Kind) -> RowRef<'_> {
        let mut values: Vec<_> = self.values.iter().map(super::Value::as_ref).collect();
        values.resize(kind.fields().len(), ValueRef::Null);
        RowRef { extra: self.extra.as_deref(), values }
    }
}

fn write_value(field_type: FieldType, value: ValueRef<'_>, out: &mut String) {
    match value {
        ValueRef::Null => out.push_str("null"),
        ValueRef::Integer(number) => match (field_type, field_type.decimal()) {
            (FieldType::Bool, _) => out.push_str(if number == 0 { "false" } else { "true" }),
            (_, Some((_, scale))) => out.push_str(&format_scaled(number, scale)),
            (_, None) => {
                let _ = write!(out, "{number}"); // writing to a String cannot fail
            }
        },
        // Of a damaged row it may be any text: then it is told as one.
        ValueRef::Text(text) if field_type == FieldType::Json && is_json(text) => out.push_str(text),
        ValueRef::Text(text) => write_text(text, out),
    }
}
