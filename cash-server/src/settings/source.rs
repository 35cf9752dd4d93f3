//! Where values come from: the environment, the file, the commented default, in this order.
//!
//! The commented default holds every key there is, so it is the schema too: a key that is not in
//! it is unknown, and the nearest one is suggested. Getters never fail: they note the fault and go
//! on with the default, so that one reading finds every fault.

use super::fault::{Fault, Origin};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

/// The commented default, as `cash-server settings` prints it.
pub const DEFAULT_SETTINGS: &str = include_str!("../../../packaging/cash-server.toml");

/// What variables of ours start with.
const ENVIRONMENT_PREFIX: &str = "TILLWAY_";

/// Between section and key in the name of a variable.
const ENVIRONMENT_SEPARATOR: &str = "__";

/// A key is suggested for an unknown one when at most so many letters differ.
const MAX_SUGGESTION_DISTANCE: usize = 3;

#[derive(Debug, Clone, PartialEq, Eq)]
enum Value {
    Text(String),
    Integer(i64),
    Bool(bool),
    List(Vec<String>),
    /// A value of a type that no key has, as it is written.
    Other(String),
}

impl Value {
    fn as_written(&self) -> String {
        match self {
            Self::Text(text) | Self::Other(text) => text.clone(),
            Self::Integer(number) => number.to_string(),
            Self::Bool(flag) => flag.to_string(),
            Self::List(items) => items.join(";"),
        }
    }
}

/// All values by `section.key`, and the faults found so far.
#[derive(Debug)]
pub(super) struct Source {
    defaults: BTreeMap<String, Value>,
    given: BTreeMap<String, (Value, Origin)>,
    base: PathBuf,
    faults: RefCell<Vec<Fault>>,
}

impl Source {
    /// `text` is the file; `base` the folder that relative paths start at; `environment` all
    /// variables.
    pub(super) fn new(text: &str, base: &Path, environment: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut ignored = Vec::new();
        let defaults = flatten(DEFAULT_SETTINGS, &mut ignored);
        debug_assert!(ignored.is_empty(), "the embedded default is broken: {ignored:?}");
        let defaults: BTreeMap<_, _> = defaults.into_iter().map(|(key, (value, _))| (key, value)).collect();
        let mut faults = Vec::new();
        let mut given = flatten(text, &mut faults);
        given.retain(|key, (_, origin)| {
            let known = defaults.contains_key(key);
            if !known {
                faults.push(unknown(&defaults, key, origin.clone()));
            }
            known
        });
        for (name, text) in environment {
            let Some(rest) = name.strip_prefix(ENVIRONMENT_PREFIX) else { continue };
            let Some((section, key)) = rest.split_once(ENVIRONMENT_SEPARATOR) else { continue };
            let key = format!("{}.{}", section.to_lowercase(), key.to_lowercase());
            let origin = Origin::Environment(name.clone());
            if defaults.contains_key(&key) {
                given.insert(key, (Value::Text(text), origin));
            } else {
                faults.push(unknown(&defaults, &key, origin));
            }
        }
        Self { defaults, given, base: base.to_owned(), faults: RefCell::new(faults) }
    }

    /// Where each key that is set was set.
    pub(super) fn into_origins(self) -> BTreeMap<String, Origin> {
        self.given.into_iter().map(|(key, (_, origin))| (key, origin)).collect()
    }

    /// The faults, those of the file first, by line.
    pub(super) fn into_faults(self) -> Vec<Fault> {
        let mut faults = self.faults.into_inner();
        Fault::in_order(&mut faults);
        faults
    }

    /// Notes a fault that shows only between keys.
    pub(super) fn refuse(&self, key: &str, allowed: &str) {
        let (value, origin) = self.find(key);
        self.faults.borrow_mut().push(Fault::value(origin, key, &value.as_written(), allowed));
    }

    /// The same of a value that may hold secrets: it is not printed.
    pub(super) fn refuse_unsaid(&self, key: &str, allowed: &str) {
        let (_, origin) = self.find(key);
        self.faults.borrow_mut().push(Fault::value(origin, key, "…", allowed));
    }

    pub(super) fn text(&self, key: &str) -> String {
        self.typed(key, "a text in quotes", |value| match value {
            Value::Text(text) => Some(text.clone()),
            _ => None,
        })
    }

    /// A text that may not be empty.
    pub(super) fn name(&self, key: &str) -> String {
        self.typed(key, "a text in quotes, not empty", |value| match value {
            Value::Text(text) if !text.trim().is_empty() => Some(text.trim().to_owned()),
            _ => None,
        })
    }

    pub(super) fn flag(&self, key: &str) -> bool {
        self.typed(key, "true or false", |value| match value {
            Value::Bool(flag) => Some(*flag),
            Value::Text(text) => text.trim().to_lowercase().parse().ok(),
            _ => None,
        })
    }

    pub(super) fn number(&self, key: &str, allowed: RangeInclusive<u64>) -> u64 {
        let told = format!("a whole number from {} to {}", allowed.start(), allowed.end());
        self.typed(key, &told, |value| {
            let number = match value {
                Value::Integer(number) => u64::try_from(*number).ok(),
                Value::Text(text) => text.trim().parse().ok(),
                _ => None,
            };
            number.filter(|number| allowed.contains(number))
        })
    }

    /// A port from 1 to 65535, or 0 where that has a meaning.
    pub(super) fn port(&self, key: &str, zero: bool) -> u16 {
        u16::try_from(self.number(key, u64::from(!zero)..=u64::from(u16::MAX))).unwrap_or_default()
    }

