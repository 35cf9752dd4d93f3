//! Rows of `intake.db` as the intake's own types.

use super::super::dictionary::{time, unsigned};
use super::super::words::reason_or_none;
use crate::dictionary::entry::LoadCounts;
use crate::store::ServerId;
use crate::store::intake::{Consent, Held, LoadRecord, LoadSource, LoadState, Watch};
use rusqlite::types::Type;
use rusqlite::{Connection, Row};
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::str::FromStr;
use tillway_proto::{ExchangeStatus, LoadId, Revision, TillId};
use uuid::Uuid;

/// The columns of [`record`].
pub(super) const LOADS: &str = "SELECT id, node, way, source, dictionary_id, bytes, state, queued_at, started_at, ended_at, \
                     added, changed, deleted, unchanged, rejected, revision, reason, delivery, aside, retry_of, held_at, clears, \
                     consent, warnings, worked_on_by, why FROM load";

/// In the column `consent`: its producer said yes.
pub(super) const GIVEN: i64 = -1;

/// The same where it is to be asked first.
pub(super) const ASK_FIRST: i64 = -2;

pub(super) fn path_text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

pub(super) fn record(row: &Row<'_>) -> rusqlite::Result<LoadRecord> {
    let way: String = row.get(2)?;
    let source: String = row.get(3)?;
    Ok(LoadRecord {
        id: LoadId(row.get(0)?),
        server: ServerId(Uuid::from_bytes(row.get(24)?)),
        node: parsed(row, 1)?,
        source: if way == "rest" {
            let retry_of = row.get::<_, Option<i64>>(19)?.map(LoadId);
            LoadSource::Rest { body: source, dictionary_id: row.get(4)?, retry_of }
        } else {
            LoadSource::Folder(PathBuf::from(source))
        },
        bytes: unsigned(row, 5)?,
        state: state(row, 6)?,
        queued_at: time(row.get(7)?),
        started_at: row.get::<_, Option<i64>>(8)?.map(time),
        ended_at: row.get::<_, Option<i64>>(9)?.map(time),
        counts: LoadCounts {
            added: unsigned(row, 10)?,
            changed: unsigned(row, 11)?,
            deleted: unsigned(row, 12)?,
            unchanged: unsigned(row, 13)?,
            rejected: unsigned(row, 14)?,
            warnings: unsigned(row, 23)?,
        },
        revision: revision(row, 15)?,
        reason: reason_or_none(row, 25, 16)?,
        delivery: row.get(17)?,
        aside: row.get(18)?,
        held: revision(row, 20)?.map(|at| row.get(21).map(|clears| Held { at, clears })).transpose()?,
        consent: match row.get::<_, Option<i64>>(22)? {
            None => Consent::No,
            Some(ASK_FIRST) => Consent::AskFirst,
            Some(GIVEN) => Consent::Given,
            Some(revision) => Consent::Late(Revision(revision.cast_unsigned())),
        },
    })
}

pub(super) fn watch(row: &Row<'_>) -> rusqlite::Result<Watch> {
    Ok(Watch {
        load: LoadId(row.get(0)?),
        node: parsed(row, 1)?,
        server: row.get(2)?,
        shop: row.get(3)?,
        since: time(row.get(4)?),
        state: state(row, 5)?,
        applies_from: revision(row, 6)?,
        state_id: row.get(7)?,
        load_told: row.get::<_, Option<String>>(8)?.map(|word| status(8, &word)).transpose()?,
        tills_told: HashMap::new(),
    })
}

pub(super) fn tills_told(reader: &Connection, load: LoadId) -> rusqlite::Result<HashMap<TillId, ExchangeStatus>> {
    reader
        .prepare_cached("SELECT till, told FROM watch_till WHERE load = ?1")?
        .query_map([load.0], |row| Ok((parsed(row, 0)?, status(1, &row.get::<_, String>(1)?)?)))?
        .collect()
}

fn revision(row: &Row<'_>, column: usize) -> rusqlite::Result<Option<Revision>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(|value| Revision(value.cast_unsigned())))
}

fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<LoadState> {
    let word: String = row.get(column)?;
    LoadState::from_word(&word).ok_or_else(|| unknown(column, &word))
}

fn status(column: usize, word: &str) -> rusqlite::Result<ExchangeStatus> {
    [ExchangeStatus::During, ExchangeStatus::Ready, ExchangeStatus::ReadyWithError, ExchangeStatus::Error]
        .into_iter()
        .find(|status| status.as_str() == word)
        .ok_or_else(|| unknown(column, word))
}

fn unknown(column: usize, word: &str) -> rusqlite::Error {
    rusqlite::Error::FromSqlConversionFailure(column, Type::Text, format!("`{word}` names no state").into())
}

pub(super) fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
