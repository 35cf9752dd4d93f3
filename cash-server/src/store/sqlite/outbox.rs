//! What is told by mail and webhook: tables of `people.db`, so that a user who goes takes along
//! what waits for them.

use super::audit;
use super::dictionary::time;
use super::people::PeopleDb;
use super::words::optional_reason;
use crate::store::StoreError;
use crate::store::outbox::{
    Alert, AlertChange, AlertSort, Content, MAX_WAITING, NewOutgoing, OutboxReason, OutboxState, OutboxStore, Outcome,
    Outgoing, Receiver,
};
use crate::words::Reason;
use jiff::Timestamp;
use jiff::civil::Date;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, params};
use std::error::Error;
use tillway_proto::NodeId;
use tillway_service::audit::AuditLine;
use uuid::Uuid;

const READ: &str = "read what is to be sent";
const WRITE: &str = "note what is to be sent";

/// Under which name the day of the last report is remembered.
const REPORT: &str = "day of the last report";

impl OutboxStore for PeopleDb {
    fn open_alerts(&self) -> Result<Vec<Alert>, StoreError> {
        let sql = "SELECT sort, object, node, since, size, detail FROM alert ORDER BY sort, object";
        self.database().read(READ, |reader| {
            let mut alerts = Vec::new();
            for alert in reader.prepare_cached(sql)?.query_map((), alert)? {
                // One of a sort that a newer server knows is that server's.
                alerts.extend(alert?);
            }
            Ok(alerts)
        })
    }

    fn note_alerts(&self, change: &AlertChange, now: Timestamp) -> Result<(), StoreError> {
        self.database().write(WRITE, |transaction| {
            for alert in &change.put {
                let Alert { sort, object, node, since, size, detail } = alert;
                transaction.execute(
                    "INSERT INTO alert(sort, object, node, since, size, detail) VALUES (?1, ?2, ?3, ?4, ?5, ?6) \
                     ON CONFLICT (sort, object) DO UPDATE SET node = excluded.node, size = excluded.size, \
                     detail = excluded.detail",
                    params![
                        sort.as_str(),
                        object,
                        node.to_string(),
                        since.as_millisecond(),
                        i64::try_from(*size).unwrap_or(i64::MAX),
                        detail.as_ref().map(Reason::to_string)
                    ],
                )?;
            }
            for (sort, object) in &change.ended {
                transaction
                    .execute("DELETE FROM alert WHERE sort = ?1 AND object = ?2", params![sort.as_str(), object])?;
            }
            change.outgoing.iter().try_for_each(|new| put(transaction, new, now))
        })
    }

    fn report_written(&self) -> Result<Option<Date>, StoreError> {
        self.database().read(READ, day_of_report)
    }

    fn write_report(&self, day: Date, reports: &[NewOutgoing], now: Timestamp) -> Result<bool, StoreError> {
        self.database().write(WRITE, |transaction| {
            if day_of_report(transaction)?.is_some_and(|written| written >= day) {
                return Ok(false);
            }
            let sql =
                "INSERT INTO noted(name, text) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET text = excluded.text";
            transaction.execute(sql, params![REPORT, day.to_string()])?;
            reports.iter().try_for_each(|new| put(transaction, new, now))?;
            Ok(true)
        })
    }

    fn write_trial(&self, user: i64, now: Timestamp, line: &AuditLine) -> Result<bool, StoreError> {
        let trial = NewOutgoing { receiver: Receiver::User(user), content: Content::Trial };
        self.database().write(WRITE, |transaction| {
            let sql = "SELECT content FROM outgoing WHERE user = ?1 AND ended_at IS NULL";
            let mut statement = transaction.prepare_cached(sql)?;
            let waiting = statement.query_map([user], |row| Ok(content(&row.get::<_, String>(0)?)))?;
            for content in waiting {
                if content? == Content::Trial {
                    return Ok(false);
                }
            }
            put(transaction, &trial, now)?;
            audit::put(transaction, line)?;
            Ok(true)
        })
    }

    fn waiting(&self, limit: u32) -> Result<Vec<Outgoing>, StoreError> {
        let sql = "SELECT no, id, user, hook, content, made_at, due_at, tries, error FROM outgoing WHERE ended_at IS NULL \
                   ORDER BY no LIMIT ?1";
        self.database().read(READ, |reader| reader.prepare_cached(sql)?.query_map([limit], outgoing)?.collect())
    }

    fn mails_since(&self, user: i64, since: Timestamp) -> Result<Vec<Timestamp>, StoreError> {
        let sql = "SELECT DISTINCT ended_at FROM outgoing WHERE user = ?1 AND outcome = 'sent' AND ended_at >= ?2 \
                   ORDER BY ended_at";
        let one = |row: &Row<'_>| row.get(0).map(time);
        self.database()
            .read(READ, |reader| reader.prepare_cached(sql)?.query_map([user, since.as_millisecond()], one)?.collect())
    }

    fn note_ended(&self, numbers: &[i64], outcome: Outcome, now: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE outgoing SET ended_at = ?2, outcome = ?3 WHERE no = ?1 AND ended_at IS NULL";
        self.database().write(WRITE, |transaction| {
            let mut statement = transaction.prepare_cached(sql)?;
            for no in numbers {
                statement.execute(params![no, now.as_millisecond(), outcome.as_str()])?;
            }
            Ok(())
        })
    }

    fn note_failed(&self, numbers: &[i64], why: &Reason, due_at: Timestamp) -> Result<(), StoreError> {
        let sql = "UPDATE outgoing SET tries = tries + 1, error = ?2, due_at = ?3 WHERE no = ?1 AND ended_at IS NULL";
        self.database().write(WRITE, |transaction| {
            let mut statement = transaction.prepare_cached(sql)?;
            for no in numbers {
                statement.execute(params![no, why.to_string(), due_at.as_millisecond()])?;
            }
            Ok(())
        })
    }

