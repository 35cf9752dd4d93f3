//! Shifts: what the POS recorded of them, and what their documents add up to.

use super::DocumentsError;
use super::assemble::{Wrong, natural, opened, or_default, time};
use super::optional::Optional;
use super::progress::{Progress, list};
use super::reader::{Documents, FINISHED};
use jiff::civil::DateTime;
use rusqlite::{Connection, Params, Row};
use std::collections::BTreeSet;
use std::ops::RangeInclusive;
use std::path::Path;
use tillway_proto::TillId;
use tillway_proto::receipt::{ShiftKey, ShiftNumber};
use tillway_proto::sales::v1;

/// What is closed.
const CLOSED: &str = "coalesce(time_end, '') <> ''";

/// Most ranges of missing numbers that are listed of one shift; more of them say no more.
const MAX_HOLES: usize = 1000;

/// A shift with its row id.
#[derive(Debug, Clone, PartialEq)]
pub struct ShiftRecord {
    /// `workshift.workshiftid`: grows with every shift.
    pub workshift_id: i64,
    /// What the record says and what the documents add up to.
    pub shift: v1::Shift,
}

impl ShiftRecord {
    /// Whether it is closed.
    pub fn is_closed(&self) -> bool {
        !self.shift.time_end.is_empty()
    }
}

/// A shift whose record does not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenShift {
    /// `workshift.workshiftid`.
    pub workshift_id: i64,
    /// What is wrong with it.
    pub reason: String,
}

/// Records of shifts, by id.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ShiftPage {
    /// Those that read.
    pub records: Vec<ShiftRecord>,
    /// Those that do not.
    pub broken: Vec<BrokenShift>,
}

/// What tells a shift from others, without counting its documents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShiftHead {
    /// `workshift.workshiftid`.
    pub workshift_id: i64,
    /// What it is known by on the till; `None` where its number is none.
    pub key: Option<ShiftKey>,
    /// When it was opened, as far as the POS wrote a time.
    pub began: Option<DateTime>,
    /// Whether it is closed.
    pub closed: bool,
    /// When it was closed, as far as the POS wrote a time.
    pub ended: Option<DateTime>,
}

impl Documents {
    /// Records of the shifts that these documents are of, by id.
    pub fn shifts_of(&mut self, documents: &BTreeSet<i64>) -> Result<ShiftPage, DocumentsError> {
        let condition = "workshiftid IN (SELECT workshiftid FROM document WHERE documentid IN (SELECT value FROM json_each(?1))) \
                         ORDER BY workshiftid";
        self.shifts(condition, [list(documents)])
    }

    /// Records of the closed shifts that are not done with, by id, at most `limit`.
    pub fn closed_besides(&mut self, progress: &Progress, limit: usize) -> Result<ShiftPage, DocumentsError> {
        let condition = format!(
            "{CLOSED} AND (workshiftid > ?1 OR workshiftid IN (SELECT value FROM json_each(?2))) \
             AND workshiftid NOT IN (SELECT value FROM json_each(?3)) ORDER BY workshiftid LIMIT ?4"
        );
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        self.shifts(&condition, (progress.through, progress.open_list(), list(&progress.sent), limit))
    }

