//! The shapes that an entry of the table of kinds is made of, and the short words it is written
//! with.

/// One kind of dictionary object: everything that parser, difference, package, till schema and
/// documents need.
#[derive(Debug, Clone, Copy)]
pub struct KindSpec {
    /// Number of the kind in databases and packages. Never changes, never given again.
    pub id: u16,
    /// Name of the kind, lower case. Never changes.
    pub name: &'static str,
    /// What it is, for people.
    pub title: &'static str,
    /// The envelope's key that holds the object in AIF.
    pub payload: &'static str,
    /// The verb that adds or changes an object; a kind that only comes inside another one has
    /// none.
    pub add: Option<&'static str>,
    /// The verb that deletes an object by its key.
    pub delete: Option<&'static str>,
    /// Its key fields stand inside the payload object, not beside `command`. Either is read; this
    /// is how it is written.
    pub delete_in_payload: bool,
    /// The verbs that clear this kind, with others perhaps.
    pub clear: &'static [&'static str],
    /// Those of the verbs above that are not known from a public sample: named by us in the same
    /// manner.
    pub ours: &'static [&'static str],
    /// Names of the key fields, in the order of the object key.
    pub key: &'static [&'static str],
    /// How many of the key fields, from the first, name what a node of the network overrides as a
    /// whole: rows of upper nodes with the same are hidden by any row of a deeper one. 0: each
    /// object by itself.
    pub overrides_by: usize,
    /// The declared fields, in the order of the row. New ones are only ever added at the end.
    pub fields: &'static [Field],
    /// Fields whose values become rows of another kind.
    pub expansions: &'static [Expansion],
    /// The field by which people know an object of this kind: one without it is told.
    pub named_by: Option<&'static str>,
    /// Two objects of this kind with the same first key field are told of: a barcode of two items.
    pub first_key_is_unique: bool,
    /// The field that names the object of this kind in which one is: a group that is inside itself
    /// is told of.
    pub inside: Option<&'static str>,
    /// What an object of this kind hangs on: it goes when that is deleted, by whichever verb it
    /// came.
    pub hangs_on: &'static [Hanging],
    /// The table of the till's database.
    pub table: &'static str,
    /// Indexes of that table beside its key: columns of each.
    pub indexes: &'static [&'static [&'static str]],
}

/// A declared field of a kind: one value of its row, one column of its table.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Name in AIF, as it is written. Read without regard to case.
    pub name: &'static str,
    /// Other names under which producers send it.
    pub aliases: &'static [&'static str],
    /// Column of the till's table.
    pub column: &'static str,
    /// What values it takes.
    pub field_type: FieldType,
    /// For a key field: it may be absent, and is then the empty text or 0.
    pub may_be_absent: bool,
    /// Where its value cannot be read the record is rejected: without it the object would be worse
    /// than the one before.
    pub must_be_read: bool,
    /// Of a nested list: what is looked at in each of its entries. None: it is kept as it comes.
    pub entries: &'static [Field],
}

/// What values a field takes, and how the row keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FieldType {
    /// Text of at most so many characters. A JSON number is taken as its text.
    Text {
        /// Longest text, in characters.
        max: usize,
    },
    /// A code: text, or a whole number that is kept as text. Blanks around it are dropped, empty
    /// is absent.
    Code {
        /// Longest code, in characters.
        max: usize,
    },
    /// A whole number of 64 bits.
    Integer,
    /// Yes or no; the row keeps 1 or 0.
    Bool,
    /// Money, dec(13,2); the row keeps kopecks.
    Money,
    /// A quantity, dec(13,3); the row keeps thousandths.
    Quantity,
    /// Another decimal number; the row keeps units of `10^-scale`.
    Decimal {
        /// All digits, before and after the point.
        digits: u32,
        /// Digits after the point.
        scale: u32,
    },
    /// A day; the row keeps `YYYY-MM-DD`.
    Date,
    /// Local time; the row keeps `YYYY-MM-DDTHH:MM:SS`. A day alone means its beginning.
    DateTime,
    /// Local time at which something ends; as [`FieldType::DateTime`], but a day alone means its
    /// last second.
    DateTimeEnd,
    /// For how many days something keeps, or when it was made; the row keeps the number of days as
    /// text, or as [`FieldType::DateTime`].
    DaysOrDateTime,
    /// A nested value; the row keeps its canonical JSON.
    Json,
    /// A long text such as an image in base64, kept as it is.
    LongText,
}

/// How the row and the till's table keep a value that is not null.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Storage {
    /// A 64-bit integer.
    Integer,
    /// Text.
    Text,
}

/// Longest nested value or long text, in bytes: an image of a megabyte and a half in base64.
pub const MAX_LONG_TEXT_BYTES: usize = 2 * 1024 * 1024;

impl FieldType {
    /// How its values are kept.
    pub const fn storage(self) -> Storage {
        match self {
            Self::Integer | Self::Bool | Self::Money | Self::Quantity | Self::Decimal { .. } => Storage::Integer,
            Self::Text { .. }
            | Self::Code { .. }
            | Self::Date
            | Self::DateTime
            | Self::DateTimeEnd
            | Self::DaysOrDateTime
            | Self::Json
            | Self::LongText => Storage::Text,
        }
    }

