//! What the agent must remember: `sync.db` in its data folder. All SQL of this crate stands here.
//!
//! - which documents the server acknowledged: everything up to an id but a few, and a set of ids
//!   above it ([`Progress`](crate::decide::Progress)). A document that finishes late (its id below
//!   others that were sent) is not skipped that way;
//! - shifts whose closing record the server has, the same way;
//! - documents and records of shifts that were set aside, there or here, with the reason;
//! - the newest document sent, by which another `documents.db` in place of the known one is
//!   noticed;
//! - how far back a look at what the server has got, where it broke off;
//! - deliveries seen, with the state they reached, so that a message that comes twice is answered
//!   and not worked twice;
//! - a few moments for people: last contact, last sale sent.
//!
//! All of it can be lost without harm: the server states what it has when a stream of sales opens,
//! and the till's cursor stands in `dictionaries.db`. A file that SQLite cannot read is therefore
//! set aside and made anew, at the start or in the middle of the work: whoever met the damage is
//! told, and tries again. What must not change with it stands in files of their own: the
//! [`instance`], and what was there at the `crate::installation`. The newest damaged files are
//! kept for a person ([`mod@file`]), and copies of before each upgrade ([`before_upgrade`]).

mod aside;
mod before_upgrade;
mod file;
mod sales;

pub use aside::SalesSort;
pub use before_upgrade::WayBack;
pub(crate) use file::damaged_files;

use file::{begin_anew, is_damage, open_file};
use fs_err as fs;
use jiff::Timestamp;
use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior, params};
use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use tillway_file_queue::durable;
use tillway_proto::report::{SalesWait, SalesWaitKind};
use tillway_proto::{CursorProof, DeliveryId, DeliveryState, PackageName, Revision};
use uuid::Uuid;

/// Deliveries remembered: a duplicate is at most a few behind.
const MAX_DELIVERIES: i64 = 200;

/// Why the state cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum StateError {
    /// SQLite refuses.
    #[error("failed to {action} the agent's state {}", path.display())]
    Database {
        /// What was being done.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What SQLite says.
        #[source]
        source: rusqlite::Error,
    },
    /// A newer agent wrote it.
    #[error(
        "a newer agent wrote the agent's state {} (schema {found}, this one knows up to {known}); nothing was changed: \
         install the newer agent again, or {way_back}",
        path.display()
    )]
    Newer {
        /// The file.
        path: PathBuf,
        /// Its schema.
        found: i64,
        /// The newest schema that this agent knows.
        known: i64,
        /// How to go on with this version.
        way_back: WayBack,
    },
    /// No copy could be kept before it is brought up to date.
    #[error("failed to keep a copy of the agent's state in {} before the upgrade; nothing was changed", path.display())]
    Copy {
        /// The copy.
        path: PathBuf,
        /// Why not.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// Its schema cannot be brought up to date.
    #[error("the agent's state {} cannot be brought up to date", path.display())]
    Schema {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: rusqlite_migration::Error,
    },
    /// A file beside it.
    #[error("failed to keep the agent's state")]
    File(#[source] io::Error),
}

/// A delivery that was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SeenDelivery {
    /// Which one.
    pub delivery: DeliveryId,
    /// Its package.
    pub package: String,
    /// The last state it reached here.
    pub state: DeliveryState,
    /// Why, where it was rejected.
    pub reason: Option<String>,
    /// When.
    pub at: String,
}

/// The open state. Cheap to clone; calls block on the disk.
#[derive(Debug, Clone)]
pub struct State {
    open: Arc<Mutex<Opened>>,
    path: PathBuf,
}

#[derive(Debug)]
struct Opened {
    connection: Connection,
    /// The history that is left alone: documents and shifts up to these ids. Said once more to a
    /// file that is made anew.
    history: (i64, i64),
}

impl State {
    /// Opens `sync.db` in the data folder, makes it where there is none, and brings its schema up
    /// to date.
    pub fn open(data: &Path) -> Result<Self, StateError> {
        fs::create_dir_all(data).map_err(StateError::File)?;
        let path = data.join("sync.db");
        let connection = match open_file(&path) {
            Err(StateError::Database { source, .. }) if is_damage(&source) => begin_anew(&path, &source)?,
            opened => opened?,
        };
        Ok(Self { open: Arc::new(Mutex::new(Opened { connection, history: (0, 0) })), path })
    }