    /// Shifts with an id below `before`, newest first, at most `limit`.
    pub fn shifts_before(&mut self, before: i64, limit: u32) -> Result<Vec<ShiftHead>, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "workshift");
        let sql = format!(
            "SELECT workshiftid, shiftnum, time_beg, time_end, {CLOSED} FROM workshift WHERE workshiftid < ?1 ORDER BY workshiftid DESC LIMIT ?2"
        );
        let time = |row: &Row<'_>, column| row.get::<_, String>(column).ok().and_then(|text| text.parse().ok());
        let head = |row: &Row<'_>| {
            Ok(ShiftHead {
                workshift_id: row.get(0)?,
                key: row.get::<_, i64>(1).ok().and_then(|number| u64::try_from(number).ok()).map(|number| ShiftKey {
                    number: ShiftNumber(number),
                    opened: opened(row.get::<_, String>(2).ok().as_deref()),
                }),
                began: time(row, 2),
                closed: row.get(4)?,
                ended: time(row, 3),
            })
        };
        let read = || {
            let mut statement = self.connection.prepare_cached(&sql)?;
            statement.query_map((before, limit), head)?.collect::<rusqlite::Result<_>>()
        };
        read().map_err(failed)
    }

    /// The lowest id of a document of this shift or of a later one.
    pub fn first_document_since(&mut self, workshift_id: i64) -> Result<Option<i64>, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "document");
        let sql = "SELECT min(documentid) FROM document WHERE workshiftid >= ?1";
        self.connection.query_row(sql, [workshift_id], |row| row.get(0)).map_err(failed)
    }

    /// The id of the last closed shift, 0 where there is none: it changes at shift close.
    pub fn last_closed(&mut self) -> Result<i64, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "workshift");
        let sql = format!("SELECT coalesce(max(workshiftid), 0) FROM workshift WHERE {CLOSED}");
        self.connection.query_row(&sql, [], |row| row.get(0)).map_err(failed)
    }

    /// Numbers between the first and the last document of a shift that no document has, finished
    /// or not.
    pub fn number_holes(&mut self, workshift_id: i64) -> Result<Vec<RangeInclusive<u64>>, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "document");
        let read = || {
            let mut statement = self.connection.prepare_cached(
                "SELECT before + 1, checknum - 1 FROM \
                 (SELECT checknum, lag(checknum) OVER (ORDER BY checknum) AS before FROM document WHERE workshiftid = ?1) \
                 WHERE checknum > before + 1 AND before >= 0",
            )?;
            let mut rows = statement.query([workshift_id])?;
            let mut holes = Vec::new();
            while let Some(row) = rows.next()?.filter(|_| holes.len() < MAX_HOLES) {
                holes.push(row.get::<_, i64>(0)?.unsigned_abs()..=row.get::<_, i64>(1)?.unsigned_abs());
            }
            Ok(holes)
        };
        read().map_err(failed)
    }

    fn shifts(&mut self, condition: &str, params: impl Params) -> Result<ShiftPage, DocumentsError> {
        let (path, till, optional) = (self.path.clone(), self.till.clone(), self.optional.clone());
        let snapshot = self.snapshot()?;
        read_shifts(&snapshot, (&path, &till), &optional, condition, params)
    }
}

fn read_shifts(
    connection: &Connection,
    (path, till): (&Path, &TillId),
    optional: &Optional,
    condition: &str,
    params: impl Params,
) -> Result<ShiftPage, DocumentsError> {
    let failed = DocumentsError::query(path, "workshift");
    let sql = format!(
        "SELECT workshiftid, shiftnum, cashcode, shopcode, scode, time_beg, time_end, checknum1, checknum2, countsale, \
         countrefund, sumsale, sumrefund, sumdrawer, sumsalecash, sumsalenoncash FROM workshift WHERE {condition}"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(&failed)?;
    let mut rows = statement.query(params).map_err(&failed)?;
    let mut page = ShiftPage::default();
    while let Some(row) = rows.next().map_err(&failed)? {
        let workshift_id = row.get(0).map_err(&failed)?;
        let mut shift = match recorded(till, row) {
            Ok(shift) => shift,
            Err(Wrong(reason)) => {
                page.broken.push(BrokenShift { workshift_id, reason });
                continue;
            }
        };
        count(connection, workshift_id, &mut shift).map_err(DocumentsError::query(path, "document"))?;
        shift.users = users(connection, workshift_id).map_err(DocumentsError::query(path, "users"))?;
        if optional.table("kkm") {
            shift.registers = registers(connection, workshift_id).map_err(DocumentsError::query(path, "kkm"))?;
        }
        page.records.push(ShiftRecord { workshift_id, shift });
    }
    Ok(page)
}

fn recorded(till: &TillId, row: &Row<'_>) -> Result<v1::Shift, Wrong> {
    // A number that a POS left out or spoilt is for the check at shift close to tell; the record
    // goes up.
    let number = |column| or_default::<i64>(row, column).map(|number| u64::try_from(number).unwrap_or(0));
    Ok(v1::Shift {
        till_id: till.to_string(),
        number: natural(row, 1, "shiftnum")?,
        cash_code: or_default(row, 2)?,
        shop_code: or_default(row, 3)?,
        cashier: or_default(row, 4)?,
        time_beg: time(row, 5)?,
        time_end: time(row, 6)?,
        first_number: number(7)?,
        last_number: number(8)?,
        recorded_sales: or_default(row, 9)?,
        recorded_refunds: or_default(row, 10)?,
        recorded_sale_sum: or_default(row, 11)?,
        recorded_refund_sum: or_default(row, 12)?,
        drawer_sum: or_default(row, 13)?,
        recorded_sale_cash: or_default(row, 14)?,
        recorded_sale_noncash: or_default(row, 15)?,
        ..v1::Shift::default()
    })
}

/// Adds up the documents. Whatever stands in one of them, there is a result: a broken one is told
/// as such, and must not hold up its shift. `total` never overflows and is exact to 9·10^15
/// kopecks; the casts end at the limits of 64 bits.
fn count(connection: &Connection, workshift_id: i64, shift: &mut v1::Shift) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT count(*) FILTER (WHERE {FINISHED} AND doctype = 1), count(*) FILTER (WHERE {FINISHED} AND doctype IN (2, 25)), \
         CAST(total(sumb) FILTER (WHERE {FINISHED} AND doctype = 1) AS INTEGER), \
         CAST(total(sumb) FILTER (WHERE {FINISHED} AND doctype IN (2, 25)) AS INTEGER), \
         count(*) FILTER (WHERE {FINISHED}), count(*) FILTER (WHERE ({FINISHED}) IS NOT TRUE), \
         CAST(coalesce(min(checknum) FILTER (WHERE checknum >= 0), 0) AS INTEGER), \
         CAST(coalesce(max(checknum) FILTER (WHERE checknum >= 0), 0) AS INTEGER) \
         FROM document WHERE workshiftid = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    statement.query_row([workshift_id], |row| {
        shift.counted_sales = row.get(0)?;
        shift.counted_refunds = row.get(1)?;
        shift.counted_sale_sum = row.get(2)?;
        shift.counted_refund_sum = row.get(3)?;
        shift.counted_documents = row.get(4)?;
        shift.unfinished_documents = row.get(5)?;
        // An open shift has no numbers in its record yet.
        if shift.first_number == 0 && shift.last_number == 0 {
            shift.first_number = row.get::<_, i64>(6)?.unsigned_abs();
            shift.last_number = row.get::<_, i64>(7)?.unsigned_abs();
        }
        Ok(())
    })
}

