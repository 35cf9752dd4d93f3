//! One record to one command.

use super::identify::{Identity, identify};
use super::payload::{read_fields, read_json, read_value};
use super::place_in;
use crate::json::{Cursor, Fault, Json, RawText, named_twice};
use crate::kinds::{self, Kind, Verb, VerbMeaning};
use crate::records::{
    Cause, Command, Context, Fields, MAX_KEY_CHARS, Position, Problem, Reject, RejectReason, RowValue, complete_key,
    key_part, shortened,
};
use crate::row::KeyMatch;
use jiff::tz::TimeZone;
use std::borrow::Cow;

/// Why a record is no command.
pub(super) enum Failure {
    /// It is no JSON.
    Fault(Fault),
    /// It is, and is not taken.
    Problem(Problem),
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        Self::Problem(problem)
    }
}

/// Reads a record, which starts at `start` and is the last of its input if `at_end` (so it may be
/// cut off). Times with a zone become times of `zone`.
pub(super) fn read_record(record: &[u8], start: Position, at_end: bool, zone: &TimeZone) -> Result<Command, Reject> {
    let record = record.trim_ascii_end();
    let text = match std::str::from_utf8(record) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() && at_end => return Err(cut_off(start, record)),
        Err(error) => {
            let Position { line, byte } = place_in(start, record, error.valid_up_to());
            let reason = RejectReason::NotUtf8 { line, byte };
            return Err(identified(start.reject(Cause::Encoding, reason), record));
        }
    };
    match read_text(text, &mut Context::new(zone)) {
        Ok(command) => Ok(command),
        Err(Failure::Fault(fault)) if fault.ends_early && at_end => Err(cut_off(start, record)),
        Err(Failure::Fault(fault)) => {
            let Position { line, byte } = place_in(start, record, fault.at);
            let reason = RejectReason::NotJson { line, byte, fault: fault.what };
            Err(identified(start.reject(Cause::Syntax, reason), record))
        }
        Err(Failure::Problem(problem)) => Err(identified(start.reject_for(problem), record)),
    }
}

fn cut_off(start: Position, record: &[u8]) -> Reject {
    identified(start.reject(Cause::Truncated, RejectReason::EndsInRecord), record)
}

/// The reject with what can be said about whose record it is.
fn identified(reject: Reject, record: &[u8]) -> Reject {
    let Identity { verb, kind, key, spares } = identify(record);
    Reject { verb, kind, key: key.map(|key| shortened(key, MAX_KEY_CHARS)), spares, ..reject }
}

type Member<'a> = (Cow<'a, str>, &'a str);

fn read_text(text: &str, context: &mut Context<'_>) -> Result<Command, Failure> {
    let (mut cursor, mut first) = (Cursor::new(text), true);
    if !matches!(cursor.peek(), None | Some(b'{')) {
        cursor.raw_value()?;
        return Err(Problem::whole(Cause::NoCommand, RejectReason::NotAnObject).into());
    }
    cursor.enter_object()?;

    let mut verb: Option<Verb> = None;
    let mut fields: Option<Fields<'_>> = None;
    let mut others: Vec<Member<'_>> = Vec::new();
    while let Some(name) = cursor.member(&mut first)? {
        let name = name.value()?;
        if name.eq_ignore_ascii_case("command") {
            if verb.is_some() {
                return Err(Problem::twice(&name).into());
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
                    return Err(Problem::twice(&name).into());
                }
                fields = Some(read_fields(kind, &mut cursor, context)?);
            }
            _ => others.push((name, cursor.raw_value()?)),
        }
    }
    cursor.end()?;
    if let Some(name) = named_twice(others.iter().map(|(name, _)| &**name)) {
        return Err(Problem::twice(name).into());
    }

    let Some(Verb { name: verb, meaning }) = verb else {
        return Err(Problem::whole(Cause::NoCommand, RejectReason::NoCommand).into());
    };
    match meaning {
        VerbMeaning::Clear(kinds) => Ok(Command::Clear { verb, kinds }),
        VerbMeaning::Delete(kind) => Ok(Command::Delete { verb, kind, keys: read_keys(kind, &others)? }),
        VerbMeaning::Add(kind) => {
            let mut fields = match fields {
                Some(fields) => match others.iter().find(|(name, _)| is_payload(kind, name)) {
                    Some((name, _)) => return Err(Problem::twice(name).into()),
                    None => fields,
                },
                None => payload_among(kind, &mut others, context)?,
            };
            for (name, raw) in others {
                if kind.target(name.as_bytes()).is_none() && !is_payload(kind, &name) {
                    fields.keep(name, read_json(&mut Cursor::new(raw))?);
                }
            }
            Ok(fields.add(verb, context)?)
        }
    }
}

