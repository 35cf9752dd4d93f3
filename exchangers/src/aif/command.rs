//! One record to one command.

use super::context::Context;
use super::expand::{Fields, Rows};
use super::identify::{Identity, identify};
use super::json::{Cursor, Fault, Json, RawText, TWICE, named_twice};
use super::value::{Cell, ValueError, convert_next};
use super::{Cause, Command, FieldValue, MAX_KEY_CHARS, Position, Reject, shortened};
use crate::kinds::{self, Kind, Storage, Verb, VerbMeaning};
use crate::row::{KEY_SEPARATOR, KeyMatch, ObjectKey, ValueRef};
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// Why a record is no command.
pub(super) enum Problem {
    Fault(Fault),
    /// The record as a whole.
    Whole(Cause, String),
    /// One of its values: within a nested list it is that of the entry alone.
    Value {
        cause: Cause,
        field: String,
        value: String,
        reason: String,
    },
}

impl Problem {
    pub(super) fn whole(cause: Cause, reason: impl Into<String>) -> Self {
        Self::Whole(cause, reason.into())
    }

    /// One name twice in one object.
    pub(super) fn twice(name: &str) -> Self {
        Self::Whole(Cause::Twice, format!("field `{}`: {TWICE}", name.escape_debug()))
    }

    fn of_field(cause: Cause, field: &str, reason: &str) -> Self {
        Self::Value {
            cause,
            field: field.to_owned(),
            value: String::new(),
            reason: format!("field `{field}`: {reason}"),
        }
    }

    /// What a conversion to a value of this field says.
    pub(super) fn of_value(error: ValueError, field: &str) -> Self {
        match error {
            ValueError::Fault(fault) => Self::Fault(fault),
            ValueError::Whole(cause, reason) => Self::Whole(cause, reason),
            ValueError::Reason { value, reason } => {
                Self::Value { cause: Cause::Value, field: field.to_owned(), value, reason }
            }
        }
    }
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

/// Reads a record, which starts at `position` and is the last of its input if `at_end` (so it may
/// be cut off). Times with a zone become times of `zone`.
pub(super) fn read_record(record: &[u8], position: Position, at_end: bool, zone: &TimeZone) -> Result<Command, Reject> {
    let record = record.trim_ascii_end();
    let text = match std::str::from_utf8(record) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && at_end => return Err(cut_off(position, record)),
        Err(error) => {
            let reason = format!("not UTF-8 at {}", position.of(record, error.valid_up_to()));
            return Err(identified(position.reject(Cause::Encoding, reason), record));
        }
    };
    match read_text(text, &mut Context::new(zone)) {
        Ok(command) => Ok(command),
        Err(Problem::Fault(fault)) if fault.ends_early && at_end => Err(cut_off(position, record)),
        Err(Problem::Fault(fault)) => {
            let reason = format!("not JSON at {}: {}", position.of(record, fault.at), fault.what);
            Err(identified(position.reject(Cause::Json, reason), record))
        }
        Err(Problem::Whole(cause, reason)) => Err(identified(position.reject(cause, reason), record)),
        Err(Problem::Value { cause, field, value, reason }) => {
            let (field, value) = (shortened(field, MAX_KEY_CHARS), shortened(value, MAX_KEY_CHARS));
            let reject = position.reject(cause, reason);
            Err(identified(Reject { about: Some(Box::new(FieldValue { field, value })), ..reject }, record))
        }
    }
}

fn cut_off(position: Position, record: &[u8]) -> Reject {
    identified(position.reject(Cause::Truncated, "the input ends in the middle of a record"), record)
}

/// The reject with what can be said about whose record it is.
fn identified(reject: Reject, record: &[u8]) -> Reject {
    let Identity { verb, kind, key, spares } = identify(record);
    Reject { verb, kind, key: key.map(|key| shortened(key, MAX_KEY_CHARS)), spares, ..reject }
}

type Member<'a> = (Cow<'a, str>, &'a str);

