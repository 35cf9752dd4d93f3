//! Object keys.

use super::{RowRef, ValueRef};
use crate::kinds::Kind;
use std::borrow::Borrow;
use std::fmt;

/// Stands between the parts of a key; no part holds it.
pub const KEY_SEPARATOR: char = '\u{1f}';

/// Room for nearly every key: a barcode and a code.
const USUAL_KEY_BYTES: usize = 32;

/// The key of an object within its kind: the text of its key fields, joined by [`KEY_SEPARATOR`].
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ObjectKey(String);

/// Which objects of a kind are meant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum KeyMatch {
    /// The one with this key.
    Exact(ObjectKey),
    /// All whose key has these parts, one a key field; `None` is any.
    Parts(Vec<Option<String>>),
}

impl ObjectKey {
    /// From stored text.
    pub fn from_text(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// From the parts, in the order of the key fields.
    pub fn from_parts<'a>(parts: impl IntoIterator<Item = &'a str>) -> Self {
        let mut text = String::new();
        for (at, part) in parts.into_iter().enumerate() {
            if at > 0 {
                text.push(KEY_SEPARATOR);
            }
            text.push_str(part);
        }
        Self(text)
    }

    /// From the values of the key fields.
    pub fn from_values<'a>(values: impl IntoIterator<Item = ValueRef<'a>>) -> Self {
        let mut text = String::with_capacity(USUAL_KEY_BYTES);
        for (at, value) in values.into_iter().enumerate() {
            if at > 0 {
                text.push(KEY_SEPARATOR);
            }
            push_part(&mut text, value);
        }
        Self(text)
    }

    /// Its text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Its text.
    pub fn into_text(self) -> String {
        self.0
    }

    /// Its parts.
    pub fn parts(&self) -> impl Iterator<Item = &str> {
        self.0.split(KEY_SEPARATOR)
    }
}

pub(crate) fn push_part(text: &mut String, value: ValueRef<'_>) {
    match value {
        ValueRef::Null => {}
        ValueRef::Integer(number) => text.push_str(&number.to_string()),
        ValueRef::Text(part) => text.push_str(part),
    }
}

/// For people: parts joined by `/`.
impl fmt::Display for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.replace(KEY_SEPARATOR, "/"))
    }
}

impl fmt::Debug for ObjectKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectKey({self})")
    }
}

impl Borrow<str> for ObjectKey {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl KeyMatch {
    /// From what is known of the parts, one a key field.
    pub fn of_parts(parts: Vec<Option<String>>) -> Self {
        if parts.iter().all(Option::is_some) {
            Self::Exact(ObjectKey::from_parts(parts.iter().flatten().map(String::as_str)))
        } else {
            Self::Parts(parts)
        }
    }

    /// Whether it means this key.
    pub fn matches(&self, key: &str) -> bool {
        match self {
            Self::Exact(exact) => exact.as_str() == key,
            Self::Parts(parts) => {
                let mut found = key.split(KEY_SEPARATOR);
                parts
                    .iter()
                    .all(|part| found.next().is_some_and(|found| part.as_ref().is_none_or(|part| part == found)))
                    && found.next().is_none()
            }
        }
    }

    /// The text with which every key begins that it means: a range to look through.
    pub fn prefix(&self) -> String {
        match self {
            Self::Exact(exact) => exact.as_str().to_owned(),
            Self::Parts(parts) => {
                let mut prefix = String::new();
                for part in parts.iter().map_while(Option::as_ref) {
                    prefix.push_str(part);
                    prefix.push(KEY_SEPARATOR);
                }
                prefix
            }
        }
    }
}

/// The key of a decoded row.
pub fn key(kind: Kind, row: &RowRef<'_>) -> ObjectKey {
    ObjectKey::from_values(kind.key_columns().iter().map(|column| row.values[*column]))
}
