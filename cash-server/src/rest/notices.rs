//! Rejects and warnings that nobody has seen yet.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::Acting;
use crate::store::intake::{MAX_NOTICES, NoticeRecord, OpenNotice};
use crate::words::{self, Language, Words};
use axum::Json;
use axum::extract::Query;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

/// A warning, or what was wrong with a record that was rejected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct NoticeView {
    /// Line on which the record starts, from 1.
    pub line: u64,
    /// Byte at which it starts, from 0.
    pub byte: u64,
    /// Its verb, where it could be read.
    pub verb: Option<String>,
    /// Its key, where it could be read.
    pub key: Option<String>,
    /// The field it is about, with the lists that it stands in: `barcodes[1].price`.
    pub field: Option<String>,
    /// The beginning of the field's value.
    pub value: Option<String>,
    /// Why it was rejected, or what the warning says, in the language asked for.
    pub reason: String,
    /// The word for it: `text-cut`, `wrong-value`.
    pub kind: String,
    /// What it was made of: `{"chars": 250, "max": 200}`.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Of a warning: kind and parameters once more, such as
    /// `{"what": "text-cut", "chars": 250, "max": 200}`. None: it was rejected.
    #[schema(value_type = Option<Object>)]
    pub warning: Option<Map<String, Value>>,
}

/// A reject or a warning that nobody has seen, and that no later load has mended.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct OpenNoticeView {
    /// Its number.
    pub id: i64,
    /// Id of the node whose layer it is about.
    pub node: String,
    /// The load that brought it last.
    pub load: i64,
    /// When that ended, UTC.
    pub at: String,
    /// What it says.
    #[serde(flatten)]
    pub notice: NoticeView,
}

/// Which notices a person has seen.
#[derive(Debug, Deserialize, ToSchema)]
pub(super) struct Seen {
    /// Their numbers.
    #[serde(default)]
    pub ids: Vec<i64>,
    /// All up to this number: those that came after the list was read stay.
    pub up_to: Option<i64>,
}

/// How many were marked.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Marked {
    /// Notices that were open until now.
    pub seen: u64,
}

/// Which part of the list.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Listed {
    /// Most rows, 5000 at most.
    limit: Option<u32>,
}

pub(super) fn view(notice: NoticeRecord, words: &Words) -> NoticeView {
    let NoticeRecord { line, byte, verb, key, field, value, reason, is_warning, .. } = notice;
    let (kind, parameters) = (reason.kind().to_owned(), reason.parameters().clone());
    let warning = is_warning.then(|| {
        let mut warning = parameters.clone();
        warning.insert("what".to_owned(), kind.clone().into());
        warning
    });
    NoticeView { line, byte, verb, key, field, value, reason: words.reason(&reason), kind, parameters, warning }
}

fn open_view(open: OpenNotice, words: &Words) -> OpenNoticeView {
    let OpenNotice { id, node, load, at, notice } = open;
    OpenNoticeView { id, node: node.to_string(), load: load.0, at: at.to_string(), notice: view(notice, words) }
}

/// Rejects and warnings that stay until somebody has seen them, or a later load has brought that
/// very object without them. Newest first.
#[utoipa::path(get, path = "/api/v1/notices", tag = "dictionary", security(("administrator" = [])), params(Listed),
    responses((status = 200, body = Vec<OpenNoticeView>), (status = 401, body = Problem)))]
pub(super) async fn list(
    app: Acting,
    language: Language,
    Query(asked): Query<Listed>,
) -> Result<Json<Vec<OpenNoticeView>>, Problem> {
    let limit = asked.limit.unwrap_or(MAX_NOTICES).clamp(1, MAX_NOTICES);
    let open = blocking(move || app.open_notices(limit)).await?;
    Ok(Json(open.into_iter().map(|one| open_view(one, words::of(language))).collect()))
}

/// A person has seen these.
#[utoipa::path(post, path = "/api/v1/notices/seen", tag = "dictionary", security(("administrator" = [])), request_body = Seen,
    responses((status = 200, body = Marked), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn seen(app: Acting, Json(asked): Json<Seen>) -> Result<Json<Marked>, Problem> {
    if asked.ids.is_empty() && asked.up_to.is_none() {
        return Err(RequestFault::NamesNoNotices.into());
    }
    let seen = blocking(move || app.see_notices(&asked.ids, asked.up_to)).await?;
    Ok(Json(Marked { seen }))
}