    fn change<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        self.with(action, |connection| {
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            let done = work(&transaction)?;
            transaction.commit()?;
            Ok(done)
        })
    }

    fn look<T>(&self, work: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StateError> {
        self.with("read", |connection| work(connection))
    }

    fn with<T>(
        &self,
        action: &'static str,
        work: impl FnOnce(&mut Connection) -> rusqlite::Result<T>,
    ) -> Result<T, StateError> {
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        work(&mut open.connection).map_err(|source| {
            if is_damage(&source) {
                self.recover(&mut open, &source);
            }
            StateError::Database { action, path: self.path.clone(), source }
        })
    }

    /// Puts a new file in the place of a damaged one. What was being done has failed, and is done
    /// again by whoever did it.
    fn recover(&self, open: &mut Opened, damage: &rusqlite::Error) {
        let recovered = begin_anew(&self.path, damage).and_then(|mut connection| {
            let (document, shift) = open.history;
            let left = connection.transaction().and_then(|transaction| {
                sales::leave_history(&transaction, document, shift)?;
                transaction.commit()
            });
            left.map_err(|source| StateError::Database { action: "write", path: self.path.clone(), source })?;
            open.connection = connection;
            Ok(())
        });
        if let Err(error) = recovered {
            tracing::error!(error = crate::error::chain(&error), "the agent's state cannot be begun anew");
        }
    }

    /// A delivery reached a state. `false`: it has come to its end already, and what leads there
    /// is no news any more.
    pub fn note_delivery(
        &self,
        delivery: DeliveryId,
        package: &PackageName,
        state: DeliveryState,
        reason: Option<&str>,
    ) -> Result<bool, StateError> {
        self.change("write", |db| put_delivery(db, delivery, package, state, reason))
    }

    /// A batch that ends at revision `to` lies in the file queue; as [`Self::note_delivery`].
    pub fn note_queued(&self, delivery: DeliveryId, package: &PackageName, to: Revision) -> Result<bool, StateError> {
        self.change("write", |db| {
            let noted = put_delivery(db, delivery, package, DeliveryState::Queued, None)?;
            if noted {
                set_fact(db, "queued to", &to.to_string())?;
            }
            Ok(noted)
        })
    }

    /// What became of a delivery, where it was seen.
    pub fn delivery(&self, delivery: DeliveryId) -> Result<Option<SeenDelivery>, StateError> {
        self.look(|db| find_delivery(db, delivery))
    }

    /// The deliveries whose batches were last seen in the file queue, oldest first.
    pub fn queued_deliveries(&self) -> Result<Vec<SeenDelivery>, StateError> {
        self.look(|db| {
            let sql = "SELECT id, package, state, reason, at FROM delivery WHERE state = ?1 ORDER BY number";
            db.prepare_cached(sql)?.query_map([DeliveryState::Queued.as_str()], seen)?.collect()
        })
    }

    /// The newest deliveries, newest first.
    pub fn deliveries(&self, most: u32) -> Result<Vec<SeenDelivery>, StateError> {
        self.look(|db| {
            let sql = "SELECT id, package, state, reason, at FROM delivery ORDER BY number DESC LIMIT ?1";
            db.prepare_cached(sql)?.query_map([most], seen)?.collect()
        })
    }

    /// The revision at which the last batch that was noted as queued ends; means something while
    /// one waits there.
    pub fn queued_to(&self) -> Result<Option<Revision>, StateError> {
        Ok(self.look(|db| fact(db, "queued to"))?.and_then(|text| text.parse().ok()).map(Revision))
    }

    /// The dictionary is at this revision, with this proof: for the time when it cannot be read.
    pub fn note_cursor(&self, cursor: Revision, proof: Option<CursorProof>) -> Result<(), StateError> {
        let proof = proof.map(|proof| proof.to_string()).unwrap_or_default();
        self.change("write", |db| {
            set_fact(db, "cursor", &cursor.to_string())?;
            set_fact(db, "cursor proof", &proof)
        })
    }

    /// Where the dictionary was when that was noted last.
    pub fn cursor(&self) -> Result<(Revision, Option<CursorProof>), StateError> {
        self.look(|db| {
            let cursor = fact(db, "cursor")?.and_then(|text| text.parse().ok()).map_or(Revision::ZERO, Revision);
            Ok((cursor, fact(db, "cursor proof")?.and_then(|text| text.parse().ok())))
        })
    }

    /// `uploadscript` took everything up to this revision; `proof` is what its package gave to
    /// show for it.
    pub fn note_script_cursor(&self, to: Revision, proof: Option<CursorProof>) -> Result<(), StateError> {
        let proof = proof.map(|proof| proof.to_string()).unwrap_or_default();
        self.change("write", |db| {
            set_fact(db, "script cursor", &to.to_string())?;
            set_fact(db, "script proof", &proof)
        })
    }

    /// What the package gave to show for [`Self::script_cursor`].
    pub fn script_proof(&self) -> Result<Option<CursorProof>, StateError> {
        Ok(self.look(|db| fact(db, "script proof"))?.and_then(|text| text.parse().ok()))
    }

    /// The revision up to which `uploadscript` took everything.
    pub fn script_cursor(&self) -> Result<Revision, StateError> {
        Ok(self
            .look(|db| fact(db, "script cursor"))?
            .and_then(|text| text.parse().ok())
            .map_or(Revision::ZERO, Revision))
    }

    /// The generation of the server's settings that were taken last; 0 where none were.
    pub fn settings_generation(&self) -> Result<u64, StateError> {
        Ok(self.look(|db| fact(db, "settings generation"))?.and_then(|text| text.parse().ok()).unwrap_or(0))
    }

    /// Keys of settings that the server has set.
    pub fn set_by_server(&self) -> Result<BTreeSet<String>, StateError> {
        let keys = self.look(|db| fact(db, "settings of the server"))?.unwrap_or_default();
        Ok(keys.split_whitespace().map(str::to_owned).collect())
    }

    /// The server has set these.
    pub fn note_set_by_server(&self, keys: &BTreeSet<String>) -> Result<(), StateError> {
        let keys = keys.iter().map(String::as_str).collect::<Vec<_>>().join(" ");
        self.change("write", |db| set_fact(db, "settings of the server", &keys))
    }

    /// Settings of this generation were taken.
    pub fn note_settings_generation(&self, generation: u64) -> Result<(), StateError> {
        self.change("write", |db| set_fact(db, "settings generation", &generation.to_string()))
    }

    /// What is noted under this name; none where nothing is.
    pub(crate) fn note(&self, name: &str) -> Result<Option<String>, StateError> {
        Ok(self.look(|db| fact(db, name))?.filter(|text| !text.is_empty()))
    }

    /// Notes a text under this name; an empty one takes the note away.
    pub(crate) fn keep_note(&self, name: &str, text: &str) -> Result<(), StateError> {
        self.change("write", |db| set_fact(db, name, text))
    }

    /// The server's broker confirmed a word of ours just now.
    pub fn note_contact(&self) -> Result<(), StateError> {
        self.change("write", |db| set_fact(db, "last contact", &now()))
    }

    /// An unloading failed, and why; since when stays what it was.
    pub fn note_sales_wait(&self, kind: SalesWaitKind, text: &str) -> Result<(), StateError> {
        self.change("write", |db| {
            let before = sales_wait(db)?;
            if before.as_ref().is_some_and(|before| before.kind == kind && before.text == text) {
                return Ok(());
            }
            let since = before.map_or_else(Timestamp::now, |before| before.since);
            let wait = SalesWait { kind, text: text.to_owned(), since };
            let json =
                serde_json::to_string(&wait).map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            set_fact(db, "sales wait", &json)
        })
    }

    /// An unloading came to its end.
    pub fn end_sales_wait(&self) -> Result<(), StateError> {
        self.change("write", |db| db.execute("DELETE FROM fact WHERE name = 'sales wait'", []).map(drop))
    }

    /// Why the last unloading failed, where it did.
    pub fn sales_wait(&self) -> Result<Option<SalesWait>, StateError> {
        self.look(sales_wait)
    }

    /// When it last did.
    pub fn last_contact(&self) -> Result<Option<Timestamp>, StateError> {
        Ok(self.look(|db| fact(db, "last contact"))?.and_then(|text| text.parse().ok()))
    }
}

