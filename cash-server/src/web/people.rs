//! People who may come in, and keys of programs.

use super::WebState;
use super::act::{gone, judged};
use super::login::{Came, cut_off, not_done};
use super::mailing::MailingView;
use super::pages::{MAX_ROWS, Made, step};
use super::reader::Reader;
use crate::app::{Act, Acting, AppError, Role, ToldLink, WantedRole, may};
use crate::rest::people::state_of;
use crate::rest::problem::RequestFault;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_proto::NodeLevel;
use tillway_service::page::Crumb;
use tillway_service::people::MAX_KEY_DAYS;

/// Places that a list offers; whoever has more names one by the command line.
const MAX_PLACES: usize = 500;

/// A form here: names and a token.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The routes.
pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/people", get(show))
        .route("/people/add", post(add))
        .route("/people/change", post(change))
        .route("/people/role", post(set_role))
        .route("/people/confirm", post(confirm))
        .route("/people/keys/add", post(add_key))
        .route("/people/keys/remove", post(remove_key))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// What the page shows.
#[derive(Serialize)]
pub(super) struct PeopleView {
    pub(super) users: Vec<PersonView>,
    /// Users beyond those that are shown.
    pub(super) more: usize,
    pub(super) keys: Vec<KeyRow>,
    /// Whether mails are sent at all.
    pub(super) sends_mail: bool,
    /// Whether a trial was sent just now.
    pub(super) is_sent: bool,
    pub(super) most_days: u32,
    pub(super) roles: [&'static str; 4],
    /// Folder names of the chain, groups and shops, each with its name.
    pub(super) places: Vec<(String, String)>,
    /// What each role may: a row an act, a cell a role.
    pub(super) rights: Vec<(&'static str, [bool; 4])>,
}

/// A user as shown.
#[derive(Serialize)]
pub(super) struct PersonView {
    pub(super) login: String,
    pub(super) name: String,
    pub(super) role: String,
    pub(super) place: String,
    pub(super) state: &'static str,
    pub(super) last_login: Option<Timestamp>,
    pub(super) mailing: MailingView,
}

/// A key as shown.
#[derive(Serialize)]
pub(super) struct KeyRow {
    pub(super) name: String,
    pub(super) role: String,
    pub(super) place: String,
    pub(super) made_by: String,
    pub(super) ends_at: Timestamp,
    pub(super) used_at: Option<Timestamp>,
    pub(super) ended: bool,
}

/// What is shown once.
#[derive(Serialize)]
pub(super) struct OnceView<'a> {
    /// The heading is the message `once-<sort>`, what to do with it `once-<sort>-todo`.
    pub(super) sort: &'static str,
    pub(super) name: &'a str,
    pub(super) text: &'a str,
    pub(super) ends_at: Timestamp,
}

/// What is asked once more.
#[derive(Serialize)]
pub(super) struct SureView<'a> {
    /// The heading is the message `sure-<what>`, what follows `sure-<what>-effect`.
    pub(super) what: &'static str,
    pub(super) login: &'a str,
}

#[derive(Deserialize)]
struct AddForm {
    token: String,
    login: String,
    name: String,
    role: String,
    place: String,
}

#[derive(Deserialize)]
struct RoleForm {
    token: String,
    login: String,
    role: String,
    place: String,
}

#[derive(Deserialize)]
struct ChangeForm {
    token: String,
    login: String,
    what: What,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Disable,
    Enable,
    Reset,
    Remove,
}

#[derive(Deserialize)]
struct KeyForm {
    token: String,
    name: String,
    days: u32,
    role: String,
    place: String,
}

#[derive(Deserialize)]
struct RemoveKeyForm {
    token: String,
    name: String,
}

async fn show(State(state): State<WebState>, reader: Reader) -> Response {
    let is_sent = reader.asks_for("trial");
    match blocking(&state, &reader, move |app| view(app, is_sent)).await {
        Ok(view) => shown(&state, &reader, "people.html", view),
        Err(response) => response,
    }
}

/// In its frame.
fn shown<V: Serialize>(state: &WebState, reader: &Reader, template: &'static str, body: V) -> Response {
    let crumbs = vec![Crumb::here(reader.words().text("nav-people", []))];
    step(state, reader, "people", template, Made { crumbs, body })
}

