//! `exchange.db`: contacts, deliveries, commands.

mod aside;
mod cache;
mod heard;
mod moment;
mod rows;
mod unreadable;
mod ways;

use super::audit;
use super::connection::{Database, Durability};
use super::dictionary::{signed, time};
use crate::exchange::ExchangeReason;
use crate::exchange::model::{Contact, Delivery, PeerRecord, SentCommand};
use crate::store::StoreError;
use crate::store::exchange::{
    BrokenReport, Decide, DeliveryFilter, Ended, EndedCommand, ExchangeChanges, ExchangeStore, KeptReport,
    KnownStranger, NewDelivery, Records, Stranger, Way,
};
use crate::words::Reason;
use cache::{RecordCache, Writing, contact_of, newest_delivery, read_one};
use heard::{Heard, LastWord, Step};
use jiff::Timestamp;
use moment::Moment;
use rows::{delivery, millis, parsed, put_command, put_contact, put_delivery, revision};
use rusqlite::{OptionalExtension as _, Row, Transaction, TransactionBehavior, params, params_from_iter};
use rusqlite_migration::{M, Migrations};
use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::sync::{Arc, LazyLock};
use std::time::Instant;
use tillway_proto::{DeliveryId, DeliveryState, PackageName, PeerId, Revision};
use tillway_service::audit::AuditLine;
use unreadable::Unreadable;
use uuid::Uuid;

pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    Migrations::new(vec![
        M::up(include_str!("exchange_1.sql")),
        M::up(include_str!("exchange_2.sql")),
        M::up(include_str!("exchange_3.sql")),
        M::up(include_str!("exchange_4.sql")),
        M::up(include_str!("exchange_5.sql")),
        M::up(include_str!("exchange_6.sql")),
        M::up(audit::SCHEMA),
        M::up(include_str!("exchange_7.sql")),
        M::up_with_hook(include_str!("exchange_8.sql"), |transaction: &Transaction<'_>| {
            Ok(ways::count_known(transaction)?)
        }),
    ])
});

const DELIVERY_COLUMNS: &str = "id, till, package, bytes, objects, from_revision, to_revision, repair, tries, state, \
                                state_at, created_at, confirmed, reason, bad_contents, cause, unanswered_since, \
                                replaces, why";

const COMMAND_COLUMNS: &str = "id, till, body, what, state, state_at, created_at, receipts, reason, why";

const CONTACT_COLUMNS: &str = "till, first_at, last_at, present_since, sent_at, instance, previous_instance, state, \
                               needs, needs_since, needs_reason, two_machines_at, went_back_at, claimed, claimed_at";

/// [`ExchangeStore`] in one SQLite file. A row that does not read is taken as absent: all of it
/// can be learnt again from the peers, and one peer's row must not stop the others.
pub struct SqliteExchange {
    database: Database,
    unreadable: Unreadable,
    heard: Heard,
    known: RecordCache,
}

impl SqliteExchange {
    /// The file, for backups.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Opens the file, makes it where it is missing.
    ///
    /// Reports and links can be lost and made again, so a commit need not survive a power cut:
    /// `Normal`.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        let database = Database::open(path, &MIGRATIONS, Durability::Normal)?;
        let unreadable = Unreadable::default();
        let heard = Heard::open(&database, &unreadable, Timestamp::now())?;
        Ok(Self { database, unreadable, heard, known: RecordCache::default() })
    }

    fn commands_where(&self, condition: &str, values: impl rusqlite::Params) -> Result<Vec<SentCommand>, StoreError> {
        self.database.read("read commands", |reader| moment::commands(reader, &self.unreadable, condition, values))
    }

    /// Writes without a decision.
    #[cfg(test)]
    pub(crate) fn put(&self, changes: &ExchangeChanges) {
        self.change(&mut |_| Ok(changes.clone())).unwrap();
    }

    /// Writes a command without a decision.
    #[cfg(test)]
    pub(crate) fn put_command(&self, command: &SentCommand) {
        self.put(&ExchangeChanges { commands: vec![command.clone()], ..ExchangeChanges::default() });
    }

    /// Does to the file what only a defect, a bad disk or another version would.
    #[cfg(test)]
    pub(crate) fn tamper(&self, sql: &str) {
        self.database.write("tamper", |transaction| transaction.execute_batch(sql)).unwrap();
        self.known.forget();
    }
}

impl audit::InOneDatabase for SqliteExchange {
    fn audited(&self) -> &Database {
        &self.database
    }
}

impl ExchangeStore for SqliteExchange {
    fn records(&self) -> Result<Arc<Records>, StoreError> {
        self.known.records(&self.database, &self.unreadable, &self.heard)
    }

    fn record(&self, peer: &PeerId) -> Result<PeerRecord, StoreError> {
        self.database.read("read a till", |reader| read_one(reader, &self.unreadable, &self.heard, peer))
    }

    fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError> {
        self.database.read("read a delivery", |reader| moment::delivery_of(reader, &self.unreadable, id))
    }

    fn first_applied(&self, revision: Revision, taken_at: Timestamp) -> Result<Vec<(PeerId, Timestamp)>, StoreError> {
        let applied = DeliveryState::Applied.as_str();
        self.database.read("look up who has a revision", |reader| {
            reader
                .prepare_cached(
                    "SELECT till, min(state_at) FROM delivery INDEXED BY delivery_ended WHERE ended = 1 \
                     AND state_at >= ?2 AND to_revision >= ?1 AND state = ?3 GROUP BY till",
                )?
                .query_map(params![signed(revision), taken_at.as_millisecond(), applied], |row| {
                    Ok((row.get::<_, String>(0)?, time(row.get(1)?)))
                })?
                // A peer of a newer server that this one does not know is not shown anywhere.
                .filter_map(|row| row.map(|(peer, at)| Some((peer.parse().ok()?, at))).transpose())
                .collect()
        })
    }

    fn ways(&self, from: Timestamp) -> Result<Vec<Way>, StoreError> {
        self.database.read("read how long deliveries took", |reader| ways::since(reader, from))
    }

    fn ways_of(&self, peers: &[PeerId], from: Timestamp, of_each: u32) -> Result<Vec<Way>, StoreError> {
        self.database.read("read how long deliveries took", |reader| ways::of_peers(reader, peers, from, of_each))
    }

    fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError> {
        let mut sql = format!("SELECT {DELIVERY_COLUMNS} FROM delivery WHERE 1");
        let mut values: Vec<Box<dyn rusqlite::ToSql>> = Vec::new();
        if let Some(peer) = &filter.peer {
            sql.push_str(" AND till = ?");
            values.push(Box::new(peer.as_str().to_owned()));
        }
        if let Some(state) = filter.state {
            sql.push_str(" AND state = ?");
            values.push(Box::new(state.as_str()));
        }
        if filter.open_only {
            sql.push_str(" AND ended = 0");
        }
        if let Some(before) = filter.before {
            sql.push_str(" AND id < ?");
            values.push(Box::new(before.0.as_bytes().to_vec()));
        }
        sql.push_str(" ORDER BY id DESC LIMIT ?");
        values.push(Box::new(filter.limit));
        self.database.read("read deliveries", |reader| {
            reader
                .prepare_cached(&sql)?
                .query_map(params_from_iter(values.iter()), |row| self.unreadable.row("delivery", row, delivery))?
                .filter_map(Result::transpose)
                .collect()
        })
    }