    fn state(&self, since: Timestamp) -> Result<OutboxState, StoreError> {
        let since = since.as_millisecond();
        self.database().read(READ, |reader| {
            let (waiting, waiting_since) =
                reader.query_row("SELECT count(*), min(made_at) FROM outgoing WHERE ended_at IS NULL", (), counted)?;
            let last_sent: Option<i64> = reader.query_row(
                "SELECT max(ended_at) FROM outgoing WHERE ended_at IS NOT NULL AND outcome = 'sent'",
                (),
                |row| row.get(0),
            )?;
            let last_error = reader
                .query_row(
                    "SELECT error FROM outgoing WHERE error IS NOT NULL AND (ended_at IS NULL OR \
                     (outcome = 'given-up' AND ended_at >= ?1)) ORDER BY no DESC LIMIT 1",
                    [since],
                    |row| optional_reason(row, 0),
                )
                .optional()?
                .flatten();
            let (given_up, given_up_since) = reader.query_row(
                "SELECT count(*), min(ended_at) FROM outgoing AS up WHERE outcome = 'given-up' AND ended_at >= ?1 \
                 AND NOT EXISTS (SELECT 1 FROM outgoing WHERE outcome = 'sent' AND ended_at > up.ended_at \
                 AND user IS up.user AND hook IS up.hook)",
                [since],
                counted,
            )?;
            let last_sent = last_sent.map(time);
            Ok(OutboxState { waiting, waiting_since, last_sent, last_error, given_up, given_up_since })
        })
    }

    fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError> {
        let sql = "DELETE FROM outgoing WHERE no IN (SELECT no FROM outgoing WHERE ended_at < ?1 LIMIT ?2)";
        let deleted = self
            .database()
            .write(WRITE, |transaction| transaction.execute(sql, params![before.as_millisecond(), limit]))?;
        Ok(deleted as u64)
    }
}

fn counted(row: &Row<'_>) -> rusqlite::Result<(u64, Option<Timestamp>)> {
    let count: i64 = row.get(0)?;
    Ok((u64::try_from(count).unwrap_or_default(), row.get::<_, Option<i64>>(1)?.map(time)))
}

fn put(transaction: &Connection, new: &NewOutgoing, now: Timestamp) -> rusqlite::Result<()> {
    let (user, hook) = match &new.receiver {
        Receiver::User(no) => (Some(*no), None),
        Receiver::Hook(address) => (None, Some(address.as_str())),
    };
    let waiting: i64 = transaction
        .prepare_cached(
            "SELECT count(*) FROM (SELECT 1 FROM outgoing WHERE ended_at IS NULL AND user IS ?1 AND hook IS ?2 LIMIT ?3)",
        )?
        .query_row(params![user, hook, MAX_WAITING], |row| row.get(0))?;
    let too_many = waiting >= i64::from(MAX_WAITING);
    let why = too_many.then(|| Reason::of(&OutboxReason::TooMuchWaits { max: MAX_WAITING }).to_string());
    let content = serde_json::to_string(&new.content)
        .map_err(|error| rusqlite::Error::ToSqlConversionFailure(Box::new(error)))?;
    let (now, outcome) = (now.as_millisecond(), too_many.then_some(Outcome::GivenUp.as_str()));
    transaction
        .prepare_cached(
            "INSERT INTO outgoing(id, user, hook, content, made_at, due_at, error, ended_at, outcome) \
             VALUES (?1, ?2, ?3, ?4, ?5, ?5, ?6, ?7, ?8)",
        )?
        .execute(params![Uuid::now_v7().as_bytes(), user, hook, content, now, why, too_many.then_some(now), outcome])?;
    Ok(())
}

fn day_of_report(reader: &Connection) -> rusqlite::Result<Option<Date>> {
    let text: Option<String> =
        reader.query_row("SELECT text FROM noted WHERE name = ?1", [REPORT], |row| row.get(0)).optional()?;
    Ok(text.and_then(|text| text.parse().ok()))
}

/// What a newer server wrote is unknown, and keeps nothing else from being sent.
fn content(text: &str) -> Content {
    serde_json::from_str(text).unwrap_or(Content::Unknown)
}

fn outgoing(row: &Row<'_>) -> rusqlite::Result<Outgoing> {
    let user: Option<i64> = row.get(2)?;
    Ok(Outgoing {
        no: row.get(0)?,
        id: Uuid::from_bytes(row.get(1)?),
        receiver: match user {
            Some(no) => Receiver::User(no),
            None => Receiver::Hook(row.get::<_, Option<String>>(3)?.unwrap_or_default()),
        },
        content: content(&row.get::<_, String>(4)?),
        made_at: time(row.get(5)?),
        due_at: time(row.get(6)?),
        tries: row.get(7)?,
        error: optional_reason(row, 8)?,
    })
}

fn alert(row: &Row<'_>) -> rusqlite::Result<Option<Alert>> {
    let Ok(sort) = row.get::<_, String>(0)?.parse::<AlertSort>() else { return Ok(None) };
    let failed = |error: Box<dyn Error + Send + Sync>| rusqlite::Error::FromSqlConversionFailure(2, Type::Text, error);
    let node: NodeId = row.get::<_, String>(2)?.parse().map_err(|error| failed(Box::new(error)))?;
    Ok(Some(Alert {
        sort,
        object: row.get(1)?,
        node,
        since: time(row.get(3)?),
        size: u64::try_from(row.get::<_, i64>(4)?).unwrap_or_default(),
        detail: optional_reason(row, 5)?,
    }))
}
