//! Coming in and going: who may see the page, `/login`, `/logout`, and `/first`, where somebody
//! sets a password by a link.
//!
//! Nobody is asked by the browser itself: who shows nothing is led to `/login`, and from there to
//! what was asked for. HTTP Basic is taken where a program sends it.

use super::WebState;
use super::act::judged_in;
use super::pages::failed_in;
use crate::app::{AppError, FromWhere, LetIn, Shown};
use crate::rest::auth::{is_reading, let_in, shown};
use crate::rest::problem::{Problem, RequestFault, status_of};
use crate::words::{self, Language, Reason};
use axum::extract::{DefaultBodyLimit, Form, FromRequestParts, Query, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use tillway_service::actor::Face;
use tillway_service::page::{asks_for_events, forget_session, is_of_this_site, keep_session, language, session_token};
use tillway_service::people::{LoggedIn, MIN_PASSWORD_CHARS};
use tillway_service::serving::{Client, OverTls};

/// Where one comes in.
const LOGIN: &str = "/login";

/// Where a password is changed.
pub(super) const ACCOUNT: &str = "/account";

/// A form here: login, password, a token.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The session that a request came in; none where it came with a password.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat(pub(super) Option<i64>);

/// The routes that need nobody to be known.
pub(super) fn open_router() -> Router<WebState> {
    Router::new()
        .route(LOGIN, get(ask).post(come_in))
        .route("/first", get(ask_first).post(set_first))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// The routes of who came in.
pub(super) fn router() -> Router<WebState> {
    Router::new().route("/logout", post(go)).layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// Where a request comes from, and how.
pub(super) struct Came {
    pub(super) from: FromWhere,
    pub(super) over_tls: bool,
    headers: HeaderMap,
}

impl Came {
    /// The token of the session that the browser has.
    pub(super) fn token(&self) -> Option<String> {
        session_token(&self.headers, self.over_tls).map(str::to_owned)
    }

    /// The address under which the browser has the page.
    pub(super) fn own_address(&self) -> Option<String> {
        let host = self.headers.get(header::HOST)?.to_str().ok()?;
        Some(format!("{}://{host}", if self.over_tls { "https" } else { "http" }))
    }
}

impl<S: Sync> FromRequestParts<S> for Came {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        let agent = parts.headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or_default();
        let address = parts.extensions.get().map(|Client(address)| *address);
        Ok(Self {
            from: FromWhere { address, agent: agent.to_owned() },
            over_tls: parts.extensions.get::<OverTls>().is_some(),
            headers: parts.headers.clone(),
        })
    }
}

/// Lets those through who are known, and notes who asks; leads others to where they come in.
pub(super) async fn known_only(State(state): State<WebState>, mut request: Request, next: Next) -> Response {
    let reads = is_reading(request.method());
    if !reads && is_of_this_site(request.headers()) == Some(false) {
        return Problem::from(RequestFault::FromOtherSite).into_response();
    }
    let over_tls = request.extensions().get::<OverTls>().is_some();
    let path = request.uri().path().to_owned();
    // A page renews itself: nobody does anything by that.
    let by_itself = asks_for_events(request.headers());
    let Some(shown) = shown(request.headers(), over_tls) else { return lead_in(&request, by_itself) };
    let came_by_session = matches!(shown, Shown::Session(_));
    let address = request.extensions().get().map(|Client(address)| *address);
    let LetIn { caller, session, must_change } = match let_in(state.app, shown, Face::Page, address, !by_itself).await {
        Ok(Some(let_in)) => let_in,
        Ok(None) => return lead_in(&request, by_itself),
        Err(problem) if came_by_session => return problem.into_response(),
        // Asked once more by the browser itself, people would never come to the form.
        Err(problem) => return without_asking(problem.into_response()),
    };
    if must_change && !path.starts_with(ACCOUNT) && path != "/logout" {
        return Redirect::to(ACCOUNT).into_response();
    }
    request.extensions_mut().insert(caller);
    request.extensions_mut().insert(Seat(session));
    next.run(request).await
}

/// To where one comes in, and back from there.
fn lead_in(request: &Request, by_itself: bool) -> Response {
    if by_itself {
        return without_asking(Problem::from(RequestFault::NoCredentials).into_response());
    }
    let wanted = request.uri().path_and_query().map_or("/", |path| path.as_str());
    let next = if is_reading(request.method()) { wanted } else { "/" };
    let asked = request.uri().query().unwrap_or_default().split('&').find_map(|pair| pair.strip_prefix("lang="));
    let language = asked.and_then(Language::of_tag).map(|language| format!("lang={}", language.code()));
    let onward = (next != "/").then(|| format!("next={}", escaped(next)));
    let query: Vec<String> = onward.into_iter().chain(language).collect();
    let query = if query.is_empty() { String::new() } else { format!("?{}", query.join("&")) };
    Redirect::to(&format!("{LOGIN}{query}")).into_response()
}

fn without_asking(mut response: Response) -> Response {
    response.headers_mut().remove(header::WWW_AUTHENTICATE);
    response
}

/// A path as a value in an address.
fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// Where somebody is led who came in: within this page, whatever the address said.
fn onward(next: Option<&str>) -> &str {
    let is_ours = |next: &&str| {
        next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') && !next.chars().any(char::is_control)
    };
    next.filter(is_ours).unwrap_or("/")
}

/// The language that a form was sent in.
#[derive(Deserialize)]
struct Asked {
    lang: Option<String>,
}

#[derive(Deserialize)]
struct AskedToComeIn {
    lang: Option<String>,
    next: Option<String>,
}

#[derive(Deserialize)]
struct LoginForm {
    token: String,
    login: String,
    password: String,
    next: Option<String>,
}

#[derive(Serialize)]
struct LoginView<'a> {
    server: &'a str,
    form_token: &'a str,
    login: &'a str,
    next: &'a str,
    /// Why the try before failed.
    why: Option<String>,
}

async fn ask(State(state): State<WebState>, Query(asked): Query<AskedToComeIn>, headers: HeaderMap) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    let next = onward(asked.next.as_deref());
    let form_token = state.secret.token(&headers);
    let view = LoginView { server: &state.name, form_token: &form_token, login: "", next, why: None };
    state.renderer.answer(StatusCode::OK, "login.html", language, &view)
}