fn read_text(text: &str, context: &mut Context<'_>) -> Result<Command, Problem> {
    let (mut cursor, mut first) = (Cursor::new(text), true);
    if !matches!(cursor.peek(), None | Some(b'{')) {
        cursor.raw_value()?;
        return Err(Problem::whole(Cause::NoCommand, "the record is not a JSON object"));
    }
    cursor.enter(b'{', "expected `{`")?;

    let mut verb: Option<Verb> = None;
    let mut fields: Option<Fields<'_>> = None;
    let mut others: Vec<Member<'_>> = Vec::new();
    while let Some(name) = cursor.member(&mut first)? {
        let name = name.value()?;
        if name.eq_ignore_ascii_case("command") {
            if verb.is_some() {
                return Err(Problem::twice(&name));
            }
            verb = Some(read_verb(cursor.value()?)?);
            continue;
        }
        match verb {
            // The usual order, command before payload, is read in one go.
            Some(Verb { meaning: VerbMeaning::Add(kind), .. })
                if is_payload(kind, &name) && cursor.peek() == Some(b'{') =>
            {
                if fields.is_some() {
                    return Err(Problem::twice(&name));
                }
                fields = Some(Fields::read(kind, &mut cursor, context)?);
            }
            _ => others.push((name, cursor.raw_value()?)),
        }
    }
    cursor.end("text follows the end of the record")?;
    if let Some(name) = named_twice(others.iter().map(|(name, _)| &**name)) {
        return Err(Problem::twice(name));
    }

    let Some(Verb { name: verb, meaning }) = verb else {
        return Err(Problem::whole(Cause::NoCommand, "`command` is missing"));
    };
    match meaning {
        VerbMeaning::Clear(kinds) => Ok(Command::Clear { verb, kinds }),
        VerbMeaning::Delete(kind) => Ok(Command::Delete { verb, kind, keys: read_keys(kind, &others)? }),
        VerbMeaning::Add(kind) => {
            let mut fields = match fields {
                Some(fields) => match others.iter().find(|(name, _)| is_payload(kind, name)) {
                    Some((name, _)) => return Err(Problem::twice(name)),
                    None => fields,
                },
                None => payload_among(kind, &mut others, context)?,
            };
            others.retain(|(name, _)| kind.target(name.as_bytes()).is_none() && !is_payload(kind, name));
            fields.extra.append(&mut others);
            Ok(Command::Upsert(Rows::expand(verb, fields, context)?))
        }
    }
}

fn is_payload(kind: Kind, name: &str) -> bool {
    kind.spec().payload.eq_ignore_ascii_case(name)
}

fn read_verb(value: Json<'_>) -> Result<Verb, Problem> {
    let Json::Text(name) = value else {
        return Err(Problem::whole(Cause::NoCommand, "`command` is not a text"));
    };
    let name = RawText::value(&name)?;
    kinds::verb(name.trim())
        .ok_or_else(|| Problem::whole(Cause::UnknownVerb, format!("unknown verb `{}`", name.escape_debug())))
}

/// The payload that came before the command.
fn payload_among<'a>(
    kind: Kind,
    others: &mut Vec<Member<'a>>,
    context: &mut Context<'_>,
) -> Result<Fields<'a>, Problem> {
    let payload = kind.spec().payload;
    let Some(at) = others.iter().rposition(|(name, _)| is_payload(kind, name)) else {
        return Err(Problem::whole(Cause::Missing, format!("payload `{payload}` is missing")));
    };
    let (_, raw) = others.remove(at);
    if !raw.starts_with('{') {
        return Err(Problem::whole(Cause::Missing, format!("payload `{payload}` is not a JSON object")));
    }
    Fields::read(kind, &mut Cursor::new(raw), context)
}

