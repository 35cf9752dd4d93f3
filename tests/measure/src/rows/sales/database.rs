//! From the spool into `sales.db`, and the same receipts inserted by hand.

use crate::figure::{Outcome, as_f64};
use crate::{MeasureError, part};
use rusqlite::{Connection, params};
use serde::{Deserialize, Serialize};
use std::path::PathBuf;
use std::sync::Arc;
use tillway_cash_server::sales::loader::{Loader, MAX_BYTES, MAX_RECORDS};
use tillway_cash_server::sales::receipt::Receipt;
use tillway_cash_server::sales::spool::{Arrival, Item, Position, Spool, SpoolLimits};
use tillway_cash_server::store::ServerId;
use tillway_cash_server::store::sqlite::sales::SqliteSales;
use tillway_file_queue::disk;
use tillway_proto::TillId;

/// A spool, and the database that it goes into.
#[derive(Serialize, Deserialize)]
pub(super) struct Load {
    pub(super) spool: PathBuf,
    pub(super) database: PathBuf,
}

/// The part: the loader's steps until nothing is left, checks of shifts included.
pub(super) fn load_spool(arguments: &str) -> Result<Outcome, MeasureError> {
    let load: Load = part::arguments(arguments)?;
    let store = SqliteSales::open(&load.database, ServerId::ALONE).map_err(|error| wrong(&error))?;
    let spool = open(&load)?;
    let mut loader = Loader::new(spool, Arc::new(store));
    let (steps, outcome) = part::timed(|| {
        let mut steps = 0;
        while loader.step().map_err(|error| wrong(&error))? {
            steps += 1;
        }
        Ok(steps)
    })?;
    Ok(outcome.with("transactions", as_f64(steps)))
}

/// The part: the same receipts and all their parts into the same tables with the same durability,
/// by prepared insertions, in the loader's groups. They lie decoded in memory; nothing is checked,
/// no shift is counted, no foreign key looked up.
pub(super) fn insert_receipts(arguments: &str) -> Result<Outcome, MeasureError> {
    let load: Load = part::arguments(arguments)?;
    // Makes the schema.
    drop(SqliteSales::open(&load.database, ServerId::ALONE).map_err(|error| wrong(&error))?);
    let groups = groups(&load)?;
    let sql = MeasureError::sql(&load.database);
    let connection = Connection::open(&load.database).map_err(&sql)?;
    let configure = || {
        connection.pragma_update(None, "synchronous", "FULL")?;
        connection.pragma_update(None, "cache_size", -8_192)?;
        connection.set_prepared_statement_cache_capacity(16);
        Ok(())
    };
    configure().map_err(&sql)?;
    let ((), outcome) = part::timed(|| groups.iter().try_for_each(|group| insert(&connection, group)).map_err(&sql))?;
    Ok(outcome.with("transactions", as_f64(groups.len())))
}

/// A receipt as it is bound.
struct Bound {
    shop: String,
    received_at: i64,
    ended: String,
    day: String,
    line_sum: i64,
    lines: i64,
    receipt: Receipt,
}

fn groups(load: &Load) -> Result<Vec<Vec<Bound>>, MeasureError> {
    let spool = open(load)?;
    let mut groups = Vec::new();
    let mut at = Position::default();
    loop {
        let chunk = spool.read(at, MAX_RECORDS, MAX_BYTES).map_err(|error| wrong(&error))?;
        if chunk.items.is_empty() {
            return Ok(groups);
        }
        at = chunk.next;
        let mut group = Vec::new();
        for item in chunk.items {
            let Item::Record { payload, .. } = item else { return Err(wrong(&"a spool with holes")) };
            let arrival = Arrival::parse(&payload).map_err(|error| wrong(&error))?;
            let till: TillId = arrival.till_id.parse().map_err(|error: tillway_proto::IdError| wrong(&error))?;
            for document in arrival.batch.into_iter().flat_map(|batch| batch.documents) {
                let receipt = Receipt::parse(&till, document).map_err(|error| wrong(&error))?;
                group.push(Bound {
                    shop: arrival.shop_id.clone(),
                    received_at: arrival.received_at_ms,
                    ended: receipt.ended.to_string(),
                    day: receipt.ended.date().to_string(),
                    line_sum: receipt.document.lines.iter().map(|line| line.sum).sum(),
                    lines: index(receipt.document.lines.len()),
                    receipt,
                });
            }
        }
        groups.push(group);
    }
}

