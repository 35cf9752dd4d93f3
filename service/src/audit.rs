//! One line for each change that somebody asked for: who, when, by which way, what, and how it was
//! before and after.
//!
//! A line is written in the transaction of its change, by the store that carries the change out;
//! where the change is one of files, before it. It never holds a token or a password, and is
//! short: values that may be long are counted or cut.

use crate::actor::Caller;
use jiff::Timestamp;
use serde_json::{Value, json};
use std::fmt::Display;
use uuid::Uuid;

/// Names of a list that a line keeps; the others are counted.
const KEPT_NAMES: usize = 20;

/// Characters that are kept of the name of an object.
const KEPT_CHARS: usize = 300;

/// A line of the audit log that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLine {
    /// Its id, which begins with its time: lines sort by it.
    pub id: Uuid,
    /// Who asked, by which way, from where.
    pub caller: Caller,
    /// What was done, in a word of the service.
    pub verb: &'static str,
    /// With what: an id, or `<sort>:<number>`.
    pub object: String,
    /// How it was, as far as that is worth keeping.
    pub before: Value,
    /// How it is.
    pub after: Value,
}

impl AuditLine {
    /// A line of this moment.
    pub fn new(caller: &Caller, verb: impl Into<&'static str>, object: impl Display) -> Self {
        let object: String = object.to_string().chars().take(KEPT_CHARS).collect();
        let verb = verb.into();
        Self { id: Uuid::now_v7(), caller: caller.clone(), verb, object, before: Value::Null, after: Value::Null }
    }

    /// How it was.
    #[must_use]
    pub fn before(self, before: Value) -> Self {
        Self { before, ..self }
    }

    /// How it is.
    #[must_use]
    pub fn after(self, after: Value) -> Self {
        Self { after, ..self }
    }

    /// Any line, for tests that look at something else.
    pub fn any() -> Self {
        Self::new(&Caller::server(), "any", "any")
    }
}

/// The first names of a list, and how many more there are.
pub fn some_of(names: impl ExactSizeIterator<Item = impl Display>) -> Value {
    let more = names.len().saturating_sub(KEPT_NAMES);
    let kept: Vec<String> =
        names.take(KEPT_NAMES).map(|name| name.to_string().chars().take(KEPT_CHARS).collect()).collect();
    if more == 0 { json!(kept) } else { json!({"first": kept, "more": more}) }
}

/// A line that was written, as it reads: a word that a newer program wrote stays readable.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditRecord {
    /// Its id.
    pub id: Uuid,
    /// When.
    pub at: Timestamp,
    /// The text of [`crate::actor::Actor`].
    pub actor: String,
    /// The word of [`crate::actor::Face`].
    pub face: String,
    /// The client's address.
    pub address: Option<String>,
    /// The word for what was done.
    pub verb: String,
    /// With what.
    pub object: String,
    /// How it was.
    pub before: Value,
    /// How it is.
    pub after: Value,
}

/// Which lines.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditFilter {
    /// From this time on.
    pub from: Timestamp,
    /// Before this time.
    pub to: Timestamp,
    /// Only those before this line, to page on.
    pub before: Option<Uuid>,
    /// Only of this actor.
    pub actor: Option<String>,
    /// Only about this object.
    pub object: Option<String>,
    /// Only of what was done so.
    pub verb: Option<String>,
    /// Only those that have this text, written so, in their object or in how it was or is.
    pub text: Option<String>,
    /// Only what people did, and programs with keys of theirs.
    pub persons_only: bool,
    /// At most so many.
    pub limit: u32,
}

impl AuditFilter {
    /// The newest lines, whatever they are about.
    pub fn newest(limit: u32) -> Self {
        Self {
            from: Timestamp::UNIX_EPOCH,
            to: Timestamp::MAX,
            before: None,
            actor: None,
            object: None,
            verb: None,
            text: None,
            persons_only: false,
            limit,
        }
    }
}
