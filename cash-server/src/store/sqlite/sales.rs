//! `sales.db`: receipts, shifts, checks, findings, and how far the spool is loaded.

mod check;
mod find;
mod finding;
mod load;
mod prune;
mod query;
mod row;
mod shift;
mod total;
mod total_part;

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use rusqlite::{Connection, OptionalExtension, Row, ToSql, params};
use rusqlite_migration::{M, Migrations};
use serde_json::json;
use std::path::Path;
use std::sync::LazyLock;
use tillway_proto::TillId;
use tillway_proto::receipt::{DocumentNumber, Opened, ShiftKey};
use tillway_proto::sales::v1;

use super::audit;
use super::connection::{Database, Durability};
use crate::sales::spool::{Held, HeldReceipt, Position};
use crate::store::sales::{
    Finding, FindingFilter, FindingKind, FoundReceipts, Incoming, KeptReceipt, KeptRefused, Loaded, NewFinding, Page,
    ReceiptFilter, ReceiptId, ReceiptPage, ReceiptView, SalesStore, ShiftDetails, ShiftFilter, ShiftView, StreamNote,
    TillSales, TotalsBy, TotalsFilter, TotalsRow,
};
use crate::store::{ServerId, StoreError};
use tillway_service::audit::AuditLine;

pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![
        M::up(include_str!("sales/schema_1.sql")),
        M::up(include_str!("sales/schema_2.sql")),
        M::up(include_str!("sales/schema_3.sql")),
        M::up(include_str!("sales/schema_4.sql")),
        M::up(audit::SCHEMA),
        M::up(include_str!("sales/schema_6.sql")),
        M::up(include_str!("sales/schema_7.sql")),
        M::up(include_str!("sales/schema_8.sql")),
    ])
});

/// Sales in an SQLite file. Cheap to clone.
#[derive(Debug, Clone)]
pub struct SqliteSales {
    database: Database,
    server: ServerId,
}

impl SqliteSales {
    /// The file, for backups.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Opens the file for a server, made where it is not there.
    pub fn open(path: &Path, server: ServerId) -> Result<Self, StoreError> {
        // Full: a segment of the spool is deleted once its receipts are here, so nobody else has
        // them.
        Database::open(path, &MIGRATIONS, Durability::Full).map(|database| Self { database, server })
    }
}

/// Whether a test has the position committed without the sales, which must never be.
fn position_goes_apart() -> bool {
    fail::fail_point!("without::spool_position", |_| true);
    false
}

impl audit::InOneDatabase for SqliteSales {
    fn audited(&self) -> &Database {
        &self.database
    }
}

impl SalesStore for SqliteSales {
    fn position(&self) -> Result<Position, StoreError> {
        self.database.read("read how far the spool is loaded", |c| load::position(c, self.server))
    }

    fn load(
        &self,
        from: Position,
        through: Position,
        incoming: &[Incoming],
        now: Timestamp,
    ) -> Result<Loaded, StoreError> {
        let what = "load sales";
        if position_goes_apart() {
            self.database.write(what, |t| load::move_position(t, self.server, through))?;
            fail::fail_point!("sales::position_moved");
            return self.database.write(what, |t| load::load(t, incoming, now));
        }
        let loaded = self.database.write(what, |t| {
            if load::position(t, self.server)? != from {
                return Ok(None);
            }
            let loaded = load::load(t, incoming, now)?;
            load::move_position(t, self.server, through)?;
            fail::fail_point!("sales::written");
            Ok(Some(loaded))
        })?;
        loaded.ok_or_else(|| {
            self.database.corrupt(what, "the position in the spool was moved by another process while this one loads")
        })
    }

