//! People: coming in, going, and who may.

use super::error::AppError;
use super::rights::{Act, Place};
use super::{Acting, App};
use jiff::Timestamp;
use std::net::IpAddr;
use tillway_service::actor::{Actor, Caller, Face};
use tillway_service::people::{
    ApiKey, LoggedIn, Login, NewLink, People, PeopleError, Secret, Session, SessionLimits, Try, User, Which,
};

/// What somebody shows to be let in.
#[derive(Clone)]
pub enum Shown {
    /// Login and password, with each request.
    Password {
        /// The login.
        login: String,
        /// The password.
        password: String,
    },
    /// The key of a program.
    Key(String),
    /// The token of a session.
    Session(String),
}

/// Who was let in.
#[derive(Debug, Clone)]
pub struct LetIn {
    /// Who asks.
    pub caller: Caller,
    /// The session that it is asked in.
    pub session: Option<i64>,
    /// The password has to be changed before anything else.
    pub must_change: bool,
}

/// Where somebody comes from.
#[derive(Debug, Clone, Default)]
pub struct FromWhere {
    /// The client's address.
    pub address: Option<IpAddr>,
    /// What the browser calls itself.
    pub agent: String,
}

impl FromWhere {
    fn caller(&self, login: &Login) -> Caller {
        Caller { actor: Actor::Login(login.to_string()), face: Face::Page, address: self.address }
    }
}

/// A link that sets a password, as it is told once.
#[derive(Debug, Clone)]
pub struct ToldLink {
    /// The path at the page.
    pub path: String,
    /// The whole address, as the settings have it.
    pub url: String,
    /// Until when it is good.
    pub ends_at: Timestamp,
}

/// A user with what they may be told about themselves.
#[derive(Debug)]
pub struct Account {
    /// Who.
    pub user: User,
    /// Sessions that are good, the one that was used last first.
    pub sessions: Vec<Session>,
}

impl App {
    /// Whom this lets in; none where it is a session that has ended. `used`: a person asked for
    /// something. Blocking.
    pub fn let_in(
        &self,
        shown: &Shown,
        face: Face,
        address: Option<IpAddr>,
        used: bool,
    ) -> Result<Option<LetIn>, AppError> {
        let people = &self.parts.people;
        let by = |actor| Caller { actor, face, address };
        let known = |actor| LetIn { caller: by(actor), session: None, must_change: false };
        match shown {
            Shown::Password { login, password } => {
                let is_of_file = self.parts.file_login.are(login, password);
                if is_of_file && login.parse::<Login>().is_err() {
                    return Ok(Some(known(Actor::Login(login.clone()))));
                }
                let user = people.of_password(Try { login, password, address }, is_of_file)?;
                Ok(Some(known(Actor::Login(user.login.to_string()))))
            }
            Shown::Key(token) => Ok(Some(known(Actor::Key(people.of_key(token, address)?.name.to_string())))),
            Shown::Session(token) => Ok(people.of_session(token, used)?.map(|(session, user)| LetIn {
                caller: by(Actor::Login(user.login.to_string())),
                session: Some(session.no),
                must_change: user.must_change,
            })),
        }
    }

    /// Somebody comes in on the page. A session that the browser had before ends: what it knew is
    /// worth nothing afterwards. Blocking.
    pub fn log_in(
        &self,
        login: &str,
        password: &str,
        from: &FromWhere,
        before: Option<&str>,
    ) -> Result<LoggedIn, AppError> {
        let people = &self.parts.people;
        let come = Try { login, password, address: from.address };
        let logged_in = people.log_in(come, |login| from.caller(login), &from.agent).inspect_err(|error| {
            if matches!(error, PeopleError::WrongPassword | PeopleError::LoginSlowDown { .. }) {
                self.refused_password(from.address);
            }
        })?;
        if let Some(token) = before {
            people.log_out(token, |login| from.caller(login))?;
        }
        Ok(logged_in)
    }

    /// The session of this token ends. Blocking.
    pub fn log_out(&self, token: &str, from: &FromWhere) -> Result<(), AppError> {
        Ok(self.parts.people.log_out(token, |login| from.caller(login))?)
    }

    /// Whose link this is. Blocking.
    pub fn of_link(&self, secret: &str) -> Result<User, AppError> {
        Ok(self.parts.people.of_link(secret)?)
    }

    /// Somebody sets a password with a link, and comes in. Blocking.
    pub fn use_link(&self, secret: &str, password: &str, from: &FromWhere) -> Result<LoggedIn, AppError> {
        Ok(self.parts.people.use_link(secret, password, |login| from.caller(login), &from.agent)?)
    }

