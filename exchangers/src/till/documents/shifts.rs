//! Shifts: what the POS recorded of them, and what their documents add up to.

use super::DocumentsError;
use super::reader::{Documents, FINISHED};
use jiff::civil::DateTime;
use rusqlite::{Connection, Params, Row};
use std::ops::RangeInclusive;
use std::path::Path;
use tillway_proto::TillId;
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::v1;

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

    /// When it was closed, where it was and the POS wrote a time.
    pub fn ended(&self) -> Option<DateTime> {
        self.shift.time_end.parse().ok()
    }
}

impl Documents {
    /// The shift of this number; where a number was given twice, the later one.
    pub fn shift(&mut self, number: ShiftNumber) -> Result<Option<ShiftRecord>, DocumentsError> {
        let number = i64::try_from(number.0).unwrap_or(i64::MAX);
        let found = self.shifts("shiftnum = ?1 ORDER BY workshiftid DESC LIMIT 1", [number])?;
        Ok(found.into_iter().next())
    }

    /// Shifts with an id above `after`, open and closed, by id, at most `limit`.
    pub fn shifts_after(&mut self, after: i64, limit: u32) -> Result<Vec<ShiftRecord>, DocumentsError> {
        self.shifts("workshiftid > ?1 ORDER BY workshiftid LIMIT ?2", (after, limit))
    }

    /// Shifts that are open, at most `limit`; a till has one at the most, if its POS is sound.
    pub fn open_shifts(&mut self, limit: u32) -> Result<Vec<ShiftRecord>, DocumentsError> {
        self.shifts("time_end IS NULL ORDER BY workshiftid LIMIT ?1", [limit])
    }

    /// The id of the last closed shift, 0 where there is none: it changes at shift close.
    pub fn last_closed(&mut self) -> Result<i64, DocumentsError> {
        let failed = DocumentsError::query(&self.path, "workshift");
        let sql = "SELECT coalesce(max(workshiftid), 0) FROM workshift WHERE time_end IS NOT NULL";
        self.connection.query_row(sql, [], |row| row.get(0)).map_err(failed)
    }

    /// Numbers between the first and the last document of a shift that no document has, finished or not.
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
                holes.push(natural(row, 0)?..=natural(row, 1)?);
            }
            Ok(holes)
        };
        read().map_err(failed)
    }

    fn shifts(&mut self, condition: &str, params: impl Params) -> Result<Vec<ShiftRecord>, DocumentsError> {
        let (path, till) = (self.path.clone(), self.till.clone());
        let snapshot = self.snapshot()?;
        read_shifts(&snapshot, &path, &till, condition, params)
    }
}

fn read_shifts(
    connection: &Connection,
    path: &Path,
    till: &TillId,
    condition: &str,
    params: impl Params,
) -> Result<Vec<ShiftRecord>, DocumentsError> {
    let failed = DocumentsError::query(path, "workshift");
    let sql = format!(
        "SELECT workshiftid, shiftnum, cashcode, shopcode, scode, time_beg, time_end, checknum1, checknum2, countsale, \
         countrefund, sumsale, sumrefund, sumdrawer, sumsalecash, sumsalenoncash FROM workshift WHERE {condition}"
    );
    let mut statement = connection.prepare_cached(&sql).map_err(&failed)?;
    let records = statement.query_map(params, |row| recorded(till, row)).map_err(&failed)?;
    let mut records: Vec<ShiftRecord> = records.collect::<Result<_, _>>().map_err(&failed)?;
    for record in &mut records {
        count(connection, record).map_err(DocumentsError::query(path, "document"))?;
        record.shift.users = users(connection, record.workshift_id).map_err(DocumentsError::query(path, "users"))?;
    }
    Ok(records)
}

fn recorded(till: &TillId, row: &Row<'_>) -> rusqlite::Result<ShiftRecord> {
    let text = |column| row.get::<_, Option<String>>(column).map(Option::unwrap_or_default);
    let whole = |column| row.get::<_, Option<i64>>(column).map(Option::unwrap_or_default);
    let shift = v1::Shift {
        till_id: till.to_string(),
        number: natural(row, 1)?,
        cash_code: text(2)?,
        shop_code: text(3)?,
        cashier: text(4)?,
        time_beg: text(5)?.replace(' ', "T"),
        time_end: text(6)?.replace(' ', "T"),
        first_number: natural(row, 7)?,
        last_number: natural(row, 8)?,
        recorded_sales: whole(9)?,
        recorded_refunds: whole(10)?,
        recorded_sale_sum: whole(11)?,
        recorded_refund_sum: whole(12)?,
        drawer_sum: whole(13)?,
        recorded_sale_cash: whole(14)?,
        recorded_sale_noncash: whole(15)?,
        ..v1::Shift::default()
    };
    Ok(ShiftRecord { workshift_id: row.get(0)?, shift })
}

fn count(connection: &Connection, record: &mut ShiftRecord) -> rusqlite::Result<()> {
    let sql = format!(
        "SELECT count(*) FILTER (WHERE {FINISHED} AND doctype = 1), count(*) FILTER (WHERE {FINISHED} AND doctype IN (2, 25)), \
         coalesce(sum(sumb) FILTER (WHERE {FINISHED} AND doctype = 1), 0), \
         coalesce(sum(sumb) FILTER (WHERE {FINISHED} AND doctype IN (2, 25)), 0), \
         count(*) FILTER (WHERE {FINISHED}), count(*) FILTER (WHERE NOT ({FINISHED})), min(checknum), max(checknum) \
         FROM document WHERE workshiftid = ?1"
    );
    let mut statement = connection.prepare_cached(&sql)?;
    let shift = &mut record.shift;
    statement.query_row([record.workshift_id], |row| {
        shift.counted_sales = row.get(0)?;
        shift.counted_refunds = row.get(1)?;
        shift.counted_sale_sum = row.get(2)?;
        shift.counted_refund_sum = row.get(3)?;
        shift.counted_documents = row.get(4)?;
        shift.unfinished_documents = row.get(5)?;
        // An open shift has no numbers in its record yet.
        if shift.first_number == 0 && shift.last_number == 0 {
            shift.first_number = natural(row, 6)?;
            shift.last_number = natural(row, 7)?;
        }
        Ok(())
    })
}

fn users(connection: &Connection, workshift_id: i64) -> rusqlite::Result<Vec<v1::User>> {
    let sql = "SELECT usercode, username FROM users WHERE workshiftid = ?1 ORDER BY usercode";
    let mut statement = connection.prepare_cached(sql)?;
    let users = statement.query_map([workshift_id], |row| {
        Ok(v1::User { code: row.get(0)?, name: row.get::<_, Option<String>>(1)?.unwrap_or_default() })
    })?;
    users.collect()
}

/// A number that is not below zero; 0 where there is none.
fn natural(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let value: Option<i64> = row.get(column)?;
    let value = value.unwrap_or_default();
    u64::try_from(value).map_err(|_| rusqlite::Error::IntegralValueOutOfRange(column, value))
}