    fn end(&self, ended: &[Ended], now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.known.writing();
        self.database.write("end deliveries", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE delivery SET state = ?2, state_at = ?3, why = ?4, ended = 1
                 WHERE id = ?1 AND ended = 0 AND state = ?5 RETURNING till",
            )?;
            for one in ended {
                let (state, seen) = (one.state.as_str(), one.seen.as_str());
                let why = Reason::of(&one.reason).to_string();
                let values = params![one.id.0.as_bytes(), state, millis(now), why, seen];
                if let Some(peer) = update.query_row(values, |row| parsed(row, 0)).optional()? {
                    writing.of(peer);
                }
            }
            Ok(())
        })
    }

    fn announce(&self, deliveries: Vec<NewDelivery>, now: Timestamp) -> Result<Vec<Delivery>, StoreError> {
        let mut writing = self.known.writing();
        self.database.write("write deliveries", |transaction| {
            let mut supersede = transaction.prepare_cached(
                "UPDATE delivery SET state = ?2, state_at = ?3, why = ?4, ended = 1
                 WHERE till = ?1 AND ended = 0",
            )?;
            let newer = Reason::from(ExchangeReason::NewerDelivery).to_string();
            let mut written = Vec::with_capacity(deliveries.len());
            for new in deliveries {
                let newest = newest_delivery(transaction, &self.unreadable, &new.delivery.peer)?;
                if !new.still_fits(newest.map(|newest| (newest.id, newest.state))) {
                    continue;
                }
                let delivery = new.delivery;
                let superseded = DeliveryState::Superseded.as_str();
                supersede.execute(params![delivery.peer.as_str(), superseded, millis(now), newer])?;
                put_delivery(transaction, &delivery)?;
                writing.of(delivery.peer.clone());
                written.push(delivery);
            }
            Ok(written)
        })
    }

    fn confirm(&self, deliveries: &[DeliveryId], now: Timestamp) -> Result<(), StoreError> {
        let mut writing = self.known.writing();
        self.database.write("confirm deliveries", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE delivery SET confirmed = 1, state_at = CASE state WHEN 'announced' THEN ?2 ELSE state_at END
                 WHERE id = ?1 AND confirmed = 0 RETURNING till",
            )?;
            for id in deliveries {
                let values = params![id.0.as_bytes(), millis(now)];
                if let Some(peer) = update.query_row(values, |row| parsed(row, 0)).optional()? {
                    writing.of(peer);
                }
            }
            Ok(())
        })
    }

    fn change(&self, decide: &mut Decide<'_>) -> Result<(), StoreError> {
        let failed = |source| self.database.failed("write what was decided", source);
        // Before the writer: dropped after it, when the transaction has ended either way.
        let mut writing = self.known.writing();
        let mut writer = self.database.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let (heard, unreadable, now) = (&self.heard, &self.unreadable, Instant::now());
        let moment = Moment { transaction: &transaction, database: &self.database, unreadable, heard };
        let changes = decide(&moment)?;
        let known = |peer: &PeerId| contact_of(&transaction, unreadable, heard, peer);
        let steps = carry_out(&transaction, &changes, known, &mut writing).map_err(failed)?;
        let all_written = heard.write_where_due(&transaction, now).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        heard.committed(steps, all_written, now);
        Ok(())
    }

    fn command(&self, id: Uuid) -> Result<Option<SentCommand>, StoreError> {
        self.database.read("read a command", |reader| moment::command_of(reader, &self.unreadable, id))
    }

    fn commands(&self, peer: Option<&PeerId>, limit: u32) -> Result<Vec<SentCommand>, StoreError> {
        match peer {
            Some(peer) => self.commands_where("till = ? ORDER BY id DESC LIMIT ?", params![peer.as_str(), limit]),
            None => self.commands_where("1 ORDER BY id DESC LIMIT ?", [limit]),
        }
    }

    fn open_commands(&self) -> Result<Vec<SentCommand>, StoreError> {
        self.commands_where("ended = 0 ORDER BY id", [])
    }

    fn due_commands(&self, earliest: Timestamp, latest: Timestamp) -> Result<Vec<SentCommand>, StoreError> {
        let due = "ended = 0 AND (state = 'waiting' OR state_at NOT BETWEEN ? AND ?) ORDER BY id";
        self.commands_where(due, [millis(earliest), millis(latest)])
    }

    fn open_commands_of(&self, peer: &PeerId) -> Result<Vec<SentCommand>, StoreError> {
        self.database.read("read commands", |reader| moment::open_commands_of(reader, &self.unreadable, peer))
    }

    fn end_commands(&self, ended: &[EndedCommand], now: Timestamp) -> Result<(), StoreError> {
        self.database.write("end commands", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE command SET state = ?2, state_at = ?3, why = ?4, ended = 1
                 WHERE id = ?1 AND ended = 0 AND state = ?5 AND state_at = ?6",
            )?;
            for one in ended {
                let (seen, since) = one.seen;
                let (id, state, seen) = (one.id.as_bytes(), one.state.as_str(), seen.as_str());
                let why = Reason::of(&one.reason).to_string();
                update.execute(params![id, state, millis(now), why, seen, millis(since)])?;
            }
            Ok(())
        })
    }

    fn set_sent(&self, ids: &[Uuid], now: Timestamp) -> Result<(), StoreError> {
        self.database.write("mark commands as sent", |transaction| {
            let mut update = transaction.prepare_cached(
                "UPDATE command SET state = 'sent', state_at = ?2 WHERE id = ?1 AND state = 'waiting'",
            )?;
            for id in ids {
                update.execute(params![id.as_bytes(), millis(now)])?;
            }
            Ok(())
        })
    }

    fn broken_reports(&self, limit: u32) -> Result<Vec<KeptReport>, StoreError> {
        self.database.read("read broken reports", |reader| aside::broken_reports(reader, &self.unreadable, limit))
    }

    fn broken_report(&self, id: i64) -> Result<Option<BrokenReport>, StoreError> {
        self.database.read("read a broken report", |reader| aside::broken_report(reader, id))
    }

    fn forget_broken_report(&self, id: i64, line: Option<&AuditLine>) -> Result<bool, StoreError> {
        self.database.write("drop a broken report", |transaction| aside::forget_broken(transaction, id, line))
    }

    fn strangers(&self) -> Result<Vec<KnownStranger>, StoreError> {
        self.database.read("read who is no till of this network", |reader| aside::strangers(reader, &self.unreadable))
    }

    fn stranger(&self, peer: &PeerId) -> Result<Option<Stranger>, StoreError> {
        self.database.read("read who is no till of this network", |reader| aside::stranger(reader, peer))
    }

    fn forget_stranger(&self, peer: &PeerId, line: &AuditLine) -> Result<bool, StoreError> {
        self.database.write("forget who is no till of this network", |transaction| {
            let was_there = aside::forget_stranger(transaction, peer)?;
            if was_there {
                audit::put(transaction, line)?;
            }
            Ok(was_there)
        })
    }

    fn acknowledge(&self, peer: &PeerId, until: Timestamp, line: &AuditLine) -> Result<(), StoreError> {
        self.database.write("acknowledge a finding", |transaction| {
            aside::acknowledge(transaction, peer, until)?;
            audit::put(transaction, line)
        })
    }

    fn acknowledged(&self) -> Result<HashMap<PeerId, Timestamp>, StoreError> {
        self.database.read("read what was acknowledged", |reader| aside::acknowledged(reader, &self.unreadable))
    }

    fn packages_in_use(&self) -> Result<HashSet<PackageName>, StoreError> {
        self.database.read("read packages in use", |reader| {
            reader
                .prepare_cached("SELECT DISTINCT package FROM delivery WHERE ended = 0")?
                .query_map([], |row| self.unreadable.row("package of a delivery", row, |row| parsed(row, 0)))?
                .filter_map(Result::transpose)
                .collect()
        })
    }

    fn lowest_cursor(&self, of: &HashSet<PeerId>) -> Result<Option<Revision>, StoreError> {
        self.database.read("read cursors", |reader| {
            let mut lowest = None;
            let mut query = reader.prepare_cached("SELECT till, cursor FROM contact WHERE cursor > 0")?;
            let read = |row: &Row<'_>| Ok((parsed::<PeerId>(row, 0)?, revision(row, 1)?));
            for row in query.query_map([], |row| self.unreadable.row("cursor", row, read))? {
                let Some((peer, cursor)) = row? else { continue };
                if of.contains(&peer) {
                    lowest = Some(lowest.map_or(cursor, |lowest: Revision| lowest.min(cursor)));
                }
            }
            Ok(lowest)
        })
    }

    fn forget(&self, peers: &[PeerId]) -> Result<(), StoreError> {
        let mut writing = self.known.writing();
        self.database.write("forget tills", |transaction| {
            for peer in peers {
                writing.of(peer.clone());
                transaction.execute("DELETE FROM contact WHERE till = ?", [peer.as_str()])?;
                transaction.execute("DELETE FROM heard WHERE till = ?", [peer.as_str()])?;
                self.heard.forget(peer);
                transaction.execute("DELETE FROM delivery WHERE till = ?", [peer.as_str()])?;
                transaction.execute("DELETE FROM command WHERE till = ?", [peer.as_str()])?;
                transaction.execute("DELETE FROM acknowledged WHERE till = ?", [peer.as_str()])?;
            }
            Ok(())
        })
    }

    fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        self.database.write("remove what is past", |transaction| {
            let deliveries = transaction.execute(
                "DELETE FROM delivery WHERE id IN (
                     SELECT id FROM delivery AS old WHERE ended = 1 AND state_at < ?1
                     AND EXISTS (SELECT 1 FROM delivery WHERE till = old.till AND id > old.id) LIMIT ?2)",
                params![millis(before), limit],
            )?;
            let commands = transaction.execute(
                "DELETE FROM command WHERE id IN (
                     SELECT id FROM command AS old WHERE ended = 1 AND state_at < ?1
                     AND EXISTS (SELECT 1 FROM command WHERE till = old.till AND id > old.id) LIMIT ?2)",
                params![millis(before), limit],
            )?;
            ways::prune(transaction, before)?;
            Ok((deliveries + commands) as u64)
        })
    }
}