    /// Digits in all and digits after the point, for decimal numbers.
    pub const fn decimal(self) -> Option<(u32, u32)> {
        match self {
            Self::Money => Some((13, 2)),
            Self::Quantity => Some((13, 3)),
            Self::Decimal { digits, scale } => Some((digits, scale)),
            _ => None,
        }
    }
}

/// An object goes with another one that a key field of it names.
#[derive(Debug, Clone, Copy)]
pub struct Hanging {
    /// The key field: the first or the second one.
    pub field: &'static str,
    /// Name of the kind whose first key field has the same value.
    pub kind: &'static str,
}

/// A field whose values become rows of another kind, owned by the object that brought them.
///
/// The value may be an array, one object or one scalar. An element that is an object is read as
/// that kind's payload, a scalar fills the one field named here. An absent field (or null) changes
/// nothing.
#[derive(Debug, Clone, Copy)]
pub struct Expansion {
    /// Field of the payload.
    pub field: &'static str,
    /// Name of the kind that its elements become.
    pub kind: &'static str,
    /// The field of that kind that a scalar element fills.
    pub scalar: Option<&'static str>,
    /// The field of that kind that takes the element's place in the array, from 0.
    pub ordinal: Option<&'static str>,
    /// Fields of that kind (first) that are taken from fields of this one (second), whatever the
    /// element says.
    pub inherit: &'static [(&'static str, &'static str)],
    /// The field is the whole set: rows of that kind that the object brought before and not now
    /// are gone.
    pub replaces: bool,
}

impl Field {
    const fn new(name: &'static str, field_type: FieldType) -> Self {
        Self { name, aliases: &[], column: name, field_type, may_be_absent: false, must_be_read: false, entries: &[] }
    }

    /// Whether the record is rejected where its value cannot be read; key fields are looked after
    /// by themselves.
    pub fn is_strict(&self) -> bool {
        self.must_be_read || self.field_type == FieldType::Money
    }

    /// Whether a value below zero is a price that is wrong.
    pub fn is_price(&self) -> bool {
        self.field_type == FieldType::Money && self.name.ends_with("price")
    }

    /// With a value that must be read.
    pub(super) const fn strict(mut self) -> Self {
        self.must_be_read = true;
        self
    }

    /// With entries that are looked at.
    pub(super) const fn entries(mut self, entries: &'static [Field]) -> Self {
        self.entries = entries;
        self
    }

    /// With a column that has another name.
    pub(super) const fn column(mut self, column: &'static str) -> Self {
        self.column = column;
        self
    }

    /// With other names in AIF.
    pub(super) const fn alias(mut self, aliases: &'static [&'static str]) -> Self {
        self.aliases = aliases;
        self
    }

    /// For a key field that may be absent.
    pub(super) const fn optional(mut self) -> Self {
        self.may_be_absent = true;
        self
    }
}

pub(super) const fn text(name: &'static str, max: usize) -> Field {
    Field::new(name, FieldType::Text { max })
}

pub(super) const fn code(name: &'static str, max: usize) -> Field {
    Field::new(name, FieldType::Code { max })
}

pub(super) const fn integer(name: &'static str) -> Field {
    Field::new(name, FieldType::Integer)
}

pub(super) const fn boolean(name: &'static str) -> Field {
    Field::new(name, FieldType::Bool)
}

pub(super) const fn money(name: &'static str) -> Field {
    Field::new(name, FieldType::Money)
}

pub(super) const fn quantity(name: &'static str) -> Field {
    Field::new(name, FieldType::Quantity)
}

pub(super) const fn decimal(name: &'static str, digits: u32, scale: u32) -> Field {
    Field::new(name, FieldType::Decimal { digits, scale })
}

pub(super) const fn date(name: &'static str) -> Field {
    Field::new(name, FieldType::Date)
}

pub(super) const fn date_time(name: &'static str) -> Field {
    Field::new(name, FieldType::DateTime)
}

pub(super) const fn date_time_end(name: &'static str) -> Field {
    Field::new(name, FieldType::DateTimeEnd)
}

pub(super) const fn days_or_date_time(name: &'static str) -> Field {
    Field::new(name, FieldType::DaysOrDateTime)
}

pub(super) const fn json(name: &'static str) -> Field {
    Field::new(name, FieldType::Json)
}

pub(super) const fn long_text(name: &'static str) -> Field {
    Field::new(name, FieldType::LongText)
}

/// What an entry of the table leaves out.
pub(super) const NOTHING: KindSpec = KindSpec {
    id: 0,
    name: "",
    title: "",
    payload: "",
    add: None,
    delete: None,
    delete_in_payload: false,
    clear: &[],
    ours: &[],
    key: &[],
    overrides_by: 0,
    fields: &[],
    expansions: &[],
    named_by: None,
    first_key_is_unique: false,
    inside: None,
    hangs_on: &[],
    table: "",
    indexes: &[],
};

/// What an expansion of the table leaves out.
pub(super) const EXPANSION: Expansion =
    Expansion { field: "", kind: "", scalar: None, ordinal: None, inherit: &[], replaces: true };
