//! Users, their sessions, keys of programs.

use super::problem::{Problem, blocking};
use super::report::MailView;
use crate::app::{Acting, Role, ToldLink, WantedRole};
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_service::people::{ApiKey, Session, User, Which};
use utoipa::ToSchema;

/// How long a key lives where nothing is said.
const DEFAULT_KEY_DAYS: u32 = 365;

/// A user.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserView {
    /// What they come in as.
    pub login: String,
    /// What they are called.
    pub name: String,
    /// What they may: `viewer`, `operator`, `administrator`, `auditor`.
    pub role: String,
    /// Where: the folder name of the chain (`All`), a group or a shop.
    pub place: String,
    /// `active`; `disabled`; `invited`: no password is set yet; `must-change`: somebody else knows
    /// the password.
    pub state: String,
    /// When they were added, UTC.
    pub made_at: String,
    /// When they came in last, UTC.
    pub last_login: Option<String>,
    /// Until when their link is good, UTC; none where there is none.
    pub link_ends_at: Option<String>,
    /// Where they are written to, and of what.
    pub mail: MailView,
}

impl From<(User, String)> for UserView {
    fn from((user, place): (User, String)) -> Self {
        let state = state_of(&user).to_owned();
        let now = Timestamp::now();
        Self {
            login: user.login.to_string(),
            name: user.name,
            role: user.grant.role,
            place,
            state,
            made_at: user.made_at.to_string(),
            last_login: user.last_login.map(|at| at.to_string()),
            mail: user.mailing.into(),
            link_ends_at: user.link.filter(|link| link.ends_at > now).map(|link| link.ends_at.to_string()),
        }
    }
}

/// How a user stands, in a word.
pub fn state_of(user: &User) -> &'static str {
    match user {
        User { disabled: true, .. } => "disabled",
        User { password: None, .. } => "invited",
        User { must_change: true, .. } => "must-change",
        _ => "active",
    }
}

/// Who is added.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// What they come in as: at most 64 characters, large and small letters are the same.
    pub login: String,
    /// What they are called.
    #[serde(default)]
    pub name: String,
    /// What they may: `viewer`, `operator`, `administrator`, `auditor`; by default `viewer`.
    #[serde(default)]
    pub role: Option<String>,
    /// Where: the chain, a group or a shop, by id or folder name; by default the chain.
    #[serde(default)]
    pub place: Option<String>,
    /// Their first password, which they have to change; none: they set one by a link.
    #[serde(default)]
    pub password: Option<String>,
}

/// Somebody was added.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UserAdded {
    /// Who.
    pub user: UserView,
    /// By which they set a password; none where one was given.
    pub link: Option<LinkView>,
}

/// A link that sets a password, good once. Shown this once; the server does not keep it.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct LinkView {
    /// The address.
    pub url: String,
    /// Until when it is good, UTC.
    pub ends_at: String,
}

impl From<ToldLink> for LinkView {
    fn from(link: ToldLink) -> Self {
        Self { url: link.url, ends_at: link.ends_at.to_string() }
    }
}

/// What to change of a user; what is left out stays.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// What they are called.
    #[serde(default)]
    pub name: Option<String>,
    /// Whether they do not come in. Their sessions end at once.
    #[serde(default)]
    pub disabled: Option<bool>,
    /// Another role, at once, and with it its place.
    #[serde(default)]
    pub role: Option<String>,
    /// Where that holds; by default the whole chain.
    #[serde(default)]
    pub place: Option<String>,
}

/// A password for somebody else.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GivenPassword {
    /// At least 10 characters. Its user has to change it.
    pub password: String,
}

/// A new password of one's own.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct OwnPassword {
    /// The one of before.
    pub old: String,
    /// At least 10 characters.
    pub new: String,
}

/// Somebody who came in, and has not gone.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct SessionView {
    /// Its number.
    pub number: i64,
    /// When they came in, UTC.
    pub made_at: String,
    /// When they last asked for something, UTC.
    pub seen_at: String,
    /// Where from.
    pub address: Option<String>,
    /// What the browser calls itself.
    pub agent: String,
}

impl From<Session> for SessionView {
    fn from(session: Session) -> Self {
        let Session { no, made_at, seen_at, address, agent, .. } = session;
        Self { number: no, made_at: made_at.to_string(), seen_at: seen_at.to_string(), address, agent }
    }
}

