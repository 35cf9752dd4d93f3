//! What is kept of people, and where: the interface that a service's store implements.

use super::{Login, Mailing, PasswordHash, PeopleError, SecretHash, View};
use crate::actor::Grant;
use crate::audit::AuditLine;
use crate::words::Reason;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::error::Error;
use std::fmt;

/// Somebody with a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// A number that no other user had before; 0 of one that is not kept yet.
    pub no: i64,
    /// What they come in as.
    pub login: Login,
    /// What they are called, for people.
    pub name: String,
    /// What they may.
    pub grant: Grant,
    /// None until they have set one.
    pub password: Option<PasswordHash>,
    /// Somebody else knows the password.
    pub must_change: bool,
    /// They do not come in.
    pub disabled: bool,
    /// By which they may set a password, once.
    pub link: Option<Link>,
    /// Where they are written to, and of what.
    pub mailing: Mailing,
    /// When they were added.
    pub made_at: Timestamp,
    /// When they came in last.
    pub last_login: Option<Timestamp>,
}

/// A link that is good once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Link {
    /// Of its secret.
    pub hash: SecretHash,
    /// Until when.
    pub ends_at: Timestamp,
}

/// Somebody came in, and has not gone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Session {
    /// A number that no other session had before.
    pub no: i64,
    /// Who came in.
    pub user: i64,
    /// When.
    pub made_at: Timestamp,
    /// When they last asked for something, within a minute.
    pub seen_at: Timestamp,
    /// Where from.
    pub address: Option<String>,
    /// What their browser calls itself.
    pub agent: String,
}

/// A session that begins.
#[derive(Debug, Clone)]
pub struct NewSession {
    /// Of its token.
    pub hash: SecretHash,
    /// Whose it is.
    pub user: i64,
    /// The password that was compared: where it is another by now, nobody comes in.
    pub password: PasswordHash,
    /// When.
    pub at: Timestamp,
    /// Where from.
    pub address: Option<String>,
    /// What the browser calls itself.
    pub agent: String,
    /// Sessions that were used last before this, or began before that, go.
    pub ended: (Timestamp, Timestamp),
    /// So many sessions of this user stay, the newest.
    pub keep: u32,
}

/// A program's key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// What it is called.
    pub name: Login,
    /// What it may.
    pub grant: Grant,
    /// Who made it: the text of an actor.
    pub made_by: String,
    /// When.
    pub made_at: Timestamp,
    /// Until when it is good.
    pub ends_at: Timestamp,
    /// When it was used last, within an hour.
    pub used_at: Option<Timestamp>,
}

/// Which sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Which {
    /// All of a user.
    All,
    /// This one of a user.
    One(i64),
    /// All of a user but this one.
    AllBut(i64),
}

/// Sessions that end together with a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EndSessions {
    /// Whose.
    pub user: i64,
    /// Which of them.
    pub which: Which,
}

/// A change of people, decided.
#[derive(Debug)]
pub struct Change {
    /// The user as they are now: added where the number is 0.
    pub put: Option<User>,
    /// The number of a user who goes, with all sessions.
    pub remove: Option<i64>,
    /// Sessions that end.
    pub end: Option<EndSessions>,
    /// A text to remember by a name.
    pub note: Option<(&'static str, String)>,
    /// The line of the audit log.
    pub line: AuditLine,
}

impl Change {
    /// Nothing but a line, to be added to.
    pub fn of(line: AuditLine) -> Self {
        Self { put: None, remove: None, end: None, note: None, line }
    }
}

/// A store did not do what it was asked.
#[derive(Debug)]
pub struct StoreFailed {
    why: Reason,
    source: Box<dyn Error + Send + Sync>,
}

impl StoreFailed {
    /// Of the store's own error, whose JSON is a reason.
    pub fn new(error: impl Error + Serialize + Send + Sync + 'static) -> Self {
        Self { why: Reason::of(&error), source: Box::new(error) }
    }
}

impl fmt::Display for StoreFailed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.source, f)
    }
}

impl Error for StoreFailed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.source.source()
    }
}

impl Serialize for StoreFailed {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.why.serialize(serializer)
    }
}

/// Keeps people, sessions and keys. Calls block.
pub trait PeopleStore: Send + Sync {
    /// All users, by login.
    fn users(&self) -> Result<Vec<User>, StoreFailed>;

    /// Lets `decide` see all users within the transaction that then carries out what it decides
    /// and writes the line of the audit log.
    fn change(&self, decide: &mut dyn FnMut(&[User]) -> Result<Change, PeopleError>) -> Result<(), PeopleError>;

    /// What was remembered by this name.
    fn noted(&self, name: &'static str) -> Result<Option<String>, StoreFailed>;

    /// Keeps a session and its line. False where its user is disabled, gone, or has another
    /// password by now.
    fn begin_session(&self, new: &NewSession, line: &AuditLine) -> Result<bool, StoreFailed>;

    /// The session of this token, and whose it is.
    fn session(&self, hash: &SecretHash) -> Result<Option<(Session, User)>, StoreFailed>;

    /// Sessions of a user, the one that was used last first.
    fn sessions(&self, user: i64) -> Result<Vec<Session>, StoreFailed>;

    /// Somebody asked for something in this session.
    fn touch_session(&self, session: i64, at: Timestamp) -> Result<(), StoreFailed>;

    /// Ends sessions; the line is written where there were any. How many.
    fn end_sessions(&self, end: EndSessions, line: &AuditLine) -> Result<u64, StoreFailed>;

    /// Ends the sessions of all, voids all links, and forgets what waits to be sent to people. How
    /// many sessions.
    fn end_all(&self, line: &AuditLine) -> Result<u64, StoreFailed>;

    /// Views of a user, by name.
    fn views(&self, user: i64) -> Result<Vec<View>, StoreFailed>;

    /// Keeps a view, in the place of one of the same name. False where the user has `most` others.
    fn put_view(&self, user: i64, view: &View, most: usize) -> Result<bool, StoreFailed>;

    /// Removes a view. Whether it was there.
    fn remove_view(&self, user: i64, name: &str) -> Result<bool, StoreFailed>;

    /// All keys, by name.
    fn keys(&self) -> Result<Vec<ApiKey>, StoreFailed>;

    /// The key of this secret.
    fn key(&self, hash: &SecretHash) -> Result<Option<ApiKey>, StoreFailed>;

    /// Keeps a new key and its line. False where the name is taken.
    fn add_key(&self, key: &ApiKey, hash: &SecretHash, line: &AuditLine) -> Result<bool, StoreFailed>;

    /// The key was used.
    fn touch_key(&self, name: &Login, at: Timestamp) -> Result<(), StoreFailed>;

    /// Removes a key, with a line. Whether it was there.
    fn remove_key(&self, name: &Login, line: &AuditLine) -> Result<bool, StoreFailed>;
}
