//! People, their sessions and keys: `people.db`.

use super::audit;
use super::connection::{Database, Durability};
use super::dictionary::time;
use crate::store::StoreError;
use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Connection, OptionalExtension as _, Row, Transaction, TransactionBehavior, params};
use rusqlite_migration::{M, Migrations};
use std::path::Path;
use std::sync::LazyLock;
use tillway_service::actor::Grant;
use tillway_service::audit::AuditLine;
use tillway_service::people::{
    ApiKey, Change, EndSessions, Link, Login, MailAddress, Mailing, NewSession, PasswordHash, PeopleError, PeopleStore,
    SecretHash, Session, StoreFailed, User, View, Which,
};
use tillway_service::words::Language;

/// File of the people.
pub const PEOPLE_DB: &str = "people.db";

pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    let steps = [
        include_str!("people_1.sql"),
        audit::SCHEMA,
        include_str!("people_2.sql"),
        include_str!("people_3.sql"),
        include_str!("people_4.sql"),
    ];
    Migrations::new(steps.map(M::up).to_vec())
});

const READ: &str = "read the people";
const WRITE: &str = "change the people";

const USERS: &str = "SELECT no, login, name, password, must_change, disabled, link, link_ends, made_at, last_login, \
     role, place, mail, language, report, alerts FROM user";
const SESSIONS: &str = "SELECT no, user, made_at, seen_at, address, agent FROM session";
const KEYS: &str = "SELECT name, made_by, made_at, ends_at, used_at, role, place FROM api_key";

/// `people.db`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct PeopleDb {
    database: Database,
}

impl PeopleDb {
    /// Opens the database, and makes it when it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Database::open(path, &MIGRATIONS, Durability::Full)? })
    }

    /// The file.
    pub fn database(&self) -> &Database {
        &self.database
    }

    fn read<T>(&self, query: impl FnOnce(&Connection) -> rusqlite::Result<T>) -> Result<T, StoreFailed> {
        self.database.read(READ, query).map_err(StoreFailed::new)
    }

    fn write<T>(&self, change: impl FnOnce(&Transaction<'_>) -> rusqlite::Result<T>) -> Result<T, StoreFailed> {
        self.database.write(WRITE, change).map_err(StoreFailed::new)
    }
}

impl audit::InOneDatabase for PeopleDb {
    fn audited(&self) -> &Database {
        &self.database
    }
}

impl PeopleStore for PeopleDb {
    fn users(&self) -> Result<Vec<User>, StoreFailed> {
        self.read(users)
    }

    fn change(&self, decide: &mut dyn FnMut(&[User]) -> Result<Change, PeopleError>) -> Result<(), PeopleError> {
        let failed = |source| StoreFailed::new(self.database.failed(WRITE, source));
        let mut writer = self.database.writer();
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let change = decide(&users(&transaction).map_err(failed)?)?;
        carry_out(&transaction, &change).map_err(failed)?;
        transaction.commit().map_err(failed)?;
        Ok(())
    }

    fn noted(&self, name: &'static str) -> Result<Option<String>, StoreFailed> {
        self.read(|reader| {
            reader.query_row("SELECT text FROM noted WHERE name = ?1", [name], |row| row.get(0)).optional()
        })
    }

    fn begin_session(&self, new: &NewSession, line: &AuditLine) -> Result<bool, StoreFailed> {
        let (unused, old) = (new.ended.0.as_millisecond(), new.ended.1.as_millisecond());
        self.write(|transaction| {
            let at = new.at.as_millisecond();
            let comes_in = transaction.execute(
                "UPDATE user SET last_login = ?3 WHERE no = ?1 AND password = ?2 AND disabled = 0",
                params![new.user, new.password.as_str(), at],
            )?;
            if comes_in == 0 {
                return Ok(false);
            }
            transaction.execute("DELETE FROM session WHERE seen_at < ?1 OR made_at < ?2", [unused, old])?;
            transaction.execute(
                "DELETE FROM session WHERE user = ?1 AND no NOT IN \
                 (SELECT no FROM session WHERE user = ?1 ORDER BY seen_at DESC, no DESC LIMIT ?2)",
                params![new.user, new.keep.saturating_sub(1)],
            )?;
            transaction.execute(
                "INSERT INTO session(hash, user, made_at, seen_at, address, agent) VALUES (?1, ?2, ?3, ?3, ?4, ?5)",
                params![new.hash.as_bytes(), new.user, at, new.address, new.agent],
            )?;
            audit::put(transaction, line)?;
            Ok(true)
        })
    }

    fn session(&self, hash: &SecretHash) -> Result<Option<(Session, User)>, StoreFailed> {
        self.read(|reader| {
            let found = reader
                .prepare_cached(&format!("{SESSIONS} WHERE hash = ?1"))?
                .query_row([hash.as_bytes()], session)
                .optional()?;
            let Some(session) = found else { return Ok(None) };
            let user = reader.prepare_cached(&format!("{USERS} WHERE no = ?1"))?.query_row([session.user], user)?;
            Ok(Some((session, user)))
        })
    }

