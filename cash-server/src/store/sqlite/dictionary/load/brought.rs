//! The rows that one record brings along.

use crate::dictionary::entry::{Entry, KindId, Upsert};
use std::collections::{HashMap, HashSet};
use tillway_exchangers::row::KeyMatch;

/// Up to so many rows of a record are looked through; more are looked up.
const FEW_ROWS: usize = 16;

/// The rows that a record brings, by kind and key: the work for a record grows with its rows, not
/// with their square.
pub(super) enum Brought<'a> {
    Few(&'a [Entry]),
    /// With the place of the last that has this key.
    Many(HashMap<(KindId, &'a str), usize>),
}

impl<'a> Brought<'a> {
    pub(super) fn of(upsert: &'a Upsert) -> Self {
        if upsert.owned.len() <= FEW_ROWS {
            return Self::Few(&upsert.owned);
        }
        let by_key = upsert.owned.iter().enumerate().map(|(at, entry)| ((entry.kind, entry.key.as_str()), at));
        Self::Many(by_key.collect())
    }

    pub(super) fn contains(&self, kind: KindId, key: &str) -> bool {
        match self {
            Self::Few(rows) => rows.iter().any(|row| row.kind == kind && row.key == key),
            Self::Many(rows) => rows.contains_key(&(kind, key)),
        }
    }

    /// Whether no row behind this one has its key.
    pub(super) fn is_last(&self, at: usize, entry: &Entry) -> bool {
        match self {
            Self::Few(rows) => !rows[at + 1..].iter().any(|row| row.kind == entry.kind && row.key == entry.key),
            Self::Many(rows) => rows.get(&(entry.kind, entry.key.as_str())) == Some(&at),
        }
    }
}

/// The rows that rejected entries of a record may have been meant to bring.
pub(super) struct Spared<'a> {
    keys: HashSet<(KindId, &'a str)>,
    kinds: Vec<KindId>,
}

impl<'a> Spared<'a> {
    pub(super) fn of(upsert: &'a Upsert) -> Self {
        let mut spared = Self { keys: HashSet::new(), kinds: Vec::new() };
        for (kind, keys) in &upsert.spared {
            match keys {
                Some(KeyMatch::Exact(key)) => {
                    spared.keys.insert((*kind, key.as_str()));
                }
                // Which ones is not known for certain.
                Some(KeyMatch::Parts(_)) | None => spared.kinds.push(*kind),
            }
        }
        spared
    }

    pub(super) fn has(&self, kind: KindId, key: &str) -> bool {
        self.kinds.contains(&kind) || self.keys.contains(&(kind, key))
    }
}
