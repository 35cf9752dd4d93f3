//! Whose record a broken record is: its verb and key, as far as they can be read. Only rejects
//! come here.

use super::payload::key_value;
use crate::json::{Cursor, Fault};
use crate::kinds::{self, Kind, VerbMeaning};
use crate::records::{RowValue, Spares, complete_key, key_for_people, key_part};
use crate::row::KeyMatch;
use std::borrow::Cow;

/// Most characters of a foreign verb that a reject keeps.
const MAX_VERB_CHARS: usize = 64;

/// Stands in a text for bytes that are none.
const NOT_TEXT: char = '\u{fffd}';

/// Verb, kind and key of a record, as far as they can be read.
#[derive(Default)]
pub(super) struct Identity {
    pub(super) verb: Option<String>,
    pub(super) kind: Option<Kind>,
    pub(super) key: Option<String>,
    pub(super) spares: Spares,
}

/// A member of the envelope, or of an object in it.
struct Member<'a> {
    within: Option<Cow<'a, str>>,
    name: Cow<'a, str>,
    raw: &'a str,
}

/// What can be said of a record that is broken.
pub(super) fn identify(record: &[u8]) -> Identity {
    let text = String::from_utf8_lossy(record);
    let mut members = Vec::new();
    let mut cursor = Cursor::new(&text);
    // What was read before the fault is all that is wanted.
    let whole = collect(&mut cursor, None, &mut members).and_then(|()| cursor.end()).is_ok();
    let verb = members
        .iter()
        .find(|member| member.name.eq_ignore_ascii_case("command"))
        .and_then(|member| serde_json::from_str::<String>(member.raw).ok());
    let known = verb.as_deref().and_then(|verb| kinds::verb(verb.trim())).map(|verb| verb.meaning);
    let spares = match known {
        // A separator that is missing makes one broken record of two: the other is not known.
        _ if commands_in(&text) > 1 && (!whole || commands_of(&members) > 1) => Spares::Anything,
        Some(VerbMeaning::Clear(_) | VerbMeaning::Delete(_)) => Spares::Nothing,
        Some(VerbMeaning::Add(kind)) => match keys(kind, &members, whole) {
            Some(keys) => Spares::Objects(kind, Box::new(keys)),
            None => Spares::Kind(kind),
        },
        None if verb.as_deref().is_some_and(|verb| !verb.contains(NOT_TEXT)) => Spares::Nothing,
        None => Spares::Anything,
    };
    let verb = verb.map(|verb| verb.chars().take(MAX_VERB_CHARS).collect());
    let Some(VerbMeaning::Add(kind) | VerbMeaning::Delete(kind)) = known else {
        return Identity { verb, spares, ..Identity::default() };
    };
    let mut values = vec![RowValue::Null; kind.fields().len()];
    for Member { name, raw, .. } in &members {
        if let Some(column) = kind.field(name).filter(|column| kind.key_columns().contains(column)) {
            let found = key_value(kind, column, raw).unwrap_or_default();
            if found != RowValue::Null {
                values[column] = found;
            }
        }
    }
    Identity { verb, kind: Some(kind), key: key_for_people(kind, &values), spares }
}

/// The key that an addition would have had, as far as it is certain; nothing if its first part is
/// not.
fn keys(kind: Kind, members: &[Member<'_>], whole: bool) -> Option<KeyMatch> {
    let of_payload = |member: &&Member<'_>| {
        member.within.as_ref().is_some_and(|within| within.eq_ignore_ascii_case(kind.spec().payload))
    };
    let part = |column: usize| {
        let mut value = RowValue::Null;
        for member in members.iter().filter(of_payload).filter(|member| kind.field(&member.name) == Some(column)) {
            let found = key_value(kind, column, member.raw)?;
            // Named twice: nobody knows which one counts.
            if found != RowValue::Null && value != RowValue::Null && found != value {
                return None;
            }
            if found != RowValue::Null {
                value = found;
            }
        }
        if whole || value != RowValue::Null {
            complete_key(kind, column, &mut value).ok()?;
        }
        let text = key_part(&value);
        (value != RowValue::Null && !text.contains(NOT_TEXT)).then_some(text)
    };
    let parts: Vec<Option<String>> = kind.key_columns().iter().map(|column| part(*column)).collect();
    parts.first()?.as_ref()?;
    Some(KeyMatch::of_parts(parts))
}

/// How often the word stands there: more often than records, perhaps, never less often.
fn commands_in(text: &str) -> usize {
    const WORD: &[u8] = b"\"command\"";
    text.as_bytes().windows(WORD.len()).filter(|window| window.eq_ignore_ascii_case(WORD)).count()
}

fn commands_of(members: &[Member<'_>]) -> usize {
    members.iter().filter(|member| member.within.is_none() && member.name.eq_ignore_ascii_case("command")).count()
}

/// Members of the envelope, and of the objects in it.
fn collect<'a>(
    cursor: &mut Cursor<'a>,
    within: Option<&Cow<'a, str>>,
    members: &mut Vec<Member<'a>>,
) -> Result<(), Fault> {
    cursor.enter_object()?;
    let mut first = true;
    while let Some(name) = cursor.member(&mut first)? {
        let name = name.value()?;
        if within.is_none() && cursor.peek() == Some(b'{') {
            collect(cursor, Some(&name), members)?;
        } else {
            members.push(Member { within: within.cloned(), name, raw: cursor.raw_value()? });
        }
    }
    Ok(())
}