    fn held(&self, till: &TillId, shift: ShiftKey) -> Result<Held, StoreError> {
        self.database.read("read what is there of a shift", |c| {
            let (till, number, opened) = (till.as_str(), row::number(shift.number.0), row::opened_text(shift.opened));
            let mut values: Vec<&dyn ToSql> = vec![&till, &number];
            let only = if shift.opened == Opened::NotTold { "" } else { "AND opened = ?3" };
            if shift.opened != Opened::NotTold {
                values.push(&opened);
            }
            // What was deleted for its age is stated as well: it was here, and is not to be sent
            // again.
            let sql = format!(
                "SELECT number, uuid FROM receipt WHERE till = ?1 AND shift = ?2 {only}
                 UNION ALL SELECT number, uuid FROM pruned_receipt WHERE shift IN
                     (SELECT id FROM pruned_shift WHERE till = ?1 AND number = ?2 {only})"
            );
            let receipts = c
                .prepare_cached(&sql)?
                .query_map(&values[..], |r| {
                    Ok(HeldReceipt { number: DocumentNumber(row::unsigned(r, 0)?), uuid: row::uuid(r, 1)? })
                })?
                .collect::<rusqlite::Result<Vec<_>>>()?;
            // Of several shifts of a number all must be closed: one closing too many is harmless,
            // one too few is lost.
            let sql = format!(
                "SELECT coalesce(min(closed), 0) FROM (
                     SELECT time_end IS NOT NULL AS closed FROM shift WHERE till = ?1 AND number = ?2 {only}
                     UNION ALL SELECT 1 FROM pruned_shift WHERE till = ?1 AND number = ?2 {only})"
            );
            let closed = c.prepare_cached(&sql)?.query_row(&values[..], |r| r.get(0))?;
            Ok(Held { receipts, closed })
        })
    }

    fn note_streams(&self, streams: &[StreamNote]) -> Result<Vec<Option<String>>, StoreError> {
        self.database.write("note streams", |t| streams.iter().map(|stream| note_stream(t, stream)).collect())
    }

    fn add_finding(&self, finding: &NewFinding) -> Result<(), StoreError> {
        self.database.write("note a finding", |t| finding::add(t, finding))
    }

    fn close_finding(
        &self,
        kind: FindingKind,
        till: Option<&TillId>,
        subject: &str,
        now: Timestamp,
    ) -> Result<(), StoreError> {
        self.database.write("close a finding", |t| finding::close(t, till, kind, subject, now))
    }

    fn recheck_waiting(&self, now: Timestamp) -> Result<u64, StoreError> {
        self.database.write("check waiting shifts anew", |t| check::recheck_waiting(t, now))
    }

    fn shifts(&self, filter: &ShiftFilter, page: Page) -> Result<Vec<ShiftView>, StoreError> {
        self.database.read("list shifts", |c| shift::shifts(c, filter, page))
    }

    fn totals(&self, filter: &TotalsFilter, by: TotalsBy) -> Result<Vec<TotalsRow>, StoreError> {
        self.database.read("total sales", |c| total::totals(c, filter, by))
    }

    fn receipts(&self, till: &TillId, shift: ShiftKey, page: Page) -> Result<Vec<ReceiptView>, StoreError> {
        self.database.read("list receipts", |c| query::receipts(c, till, shift, page))
    }

    fn documents(&self, till: &TillId, shift: ShiftKey, page: Page) -> Result<Vec<v1::Document>, StoreError> {
        self.database.read("read documents", |c| query::documents(c, till, shift, page, None))
    }

    fn find_receipts(&self, filter: &ReceiptFilter, page: ReceiptPage) -> Result<FoundReceipts, StoreError> {
        self.database.read("look for receipts", |c| find::receipts(c, filter, page))
    }

    fn receipt(&self, id: &ReceiptId) -> Result<Option<KeptReceipt>, StoreError> {
        self.database.read("read a receipt", |c| query::receipt(c, id))
    }

    fn refused(&self, till: &TillId, document: Option<i64>, limit: u32) -> Result<Vec<KeptRefused>, StoreError> {
        self.database.read("read what was refused", |c| query::refused(c, till, document, limit))
    }

    fn shift_details(&self, till: &TillId, shift: ShiftKey) -> Result<ShiftDetails, StoreError> {
        self.database.read("read users and registers of a shift", |c| shift::people_and_registers(c, till, shift))
    }

    fn findings(&self, filter: &FindingFilter, page: Page) -> Result<Vec<Finding>, StoreError> {
        self.database.read("list findings", |c| finding::list(c, filter, page))
    }

    fn resolve_finding(&self, id: i64, now: Timestamp, line: &AuditLine) -> Result<bool, StoreError> {
        self.database.write("close a finding", |t| {
            let sql = "UPDATE finding SET resolved_at = ?2 WHERE id = ?1 AND resolved_at IS NULL RETURNING kind, text";
            let told = |row: &Row<'_>| Ok(json!({"kind": row.get::<_, String>(0)?, "text": row.get::<_, String>(1)?}));
            let closed = t.query_row(sql, params![id, now.as_millisecond()], told).optional()?;
            if let Some(finding) = &closed {
                audit::put(t, &line.clone().before(finding.clone()))?;
            }
            Ok(closed.is_some())
        })
    }

    fn last_receipt_time(&self, till: &TillId) -> Result<Option<DateTime>, StoreError> {
        self.database.read("read the last receipt of a till", |c| {
            let sql = "SELECT last_receipt_time FROM till WHERE till = ?1";
            let time = c.prepare_cached(sql)?.query_row([till.as_str()], |r| row::optional(r, 0)).optional()?;
            Ok(time.flatten())
        })
    }

    fn till_states(&self) -> Result<Vec<TillSales>, StoreError> {
        self.database.read("list what tills unloaded", query::till_states)
    }

    fn not_handed_over(&self, page: Page) -> Result<Vec<ShiftView>, StoreError> {
        self.database.read("list shifts to hand over", |c| shift::not_handed_over(c, page))
    }

    fn note_handed_over(&self, till: &TillId, shift: ShiftKey, changes: i64) -> Result<(), StoreError> {
        self.database.write("note a shift as handed over", |t| {
            let sql = "UPDATE shift_check SET handed_over = max(handed_over, ?3)
                       WHERE till = ?1 AND shift = ?2 AND opened = ?4";
            let values = params![till.as_str(), row::number(shift.number.0), changes, row::opened_text(shift.opened)];
            t.execute(sql, values).map(drop)
        })
    }

    fn newest_day(&self) -> Result<Option<Date>, StoreError> {
        self.database.read("look the newest receipt up", |c| {
            let newest: Option<DateTime> =
                c.prepare_cached("SELECT max(time_end) FROM receipt")?.query_row((), |r| row::optional(r, 0))?;
            Ok(newest.map(DateTime::date))
        })
    }

    fn prune(&self, before: Date, only_handed_over: bool, limit: u32) -> Result<u64, StoreError> {
        let gone = self
            .database
            .write("delete old receipts", |t| prune::prune(t, before, only_handed_over, limit, Timestamp::now()))?;
        if gone == 0 {
            self.database.give_back_pages()?;
        }
        Ok(gone)
    }
}

fn note_stream(t: &Connection, stream: &StreamNote) -> rusqlite::Result<Option<String>> {
    let before: Option<String> = t
        .prepare_cached("SELECT instance FROM till WHERE till = ?1")?
        .query_row([stream.till.as_str()], |r| r.get(0))
        .optional()?;
    t.prepare_cached(
        "INSERT INTO till(till, shop, instance, agent_version, last_stream_at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT(till) DO UPDATE SET shop = excluded.shop, instance = excluded.instance,
             agent_version = excluded.agent_version, last_stream_at = excluded.last_stream_at",
    )?
    .execute(params![
        stream.till.as_str(),
        stream.shop.as_str(),
        stream.instance,
        stream.agent_version,
        stream.at.as_millisecond()
    ])?;
    let other = before.filter(|instance| !instance.is_empty() && *instance != stream.instance);
    if other.is_none() {
        finding::close_of_machines(t, &stream.till, stream.at)?;
    }
    Ok(other)
}
