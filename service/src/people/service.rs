//! Coming in, going, and changing who may.

use super::guesses::{Guesses, Judged};
use super::password::{Cost, PasswordHash, Passwords};
use super::secret::{KEY_PREFIX, Secret, SecretHash};
use super::store::{ApiKey, Change, EndSessions, Link, NewSession, PeopleStore, Session, User, Which};
use super::{Login, Mailing, MailingChange, PeopleError};
use crate::actor::{Actor, Caller, Grant};
use crate::audit::AuditLine;
use crate::words::Language;
use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

/// Most users.
const MAX_USERS: usize = 2_000;

/// Most keys of programs.
const MAX_KEYS: usize = 1_000;

/// Longest life of a key in days.
pub const MAX_KEY_DAYS: u32 = 1_830;

/// Sessions of one user: browsers and telephones. Of more the one that was used longest ago ends.
const MAX_SESSIONS: u32 = 20;

/// How long a link that sets a password is good.
pub const LINK_LIFE: SignedDuration = SignedDuration::from_hours(24);

/// That a session was used is written so often.
const TOUCH_SESSION_AFTER: SignedDuration = SignedDuration::from_mins(1);

/// That a key was used is written so often.
const TOUCH_KEY_AFTER: SignedDuration = SignedDuration::from_hours(1);

/// A password that came with a request is not hashed again for so long.
const VERIFIED_FOR: Duration = Duration::from_mins(10);

/// Passwords that are remembered for that.
const MAX_VERIFIED: usize = 1_000;

/// Longest name of a person in characters.
const MAX_NAME_CHARS: usize = 200;

/// Longest text that a browser calls itself by, in characters.
const MAX_AGENT_CHARS: usize = 200;

/// How long sessions last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLimits {
    /// Without being used.
    pub idle: SignedDuration,
    /// In all.
    pub whole: SignedDuration,
}

impl SessionLimits {
    /// Whether a session is still good.
    pub fn hold(&self, session: &Session, now: Timestamp) -> bool {
        let (seen, made) = self.earliest(now);
        session.seen_at >= seen && session.made_at >= made
    }

    /// The earliest times at which one that is good was used, and began.
    fn earliest(&self, now: Timestamp) -> (Timestamp, Timestamp) {
        let ago = |long| now.checked_sub(long).unwrap_or(Timestamp::MIN);
        (ago(self.idle), ago(self.whole))
    }
}

/// What is done, in the words of the audit log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// A user was added.
    UserAdd,
    /// A user was disabled or comes in again, or is called otherwise.
    UserChange,
    /// A user was removed.
    UserRemove,
    /// A password was set.
    UserPassword,
    /// A link to set a password was made.
    UserLink,
    /// A user is written to elsewhere, or of other things.
    UserMail,
    /// Somebody came in.
    SessionBegin,
    /// Sessions ended.
    SessionEnd,
    /// A key was made.
    KeyAdd,
    /// A key was removed.
    KeyRemove,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::UserAdd,
        Self::UserChange,
        Self::UserRemove,
        Self::UserPassword,
        Self::UserLink,
        Self::UserMail,
        Self::SessionBegin,
        Self::SessionEnd,
        Self::KeyAdd,
        Self::KeyRemove,
    ];
}

impl From<Verb> for &'static str {
    fn from(verb: Verb) -> Self {
        match verb {
            Verb::UserAdd => "user.add",
            Verb::UserChange => "user.change",
            Verb::UserRemove => "user.remove",
            Verb::UserPassword => "user.password",
            Verb::UserLink => "user.link",
            Verb::UserMail => "user.mail",
            Verb::SessionBegin => "session.begin",
            Verb::SessionEnd => "session.end",
            Verb::KeyAdd => "key.add",
            Verb::KeyRemove => "key.remove",
        }
    }
}

/// Somebody who wants to come in, and from where.
#[derive(Debug, Clone, Copy)]
pub struct Try<'a> {
    /// As it was typed.
    pub login: &'a str,
    /// As it was typed.
    pub password: &'a str,
    /// The client's address.
    pub address: Option<IpAddr>,
}

