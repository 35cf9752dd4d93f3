//! A payload to rows: the object's own, and those that it brings for other kinds.

use super::canonical::write_members;
use super::command::{Problem, complete_key, key_cell, key_part};
use super::context::Context;
use super::json::{Cursor, Json, named_twice};
use super::value::{Cell, ValueError, as_text, convert, convert_next};
use super::warning::WarningKind;
use super::{Cause, Expansion, ObjectRow};
use crate::kinds::{FieldTarget, Kind, ResolvedExpansion};
use crate::row::{self, Encoder, KeyMatch, ObjectKey, RowRef, ValueRef};
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
    /// Of elements that were rejected: what is known of their keys.
    broken: Vec<KnownKey<'a>>,
}

/// The key fields of an element that was rejected, as far as they could be read; none where
/// nothing could.
type KnownKey<'a> = Option<Vec<Cell<'a>>>;

impl<'a> Fields<'a> {
    /// Reads the object that comes next.
    pub(super) fn read(kind: Kind, cursor: &mut Cursor<'a>, context: &mut Context<'_>) -> Result<Self, Problem> {
        let declared = kind.fields();
        let mut fields = Self::empty(kind);
        cursor.enter(b'{', "expected `{`")?;
        let (mut first, mut seen) = (true, 0_u128);
        while let Some(name) = cursor.member(&mut first)? {
            let name = name.value()?;
            let Some(FieldTarget { column, expansion, place }) = kind.target(name.as_bytes()) else {
                fields.extra.push((name, cursor.raw_value()?));
                continue;
            };
            let bit = 1_u128 << place;
            if seen & bit != 0 {
                return Err(Problem::twice(&name));
            }
            seen |= bit;
            let mut again = expansion.map(|_| cursor.clone());
            let mut odd = false;
            if let Some(column) = column {
                let field = &declared[column];
                match convert_next(field, cursor, context) {
                    Ok(Cell::Null) => {}
                    Ok(cell) => fields.cells[column] = cell,
                    Err(ValueError::Reason { value, reason })
                        if !field.is_strict() && !kind.key_columns().contains(&column) =>
                    {
                        odd = true;
                        context.warn(field.name, &value, WarningKind::ValueLeftOut { reason });
                    }
                    Err(error) => return Err(Problem::of_value(error, field.name)),
                }
            } else {
                again = None;
            }
            match expansion {
                // Told of already; what it brought before stays.
                Some(expansion) if odd => fields.brought.push(Brought::broken(expansion)),
                Some(expansion) => {
                    // A field that is a column as well is read a second time.
                    let source = again.as_mut().unwrap_or(cursor);
                    fields.brought.extend(Brought::read(kind, expansion, source, context)?);
                }
                None => {}
            }
        }
        match named_twice(fields.extra.iter().map(|(name, _)| &**name)) {
            Some(name) => Err(Problem::twice(name)),
            None => Ok(fields),
        }
    }

    fn empty(kind: Kind) -> Self {
        Self { kind, cells: vec![Cell::Null; kind.fields().len()], extra: Vec::new(), brought: Vec::new() }
    }

    /// A plain value in the place of an object.
    fn of_scalar(expansion: &ResolvedExpansion, value: Json<'a>, context: &mut Context<'_>) -> Result<Self, Problem> {
        let (Some(column), false) = (expansion.scalar, matches!(value, Json::Nested(_))) else {
            let reason = format!("field `{}`: expected objects in an array", expansion.field);
            let (field, value) = (String::new(), as_text(value));
            return Err(Problem::Value { cause: Cause::Value, field, value, reason });
        };
        let mut fields = Self::empty(expansion.kind);
        let field = &expansion.kind.fields()[column];
        fields.cells[column] = convert(field, value, context).map_err(|error| Problem::of_value(error, field.name))?;
        Ok(fields)
    }
}

impl<'a> Brought<'a> {
    /// A value that cannot be read.
    fn broken(expansion: usize) -> Self {
        Self { expansion, array: false, elements: Vec::new(), broken: vec![None] }
    }