/// The key fields of a deletion, beside the command or in the payload object. Those that are not
/// there may be any; one that may be absent in the key and is there as nothing (`null`, an empty
/// text) is the nothing that an addition makes of it.
fn read_keys(kind: Kind, members: &[Member<'_>]) -> Result<KeyMatch, Problem> {
    let mut cells = vec![Cell::Null; kind.fields().len()];
    for (name, raw) in members {
        if is_payload(kind, name) && raw.starts_with('{') {
            let (mut cursor, mut first, mut inner) = (Cursor::new(raw), true, Vec::new());
            cursor.enter(b'{', "expected `{`")?;
            while let Some(name) = cursor.member(&mut first)? {
                inner.push((name.value()?, cursor.raw_value()?));
            }
            if let Some(name) = named_twice(inner.iter().map(|(name, _)| &**name)) {
                return Err(Problem::twice(name));
            }
            for (name, raw) in inner {
                read_key(kind, &name, raw, &mut cells)?;
            }
        } else {
            read_key(kind, name, raw, &mut cells)?;
        }
    }
    let mut parts = Vec::with_capacity(kind.key_columns().len());
    for (at, column) in kind.key_columns().iter().enumerate() {
        let cell = &mut cells[*column];
        if at == 0 || *cell != Cell::Null {
            complete_key(kind, *column, cell)?;
        }
        parts.push((*cell != Cell::Null).then(|| key_part(cell)));
    }
    Ok(KeyMatch::of_parts(parts))
}

fn read_key<'a>(kind: Kind, name: &str, raw: &'a str, cells: &mut [Cell<'a>]) -> Result<(), Problem> {
    let Some(column) = kind.field(name).filter(|column| kind.key_columns().contains(column)) else { return Ok(()) };
    let field = &kind.fields()[column];
    let utc = TimeZone::UTC;
    let taken = convert_next(field, &mut Cursor::new(raw), &mut Context::new(&utc));
    match taken.map_err(|error| Problem::of_value(error, field.name))? {
        Cell::Null if field.may_be_absent && cells[column] == Cell::Null => {
            complete_key(kind, column, &mut cells[column])?;
        }
        Cell::Null => {}
        found => cells[column] = found,
    }
    Ok(())
}

/// The text of one part of a key.
pub(super) fn key_part(cell: &Cell<'_>) -> String {
    ObjectKey::from_values([cell.as_value()]).into_text()
}

/// Checks the value of a key field, and fills it where it may be absent.
pub(super) fn complete_key(kind: Kind, column: usize, cell: &mut Cell<'_>) -> Result<(), Problem> {
    let field = &kind.fields()[column];
    match cell {
        Cell::Null if field.may_be_absent => {
            *cell = match field.field_type.storage() {
                Storage::Integer => Cell::Integer(0),
                Storage::Text => Cell::Text(Cow::Borrowed("")),
            };
            Ok(())
        }
        Cell::Null => Err(Problem::Value {
            cause: Cause::Missing,
            field: field.name.to_owned(),
            value: String::new(),
            reason: format!("key field `{}` is missing", field.name),
        }),
        Cell::Text(text) if text.contains(KEY_SEPARATOR) => {
            Err(Problem::of_field(Cause::Value, field.name, "a key must not hold U+001F"))
        }
        Cell::Text(_) | Cell::Integer(_) => Ok(()),
    }
}

/// The text of a key from what could be read of it, for people; nothing if its first part is
/// missing.
pub(super) fn key_for_people(kind: Kind, cells: &[Cell<'_>]) -> Option<String> {
    let columns = kind.key_columns();
    let values: Vec<ValueRef<'_>> = columns.iter().map(|column| cells[*column].as_value()).collect();
    let known = values.iter().take_while(|value| **value != ValueRef::Null).count();
    (known > 0).then(|| ObjectKey::from_values(values.into_iter().take(known)).to_string())
}

/// The key field's value if it can be read.
pub(super) fn key_cell(kind: Kind, column: usize, raw: &str) -> Option<Cell<'_>> {
    // No part of a key is a time.
    let utc = TimeZone::UTC;
    convert_next(&kind.fields()[column], &mut Cursor::new(raw), &mut Context::new(&utc)).ok()
}
