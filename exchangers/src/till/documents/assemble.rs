//! One document with its lines, discounts, payments and cards, from the tables into a message.
//!
//! What a POS need not write ([`Optional`]) costs no receipt, whatever it wrote there: a row that
//! does not read, or that a server would refuse, is left out, a cell counts as empty, a text that
//! is too long is cut.

use super::DocumentsError;
use super::key::{Stable, receipt_uuid};
use super::optional::Optional;
use super::reader::{DocumentKey, seconds};
use jiff::civil::DateTime;
use rusqlite::types::FromSql;
use rusqlite::{Connection, Row};
use std::path::Path;
use tillway_proto::receipt::{DocumentNumber, Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::{MAX_AMOUNT, MAX_DOCUMENT_PARTS, MAX_SLIP_BYTES, MAX_TEXT_BYTES, v1};
use tillway_proto::{ReceiptKey, TillId};

/// What cannot go on: the database, or only this document (its reason, for people).
enum Stop {
    Database(DocumentsError),
    Document(String),
}

type Part<T> = Result<T, Stop>;

/// Reads a document. The inner error says why this one does not read.
pub(super) fn assemble(
    connection: &Connection,
    path: &Path,
    till: &TillId,
    optional: &Optional,
    id: i64,
) -> Result<Result<v1::Document, String>, DocumentsError> {
    apart((Assembly { connection, path, till, optional }).document(id))
}

/// Reads what a document is known by. The inner error says why it does not read.
pub(super) fn key(
    connection: &Connection,
    path: &Path,
    till: &TillId,
    optional: &Optional,
    id: i64,
) -> Result<Result<DocumentKey, String>, DocumentsError> {
    let assembly = Assembly { connection, path, till, optional };
    let known_by = |document: v1::Document| {
        let key = ReceiptKey::try_from(&document.key.unwrap_or_default());
        let key = key.map_err(|error| Stop::Document(error.to_string()))?;
        Ok(DocumentKey { document_id: id, shift: key.shift, number: key.number.0, uuid: key.uuid })
    };
    apart(assembly.head_of(id).and_then(known_by))
}

fn apart<T>(part: Part<T>) -> Result<Result<T, String>, DocumentsError> {
    match part {
        Ok(part) => Ok(Ok(part)),
        Err(Stop::Document(reason)) => Ok(Err(reason)),
        Err(Stop::Database(error)) => Err(error),
    }
}

struct Assembly<'a> {
    connection: &'a Connection,
    path: &'a Path,
    till: &'a TillId,
    optional: &'a Optional,
}