/// Who asks.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Me {
    /// Who.
    pub user: UserView,
    /// Their sessions.
    pub sessions: Vec<SessionView>,
}

/// A program's key.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyView {
    /// What it is called.
    pub name: String,
    /// What it may: `viewer`, `operator`, `administrator`, `auditor`.
    pub role: String,
    /// Where: the folder name of the chain (`All`), a group or a shop.
    pub place: String,
    /// Who made it: `login:<user>`, `system:<user>`.
    pub made_by: String,
    /// When, UTC.
    pub made_at: String,
    /// Until when it is good, UTC.
    pub ends_at: String,
    /// When it was used last, UTC, within an hour.
    pub used_at: Option<String>,
}

impl From<(ApiKey, String)> for KeyView {
    fn from((key, place): (ApiKey, String)) -> Self {
        Self {
            name: key.name.to_string(),
            role: key.grant.role,
            place,
            made_by: key.made_by,
            made_at: key.made_at.to_string(),
            ends_at: key.ends_at.to_string(),
            used_at: key.used_at.map(|at| at.to_string()),
        }
    }
}

/// A key that is wanted.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewKey {
    /// What it is called: the program, or what it is for.
    pub name: String,
    /// For how many days it is good; by default 365, at most 1830.
    #[serde(default)]
    pub days: Option<u32>,
    /// What it may: `viewer`, `operator`, `administrator`, `auditor`; by default `viewer`.
    #[serde(default)]
    pub role: Option<String>,
    /// Where: the chain, a group or a shop, by id or folder name; by default the chain.
    #[serde(default)]
    pub place: Option<String>,
}

/// A role as a use case takes it.
fn wanted(role: Option<String>, place: Option<String>) -> WantedRole {
    WantedRole { role: role.unwrap_or_else(|| Role::Viewer.as_str().to_owned()), place }
}

/// A key that was made.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct KeyMade {
    /// The key.
    pub key: KeyView,
    /// What the program sends: `Authorization: Bearer twk_…`. Shown this once; the server does not
    /// keep it.
    pub token: String,
}

