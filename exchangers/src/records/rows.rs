//! Fields to rows: the object's own, and those that it brings for other kinds.

use super::cell::write_members;
use super::key::key_of;
use super::{
    Cell, Command, Context, Expansion, Fields, Nested, ObjectRow, Problem, RowValue, WarningKind, complete_key,
    key_part,
};
use crate::kinds::{Kind, ResolvedExpansion};
use crate::row::{self, Encoder, KeyMatch, ObjectKey, RowRef, ValueRef};
use std::borrow::Cow;
use tillway_proto::RowHash;

impl Fields<'_> {
    /// The object with all that it brings; `verb`: of the record, as the table spells it.
    pub fn add(self, verb: &'static str, context: &mut Context<'_>) -> Result<Command, Problem> {
        Rows::expand(verb, self, context).map(Command::Upsert)
    }
}

/// Rows as they are made.
#[derive(Default)]
struct Rows {
    owned: Vec<ObjectRow>,
    replaces: Vec<Kind>,
    spared: Vec<(Kind, Option<KeyMatch>)>,
    /// Kinds of which all rows of the object are spared, each once.
    spared_kinds: Vec<Kind>,
    /// Rows are encoded here, so that each is stored in one piece of its size.
    scratch: Vec<u8>,
}

impl Rows {
    fn expand(verb: &'static str, fields: Fields<'_>, context: &mut Context<'_>) -> Result<Expansion, Problem> {
        let mut rows = Self::default();
        if let Some(column) = fields.kind.spec().named_by.and_then(|name| fields.kind.field(name))
            && matches!(&fields.values[column], RowValue::Null | RowValue::Text(_))
            && key_part(&fields.values[column]).trim().is_empty()
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
        let Fields { kind, mut values, unknown, mut nested, .. } = fields;
        for column in kind.key_columns() {
            complete_key(kind, *column, &mut values[*column])?;
        }
        // In the order of the table, and the last of those that came under two names.
        nested.reverse();
        nested.sort_by_key(|nested| nested.expansion);
        nested.dedup_by_key(|nested| nested.expansion);
        for nested in nested {
            self.bring(kind, &values, nested, context)?;
        }
        Ok(encode(kind, &values, unknown, &mut self.scratch))
    }

    fn bring<'a>(
        &mut self,
        owner: Kind,
        values: &[RowValue<'a>],
        nested: Nested<'a>,
        context: &mut Context<'_>,
    ) -> Result<(), Problem> {
        let expansion = &owner.expansions()[nested.expansion];
        let inherit = |theirs: &mut [RowValue<'a>], place: usize| {
            for (to, from) in &expansion.inherit {
                theirs[*to] = values[*from].clone();
            }
            if let Some(ordinal) = expansion.ordinal {
                theirs[ordinal] = RowValue::Integer(i64::try_from(place).unwrap_or(i64::MAX));
            }
        };
        if expansion.replaces && !self.replaces.contains(&expansion.kind) {
            self.replaces.push(expansion.kind);
        }
        for known in nested.rejected {
            let key = known.and_then(|mut theirs| {
                inherit(&mut theirs, 0);
                key_of(expansion.kind, &mut theirs)
            });
            self.spare(expansion.kind, key);
        }
        for (place, mut fields) in nested.elements {
            let (from, made) = (context.warnings.len(), self.owned.len());
            inherit(&mut fields.values, place);
            match self.object(fields, context) {
                Ok(row) => self.owned.push(row),
                Err(Problem::Value { field, value, reason, .. }) => {
                    // What it brought itself goes with it.
                    self.owned.truncate(made);
                    context.reject_entry(from, &field, &value, reason);
                    self.spare(expansion.kind, None);
                }
                Err(whole) => return Err(whole),
            }
            context.within(from, expansion.field, nested.is_list.then_some(place));
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

/// The rows that an object's own row named by plain values which are no whole sets: an item's main
/// barcode. Where the value changes, such a row is the old one.
pub fn rows_of_scalars(kind: Kind, row: &RowRef<'_>) -> Vec<(Kind, ObjectKey)> {
    let of = |expansion: &ResolvedExpansion| {
        let theirs = expansion.kind;
        let mut values = vec![RowValue::Null; theirs.fields().len()];
        values[expansion.scalar?] = RowValue::from_value(row.values[kind.field(expansion.field)?]);
        if values[expansion.scalar?] == RowValue::Null {
            return None;
        }
        for (to, from) in &expansion.inherit {
            values[*to] = RowValue::from_value(row.values[*from]);
        }
        if let Some(ordinal) = expansion.ordinal {
            values[ordinal] = RowValue::Integer(0);
        }
        Some((theirs, key_of(theirs, &mut values)?))
    };
    kind.expansions().iter().filter(|expansion| !expansion.replaces).filter_map(of).collect()
}

fn encode(
    kind: Kind,
    values: &[RowValue<'_>],
    unknown: Vec<(Cow<'_, str>, Cell<'_>)>,
    scratch: &mut Vec<u8>,
) -> ObjectRow {
    let extra = (!unknown.is_empty()).then(|| write_members(unknown));
    scratch.clear();
    let mut encoder = Encoder::new(scratch);
    encoder.push(ValueRef::from(extra.as_deref()));
    for value in values {
        encoder.push(value.as_value());
    }
    let body = scratch.as_slice().to_vec();
    let key = ObjectKey::from_values(kind.key_columns().iter().map(|column| values[*column].as_value()));
    let hash = row::hash(kind, &body);
    ObjectRow { kind, key, body, hash }
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
