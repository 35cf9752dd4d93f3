//! The audit log: who changed what, when, from where.

use super::problem::{Problem, blocking};
use crate::app::Acting;
use axum::Json;
use axum::extract::Query;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tillway_service::audit::AuditFilter;
use tillway_service::audit::AuditRecord;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Most lines in one answer.
const MAX_LISTED: u32 = 1_000;

/// Which lines, and which part of a long list.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// From this time on, UTC: `2026-11-30T00:00:00Z`.
    #[param(value_type = Option<String>)]
    from: Option<Timestamp>,
    /// Before this time, UTC.
    #[param(value_type = Option<String>)]
    to: Option<Timestamp>,
    /// Only of this actor: `login:admin`, `system:root`, `till:<id>`, `server`.
    actor: Option<String>,
    /// Only about this object: the id of a node, `load:7`, `finding:3`, the name of a unit that
    /// was set aside.
    object: Option<String>,
    /// Only what was done so: `node.create`, `till.token`, `load.approve`, …
    verb: Option<String>,
    /// Only lines with this text, written so, in their object or in how it was or is.
    text: Option<String>,
    /// `true`: only what people did, and programs with keys of theirs.
    persons: Option<bool>,
    /// `next` of the answer before.
    #[param(value_type = Option<String>)]
    cursor: Option<Uuid>,
    /// Most lines, 1000 at most; 100 where it is left out.
    limit: Option<u32>,
}

/// One change that somebody asked for.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditView {
    /// Its id; ids sort by time.
    pub id: String,
    /// When, UTC.
    pub at: String,
    /// Who: `login:<user>`, `system:<user>` at the command line, `till:<id>`, `server`.
    pub actor: String,
    /// By which way: `rest`, `page`, `command-line`, `within` the server.
    pub face: String,
    /// The client's address.
    pub address: Option<String>,
    /// What was done: `node.create`, `till.token`, `load.approve`, …
    pub verb: String,
    /// With what.
    pub object: String,
    /// How it was.
    #[schema(value_type = Option<Object>)]
    pub before: Value,
    /// How it is.
    #[schema(value_type = Option<Object>)]
    pub after: Value,
}

/// A part of the audit log.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AuditPage {
    /// Lines, newest first.
    pub lines: Vec<AuditView>,
    /// The `cursor` of the next part; none where there is nothing older.
    pub next: Option<String>,
}

fn view(line: AuditRecord) -> AuditView {
    let AuditRecord { id, at, actor, face, address, verb, object, before, after } = line;
    AuditView { id: id.to_string(), at: at.to_string(), actor, face, address, verb, object, before, after }
}

/// Who changed what, newest first.
#[utoipa::path(get, path = "/api/v1/audit", tag = "audit", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = AuditPage), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn list(app: Acting, Query(asked): Query<Asked>) -> Result<Json<AuditPage>, Problem> {
    let limit = asked.limit.unwrap_or(100).clamp(1, MAX_LISTED);
    let filter = AuditFilter {
        from: asked.from.unwrap_or(Timestamp::UNIX_EPOCH),
        to: asked.to.unwrap_or(Timestamp::MAX),
        before: asked.cursor,
        actor: asked.actor,
        object: asked.object,
        verb: asked.verb,
        text: asked.text,
        persons_only: asked.persons.unwrap_or_default(),
        limit,
    };
    let lines = blocking(move || app.audit(&filter)).await?;
    let next = lines.last().filter(|_| lines.len() == limit as usize).map(|line| line.id.to_string());
    Ok(Json(AuditPage { lines: lines.into_iter().map(view).collect(), next }))
}
