//! Nested lists that are kept as JSON: each entry is looked at by itself, and a broken one is left
//! out alone.

use super::canonical::write_canonical;
use super::command::Problem;
use super::context::Context;
use super::json::{Cursor, TWICE, named_twice};
use super::value::{Cell, ValueError, convert};
use super::warning::WarningKind;
use crate::kinds::{Field, FieldType};
use crate::row::write_text;

/// Appends the canonical form of the list that comes next, without entries that are broken.
pub(super) fn write_list(
    field: &Field,
    cursor: &mut Cursor<'_>,
    out: &mut String,
    context: &mut Context<'_>,
) -> Result<(), ValueError> {
    cursor.enter(b'[', "expected `[`")?;
    out.push('[');
    let (mut first, mut place, start) = (true, 0, out.len());
    while cursor.element(&mut first)? {
        if let Err(Problem::Whole(cause, reason)) = context.count_entry() {
            return Err(ValueError::Whole(cause, reason));
        }
        let raw = cursor.raw_value()?;
        if raw != "null" {
            let (from, end) = (context.warnings.len(), out.len());
            if end > start {
                out.push(',');
            }
            if let Err((inner, value, reason)) = write_entry(field, raw, out, context)? {
                out.truncate(end);
                context.warnings.truncate(from);
                context.warn(&inner, &value, WarningKind::EntryRejected { reason });
            }
            context.within(from, field.name, Some(place));
        }
        place += 1;
    }
    out.push(']');
    Ok(())
}

/// Field, value and reason of what makes an entry a broken one.
type Broken = (String, String, String);

fn write_entry(
    field: &Field,
    raw: &str,
    out: &mut String,
    context: &mut Context<'_>,
) -> Result<Result<(), Broken>, ValueError> {
    let mut cursor = Cursor::new(raw);
    if cursor.peek() != Some(b'{') {
        return Ok(Err((String::new(), raw.to_owned(), "expected an object".to_owned())));
    }
    let (mut members, mut first) = (Vec::new(), true);
    cursor.enter(b'{', "expected `{`")?;
    while let Some(name) = cursor.member(&mut first)? {
        members.push((name.value()?, cursor.raw_value()?));
    }
    if named_twice(members.iter().map(|(name, _)| &**name)).is_some() {
        return Err(ValueError::Whole(super::Cause::Twice, TWICE.to_owned()));
    }
    members.sort_by(|(left, _), (right, _)| left.cmp(right));
    out.push('{');
    let start = out.len();
    for (name, raw) in members {
        if out.len() > start {
            out.push(',');
        }
        write_text(&name, out);
        out.push(':');
        let mut value = Cursor::new(raw);
        let Some(declared) = field.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(&name)) else {
            write_canonical(&mut value, out)?;
            continue;
        };
        let zoned = std::mem::take(&mut context.zoned);
        let taken = convert(declared, value.value()?, context);
        let converted = std::mem::replace(&mut context.zoned, zoned);
        context.zoned |= converted;
        match taken {
            // A time of another zone is the only one that is not kept as it came.
            Ok(Cell::Text(local)) if converted && declared.field_type != FieldType::Json => write_text(&local, out),
            Ok(_) => write_canonical(&mut Cursor::new(raw), out)?,
            Err(ValueError::Reason { value, reason }) => return Ok(Err((name.into_owned(), value, reason))),
            Err(other) => return Err(other),
        }
    }
    out.push('}');
    Ok(Ok(()))
}
