//! Names of queues and of batch folders.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::error::QueueError;

/// Longest name of a queue in bytes.
const MAX_QUEUE_NAME_BYTES: usize = 64;
/// Digits of a sequence in a folder name, so that order by name is order by number.
const SEQUENCE_DIGITS: usize = 16;

/// The name of a queue: also the name of its folder.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QueueName(String);

impl QueueName {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for QueueName {
    type Err = QueueError;

    fn from_str(text: &str) -> Result<Self, QueueError> {
        let sound = (1..=MAX_QUEUE_NAME_BYTES).contains(&text.len())
            && !text.starts_with('.')
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.'));
        if sound { Ok(Self(text.to_owned())) } else { Err(QueueError::QueueName { name: text.to_owned() }) }
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for QueueName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

/// The place of a batch in its queue. Only grows, is never given twice, and is the id a person
/// uses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
pub struct Sequence(pub u64);

impl Sequence {
    /// The highest sequence that fits a folder name.
    pub(crate) const MAX: Self = Self(10_u64.pow(16) - 1);

    /// The sequence after this one, if there is one.
    pub(crate) fn next(self) -> Option<Self> {
        (self < Self::MAX).then(|| Self(self.0 + 1))
    }

    /// The sequence so many after this one, or the highest.
    pub(crate) fn later(self, by: u64) -> Self {
        Self(self.0.saturating_add(by)).min(Self::MAX)
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The name of a batch folder: `<sequence>-<messages>-<bytes>-<tries>`. It carries what a count of
/// the queue needs, so that counting is one listing. Its order is that of the sequence.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct BatchName {
    pub(crate) sequence: Sequence,
    pub(crate) messages: u32,
    /// Bytes of all message files.
    pub(crate) bytes: u64,
    /// How often the batch was handed out.
    pub(crate) tries: u32,
}

impl BatchName {
    /// The name, if it is exactly as this program writes it.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let sequence = parts.next().filter(|digits| digits.len() == SEQUENCE_DIGITS && is_digits(digits))?;
        let name = Self {
            sequence: Sequence(sequence.parse().ok()?),
            messages: canonical(parts.next()?)?,
            bytes: canonical(parts.next()?)?,
            tries: canonical(parts.next()?)?,
        };
        parts.next().is_none().then_some(name)
    }
}

/// A number without sign or leading zeros: those would make two names of one batch.
fn canonical<N: FromStr>(text: &str) -> Option<N> {
    if !is_digits(text) || (text.starts_with('0') && text != "0") {
        return None;
    }
    text.parse().ok()
}

fn is_digits(text: &str) -> bool {
    text.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Display for BatchName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { sequence, messages, bytes, tries } = self;
        write!(f, "{:0width$}-{messages}-{bytes}-{tries}", sequence.0, width = SEQUENCE_DIGITS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batch_name_reads_what_it_writes_and_nothing_else() {
        let name = BatchName { sequence: Sequence(42), messages: 3, bytes: 1_048_576, tries: 0 };
        assert_eq!(name.to_string(), "0000000000000042-3-1048576-0");
        assert_eq!(BatchName::parse("0000000000000042-3-1048576-0"), Some(name));
        for text in [
            "",
            "42-3-1-0",
            "0000000000000042-3-1",
            "0000000000000042-3-1-0-0",
            "0000000000000042-+3-1-0",
            "0000000000000042-03-1-0",
            "+000000000000042-3-1-0",
            "0000000000000042-3-1-0 ",
        ] {
            assert_eq!(BatchName::parse(text), None, "{text:?}");
        }
    }

    #[test]
    fn queue_name_cannot_leave_its_root() {
        for text in ["", ".", "..", "a/b", "../a", "a b", ".hidden", "é"] {
            assert!(text.parse::<QueueName>().is_err(), "{text:?}");
        }
        assert!("dicts_cash-1.new".parse::<QueueName>().is_ok());
    }
}
