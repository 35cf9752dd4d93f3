//! What a format has read of an object, before it becomes rows.

use super::{Cause, Cell, Context, Problem, RejectReason, RowValue, WarningKind, convert};
use crate::json::named_twice;
use crate::kinds::{FieldTarget, Kind, ResolvedExpansion};
use std::borrow::Cow;

/// The fields of an object, as they are read one after the other.
#[derive(Debug)]
pub struct Fields<'a> {
    pub(super) kind: Kind,
    /// A value for every declared field.
    pub(super) values: Vec<RowValue<'a>>,
    /// Fields that the table does not know.
    pub(super) unknown: Vec<(Cow<'a, str>, Cell<'a>)>,
    /// What it brings for other kinds.
    pub(super) nested: Vec<Nested<'a>>,
    /// A bit for each name of the kind that has come.
    seen: u128,
}

/// The value of a field that becomes rows of another kind.
#[derive(Debug)]
pub struct Nested<'a> {
    owner: Kind,
    /// Which of the owner's expansions.
    pub(super) expansion: usize,
    /// It came as a list.
    pub(super) is_list: bool,
    /// Elements so far.
    next: usize,
    /// Those that were taken, with their places in the list.
    pub(super) elements: Vec<(usize, Fields<'a>)>,
    /// Of those that were rejected: what is known of their keys.
    pub(super) rejected: Vec<KnownKey<'a>>,
}

/// The key fields of an element that was rejected, as far as they could be read, among the values
/// of all fields of its kind; none where nothing could.
pub(crate) type KnownKey<'a> = Option<Vec<RowValue<'a>>>;

impl<'a> Fields<'a> {
    /// Of an object of this kind, of which nothing is read yet.
    pub fn new(kind: Kind) -> Self {
        let values = vec![RowValue::Null; kind.fields().len()];
        Self { kind, values, unknown: Vec::new(), nested: Vec::new(), seen: 0 }
    }

    /// Takes the value of the field with this name, whatever its case; a list is taken by
    /// [`Self::list`] and [`Self::bring`].
    pub fn set(&mut self, name: Cow<'a, str>, cell: Cell<'a>, context: &mut Context<'_>) -> Result<(), Problem> {
        let Some(target) = self.begin(&name)? else {
            self.keep(name, cell);
            return Ok(());
        };
        let element = target.expansion.map(|expansion| (Nested::new(self.kind, expansion, false), cell.clone()));
        let taken = match target.column {
            Some(column) => self.put(column, cell, context)?,
            None => true,
        };
        if let Some((mut nested, cell)) = element {
            if taken {
                nested.push(cell, context)?;
            } else {
                nested.rejected.push(None);
            }
            self.bring(nested);
        }
        Ok(())
    }