impl Assembly<'_> {
    fn head_of(&self, id: i64) -> Part<v1::Document> {
        let (copy, cash) =
            (self.optional.column("document", "frdoccopy"), self.optional.column("document", "cashtype"));
        let sql = format!(
            "SELECT d.checknum, d.doctype, d.cashcode, d.scode, d.dept, d.time_beg, d.time_end, d.sum1, d.disc_abs, \
             d.sumb, d.vatsum, d.identifier, d.sourceidentifier, d.frdocnum, d.fiscalidentifier, d.backreason, w.shiftnum, w.time_beg, \
             {copy}, {cash} \
             FROM document d LEFT JOIN workshift w USING (workshiftid) WHERE d.documentid = ?1"
        );
        let head = self.all("document", &sql, id, |row| self.head(id, row))?;
        head.into_iter().next().ok_or_else(|| Stop::Document("it is not there any more".to_owned()))
    }

    fn document(&self, id: i64) -> Part<v1::Document> {
        let head = self.head_of(id)?;
        Ok(v1::Document {
            lines: self.lines(id)?,
            voided_lines: self.voided_lines(id)?,
            payments: self.payments(id)?,
            failed_payments: self.rows_of(
                "failedmoneyitem",
                "SELECT opcode, valcode, sumb, mtime, cardnum, slip FROM failedmoneyitem WHERE documentid = ?1 \
                 ORDER BY failedmoneyitemid",
                id,
                // A time that does not read takes nothing from what it says: that the receipt was
                // annulled, maybe.
                |row| {
                    amount(row, 2)?;
                    payment(row, time(row, 3).unwrap_or_default())
                },
            )?,
            certificates: self.rows_of(
                "certificateitem",
                "SELECT number, sumb FROM certificateitem WHERE documentid = ?1 ORDER BY certificateitemid",
                id,
                voucher,
            )?,
            coupons: self.rows_of(
                "couponitem",
                "SELECT number, sumb FROM couponitem WHERE documentid = ?1 ORDER BY couponitemid",
                id,
                voucher,
            )?,
            cards: self.all(
                "carditem",
                "SELECT number FROM carditem WHERE documentid = ?1 ORDER BY carditemid",
                id,
                |row| row.get(0).map_err(Into::into),
            )?,
            ..head
        })
    }

    fn head(&self, id: i64, row: &Row<'_>) -> Result<v1::Document, Wrong> {
        let shift = natural(row, 16, "shiftnum of its workshift")?;
        let number = natural(row, 0, "checknum")?;
        let doctype = row.get(1)?;
        let time_beg = time(row, 5)?;
        let identifier: String = or_default(row, 11)?;
        let stable = Stable { till: self.till, shift, number, document_id: id, doctype, time_beg: &time_beg };
        let uuid = receipt_uuid(&identifier, &stable);
        // A time that does not read is told with the shift's record, and holds none of its
        // documents up.
        let opened = opened(row.get::<_, String>(17).ok().as_deref());
        let shift = ShiftKey { number: ShiftNumber(shift), opened };
        let key = ReceiptKey { till: self.till.clone(), shift, number: DocumentNumber(number), uuid };
        Ok(v1::Document {
            key: Some((&key).into()),
            document_id: id,
            doctype,
            cash_code: or_default(row, 2)?,
            cashier: or_default(row, 3)?,
            department: or_default(row, 4)?,
            time_end: time(row, 6)?,
            sum_before: row.get(7)?,
            discount: row.get(8)?,
            sum: row.get(9)?,
            vat: row.get(10)?,
            source_identifier: or_default(row, 12)?,
            fiscal_number: or_default(row, 13)?,
            fiscal_identifier: or_default(row, 14)?,
            back_reason: or_default(row, 15)?,
            fiscal_copy: row.get(18).unwrap_or_default(),
            cash_type: row.get(19).unwrap_or_default(),
            time_beg,
            identifier,
            ..v1::Document::default()
        })
    }

    fn lines(&self, id: i64) -> Part<Vec<v1::Line>> {
        let marks = self.marks("goodsitem");
        let sql = format!(
            "SELECT posnum, code, bcode, opcode, cquant, price, sumi, disc_abs, sumb, ttime, {marks}, goodsitemid FROM goodsitem \
             WHERE documentid = ?1 ORDER BY posnum, goodsitemid"
        );
        let mut lines =
            self.all("goodsitem", &sql, id, |row| Ok((row.get::<_, i64>(13)?, line(row, String::new())?)))?;
        let discounts = self.all(
            "discitem",
            "SELECT d.discnumber, d.discmode, d.disctype, d.discsize, d.discsum, d.checksum, d.cardnumber, d.goodsitemid \
             FROM goodsitem g JOIN discitem d USING (goodsitemid) WHERE g.documentid = ?1 ORDER BY d.discnumber",
            id,
            |row| {
                let discount = v1::Discount {
                    number: row.get(0)?,
                    mode: or_default(row, 1)?,
                    r#type: or_default(row, 2)?,
                    size_thousandths: row.get(3)?,
                    sum: row.get(4)?,
                    base_sum: row.get(5)?,
                    card_number: or_default(row, 6)?,
                };
                Ok((row.get::<_, i64>(7)?, discount))
            },
        )?;
        for (goods_item, discount) in discounts {
            if let Some((_, line)) = lines.iter_mut().find(|(id, _)| *id == goods_item) {
                line.discounts.push(discount);
            }
        }
        let taxes = self.rows_of(
            "taxitem",
            "SELECT t.goodsitemid, t.taxcode, t.taxsum FROM goodsitem g JOIN taxitem t USING (goodsitemid) \
             WHERE g.documentid = ?1 ORDER BY t.taxitemid",
            id,
            |row| Ok((row.get::<_, i64>(0)?, v1::Tax { code: or_default(row, 1)?, sum: amount(row, 2)? })),
        )?;
        for (goods_item, tax) in taxes {
            if let Some((_, line)) = lines.iter_mut().find(|(id, _)| *id == goods_item) {
                line.taxes.push(tax);
            }
        }
        let bonuses = self.rows_of(
            "bonusitem",
            "SELECT b.goodsitemid, b.amount, b.cardnumber FROM goodsitem g JOIN bonusitem b USING (goodsitemid) \
             WHERE g.documentid = ?1 ORDER BY b.bonusitemid",
            id,
            |row| {
                Ok((
                    row.get::<_, i64>(0)?,
                    v1::Bonus { amount: amount(row, 1)?, card_number: extra(row, 2, MAX_TEXT_BYTES) },
                ))
            },
        )?;
        for (goods_item, bonus) in bonuses {
            if let Some((_, line)) = lines.iter_mut().find(|(id, _)| *id == goods_item) {
                line.bonuses.push(bonus);
            }
        }
        Ok(lines.into_iter().map(|(_, line)| line).collect())
    }

    fn voided_lines(&self, id: i64) -> Part<Vec<v1::Line>> {
        let marks = self.marks("stornogoodsitem");
        let sql = format!(
            "SELECT posnum, code, bcode, opcode, cquant, price, sumi, disc_abs, sumb, coalesce(tstime, ttime), {marks}, opid \
             FROM stornogoodsitem WHERE documentid = ?1 ORDER BY posnum, stornogoodsitemid"
        );
        self.all("stornogoodsitem", &sql, id, |row| line(row, or_default(row, 13)?))
    }

    fn payments(&self, id: i64) -> Part<Vec<v1::Payment>> {
        let (card, slip) = (self.optional.column("moneyitem", "cardnum"), self.optional.column("moneyitem", "slip"));
        let sql = format!(
            "SELECT opcode, valcode, sumb, mtime, coalesce({card}, docnum), {slip} FROM moneyitem WHERE documentid = ?1 \
             ORDER BY moneyitemid"
        );
        self.all("moneyitem", &sql, id, |row| payment(row, time(row, 3)?))
    }

    fn marks(&self, table: &str) -> String {
        ["excisemark", "additionalbarcode", "bcode_main"].map(|column| self.optional.column(table, column)).join(", ")
    }

    /// Rows of a table that need not be there, and of them those that read, as many as a document
    /// may have.
    fn rows_of<T>(
        &self,
        table: &'static str,
        sql: &str,
        id: i64,
        read: impl Fn(&Row<'_>) -> Result<T, Wrong>,
    ) -> Part<Vec<T>> {
        if !self.optional.table(table) {
            return Ok(Vec::new());
        }
        let failed = |source| Stop::Database(DocumentsError::query(self.path, table)(source));
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([id]).map_err(failed)?;
        let mut parts = Vec::new();
        let (mut left_out, mut reason) = (0_u64, String::new());
        while let Some(row) = rows.next().map_err(failed)? {
            match read(row) {
                Ok(part) if parts.len() < MAX_DOCUMENT_PARTS => parts.push(part),
                Ok(_) => (left_out, reason) = (left_out + 1, format!("more than {MAX_DOCUMENT_PARTS} rows")),
                Err(Wrong(what)) => (left_out, reason) = (left_out + 1, what),
            }
        }
        if left_out > 0 {
            tracing::warn!(
                document = id,
                table,
                left_out,
                reason,
                "rows are left out of a receipt, which goes up without them"
            );
        }
        Ok(parts)
    }

    fn all<T>(
        &self,
        table: &'static str,
        sql: &str,
        id: i64,
        read: impl Fn(&Row<'_>) -> Result<T, Wrong>,
    ) -> Part<Vec<T>> {
        let failed = |source| Stop::Database(DocumentsError::query(self.path, table)(source));
        let mut statement = self.connection.prepare_cached(sql).map_err(failed)?;
        let mut rows = statement.query([id]).map_err(failed)?;
        let mut parts = Vec::new();
        while let Some(row) = rows.next().map_err(failed)? {
            if parts.len() == MAX_DOCUMENT_PARTS {
                return Err(Stop::Document(format!("it has more than {MAX_DOCUMENT_PARTS} rows in {table}")));
            }
            parts.push(read(row).map_err(|Wrong(what)| Stop::Document(format!("table {table}: {what}")))?);
        }
        Ok(parts)
    }
}

/// Why a row does not read.
pub(super) struct Wrong(pub(super) String);

impl From<rusqlite::Error> for Wrong {
    fn from(error: rusqlite::Error) -> Self {
        Self(error.to_string())
    }
}

fn line(row: &Row<'_>, confirmed_by: String) -> Result<v1::Line, Wrong> {
    Ok(v1::Line {
        position: row.get(0)?,
        item_code: or_default(row, 1)?,
        barcode: or_default(row, 2)?,
        opcode: row.get(3)?,
        quantity: row.get(4)?,
        price: row.get(5)?,
        sum_before: row.get(6)?,
        discount: row.get(7)?,
        sum: row.get(8)?,
        time: time(row, 9)?,
        confirmed_by,
        mark: extra(row, 10, MAX_TEXT_BYTES),
        additional_barcode: extra(row, 11, MAX_TEXT_BYTES),
        main_barcode: extra(row, 12, MAX_TEXT_BYTES),
        ..v1::Line::default()
    })
}

fn payment(row: &Row<'_>, time: String) -> Result<v1::Payment, Wrong> {
    Ok(v1::Payment {
        opcode: row.get(0)?,
        type_code: row.get(1)?,
        sum: row.get(2)?,
        time,
        card_number: extra(row, 4, MAX_TEXT_BYTES),
        slip: extra(row, 5, MAX_SLIP_BYTES),
    })
}

fn voucher(row: &Row<'_>) -> Result<v1::Voucher, Wrong> {
    Ok(v1::Voucher { number: extra(row, 0, MAX_TEXT_BYTES), sum: amount(row, 1)? })
}

/// A text that a POS need not write: empty where it does not read, and cut where a server would
/// refuse it.
fn extra(row: &Row<'_>, column: usize, limit_bytes: usize) -> String {
    let mut text: String = or_default(row, column).unwrap_or_else(|Wrong(reason)| {
        tracing::warn!(reason, "a cell of a receipt does not read and counts as empty");
        String::new()
    });
    if text.len() > limit_bytes {
        tracing::warn!(bytes = text.len(), limit_bytes, "a text of a receipt is too long and is cut");
        text.truncate(text.floor_char_boundary(limit_bytes));
    }
    text
}

/// A sum that a server takes.
fn amount(row: &Row<'_>, column: usize) -> Result<i64, Wrong> {
    let value: i64 = row.get(column)?;
    if value.unsigned_abs() > MAX_AMOUNT.unsigned_abs() {
        return Err(Wrong(format!("a sum of {value} kopecks")));
    }
    Ok(value)
}

/// When a shift was opened, to the second, as its record says it too.
pub(super) fn opened(text: Option<&str>) -> Opened {
    let time: Option<DateTime> = text.and_then(|text| text.parse().ok());
    Opened::from(time.and_then(|time| seconds(time).parse().ok()))
}

pub(super) fn or_default<T: FromSql + Default>(row: &Row<'_>, column: usize) -> Result<T, Wrong> {
    Ok(row.get::<_, Option<T>>(column)?.unwrap_or_default())
}

/// A number that is there and not below zero.
pub(super) fn natural(row: &Row<'_>, column: usize, what: &str) -> Result<u64, Wrong> {
    let value: Option<i64> = row.get(column)?;
    let value = value.ok_or_else(|| Wrong(format!("{what} is missing")))?;
    u64::try_from(value).map_err(|_| Wrong(format!("{what} is {value}")))
}

/// A time in the form of the wire; empty where there is none.
pub(super) fn time(row: &Row<'_>, column: usize) -> Result<String, Wrong> {
    let text: String = or_default(row, column)?;
    if text.is_empty() {
        return Ok(text);
    }
    let time: DateTime = text.parse().map_err(|_| Wrong(format!("`{text}` is no time")))?;
    Ok(seconds(time))
}