fn put_delivery(
    db: &Connection,
    delivery: DeliveryId,
    package: &PackageName,
    state: DeliveryState,
    reason: Option<&str>,
) -> rusqlite::Result<bool> {
    let known = find_delivery(db, delivery)?.is_some_and(|known| known.state.is_final());
    if known && !state.is_final() {
        return Ok(false);
    }
    db.execute(
        "INSERT INTO delivery (id, package, state, reason, at) VALUES (?1, ?2, ?3, ?4, ?5)
         ON CONFLICT (id) DO UPDATE SET state = excluded.state, reason = excluded.reason, at = excluded.at",
        params![delivery.to_string(), package.as_str(), state.as_str(), reason, now()],
    )?;
    db.execute("DELETE FROM delivery WHERE number <= (SELECT max(number) FROM delivery) - ?1", [MAX_DELIVERIES])?;
    Ok(true)
}

fn sales_wait(db: &Connection) -> rusqlite::Result<Option<SalesWait>> {
    Ok(fact(db, "sales wait")?.and_then(|json| serde_json::from_str(&json).ok()))
}

fn now() -> String {
    Timestamp::now().to_string()
}

fn find_delivery(db: &Connection, delivery: DeliveryId) -> rusqlite::Result<Option<SeenDelivery>> {
    db.prepare_cached("SELECT id, package, state, reason, at FROM delivery WHERE id = ?1")?
        .query_row([delivery.to_string()], seen)
        .optional()
}