    /// Reads the value that comes next: an array, an object or a plain value; nothing if it is
    /// absent.
    fn read(
        owner: Kind,
        place: usize,
        cursor: &mut Cursor<'a>,
        context: &mut Context<'_>,
    ) -> Result<Option<Self>, Problem> {
        let expansion = &owner.expansions()[place];
        let mut brought = Self { expansion: place, array: false, elements: Vec::new(), broken: Vec::new() };
        if cursor.peek() == Some(b'[') {
            brought.array = true;
            cursor.enter(b'[', "expected `[`")?;
            let (mut first, mut place) = (true, 0);
            while cursor.element(&mut first)? {
                context.count_entry()?;
                brought.read_element(expansion, Some(place), cursor, context)?;
                place += 1;
            }
        } else {
            brought.read_element(expansion, None, cursor, context)?;
            if brought.elements.is_empty() && brought.broken.is_empty() {
                return Ok(None);
            }
        }
        Ok(Some(brought))
    }

    /// Reads an element; `place`: in the array. A broken one is rejected by itself.
    fn read_element(
        &mut self,
        expansion: &'static ResolvedExpansion,
        place: Option<usize>,
        cursor: &mut Cursor<'a>,
        context: &mut Context<'_>,
    ) -> Result<(), Problem> {
        cursor.peek();
        let (mut again, warnings) = (cursor.clone(), context.warnings.len());
        let element = match cursor.peek() {
            Some(b'{') => Fields::read(expansion.kind, cursor, context).map(Some),
            _ => match cursor.value()? {
                Json::Null => Ok(None),
                Json::Text(text) if place.is_none() && text.value()?.trim().is_empty() => Ok(None),
                value => Fields::of_scalar(expansion, value, context).map(Some),
            },
        };
        match element {
            Ok(element) => self.elements.extend(element.map(|fields| (place.unwrap_or(0), fields))),
            Err(Problem::Value { field, value, reason, .. }) => {
                context.warnings.truncate(warnings);
                context.warn(&field, &value, WarningKind::EntryRejected { reason });
                let raw = again.raw_value()?;
                *cursor = again;
                self.broken.push(known_key(expansion, raw)?);
            }
            Err(whole) => return Err(whole),
        }
        context.within(warnings, expansion.field, place);
        Ok(())
    }
}

/// What can be read of the key of a rejected element.
fn known_key<'a>(expansion: &ResolvedExpansion, raw: &'a str) -> Result<KnownKey<'a>, Problem> {
    let kind = expansion.kind;
    let mut cells = vec![Cell::Null; kind.fields().len()];
    if !raw.starts_with('{') {
        return Ok(None);
    }
    let (mut cursor, mut first) = (Cursor::new(raw), true);
    cursor.enter(b'{', "expected `{`")?;
    while let Some(name) = cursor.member(&mut first)? {
        let (name, raw) = (name.value()?, cursor.raw_value()?);
        if let Some(column) = kind.field(&name).filter(|column| kind.key_columns().contains(column)) {
            let Some(cell) = key_cell(kind, column, raw) else { return Ok(None) };
            if cell != Cell::Null {
                cells[column] = cell;
            }
        }
    }
    Ok(Some(cells))
}

/// Rows as they are made.
#[derive(Default)]
pub(super) struct Rows {
    owned: Vec<ObjectRow>,
    replaces: Vec<Kind>,
    spared: Vec<(Kind, Option<KeyMatch>)>,
    /// Kinds of which all rows of the object are spared, each once.
    spared_kinds: Vec<Kind>,
    /// Rows are encoded here, so that each is stored in one piece of its size.
    scratch: Vec<u8>,
}

impl Rows {
    /// Makes the rows of an object.
    pub(super) fn expand(
        verb: &'static str,
        fields: Fields<'_>,
        context: &mut Context<'_>,
    ) -> Result<Expansion, Problem> {
        let mut rows = Self::default();
        if let Some(column) = fields.kind.spec().named_by.and_then(|name| fields.kind.field(name))
            && matches!(&fields.cells[column], Cell::Null | Cell::Text(_))
            && key_part(&fields.cells[column]).trim().is_empty()
        {
            context.warn(fields.kind.fields()[column].name, "", WarningKind::NoName);
        }
        let main = rows.object(fields, context)?;
        let Self { mut owned, mut replaces, mut spared, spared_kinds, .. } = rows;
        spared.extend(spared_kinds.into_iter().map(|kind| (kind, None)));
        if owned.len() > 1 {
            // Of rows with one key the last stays: a barcode that is also the main one is told of
            // twice.
            owned.reverse();
            owned.sort_by(|left, right| (left.kind.id(), &left.key).cmp(&(right.kind.id(), &right.key)));
            owned.dedup_by(|later, earlier| later.kind == earlier.kind && later.key == earlier.key);
        }
        replaces.sort_unstable_by_key(|kind| kind.id());
        replaces.dedup();
        let bundle = bundle(&main, &owned, &replaces);
        let warnings = std::mem::take(&mut context.warnings);
        let lasting = warnings.is_empty() && spared.is_empty() && !context.zoned;
        Ok(Expansion { verb, main, owned, replaces, spared, warnings, lasting, bundle })
    }

