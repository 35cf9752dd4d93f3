//! The payload of a record: its fields as typed cells.

use super::record::Failure;
use crate::json::{Cursor, Json, write_canonical};
use crate::kinds::{Field, FieldType, Kind};
use crate::records::{Cell, Context, Entry, Fields, KeptList, KnownKey, Nested, Problem, RowValue, convert};
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// Reads the object that comes next.
pub(super) fn read_fields<'a>(
    kind: Kind,
    cursor: &mut Cursor<'a>,
    context: &mut Context<'_>,
) -> Result<Fields<'a>, Failure> {
    let mut fields = Fields::new(kind);
    cursor.enter_object()?;
    let mut first = true;
    while let Some(name) = cursor.member(&mut first)? {
        let name = name.value()?;
        let Some(target) = fields.begin(&name)? else {
            fields.keep(name, read_json(cursor)?);
            continue;
        };
        let before = target.expansion.map(|_| cursor.clone());
        let taken = match target.column {
            Some(column) => {
                let cell = read_cell(&kind.fields()[column], cursor, context)?;
                fields.put(column, cell, context)?
            }
            None => true,
        };
        match target.expansion {
            // Told of already; what it brought before stays.
            Some(expansion) if !taken => fields.bring(Nested::unreadable(kind, expansion)),
            Some(expansion) => {
                // A field that is a column as well is read a second time.
                let mut again = before.filter(|_| target.column.is_some());
                fields.bring(read_nested(kind, expansion, again.as_mut().unwrap_or(cursor), context)?);
            }
            None => {}
        }
    }
    fields.check_unknown()?;
    Ok(fields)
}

/// Reads what becomes rows of another kind: an array, an object or a plain value.
fn read_nested<'a>(
    owner: Kind,
    expansion: usize,
    cursor: &mut Cursor<'a>,
    context: &mut Context<'_>,
) -> Result<Nested<'a>, Failure> {
    let is_list = cursor.peek() == Some(b'[');
    let mut nested = Nested::new(owner, expansion, is_list);
    if !is_list {
        read_element(&mut nested, cursor, context)?;
        return Ok(nested);
    }
    cursor.enter_array()?;
    let mut first = true;
    while cursor.element(&mut first)? {
        read_element(&mut nested, cursor, context)?;
    }
    Ok(nested)
}

/// Reads an element. A broken one is rejected by itself.
fn read_element<'a>(
    nested: &mut Nested<'a>,
    cursor: &mut Cursor<'a>,
    context: &mut Context<'_>,
) -> Result<(), Failure> {
    if cursor.peek() != Some(b'{') {
        let cell = plain(cursor)?;
        return Ok(nested.push(cell, context)?);
    }
    let (mut again, from) = (cursor.clone(), nested.begin(context)?);
    match read_fields(nested.kind(), cursor, context) {
        Ok(fields) => nested.take(fields, from, context),
        Err(Failure::Problem(Problem::Value { field, value, reason, .. })) => {
            context.reject_entry(from, &field, &value, reason);
            let raw = again.raw_value()?;
            *cursor = again;
            nested.reject(known_key(nested.kind(), raw)?, from, context);
        }
        Err(whole) => return Err(whole),
    }
    Ok(())
}

/// What can be read of the key of a rejected element.
fn known_key(kind: Kind, raw: &str) -> Result<KnownKey<'_>, Failure> {
    let mut values = vec![RowValue::Null; kind.fields().len()];
    let (mut cursor, mut first) = (Cursor::new(raw), true);
    cursor.enter_object()?;
    while let Some(name) = cursor.member(&mut first)? {
        let (name, raw) = (name.value()?, cursor.raw_value()?);
        if let Some(column) = kind.field(&name).filter(|column| kind.key_columns().contains(column)) {
            let Some(value) = key_value(kind, column, raw) else { return Ok(None) };
            if value != RowValue::Null {
                values[column] = value;
            }
        }
    }
    Ok(Some(values))
}

/// The key field's value if it can be read.
pub(super) fn key_value(kind: Kind, column: usize, raw: &str) -> Option<RowValue<'_>> {
    read_value(&kind.fields()[column], &mut Cursor::new(raw)).ok()
}

/// The value of a field of a key, of which nothing is warned.
pub(super) fn read_value<'a>(field: &Field, cursor: &mut Cursor<'a>) -> Result<RowValue<'a>, Failure> {
    // No part of a key is a time.
    let utc = TimeZone::UTC;
    let mut context = Context::new(&utc);
    let cell = read_cell(field, cursor, &mut context)?;
    Ok(convert(field, cell, &mut context)?)
}

/// The next value, for this field.
fn read_cell<'a>(field: &Field, cursor: &mut Cursor<'a>, context: &mut Context<'_>) -> Result<Cell<'a>, Failure> {
    if field.field_type != FieldType::Json {
        plain(cursor)
    } else if field.entries.is_empty() || cursor.peek() != Some(b'[') {
        let mut json = String::new();
        write_canonical(cursor, &mut json)?;
        Ok(Cell::Nested(Cow::Owned(json)))
    } else {
        read_kept_list(field, cursor, context)
    }
}

/// A list whose entries are looked at, and which the row keeps as JSON.
fn read_kept_list(field: &Field, cursor: &mut Cursor<'_>, context: &mut Context<'_>) -> Result<Cell<'static>, Failure> {
    let mut list = KeptList::new(field);
    cursor.enter_array()?;
    let mut first = true;
    while cursor.element(&mut first)? {
        let entry = match cursor.peek() {
            Some(b'{') => Entry::Object(read_members(cursor)?),
            _ => match cursor.raw_value()? {
                "null" => Entry::Null,
                other => Entry::Other(other),
            },
        };
        list.push(entry, context)?;
    }
    Ok(list.into_cell())
}

fn read_members<'a>(cursor: &mut Cursor<'a>) -> Result<Vec<(Cow<'a, str>, Cell<'a>)>, Failure> {
    let (mut members, mut first) = (Vec::new(), true);
    cursor.enter_object()?;
    while let Some(name) = cursor.member(&mut first)? {
        members.push((name.value()?, read_json(cursor)?));
    }
    Ok(members)
}

/// The next value, nested ones as they stand there.
fn plain<'a>(cursor: &mut Cursor<'a>) -> Result<Cell<'a>, Failure> {
    Ok(match cursor.value()? {
        Json::Null => Cell::Null,
        Json::Bool(value) => Cell::Flag(value),
        Json::Number(number) => Cell::Decimal(Cow::Borrowed(number)),
        Json::Text(text) => Cell::Text(text.value()?),
        Json::Nested(nested) => Cell::Nested(Cow::Borrowed(nested)),
    })
}

/// The next value, nested ones in canonical form.
pub(super) fn read_json<'a>(cursor: &mut Cursor<'a>) -> Result<Cell<'a>, Failure> {
    if !matches!(cursor.peek(), Some(b'{' | b'[')) {
        return plain(cursor);
    }
    let mut json = String::new();
    write_canonical(cursor, &mut json)?;
    Ok(Cell::Nested(Cow::Owned(json)))
}