fn view(app: &Acting, is_sent: bool) -> Result<PeopleView, AppError> {
    let (users, keys, now) = (app.users()?, app.api_keys()?, Timestamp::now());
    let nodes = app.nodes().list()?.into_iter().filter(|info| info.node.level() != NodeLevel::Till);
    let more = users.len().saturating_sub(MAX_ROWS);
    let person = |(user, place): (tillway_service::people::User, String)| PersonView {
        role: user.grant.role.clone(),
        place,
        state: state_of(&user),
        mailing: MailingView::from(&user.mailing),
        login: user.login.to_string(),
        name: user.name,
        last_login: user.last_login,
    };
    let key = |(key, place): (tillway_service::people::ApiKey, String)| KeyRow {
        name: key.name.to_string(),
        role: key.grant.role,
        place,
        made_by: key.made_by,
        ended: key.ends_at <= now,
        ends_at: key.ends_at,
        used_at: key.used_at,
    };
    Ok(PeopleView {
        users: users.into_iter().take(MAX_ROWS).map(person).collect(),
        more,
        keys: keys.into_iter().map(key).collect(),
        sends_mail: app.sends_mail(),
        is_sent,
        most_days: MAX_KEY_DAYS,
        roles: Role::ALL.map(Role::as_str),
        places: nodes.map(|info| (info.folder, info.node.name)).take(MAX_PLACES).collect(),
        rights: Act::ALL.map(|act| (act.as_str(), Role::ALL.map(|role| may(role, act)))).into(),
    })
}

async fn add(State(state): State<WebState>, reader: Reader, came: Came, Form(form): Form<AddForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let wanted = WantedRole { role: form.role, place: Some(form.place) };
    match blocking(&state, &reader, move |app| app.add_user(form.login.trim(), &form.name, &wanted, None)).await {
        Ok(((user, _), Some(link))) => told_link(&state, &reader, &came, user.login.as_str(), &link),
        Ok((_, None)) => back(),
        Err(response) => response,
    }
}

/// The address by which the browser has the page is one that is good for others too.
fn told_link(state: &WebState, reader: &Reader, came: &Came, login: &str, link: &ToldLink) -> Response {
    let url = came.own_address().map_or_else(|| link.url.clone(), |own| format!("{own}{}", link.path));
    let once = OnceView { sort: "link", name: login, text: &url, ends_at: link.ends_at };
    shown(state, reader, "once.html", once)
}

/// What takes something away is asked for twice.
async fn confirm(State(state): State<WebState>, reader: Reader, Form(form): Form<ChangeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let what = match form.what {
        What::Disable => "disable",
        What::Reset => "reset",
        What::Remove => "remove",
        What::Enable => return gone(&state, &reader),
    };
    shown(&state, &reader, "sure.html", SureView { what, login: &form.login })
}

async fn change(State(state): State<WebState>, reader: Reader, came: Came, Form(form): Form<ChangeForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let (login, what) = (form.login.clone(), form.what);
    let done = blocking(&state, &reader, move |app| match what {
        What::Disable => app.set_user(&login, None, Some(true), None).map(|_| None),
        What::Enable => app.set_user(&login, None, Some(false), None).map(|_| None),
        What::Reset => app.reset_user(&login).map(Some),
        What::Remove => app.remove_user(&login).map(|()| None),
    });
    match done.await {
        Ok(Some(link)) => told_link(&state, &reader, &came, &form.login, &link),
        Ok(None) => back(),
        Err(response) => response,
    }
}

async fn set_role(State(state): State<WebState>, reader: Reader, Form(form): Form<RoleForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let set = blocking(&state, &reader, move |app| {
        let wanted = WantedRole { role: form.role, place: Some(form.place) };
        app.set_user(&form.login, None, None, Some(&wanted)).map(drop)
    });
    set.await.map_or_else(|response| response, |()| back())
}

async fn add_key(State(state): State<WebState>, reader: Reader, Form(form): Form<KeyForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let wanted = WantedRole { role: form.role, place: Some(form.place) };
    match blocking(&state, &reader, move |app| app.add_api_key(form.name.trim(), form.days, &wanted)).await {
        Ok(((key, _), secret)) => {
            let once = OnceView { sort: "key", name: key.name.as_str(), text: secret.as_str(), ends_at: key.ends_at };
            shown(&state, &reader, "once.html", once)
        }
        Err(response) => response,
    }
}

async fn remove_key(State(state): State<WebState>, reader: Reader, Form(form): Form<RemoveKeyForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let removed = blocking(&state, &reader, move |app| app.remove_api_key(&form.name)).await;
    removed.map_or_else(|response| response, |()| back())
}

fn back() -> Response {
    Redirect::to("/people").into_response()
}

/// Does it off the async threads; else the page that tells why not.
pub(super) async fn blocking<T: Send + 'static>(
    state: &WebState,
    reader: &Reader,
    act: impl FnOnce(&Acting) -> Result<T, AppError> + Send + 'static,
) -> Result<T, Response> {
    let app = reader.app(state);
    match tokio::task::spawn_blocking(move || act(&app)).await {
        Ok(Ok(done)) => Ok(done),
        Ok(Err(error)) => Err(not_done(state, reader.language, &error)),
        Err(join) => Err(cut_off(state, reader.language, &RequestFault::from(join))),
    }
}