async fn come_in(
    State(state): State<WebState>,
    Query(asked): Query<AskedToComeIn>,
    came: Came,
    headers: HeaderMap,
    Form(form): Form<LoginForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = judged_in(&state, language, &headers, &form.token) {
        return *refusal;
    }
    let next = onward(form.next.as_deref()).to_owned();
    let (app, login, over_tls) = (state.app.clone(), form.login.clone(), came.over_tls);
    let tried = tokio::task::spawn_blocking(move || {
        app.log_in(form.login.trim(), &form.password, &came.from, came.token().as_deref())
    });
    match tried.await {
        Ok(Ok(logged_in)) => seated(&logged_in, &next, over_tls),
        Ok(Err(error)) => {
            tell(&error);
            let (why, form_token) =
                (Some(words::of(language).reason(&Reason::of(&error))), state.secret.token(&headers));
            let view = LoginView { server: &state.name, form_token: &form_token, login: &login, next: &next, why };
            state.renderer.answer(status_of(&error), "login.html", language, &view)
        }
        Err(join) => cut_off(&state, language, &RequestFault::from(join)),
    }
}

/// Leads on with a new session: the token of before is worth nothing.
fn seated(logged_in: &LoggedIn, next: &str, over_tls: bool) -> Response {
    with_cookie(Redirect::to(next).into_response(), keep_session(logged_in.token.as_str(), over_tls))
}

fn with_cookie(mut response: Response, cookie: Option<HeaderValue>) -> Response {
    if let Some(cookie) = cookie {
        response.headers_mut().append(header::SET_COOKIE, cookie);
    }
    response
}

#[derive(Deserialize)]
struct TokenForm {
    token: String,
}

async fn go(
    State(state): State<WebState>,
    Query(asked): Query<Asked>,
    came: Came,
    headers: HeaderMap,
    Form(form): Form<TokenForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = judged_in(&state, language, &headers, &form.token) {
        return *refusal;
    }
    let (app, over_tls) = (state.app.clone(), came.over_tls);
    let gone = tokio::task::spawn_blocking(move || match came.token() {
        Some(token) => app.log_out(&token, &came.from),
        None => Ok(()),
    });
    match gone.await {
        Ok(Ok(())) => {
            let to = format!("{LOGIN}?lang={}", language.code());
            with_cookie(Redirect::to(&to).into_response(), forget_session(over_tls))
        }
        Ok(Err(error)) => not_done(&state, language, &error),
        Err(join) => cut_off(&state, language, &RequestFault::from(join)),
    }
}

