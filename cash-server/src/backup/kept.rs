//! Which backups there are: names, and the note beside each.

use super::error::BackupError;
use super::targets::{Found, Target};
use crate::words::Reason;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::io;

/// What the name of a backup begins with.
const PREFIX: &str = "tillway-";

/// What the name of a backup ends with, encrypted or not.
const SUFFIXES: [&str; 2] = [".tar.zst.age", ".tar.zst"];

/// What lies beside a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The moment that it shows.
    pub at: Timestamp,
    /// Version of the server that made it.
    pub version: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub hash: String,
    /// Its last rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed: Option<Rehearsal>,
}

/// How a rehearsal ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// When.
    pub at: Timestamp,
    /// Rows that were there again.
    pub rows: u64,
    /// What was wrong; none: all of it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Reason>,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name: that of the file.
    pub name: String,
    /// What lies beside it.
    pub note: Note,
}

/// The backups in a place, newest first. One whose note does not read is left out, and stays.
pub fn list(target: &dyn Target) -> Result<Vec<Kept>, BackupError> {
    let mut found = Vec::new();
    for Found { name, .. } in target.list()?.into_iter().filter(|found| is_name(&found.name)) {
        let note = target.read(&note_of(&name))?.and_then(|text| serde_json::from_slice(&text).ok());
        match note {
            Some(note) => found.push(Kept { name, note }),
            None => {
                tracing::warn!(backup = name, "a backup has no note beside it that reads; it stays, and is not listed");
            }
        }
    }
    found.sort_by(|one, other| (other.note.at, &other.name).cmp(&(one.note.at, &one.name)));
    Ok(found)
}

fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX) && SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Two of one second do not meet: one at a time is made, and it takes longer than to be named.
pub(super) fn name_at(at: Timestamp, sealed: bool) -> String {
    format!("{PREFIX}{}{}", at.strftime("%Y%m%dT%H%M%S.%3fZ"), SUFFIXES[usize::from(!sealed)])
}

/// The name of the note beside a backup.
pub(super) fn note_of(name: &str) -> String {
    format!("{name}.json")
}

pub(super) fn write_note(target: &dyn Target, kept: &Kept) -> Result<(), BackupError> {
    let name = note_of(&kept.name);
    let failed = |error: serde_json::Error| {
        let source = io::Error::from(error);
        BackupError::Write { path: target.path_of(&name), source }
    };
    target.write(&name, &serde_json::to_vec_pretty(&kept.note).map_err(failed)?)
}
