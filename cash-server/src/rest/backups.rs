//! Backups: which there are, how the one stands that is being made, and asking for one.

use super::problem::{Problem, blocking};
use crate::app::{Acting, BackupsState};
use crate::backup::{Ended, Kept, Note, Progress};
use crate::words::{self, Language, Words};
use axum::Json;
use axum::http::StatusCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// How backups stand.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupsView {
    /// Where they are kept: a folder, or `s3://<bucket>/<prefix>`.
    pub folder: String,
    /// Why the last look there failed; none: it did not. Then `backups` tells what was there
    /// before.
    pub trouble: Option<String>,
    /// One is made each day.
    pub daily: bool,
    /// They lie on the disk that they are to save from.
    pub same_disk: bool,
    /// How far the one is that is being made now; none: none is.
    pub under_way: Option<UnderWay>,
    /// How the last one of this server ended, since its start.
    pub backup_ended: Option<EndedView>,
    /// How its last rehearsal ended.
    pub rehearsal_ended: Option<EndedView>,
    /// Those that are kept, newest first.
    pub backups: Vec<BackupView>,
}

/// A backup that is being made, or a rehearsal.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct UnderWay {
    /// `copying`, `packing`, `verifying` or `unpacking`.
    pub step: String,
    /// Bytes of this step that are done.
    pub done: u64,
    /// Bytes of this step.
    pub total: u64,
}

/// How something ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EndedView {
    /// When, UTC.
    pub at: String,
    /// Why it failed; none: it did not.
    pub fault: Option<String>,
}

/// One backup.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
pub struct BackupView {
    /// The name of its file.
    pub name: String,
    /// The moment that it shows, UTC.
    pub at: String,
    /// Version of the server that made it.
    pub version: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// When it was rehearsed last, UTC; none: it was not.
    pub rehearsed_at: Option<String>,
    /// Rows that were there again.
    pub rehearsed_rows: Option<u64>,
    /// What was wrong then; none: nothing.
    pub fault: Option<String>,
}

impl BackupView {
    /// In these words.
    pub fn of(kept: Kept, words: &Words) -> Self {
        let Kept { name, note: Note { at, version, bytes, rehearsed, .. } } = kept;
        Self {
            name,
            at: at.to_string(),
            version,
            bytes,
            rehearsed_at: rehearsed.as_ref().map(|rehearsal| rehearsal.at.to_string()),
            rehearsed_rows: rehearsed.as_ref().map(|rehearsal| rehearsal.rows),
            fault: rehearsed.and_then(|rehearsal| rehearsal.fault).map(|fault| words.reason(&fault)),
        }
    }
}

impl BackupsView {
    fn of(state: BackupsState, words: &Words) -> Self {
        let under_way = |Progress { step, done, total }| UnderWay { step: step.as_str().to_owned(), done, total };
        let ended =
            |Ended { at, fault }| EndedView { at: at.to_string(), fault: fault.map(|fault| words.reason(&fault)) };
        Self {
            folder: state.place.display().to_string(),
            trouble: state.seen.fault.map(|fault| words.reason(&fault)),
            daily: state.daily,
            same_disk: state.same_disk,
            under_way: state.under_way.map(under_way),
            backup_ended: state.backup_ended.map(ended),
            rehearsal_ended: state.rehearsal_ended.map(ended),
            backups: state.seen.kept.into_iter().map(|kept| BackupView::of(kept, words)).collect(),
        }
    }
}

/// How backups stand, and which are kept.
#[utoipa::path(get, path = "/api/v1/backups", tag = "server", security(("administrator" = [])),
    responses((status = 200, body = BackupsView), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn list(app: Acting, language: Language) -> Result<Json<BackupsView>, Problem> {
    let state = blocking(move || app.backups()).await?;
    Ok(Json(BackupsView::of(state, words::of(language))))
}

/// Has a backup made soon. `GET` tells how far it is and how it ended.
#[utoipa::path(post, path = "/api/v1/backups", tag = "server", security(("administrator" = [])),
    responses((status = 202), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn create(app: Acting) -> Result<(StatusCode, Json<()>), Problem> {
    blocking(move || app.ask_for_backup()).await?;
    Ok((StatusCode::ACCEPTED, Json(())))
}

/// Has the newest backup unpacked, opened and compared soon. `GET` tells how that ended.
#[utoipa::path(post, path = "/api/v1/backups/rehearsal", tag = "server", security(("administrator" = [])),
    responses((status = 202), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn rehearse(app: Acting) -> Result<(StatusCode, Json<()>), Problem> {
    blocking(move || app.ask_for_rehearsal()).await?;
    Ok((StatusCode::ACCEPTED, Json(())))
}
