//! Canonical JSON: members sorted by name (one that comes twice is a fault), no blanks, strings
//! with the fewest escapes, numbers as they were written.

use super::{Cursor, Fault, Json, JsonFault, named_twice};
use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// Appends the canonical form of the next value.
pub(crate) fn write_canonical(cursor: &mut Cursor<'_>, out: &mut String) -> Result<(), Fault> {
    write_nested(cursor, out, 0)
}

fn write_nested(cursor: &mut Cursor<'_>, out: &mut String, depth: usize) -> Result<(), Fault> {
    match cursor.peek() {
        Some(b'{') => {
            cursor.check_depth(depth)?;
            write_object(cursor, out, depth + 1)
        }
        Some(b'[') => {
            cursor.check_depth(depth)?;
            write_array(cursor, out, depth + 1)
        }
        _ => {
            match cursor.value()? {
                Json::Bool(value) => out.push_str(if value { "true" } else { "false" }),
                Json::Number(number) => out.push_str(number),
                Json::Text(text) => write_text(&text.value()?, out),
                Json::Null | Json::Nested(_) => out.push_str("null"), // nested ones were met above
            }
            Ok(())
        }
    }
}

fn write_array(cursor: &mut Cursor<'_>, out: &mut String, depth: usize) -> Result<(), Fault> {
    cursor.enter_array()?;
    out.push('[');
    let (start, mut first) = (out.len(), true);
    while cursor.element(&mut first)? {
        if out.len() > start {
            out.push(',');
        }
        write_nested(cursor, out, depth)?;
    }
    out.push(']');
    Ok(())
}

/// Members are written as they come, and put in order afterwards where they are not.
fn write_object(cursor: &mut Cursor<'_>, out: &mut String, depth: usize) -> Result<(), Fault> {
    cursor.enter_object()?;
    out.push('{');
    let (start, mut first) = (out.len(), true);
    let mut members: Vec<(Cow<'_, str>, Range<usize>)> = Vec::new();
    while let Some(name) = cursor.member(&mut first)? {
        let name = name.value()?;
        if out.len() > start {
            out.push(',');
        }
        let from = out.len();
        write_text(&name, out);
        out.push(':');
        write_nested(cursor, out, depth)?;
        members.push((name, from..out.len()));
    }
    let fault = Fault { at: cursor.at(), what: JsonFault::Twice, ends_early: false };
    let lower = members.iter().all(|(name, _)| !name.bytes().any(|byte| byte.is_ascii_uppercase()));
    if !lower && named_twice(members.iter().map(|(name, _)| &**name)).is_some() {
        return Err(fault);
    }
    if !members.is_sorted_by(|(left, _), (right, _)| left < right) {
        members.sort_by(|(left, _), (right, _)| left.cmp(right));
        if members.windows(2).any(|two| two[0].0 == two[1].0) {
            return Err(fault);
        }
        let mut sorted = String::with_capacity(out.len() - start);
        for (_, range) in &members {
            if !sorted.is_empty() {
                sorted.push(',');
            }
            sorted.push_str(&out[range.clone()]);
        }
        out.truncate(start);
        out.push_str(&sorted);
    }
    out.push('}');
    Ok(())
}

/// Appends a JSON string in its canonical form: only what must be escaped is.
pub(crate) fn write_text(text: &str, out: &mut String) {
    out.push('"');
    let mut clean = 0;
    for (at, byte) in text.bytes().enumerate() {
        let escape = match byte {
            b'"' => "\\\"",
            b'\\' => "\\\\",
            b'\n' => "\\n",
            b'\r' => "\\r",
            b'\t' => "\\t",
            0..0x20 => "",
            _ => continue,
        };
        out.push_str(&text[clean..at]);
        if escape.is_empty() {
            let _ = write!(out, "\\u{byte:04x}"); // writing to a String cannot fail
        } else {
            out.push_str(escape);
        }
        clean = at + 1;
    }
    out.push_str(&text[clean..]);
    out.push('"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_one_form() {
        let mut out = String::new();
        write_canonical(
            &mut Cursor::new("{ \"b\" : [1.50, \"\\u0410\\/\\n\", {}] , \"a\":null, \"B1\":[ true , [] ]}"),
            &mut out,
        )
        .unwrap();
        assert_eq!(out, r#"{"B1":[true,[]],"a":null,"b":[1.50,"А/\n",{}]}"#);
        let twice = write_canonical(&mut Cursor::new(r#"{"b":1,"a":[{"x":1,"X":2}]}"#), &mut out);
        assert_eq!(twice.map_err(|fault| fault.what), Err(JsonFault::Twice));
        out.clear();
        write_canonical(&mut Cursor::new("[1.50,\"\\u0410\\/\\n\\u0001\"]"), &mut out).unwrap();
        assert_eq!(out, "[1.50,\"А/\\n\\u0001\"]");
    }
}
