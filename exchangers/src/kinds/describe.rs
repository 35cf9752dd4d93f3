//! The table of kinds as a document.

use super::{Expansion, Field, FieldType, KINDS, KindSpec, MAX_LONG_TEXT_BYTES};
use std::fmt::Write as _;

const HEAD: &str = "# Kinds of dictionary objects

<!-- Generated from the table of kinds (exchangers/src/kinds/table). A test compares; `UPDATE_DOCS=1 cargo test -p
tillway-exchangers` writes it anew. -->

Names compare without regard to case. A deleting verb takes its key fields in either place, beside `command` or inside the
payload object; leading key fields alone delete all objects that begin with them. Verbs marked * are named by Tillway in the
manner of the others; no public sample of them is known. A day alone is the beginning of that day in a local time,
and its last second in an \"end\". `null` means absent, and so does an empty text where a number, a code or a time
is expected. Fields that are not listed are kept and passed on.

A text that is too long is cut with a warning; any other value that cannot be read is left out with one. Where a field of the
key, or one that \"must be read\", cannot be read, the record is rejected, and in a nested list that entry alone. A time with a
zone is converted to local time. A record has at most 50,000 entries in its lists. See [aif.md](aif.md).

An object that is deleted takes along what it brought and
what goes with it, by whichever verb that came. A barcode that is deleted by itself leaves its prices: it may come back with
another packing and the same price.

";

/// The table of kinds as Markdown: `docs/formats/kinds.md`.
pub fn describe() -> String {
    let mut out = HEAD.to_owned();
    for spec in &KINDS {
        describe_kind(&mut out, spec);
    }
    out.truncate(out.trim_end().len());
    out.push('\n');
    out
}

// Writing to a String cannot fail, so results of `write!` are dropped here.
fn describe_kind(out: &mut String, spec: &KindSpec) {
    let mark = |verb: &str| format!("`{verb}`{}", if spec.ours.contains(&verb) { "*" } else { "" });
    let _ = writeln!(out, "## {} (`{}`, number {})\n", spec.title, spec.name, spec.id);
    if let Some(add) = spec.add {
        let _ = writeln!(out, "- add: {} with payload `{}`", mark(add), spec.payload);
    } else {
        let _ = writeln!(out, "- comes only inside another object");
    }
    if let Some(delete) = spec.delete {
        let place = if spec.delete_in_payload { "inside the payload" } else { "beside `command`" };
        let _ = writeln!(out, "- delete: {}, key fields {place}", mark(delete));
    }
    let clears: Vec<String> = spec.clear.iter().map(|verb| mark(verb)).collect();
    let _ = writeln!(out, "- cleared by: {}", clears.join(", "));
    let key: Vec<String> = spec.key.iter().map(|name| format!("`{name}`")).collect();
    let _ = writeln!(out, "- key: {}", key.join(", "));
    if spec.overrides_by > 0 {
        let by = key[..spec.overrides_by.min(key.len())].join(", ");
        let _ = writeln!(out, "- a node of the network overrides all rows of a {by} together");
    }
    let _ = writeln!(out, "- till table: `{}`", spec.table);
    for on in spec.hangs_on {
        let target = KINDS.iter().find(|other| other.name == on.kind);
        // A barcode that is deleted alone leaves its prices: see `HEAD`.
        if target.is_some_and(|other| other.hangs_on.is_empty()) {
            let _ = writeln!(out, "- goes with the `{}` that its `{}` names", on.kind, on.field);
        } else {
            let _ = writeln!(
                out,
                "- goes with a `{}` that its `{}` names, where that goes with its item",
                on.kind, on.field
            );
        }
    }
    for expansion in spec.expansions {
        describe_expansion(out, expansion);
    }
    let _ = writeln!(out, "\n| field | also | column | values |\n|---|---|---|---|");
    for field in spec.fields {
        describe_field(out, field);
    }
    out.push('\n');
}

fn describe_expansion(out: &mut String, expansion: &Expansion) {
    let Expansion { field, kind, scalar, ordinal, inherit, replaces } = expansion;
    let _ = write!(out, "- `{field}` becomes rows of `{kind}`");
    let taken: Vec<String> = inherit.iter().map(|(to, from)| format!("`{to}` from `{from}`")).collect();
    let _ = write!(out, " (with {}", taken.join(", "));
    if let Some(scalar) = scalar {
        let _ = write!(out, "; a plain value is its `{scalar}`");
    }
    if let Some(ordinal) = ordinal {
        let _ = write!(out, "; its place is `{ordinal}`");
    }
    let _ = writeln!(out, "){}", if *replaces { "; it is the whole set" } else { "" });
}

fn describe_field(out: &mut String, field: &Field) {
    let also: Vec<String> = field.aliases.iter().map(|name| format!("`{name}`")).collect();
    let values = match field.field_type {
        FieldType::Text { max } => format!("text, at most {max} characters"),
        FieldType::Code { max } => format!("code, at most {max} characters"),
        FieldType::Integer => "whole number".to_owned(),
        FieldType::Bool => "yes or no".to_owned(),
        FieldType::Money => "money, kept in kopecks".to_owned(),
        FieldType::Quantity => "quantity, kept in thousandths".to_owned(),
        FieldType::Decimal { digits, scale } => format!("dec({digits},{scale}), kept in units of 10^-{scale}"),
        FieldType::Date => "date".to_owned(),
        FieldType::DateTime => "local time".to_owned(),
        FieldType::DateTimeEnd => "local time of an end".to_owned(),
        FieldType::DaysOrDateTime => "number of days (kept as text) or local time".to_owned(),
        FieldType::Json if field.entries.is_empty() => "nested, kept as canonical JSON".to_owned(),
        FieldType::Json => {
            let entries: Vec<String> = field.entries.iter().map(|entry| format!("`{}`", entry.name)).collect();
            format!("list, kept as canonical JSON; an entry whose {} cannot be read is left out", entries.join(" or "))
        }
        FieldType::LongText => {
            format!("picture in base64, at most {MAX_LONG_TEXT_BYTES} bytes; a larger one is left out with a warning")
        }
    };
    let strict = if field.is_strict() { "; must be read" } else { "" };
    let absent = if field.may_be_absent { "; may be absent in the key" } else { "" };
    let _ = writeln!(out, "| `{}` | {} | `{}` | {values}{strict}{absent} |", field.name, also.join(", "), field.column);
}