/// As users: what does not read as it should is left out, since a record of a shift must not be
/// held up by it.
fn registers(connection: &Connection, workshift_id: i64) -> rusqlite::Result<Vec<v1::Register>> {
    let sql = "SELECT CAST(serialnum AS TEXT), CAST(coalesce(sumcashend, 0) AS INTEGER), \
               CAST(coalesce(sumprotectedbeg, 0) AS INTEGER), CAST(coalesce(sumprotectedend, 0) AS INTEGER), \
               CAST(coalesce(sumback, 0) AS INTEGER) FROM kkm WHERE workshiftid = ?1 AND serialnum IS NOT NULL \
               ORDER BY serialnum";
    let mut statement = connection.prepare_cached(sql)?;
    let register = |row: &Row<'_>| {
        Ok(v1::Register {
            serial_number: row.get(0)?,
            cash_at_end: row.get(1)?,
            protected_at_begin: row.get(2)?,
            protected_at_end: row.get(3)?,
            returned: row.get(4)?,
        })
    };
    readable(workshift_id, "register", statement.query_map([workshift_id], |row| Ok(register(row)))?)
}

fn users(connection: &Connection, workshift_id: i64) -> rusqlite::Result<Vec<v1::User>> {
    let sql = "SELECT CAST(usercode AS TEXT), CAST(coalesce(username, '') AS TEXT) FROM users \
               WHERE workshiftid = ?1 AND usercode IS NOT NULL ORDER BY usercode";
    let mut statement = connection.prepare_cached(sql)?;
    let user = |row: &Row<'_>| Ok(v1::User { code: row.get(0)?, name: row.get(1)? });
    readable(workshift_id, "user", statement.query_map([workshift_id], |row| Ok(user(row)))?)
}

/// Rows whose cells read as they should. An error of the database itself is one of all rows.
fn readable<T>(
    workshift: i64,
    what: &str,
    rows: impl Iterator<Item = rusqlite::Result<rusqlite::Result<T>>>,
) -> rusqlite::Result<Vec<T>> {
    let rows: Vec<rusqlite::Result<T>> = rows.collect::<rusqlite::Result<_>>()?;
    let (sound, broken): (Vec<_>, Vec<_>) = rows.into_iter().partition(Result::is_ok);
    if let Some(Err(error)) = broken.first() {
        let left_out = broken.len();
        tracing::warn!(workshift, left_out, %error, "some {what}s of a shift do not read and are left out of its record");
    }
    Ok(sound.into_iter().flatten().collect())
}