fn carry_out(
    transaction: &Transaction<'_>,
    changes: &ExchangeChanges,
    known: impl Fn(&PeerId) -> rusqlite::Result<Option<Contact>>,
    writing: &mut Writing<'_>,
) -> rusqlite::Result<Vec<Step>> {
    let mut steps = Vec::with_capacity(changes.contacts.len());
    for (peer, contact) in &changes.contacts {
        if let Some(word) = LastWord::alone(known(peer)?.as_ref(), contact) {
            steps.push(Step::Noted(peer.clone(), word));
        } else {
            put_contact(transaction, peer, contact)?;
            steps.push(Step::InItsRow(peer.clone()));
        }
        writing.of(peer.clone());
        // It is a peer of this network now.
        aside::forget_stranger(transaction, peer)?;
    }
    for delivery in &changes.deliveries {
        ways::count(transaction, delivery)?;
        put_delivery(transaction, delivery)?;
        writing.of(delivery.peer.clone());
    }
    for command in &changes.commands {
        put_command(transaction, command)?;
    }
    aside::put_broken(transaction, &changes.broken)?;
    aside::put_strangers(transaction, &changes.strangers)?;
    changes.audit.iter().try_for_each(|line| audit::put(transaction, line))?;
    Ok(steps)
}

#[cfg(test)]
#[path = "exchange_tests.rs"]
mod tests;
