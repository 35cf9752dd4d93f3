//! People who use a service, and programs with keys of their own: who they are, how they show it,
//! and how long that holds.
//!
//! Promises: of a password, a session, a link or a key only a hash is kept; what is made is told
//! once. A session is known to the server alone, ends after a time without use and after a time in
//! all, and with the password that it came from. Guessing is slowed by login and by address,
//! within bounded memory. Each change leaves its line of the audit log, in the transaction of the
//! change.
//!
//! Nothing here knows what a service is about, nor databases or HTTP: a service brings a
//! [`PeopleStore`], judges who may manage people, and shows pages.

mod guesses;
mod login;
mod mailing;
mod password;
mod secret;
mod service;
mod store;
mod views;

pub use guesses::{Guesses, Judged};
pub use login::Login;
pub use mailing::{AddressChange, MailAddress, Mailing, MailingChange};
pub use password::{Cost, MIN_PASSWORD_CHARS, PasswordHash};
pub use secret::{KEY_PREFIX, Secret, SecretHash};
pub use service::{LINK_LIFE, LoggedIn, MAX_KEY_DAYS, NewLink, People, SessionLimits, Try, Verb, after_restore};
pub use store::{ApiKey, Change, EndSessions, Link, NewSession, PeopleStore, Session, StoreFailed, User, Which};
pub use views::{MAX_VIEW_NAME_CHARS, MAX_VIEWS, View};

use serde::Serialize;

/// Why somebody is not let in, or a change of people was not made.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum PeopleError {
    /// The login, the password or the key is not right. Which of them is not told.
    #[error("login and password do not fit")]
    WrongPassword,
    /// Too many tries.
    #[error("there were too many tries: wait for {seconds} s")]
    LoginSlowDown {
        /// How long.
        seconds: u64,
    },
    /// So many passwords are being checked that this one has to wait.
    #[error("many people log in right now: try again")]
    LoginBusy,
    /// The password is right, and its user may not come in.
    #[error("the user {login} is disabled")]
    LoginDisabled {
        /// Who.
        login: Login,
    },
    /// The password was given by somebody else, and has to be changed on the page first.
    #[error("the password of {login} has to be changed on the page first")]
    PasswordFirst {
        /// Who.
        login: Login,
    },
    /// A text that is no login.
    #[error("`{text}` is no login: at most 64 characters, without colon, slash and spaces at its ends")]
    NoLogin {
        /// The text.
        text: String,
    },
    /// A text that is no address of mail.
    #[error("`{text}` is no address of mail: write it as anna@example.org")]
    NoMailAddress {
        /// The text.
        text: String,
    },
    /// A password that is too easy to guess.
    #[error("a password has at least {min} characters")]
    PasswordShort {
        /// At least so many.
        min: usize,
    },
    /// A password that nobody types.
    #[error("a password has at most {max} bytes")]
    PasswordLong {
        /// At most so many.
        max: usize,
    },
    /// A password that everybody tries first.
    #[error("the password is the login, or one character over and over")]
    PasswordPlain,
    /// A change that changes nothing.
    #[error("this is the password of before")]
    PasswordSame,
    /// There is no such user.
    #[error("there is no user {login}")]
    UnknownUser {
        /// Who.
        login: Login,
    },
    /// The login is taken.
    #[error("there is a user {login}")]
    UserThere {
        /// Who.
        login: Login,
    },
    /// Nobody would be left who can come in.
    #[error("{login} is the last one who can come in and manage people")]
    LastUser {
        /// Who.
        login: Login,
    },
    /// No room for more.
    #[error("there are {max} users: remove one first")]
    TooManyUsers {
        /// So many.
        max: usize,
    },
    /// The link was used, has ended, or was replaced by a newer one.
    #[error("this link was used, has ended, or there is a newer one")]
    LinkGone,
    /// A text that is no name of a key.
    #[error("`{text}` is no name of a key: at most 64 characters, without colon, slash and spaces at its ends")]
    NoKeyName {
        /// The text.
        text: String,
    },
    /// The name is taken.
    #[error("there is a key {name}")]
    KeyThere {
        /// Its name.
        name: Login,
    },
    /// There is no such key.
    #[error("there is no key {name}")]
    UnknownKey {
        /// Its name.
        name: Login,
    },
    /// The key has ended.
    #[error("the key {name} has ended at {at}")]
    KeyEnded {
        /// Its name.
        name: Login,
        /// When.
        at: jiff::Timestamp,
    },
    /// A life that no key has.
    #[error("a key lives from 1 to {max} days")]
    KeyDays {
        /// So many.
        max: u32,
    },
    /// No room for more.
    #[error("there are {max} keys: remove one first")]
    TooManyKeys {
        /// So many.
        max: usize,
    },
    /// There is no such session, or it is another's.
    #[error("there is no such session any more")]
    UnknownSession,
    /// A text that is no name of a view.
    #[error("`{text}` is no name of a view: 1 to {max} characters")]
    NoViewName {
        /// Its beginning.
        text: String,
        /// How long one may be, in characters.
        max: usize,
    },
    /// An address that is no page of this server.
    #[error("a view is the address of a page here, at most {max} bytes long")]
    NoViewAddress {
        /// How long one may be.
        max: usize,
    },
    /// No room for more.
    #[error("you have {max} views: remove one first")]
    TooManyViews {
        /// So many.
        max: usize,
    },
    /// There is no such view.
    #[error("there is no view `{name}`")]
    UnknownView {
        /// Its name.
        name: String,
    },
    /// Only users have sessions and passwords.
    #[error("only a user with a login can do this")]
    OnlyUsers,
    /// The operating system gives no random numbers, or the hash could not be made.
    #[error("the password could not be hashed: {detail}")]
    PasswordNotHashed {
        /// Why not.
        detail: String,
    },
    /// Where people are kept.
    #[error(transparent)]
    #[serde(untagged)]
    Store(#[from] StoreFailed),
}
