//! One's own account: the password, and where one is logged in.

use super::WebState;
use super::act::{Asked, Refusal};
use super::login::{ACCOUNT, Sits, cut_off, not_done};
use crate::app::{Account, Acting, AppError};
use crate::rest::problem::{RequestFault, status_of};
use crate::words::{self, Language, Reason};
use axum::extract::{DefaultBodyLimit, Form, Query, State};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_service::actor::Caller;
use tillway_service::page::language;
use tillway_service::people::{MIN_PASSWORD_CHARS, Which};

/// A form here: two passwords and a token.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The routes.
pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route(ACCOUNT, get(show))
        .route("/account/password", post(change))
        .route("/account/end", post(end))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

#[derive(Deserialize)]
struct PasswordForm {
    token: String,
    old: String,
    password: String,
    again: String,
}

#[derive(Deserialize)]
struct EndForm {
    token: String,
    /// One session; none: all but the one that asks.
    session: Option<i64>,
}

/// What the page shows.
#[derive(Serialize)]
pub(super) struct AccountView {
    pub(super) form_token: String,
    pub(super) now: Timestamp,
    pub(super) login: String,
    pub(super) name: String,
    pub(super) must_change: bool,
    /// Whether it was asked for with a session, not with a password in each request.
    pub(super) by_session: bool,
    pub(super) least: usize,
    pub(super) why: Option<String>,
    pub(super) sessions: Vec<SeatView>,
}

/// A session as it is shown.
#[derive(Serialize)]
pub(super) struct SeatView {
    pub(super) number: i64,
    pub(super) made_at: Timestamp,
    pub(super) seen_at: Timestamp,
    pub(super) address: Option<String>,
    pub(super) agent: String,
    pub(super) is_this: bool,
}

async fn show(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    seat: Sits,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    account(&state, &state.app.acting_for(caller), &seat, language, &headers, None).await
}

async fn account(
    state: &WebState,
    app: &Acting,
    seat: &Sits,
    language: Language,
    headers: &HeaderMap,
    why: Option<(StatusCode, String)>,
) -> Response {
    let asking = app.clone();
    let Account { user, sessions } = match tokio::task::spawn_blocking(move || asking.account()).await {
        Ok(Ok(account)) => account,
        Ok(Err(error)) => return not_done(state, language, &error),
        Err(join) => return cut_off(state, language, &RequestFault::from(join)),
    };
    let own = session_of(seat);
    let sessions = sessions.into_iter().map(|session| SeatView {
        number: session.no,
        made_at: session.made_at,
        seen_at: session.seen_at,
        address: session.address,
        agent: session.agent,
        is_this: Some(session.no) == own,
    });
    let (status, why) = why.map_or((StatusCode::OK, None), |(status, why)| (status, Some(why)));
    let view = AccountView {
        form_token: state.secret.token(headers),
        now: Timestamp::now(),
        login: user.login.to_string(),
        name: user.name,
        must_change: user.must_change,
        by_session: own.is_some(),
        least: MIN_PASSWORD_CHARS,
        why,
        sessions: sessions.collect(),
    };
    state.renderer.answer(status, "account.html", language, &view)
}

fn session_of(seat: &Sits) -> Option<i64> {
    seat.as_ref().and_then(|Extension(seat)| seat.0)
}

async fn change(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    seat: Sits,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<PasswordForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = state.secret.judge(&form.token, &headers) {
        return Refusal::from(refusal).answer(&state, language);
    }
    let app = state.app.acting_for(caller);
    if form.password != form.again {
        let why = (StatusCode::BAD_REQUEST, words::of(language).text("password-twice", []));
        return account(&state, &app, &seat, language, &headers, Some(why)).await;
    }
    let (asking, session) = (app.clone(), session_of(&seat));
    let changing = move || asking.change_own_password(&form.old, &form.password, session);
    match tokio::task::spawn_blocking(changing).await {
        Ok(Ok(())) => Redirect::to(&format!("/?lang={}", language.code())).into_response(),
        Ok(Err(error)) => {
            let why = words::of(language).reason(&Reason::of(&error));
            account(&state, &app, &seat, language, &headers, Some((status_of(&error), why))).await
        }
        Err(join) => cut_off(&state, language, &RequestFault::from(join)),
    }
}

async fn end(
    State(state): State<WebState>,
    Extension(caller): Extension<Caller>,
    seat: Sits,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
    Form(form): Form<EndForm>,
) -> Response {
    let language = language(asked.lang.as_deref(), &headers);
    if let Err(refusal) = state.secret.judge(&form.token, &headers) {
        return Refusal::from(refusal).answer(&state, language);
    }
    let which = match (form.session, session_of(&seat)) {
        (Some(session), _) => Which::One(session),
        (None, Some(own)) => Which::AllBut(own),
        (None, None) => Which::All,
    };
    let app = state.app.acting_for(caller);
    let ended: Result<Result<u64, AppError>, _> =
        tokio::task::spawn_blocking(move || app.end_own_sessions(which)).await;
    match ended {
        Ok(Ok(_)) => Redirect::to(&format!("{ACCOUNT}?lang={}", language.code())).into_response(),
        Ok(Err(error)) => not_done(&state, language, &error),
        Err(join) => cut_off(&state, language, &RequestFault::from(join)),
    }
}
