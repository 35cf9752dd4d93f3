//! A payload to rows: the object's own, and those that it brings for other kinds.

use super::canonical::write_members;
use super::command::{Problem, complete_key};
use super::json::{Cursor, Json};
use super::value::{Cell, ValueError, convert, convert_next};
use super::{Cause, Expansion, ObjectRow};
use crate::kinds::{FieldTarget, Kind, ResolvedExpansion};
use crate::row::{self, Encoder, ObjectKey, RowRef, ValueRef};
use std::borrow::Cow;
use tillway_proto::RowHash;

/// What stands in a payload, before it becomes rows.
pub(super) struct Fields<'a> {
    kind: Kind,
    /// A value for every declared field.
    pub(super) cells: Vec<Cell<'a>>,
    /// Unknown fields with their raw values.
    pub(super) extra: Vec<(Cow<'a, str>, &'a str)>,
    /// What it brings for other kinds.
    brought: Vec<Brought<'a>>,
}

/// The value of a field that becomes rows of another kind.
struct Brought<'a> {
    /// Which of the kind's expansions.
    expansion: usize,
    /// It came as an array.
    array: bool,
    /// Its elements, with their places in the array.
    elements: Vec<(usize, Fields<'a>)>,
}

impl<'a> Fields<'a> {
    /// Reads the object that comes next.
    pub(super) fn read(kind: Kind, cursor: &mut Cursor<'a>) -> Result<Self, Problem> {
        let declared = kind.fields();
        let mut fields = Self::empty(kind);
        cursor.enter(b'{', "expected `{`")?;
        let mut first = true;
        while let Some(name) = cursor.member(&mut first)? {
            let name = name.value()?;
            let Some(FieldTarget { column, expansion }) = kind.target(name.as_bytes()) else {
                fields.extra.push((name, cursor.raw_value()?));
                continue;
            };
            let mut again = expansion.map(|_| cursor.clone());
            if let Some(column) = column {
                let cell = convert_next(&declared[column], cursor)?;
                if cell != Cell::Null {
                    fields.cells[column] = cell;
                }
            } else {
                again = None;
            }
            if let Some(expansion) = expansion {
                // A field that is a column as well is read a second time.
                let source = again.as_mut().unwrap_or(cursor);
                fields.brought.extend(Brought::read(kind, expansion, source)?);
            }
        }
        Ok(fields)
    }

    fn empty(kind: Kind) -> Self {
        Self { kind, cells: vec![Cell::Null; kind.fields().len()], extra: Vec::new(), brought: Vec::new() }
    }

    /// A plain value in the place of an object.
    fn of_scalar(expansion: &ResolvedExpansion, value: Json<'a>) -> Result<Self, Problem> {
        let (Some(column), false) = (expansion.scalar, matches!(value, Json::Nested(_))) else {
            let reason = format!("field `{}`: expected objects in an array", expansion.field);
            return Err(Problem::Other(Cause::Value, reason));
        };
        let mut fields = Self::empty(expansion.kind);
        fields.cells[column] = convert(&expansion.kind.fields()[column], value)?;
        Ok(fields)
    }
}

impl<'a> Brought<'a> {
    /// Reads the value that comes next: an array, an object or a plain value; nothing if it is absent.
    fn read(owner: Kind, place: usize, cursor: &mut Cursor<'a>) -> Result<Option<Self>, Problem> {
        let expansion = &owner.expansions()[place];
        let mut brought = Self { expansion: place, array: false, elements: Vec::new() };
        match cursor.peek() {
            Some(b'{') => brought.elements.push((0, Fields::read(expansion.kind, cursor)?)),
            Some(b'[') => {
                brought.array = true;
                brought.read_elements(expansion, cursor)?;
            }
            _ => match cursor.value()? {
                Json::Null => return Ok(None),
                Json::Text(text) if text.value()?.trim().is_empty() => return Ok(None),
                value => brought.elements.push((0, Fields::of_scalar(expansion, value)?)),
            },
        }
        Ok(Some(brought))
    }

    fn read_elements(&mut self, expansion: &ResolvedExpansion, cursor: &mut Cursor<'a>) -> Result<(), Problem> {
        cursor.enter(b'[', "expected `[`")?;
        let (mut first, mut place) = (true, 0);
        while cursor.element(&mut first)? {
            let element = match cursor.peek() {
                Some(b'{') => Fields::read(expansion.kind, cursor).map(Some),
                _ => match cursor.value()? {
                    Json::Null => Ok(None),
                    value => Fields::of_scalar(expansion, value).map(Some),
                },
            };
            let element = element.map_err(|problem| within(problem, expansion.field, place))?;
            self.elements.extend(element.map(|fields| (place, fields)));
            place += 1;
        }
        Ok(())
    }
}

/// Rows as they are made.
#[derive(Default)]
pub(super) struct Rows {
    owned: Vec<ObjectRow>,
    replaces: Vec<Kind>,
    /// Rows are encoded here, so that each is stored in one piece of its size.
    scratch: Vec<u8>,
}