    fn sessions(&self, user: i64) -> Result<Vec<Session>, StoreFailed> {
        let sql = format!("{SESSIONS} WHERE user = ?1 ORDER BY seen_at DESC, no DESC");
        self.read(|reader| reader.prepare_cached(&sql)?.query_map([user], session)?.collect())
    }

    fn touch_session(&self, session: i64, at: Timestamp) -> Result<(), StoreFailed> {
        let sql = "UPDATE session SET seen_at = max(seen_at, ?2) WHERE no = ?1";
        self.write(|transaction| transaction.execute(sql, [session, at.as_millisecond()]).map(drop))
    }

    fn end_sessions(&self, end: EndSessions, line: &AuditLine) -> Result<u64, StoreFailed> {
        self.write(|transaction| {
            let ended = end_of(transaction, end)?;
            if ended > 0 {
                audit::put(transaction, line)?;
            }
            Ok(ended)
        })
    }

    fn end_all(&self, line: &AuditLine) -> Result<u64, StoreFailed> {
        self.write(|transaction| {
            transaction.execute("UPDATE user SET link = NULL, link_ends = NULL WHERE link IS NOT NULL", ())?;
            let ended = transaction.execute("DELETE FROM session", ())?;
            transaction.execute("DELETE FROM outgoing WHERE ended_at IS NULL", ())?;
            audit::put(transaction, line)?;
            Ok(ended as u64)
        })
    }

    fn views(&self, user: i64) -> Result<Vec<View>, StoreFailed> {
        let sql = "SELECT name, address FROM view WHERE user = ?1 ORDER BY name";
        let view = |row: &Row<'_>| Ok(View { name: row.get(0)?, address: row.get(1)? });
        self.read(|reader| reader.prepare_cached(sql)?.query_map([user], view)?.collect())
    }

    fn put_view(&self, user: i64, view: &View, most: usize) -> Result<bool, StoreFailed> {
        self.write(|transaction| {
            let sql = "SELECT count(*) FROM view WHERE user = ?1 AND name <> ?2";
            let others: i64 = transaction.query_row(sql, params![user, view.name], |row| row.get(0))?;
            if usize::try_from(others).is_ok_and(|others| others >= most) {
                return Ok(false);
            }
            let sql = "INSERT INTO view(user, name, address) VALUES (?1, ?2, ?3) \
                 ON CONFLICT (user, name) DO UPDATE SET address = excluded.address";
            transaction.execute(sql, params![user, view.name, view.address])?;
            Ok(true)
        })
    }

    fn remove_view(&self, user: i64, name: &str) -> Result<bool, StoreFailed> {
        let sql = "DELETE FROM view WHERE user = ?1 AND name = ?2";
        self.write(|transaction| Ok(transaction.execute(sql, params![user, name])? > 0))
    }

    fn keys(&self) -> Result<Vec<ApiKey>, StoreFailed> {
        self.read(|reader| reader.prepare_cached(&format!("{KEYS} ORDER BY name"))?.query_map((), key)?.collect())
    }

    fn key(&self, hash: &SecretHash) -> Result<Option<ApiKey>, StoreFailed> {
        let sql = format!("{KEYS} WHERE hash = ?1");
        self.read(|reader| reader.prepare_cached(&sql)?.query_row([hash.as_bytes()], key).optional())
    }

    fn add_key(&self, key: &ApiKey, hash: &SecretHash, line: &AuditLine) -> Result<bool, StoreFailed> {
        self.write(|transaction| {
            let (made_at, ends_at) = (key.made_at.as_millisecond(), key.ends_at.as_millisecond());
            let added = transaction.execute(
                "INSERT INTO api_key(name, hash, made_by, made_at, ends_at, role, place) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) \
                 ON CONFLICT (name) DO NOTHING",
                params![
                    key.name.as_str(),
                    hash.as_bytes(),
                    key.made_by,
                    made_at,
                    ends_at,
                    key.grant.role,
                    key.grant.place
                ],
            )?;
            if added > 0 {
                audit::put(transaction, line)?;
            }
            Ok(added > 0)
        })
    }

    fn touch_key(&self, name: &Login, at: Timestamp) -> Result<(), StoreFailed> {
        let sql = "UPDATE api_key SET used_at = ?2 WHERE name = ?1";
        self.write(|transaction| transaction.execute(sql, params![name.as_str(), at.as_millisecond()]).map(drop))
    }

    fn remove_key(&self, name: &Login, line: &AuditLine) -> Result<bool, StoreFailed> {
        self.write(|transaction| {
            let removed = transaction.execute("DELETE FROM api_key WHERE name = ?1", [name.as_str()])?;
            if removed > 0 {
                audit::put(transaction, line)?;
            }
            Ok(removed > 0)
        })
    }
}

