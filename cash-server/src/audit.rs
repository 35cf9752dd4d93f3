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

/// What was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A node was made.
    NodeCreate,
    /// A node got another name.
    NodeRename,
    /// A node moved.
    NodeMove,
    /// A node was removed.
    NodeRemove,
    /// A till was parked.
    TillPark,
    /// A till was taken back into service.
    TillUnpark,
    /// A till got a new token.
    TillToken,
    /// A till was asked for sales.
    TillUnload,
    /// A till was asked for its state, or to recount its dictionary.
    TillVerify,
    /// Somebody has seen what was found about a till.
    TillAcknowledge,
    /// Revisions go on after the one that a till names.
    TillGoPast,
    /// What was set aside was tried again.
    AsideRetry,
    /// What was set aside was dropped.
    AsideDrop,
    /// A held load was approved.
    LoadApprove,
    /// A held load was refused.
    LoadRefuse,
    /// Notices were seen.
    NoticesSee,
    /// A finding was closed.
    FindingClose,
}

impl Verb {
    /// The word in the audit log.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NodeCreate => "node.create",
            Self::NodeRename => "node.rename",
            Self::NodeMove => "node.move",
            Self::NodeRemove => "node.remove",
            Self::TillPark => "till.park",
            Self::TillUnpark => "till.unpark",
            Self::TillToken => "till.token",
            Self::TillUnload => "till.unload",
            Self::TillVerify => "till.verify",
            Self::TillAcknowledge => "till.acknowledge",
            Self::TillGoPast => "till.go-past",
            Self::AsideRetry => "aside.retry",
            Self::AsideDrop => "aside.drop",
            Self::LoadApprove => "load.approve",
            Self::LoadRefuse => "load.refuse",
            Self::NoticesSee => "notices.see",
            Self::FindingClose => "finding.close",
        }
    }
}

/// A line of the audit log that is to be written.
#[derive(Debug, Clone, PartialEq)]
pub struct AuditLine {
    /// Its id, which begins with its time: lines sort by it.
    pub id: Uuid,
    /// Who asked, by which way, from where.
    pub caller: Caller,
    /// What was done.
    pub verb: Verb,
    /// With what: the id of a node, `load:7`, `finding:3`, the name of a unit that was set aside.
    pub object: String,
    /// How it was, as far as that is worth keeping.
    pub before: Value,
    /// How it is.
    pub after: Value,
}

impl AuditLine {
    /// A line of this moment.
    pub fn new(caller: &Caller, verb: Verb, object: impl Display) -> Self {
        let object: String = object.to_string().chars().take(KEPT_CHARS).collect();
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
    #[cfg(test)]
    pub(crate) fn any() -> Self {
        Self::new(&Caller::server(), Verb::AsideDrop, "any")
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
    /// The word of [`Verb`].
    pub verb: String,
    /// With what.
    pub object: String,
    /// How it was.
    pub before: Value,
    /// How it is.
    pub after: Value,
}
