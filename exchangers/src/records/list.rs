//! Nested lists that are kept in the object's own row, as JSON: each entry is looked at by itself,
//! and a broken one is left out alone.

use super::{Cell, Context, Problem, RejectReason, RowValue, convert};
use crate::json::{named_twice, write_text};
use crate::kinds::{Field, FieldType};
use std::borrow::Cow;

/// A list as it grows, entry by entry.
#[derive(Debug)]
pub struct KeptList<'f> {
    field: &'f Field,
    /// Canonical JSON, without the closing bracket.
    json: String,
    place: usize,
}

/// One entry, as a format reads it.
#[derive(Debug)]
pub enum Entry<'a> {
    /// Nothing.
    Null,
    /// An object; its nested values are in canonical form.
    Object(Vec<(Cow<'a, str>, Cell<'a>)>),
    /// What is no object, as it came.
    Other(&'a str),
}

/// What makes an entry a broken one.
struct Broken {
    field: String,
    value: String,
    reason: RejectReason,
}

impl<'f> KeptList<'f> {
    /// For this field of the table.
    pub fn new(field: &'f Field) -> Self {
        Self { field, json: "[".to_owned(), place: 0 }
    }

    /// Adds an entry; one that is broken is left out, with a warning.
    pub fn push(&mut self, entry: Entry<'_>, context: &mut Context<'_>) -> Result<(), Problem> {
        context.count_entry()?;
        let (from, end) = (context.warnings.len(), self.json.len());
        if end > 1 && !matches!(entry, Entry::Null) {
            self.json.push(',');
        }
        let broken = match entry {
            Entry::Null => None,
            Entry::Object(members) => self.write(members, context)?,
            Entry::Other(value) => {
                let reason = RejectReason::EntryNotObject;
                Some(Broken { field: String::new(), value: value.to_owned(), reason })
            }
        };
        if let Some(Broken { field, value, reason }) = broken {
            self.json.truncate(end);
            context.reject_entry(from, &field, &value, reason);
        }
        context.within(from, self.field.name, Some(self.place));
        self.place += 1;
        Ok(())
    }

    /// The whole list.
    pub fn into_cell(mut self) -> Cell<'static> {
        self.json.push(']');
        Cell::Nested(Cow::Owned(self.json))
    }

    fn write(
        &mut self,
        mut members: Vec<(Cow<'_, str>, Cell<'_>)>,
        context: &mut Context<'_>,
    ) -> Result<Option<Broken>, Problem> {
        if let Some(name) = named_twice(members.iter().map(|(name, _)| &**name)) {
            return Err(Problem::twice(name));
        }
        members.sort_by(|(left, _), (right, _)| left.cmp(right));
        self.json.push('{');
        let start = self.json.len();
        for (name, cell) in members {
            if self.json.len() > start {
                self.json.push(',');
            }
            write_text(&name, &mut self.json);
            self.json.push(':');
            let value = self.json.len();
            cell.write_json(&mut self.json);
            let Some(declared) = self.field.entries.iter().find(|entry| entry.name.eq_ignore_ascii_case(&name)) else {
                continue;
            };
            let zoned = std::mem::take(&mut context.zoned);
            let taken = convert(declared, cell, context);
            let converted = std::mem::replace(&mut context.zoned, zoned);
            context.zoned |= converted;
            match taken {
                // A time of another zone is the only one that is not kept as it came.
                Ok(RowValue::Text(local)) if converted && declared.field_type != FieldType::Json => {
                    self.json.truncate(value);
                    write_text(&local, &mut self.json);
                }
                Ok(_) => {}
                Err(Problem::Value { value, reason, .. }) => {
                    return Ok(Some(Broken { field: name.into_owned(), value, reason }));
                }
                Err(whole) => return Err(whole),
            }
        }
        self.json.push('}');
        Ok(None)
    }
}
