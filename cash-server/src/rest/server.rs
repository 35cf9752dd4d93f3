//! The server itself: its databases, how long it keeps what, and the newest lines of its log.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::Acting;
use axum::Json;
use axum::extract::Query;
use serde::{Deserialize, Serialize};
use tillway_proto::process::{KeptLine, LineFilter, LineLevel, MAX_LINES};
use utoipa::{IntoParams, ToSchema};

/// Lines that are told where nothing is said.
const DEFAULT_LINES: usize = 200;

/// One database.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DatabaseView {
    /// The name of its file.
    pub name: String,
    /// Bytes of it.
    pub bytes: u64,
    /// Bytes of what was written and is not in it yet.
    pub log_bytes: u64,
    /// Steps of its schema.
    pub schema: Option<u32>,
}

/// How long something is kept.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct KeepView {
    /// What: `loads`, `audit`, `prices`, `packages`, `receipts`, `files`, `backups`.
    pub what: &'static str,
    /// The setting that says so.
    pub setting: &'static str,
    /// For so many days; none: for ever.
    pub days: Option<u32>,
    /// So many bytes of it at most; none: no matter how much.
    pub max_bytes: Option<u64>,
}

/// Which lines of the log.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct LogQuery {
    /// As grave as this, or graver: `error`, `warn`, `info`, `debug`, `trace`; by default all.
    #[serde(default)]
    pub level: Option<String>,
    /// With this text in them, large and small letters alike.
    #[serde(default)]
    pub text: Option<String>,
    /// At most so many, the newest; by default 200, at most 2000.
    #[serde(default)]
    pub limit: Option<usize>,
}

/// A line of the log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LogLineView {
    /// A number that grows by one a line since the server's start.
    pub no: u64,
    /// When, UTC.
    pub at: String,
    /// `error`, `warn`, `info`, `debug`, `trace`.
    pub level: &'static str,
    /// What was said, in English.
    pub text: String,
}

impl From<KeptLine> for LogLineView {
    fn from(line: KeptLine) -> Self {
        Self { no: line.no, at: line.at.to_string(), level: line.level.as_str(), text: line.text }
    }
}

/// All databases of the server: how large, and of which version.
#[utoipa::path(get, path = "/api/v1/databases", tag = "server", security(("administrator" = [])),
    responses((status = 200, body = Vec<DatabaseView>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn databases(app: Acting) -> Result<Json<Vec<DatabaseView>>, Problem> {
    let databases = blocking(move || app.databases()).await?;
    let view = databases.into_iter().map(|one| DatabaseView {
        name: one.name,
        bytes: one.bytes,
        log_bytes: one.log_bytes,
        schema: one.schema,
    });
    Ok(Json(view.collect()))
}

/// How long the server keeps what, by its settings.
#[utoipa::path(get, path = "/api/v1/retention", tag = "server", security(("administrator" = [])),
    responses((status = 200, body = Vec<KeepView>), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn retention(app: Acting) -> Result<Json<Vec<KeepView>>, Problem> {
    let keeps = blocking(move || app.keeps().map(<[_]>::to_vec)).await?;
    let view = keeps.into_iter().map(|one| KeepView {
        what: one.what,
        setting: one.setting,
        days: one.days,
        max_bytes: one.bytes,
    });
    Ok(Json(view.collect()))
}

/// The newest lines of the server's log since its start, the newest first: at most 2000 lines or
/// 512 KiB are kept in memory. For administrators of the whole chain.
#[utoipa::path(get, path = "/api/v1/log", tag = "server", security(("administrator" = [])), params(LogQuery),
    responses((status = 200, body = Vec<LogLineView>), (status = 400, body = Problem), (status = 401, body = Problem),
        (status = 403, body = Problem)))]
pub(super) async fn log(app: Acting, Query(query): Query<LogQuery>) -> Result<Json<Vec<LogLineView>>, Problem> {
    let lines = blocking(move || {
        let LogQuery { level, text, limit } = query;
        let level = match level.as_deref().filter(|word| !word.is_empty()) {
            None => Some(LineLevel::Trace),
            Some(word) => LineLevel::from_word(word),
        };
        let limit = limit.unwrap_or(DEFAULT_LINES).min(MAX_LINES);
        let Some(level) = level else { return Ok(None) };
        app.log(&LineFilter { level, text: text.as_deref().unwrap_or_default(), limit }).map(Some)
    });
    let lines = lines.await?.ok_or(RequestFault::NoLogLevel)?;
    Ok(Json(lines.into_iter().map(Into::into).collect()))
}
