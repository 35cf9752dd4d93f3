//! What a load does, counted in its transaction before it is committed.
//!
//! Counting costs what the load itself changed, not what the layer holds: of what stays, no more
//! objects are looked at than decide whether it is enough.

use super::SqliteLoad;
use crate::dictionary::entry::{Effect, KindId, LoadCounts, Loss, ObjectKey};
use crate::store::dictionary::Sample;
use rusqlite::{Row, params};
use tillway_proto::Revision;

/// What was counted.
#[derive(Debug, Clone)]
pub(super) struct Done {
    pub(super) counts: LoadCounts,
    /// Objects that are gone, by kind.
    deleted: Vec<(KindId, u64)>,
}

impl SqliteLoad {
    /// Takes away what records delete and what was cleared and not named again, and counts. Once.
    pub(super) fn sweep_and_count(&mut self) -> rusqlite::Result<Done> {
        if let Some(done) = &self.done {
            return Ok(done.clone());
        }
        self.carry_out_deletions()?;
        self.sweep()?;
        let present: i64 = self
            .writer
            .prepare_cached("SELECT count(*) FROM object WHERE layer = ?1 AND revision = ?2")?
            .query_row(params![self.layer, self.revision], |row| row.get(0))?;
        let replaced = if self.replaced { self.replaced_by_kind()? } else { Vec::new() };
        let changed: u64 = replaced.iter().map(|(_, _, changed)| changed).sum();
        let deleted: Vec<(KindId, u64)> = replaced
            .into_iter()
            .map(|(kind, replaced, changed)| (kind, replaced - changed))
            .filter(|(_, deleted)| *deleted > 0)
            .collect();
        let counts = LoadCounts {
            added: present.cast_unsigned() - changed,
            changed,
            deleted: deleted.iter().map(|(_, deleted)| deleted).sum(),
            unchanged: self.unchanged,
            ..LoadCounts::default()
        };
        let done = Done { counts, deleted };
        self.done = Some(done.clone());
        Ok(done)
    }

    /// See [`crate::store::dictionary::LoadTxn::effect`].
    pub(super) fn look(&mut self, percent: u8) -> rusqlite::Result<Effect> {
        let Done { counts, deleted } = self.sweep_and_count()?;
        let mut losses = Vec::new();
        for (kind, deleted) in deleted {
            // So many that stay are enough.
            let percent = u64::from(percent.clamp(1, 100));
            let enough = deleted.saturating_mul(100 - percent).div_ceil(percent).max(1);
            let stay = self.stay(kind, enough, counts.added)?;
            if stay < enough {
                losses.push(Loss { kind, before: stay + deleted, deleted });
            }
        }
        let head = Revision((self.revision - 1).cast_unsigned());
        Ok(Effect { head, first: self.was_empty, counts, losses })
    }

    /// See [`crate::store::dictionary::LoadTxn::samples`].
    pub(super) fn look_at_some(&self, of_each: u32) -> rusqlite::Result<Vec<Sample>> {
        const IS: &str = "FROM object o LEFT JOIN past p ON p.layer = o.layer AND p.kind = o.kind AND p.key = o.key \
                          AND p.until = ?2 WHERE o.layer = ?1 AND o.revision = ?2 AND p.id IS";
        const GONE: &str = "FROM past o WHERE o.layer = ?1 AND o.until = ?2 AND NOT EXISTS \
                            (SELECT 1 FROM object h WHERE h.layer = o.layer AND h.kind = o.kind AND h.key = o.key)";
        let mut samples = Vec::new();
        for (bodies, of) in [
            ("NULL, o.body", format!("{IS} NULL")),
            ("p.body, o.body", format!("{IS} NOT NULL")),
            ("o.body, NULL", GONE.to_owned()),
        ] {
            let sql = format!("SELECT o.kind, o.key, {bodies} {of} ORDER BY o.id LIMIT ?3");
            let mut select = self.writer.prepare_cached(&sql)?;
            let found = select.query_map(params![self.layer, self.revision, of_each], |row| {
                let object = ObjectKey { kind: KindId(row.get(0)?), key: row.get(1)? };
                Ok(Sample { object, before: row.get(2)?, after: row.get(3)? })
            })?;
            samples.extend(found.collect::<rusqlite::Result<Vec<_>>>()?);
        }
        Ok(samples)
    }

    /// By kind: objects whose state before this load is in the log, and how many of them are there
    /// in another state.
    fn replaced_by_kind(&self) -> rusqlite::Result<Vec<(KindId, u64, u64)>> {
        let number = |row: &Row<'_>, column| row.get::<_, i64>(column).map(i64::cast_unsigned);
        self.writer
            .prepare_cached(
                "SELECT p.kind, count(*), sum(EXISTS (SELECT 1 FROM object o WHERE o.layer = p.layer AND o.kind = p.kind \
                 AND o.key = p.key)) FROM past p WHERE p.layer = ?1 AND p.until = ?2 GROUP BY p.kind",
            )?
            .query_map(params![self.layer, self.revision], |row| {
                Ok((KindId(row.get(0)?), number(row, 1)?, number(row, 2)?))
            })?
            .collect()
    }

    /// Of the objects of this kind that were there before, how many are there still; counted up to
    /// `enough`. `added`: objects of all kinds that are new.
    fn stay(&self, kind: KindId, enough: u64, added: u64) -> rusqlite::Result<u64> {
        // Where so many are there that enough of them stay even if all that is new is of this
        // kind, no row is read: an index tells how many there are.
        let surely = enough.saturating_add(added);
        let there: i64 = self
            .writer
            .prepare_cached("SELECT count(*) FROM (SELECT 1 FROM object WHERE layer = ?1 AND kind = ?2 LIMIT ?3)")?
            .query_row(params![self.layer, kind.0, surely.cast_signed()], |row| row.get(0))?;
        if there.cast_unsigned() >= surely {
            return Ok(enough);
        }
        self.writer
            .prepare_cached(
                "SELECT count(*) FROM (SELECT 1 FROM object o WHERE o.layer = ?1 AND o.kind = ?2 AND (o.revision < ?3 OR \
                 EXISTS (SELECT 1 FROM past p WHERE p.layer = ?1 AND p.kind = ?2 AND p.key = o.key AND p.until = ?3)) \
                 LIMIT ?4)",
            )?
            .query_row(params![self.layer, kind.0, self.revision, enough.cast_signed()], |row| row.get::<_, i64>(0))
            .map(i64::cast_unsigned)
    }
}