impl Rows {
    /// Makes the rows of an object.
    pub(super) fn expand(verb: &'static str, fields: Fields<'_>) -> Result<Expansion, Problem> {
        let mut rows = Self::default();
        let main = rows.object(fields)?;
        let Self { mut owned, mut replaces, .. } = rows;
        if owned.len() > 1 {
            // Of rows with one key the last stays: a barcode that is also the main one is told of twice.
            owned.reverse();
            owned.sort_by(|left, right| (left.kind.id(), &left.key).cmp(&(right.kind.id(), &right.key)));
            owned.dedup_by(|later, earlier| later.kind == earlier.kind && later.key == earlier.key);
        }
        replaces.sort_unstable_by_key(|kind| kind.id());
        replaces.dedup();
        let bundle = bundle(&main, &owned, &replaces);
        Ok(Expansion { verb, main, owned, replaces, bundle })
    }

    fn object(&mut self, fields: Fields<'_>) -> Result<ObjectRow, Problem> {
        let Fields { kind, mut cells, extra, mut brought } = fields;
        for column in kind.key_columns() {
            complete_key(kind, *column, &mut cells[*column])?;
        }
        // In the order of the table, and the last of those that came twice.
        brought.reverse();
        brought.sort_by_key(|brought| brought.expansion);
        brought.dedup_by_key(|brought| brought.expansion);
        for brought in brought {
            self.bring(kind, &cells, brought)?;
        }
        encode(kind, &cells, extra, &mut self.scratch)
    }

    fn bring<'a>(&mut self, owner: Kind, cells: &[Cell<'a>], brought: Brought<'a>) -> Result<(), Problem> {
        let expansion = &owner.expansions()[brought.expansion];
        if expansion.replaces && !self.replaces.contains(&expansion.kind) {
            self.replaces.push(expansion.kind);
        }
        for (place, mut fields) in brought.elements {
            for (to, from) in &expansion.inherit {
                fields.cells[*to] = cells[*from].clone();
            }
            if let Some(ordinal) = expansion.ordinal {
                fields.cells[ordinal] = Cell::Integer(i64::try_from(place).unwrap_or(i64::MAX));
            }
            let row = self.object(fields);
            let row = if brought.array { row.map_err(|p| within(p, expansion.field, place)) } else { row };
            self.owned.push(row?);
        }
        Ok(())
    }
}

/// The rows that an object's own row named by plain values which are no whole sets: an item's main barcode. Where the
/// value changes, such a row is the old one.
pub fn rows_of_scalars(kind: Kind, row: &RowRef<'_>) -> Vec<(Kind, ObjectKey)> {
    let of = |expansion: &ResolvedExpansion| {
        let theirs = expansion.kind;
        let mut cells = vec![Cell::Null; theirs.fields().len()];
        cells[expansion.scalar?] = Cell::from_value(row.values[kind.field(expansion.field)?]);
        if cells[expansion.scalar?] == Cell::Null {
            return None;
        }
        for (to, from) in &expansion.inherit {
            cells[*to] = Cell::from_value(row.values[*from]);
        }
        if let Some(ordinal) = expansion.ordinal {
            cells[ordinal] = Cell::Integer(0);
        }
        for column in theirs.key_columns() {
            complete_key(theirs, *column, &mut cells[*column]).ok()?;
        }
        let values = theirs.key_columns().iter().map(|column| cells[*column].as_value());
        Some((theirs, ObjectKey::from_values(values)))
    };
    kind.expansions().iter().filter(|expansion| !expansion.replaces).filter_map(of).collect()
}

/// Puts the place of an element before the reason.
fn within(problem: Problem, field: &str, place: usize) -> Problem {
    match problem {
        Problem::Other(cause, reason) => Problem::Other(cause, format!("{field}[{place}]: {reason}")),
        fault @ Problem::Fault(_) => fault,
    }
}

fn encode(
    kind: Kind,
    cells: &[Cell<'_>],
    extra: Vec<(Cow<'_, str>, &str)>,
    scratch: &mut Vec<u8>,
) -> Result<ObjectRow, Problem> {
    let mut extra_text = None;
    if !extra.is_empty() {
        let mut text = String::new();
        write_members(extra, &mut text).map_err(ValueError::from)?;
        extra_text = Some(text);
    }
    scratch.clear();
    let mut encoder = Encoder::new(scratch);
    encoder.push(ValueRef::from(extra_text.as_deref()));
    for cell in cells {
        encoder.push(cell.as_value());
    }
    let body = scratch.as_slice().to_vec();
    let key = ObjectKey::from_values(kind.key_columns().iter().map(|column| cells[*column].as_value()));
    let hash = row::hash(kind, &body);
    Ok(ObjectRow { kind, key, body, hash })
}

/// XXH3-128 over the hashes of main row, owned rows in order and the numbers of the replaced kinds.
fn bundle(main: &ObjectRow, owned: &[ObjectRow], replaces: &[Kind]) -> RowHash {
    let mut bytes = Vec::with_capacity(16 * (owned.len() + 1) + 2 * replaces.len());
    for row in std::iter::once(main).chain(owned) {
        bytes.extend_from_slice(&row.hash.to_bytes());
    }
    for kind in replaces {
        bytes.extend_from_slice(&kind.id().to_be_bytes());
    }
    RowHash(xxhash_rust::xxh3::xxh3_128(&bytes))
}
