//! Background work: what the server does by itself.

use super::problem::{Problem, blocking};
use crate::app::Acting;
use crate::words::{self, Language, Words};
use axum::Json;
use serde::Serialize;
use serde_json::{Map, Value};
use tillway_service::background::TaskState;
use utoipa::ToSchema;

/// A task that the server does by itself, on its period and when something calls for it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskView {
    /// Its name: `reconciler`, `intake`, `sales-loader`, …
    pub name: String,
    /// Seconds from one run to the next, where nothing calls for it sooner and the task does not
    /// ask for another time.
    pub period_s: u64,
    /// Since when it runs, UTC; none: it does not run now.
    pub running_since: Option<String>,
    /// When its last run ended, UTC; none: it has not run yet.
    pub last_run: Option<String>,
    /// How long that took, in milliseconds.
    pub last_took_ms: Option<u64>,
    /// When it runs next at the latest, UTC; none while it runs.
    pub next_run: Option<String>,
    /// Runs since the server started.
    pub runs: u64,
    /// How many of the last runs failed, one after the other; 0: the last one did not fail.
    pub failures: u32,
    /// The last failure since the server started, in the language asked for; it may be over: see
    /// `failures`.
    pub last_error: Option<String>,
    /// The word for it.
    pub last_error_kind: Option<String>,
    /// What it is made of.
    #[schema(value_type = Option<Object>)]
    pub last_error_parameters: Option<Map<String, Value>>,
    /// When that was, UTC.
    pub last_error_at: Option<String>,
}

fn view(task: TaskState, words: &Words) -> TaskView {
    let TaskState { name, period, running_since, last_run, last_took, next_run, runs, failures, last_error } = task;
    let (reason, last_error_at) = last_error.map(|error| (error.reason, error.at.to_string())).unzip();
    TaskView {
        name: name.to_owned(),
        period_s: period.as_secs(),
        running_since: running_since.map(|time| time.to_string()),
        last_run: last_run.map(|time| time.to_string()),
        last_took_ms: last_run.map(|_| u64::try_from(last_took.as_millis()).unwrap_or(u64::MAX)),
        next_run: next_run.map(|time| time.to_string()),
        runs,
        failures,
        last_error: reason.as_ref().map(|reason| words.reason(reason)),
        last_error_kind: reason.as_ref().map(|reason| reason.kind().to_owned()),
        last_error_parameters: reason.as_ref().map(|reason| reason.parameters().clone()),
        last_error_at,
    }
}

/// What the server does by itself: each task with its last run, its next run and its last failure.
/// For administrators.
#[utoipa::path(get, path = "/api/v1/background", tag = "server", security(("administrator" = [])),
    responses((status = 200, body = Vec<TaskView>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn list(app: Acting, language: Language) -> Result<Json<Vec<TaskView>>, Problem> {
    let tasks = blocking(move || app.background()).await?;
    Ok(Json(tasks.into_iter().map(|task| view(task, words::of(language))).collect()))
}