/// All users, by login.
#[utoipa::path(get, path = "/api/v1/users", tag = "people", security(("administrator" = [])),
    responses((status = 200, body = Vec<UserView>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn users(app: Acting) -> Result<Json<Vec<UserView>>, Problem> {
    let users = blocking(move || app.users()).await?;
    Ok(Json(users.into_iter().map(Into::into).collect()))
}

/// Adds a user, who sets a password by a link that is in the answer, this once; or has the one
/// that is given, and must change it.
#[utoipa::path(post, path = "/api/v1/users", tag = "people", security(("administrator" = [])), request_body = NewUser,
    responses((status = 201, body = UserAdded), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn add_user(app: Acting, Json(new): Json<NewUser>) -> Result<(StatusCode, Json<UserAdded>), Problem> {
    let added = move || {
        let NewUser { login, name, role, place, password } = new;
        app.add_user(&login, &name, &wanted(role, place), password.as_deref())
    };
    let (user, link) = blocking(added).await?;
    Ok((StatusCode::CREATED, Json(UserAdded { user: user.into(), link: link.map(Into::into) })))
}

/// One user.
#[utoipa::path(get, path = "/api/v1/users/{id}", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")),
    responses((status = 200, body = UserView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn show_user(app: Acting, Path(login): Path<String>) -> Result<Json<UserView>, Problem> {
    Ok(Json(blocking(move || app.user(&login)).await?.into()))
}

/// Disables a user or lets them come in again; names them otherwise.
#[utoipa::path(patch, path = "/api/v1/users/{id}", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")), request_body = UserChange,
    responses((status = 200, body = UserView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn set_user(
    app: Acting,
    Path(login): Path<String>,
    Json(change): Json<UserChange>,
) -> Result<Json<UserView>, Problem> {
    let UserChange { name, disabled, role, place } = change;
    let role = role.map(|role| wanted(Some(role), place));
    let user = blocking(move || app.set_user(&login, name.as_deref(), disabled, role.as_ref())).await?;
    Ok(Json(user.into()))
}

/// Removes a user. Their sessions end at once.
#[utoipa::path(delete, path = "/api/v1/users/{id}", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn remove_user(app: Acting, Path(login): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || app.remove_user(&login)).await.map(|()| StatusCode::NO_CONTENT)
}

/// Makes a link by which a user sets a password. The password of before and all sessions end at
/// once.
#[utoipa::path(post, path = "/api/v1/users/{id}/link", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")),
    responses((status = 201, body = LinkView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn reset_user(
    app: Acting,
    Path(login): Path<String>,
) -> Result<(StatusCode, Json<LinkView>), Problem> {
    let link = blocking(move || app.reset_user(&login)).await?;
    Ok((StatusCode::CREATED, Json(link.into())))
}

/// Sets somebody's password, which they have to change. All their sessions end at once.
#[utoipa::path(put, path = "/api/v1/users/{id}/password", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")), request_body = GivenPassword,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn set_password(
    app: Acting,
    Path(login): Path<String>,
    Json(given): Json<GivenPassword>,
) -> Result<StatusCode, Problem> {
    blocking(move || app.set_password(&login, &given.password)).await.map(|()| StatusCode::NO_CONTENT)
}

/// Sessions of a user that are good, the one that was used last first.
#[utoipa::path(get, path = "/api/v1/users/{id}/sessions", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")),
    responses((status = 200, body = Vec<SessionView>), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn sessions_of(app: Acting, Path(login): Path<String>) -> Result<Json<Vec<SessionView>>, Problem> {
    let sessions = blocking(move || app.sessions_of(&login)).await?;
    Ok(Json(sessions.into_iter().map(Into::into).collect()))
}

/// Ends all sessions of a user.
#[utoipa::path(delete, path = "/api/v1/users/{id}/sessions", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn end_sessions_of(app: Acting, Path(login): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || app.end_sessions_of(&login)).await.map(|_| StatusCode::NO_CONTENT)
}

/// All keys of programs, by name.
#[utoipa::path(get, path = "/api/v1/keys", tag = "people", security(("administrator" = [])),
    responses((status = 200, body = Vec<KeyView>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn keys(app: Acting) -> Result<Json<Vec<KeyView>>, Problem> {
    let keys = blocking(move || app.api_keys()).await?;
    Ok(Json(keys.into_iter().map(Into::into).collect()))
}

/// Makes a key for a program. It is in the answer, this once.
#[utoipa::path(post, path = "/api/v1/keys", tag = "people", security(("administrator" = [])), request_body = NewKey,
    responses((status = 201, body = KeyMade), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn add_key(app: Acting, Json(new): Json<NewKey>) -> Result<(StatusCode, Json<KeyMade>), Problem> {
    let days = new.days.unwrap_or(DEFAULT_KEY_DAYS);
    let (key, token) = blocking(move || app.add_api_key(&new.name, days, &wanted(new.role, new.place))).await?;
    Ok((StatusCode::CREATED, Json(KeyMade { key: key.into(), token: token.as_str().to_owned() })))
}

/// Removes a key: it is good no more.
#[utoipa::path(delete, path = "/api/v1/keys/{id}", tag = "people", security(("administrator" = [])),
    params(("id" = String, Path, description = "its name")),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn remove_key(app: Acting, Path(name): Path<String>) -> Result<StatusCode, Problem> {
    blocking(move || app.remove_api_key(&name)).await.map(|()| StatusCode::NO_CONTENT)
}

/// Who asks, and their sessions.
#[utoipa::path(get, path = "/api/v1/me", tag = "people", security(("administrator" = [])),
    responses((status = 200, body = Me), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn me(app: Acting) -> Result<Json<Me>, Problem> {
    let account = blocking(move || app.account()).await?;
    let sessions = account.sessions.into_iter().map(Into::into).collect();
    Ok(Json(Me { user: (account.user, account.place).into(), sessions }))
}

/// Changes one's own password. All sessions end.
#[utoipa::path(put, path = "/api/v1/me/password", tag = "people", security(("administrator" = [])),
    request_body = OwnPassword,
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(super) async fn change_own_password(app: Acting, Json(asked): Json<OwnPassword>) -> Result<StatusCode, Problem> {
    let changed = blocking(move || app.change_own_password(&asked.old, &asked.new, None)).await;
    changed.map(|()| StatusCode::NO_CONTENT)
}

/// Ends one of one's own sessions.
#[utoipa::path(delete, path = "/api/v1/me/sessions/{number}", tag = "people", security(("administrator" = [])),
    params(("number" = i64, Path, description = "its number")),
    responses((status = 204), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn end_own_session(app: Acting, Path(number): Path<i64>) -> Result<StatusCode, Problem> {
    blocking(move || app.end_own_sessions(Which::One(number))).await.map(|_| StatusCode::NO_CONTENT)
}