fn insert(connection: &Connection, group: &[Bound]) -> rusqlite::Result<()> {
    connection.execute_batch("BEGIN IMMEDIATE")?;
    let mut receipts = connection.prepare_cached(
        "INSERT INTO receipt(till, shift, number, uuid, shop, document_id, doctype, cash_code, cashier, department, time_beg, \
         time_end, day, sum_before, discount, sum, vat, identifier, source_identifier, fiscal_number, fiscal_identifier, \
         back_reason, lines, line_sum, content, received_at, opened) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, \
         ?14, ?15, ?16, ?17, ?18, ?19, ?20, ?21, ?22, ?23, ?24, ?25, ?26, ?27)",
    )?;
    let mut lines = connection.prepare_cached(
        "INSERT INTO line(receipt, voided, ordinal, position, item_code, barcode, opcode, quantity, price, sum_before, \
         discount, sum, time, confirmed_by) VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    let mut discounts = connection.prepare_cached(
        "INSERT INTO discount(receipt, voided, line, ordinal, number, mode, type, size_thousandths, sum, base_sum, \
         card_number) VALUES (?1, 0, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
    )?;
    let mut payments = connection.prepare_cached(
        "INSERT INTO payment(receipt, ordinal, opcode, type_code, sum, time, card_number) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
    )?;
    let mut cards = connection.prepare_cached("INSERT INTO card(receipt, ordinal, number) VALUES (?1, ?2, ?3)")?;
    for bound in group {
        let (key, document) = (&bound.receipt.key, &bound.receipt.document);
        receipts.execute(params![
            key.till.as_str(),
            key.shift.number.0.cast_signed(),
            key.number.0.cast_signed(),
            key.uuid.as_bytes(),
            bound.shop,
            document.document_id,
            document.doctype,
            document.cash_code,
            document.cashier,
            document.department,
            document.time_beg,
            bound.ended,
            bound.day,
            document.sum_before,
            document.discount,
            document.sum,
            document.vat,
            document.identifier,
            document.source_identifier,
            document.fiscal_number,
            document.fiscal_identifier,
            document.back_reason,
            bound.lines,
            bound.line_sum,
            bound.receipt.content,
            bound.received_at,
            bound.receipt.key.shift.opened.to_wire().unwrap_or_default(),
        ])?;
        let id = connection.last_insert_rowid();
        for (ordinal, line) in document.lines.iter().enumerate() {
            lines.execute(params![
                id,
                index(ordinal),
                line.position,
                line.item_code,
                line.barcode,
                line.opcode,
                line.quantity,
                line.price,
                line.sum_before,
                line.discount,
                line.sum,
                line.time,
                line.confirmed_by
            ])?;
            for (number, discount) in line.discounts.iter().enumerate() {
                discounts.execute(params![
                    id,
                    index(ordinal),
                    index(number),
                    discount.number,
                    discount.mode,
                    discount.r#type,
                    discount.size_thousandths,
                    discount.sum,
                    discount.base_sum,
                    discount.card_number
                ])?;
            }
        }
        for (ordinal, payment) in document.payments.iter().enumerate() {
            payments.execute(params![
                id,
                index(ordinal),
                payment.opcode,
                payment.type_code,
                payment.sum,
                payment.time,
                payment.card_number
            ])?;
        }
        for (ordinal, card) in document.cards.iter().enumerate() {
            cards.execute(params![id, index(ordinal), card])?;
        }
    }
    connection.execute_batch("COMMIT")
}

fn index(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

fn open(load: &Load) -> Result<Spool, MeasureError> {
    let limits = SpoolLimits::default();
    Spool::open(&load.spool, Position::default(), limits, disk::of_this_machine()).map_err(|error| wrong(&error))
}

fn wrong(error: &impl ToString) -> MeasureError {
    MeasureError::wrong("loading sales", error.to_string())
}
