//! The report of now: what needs a look, in words; and whether mails arrive.

use super::problem::{Problem, blocking};
use crate::app::{Acting, MailingWanted};
use crate::report::{Line, Report, Topic, gather, report};
use crate::rest::people::UserView;
use crate::words::{self, FluentArgs, Language, Words};
use axum::Json;
use axum::extract::Path;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use tillway_service::people::Mailing;
use utoipa::ToSchema;

/// What needs a look, by kind.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct ReportView {
    /// When it was made, UTC.
    pub at: String,
    /// The part of the network that it tells of, in words.
    pub place: String,
    /// Tills there.
    pub tills: u64,
    /// Tills that have what they should have.
    pub current: u64,
    /// Tills that a newer state is on its way to.
    pub behind: u64,
    /// Tills that are silent.
    pub silent: u64,
    /// Tills under repair.
    pub parked: u64,
    /// What needs a look, the weightiest first.
    pub topics: Vec<TopicView>,
}

/// What needs a look of one kind.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TopicView {
    /// The word for the kind: `silent-long`, `load-held`, `finding-shift-differs`, `slow`.
    pub key: String,
    /// The same in the language asked for.
    pub title: String,
    /// What is to be done about it.
    pub todo: String,
    /// Whether money, prices or the server itself are wrong now.
    pub is_grave: bool,
    /// How much of it.
    pub count: u64,
    /// One by one.
    pub lines: Vec<TopicLine>,
    /// Lines beyond those.
    pub more: u64,
    /// The path of the page that tells more.
    pub page: String,
}

/// One thing to look at.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TopicLine {
    /// The shop or till, in words; may be empty.
    pub place: String,
    /// Since when, UTC.
    pub since: Option<String>,
    /// What is known, in the language asked for.
    pub detail: String,
}

/// Where somebody is written to, in which language, and of what.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct MailView {
    /// Their address; none: nothing is sent.
    pub address: Option<String>,
    /// `en` or `ru`; none: nobody has chosen one, and it is English.
    pub language: Option<String>,
    /// They get the report of each day.
    pub report: bool,
    /// What they are told of at once: `held-load`, `silent-shop`, `shift-differs`.
    pub alerts: Vec<String>,
}

/// How somebody is to be written to; what is left out stays.
#[derive(Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct MailChange {
    /// Their address; empty: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `en` or `ru`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Whether they get the report of each day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub report: Option<bool>,
    /// What they are told of at once: `held-load`, `silent-shop`, `shift-differs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerts: Option<Vec<String>>,
}

/// A trial was asked for.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct TrialView {
    /// False: one is on its way already.
    pub is_new: bool,
}

impl From<Mailing> for MailView {
    fn from(mailing: Mailing) -> Self {
        Self {
            address: mailing.address.map(|address| address.to_string()),
            language: mailing.language.map(|language| language.code().to_owned()),
            report: mailing.report,
            alerts: mailing.alerts,
        }
    }
}

impl From<MailChange> for MailingWanted {
    fn from(change: MailChange) -> Self {
        let MailChange { address, language, report, alerts } = change;
        Self { address, language, report, alerts }
    }
}

impl ReportView {
    /// In these words.
    fn of(report: Report, words: &Words) -> Self {
        let Report { at, place, tills, current, behind, silent, parked, topics } = report;
        let topics = topics.into_iter().map(|topic| TopicView::of(topic, words)).collect();
        Self { at: at.to_string(), place, tills, current, behind, silent, parked, topics }
    }
}

impl TopicView {
    fn of(topic: Topic, words: &Words) -> Self {
        let Topic { key, is_grave, count, lines, more, address } = topic;
        // A kind whose words are missing is told by its key.
        let say = |id: String| words.message(&id, &FluentArgs::new()).unwrap_or(id);
        let line = |Line { place, since, detail, task }: Line| {
            let task = task.map(|task| format!("{} ", say(format!("task-{task}")))).unwrap_or_default();
            TopicLine { place, since: since.map(|since| since.to_string()), detail: format!("{task}{detail}") }
        };
        Self {
            title: say(format!("attention-{key}")),
            todo: say(format!("todo-{key}")),
            key,
            is_grave,
            count,
            lines: lines.into_iter().map(line).collect(),
            more,
            page: address,
        }
    }
}

/// What needs a look now, by kind: what the daily report says by mail. Of the caller's part of the
/// network, in the language asked for.
#[utoipa::path(get, path = "/api/v1/report", tag = "report", security(("administrator" = [])),
    responses((status = 200, body = ReportView), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn show(app: Acting, language: Language) -> Result<Json<ReportView>, Problem> {
    let words = words::of(language);
    let report = blocking(move || report(&gather(&app, words)?)).await?;
    Ok(Json(ReportView::of(report, words)))
}

/// Has a user written to elsewhere, in another language, or of other things.
#[utoipa::path(patch, path = "/api/v1/users/{id}/mail", tag = "report", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")), request_body = MailChange,
    responses((status = 200, body = UserView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn set_mail(
    app: Acting,
    Path(login): Path<String>,
    Json(change): Json<MailChange>,
) -> Result<Json<UserView>, Problem> {
    Ok(Json(blocking(move || app.set_mailing_of(&login, change.into())).await?.into()))
}

/// Has the caller written to elsewhere, in another language, or of other things.
#[utoipa::path(patch, path = "/api/v1/me/mail", tag = "report", security(("administrator" = [])),
    request_body = MailChange,
    responses((status = 200, body = UserView), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(super) async fn set_own_mail(app: Acting, Json(change): Json<MailChange>) -> Result<Json<UserView>, Problem> {
    Ok(Json(blocking(move || app.set_own_mailing(change.into())).await?.into()))
}

/// Sends a user the report of now, as they see it.
#[utoipa::path(post, path = "/api/v1/users/{id}/trial", tag = "report", security(("administrator" = [])),
    params(("id" = String, Path, description = "login")),
    responses((status = 202, body = TrialView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem), (status = 409, body = Problem)))]
pub(super) async fn send_trial(
    app: Acting,
    Path(login): Path<String>,
) -> Result<(StatusCode, Json<TrialView>), Problem> {
    let is_new = blocking(move || app.send_trial_to(&login)).await?;
    Ok((StatusCode::ACCEPTED, Json(TrialView { is_new })))
}

/// Sends the caller the report of now.
#[utoipa::path(post, path = "/api/v1/me/trial", tag = "report", security(("administrator" = [])),
    responses((status = 202, body = TrialView), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 409, body = Problem)))]
pub(super) async fn send_own_trial(app: Acting) -> Result<(StatusCode, Json<TrialView>), Problem> {
    let is_new = blocking(move || app.send_own_trial()).await?;
    Ok((StatusCode::ACCEPTED, Json(TrialView { is_new })))
}
