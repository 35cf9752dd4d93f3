//! What arrived goes into the tables, in the transaction that moves the position.

mod inserts;

use inserts::{Arrived, Inserts};
use jiff::Timestamp;
use jiff::civil::DateTime;
use prost::Message;
use rusqlite::{Connection, OptionalExtension, params};
use std::collections::{BTreeMap, BTreeSet};
use tillway_proto::TillId;
use tillway_proto::receipt::{DocumentNumber, Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::{shift_key, v1};

use super::prune::{self, Pruned};
use super::total::Totals;
use super::{check, finding, row, shift};
use crate::sales::receipt::{MAX_NUMBER, Receipt, ShiftRecord};
use crate::sales::spool::Position;
use crate::store::ServerId;
use crate::store::sales::{FindingKind, FindingReason, Incoming, Loaded, NewFinding, Refused};

/// Most documents of one till that are kept without being receipts; the oldest go. A till that
/// sends more has a fault that somebody has been shown a thousand findings of.
const MAX_REFUSED_PER_TILL: u32 = 10_000;

/// Shifts of which something arrived.
type Touched = BTreeMap<(TillId, ShiftKey), Touch>;

/// Openings of the shifts of one number, and when each was closed.
type KnownOpenings = BTreeMap<Opened, Option<DateTime>>;

/// What arrived of a shift.
struct Touch {
    /// The shop to note where the shift is new.
    shop: String,
    /// Numbers of the receipts that were not there.
    numbers: Vec<DocumentNumber>,
}

pub(super) fn position(connection: &Connection, server: ServerId) -> rusqlite::Result<Position> {
    let found = connection
        .prepare_cached(r#"SELECT segment, "offset" FROM spool_position WHERE server = ?1"#)?
        .query_row([server.0.as_bytes()], |r| {
            Ok(Position { segment: row::unsigned(r, 0)?, offset: row::unsigned(r, 1)? })
        })
        .optional()?;
    Ok(found.unwrap_or(Position { segment: 0, offset: 0 }))
}

pub(super) fn load(t: &Connection, incoming: &[Incoming], now: Timestamp) -> rusqlite::Result<Loaded> {
    let mut loaded = Loaded::default();
    let mut touched = Touched::new();
    let mut totals = Totals::default();
    let mut inserts = Inserts::prepare(t)?;
    for arrival in incoming {
        let refused_before = finding::open_subjects(t, &arrival.till, FindingKind::DocumentRefused)?;
        for of_shift in arrival.receipts.chunk_by(|one, next| one.key.shift == next.key.shift) {
            let told = of_shift[0].key.shift;
            let others = openings(t, &arrival.till, told.number, &touched)?;
            let pruned = Pruned::of(t, &arrival.till, told.number)?;
            let (mut new, mut moved) = (Vec::new(), Vec::new());
            for receipt in of_shift {
                if pruned.has(t, receipt)? {
                    loaded.same += 1;
                    continue;
                }
                let shift = inserts.shift_of(receipt, told, &others)?;
                for left in inserts.gather(t, receipt, shift, &others)? {
                    touch(&mut touched, arrival, left);
                    moved.push((shift, receipt));
                }
                match inserts.receipt(t, arrival, receipt, shift)? {
                    Arrived::New => {
                        loaded.added += 1;
                        new.push((shift, receipt));
                    }
                    Arrived::Same => {
                        loaded.same += 1;
                        finding::close(
                            t,
                            Some(&arrival.till),
                            FindingKind::ReceiptConflict,
                            &receipt.key.to_string(),
                            now,
                        )?;
                    }
                    Arrived::Conflicting => {
                        loaded.conflicting += 1;
                        finding::add(t, &conflict(receipt, shift, now))?;
                    }
                }
                if !refused_before.is_empty() {
                    close_refused(t, receipt, &refused_before, now)?;
                }
            }
            totals.add(arrival.shop.as_str(), &arrival.till, new.iter().map(|(_, receipt)| *receipt));
            moved.append(&mut new);
            for of_shift in moved.chunk_by(|(one, _), (next, _)| one == next) {
                let numbers = of_shift.iter().map(|(_, receipt)| receipt.key.number);
                touch(&mut touched, arrival, of_shift[0].0).numbers.extend(numbers);
            }
        }
        for record in &arrival.shifts {
            if prune::is_pruned(t, record)? {
                continue;
            }
            if shift::upsert(t, record, arrival.received_at, now)? {
                touch(&mut touched, arrival, record.key());
            }
            if adopt(t, record)? > 0 {
                let left = ShiftKey::not_told(record.number);
                let numbers = std::mem::take(&mut touch(&mut touched, arrival, left).numbers);
                touch(&mut touched, arrival, record.key()).numbers.extend(numbers);
            }
        }
        for refused in &arrival.refused {
            loaded.refused += 1;
            keep_refused(t, arrival, refused, now)?;
        }
        note_till(t, arrival)?;
    }
    totals.write(t)?;
    for ((till, shift), touch) in &mut touched {
        let numbers = check::recheck(t, till, *shift, Some(&touch.shop), now)?;
        note_numbers_again(t, (till, *shift), &numbers, &mut touch.numbers, now)?;
    }
    Ok(loaded)
}

/// The openings under which the database has, or is about to have, shifts of a number, and when
/// each was closed: mostly one.
fn openings(t: &Connection, till: &TillId, number: ShiftNumber, touched: &Touched) -> rusqlite::Result<KnownOpenings> {
    let mut found = t
        .prepare_cached(
            "SELECT opened, max(time_end) FROM (
                 SELECT opened, NULL AS time_end FROM shift_check WHERE till = ?1 AND shift = ?2
                 UNION ALL SELECT opened, time_end FROM shift WHERE till = ?1 AND number = ?2)
             GROUP BY opened",
        )?
        .query_map(params![till.as_str(), row::number(number.0)], |r| Ok((row::opened(r, 0)?, row::optional(r, 1)?)))?
        .collect::<rusqlite::Result<KnownOpenings>>()?;
    for (_, shift) in touched
        .range((till.clone(), ShiftKey::not_told(number))..)
        .map(|(key, _)| key)
        .take_while(|(of, shift)| of == till && shift.number == number)
    {
        found.entry(shift.opened).or_default();
    }
    Ok(found)
}

/// Receipts whose shift was not told go to the shift of this record, where they ended in it or no
/// other of its number is known. Gives how many.
fn adopt(t: &Connection, record: &ShiftRecord) -> rusqlite::Result<usize> {
    t.prepare_cached(
        "UPDATE OR IGNORE receipt SET opened = ?4 WHERE till = ?1 AND shift = ?2 AND opened = ?3
             AND (time_end >= ?4 OR NOT EXISTS (SELECT 1 FROM shift WHERE till = ?1 AND number = ?2 AND opened <> ?4))",
    )?
    .execute(params![
        record.till.as_str(),
        row::number(record.number.0),
        row::NOT_TOLD,
        row::opened_text(record.key().opened)
    ])
}

/// Receipts whose shift was not told, and that ended in none of the shifts of their number that
/// are known: they go to the one that was opened last before they ended, else to the first, since
/// no other has been told of for long enough. Gives the openings of the shifts they went to.
pub(super) fn adopt_late(t: &Connection, till: &TillId, number: ShiftNumber) -> rusqlite::Result<BTreeSet<Opened>> {
    t.prepare_cached(
        "UPDATE OR IGNORE receipt SET opened = (SELECT coalesce(max(opened) FILTER (WHERE opened <= receipt.time_end), min(opened))
                 FROM shift WHERE till = ?1 AND number = ?2)
             WHERE till = ?1 AND shift = ?2 AND opened = ?3 AND EXISTS (SELECT 1 FROM shift WHERE till = ?1 AND number = ?2)
             RETURNING opened",
    )?
    .query_map(params![till.as_str(), row::number(number.0), row::NOT_TOLD], |r| row::opened(r, 0))?
    .collect()
}