    fn object(&mut self, fields: Fields<'_>, context: &mut Context<'_>) -> Result<ObjectRow, Problem> {
        let Fields { kind, mut cells, extra, mut brought } = fields;
        for column in kind.key_columns() {
            complete_key(kind, *column, &mut cells[*column])?;
        }
        // In the order of the table, and the last of those that came under two names.
        brought.reverse();
        brought.sort_by_key(|brought| brought.expansion);
        brought.dedup_by_key(|brought| brought.expansion);
        for brought in brought {
            self.bring(kind, &cells, brought, context)?;
        }
        encode(kind, &cells, extra, &mut self.scratch)
    }

    fn bring<'a>(
        &mut self,
        owner: Kind,
        cells: &[Cell<'a>],
        brought: Brought<'a>,
        context: &mut Context<'_>,
    ) -> Result<(), Problem> {
        let expansion = &owner.expansions()[brought.expansion];
        let inherit = |theirs: &mut [Cell<'a>], place: usize| {
            for (to, from) in &expansion.inherit {
                theirs[*to] = cells[*from].clone();
            }
            if let Some(ordinal) = expansion.ordinal {
                theirs[ordinal] = Cell::Integer(i64::try_from(place).unwrap_or(i64::MAX));
            }
        };
        if expansion.replaces && !self.replaces.contains(&expansion.kind) {
            self.replaces.push(expansion.kind);
        }
        for known in brought.broken {
            let key = known.and_then(|mut theirs| {
                inherit(&mut theirs, 0);
                key_of(expansion.kind, &mut theirs)
            });
            self.spare(expansion.kind, key);
        }
        for (place, mut fields) in brought.elements {
            let (from, made) = (context.warnings.len(), self.owned.len());
            inherit(&mut fields.cells, place);
            match self.object(fields, context) {
                Ok(row) => self.owned.push(row),
                Err(Problem::Value { field, value, reason, .. }) => {
                    // What it brought itself goes with it.
                    self.owned.truncate(made);
                    context.warnings.truncate(from);
                    context.warn(&field, &value, WarningKind::EntryRejected { reason });
                    self.spare(expansion.kind, None);
                }
                Err(whole) => return Err(whole),
            }
            context.within(from, expansion.field, brought.array.then_some(place));
        }
        Ok(())
    }

    /// An element was rejected: the row that it may have been meant to bring stays as it is, and
    /// so does all that this row may have brought.
    fn spare(&mut self, kind: Kind, key: Option<ObjectKey>) {
        let known = usize::from(key.is_some());
        self.spared.extend(key.map(|key| (kind, Some(KeyMatch::Exact(key)))));
        for kind in kind.brings().into_iter().skip(known) {
            if !self.spared_kinds.contains(&kind) {
                self.spared_kinds.push(kind);
            }
        }
    }
}

/// The key in these cells, where it is whole.
fn key_of(kind: Kind, cells: &mut [Cell<'_>]) -> Option<ObjectKey> {
    for column in kind.key_columns() {
        complete_key(kind, *column, &mut cells[*column]).ok()?;
    }
    Some(ObjectKey::from_values(kind.key_columns().iter().map(|column| cells[*column].as_value())))
}

/// The rows that an object's own row named by plain values which are no whole sets: an item's main
/// barcode. Where the value changes, such a row is the old one.
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

fn encode(
    kind: Kind,
    cells: &[Cell<'_>],
    extra: Vec<(Cow<'_, str>, &str)>,
    scratch: &mut Vec<u8>,
) -> Result<ObjectRow, Problem> {
    let mut extra_text = None;
    if !extra.is_empty() {
        let mut text = String::new();
        write_members(extra, &mut text)?;
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

/// XXH3-128 over the hashes of main row, owned rows in order and the numbers of the replaced
/// kinds.
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
