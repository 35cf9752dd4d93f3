//! One record to one command.

use super::expand::{Fields, Rows};
use super::identify::{Identity, identify};
use super::json::{Cursor, Fault, Json, RawText};
use super::value::{Cell, ValueError, convert_next};
use super::{Cause, Command, MAX_KEY_CHARS, Position, Reject, shortened};
use crate::kinds::{self, Kind, Storage, Verb, VerbMeaning};
use crate::row::{KEY_SEPARATOR, KeyMatch, ObjectKey, ValueRef};
use std::borrow::Cow;

/// Why a record is no command.
pub(super) enum Problem {
    Fault(Fault),
    Other(Cause, String),
}

impl From<Fault> for Problem {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<ValueError> for Problem {
    fn from(error: ValueError) -> Self {
        match error {
            ValueError::Fault(fault) => Self::Fault(fault),
            ValueError::Reason(reason) => Self::Other(Cause::Value, reason),
        }
    }
}

/// Reads a record, which starts at `position` and is the last of its input if `at_end` (so it may be cut off).
pub(super) fn read_record(record: &[u8], position: Position, at_end: bool) -> Result<Command, Reject> {
    let record = record.trim_ascii_end();
    let text = match std::str::from_utf8(record) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && at_end => return Err(cut_off(position, record)),
        Err(error) => {
            let reason = format!("not UTF-8 at {}", position.of(record, error.valid_up_to()));
            return Err(identified(position.reject(Cause::Encoding, reason), record));
        }
    };
    match read_text(text) {
        Ok(command) => Ok(command),
        Err(Problem::Fault(fault)) if fault.ends_early && at_end => Err(cut_off(position, record)),
        Err(Problem::Fault(fault)) => {
            let reason = format!("not JSON at {}: {}", position.of(record, fault.at), fault.what);
            Err(identified(position.reject(Cause::Json, reason), record))
        }
        Err(Problem::Other(cause, reason)) => Err(identified(position.reject(cause, reason), record)),
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

fn read_text(text: &str) -> Result<Command, Problem> {
    let (mut cursor, mut first) = (Cursor::new(text), true);
    if !matches!(cursor.peek(), None | Some(b'{')) {
        cursor.raw_value()?;
        return Err(Problem::Other(Cause::NoCommand, "the record is not a JSON object".to_owned()));
    }
    cursor.enter(b'{', "expected `{`")?;

    let mut verb: Option<Verb> = None;
    let mut fields: Option<Fields<'_>> = None;
    let mut others: Vec<Member<'_>> = Vec::new();
    while let Some(name) = cursor.member(&mut first)? {
        let name = name.value()?;
        if name.eq_ignore_ascii_case("command") {
            verb = Some(read_verb(cursor.value()?)?);
            continue;
        }
        match verb {
            // The usual order, command before payload, is read in one go.
            Some(Verb { meaning: VerbMeaning::Add(kind), .. })
                if is_payload(kind, &name) && cursor.peek() == Some(b'{') =>
            {
                fields = Some(Fields::read(kind, &mut cursor)?);
            }
            _ => others.push((name, cursor.raw_value()?)),
        }
    }
    cursor.end("text follows the end of the record")?;

    let Some(Verb { name: verb, meaning }) = verb else {
        return Err(Problem::Other(Cause::NoCommand, "`command` is missing".to_owned()));
    };
    match meaning {
        VerbMeaning::Clear(kinds) => Ok(Command::Clear { verb, kinds }),
        VerbMeaning::Delete(kind) => Ok(Command::Delete { verb, kind, keys: read_keys(kind, &others)? }),
        VerbMeaning::Add(kind) => {
            let mut fields = match fields {
                Some(fields) => fields,
                None => payload_among(kind, &mut others)?,
            };
            others.retain(|(name, _)| kind.target(name.as_bytes()).is_none() && !is_payload(kind, name));
            fields.extra.append(&mut others);
            Ok(Command::Upsert(Rows::expand(verb, fields)?))
        }
    }
}

fn is_payload(kind: Kind, name: &str) -> bool {
    kind.spec().payload.eq_ignore_ascii_case(name)
}

fn read_verb(value: Json<'_>) -> Result<Verb, Problem> {
    let Json::Text(name) = value else {
        return Err(Problem::Other(Cause::NoCommand, "`command` is not a text".to_owned()));
    };
    let name = RawText::value(&name)?;
    kinds::verb(name.trim())
        .ok_or_else(|| Problem::Other(Cause::UnknownVerb, format!("unknown verb `{}`", name.escape_debug())))
}

/// The payload that came before the command.
fn payload_among<'a>(kind: Kind, others: &mut Vec<Member<'a>>) -> Result<Fields<'a>, Problem> {
    let payload = kind.spec().payload;
    let Some(at) = others.iter().rposition(|(name, _)| is_payload(kind, name)) else {
        return Err(Problem::Other(Cause::Missing, format!("payload `{payload}` is missing")));
    };
    let (_, raw) = others.remove(at);
    if !raw.starts_with('{') {
        return Err(Problem::Other(Cause::Missing, format!("payload `{payload}` is not a JSON object")));
    }
    Fields::read(kind, &mut Cursor::new(raw))
}

/// The key fields of a deletion, beside the command or in the payload object. Those that are not there may be any; one
/// that may be absent in the key and is there as nothing (`null`, an empty text) is the nothing that an addition makes
/// of it.
fn read_keys(kind: Kind, members: &[Member<'_>]) -> Result<KeyMatch, Problem> {
    let mut cells = vec![Cell::Null; kind.fields().len()];
    for (name, raw) in members {
        if is_payload(kind, name) && raw.starts_with('{') {
            let (mut cursor, mut first) = (Cursor::new(raw), true);
            cursor.enter(b'{', "expected `{`")?;
            while let Some(name) = cursor.member(&mut first)? {
                let name = name.value()?;
                read_key(kind, &name, cursor.raw_value()?, &mut cells)?;
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
    match convert_next(field, &mut Cursor::new(raw))? {
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
        Cell::Null => Err(Problem::Other(Cause::Missing, format!("key field `{}` is missing", field.name))),
        Cell::Text(text) if text.contains(KEY_SEPARATOR) => {
            Err(Problem::Other(Cause::Value, format!("field `{}`: a key must not hold U+001F", field.name)))
        }
        Cell::Text(_) | Cell::Integer(_) => Ok(()),
    }
}

/// The text of a key from what could be read of it, for people; nothing if its first part is missing.
pub(super) fn key_for_people(kind: Kind, cells: &[Cell<'_>]) -> Option<String> {
    let columns = kind.key_columns();
    let values: Vec<ValueRef<'_>> = columns.iter().map(|column| cells[*column].as_value()).collect();
    let known = values.iter().take_while(|value| **value != ValueRef::Null).count();
    (known > 0).then(|| ObjectKey::from_values(values.into_iter().take(known)).to_string())
}

/// The key field's value if it can be read.
pub(super) fn key_cell(kind: Kind, column: usize, raw: &str) -> Option<Cell<'_>> {
    convert_next(&kind.fields()[column], &mut Cursor::new(raw)).ok()
}