    pub(super) fn address(&self, key: &str) -> SocketAddr {
        self.typed(key, "an address with a port, e.g. 0.0.0.0:8080 or [::]:8080", |value| match value {
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// A path; relative ones start at the folder of the file. `None` where it is empty.
    pub(super) fn path(&self, key: &str) -> Option<PathBuf> {
        let text = self.text(key);
        (!text.trim().is_empty()).then(|| self.base.join(text.trim()))
    }

    /// A list of texts.
    pub(super) fn list(&self, key: &str) -> Vec<String> {
        self.typed(key, "a list of texts in quotes", |value| match value {
            Value::List(items) => Some(items.clone()),
            Value::Text(text) => {
                Some(text.split(';').map(str::trim).filter(|item| !item.is_empty()).map(str::to_owned).collect())
            }
            _ => None,
        })
    }

    pub(super) fn resolve(&self, path: &str) -> PathBuf {
        self.base.join(path)
    }

    fn find(&self, key: &str) -> (&Value, Origin) {
        static MISSING: Value = Value::Bool(false);
        match self.given.get(key) {
            Some((value, origin)) => (value, origin.clone()),
            None => (self.defaults.get(key).unwrap_or(&MISSING), Origin::Default),
        }
    }

    fn typed<T: Unset>(&self, key: &str, allowed: &str, read: impl Fn(&Value) -> Option<T>) -> T {
        let (value, origin) = self.find(key);
        if let Some(value) = read(value) {
            return value;
        }
        self.faults.borrow_mut().push(Fault::value(origin, key, &value.as_written(), allowed));
        self.defaults.get(key).and_then(read).unwrap_or_else(T::unset)
    }
}

/// What stands in for a value whose fault is noted already.
trait Unset {
    fn unset() -> Self;
}

impl Unset for String {
    fn unset() -> Self {
        Self::new()
    }
}

impl Unset for bool {
    fn unset() -> Self {
        false
    }
}

impl Unset for u64 {
    fn unset() -> Self {
        0
    }
}

impl Unset for Vec<String> {
    fn unset() -> Self {
        Self::new()
    }
}

impl Unset for SocketAddr {
    fn unset() -> Self {
        Self::from(([127, 0, 0, 1], 0))
    }
}

fn flatten(text: &str, faults: &mut Vec<Fault>) -> BTreeMap<String, (Value, Origin)> {
    let line_of = |offset: usize| 1 + text.bytes().take(offset).filter(|byte| *byte == b'\n').count();
    let (root, errors) = DeTable::parse_recoverable(text);
    for error in errors {
        let line = error.span().map_or(1, |span| line_of(span.start));
        faults.push(Fault { origin: Origin::Line(line), key: String::new(), what: error.message().to_owned() });
    }
    let mut found = BTreeMap::new();
    for (section, content) in root.get_ref() {
        let name = section.get_ref().as_ref();
        let line = line_of(section.span().start);
        let DeValue::Table(keys) = content.get_ref() else {
            found.insert(name.to_owned(), (value_of(content), Origin::Line(line)));
            continue;
        };
        for (key, value) in keys {
            let line = line_of(key.span().start);
            found.insert(format!("{name}.{}", key.get_ref()), (value_of(value), Origin::Line(line)));
        }
    }
    found
}

fn value_of(value: &Spanned<DeValue<'_>>) -> Value {
    match value.get_ref() {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Boolean(flag) => Value::Bool(*flag),
        DeValue::Integer(number) => i64::from_str_radix(number.as_str(), number.radix())
            .map_or_else(|_| Value::Other(number.as_str().to_owned()), Value::Integer),
        DeValue::Float(number) => Value::Other(number.as_str().to_owned()),
        DeValue::Datetime(time) => Value::Other(time.to_string()),
        DeValue::Array(items) => {
            let texts: Option<Vec<_>> = items.iter().map(|item| item.get_ref().as_str().map(str::to_owned)).collect();
            texts.map_or_else(|| Value::Other("[…]".to_owned()), Value::List)
        }
        DeValue::Table(_) => Value::Other("{…}".to_owned()),
    }
}

fn unknown(defaults: &BTreeMap<String, Value>, key: &str, origin: Origin) -> Fault {
    let nearest = defaults.keys().map(|known| (distance(key, known), known)).min();
    let key_alone = key.rsplit('.').next().unwrap_or(key);
    let elsewhere = defaults.keys().find(|known| known.rsplit('.').next() == Some(key_alone));
    let what = match (nearest, elsewhere) {
        (Some((distance, known)), _) if distance <= MAX_SUGGESTION_DISTANCE => {
            format!("unknown key; did you mean `{known}`?")
        }
        (_, Some(known)) => format!("unknown key; did you mean `{known}`?"),
        _ => "unknown key; `cash-server settings` prints all that there are".to_owned(),
    };
    Fault { origin, key: key.to_owned(), what }
}

/// Letters to insert, take out or change to make one text of the other.
fn distance(left: &str, right: &str) -> usize {
    let right: Vec<char> = right.chars().collect();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (above, letter) in left.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = above + 1;
        for (column, other) in right.iter().enumerate() {
            let changed = diagonal + usize::from(letter != *other);
            diagonal = row[column + 1];
            row[column + 1] = changed.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn distance_counts_letters() {
        assert_eq!(distance("broker.hsot", "broker.host"), 2);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("same", "same"), 0);
    }

    #[test]
    fn the_embedded_default_has_no_fault() {
        let mut faults = Vec::new();
        let values = flatten(DEFAULT_SETTINGS, &mut faults);
        assert_eq!(faults, []);
        assert!(values.contains_key("exchange.reconcile_period_s"));
    }
}