/// Somebody came in.
#[derive(Debug)]
pub struct LoggedIn {
    /// The token of the session, for this browser alone.
    pub token: Secret,
    /// Who.
    pub user: User,
}

/// A link that sets a password: told once.
#[derive(Debug)]
pub struct NewLink {
    /// Its secret.
    pub secret: Secret,
    /// Until when it is good.
    pub ends_at: Timestamp,
}

/// People as a backup brought them back: sessions and links of its day are void, since some of
/// them may have ended since.
pub fn after_restore(store: &dyn PeopleStore, caller: &Caller) -> Result<u64, PeopleError> {
    let line = AuditLine::new(caller, Verb::SessionEnd, "people").before(json!({"sessions": "all", "links": "all"}));
    Ok(store.end_all(&line)?)
}

/// People of a service. Cheap to clone; calls block.
#[derive(Clone)]
pub struct People {
    inner: Arc<Inner>,
}

struct Inner {
    store: Arc<dyn PeopleStore>,
    passwords: Passwords,
    guesses: Arc<Guesses>,
    /// Passwords that were right a moment ago, by what names the try.
    verified: Mutex<HashMap<[u8; 32], Instant>>,
    limits: SessionLimits,
    manages: fn(&Grant) -> bool,
}

impl People {
    /// Over their store. `manages`: whether who may this may manage people.
    pub fn new(
        store: Arc<dyn PeopleStore>,
        limits: SessionLimits,
        cost: Cost,
        manages: fn(&Grant) -> bool,
    ) -> Result<Self, PeopleError> {
        let inner = Inner {
            store,
            passwords: Passwords::new(cost)?,
            guesses: Arc::default(),
            verified: Mutex::default(),
            limits,
            manages,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    pub(super) fn store(&self) -> &dyn PeopleStore {
        self.inner.store.as_ref()
    }

    /// How long sessions last.
    pub fn limits(&self) -> SessionLimits {
        self.inner.limits
    }

    /// What is counted of wrong tries: for other doors of the service.
    pub fn guesses(&self) -> Arc<Guesses> {
        Arc::clone(&self.inner.guesses)
    }

    // Coming in.

    /// Somebody comes in with login and password, and gets a session of their own.
    pub fn log_in(
        &self,
        coming: Try<'_>,
        caller: impl Fn(&Login) -> Caller,
        agent: &str,
    ) -> Result<LoggedIn, PeopleError> {
        let (user, password) = self.compare(coming, false)?;
        self.begin(user, password, &caller, agent)
    }

    /// Whose login and password came with a request. `known_otherwise`: the service knows by
    /// itself that they fit.
    pub fn of_password(&self, coming: Try<'_>, known_otherwise: bool) -> Result<User, PeopleError> {
        let (user, _) = self.compare(coming, known_otherwise)?;
        if user.must_change && !known_otherwise {
            return Err(PeopleError::PasswordFirst { login: user.login });
        }
        Ok(user)
    }

    /// Whose session this is, where it is good. `used`: a person asked for something, not a page
    /// that renews itself.
    pub fn of_session(&self, token: &str, used: bool) -> Result<Option<(Session, User)>, PeopleError> {
        let now = Timestamp::now();
        let found = self.inner.store.session(&SecretHash::of(token))?;
        let good = found.filter(|(session, user)| !user.disabled && self.inner.limits.hold(session, now));
        if let Some((session, _)) = &good
            && used
            && now.duration_since(session.seen_at) > TOUCH_SESSION_AFTER
        {
            self.inner.store.touch_session(session.no, now)?;
        }
        Ok(good)
    }

    /// Whose key this is.
    pub fn of_key(&self, token: &str, address: Option<IpAddr>) -> Result<ApiKey, PeopleError> {
        let (guesses, now) = (&self.inner.guesses, Timestamp::now());
        let tried = guesses.tried("", token, "");
        // What holds is told from what is guessed without a wait: nobody guesses a key.
        if let Some(key) = self.inner.store.key(&SecretHash::of(token))? {
            if key.ends_at <= now {
                return Err(PeopleError::KeyEnded { name: key.name, at: key.ends_at });
            }
            if key.used_at.is_none_or(|used| now.duration_since(used) > TOUCH_KEY_AFTER) {
                self.inner.store.touch_key(&key.name, now)?;
            }
            return Ok(key);
        }
        match guesses.judge(None, address, &tried, Instant::now()) {
            Judged::Wait(wait) => Err(slow_down(wait)),
            Judged::KnownWrong => Err(PeopleError::WrongPassword),
            Judged::Try => {
                guesses.wrong(None, address, &tried, Instant::now());
                tracing::warn!(from = told(address), "a key that is nobody's");
                Err(PeopleError::WrongPassword)
            }
        }
    }

    /// The user of this login and password, and the hash that they fit.
    fn compare(&self, coming: Try<'_>, known_otherwise: bool) -> Result<(User, Option<PasswordHash>), PeopleError> {
        let Try { login, password, address } = coming;
        let guesses = &self.inner.guesses;
        let parsed: Option<Login> = login.parse().ok();
        let user = match &parsed {
            Some(login) => self.inner.store.users()?.into_iter().find(|user| user.login == *login),
            None => None,
        };
        let hash = user.as_ref().and_then(|user| user.password.clone());
        let (name, begun) = (parsed.as_ref().map_or(login, Login::as_str), Instant::now());
        let tried = guesses.tried(name, password, hash.as_ref().map_or("", PasswordHash::as_str));
        match guesses.judge(Some(name), address, &tried, begun) {
            Judged::Wait(wait) => {
                tracing::warn!(login = of_user(user.as_ref()), from = told(address), "a try to come in has to wait");
                return Err(slow_down(wait));
            }
            Judged::KnownWrong if !known_otherwise => return Err(PeopleError::WrongPassword),
            _ => {}
        }
        let fits = known_otherwise || self.was_verified(&tried) || {
            let fits = self.inner.passwords.fits(password, hash.as_ref())?;
            if fits {
                self.note_verified(tried);
            }
            fits
        };
        let Some(user) = user.filter(|_| fits) else {
            guesses.wrong(Some(name), address, &tried, Instant::now());
            tracing::warn!(login = of_login(parsed.as_ref(), hash.is_some()), from = told(address), "a wrong password");
            return Err(PeopleError::WrongPassword);
        };
        guesses.right(name, address, Instant::now());
        if user.disabled {
            return Err(PeopleError::LoginDisabled { login: user.login });
        }
        Ok((user, hash))
    }

    fn was_verified(&self, tried: &[u8; 32]) -> bool {
        let verified = self.inner.verified.lock().unwrap_or_else(PoisonError::into_inner);
        verified.get(tried).is_some_and(|at| at.elapsed() < VERIFIED_FOR)
    }

    fn note_verified(&self, tried: [u8; 32]) {
        let mut verified = self.inner.verified.lock().unwrap_or_else(PoisonError::into_inner);
        if verified.len() >= MAX_VERIFIED {
            verified.retain(|_, at| at.elapsed() < VERIFIED_FOR);
        }
        if verified.len() < MAX_VERIFIED {
            verified.insert(tried, Instant::now());
        }
    }

    fn begin(
        &self,
        user: User,
        password: Option<PasswordHash>,
        caller: &impl Fn(&Login) -> Caller,
        agent: &str,
    ) -> Result<LoggedIn, PeopleError> {
        let (token, at, caller) = (Secret::generate("")?, Timestamp::now(), caller(&user.login));
        let new = NewSession {
            hash: token.hash(),
            user: user.no,
            password: password.ok_or(PeopleError::WrongPassword)?,
            at,
            address: caller.address.map(|address| address.to_string()),
            agent: agent.chars().filter(|letter| !letter.is_control()).take(MAX_AGENT_CHARS).collect(),
            ended: self.inner.limits.earliest(at),
            keep: MAX_SESSIONS,
        };
        let line = AuditLine::new(&caller, Verb::SessionBegin, object(&user.login)).after(json!({"agent": new.agent}));
        // Somebody else may have changed the password or the user since it was compared.
        let begun = self.inner.store.begin_session(&new, &line)?;
        if begun { Ok(LoggedIn { token, user }) } else { Err(PeopleError::WrongPassword) }
    }

    // Going.

    /// The session of this token ends. Nothing happens where it has.
    pub fn log_out(&self, token: &str, caller: impl Fn(&Login) -> Caller) -> Result<(), PeopleError> {
        let Some((session, user)) = self.inner.store.session(&SecretHash::of(token))? else { return Ok(()) };
        self.end(&user, Which::One(session.no), &caller(&user.login)).map(drop)
    }

    /// Sessions of a user that are good, the one that was used last first.
    pub fn sessions(&self, login: &Login) -> Result<Vec<Session>, PeopleError> {
        let (user, now) = (self.user(login)?, Timestamp::now());
        let mut sessions = self.inner.store.sessions(user.no)?;
        sessions.retain(|session| self.inner.limits.hold(session, now));
        Ok(sessions)
    }

    /// Ends sessions of a user. How many.
    pub fn end_sessions(&self, login: &Login, which: Which, caller: &Caller) -> Result<u64, PeopleError> {
        let user = self.user(login)?;
        match (self.end(&user, which, caller)?, which) {
            (0, Which::One(_)) => Err(PeopleError::UnknownSession),
            (ended, _) => Ok(ended),
        }
    }

    fn end(&self, user: &User, which: Which, caller: &Caller) -> Result<u64, PeopleError> {
        let told = match which {
            Which::All => json!({"sessions": "all"}),
            Which::One(no) => json!({"session": no}),
            Which::AllBut(no) => json!({"sessions": "all", "but": no}),
        };
        let line = AuditLine::new(caller, Verb::SessionEnd, object(&user.login)).before(told);
        Ok(self.inner.store.end_sessions(EndSessions { user: user.no, which }, &line)?)
    }

    // Who may come in.

    /// All users, by login.
    pub fn users(&self) -> Result<Vec<User>, PeopleError> {
        Ok(self.inner.store.users()?)
    }

    /// The user of this login.
    pub fn user(&self, login: &Login) -> Result<User, PeopleError> {
        let found = self.inner.store.users()?.into_iter().find(|user| user.login == *login);
        found.ok_or_else(|| PeopleError::UnknownUser { login: login.clone() })
    }

    /// Adds a user who sets a password by a link; or has this one, and must change it.
    pub fn add(
        &self,
        login: &Login,
        name: &str,
        grant: &Grant,
        password: Option<&str>,
        caller: &Caller,
    ) -> Result<Option<NewLink>, PeopleError> {
        let password = password.map(|password| self.inner.passwords.hash(login, password)).transpose()?;
        let made = if password.is_none() { Some(new_link()?) } else { None };
        self.inner.store.change(&mut |users| {
            if users.iter().any(|user| user.login == *login) {
                return Err(PeopleError::UserThere { login: login.clone() });
            }
            if users.len() >= MAX_USERS {
                return Err(PeopleError::TooManyUsers { max: MAX_USERS });
            }
            let user = User {
                no: 0,
                login: login.clone(),
                name: short(name),
                grant: grant.clone(),
                password: password.clone(),
                must_change: password.is_some(),
                disabled: false,
                link: made.as_ref().map(NewLink::kept),
                mailing: Mailing::default(),
                made_at: Timestamp::now(),
                last_login: None,
            };
            let line = AuditLine::new(caller, Verb::UserAdd, object(login)).after(told_of(&user));
            Ok(Change { put: Some(user), ..Change::of(line) })
        })?;
        Ok(made)
    }

    /// Disables a user, whose sessions end, or lets them come in again; names them otherwise;
    /// gives them another role.
    pub fn set(
        &self,
        login: &Login,
        name: Option<&str>,
        disabled: Option<bool>,
        grant: Option<&Grant>,
        caller: &Caller,
    ) -> Result<User, PeopleError> {
        self.changed(login, Verb::UserChange, caller, |user, users| {
            let after = User {
                name: name.map_or_else(|| user.name.clone(), short),
                disabled: disabled.unwrap_or(user.disabled),
                grant: grant.unwrap_or(&user.grant).clone(),
                ..user.clone()
            };
            let end = after.disabled.then_some(EndSessions { user: user.no, which: Which::All });
            if after.disabled || !(self.inner.manages)(&after.grant) {
                self.keeps_one(users, user)?;
            }
            Ok((after, end))
        })
    }

    /// Has a user written to elsewhere, in another language, or of other things.
    pub fn set_mailing(&self, login: &Login, change: &MailingChange, caller: &Caller) -> Result<User, PeopleError> {
        self.changed(login, Verb::UserMail, caller, |user, _| {
            Ok((User { mailing: user.mailing.changed(change), ..user.clone() }, None))
        })
    }

    /// Removes a user, and all their sessions.
    pub fn remove(&self, login: &Login, caller: &Caller) -> Result<(), PeopleError> {
        self.inner.store.change(&mut |users| {
            let user = find(users, login)?;
            self.keeps_one(users, user)?;
            let line = AuditLine::new(caller, Verb::UserRemove, object(login)).before(told_of(user));
            Ok(Change { remove: Some(user.no), ..Change::of(line) })
        })
    }

    /// A link by which a user sets a password: the one of before is void at once, and all sessions
    /// end.
    pub fn reset(&self, login: &Login, caller: &Caller) -> Result<NewLink, PeopleError> {
        let made = new_link()?;
        self.changed(login, Verb::UserLink, caller, |user, _| {
            let after = User { password: None, must_change: false, link: Some(made.kept()), ..user.clone() };
            Ok((after, Some(EndSessions { user: user.no, which: Which::All })))
        })?;
        Ok(made)
    }

    /// Somebody sets another's password, who must change it; all sessions end.
    pub fn set_password(&self, login: &Login, password: &str, caller: &Caller) -> Result<(), PeopleError> {
        let hash = self.inner.passwords.hash(login, password)?;
        self.changed(login, Verb::UserPassword, caller, |user, _| {
            let after = User { password: Some(hash.clone()), must_change: true, link: None, ..user.clone() };
            Ok((after, Some(EndSessions { user: user.no, which: Which::All })))
        })?;
        Ok(())
    }

    /// A user changes their own password; their other sessions end. `session`: the one that goes
    /// on.
    pub fn change_password(
        &self,
        coming: Try<'_>,
        new: &str,
        session: Option<i64>,
        caller: &Caller,
    ) -> Result<(), PeopleError> {
        let (user, before) = self.compare(coming, false)?;
        if coming.password == new {
            return Err(PeopleError::PasswordSame);
        }
        let hash = self.inner.passwords.hash(&user.login, new)?;
        self.changed(&user.login, Verb::UserPassword, caller, |user, _| {
            // Somebody else was faster.
            if user.password != before {
                return Err(PeopleError::WrongPassword);
            }
            let after = User { password: Some(hash.clone()), must_change: false, link: None, ..user.clone() };
            let which = session.map_or(Which::All, Which::AllBut);
            Ok((after, Some(EndSessions { user: user.no, which })))
        })?;
        Ok(())
    }

    /// Whose link this is, where it is good.
    pub fn of_link(&self, secret: &str) -> Result<User, PeopleError> {
        let (hash, now) = (SecretHash::of(secret), Timestamp::now());
        let found = self.inner.store.users()?.into_iter().find(|user| is_good(user, &hash, now));
        found.ok_or(PeopleError::LinkGone)
    }

    /// Sets the password of whoever has this link, which is good no more, and lets them in; all
    /// sessions of before end.
    pub fn use_link(
        &self,
        secret: &str,
        password: &str,
        caller: impl Fn(&Login) -> Caller,
        agent: &str,
    ) -> Result<LoggedIn, PeopleError> {
        let user = self.of_link(secret)?;
        let (hash, link) = (self.inner.passwords.hash(&user.login, password)?, SecretHash::of(secret));
        let by = caller(&user.login);
        let user = self.changed(&user.login, Verb::UserPassword, &by, |user, _| {
            if !is_good(user, &link, Timestamp::now()) {
                return Err(PeopleError::LinkGone);
            }
            let after = User { password: Some(hash.clone()), must_change: false, link: None, ..user.clone() };
            Ok((after, Some(EndSessions { user: user.no, which: Which::All })))
        })?;
        self.begin(user, Some(hash), &caller, agent)
    }

    /// A login that stands in a file: where the file is another than the last time, its user is
    /// added, or gets its password. `must_change`: nobody has chosen the password.
    pub fn take_over(
        &self,
        login: &Login,
        grant: &Grant,
        password: &str,
        must_change: bool,
    ) -> Result<(), PeopleError> {
        const NOTE: &str = "login of the file";
        let noted = self.inner.store.noted(NOTE)?;
        let content = format!("{login}:{password}");
        let is_known = noted.map(PasswordHash::from_text);
        if is_known.as_ref().is_some_and(|hash| self.inner.passwords.fits(&content, Some(hash)).unwrap_or(false)) {
            return Ok(());
        }
        let hash = self.inner.passwords.hash_any(password)?;
        let note = (NOTE, self.inner.passwords.hash_any(&content)?.as_str().to_owned());
        self.inner.store.change(&mut |users| {
            let of_before = users.iter().find(|user| user.login == *login);
            let (no, name, made_at, last_login, verb) = match of_before {
                Some(user) => (user.no, user.name.clone(), user.made_at, user.last_login, Verb::UserPassword),
                None => (0, String::new(), Timestamp::now(), None, Verb::UserAdd),
            };
            let mailing = of_before.map(|user| user.mailing.clone()).unwrap_or_default();
            let (login, password) = (login.clone(), Some(hash.clone()));
            let (grant, disabled, link) = (grant.clone(), false, None);
            let user =
                User { no, login, name, grant, password, must_change, disabled, link, mailing, made_at, last_login };
            let line = AuditLine::new(&Caller::server(), verb, object(&user.login)).after(told_of(&user));
            let end = (no != 0).then_some(EndSessions { user: no, which: Which::All });
            Ok(Change { put: Some(user), end, note: Some(note.clone()), ..Change::of(line) })
        })
    }

    /// Whether somebody else can come in and manage people once this one cannot.
    fn keeps_one(&self, users: &[User], leaving: &User) -> Result<(), PeopleError> {
        let manages = |user: &User| !user.disabled && (self.inner.manages)(&user.grant);
        let others = users.iter().any(|user| user.no != leaving.no && manages(user));
        if others || !manages(leaving) { Ok(()) } else { Err(PeopleError::LastUser { login: leaving.login.clone() }) }
    }

    /// Changes a user, with a line that tells how they were and are.
    fn changed(
        &self,
        login: &Login,
        verb: Verb,
        caller: &Caller,
        mut decide: impl FnMut(&User, &[User]) -> Result<(User, Option<EndSessions>), PeopleError>,
    ) -> Result<User, PeopleError> {
        let mut changed = None;
        self.inner.store.change(&mut |users| {
            let before = find(users, login)?;
            let (after, end) = decide(before, users)?;
            let line = AuditLine::new(caller, verb, object(login)).before(told_of(before)).after(told_of(&after));
            changed = Some(after.clone());
            Ok(Change { put: Some(after), end, ..Change::of(line) })
        })?;
        changed.ok_or_else(|| PeopleError::UnknownUser { login: login.clone() })
    }

    // Keys.

    /// All keys, by name.
    pub fn keys(&self) -> Result<Vec<ApiKey>, PeopleError> {
        Ok(self.inner.store.keys()?)
    }

    /// Makes a key that lives for so many days. Its secret is told now, and never again.
    pub fn add_key(
        &self,
        name: &str,
        days: u32,
        grant: Grant,
        caller: &Caller,
    ) -> Result<(ApiKey, Secret), PeopleError> {
        let name: Login = name.parse().map_err(|_| PeopleError::NoKeyName { text: short(name) })?;
        if !(1..=MAX_KEY_DAYS).contains(&days) {
            return Err(PeopleError::KeyDays { max: MAX_KEY_DAYS });
        }
        if self.inner.store.keys()?.len() >= MAX_KEYS {
            return Err(PeopleError::TooManyKeys { max: MAX_KEYS });
        }
        let (secret, made_at) = (Secret::generate(KEY_PREFIX)?, Timestamp::now());
        let ends_at = made_at.checked_add(SignedDuration::from_hours(24 * i64::from(days))).unwrap_or(Timestamp::MAX);
        let key = ApiKey { name, grant, made_by: caller.actor.to_string(), made_at, ends_at, used_at: None };
        let line = AuditLine::new(caller, Verb::KeyAdd, format!("key:{}", key.name))
            .after(json!({"ends_at": ends_at, "grant": key.grant}));
        if self.inner.store.add_key(&key, &secret.hash(), &line)? {
            Ok((key, secret))
        } else {
            Err(PeopleError::KeyThere { name: key.name })
        }
    }

    /// Removes a key: it is good no more.
    pub fn remove_key(&self, name: &Login, caller: &Caller) -> Result<(), PeopleError> {
        let line = AuditLine::new(caller, Verb::KeyRemove, format!("key:{name}"));
        let there = self.inner.store.remove_key(name, &line)?;
        there.then_some(()).ok_or_else(|| PeopleError::UnknownKey { name: name.clone() })
    }

    /// The login of a caller who is a user.
    pub fn login_of(caller: &Caller) -> Result<Login, PeopleError> {
        match &caller.actor {
            Actor::Login(login) => login.parse(),
            _ => Err(PeopleError::OnlyUsers),
        }
    }
}

impl NewLink {
    fn kept(&self) -> Link {
        Link { hash: self.secret.hash(), ends_at: self.ends_at }
    }
}

fn new_link() -> Result<NewLink, PeopleError> {
    let ends_at = Timestamp::now().checked_add(LINK_LIFE).unwrap_or(Timestamp::MAX);
    Ok(NewLink { secret: Secret::generate("")?, ends_at })
}

fn is_good(user: &User, hash: &SecretHash, now: Timestamp) -> bool {
    user.link.is_some_and(|link| link.hash == *hash && link.ends_at > now) && !user.disabled
}

fn find<'a>(users: &'a [User], login: &Login) -> Result<&'a User, PeopleError> {
    users.iter().find(|user| user.login == *login).ok_or_else(|| PeopleError::UnknownUser { login: login.clone() })
}

