//! People: coming in, going, and who may.

use super::error::AppError;
use super::rights::{Act, Place, Role, everything};
use super::{Acting, App};
use crate::network::ALL;
use jiff::Timestamp;
use std::net::IpAddr;
use tillway_proto::NodeId;
use tillway_service::actor::{Actor, Caller, Face, Grant};
use tillway_service::people::{
    ApiKey, LoggedIn, Login, NewLink, People, PeopleError, Secret, Session, SessionLimits, Try, User, View, Which,
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
        let actor = Actor::Login(login.to_string());
        Caller { actor, face: Face::Page, address: self.address, grant: None }
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

/// A role that somebody is to have.
#[derive(Debug, Clone)]
pub struct WantedRole {
    /// Its word.
    pub role: String,
    /// The chain, a group or a shop, by id or folder name; none: the chain.
    pub place: Option<String>,
}

/// A user with what they may be told about themselves.
#[derive(Debug)]
pub struct Account {
    /// Who.
    pub user: User,
    /// The place of their role.
    pub place: String,
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
        let by = |actor, grant| Caller { actor, face, address, grant: Some(grant) };
        let known = |actor, grant| LetIn { caller: by(actor, grant), session: None, must_change: false };
        match shown {
            Shown::Password { login, password } => {
                let is_of_file = self.parts.file_login.are(login, password);
                if is_of_file && login.parse::<Login>().is_err() {
                    return Ok(Some(known(Actor::Login(login.clone()), everything())));
                }
                let user = people.of_password(Try { login, password, address }, is_of_file)?;
                Ok(Some(known(Actor::Login(user.login.to_string()), user.grant)))
            }
            Shown::Key(token) => {
                let key = people.of_key(token, address)?;
                Ok(Some(known(Actor::Key(key.name.to_string()), key.grant)))
            }
            Shown::Session(token) => Ok(people.of_session(token, used)?.map(|(session, user)| LetIn {
                caller: by(Actor::Login(user.login.to_string()), user.grant),
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
        let (user, place) = self.with_place(self.parts.people.user(&login)?)?;
        Ok(Account { user, place, sessions: self.parts.people.sessions(&login)? })
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

    /// Views of the caller, by name. Who has no account has none.
    pub fn views(&self) -> Result<Vec<View>, AppError> {
        let login = People::login_of(&self.caller)?;
        Ok(self.parts.people.views(&login)?)
    }

    /// Keeps a view of the caller, in the place of one of the same name.
    pub fn save_view(&self, name: &str, address: &str) -> Result<View, AppError> {
        let login = People::login_of(&self.caller)?;
        Ok(self.parts.people.save_view(&login, name, address)?)
    }

    /// Removes a view of the caller.
    pub fn remove_view(&self, name: &str) -> Result<(), AppError> {
        let login = People::login_of(&self.caller)?;
        Ok(self.parts.people.remove_view(&login, name)?)
    }

    /// All users, by login, each with the place of their role.
    pub fn users(&self) -> Result<Vec<(User, String)>, AppError> {
        self.people()?.users()?.into_iter().map(|user| self.with_place(user)).collect()
    }

    /// One user.
    pub fn user(&self, login: &str) -> Result<(User, String), AppError> {
        self.with_place(self.people()?.user(&login.parse()?)?)
    }

    fn with_place(&self, user: User) -> Result<(User, String), AppError> {
        let place = self.place_of(&user.grant)?;
        Ok((user, place))
    }

    /// Adds a user, who sets a password by the link; or has this one, and must change it.
    pub fn add_user(
        &self,
        login: &str,
        name: &str,
        wanted: &WantedRole,
        password: Option<&str>,
    ) -> Result<((User, String), Option<ToldLink>), AppError> {
        let (people, login) = (self.people()?, login.parse()?);
        let grant = self.grant(wanted)?;
        let link = people.add(&login, name, &grant, password, &self.caller)?;
        Ok((self.with_place(people.user(&login)?)?, link.map(|link| self.told(&link))))
    }

    /// Disables a user or lets them come in again; names them otherwise; gives them another role.
    pub fn set_user(
        &self,
        login: &str,
        name: Option<&str>,
        disabled: Option<bool>,
        wanted: Option<&WantedRole>,
    ) -> Result<(User, String), AppError> {
        let people = self.people()?;
        let grant = wanted.map(|wanted| self.grant(wanted)).transpose()?;
        self.with_place(people.set(&login.parse()?, name, disabled, grant.as_ref(), &self.caller)?)
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

    /// All keys of programs, by name, each with the place of its role.
    pub fn api_keys(&self) -> Result<Vec<(ApiKey, String)>, AppError> {
        let with_place = |key: ApiKey| {
            let place = self.place_of(&key.grant)?;
            Ok((key, place))
        };
        self.people()?.keys()?.into_iter().map(with_place).collect()
    }

    /// Makes a key. Its secret is told this once.
    pub fn add_api_key(
        &self,
        name: &str,
        days: u32,
        wanted: &WantedRole,
    ) -> Result<((ApiKey, String), Secret), AppError> {
        let people = self.people()?;
        let (key, secret) = people.add_key(name, days, self.grant(wanted)?, &self.caller)?;
        let place = self.place_of(&key.grant)?;
        Ok(((key, place), secret))
    }

    /// The folder name of a grant's place, for people; its id where that was removed.
    pub fn place_of(&self, grant: &Grant) -> Result<String, AppError> {
        let Some(place) = &grant.place else { return Ok(ALL.to_owned()) };
        let network = self.parts.network.current()?;
        let node = place.parse::<NodeId>().ok().and_then(|id| network.node(&id));
        Ok(node.map_or_else(|| place.clone(), |node| network.folder_name(node)))
    }

    fn grant(&self, wanted: &WantedRole) -> Result<Grant, AppError> {
        let role: Role = wanted.role.parse().map_err(|()| AppError::NoRole { text: wanted.role.clone() })?;
        let place = match wanted.place.as_deref().map(|text| self.nodes().find(text)).transpose()? {
            None | Some(NodeId::Chain(_)) => None,
            Some(node @ NodeId::Till(_)) => return Err(AppError::NoPlace { node }),
            Some(node) => Some(node.to_string()),
        };
        Ok(Grant { role: role.as_str().to_owned(), place })
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
