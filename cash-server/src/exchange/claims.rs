//! What a till says is a claim: what speaks for its cursor, and how much of the rest is kept.
//!
//! A cursor is believed where its proof holds (the package that led there carried it), where this
//! server announced a package that leads there to this very till, or where it is the one that was
//! believed before. So tills with an older agent, which has no proofs, go on, and so does
//! everybody after an upgrade or the loss of the key. Any other cursor counts as none: a snapshot
//! follows, a person is told, and nothing else moves.

use super::model::Contact;
use std::collections::BTreeMap;
use tillway_proto::report::{
    AsideName, AsideUnit, MAX_ASIDE_REASON_BYTES, MAX_ASIDE_UNITS, MAX_SALES_WAIT_BYTES, SalesWait, TillState,
};
use tillway_proto::{CodeFault, Revision};

/// Largest number that a till is taken to count up to: a million millions of anything lie on no
/// till, and sums over all tills stay far below what the database can hold.
const MAX_COUNT: u64 = 1_000_000_000_000;

/// Longest version of an agent that is kept, in characters.
const MAX_VERSION_CHARS: usize = 64;

/// Most authorities that a till names: a server has three at most, and a site its own.
const MAX_TRUSTED: usize = 16;

/// A SHA-256 in hex.
const FINGERPRINT_CHARS: usize = 64;

/// Longest name of a unit set aside that is kept, in characters: a file's name is the longest
/// there is.
const MAX_NAME_CHARS: usize = 255;

/// Whether a cursor is the one that was believed before, or none at all: then nothing has to speak
/// for it.
pub fn is_as_before(known: Option<&Contact>, cursor: Revision) -> bool {
    let before = known.filter(|contact| contact.claimed.is_none()).map(|contact| contact.state.cursor);
    cursor == Revision::ZERO || before == Some(cursor)
}

/// What is kept of what a till says about itself: no number, list or text is larger than an honest
/// agent makes it.
pub fn bounded(state: &TillState) -> TillState {
    let count = |number: u64| number.min(MAX_COUNT);
    TillState {
        agent_version: cut(&state.agent_version, MAX_VERSION_CHARS),
        rows: count(state.rows),
        unsent_documents: state.unsent_documents.map(count),
        dictionary_log_bytes: count(state.dictionary_log_bytes),
        queued: count(state.queued),
        set_aside: count(state.set_aside),
        sales_wait: state.sales_wait.as_ref().map(bounded_wait),
        aside: state.aside.iter().take(MAX_ASIDE_UNITS).map(bounded_unit).collect(),
        refused_messages: bounded_refused(&state.refused_messages),
        trusted: state.trusted.as_ref().map(|trusted| bounded_trusted(trusted)),
        ..state.clone()
    }
}

/// A number that a till counted, as it is kept.
pub fn bounded_count(number: u64) -> u64 {
    number.min(MAX_COUNT)
}

fn bounded_refused(refused: &BTreeMap<String, u64>) -> BTreeMap<String, u64> {
    let known = |reason: &str| CodeFault::ALL.iter().any(|fault| fault.as_str() == reason);
    let kept = refused.iter().filter(|(reason, _)| known(reason));
    kept.map(|(reason, count)| (reason.clone(), bounded_count(*count))).collect()
}

/// The authorities that a till says it trusts, as they are kept.
pub fn bounded_trusted(trusted: &[String]) -> Vec<String> {
    trusted.iter().take(MAX_TRUSTED).map(|one| cut(one, FINGERPRINT_CHARS)).collect()
}

fn bounded_wait(wait: &SalesWait) -> SalesWait {
    SalesWait { text: cut(&wait.text, MAX_SALES_WAIT_BYTES), ..wait.clone() }
}

fn bounded_unit(unit: &AsideUnit) -> AsideUnit {
    AsideUnit {
        unit: AsideName { sort: unit.unit.sort, name: cut(&unit.unit.name, MAX_NAME_CHARS) },
        reason: cut(&unit.reason, MAX_ASIDE_REASON_BYTES),
        at: unit.at,
    }
}

fn cut(text: &str, most: usize) -> String {
    text.chars().take(most).collect()
}
