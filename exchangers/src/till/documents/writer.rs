//! The POS's side of `documents.db`, for the simulated POS and for tests: each call is one durable
//! transaction.

use super::reader::seconds;
use super::{BUSY_TIMEOUT, DocumentsError, SCHEMA, SCHEMA_2};
use jiff::civil::DateTime;
use rusqlite::{Connection, Transaction, TransactionBehavior, params};
use rusqlite_migration::{M, Migrations};
use std::path::{Path, PathBuf};
use tillway_proto::receipt::ShiftNumber;
use tillway_proto::sales::v1;

/// The payment type that is cash.
pub const CASH: i32 = 1;

/// A shift about to be opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewShift {
    /// Its number on the till.
    pub number: ShiftNumber,
    /// The till's code.
    pub cash_code: String,
    /// The shop's code.
    pub shop_code: String,
    /// The cashier's code.
    pub cashier: String,
    /// The cashier's name.
    pub cashier_name: String,
    /// When it begins.
    pub time_beg: DateTime,
}

/// `documents.db`, open for writing.
#[derive(Debug)]
pub struct PosWriter {
    connection: Connection,
    path: PathBuf,
}

impl PosWriter {
    /// Opens the database, and makes it where it is not there.
    pub fn open(path: &Path) -> Result<Self, DocumentsError> {
        let opened = Connection::open(path).and_then(|connection| {
            connection.busy_timeout(BUSY_TIMEOUT)?;
            connection.pragma_update(None, "journal_mode", "WAL")?;
            // A receipt that was printed is in the database, whatever happens to the power.
            connection.pragma_update(None, "synchronous", "FULL")?;
            connection.pragma_update(None, "foreign_keys", true)?;
            Ok(connection)
        });
        let mut connection = opened.map_err(|source| DocumentsError::Open { path: path.to_path_buf(), source })?;
        Migrations::new(vec![M::up(SCHEMA), M::up(SCHEMA_2)])
            .to_latest(&mut connection)
            .map_err(|source| DocumentsError::Migrate { path: path.to_path_buf(), source })?;
        Ok(Self { connection, path: path.to_path_buf() })
    }

    /// Opens a shift; gives its `workshiftid`.
    pub fn open_shift(&mut self, shift: &NewShift) -> Result<i64, DocumentsError> {
        self.write("workshift", |transaction| {
            let number = i64::try_from(shift.number.0).unwrap_or(i64::MAX);
            transaction.execute(
                "INSERT INTO workshift (shopcode, shiftnum, cashcode, scode, time_beg, update_time) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?5)",
                params![shift.shop_code, number, shift.cash_code, shift.cashier, seconds(shift.time_beg)],
            )?;
            let id = transaction.last_insert_rowid();
            transaction.execute(
                "INSERT INTO users (workshiftid, usercode, username) VALUES (?1, ?2, ?3)",
                params![id, shift.cashier, shift.cashier_name],
            )?;
            Ok(id)
        })
    }

    /// Writes a document with all its parts; gives its `documentid`. Of the key only the number
    /// counts, `document_id` is not looked at. One that is not finished is finished later by
    /// [`finish_document`](Self::finish_document).
    pub fn add_document(
        &mut self,
        workshift_id: i64,
        document: &v1::Document,
        finished: bool,
    ) -> Result<i64, DocumentsError> {
        self.write("document", |transaction| insert_document(transaction, workshift_id, document, finished))
    }

    /// Finishes a document.
    pub fn finish_document(&mut self, document_id: i64, time_end: DateTime) -> Result<(), DocumentsError> {
        self.write("document", |transaction| {
            let sql = "UPDATE document SET closed = 1, time_end = ?2, update_time = ?2 WHERE documentid = ?1";
            transaction.execute(sql, params![document_id, seconds(time_end)]).map(drop)
        })
    }

    /// Notes a fiscal register of a shift.
    pub fn add_register(&mut self, workshift_id: i64, register: &v1::Register) -> Result<(), DocumentsError> {
        self.write("kkm", |transaction| {
            let sql = "INSERT INTO kkm (workshiftid, serialnum, sumcashend, sumprotectedbeg, sumprotectedend, sumback) \
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (workshiftid, serialnum) DO UPDATE SET \
                       sumcashend = ?3, sumprotectedbeg = ?4, sumprotectedend = ?5, sumback = ?6";
            let v1::Register { serial_number, cash_at_end, protected_at_begin, protected_at_end, returned } = register;
            let values =
                params![workshift_id, serial_number, cash_at_end, protected_at_begin, protected_at_end, returned];
            transaction.execute(sql, values).map(drop)
        })
    }

    /// Closes a shift: its totals are counted from its finished documents.
    pub fn close_shift(&mut self, workshift_id: i64, time_end: DateTime) -> Result<(), DocumentsError> {
        self.write("workshift", |transaction| {
            transaction
                .execute(include_str!("close_shift.sql"), params![workshift_id, seconds(time_end), CASH])
                .map(drop)
        })
    }