/// Closes the finding of a document that was set aside and has now come as a receipt.
fn close_refused(t: &Connection, receipt: &Receipt, open: &BTreeSet<String>, now: Timestamp) -> rusqlite::Result<()> {
    let subject = refused_subject(receipt.document.document_id, receipt.key.number.0);
    let of_v0_1 = open.iter().filter(|subject| is_hash(subject));
    let mut mended: Vec<&String> = open.get(&subject).into_iter().collect();
    for hash in of_v0_1 {
        if refused_document(t, &receipt.key.till, hash)?.is_some_and(|document| {
            let number = document.key.as_ref().map_or(0, |key| key.number);
            refused_subject(document.document_id, number) == subject
        }) {
            mended.push(hash);
        }
    }
    mended
        .into_iter()
        .try_for_each(|subject| finding::close(t, Some(&receipt.key.till), FindingKind::DocumentRefused, subject, now))
}

/// What the finding is about that a document was set aside: the document at its place on the till,
/// however its content changes.
fn refused_subject(document_id: i64, number: u64) -> String {
    format!("document {number} in row {document_id}")
}

/// Whether a subject is one of v0.1: the beginning of the hash of what was refused.
fn is_hash(subject: &str) -> bool {
    subject.len() == 16 && subject.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A document that was refused, by the beginning of its hash.
fn refused_document(t: &Connection, till: &TillId, hash: &str) -> rusqlite::Result<Option<v1::Document>> {
    let Ok(first) = u64::from_str_radix(hash, 16) else { return Ok(None) };
    let from = first.to_be_bytes();
    let to = first.saturating_add(1).to_be_bytes();
    let document: Option<Option<Vec<u8>>> = t
        .prepare_cached("SELECT document FROM refused WHERE till = ?1 AND content >= ?2 AND content < ?3 LIMIT 1")?
        .query_row(params![till.as_str(), from, to], |r| r.get(0))
        .optional()?;
    Ok(document.flatten().and_then(|bytes| v1::Document::decode(&bytes[..]).ok()))
}

fn touch<'a>(touched: &'a mut Touched, arrival: &Incoming, shift: ShiftKey) -> &'a mut Touch {
    touched
        .entry((arrival.till.clone(), shift))
        .or_insert_with(|| Touch { shop: arrival.shop.to_string(), numbers: Vec::new() })
}