/// What the audit log tells of a user: never a password.
fn told_of(user: &User) -> serde_json::Value {
    json!({
        "name": user.name,
        "role": user.grant.role,
        "place": user.grant.place,
        "disabled": user.disabled,
        "has_password": user.password.is_some(),
        "must_change": user.must_change,
        "link_ends_at": user.link.map(|link| link.ends_at),
        "mail": {
            "address": user.mailing.address,
            "language": user.mailing.language.map(Language::code),
            "report": user.mailing.report,
            "alerts": user.mailing.alerts,
        },
    })
}

fn object(login: &Login) -> String {
    format!("user:{login}")
}

fn short(name: &str) -> String {
    name.trim().chars().filter(|letter| !letter.is_control()).take(MAX_NAME_CHARS).collect()
}

fn slow_down(wait: Duration) -> PeopleError {
    PeopleError::LoginSlowDown { seconds: wait.as_secs() + u64::from(wait.subsec_nanos() > 0) }
}

fn told(address: Option<IpAddr>) -> String {
    address.map(|address| address.to_string()).unwrap_or_default()
}

/// A login that is nobody's is not logged: people type passwords in its place.
fn of_login(login: Option<&Login>, is_known: bool) -> &str {
    login.filter(|_| is_known).map_or("nobody's", Login::as_str)
}

fn of_user(user: Option<&User>) -> &str {
    user.map_or("nobody's", |user| user.login.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_ends_unused_and_in_any_case() {
        let limits = SessionLimits { idle: SignedDuration::from_hours(8), whole: SignedDuration::from_hours(168) };
        let now: Timestamp = "2026-12-01T12:00:00Z".parse().unwrap();
        let session = |seen: i64, made: i64| Session {
            no: 1,
            user: 1,
            made_at: now - SignedDuration::from_hours(made),
            seen_at: now - SignedDuration::from_hours(seen),
            address: None,
            agent: String::new(),
        };
        assert!(limits.hold(&session(0, 0), now));
        assert!(limits.hold(&session(8, 168), now));
        assert!(!limits.hold(&session(9, 9), now), "unused");
        assert!(!limits.hold(&session(0, 169), now), "too old");
    }
}
