//! Forms about mails: to whom, in which language, of what; and one to see whether they arrive.

use super::WebState;
use super::act::judged;
use super::people::blocking;
use super::reader::Reader;
use crate::app::{Acting, AppError, MailingWanted};
use crate::store::outbox::AlertSort;
use axum::Router;
use axum::extract::{DefaultBodyLimit, Form, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::post;
use serde::{Deserialize, Serialize};
use tillway_service::people::Mailing;
use tillway_service::words::Language;

/// A form here: an address, some ticks and a token.
const MAX_FORM_BYTES: usize = 16 * 1024;

/// The routes.
pub(super) fn router() -> Router<WebState> {
    Router::new()
        .route("/account/mail", post(set_own))
        .route("/account/trial", post(send_own))
        .route("/people/mail", post(set))
        .route("/people/trial", post(send))
        .layer(DefaultBodyLimit::max(MAX_FORM_BYTES))
}

/// What the form shows.
#[derive(Debug, Default, Serialize)]
pub(super) struct MailingView {
    pub(super) address: Option<String>,
    /// Empty: nobody has chosen one.
    pub(super) language: &'static str,
    pub(super) report: bool,
    /// What can be wanted, and whether it is.
    pub(super) alerts: Vec<(&'static str, bool)>,
}

impl From<&Mailing> for MailingView {
    fn from(mailing: &Mailing) -> Self {
        let is_wanted = |sort: AlertSort| mailing.alerts.iter().any(|word| word == sort.as_str());
        Self {
            address: mailing.address.as_ref().map(ToString::to_string),
            language: mailing.language.map(Language::code).unwrap_or_default(),
            report: mailing.report,
            alerts: AlertSort::ALL.map(|sort| (sort.as_str(), is_wanted(sort))).into(),
        }
    }
}

#[derive(Deserialize)]
struct MailForm {
    token: String,
    /// Whose; none: one's own.
    login: Option<String>,
    address: String,
    language: String,
    report: Option<String>,
    #[serde(rename = "held-load")]
    held_load: Option<String>,
    #[serde(rename = "silent-shop")]
    silent_shop: Option<String>,
    #[serde(rename = "shift-differs")]
    shift_differs: Option<String>,
}

impl MailForm {
    fn wanted(&self) -> MailingWanted {
        let ticked = |sort: &AlertSort| match sort {
            AlertSort::HeldLoad => self.held_load.is_some(),
            AlertSort::SilentShop => self.silent_shop.is_some(),
            AlertSort::ShiftDiffers => self.shift_differs.is_some(),
        };
        MailingWanted {
            address: Some(self.address.clone()),
            language: Some(self.language.clone()),
            report: Some(self.report.is_some()),
            alerts: Some(AlertSort::ALL.into_iter().filter(ticked).map(|sort| sort.as_str().to_owned()).collect()),
        }
    }
}

#[derive(Deserialize)]
struct TrialForm {
    token: String,
    /// Whose; none: one's own.
    login: Option<String>,
}

async fn set_own(State(state): State<WebState>, reader: Reader, Form(form): Form<MailForm>) -> Response {
    let wanted = form.wanted();
    done(state, reader, &form.token, "/account", move |app| app.set_own_mailing(wanted).map(drop)).await
}

async fn set(State(state): State<WebState>, reader: Reader, Form(form): Form<MailForm>) -> Response {
    let (wanted, login) = (form.wanted(), form.login.unwrap_or_default());
    done(state, reader, &form.token, "/people", move |app| app.set_mailing_of(&login, wanted).map(drop)).await
}

async fn send_own(State(state): State<WebState>, reader: Reader, Form(form): Form<TrialForm>) -> Response {
    let is_report = reader.back_or("/account").starts_with("/report");
    let back = if is_report { "/report?trial=1" } else { "/account?trial=1" };
    done(state, reader, &form.token, back, |app| app.send_own_trial().map(drop)).await
}

async fn send(State(state): State<WebState>, reader: Reader, Form(form): Form<TrialForm>) -> Response {
    let login = form.login.unwrap_or_default();
    done(state, reader, &form.token, "/people?trial=1", move |app| app.send_trial_to(&login).map(drop)).await
}

async fn done(
    state: WebState,
    reader: Reader,
    token: &str,
    back: &'static str,
    act: impl FnOnce(&Acting) -> Result<(), AppError> + Send + 'static,
) -> Response {
    if let Err(refusal) = judged(&state, &reader, token) {
        return *refusal;
    }
    let done = blocking(&state, &reader, act).await;
    done.map_or_else(|response| response, |()| Redirect::to(back).into_response())
}
