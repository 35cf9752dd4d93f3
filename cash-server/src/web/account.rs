//! One's own account: the password, and where one is logged in.

use super::WebState;
use super::act::judged;
use super::login::{ACCOUNT, Sits, cut_off, not_done};
use super::mailing::MailingView;
use super::pages::{Made, in_frame};
use super::reader::Reader;
use crate::app::{Account, AppError};
use crate::rest::problem::{RequestFault, status_of};
use crate::words::Reason;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::{get, post};
use axum::{Extension, Router};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tillway_service::page::Crumb;
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
    pub(super) login: String,
    pub(super) name: String,
    pub(super) role: String,
    pub(super) place: String,
    pub(super) must_change: bool,
    /// Whether it was asked for with a session, not with a password in each request.
    pub(super) by_session: bool,
    pub(super) least: usize,
    pub(super) why: Option<String>,
    /// `off`: no mails are sent at all; `on`; `sent`: a trial was sent just now.
    pub(super) mails: &'static str,
    pub(super) mailing: MailingView,
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

async fn show(State(state): State<WebState>, seat: Sits, reader: Reader) -> Response {
    account(&state, &reader, &seat, None).await
}

async fn account(state: &WebState, reader: &Reader, seat: &Sits, why: Option<(StatusCode, String)>) -> Response {
    let asking = reader.app(state);
    let Account { user, place, sessions } = match tokio::task::spawn_blocking(move || asking.account()).await {
        Ok(Ok(account)) => account,
        Ok(Err(error)) => return not_done(state, reader.language, &error),
        Err(join) => return cut_off(state, reader.language, &RequestFault::from(join)),
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
    let mailing = MailingView::from(&user.mailing);
    let view = AccountView {
        mailing,
        mails: match (reader.app(state).sends_mail(), reader.asks_for("trial")) {
            (_, true) => "sent",
            (true, false) => "on",
            (false, false) => "off",
        },
        login: user.login.to_string(),
        name: user.name,
        role: user.grant.role,
        place,
        must_change: user.must_change,
        by_session: own.is_some(),
        least: MIN_PASSWORD_CHARS,
        why,
        sessions: sessions.collect(),
    };
    let crumbs = vec![Crumb::here(reader.words().text("account", []))];
    in_frame(state, reader, status, "account", "account.html", Made { crumbs, body: view })
}

fn session_of(seat: &Sits) -> Option<i64> {
    seat.as_ref().and_then(|Extension(seat)| seat.0)
}

async fn change(State(state): State<WebState>, seat: Sits, reader: Reader, Form(form): Form<PasswordForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    if form.password != form.again {
        let why = (StatusCode::BAD_REQUEST, reader.words().text("password-twice", []));
        return account(&state, &reader, &seat, Some(why)).await;
    }
    let (asking, session) = (reader.app(&state), session_of(&seat));
    let changing = move || asking.change_own_password(&form.old, &form.password, session);
    match tokio::task::spawn_blocking(changing).await {
        Ok(Ok(())) => Redirect::to("/").into_response(),
        Ok(Err(error)) => {
            let why = reader.words().reason(&Reason::of(&error));
            account(&state, &reader, &seat, Some((status_of(&error), why))).await
        }
        Err(join) => cut_off(&state, reader.language, &RequestFault::from(join)),
    }
}

async fn end(State(state): State<WebState>, seat: Sits, reader: Reader, Form(form): Form<EndForm>) -> Response {
    if let Err(refusal) = judged(&state, &reader, &form.token) {
        return *refusal;
    }
    let which = match (form.session, session_of(&seat)) {
        (Some(session), _) => Which::One(session),
        (None, Some(own)) => Which::AllBut(own),
        (None, None) => Which::All,
    };
    let app = reader.app(&state);
    let ended: Result<Result<u64, AppError>, _> =
        tokio::task::spawn_blocking(move || app.end_own_sessions(which)).await;
    match ended {
        Ok(Ok(_)) => Redirect::to(ACCOUNT).into_response(),
        Ok(Err(error)) => not_done(&state, reader.language, &error),
        Err(join) => cut_off(&state, reader.language, &RequestFault::from(join)),
    }
}
