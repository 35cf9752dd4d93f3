//! Keys, from the values of their fields.

use super::{Cause, Problem, RejectReason, RowValue, ValueFault};
use crate::kinds::{Kind, Storage};
use crate::row::{KEY_SEPARATOR, ObjectKey, ValueRef};
use std::borrow::Cow;

/// The text of one part of a key.
pub(crate) fn key_part(value: &RowValue<'_>) -> String {
    ObjectKey::from_values([value.as_value()]).into_text()
}

/// Checks the value of a key field, and fills it where it may be absent.
pub(crate) fn complete_key(kind: Kind, column: usize, value: &mut RowValue<'_>) -> Result<(), Problem> {
    let field = &kind.fields()[column];
    match value {
        RowValue::Null if field.may_be_absent => {
            *value = match field.field_type.storage() {
                Storage::Integer => RowValue::Integer(0),
                Storage::Text => RowValue::Text(Cow::Borrowed("")),
            };
            Ok(())
        }
        RowValue::Null => Err(Problem::Value {
            cause: Cause::Missing,
            field: field.name.to_owned(),
            value: String::new(),
            reason: RejectReason::NoKeyField { field: field.name },
        }),
        RowValue::Text(text) if text.contains(KEY_SEPARATOR) => {
            Err(Problem::value(field.name, String::new(), ValueFault::SeparatorInKey))
        }
        RowValue::Text(_) | RowValue::Integer(_) => Ok(()),
    }
}

/// The key in these values, which are all of the kind's; none where it is not whole.
pub(super) fn key_of(kind: Kind, values: &mut [RowValue<'_>]) -> Option<ObjectKey> {
    for column in kind.key_columns() {
        complete_key(kind, *column, &mut values[*column]).ok()?;
    }
    Some(ObjectKey::from_values(kind.key_columns().iter().map(|column| values[*column].as_value())))
}

/// The text of a key from what could be read of it, for people; nothing if its first part is
/// missing.
pub(crate) fn key_for_people(kind: Kind, values: &[RowValue<'_>]) -> Option<String> {
    let columns = kind.key_columns();
    let values: Vec<ValueRef<'_>> = columns.iter().map(|column| values[*column].as_value()).collect();
    let known = values.iter().take_while(|value| **value != ValueRef::Null).count();
    (known > 0).then(|| ObjectKey::from_values(values.into_iter().take(known)).to_string())
}