    /// A list for the field with this name, to be filled and brought; none where that field takes
    /// no elements that become rows.
    pub fn list(&mut self, name: &str) -> Result<Option<Nested<'a>>, Problem> {
        let expansion = self.begin(name)?.and_then(|target| target.expansion);
        Ok(expansion.map(|expansion| Nested::new(self.kind, expansion, true)))
    }

    /// Takes a list with its elements.
    pub fn bring(&mut self, nested: Nested<'a>) {
        if nested.is_list || !nested.elements.is_empty() || !nested.rejected.is_empty() {
            self.nested.push(nested);
        }
    }

    /// A field with this name comes: where its value goes, or that the table does not know it.
    pub(crate) fn begin(&mut self, name: &str) -> Result<Option<FieldTarget>, Problem> {
        let Some(target) = self.kind.target(name.as_bytes()) else { return Ok(None) };
        let bit = 1_u128 << target.place;
        if self.seen & bit != 0 {
            return Err(Problem::twice(name));
        }
        self.seen |= bit;
        Ok(Some(target))
    }

    /// Takes the value of a declared field. False where it was left out, with a warning.
    pub(crate) fn put(&mut self, column: usize, cell: Cell<'a>, context: &mut Context<'_>) -> Result<bool, Problem> {
        let field = &self.kind.fields()[column];
        match convert(field, cell, context) {
            Ok(RowValue::Null) => Ok(true),
            Ok(value) => {
                self.values[column] = value;
                Ok(true)
            }
            Err(Problem::Value { value, reason, .. })
                if !field.is_strict() && !self.kind.key_columns().contains(&column) =>
            {
                context.warn(field.name, &value, WarningKind::ValueLeftOut { reason });
                Ok(false)
            }
            Err(problem) => Err(problem),
        }
    }

    /// Keeps a field that the table does not know; a nested value is in canonical form.
    pub(crate) fn keep(&mut self, name: Cow<'a, str>, cell: Cell<'a>) {
        self.unknown.push((name, cell));
    }

    /// Of fields that the table does not know no two may have one name.
    pub(crate) fn check_unknown(&self) -> Result<(), Problem> {
        match named_twice(self.unknown.iter().map(|(name, _)| &**name)) {
            Some(name) => Err(Problem::twice(name)),
            None => Ok(()),
        }
    }

    /// A plain value in the place of an object.
    fn of_scalar(expansion: &ResolvedExpansion, cell: Cell<'a>, context: &mut Context<'_>) -> Result<Self, Problem> {
        let (Some(column), false) = (expansion.scalar, matches!(cell, Cell::Nested(_))) else {
            let reason = RejectReason::NoArrayOfObjects { field: expansion.field };
            let (field, value) = (String::new(), cell.into_text());
            return Err(Problem::Value { cause: Cause::Value, field, value, reason });
        };
        let mut fields = Self::new(expansion.kind);
        fields.values[column] = convert(&expansion.kind.fields()[column], cell, context)?;
        Ok(fields)
    }
}

impl<'a> Nested<'a> {
    pub(crate) fn new(owner: Kind, expansion: usize, is_list: bool) -> Self {
        Self { owner, expansion, is_list, next: 0, elements: Vec::new(), rejected: Vec::new() }
    }

    /// A value that cannot be read; a warning says so already.
    pub(crate) fn unreadable(owner: Kind, expansion: usize) -> Self {
        Self { rejected: vec![None], ..Self::new(owner, expansion, false) }
    }

    /// The kind of its elements.
    pub fn kind(&self) -> Kind {
        self.target().kind
    }

    /// Takes a plain value as the next element; one that is broken is rejected by itself, with a
    /// warning.
    pub fn push(&mut self, cell: Cell<'a>, context: &mut Context<'_>) -> Result<(), Problem> {
        let from = self.begin(context)?;
        if cell == Cell::Null || (!self.is_list && cell.is_blank()) {
            self.next += 1;
            return Ok(());
        }
        match Fields::of_scalar(self.target(), cell, context) {
            Ok(fields) => self.take(fields, from, context),
            Err(Problem::Value { field, value, reason, .. }) => {
                context.reject_entry(from, &field, &value, reason);
                self.reject(None, from, context);
            }
            Err(whole) => return Err(whole),
        }
        Ok(())
    }

    /// The next element is about to be read: the warnings before it.
    pub(crate) fn begin(&self, context: &mut Context<'_>) -> Result<usize, Problem> {
        if self.is_list {
            context.count_entry()?;
        }
        Ok(context.warnings.len())
    }

    /// Takes an object as the next element; warnings from `from` on are about it.
    pub(crate) fn take(&mut self, fields: Fields<'a>, from: usize, context: &mut Context<'_>) {
        self.elements.push((self.next, fields));
        self.end_element(from, context);
    }

    /// The next element is rejected, as a warning from `from` on says.
    pub(crate) fn reject(&mut self, key: KnownKey<'a>, from: usize, context: &mut Context<'_>) {
        self.rejected.push(key);
        self.end_element(from, context);
    }

    fn end_element(&mut self, from: usize, context: &mut Context<'_>) {
        context.within(from, self.target().field, self.is_list.then_some(self.next));
        self.next += 1;
    }

    fn target(&self) -> &'static ResolvedExpansion {
        &self.owner.expansions()[self.expansion]
    }
}