#[derive(Deserialize)]
struct AskedFirst {
    lang: Option<String>,
    link: Option<String>,
}

#[derive(Deserialize)]
struct FirstForm {
    token: String,
    link: String,
    password: String,
    again: String,
}

#[derive(Serialize)]
struct FirstView<'a> {
    server: &'a str,
    form_token: &'a str,
    link: &'a str,
    login: &'a str,
    least: usize,
    why: Option<String>,
}

/// Nothing comes of looking: programs that guard mail open every link.
async fn ask_first(State(state): State<WebState>, Query(asked): Query<AskedFirst>, headers: HeaderMap) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    let link = asked.link.unwrap_or_default();
    first(&state, language, &headers, link, None).await
}

async fn first(
    state: &WebState,
    language: Language,
    headers: &HeaderMap,
    link: String,
    why: Option<(StatusCode, String)>,
) -> Response {
    let (app, asked) = (state.app.clone(), link.clone());
    match tokio::task::spawn_blocking(move || app.of_link(&asked)).await {
        Ok(Ok(user)) => {
            let (status, why) = why.map_or((StatusCode::OK, None), |(status, why)| (status, Some(why)));
            let (form_token, login) = (state.secret.token(headers), user.login.as_str());
            let least = MIN_PASSWORD_CHARS;
            let view = FirstView { server: &state.name, form_token: &form_token, link: &link, login, least, why };
            state.renderer.answer(status, "first.html", language, &view)
        }
        Ok(Err(error)) => not_done(state, language, &error),
        Err(join) => cut_off(state, language, &RequestFault::from(join)),
    }
}

async fn set_first(
    State(state): State<WebState>,
    Query(asked): Query<Asked>,
    came: Came,
    headers: HeaderMap,
    Form(form): Form<FirstForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = judged_in(&state, language, &headers, &form.token) {
        return *refusal;
    }
    if form.password != form.again {
        let why = words::of(language).text("password-twice", []);
        return first(&state, language, &headers, form.link, Some((StatusCode::BAD_REQUEST, why))).await;
    }
    let (app, link, over_tls) = (state.app.clone(), form.link.clone(), came.over_tls);
    match tokio::task::spawn_blocking(move || app.use_link(&form.link, &form.password, &came.from)).await {
        Ok(Ok(logged_in)) => seated(&logged_in, &format!("/?lang={}", language.code()), over_tls),
        Ok(Err(error)) => {
            tell(&error);
            let why = words::of(language).reason(&Reason::of(&error));
            first(&state, language, &headers, link, Some((status_of(&error), why))).await
        }
        Err(join) => cut_off(&state, language, &RequestFault::from(join)),
    }
}

/// Tells why something was not done.
pub(super) fn not_done(state: &WebState, language: Language, error: &AppError) -> Response {
    tell(error);
    failed_in(state, language, status_of(error), &Reason::of(error))
}

pub(super) fn cut_off(state: &WebState, language: Language, fault: &RequestFault) -> Response {
    failed_in(state, language, StatusCode::INTERNAL_SERVER_ERROR, &Reason::of(fault))
}

fn tell(error: &AppError) {
    tracing::warn!(error = crate::error_chain(error), "what was asked for on the page was not done");
}

/// The session that asks, where one does.
pub(super) type Sits = Option<Extension<Seat>>;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_away_from_this_page() {
        for (next, to) in [
            (Some("/people?lang=ru"), "/people?lang=ru"),
            (Some("//evil.example"), "/"),
            (Some("/\\evil.example"), "/"),
            (Some("https://evil.example"), "/"),
            (Some("/\r\nSet-Cookie: x"), "/"),
            (None, "/"),
        ] {
            assert_eq!(onward(next), to, "{next:?}");
        }
        assert_eq!(escaped("/people?lang=ru&x=a b"), "/people%3Flang%3Dru%26x%3Da%20b");
    }
}