/// The spool is loaded up to here, in the transaction of what was loaded.
pub(super) fn move_position(t: &Connection, server: ServerId, through: Position) -> rusqlite::Result<()> {
    t.prepare_cached(
        r#"INSERT INTO spool_position(server, segment, "offset") VALUES (?1, ?2, ?3)
           ON CONFLICT(server) DO UPDATE SET segment = excluded.segment, "offset" = excluded."offset""#,
    )?
    .execute(params![server.0.as_bytes(), row::number(through.segment), row::number(through.offset)])
    .map(drop)
}

/// Numbers that stand for two receipts of a shift: all count, since each has a UUID of its own,
/// and somebody should know why. One finding a shift, and once more for each receipt that came to
/// another one of its number. `numbers`: all of the shift, in order; `new`: those that have just
/// come.
fn note_numbers_again(
    t: &Connection,
    (till, shift): (&TillId, ShiftKey),
    numbers: &[u64],
    new: &mut [DocumentNumber],
    now: Timestamp,
) -> rusqlite::Result<()> {
    if numbers.windows(2).all(|pair| pair[0] != pair[1]) {
        return Ok(());
    }
    new.sort_unstable();
    for of_number in new.chunk_by(|one, next| one == next) {
        let number = of_number[0];
        let first = numbers.partition_point(|there| *there < number.0);
        let there = numbers[first..].iter().take_while(|there| **there == number.0).count();
        let again = of_number.len().min(there.saturating_sub(1));
        for _ in 0..again {
            let finding = NewFinding {
                reason: FindingReason::NumbersAgain { number: number.0, shift: shift.to_string() },
                till: Some(till.clone()),
                shift: Some(shift),
                subject: check::numbers_subject(shift),
                at: now,
            };
            finding::add(t, &finding)?;
        }
    }
    Ok(())
}