    fn write<T>(
        &mut self,
        table: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, DocumentsError> {
        let failed = DocumentsError::query(&self.path, table);
        let written =
            self.connection.transaction_with_behavior(TransactionBehavior::Immediate).and_then(|transaction| {
                let value = work(&transaction)?;
                transaction.commit()?;
                Ok(value)
            });
        written.map_err(failed)
    }
}

fn insert_document(
    transaction: &Transaction<'_>,
    workshift_id: i64,
    document: &v1::Document,
    finished: bool,
) -> rusqlite::Result<i64> {
    let number = document.key.as_ref().map_or(0, |key| key.number);
    let optional = |text: &str| (!text.is_empty()).then(|| text.to_owned());
    transaction
        .prepare_cached(
            "INSERT INTO document (workshiftid, checknum, doctype, cashcode, scode, dept, time_beg, time_end, sum1, disc_abs, \
             sumb, vatsum, closed, identifier, sourceidentifier, frdocnum, fiscalidentifier, backreason, frdoccopy, cashtype, \
             update_time) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19, ?20, \
             coalesce(?8, ?7))",
        )?
        .execute(params![
            workshift_id,
            i64::try_from(number).unwrap_or(i64::MAX),
            document.doctype,
            document.cash_code,
            document.cashier,
            document.department,
            document.time_beg,
            optional(&document.time_end),
            document.sum_before,
            document.discount,
            document.sum,
            document.vat,
            finished,
            optional(&document.identifier),
            optional(&document.source_identifier),
            optional(&document.fiscal_number),
            optional(&document.fiscal_identifier),
            optional(&document.back_reason),
            document.fiscal_copy,
            document.cash_type,
        ])?;
    let id = transaction.last_insert_rowid();
    for line in &document.lines {
        let goods_item = insert_line(transaction, "goodsitem", "ttime", "", id, line)?;
        insert_discounts(transaction, goods_item, &line.discounts)?;
        for tax in &line.taxes {
            transaction
                .prepare_cached("INSERT INTO taxitem (goodsitemid, taxcode, taxsum) VALUES (?1, ?2, ?3)")?
                .execute(params![goods_item, tax.code, tax.sum])?;
        }
        for bonus in &line.bonuses {
            transaction
                .prepare_cached("INSERT INTO bonusitem (goodsitemid, amount, cardnumber) VALUES (?1, ?2, ?3)")?
                .execute(params![goods_item, bonus.amount, optional(&bonus.card_number)])?;
        }
    }
    for line in &document.voided_lines {
        insert_line(transaction, "stornogoodsitem", "tstime", ", opid", id, line)?;
    }
    for (table, payments) in [("moneyitem", &document.payments), ("failedmoneyitem", &document.failed_payments)] {
        let sql = format!(
            "INSERT INTO {table} (documentid, mtime, opcode, valcode, sumb, cardnum, slip) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
        );
        for payment in payments {
            transaction.prepare_cached(&sql)?.execute(params![
                id,
                optional(&payment.time),
                payment.opcode,
                payment.type_code,
                payment.sum,
                optional(&payment.card_number),
                optional(&payment.slip)
            ])?;
        }
    }
    for (table, vouchers) in [("certificateitem", &document.certificates), ("couponitem", &document.coupons)] {
        let sql = format!("INSERT INTO {table} (documentid, number, sumb) VALUES (?1, ?2, ?3)");
        for voucher in vouchers {
            transaction.prepare_cached(&sql)?.execute(params![id, voucher.number, voucher.sum])?;
        }
    }
    for number in &document.cards {
        transaction
            .prepare_cached("INSERT INTO carditem (documentid, number) VALUES (?1, ?2)")?
            .execute(params![id, number])?;
    }
    Ok(id)
}

fn insert_line(
    transaction: &Transaction<'_>,
    table: &str,
    time: &str,
    confirmed: &str,
    document_id: i64,
    line: &v1::Line,
) -> rusqlite::Result<i64> {
    let last = if confirmed.is_empty() { "" } else { ", ?11" };
    let sql = format!(
        "INSERT INTO {table} (documentid, {time}, posnum, code, bcode, cquant, price, disc_abs, sumi, sumb, opcode, \
         excisemark, additionalbarcode, bcode_main{confirmed}) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?12, ?13, ?14, ?15{last})"
    );
    let optional = |text: &String| (!text.is_empty()).then(|| text.clone());
    // One numbering for both tables: SQLite wants a value for every number up to the highest.
    transaction.prepare_cached(&sql)?.execute(params![
        document_id,
        (!line.time.is_empty()).then_some(&line.time),
        line.position,
        line.item_code,
        line.barcode,
        line.quantity,
        line.price,
        line.discount,
        line.sum_before,
        line.sum,
        (!line.confirmed_by.is_empty()).then_some(&line.confirmed_by),
        line.opcode,
        optional(&line.mark),
        optional(&line.additional_barcode),
        optional(&line.main_barcode),
    ])?;
    Ok(transaction.last_insert_rowid())
}

fn insert_discounts(
    transaction: &Transaction<'_>,
    goods_item: i64,
    discounts: &[v1::Discount],
) -> rusqlite::Result<()> {
    for discount in discounts {
        transaction
            .prepare_cached(
                "INSERT INTO discitem (goodsitemid, discnumber, discmode, disctype, discsize, discsum, checksum, cardnumber) \
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            )?
            .execute(params![
                goods_item,
                discount.number,
                discount.mode,
                discount.r#type,
                discount.size_thousandths,
                discount.sum,
                discount.base_sum,
                (!discount.card_number.is_empty()).then_some(&discount.card_number)
            ])?;
    }
    Ok(())
}