    /// How long sessions last.
    pub fn session_limits(&self) -> SessionLimits {
        self.parts.people.limits()
    }
}

impl Acting {
    fn people(&self) -> Result<&People, AppError> {
        self.allow(Act::ManagePeople, Place::Everywhere)?;
        Ok(&self.parts.people)
    }

    /// The caller's own account. Those who have none: an error that says so.
    pub fn account(&self) -> Result<Account, AppError> {
        let login = People::login_of(&self.caller)?;
        let user = self.parts.people.user(&login)?;
        Ok(Account { user, sessions: self.parts.people.sessions(&login)? })
    }

    /// Changes the caller's own password; the other sessions end. `session`: the one that asks.
    pub fn change_own_password(&self, old: &str, new: &str, session: Option<i64>) -> Result<(), AppError> {
        let login = People::login_of(&self.caller)?;
        let come = Try { login: login.as_str(), password: old, address: self.caller.address };
        Ok(self.parts.people.change_password(come, new, session, &self.caller)?)
    }

    /// Ends sessions of the caller. How many.
    pub fn end_own_sessions(&self, which: Which) -> Result<u64, AppError> {
        let login = People::login_of(&self.caller)?;
        Ok(self.parts.people.end_sessions(&login, which, &self.caller)?)
    }

    /// All users, by login.
    pub fn users(&self) -> Result<Vec<User>, AppError> {
        Ok(self.people()?.users()?)
    }

    /// One user.
    pub fn user(&self, login: &str) -> Result<User, AppError> {
        Ok(self.people()?.user(&login.parse()?)?)
    }

    /// Adds a user, who sets a password by the link; or has this one, and must change it.
    pub fn add_user(
        &self,
        login: &str,
        name: &str,
        password: Option<&str>,
    ) -> Result<(User, Option<ToldLink>), AppError> {
        let (people, login) = (self.people()?, login.parse()?);
        let link = people.add(&login, name, password, &self.caller)?;
        Ok((people.user(&login)?, link.map(|link| self.told(&link))))
    }

    /// Disables a user or lets them come in again; names them otherwise.
    pub fn set_user(&self, login: &str, name: Option<&str>, disabled: Option<bool>) -> Result<User, AppError> {
        Ok(self.people()?.set(&login.parse()?, name, disabled, &self.caller)?)
    }

    /// Removes a user, whose sessions end.
    pub fn remove_user(&self, login: &str) -> Result<(), AppError> {
        Ok(self.people()?.remove(&login.parse()?, &self.caller)?)
    }

    /// A link by which a user sets a password. The one of before is void, sessions end.
    pub fn reset_user(&self, login: &str) -> Result<ToldLink, AppError> {
        let link = self.people()?.reset(&login.parse()?, &self.caller)?;
        Ok(self.told(&link))
    }

    /// Sets another's password, who must change it; their sessions end.
    pub fn set_password(&self, login: &str, password: &str) -> Result<(), AppError> {
        Ok(self.people()?.set_password(&login.parse()?, password, &self.caller)?)
    }

    /// Sessions of a user that are good.
    pub fn sessions_of(&self, login: &str) -> Result<Vec<Session>, AppError> {
        Ok(self.people()?.sessions(&login.parse()?)?)
    }

    /// Ends all sessions of a user. How many.
    pub fn end_sessions_of(&self, login: &str) -> Result<u64, AppError> {
        Ok(self.people()?.end_sessions(&login.parse()?, Which::All, &self.caller)?)
    }

    /// All keys of programs, by name.
    pub fn api_keys(&self) -> Result<Vec<ApiKey>, AppError> {
        Ok(self.people()?.keys()?)
    }

    /// Makes a key. Its secret is told this once.
    pub fn add_api_key(&self, name: &str, days: u32) -> Result<(ApiKey, Secret), AppError> {
        Ok(self.people()?.add_key(name, days, &self.caller)?)
    }

    /// Removes a key: it is good no more.
    pub fn remove_api_key(&self, name: &str) -> Result<(), AppError> {
        let name = name.parse().map_err(|_| PeopleError::NoKeyName { text: name.to_owned() })?;
        Ok(self.people()?.remove_key(&name, &self.caller)?)
    }

    fn told(&self, link: &NewLink) -> ToldLink {
        let path = format!("/first?link={}", link.secret.as_str());
        ToldLink { url: format!("{}{path}", self.parts.page_address), path, ends_at: link.ends_at }
    }
}