fn keep_refused(t: &Connection, arrival: &Incoming, refused: &Refused, now: Timestamp) -> rusqlite::Result<()> {
    let body = refused.document.as_ref().map(Message::encode_to_vec);
    let record = refused.shift.as_ref().map(Message::encode_to_vec);
    let why = refused.reason.to_string();
    let told = body.as_deref().or(record.as_deref()).unwrap_or(why.as_bytes());
    let hash = blake3::hash(told);
    t.prepare_cached(
        "INSERT INTO refused(till, content, reason, document, shift_record, received_at) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT(till, content) DO NOTHING",
    )?
    .execute(params![
        arrival.till.as_str(),
        hash.as_bytes(),
        why,
        body,
        record,
        arrival.received_at.as_millisecond()
    ])?;
    t.prepare_cached(
        "DELETE FROM refused WHERE till = ?1
             AND id <= (SELECT id FROM refused WHERE till = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)",
    )?
    .execute(params![arrival.till.as_str(), MAX_REFUSED_PER_TILL])?;
    let till = Some(arrival.till.clone());
    let detail = refused.reason.clone();
    let found = if let Some(record) = &refused.shift {
        NewFinding {
            reason: FindingReason::ShiftRefused { shift: shift_key(record).to_string(), detail },
            till,
            shift: (record.number <= MAX_NUMBER).then(|| shift_key(record)),
            // One of a shift, however its record changes: a good one closes it.
            subject: shift::refused_subject(shift_key(record)),
            at: now,
        }
    } else {
        let key = refused.document.as_ref().and_then(|document| document.key.as_ref());
        let shift = key.map(|key| ShiftKey {
            number: ShiftNumber(key.shift),
            opened: Opened::from_wire(key.shift_opened.as_deref()).unwrap_or_default(),
        });
        let reason = match key.zip(shift) {
            Some((key, shift)) => {
                FindingReason::DocumentRefused { number: key.number, shift: shift.to_string(), detail }
            }
            None => FindingReason::RecordRefused { detail },
        };
        let row = refused.document.as_ref().map(|document| document.document_id).filter(|row| *row != 0);
        NewFinding {
            reason,
            till,
            shift: shift.filter(|shift| shift.number.0 <= MAX_NUMBER),
            subject: row.map_or_else(
                || hash.to_hex()[..16].to_owned(),
                |row| refused_subject(row, key.map_or(0, |key| key.number)),
            ),
            at: now,
        }
    };
    finding::add(t, &found)
}

fn conflict(receipt: &Receipt, shift: ShiftKey, now: Timestamp) -> NewFinding {
    NewFinding {
        reason: FindingReason::ReceiptConflict { number: receipt.key.number.0, shift: shift.to_string() },
        till: Some(receipt.key.till.clone()),
        shift: Some(shift),
        subject: receipt.key.to_string(),
        at: now,
    }
}

fn note_till(t: &Connection, arrival: &Incoming) -> rusqlite::Result<()> {
    let last = arrival.receipts.iter().map(|receipt| receipt.ended).max().map(|time| time.to_string());
    t.prepare_cached(
        "INSERT INTO till(till, shop, instance, agent_version, last_received_at, last_receipt_time)
         VALUES (?1, ?2, '', '', ?3, ?4)
         ON CONFLICT(till) DO UPDATE SET
             last_received_at = max(coalesce(last_received_at, 0), excluded.last_received_at),
             last_receipt_time = max(coalesce(last_receipt_time, excluded.last_receipt_time),
                                     coalesce(excluded.last_receipt_time, last_receipt_time))",
    )?
    .execute(params![arrival.till.as_str(), arrival.shop.as_str(), arrival.received_at.as_millisecond(), last])
    .map(drop)
}

pub(super) fn none_if_empty(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}
