//! What the till has: cursor, package, counts.

use super::tally::{self, Tally};
use super::{BUSY_TIMEOUT, OpenError};
use crate::kinds::{self, Kind};
use crate::package::state_digest;
use jiff::Timestamp;
use rusqlite::{Connection, OpenFlags, OptionalExtension as _, Row, TransactionBehavior, params};
use std::path::Path;
use tillway_proto::{CursorProof, Digest, PackageName, Revision};

/// What a till's dictionary holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct State {
    /// The revision applied; 0 before the first package.
    pub cursor: Revision,
    /// The package that brought it there.
    pub package: Option<PackageName>,
    /// What that package gave to show for the cursor; none where it gave nothing.
    pub proof: Option<CursorProof>,
    /// When.
    pub applied_at: Option<Timestamp>,
    /// Ids of the nodes whose overlay it is.
    pub layers: Vec<String>,
    /// Rows over all kinds.
    pub rows: u64,
    /// Every kind that has rows.
    pub kinds: Vec<KindState>,
}

/// What a till has of one kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KindState {
    /// The kind.
    pub kind: Kind,
    /// How many rows.
    pub rows: u64,
    /// Their digest.
    pub digest: Digest,
}

impl State {
    /// Reads the state beside a loader, which is not disturbed. A file that is not there gives the
    /// empty state.
    pub fn read(path: &Path) -> Result<Self, OpenError> {
        if !path.exists() {
            return Ok(Self::default());
        }
        let read = || {
            let mut connection = open_read_only(path)?;
            let snapshot = connection.transaction_with_behavior(TransactionBehavior::Deferred)?;
            Self::of(&snapshot)
        };
        read().map_err(|source| OpenError::Database { path: path.to_path_buf(), source })
    }

    /// One digest over all that it holds: see [`state_digest`].
    pub fn digest(&self) -> Digest {
        state_digest(self.kinds.iter().map(|entry| (entry.kind, entry.rows, entry.digest)))
    }

    pub(super) fn of(connection: &Connection) -> rusqlite::Result<Self> {
        let mut state = Self::of_cursor(connection)?;
        let tallies = tally::stored(connection)?;
        for kind in kinds::all() {
            let Tally { rows, digest } = tallies[kind.index()];
            if rows > 0 {
                state.rows += rows;
                state.kinds.push(KindState { kind, rows, digest });
            }
        }
        Ok(state)
    }

    /// Cursor, and what goes with it. A file that no loader of this version has opened yet has no
    /// proofs.
    fn of_cursor(connection: &Connection) -> rusqlite::Result<Self> {
        let has_proofs = "SELECT EXISTS (SELECT 1 FROM pragma_table_info('tillway_cursor') WHERE name = 'proof')";
        let proof = if connection.query_row(has_proofs, [], |row| row.get(0))? { "proof" } else { "NULL" };
        let sql = format!("SELECT revision, package, applied_at, layers, {proof} FROM tillway_cursor");
        Ok(connection.query_row(&sql, [], Self::of_row).optional()?.unwrap_or_default())
    }

    fn of_row(row: &Row<'_>) -> rusqlite::Result<Self> {
        Ok(Self {
            cursor: Revision(u64::try_from(row.get::<_, i64>(0)?).unwrap_or_default()),
            package: row.get::<_, String>(1)?.parse().ok(),
            applied_at: row.get::<_, String>(2)?.parse().ok(),
            layers: row.get::<_, String>(3)?.split('\n').filter(|id| !id.is_empty()).map(str::to_owned).collect(),
            proof: row.get::<_, Option<String>>(4)?.and_then(|text| text.parse().ok()),
            ..Self::default()
        })
    }
}

/// The cursor and the package that brought it there.
pub(super) fn cursor(connection: &Connection) -> rusqlite::Result<(Revision, Option<PackageName>)> {
    let state = State::of_cursor(connection)?;
    Ok((state.cursor, state.package))
}

/// Moves the cursor.
pub(super) fn store_cursor(
    connection: &Connection,
    to: Revision,
    package: &PackageName,
    layers: &[String],
    proof: Option<CursorProof>,
) -> rusqlite::Result<()> {
    let revision = i64::try_from(to.0).unwrap_or(i64::MAX);
    connection.execute(
        "INSERT INTO tillway_cursor (id, revision, package, applied_at, layers, proof) VALUES (1, ?1, ?2, ?3, ?4, ?5) \
         ON CONFLICT (id) DO UPDATE SET revision = excluded.revision, package = excluded.package, \
         applied_at = excluded.applied_at, layers = excluded.layers, proof = excluded.proof",
        params![
            revision,
            package.as_str(),
            Timestamp::now().to_string(),
            layers.join("\n"),
            proof.map(|proof| proof.to_string())
        ],
    )?;
    Ok(())
}

pub(super) fn open_read_only(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.pragma_update(None, "query_only", true)?;
    Ok(connection)
}