fn fact(db: &Connection, name: &str) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("SELECT value FROM fact WHERE name = ?1")?.query_row([name], |row| row.get(0)).optional()
}

fn set_fact(db: &Connection, name: &str, value: &str) -> rusqlite::Result<()> {
    let sql = "INSERT INTO fact (name, value) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET value = excluded.value";
    db.prepare_cached(sql)?.execute([name, value]).map(drop)
}

fn seen(row: &rusqlite::Row<'_>) -> rusqlite::Result<SeenDelivery> {
    let id: String = row.get(0)?;
    let state: String = row.get(2)?;
    Ok(SeenDelivery {
        // Both were written by this module; a hand-made row must not stop the till.
        delivery: DeliveryId(id.parse().unwrap_or_else(|_| Uuid::nil())),
        package: row.get(1)?,
        state: state.parse().unwrap_or(DeliveryState::Rejected),
        reason: row.get(3)?,
        at: row.get(4)?,
    })
}

/// The random value that tells two machines with one till's id apart. Made once, in the file
/// `instance`.
pub fn instance(data: &Path) -> Result<Uuid, StateError> {
    let path = data.join("instance");
    match fs::read_to_string(&path) {
        Ok(text) => match text.trim().parse() {
            Ok(instance) => return Ok(instance),
            Err(error) => tracing::error!(%error, file = %path.display(), "the instance file is damaged and made anew"),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) if error.kind() == io::ErrorKind::InvalidData => {}
        Err(error) => return Err(StateError::File(error)),
    }
    let instance = Uuid::new_v4();
    durable::write_atomic(&path, format!("{instance}\n").as_bytes()).map_err(StateError::File)?;
    fail::fail_point!("state::instance_made");
    Ok(instance)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_delivery_keeps_its_last_state() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let (delivery, package) = (DeliveryId::generate(), PackageName::from_hash([1; 32]));
        assert_eq!(state.delivery(delivery).unwrap(), None);
        state.note_delivery(delivery, &package, DeliveryState::Queued, None).unwrap();
        state.note_delivery(delivery, &package, DeliveryState::Rejected, Some("why")).unwrap();
        let seen = state.delivery(delivery).unwrap().unwrap();
        assert_eq!((seen.state, seen.reason.as_deref()), (DeliveryState::Rejected, Some("why")));
        assert_eq!(state.deliveries(10).unwrap(), [seen]);
    }

    #[test]
    fn why_sales_wait_is_kept_with_its_beginning_until_it_ends() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        assert_eq!(state.sales_wait().unwrap(), None);
        state.note_sales_wait(SalesWaitKind::Unreachable, "no route").unwrap();
        let first = state.sales_wait().unwrap().unwrap();
        drop(state);
        let state = State::open(folder.path()).unwrap();
        state.note_sales_wait(SalesWaitKind::Refused, "wrong token").unwrap();
        let then = state.sales_wait().unwrap().unwrap();
        assert_eq!((then.kind, then.text.as_str(), then.since), (SalesWaitKind::Refused, "wrong token", first.since));
        state.end_sales_wait().unwrap();
        assert_eq!(state.sales_wait().unwrap(), None);
    }

    #[test]
    fn a_delivery_that_came_to_its_end_does_not_go_back() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        let (delivery, package) = (DeliveryId::generate(), PackageName::from_hash([1; 32]));
        let note = |reached| state.note_delivery(delivery, &package, reached, None).unwrap();
        assert!(note(DeliveryState::Downloaded) && note(DeliveryState::Queued));
        assert_eq!(state.queued_deliveries().unwrap().len(), 1);
        // The loader was quicker than whoever put the batch into the queue.
        assert!(note(DeliveryState::Applied) && !note(DeliveryState::Queued));
        assert_eq!(state.delivery(delivery).unwrap().unwrap().state, DeliveryState::Applied);
        assert_eq!(state.queued_deliveries().unwrap(), []);
    }

    #[test]
    fn a_damaged_state_is_set_aside_and_the_instance_stays() {
        let folder = tempfile::tempdir().unwrap();
        let before = instance(folder.path()).unwrap();
        fs::write(folder.path().join("sync.db"), "this is no database, and long enough to be looked at".repeat(100))
            .unwrap();
        let state = State::open(folder.path()).unwrap();
        assert_eq!(state.progress().unwrap(), crate::decide::Progress::default());
        assert_eq!(instance(folder.path()).unwrap(), before);
        let aside = fs::read_dir(folder.path())
            .unwrap()
            .any(|entry| entry.unwrap().file_name().to_string_lossy().starts_with("sync.db.damaged-"));
        assert!(aside);
    }

    #[test]
    fn damage_met_in_the_middle_of_the_work_costs_one_call() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::open(folder.path()).unwrap();
        state.leave_history(5, 2).unwrap();
        let documents: Vec<i64> = (1..3_000).map(|document| document * 7).collect();
        state.note_sent(&documents, &[], None, None).unwrap();
        let path = folder.path().join("sync.db");
        Connection::open(&path).unwrap().query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        // Pages torn by a disk: everything but the first one.
        let mut bytes = fs::read(&path).unwrap();
        bytes[4096..].fill(0xaa);
        fs::write(&path, bytes).unwrap();
        let state = State::open(folder.path()).unwrap();
        state.leave_history(5, 2).unwrap_err();
        let begun_anew = crate::decide::Progress { through: 5, ..Default::default() };
        assert_eq!(state.progress().unwrap(), begun_anew);
        fs::write(&path, vec![0xaa; 65_536]).unwrap();
        let tries = (0..5).filter(|_| state.note_sent(&[9], &[], None, None).is_err()).count();
        assert!(tries <= 1);
        let expected = crate::decide::Progress { through: 5, sent: [9].into(), ..Default::default() };
        assert_eq!(state.progress().unwrap(), expected, "history is left alone by the new file too");
    }

    #[test]
    fn damaged_files_are_bounded() {
        let folder = tempfile::tempdir().unwrap();
        for number in 0..10_u8 {
            fs::write(folder.path().join("sync.db"), vec![number + 1; 8192]).unwrap();
            drop(State::open(folder.path()).unwrap());
        }
        let damaged = |number: u32| folder.path().join(format!("sync.db.damaged-{number}")).exists();
        assert_eq!([7, 8, 9, 10, 11].map(damaged), [false, true, true, true, false]);
    }

    #[test]
    fn the_state_of_a_newer_agent_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        drop(State::open(folder.path()).unwrap());
        Connection::open(folder.path().join("sync.db")).unwrap().pragma_update(None, "user_version", 99).unwrap();
        assert!(matches!(State::open(folder.path()), Err(StateError::Newer { .. })));
    }
}