fn is_payload(kind: Kind, name: &str) -> bool {
    kind.spec().payload.eq_ignore_ascii_case(name)
}

fn read_verb(value: Json<'_>) -> Result<Verb, Failure> {
    let Json::Text(name) = value else {
        return Err(Problem::whole(Cause::NoCommand, RejectReason::CommandNotText).into());
    };
    let name = RawText::value(&name)?;
    kinds::verb(name.trim()).ok_or_else(|| {
        let verb = shortened(name.escape_debug().to_string(), MAX_KEY_CHARS);
        Problem::whole(Cause::UnknownVerb, RejectReason::UnknownVerb { verb }).into()
    })
}

/// The payload that came before the command.
fn payload_among<'a>(
    kind: Kind,
    others: &mut Vec<Member<'a>>,
    context: &mut Context<'_>,
) -> Result<Fields<'a>, Failure> {
    let payload = kind.spec().payload;
    let Some(at) = others.iter().rposition(|(name, _)| is_payload(kind, name)) else {
        return Err(Problem::whole(Cause::Missing, RejectReason::NoPayload { payload }).into());
    };
    let (_, raw) = others.remove(at);
    if !raw.starts_with('{') {
        return Err(Problem::whole(Cause::Missing, RejectReason::PayloadNotObject { payload }).into());
    }
    read_fields(kind, &mut Cursor::new(raw), context)
}

/// The key fields of a deletion, beside the command or in the payload object. Those that are not
/// there may be any; one that may be absent in the key and is there as nothing (`null`, an empty
/// text) is the nothing that an addition makes of it.
fn read_keys(kind: Kind, members: &[Member<'_>]) -> Result<KeyMatch, Failure> {
    let mut values = vec![RowValue::Null; kind.fields().len()];
    for (name, raw) in members {
        if is_payload(kind, name) && raw.starts_with('{') {
            let (mut cursor, mut first, mut inner) = (Cursor::new(raw), true, Vec::new());
            cursor.enter_object()?;
            while let Some(name) = cursor.member(&mut first)? {
                inner.push((name.value()?, cursor.raw_value()?));
            }
            if let Some(name) = named_twice(inner.iter().map(|(name, _)| &**name)) {
                return Err(Problem::twice(name).into());
            }
            for (name, raw) in inner {
                read_key(kind, &name, raw, &mut values)?;
            }
        } else {
            read_key(kind, name, raw, &mut values)?;
        }
    }
    let mut parts = Vec::with_capacity(kind.key_columns().len());
    for (at, column) in kind.key_columns().iter().enumerate() {
        let value = &mut values[*column];
        if at == 0 || *value != RowValue::Null {
            complete_key(kind, *column, value)?;
        }
        parts.push((*value != RowValue::Null).then(|| key_part(value)));
    }
    Ok(KeyMatch::of_parts(parts))
}

fn read_key<'a>(kind: Kind, name: &str, raw: &'a str, values: &mut [RowValue<'a>]) -> Result<(), Failure> {
    let Some(column) = kind.field(name).filter(|column| kind.key_columns().contains(column)) else { return Ok(()) };
    let field = &kind.fields()[column];
    match read_value(field, &mut Cursor::new(raw))? {
        RowValue::Null if field.may_be_absent && values[column] == RowValue::Null => {
            complete_key(kind, column, &mut values[column])?;
        }
        RowValue::Null => {}
        found => values[column] = found,
    }
    Ok(())
}