fn carry_out(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    let Change { put, remove, end, note, line } = change;
    if let Some(user) = put {
        put_user(transaction, user)?;
    }
    if let Some(no) = remove {
        transaction.execute("DELETE FROM user WHERE no = ?1", [no])?;
    }
    if let Some(end) = end {
        end_of(transaction, *end)?;
    }
    if let Some((name, text)) = note {
        let sql = "INSERT INTO noted(name, text) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET text = excluded.text";
        transaction.execute(sql, params![name, text])?;
    }
    audit::put(transaction, line)
}

fn put_user(transaction: &Transaction<'_>, user: &User) -> rusqlite::Result<()> {
    // The number of a new one is made here.
    let no = (user.no != 0).then_some(user.no);
    transaction.execute(
        "INSERT INTO user(no, login, name, password, must_change, disabled, link, link_ends, made_at, last_login, \
         role, place, mail, language, report, alerts) VALUES \
         (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16) ON CONFLICT (no) DO UPDATE SET \
         login = excluded.login, name = excluded.name, password = excluded.password, \
         must_change = excluded.must_change, disabled = excluded.disabled, link = excluded.link, \
         link_ends = excluded.link_ends, last_login = excluded.last_login, role = excluded.role, \
         place = excluded.place, mail = excluded.mail, language = excluded.language, report = excluded.report, \
         alerts = excluded.alerts",
        params![
            no,
            user.login.as_str(),
            user.name,
            user.password.as_ref().map(PasswordHash::as_str),
            user.must_change,
            user.disabled,
            user.link.as_ref().map(|link| *link.hash.as_bytes()),
            user.link.map(|link| link.ends_at.as_millisecond()),
            user.made_at.as_millisecond(),
            user.last_login.map(Timestamp::as_millisecond),
            user.grant.role,
            user.grant.place,
            user.mailing.address.as_ref().map(MailAddress::as_str),
            user.mailing.language.map(Language::code),
            user.mailing.report,
            user.mailing.alerts.join(" "),
        ],
    )?;
    Ok(())
}

fn end_of(transaction: &Transaction<'_>, end: EndSessions) -> rusqlite::Result<u64> {
    let EndSessions { user, which } = end;
    let ended = match which {
        Which::All => transaction.execute("DELETE FROM session WHERE user = ?1", [user])?,
        Which::One(no) => transaction.execute("DELETE FROM session WHERE user = ?1 AND no = ?2", [user, no])?,
        Which::AllBut(no) => transaction.execute("DELETE FROM session WHERE user = ?1 AND no <> ?2", [user, no])?,
    };
    Ok(ended as u64)
}

fn users(reader: &Connection) -> rusqlite::Result<Vec<User>> {
    reader.prepare_cached(&format!("{USERS} ORDER BY login"))?.query_map((), user)?.collect()
}

fn user(row: &Row<'_>) -> rusqlite::Result<User> {
    let hash = row.get::<_, Option<[u8; 32]>>(6)?.map(SecretHash::from_bytes);
    let ends_at = row.get::<_, Option<i64>>(7)?.map(time);
    Ok(User {
        no: row.get(0)?,
        login: login(row, 1)?,
        name: row.get(2)?,
        password: row.get::<_, Option<String>>(3)?.map(PasswordHash::from_text),
        must_change: row.get(4)?,
        disabled: row.get(5)?,
        link: hash.zip(ends_at).map(|(hash, ends_at)| Link { hash, ends_at }),
        made_at: time(row.get(8)?),
        last_login: row.get::<_, Option<i64>>(9)?.map(time),
        grant: Grant { role: row.get(10)?, place: row.get(11)? },
        mailing: Mailing {
            // One that does not read is none: nobody is kept out for it.
            address: row.get::<_, Option<String>>(12)?.and_then(|text| text.parse().ok()),
            language: row.get::<_, Option<String>>(13)?.and_then(|tag| Language::of_tag(&tag)),
            report: row.get(14)?,
            alerts: row.get::<_, String>(15)?.split_whitespace().map(str::to_owned).collect(),
        },
    })
}

fn session(row: &Row<'_>) -> rusqlite::Result<Session> {
    Ok(Session {
        no: row.get(0)?,
        user: row.get(1)?,
        made_at: time(row.get(2)?),
        seen_at: time(row.get(3)?),
        address: row.get(4)?,
        agent: row.get(5)?,
    })
}

fn key(row: &Row<'_>) -> rusqlite::Result<ApiKey> {
    Ok(ApiKey {
        name: login(row, 0)?,
        made_by: row.get(1)?,
        made_at: time(row.get(2)?),
        ends_at: time(row.get(3)?),
        used_at: row.get::<_, Option<i64>>(4)?.map(time),
        grant: Grant { role: row.get(5)?, place: row.get(6)? },
    })
}

fn login(row: &Row<'_>, column: usize) -> rusqlite::Result<Login> {
    let text: String = row.get(column)?;
    text.parse()
        .map_err(|error: PeopleError| rusqlite::Error::FromSqlConversionFailure(column, Type::Text, Box::new(error)))
}
