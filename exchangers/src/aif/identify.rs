//! Whose record a broken record is: its verb and key, as far as they can be read. Only rejects come here.

use super::command::{key_cell, key_for_people};
use super::json::{Cursor, Fault};
use super::value::Cell;
use crate::kinds::{self, Kind, VerbMeaning};
use std::borrow::Cow;

/// Most characters of a foreign verb that a reject keeps.
const MAX_VERB_CHARS: usize = 64;

type Members<'a> = Vec<(Cow<'a, str>, &'a str)>;

/// Verb, kind and key of a record, as far as they can be read.
pub(super) fn identify(record: &[u8]) -> (Option<String>, Option<Kind>, Option<String>) {
    let text = match std::str::from_utf8(record) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => String::from_utf8_lossy(record),
    };
    let mut members = Members::new();
    // What was read before the fault is all that is wanted.
    let _ = collect(&mut Cursor::new(&text), true, &mut members);
    let verb = members
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("command"))
        .and_then(|(_, raw)| serde_json::from_str::<String>(raw).ok());
    let known = verb.as_deref().and_then(|verb| kinds::verb(verb.trim()));
    let verb = verb.map(|verb| verb.chars().take(MAX_VERB_CHARS).collect());
    let Some(VerbMeaning::Add(kind) | VerbMeaning::Delete(kind)) = known.map(|verb| verb.meaning) else {
        return (verb, None, None);
    };
    let mut cells = vec![Cell::Null; kind.fields().len()];
    for (name, raw) in &members {
        if let Some(column) = kind.field(name).filter(|column| kind.key_columns().contains(column)) {
            let found = key_cell(kind, column, raw);
            if found != Cell::Null {
                cells[column] = found;
            }
        }
    }
    (verb, Some(kind), key_for_people(kind, &cells))
}

/// Members of the envelope, and of the objects in it.
fn collect<'a>(cursor: &mut Cursor<'a>, outer: bool, members: &mut Members<'a>) -> Result<(), Fault> {
    cursor.enter(b'{', "")?;
    let mut first = true;
    while let Some(name) = cursor.member(&mut first)? {
        let name = name.value()?;
        if outer && cursor.peek() == Some(b'{') {
            collect(cursor, false, members)?;
        } else {
            members.push((name, cursor.raw_value()?));
        }
    }
    Ok(())
}
