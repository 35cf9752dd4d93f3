//! Tills: what each has and why it waits, its deliveries and commands, and what can be asked of
//! it.

use super::auth;
use super::problem::{Problem, RequestFault, blocking};
use crate::app::{Acting, App, BulkDone, BulkOutcome, Till};
use crate::exchange::Condition;
use crate::exchange::codes::CodeFinding;
use crate::exchange::model::{Delivery, SentCommand};
use crate::sales::requests::Ask;
use crate::words::{self, FluentArgs, Language, Reason, Words};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderMap, StatusCode};
use jiff::civil::{Date, DateTime};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use tillway_proto::{CodeFault, ExchangeStatus, Revision, TillId};
use tillway_service::serving::{Client, Connection};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

/// Most deliveries or commands in one answer.
const MAX_LISTED: u32 = 1_000;

/// A till as the server knows it.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TillView {
    /// Its id.
    pub id: String,
    /// Id of its shop.
    pub shop: Option<String>,
    /// Whether it is parked.
    pub parked: bool,
    /// How it is: `trouble`, `sales-wait`, `silent`, `never-heard-of`, `behind`, `current`,
    /// `parked`.
    pub condition: String,
    /// When its node was made, UTC.
    pub made_at: String,
    /// Whether it was in contact, and has been silent for longer than allowed.
    pub silent: bool,
    /// Since when it is silent, UTC.
    pub silent_since: Option<String>,
    /// The same as an age in its largest unit: `12 m`, `5 h`, `3 d`.
    pub silent_for: Option<String>,
    /// The revision that it has applied, as far as anything speaks for it; see `claimed_cursor`.
    pub cursor: u64,
    /// The revision it should have.
    pub target: u64,
    /// What comes next for it: `up-to-date`, `on-its-way`, `no-answer`, `held-back`, `parked`,
    /// `ahead`, `announce`, `no-broker`, `trouble`.
    pub next: String,
    /// The same in a sentence.
    pub waits_for: String,
    /// The word for it.
    pub waits_for_kind: String,
    /// What `waits_for` is made of.
    #[schema(value_type = Object)]
    pub waits_for_parameters: Map<String, Value>,
    /// When its data was applied, by its clock, UTC.
    pub applied_at: Option<String>,
    /// When it was last heard of, UTC.
    pub last_contact: Option<String>,
    /// By how many seconds its clock is ahead of this server's, where that is known and a minute
    /// or more; below zero: behind.
    pub clock_ahead_s: Option<i64>,
    /// Rows in its dictionary.
    pub rows: Option<u64>,
    /// Finished documents that it has not brought yet; none where the till cannot count them, or
    /// was never heard of.
    pub unsent_documents: Option<u64>,
    /// Why its receipts do not come, where the till says so and it is not over within moments.
    pub sales_wait: Option<SalesWaitView>,
    /// Bytes of the log beside its dictionary: one that grows is kept by a reader that never ends.
    pub dictionary_log_bytes: Option<u64>,
    /// Units set aside on the till.
    pub set_aside: Option<u64>,
    /// Version of its agent.
    pub agent_version: Option<String>,
    /// Whether it has a secret, so that each message from and to it has a code. A till of before
    /// has none until somebody gives it one.
    pub has_secret: bool,
    /// Messages in its name that this server did not take lately, by reason: `no-code`,
    /// `wrong-code`, `wrong-peer`, `unreadable`, `version`.
    pub refused_messages: BTreeMap<&'static str, u64>,
    /// Since when, UTC.
    pub refused_since: Option<String>,
    /// What they mean, where they are many: `forged` (somebody writes in the till's name) or
    /// `other-secret` (the till's secret is not the one that this server knows).
    pub refused_finding: Option<&'static str>,
    /// Messages in the server's name that the till did not take since its agent started, by the
    /// same reasons.
    pub refused_by_till: BTreeMap<String, u64>,
    /// When its id was last seen used from two machines in turn, UTC; acknowledged or not.
    pub two_machines_at: Option<String>,
    /// When it was last seen to go back to an older revision, UTC; acknowledged or not.
    pub went_back_at: Option<String>,
    /// The revision that it says it has, where nothing speaks for it: it counts as having none,
    /// and gets everything.
    pub claimed_cursor: Option<u64>,
    /// When it last began to say so, UTC; acknowledged or not.
    pub claimed_at: Option<String>,
    /// Up to when somebody has acknowledged what was found about it, UTC.
    pub acknowledged_at: Option<String>,
    /// Its newest delivery.
    pub delivery: Option<DeliveryView>,
}

/// Why a till's receipts do not come.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SalesWaitView {
    /// `refused`, `tls`, `unreachable`, `interrupted`, `documents-locked`, `documents-unreadable`,
    /// `documents-missing`, `agent`, `other`.
    pub kind: String,
    /// What the till says of it.
    pub reason: String,
    /// What its kind means, in the language asked for.
    pub text: String,
    /// Since when, by the till's clock, UTC.
    pub since: String,
}

/// One delivery.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct DeliveryView {
    /// Its id.
    pub id: String,
    /// The till.
    pub till: String,
    /// Name of the package.
    pub package: String,
    /// Size of the file.
    pub bytes: u64,
    /// Objects inside.
    pub objects: u64,
    /// It applies where `from ≤ cursor < to`.
    pub from: u64,
    /// The cursor afterwards.
    pub to: u64,
    /// `announced`, `downloaded`, `queued`, `applied`, `rejected`, `expired`, `superseded`.
    pub state: String,
    /// `STATUS_DURING`, `STATUS_READY`, `STATUS_READY_WITH_ERROR`, `STATUS_ERROR`.
    pub status: String,
    /// Since when, UTC.
    pub state_at: String,
    /// When it was made, UTC.
    pub created_at: String,
    /// Why it ended so, in the language asked for; what a till said, as it said it.
    pub reason: Option<String>,
    /// The word for it.
    pub reason_kind: Option<String>,
    /// What the reason is made of.
    #[schema(value_type = Option<Object>)]
    pub reason_parameters: Option<Map<String, Value>>,
}

/// One command on the control queue.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CommandView {
    /// Its id.
    pub id: String,
    /// The till.
    pub till: String,
    /// What it orders.
    pub what: String,
    /// `waiting`, `sent`, `running`, `done`, `failed`, `refused`, `expired`.
    pub state: String,
    /// Since when, UTC.
    pub state_at: String,
    /// Receipts that came for it.
    pub receipts: u64,
    /// Why it ended so, in the language asked for; what a till said, as it said it.
    pub reason: Option<String>,
    /// The word for it.
    pub reason_kind: Option<String>,
    /// What the reason is made of.
    #[schema(value_type = Option<Object>)]
    pub reason_parameters: Option<Map<String, Value>>,
}

/// A command was accepted; its course is at `/api/v1/commands`.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Ordered {
    /// Id of the command; none where a request of the same sort is under way already.
    pub command: Option<String>,
}

/// Which sales to ask a till for. Left empty: what the server does not have yet.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct UnloadAsked {
    /// Everything that ended at or after this local time, sent before or not:
    /// `YYYY-MM-DDTHH:MM:SS`.
    #[schema(value_type = Option<String>)]
    pub since: Option<DateTime>,
    /// Everything of these local days, sent before or not: `YYYY-MM-DD`.
    #[schema(value_type = Option<String>)]
    pub from: Option<Date>,
    /// The last of these days, included; left out: the same day.
    #[schema(value_type = Option<String>)]
    pub to: Option<Date>,
}

/// Which part of a list.
#[derive(Debug, Deserialize, IntoParams)]
pub(super) struct Listed {
    /// Of this till: id or `till-<shop>-<code>`.
    till: Option<String>,
    /// Most rows, 1000 at most.
    limit: Option<u32>,
}

fn delivery_view(delivery: &Delivery, words: &Words) -> DeliveryView {
    DeliveryView {
        id: delivery.id.to_string(),
        till: delivery.peer.to_string(),
        package: delivery.package.to_string(),
        bytes: delivery.bytes,
        objects: delivery.objects,
        from: delivery.from.0,
        to: delivery.to.0,
        state: delivery.state.to_string(),
        status: ExchangeStatus::of_delivery(delivery.state, false).to_string(),
        state_at: delivery.state_at.to_string(),
        created_at: delivery.created_at.to_string(),
        reason: delivery.reason.as_ref().map(|reason| words.reason(reason)),
        reason_kind: delivery.reason.as_ref().map(|reason| reason.kind().to_owned()),
        reason_parameters: delivery.reason.as_ref().map(|reason| reason.parameters().clone()),
    }
}

fn by_reason(counts: &BTreeMap<CodeFault, u64>) -> BTreeMap<&'static str, u64> {
    counts.iter().map(|(fault, count)| (fault.as_str(), *count)).collect()
}

fn till_view(till: &Till, words: &Words) -> TillView {
    let status = &till.status;
    let next = status.next.reason();
    let (contact, refused) = (status.record.contact.as_ref(), status.refused.as_ref());
    TillView {
        id: status.till.to_string(),
        shop: status.shop.as_ref().map(ToString::to_string),
        parked: status.parked,
        condition: Condition::of(status).code().to_owned(),
        made_at: status.made_at.to_string(),
        silent: status.silent,
        silent_since: status.silent_since.map(|at| at.to_string()),
        silent_for: status.silent_since.map(|at| age(Timestamp::now().duration_since(at))),
        cursor: status.record.cursor().0,
        target: status.target.0,
        next: status.next.code().to_owned(),
        waits_for: words.reason(&next),
        waits_for_kind: next.kind().to_owned(),
        waits_for_parameters: next.parameters().clone(),
        applied_at: contact.and_then(|contact| contact.state.applied_at).map(|at| at.to_string()),
        last_contact: contact.map(|contact| contact.last_at.to_string()),
        clock_ahead_s: status.clock_ahead.map(|ahead| ahead.as_secs()),
        rows: contact.map(|contact| contact.state.rows),
        unsent_documents: contact.and_then(|contact| contact.state.unsent_documents),
        sales_wait: status.sales_wait.as_ref().map(|wait| SalesWaitView {
            kind: wait.kind.as_str().to_owned(),
            reason: wait.text.clone(),
            text: words.message(&format!("sales-wait-{}", wait.kind.as_str()), &FluentArgs::new()).unwrap_or_default(),
            since: wait.since.to_string(),
        }),
        dictionary_log_bytes: contact.map(|contact| contact.state.dictionary_log_bytes),
        set_aside: contact.map(|contact| contact.state.set_aside),
        agent_version: contact.map(|contact| contact.state.agent_version.clone()),
        has_secret: status.has_secret,
        refused_messages: refused.map(|refused| by_reason(&refused.counts)).unwrap_or_default(),
        refused_since: refused.map(|refused| refused.first_at.to_string()),
        refused_finding: refused.and_then(|refused| refused.finding).map(CodeFinding::as_str),
        refused_by_till: contact.map(|contact| contact.state.refused_messages.clone()).unwrap_or_default(),
        two_machines_at: contact.and_then(|contact| contact.two_machines_at).map(|at| at.to_string()),
        went_back_at: contact.and_then(|contact| contact.went_back_at).map(|at| at.to_string()),
        claimed_cursor: status.record.claimed().map(|claimed| claimed.0),
        claimed_at: contact.and_then(|contact| contact.claimed_at).map(|at| at.to_string()),
        acknowledged_at: till.acknowledged_at.map(|at| at.to_string()),
        delivery: status.record.newest.as_ref().map(|delivery| delivery_view(delivery, words)),
    }
}

fn command_view(command: &SentCommand, words: &Words) -> CommandView {
    CommandView {
        id: command.id.to_string(),
        till: command.peer.to_string(),
        what: command.what.clone(),
        state: command.state.as_str().to_owned(),
        state_at: command.state_at.to_string(),
        receipts: command.receipts,
        reason: command.reason.as_ref().map(|reason| words.reason(reason)),
        reason_kind: command.reason.as_ref().map(|reason| reason.kind().to_owned()),
        reason_parameters: command.reason.as_ref().map(|reason| reason.parameters().clone()),
    }
}

/// All tills: what each has, what it should have, why it waits.
#[utoipa::path(get, path = "/api/v1/tills", tag = "tills", security(("administrator" = [])),
    responses((status = 200, body = Vec<TillView>), (status = 401, body = Problem)))]
pub(super) async fn list(app: Acting, language: Language) -> Result<Json<Vec<TillView>>, Problem> {
    let tills = blocking(move || app.tills()).await?;
    Ok(Json(tills.iter().map(|till| till_view(till, words::of(language))).collect()))
}

/// One till.
#[utoipa::path(get, path = "/api/v1/tills/{id}", tag = "tills", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or till-<shop>-<code>")),
    responses((status = 200, body = TillView), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn show(app: Acting, language: Language, Path(id): Path<String>) -> Result<Json<TillView>, Problem> {
    blocking(move || app.till(&id)).await.map(|till| Json(till_view(&till, words::of(language))))
}

/// Deliveries, newest first.
#[utoipa::path(get, path = "/api/v1/deliveries", tag = "tills", security(("administrator" = [])), params(Listed),
    responses((status = 200, body = Vec<DeliveryView>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn deliveries(
    app: Acting,
    language: Language,
    Query(asked): Query<Listed>,
) -> Result<Json<Vec<DeliveryView>>, Problem> {
    let listed = blocking(move || app.deliveries(asked.till.as_deref(), limit(asked.limit))).await?;
    Ok(Json(listed.iter().map(|one| delivery_view(one, words::of(language))).collect()))
}

/// Commands on control queues and what became of them, newest first.
#[utoipa::path(get, path = "/api/v1/commands", tag = "tills", security(("administrator" = [])), params(Listed),
    responses((status = 200, body = Vec<CommandView>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn commands(
    app: Acting,
    language: Language,
    Query(asked): Query<Listed>,
) -> Result<Json<Vec<CommandView>>, Problem> {
    let listed = blocking(move || app.commands(asked.till.as_deref(), limit(asked.limit))).await?;
    Ok(Json(listed.iter().map(|one| command_view(one, words::of(language))).collect()))
}

impl UnloadAsked {
    fn ask(self) -> Result<Ask, RequestFault> {
        match (self.since, self.from, self.to) {
            (None, None, None) => Ok(Ask::WhatIsMissing),
            (Some(time), None, None) => Ok(Ask::Since(time)),
            (None, Some(from), to) => Ok(Ask::Days { from, to: to.unwrap_or(from) }),
            _ => Err(RequestFault::SinceOrDays),
        }
    }
}

/// Asks a till for sales.
#[utoipa::path(post, path = "/api/v1/tills/{id}/unload", tag = "tills", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or till-<shop>-<code>")), request_body = UnloadAsked,
    responses((status = 202, body = Ordered), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn unload(
    app: Acting,
    Path(id): Path<String>,
    Json(asked): Json<UnloadAsked>,
) -> Result<(StatusCode, Json<Ordered>), Problem> {
    let ask = asked.ask()?;
    blocking(move || app.request_unload(&id, ask)).await.map(ordered)
}

/// What became of a till that was asked together with others.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AskedTill {
    /// Its folder name, `till-<shop>-<code>`.
    till: String,
    /// The order is on its way; false where the same request was under way already.
    ordered: bool,
    /// Why it could not be asked.
    problem: Option<String>,
}

/// Asks all tills at a node and below it for sales.
#[utoipa::path(post, path = "/api/v1/nodes/{id}/unload", tag = "tills", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, `All`, `group-<code>`, `shop-<code>` or `till-<shop>-<code>`")), request_body = UnloadAsked,
    responses((status = 202, body = Vec<AskedTill>), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn unload_below(
    app: Acting,
    language: Language,
    Path(id): Path<String>,
    Json(asked): Json<UnloadAsked>,
) -> Result<(StatusCode, Json<Vec<AskedTill>>), Problem> {
    let ask = asked.ask()?;
    let done = blocking(move || app.request_unload_below(&id, ask)).await?;
    let told = |one: BulkDone| AskedTill {
        ordered: matches!(one.outcome, Ok(BulkOutcome::Done)),
        problem: one.outcome.err().map(|error| words::of(language).reason(&Reason::of(&error))),
        till: one.till,
    };
    Ok((StatusCode::ACCEPTED, Json(done.into_iter().map(told).collect())))
}

/// Whether something was done.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SentAnew {
    /// False where it was on its way already, or where the till was never heard of, and gets
    /// everything as it is.
    pub sent: bool,
}

/// Sends a till everything anew, whatever it has: at once, or when it is heard of.
#[utoipa::path(post, path = "/api/v1/tills/{id}/send-anew", tag = "tills", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or till-<shop>-<code>")),
    responses((status = 200, body = SentAnew), (status = 401, body = Problem), (status = 403, body = Problem),
        (status = 404, body = Problem)))]
pub(super) async fn send_anew(app: Acting, Path(id): Path<String>) -> Result<Json<SentAnew>, Problem> {
    blocking(move || app.send_anew(&id)).await.map(|sent| Json(SentAnew { sent }))
}

/// Has a till recount its whole dictionary, compare counts and digests, and report.
#[utoipa::path(post, path = "/api/v1/tills/{id}/verify", tag = "tills", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or till-<shop>-<code>")),
    responses((status = 202, body = Ordered), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn verify(app: Acting, Path(id): Path<String>) -> Result<(StatusCode, Json<Ordered>), Problem> {
    blocking(move || app.request_verify(&id)).await.map(ordered)
}

/// The revision that a till names, as it was seen.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct GoPast {
    /// `claimed_cursor` of the till: nothing happens where that is another one by now.
    pub revision: u64,
}

/// Where this server went on.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct WentPast {
    /// The newest revision, which every till should have from now on.
    pub revision: u64,
}

/// Has this server's revisions go on after the one that a till names and that nothing speaks for:
/// for an agent of v0.1 whose server was restored from a backup, and only where you know that it
/// was. The till gets everything.
#[utoipa::path(post, path = "/api/v1/tills/{id}/go-past", tag = "tills", security(("administrator" = [])),
    params(("id" = String, Path, description = "id, or till-<shop>-<code>")), request_body = GoPast,
    responses((status = 200, body = WentPast), (status = 401, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "the till does not name that revision, or it is too far beyond this server's", body = Problem)))]
pub(super) async fn go_past(
    app: Acting,
    Path(id): Path<String>,
    Json(asked): Json<GoPast>,
) -> Result<Json<WentPast>, Problem> {
    let Revision(revision) = blocking(move || app.go_past(&id, Revision(asked.revision))).await?;
    Ok(Json(WentPast { revision }))
}

/// A till tells that a shift closed; the server then asks it for what is missing. For agents, with
/// the till's token.
#[utoipa::path(post, path = "/api/v1/tills/{id}/shift-closed", tag = "agents", security(("till" = [])),
    params(("id" = String, Path, description = "id of the till")),
    responses((status = 202, body = Ordered), (status = 400, body = Problem), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn shift_closed(
    State(app): State<App>,
    Path(id): Path<String>,
    client: Option<Client>,
    connection: Option<Connection>,
    headers: HeaderMap,
) -> Result<(StatusCode, Json<Ordered>), Problem> {
    let till: TillId = id.parse().map_err(|_| RequestFault::NoTillId { text: id.clone() })?;
    let app = auth::till(&app, &till, client, connection, &headers).await?;
    blocking(move || app.request_unload(till.as_str(), Ask::WhatIsMissing)).await.map(ordered)
}

/// Whether this is the token of that till. Changes nothing. For agents, with the till's token.
#[utoipa::path(get, path = "/api/v1/tills/{id}/token", tag = "agents", security(("till" = [])),
    params(("id" = String, Path, description = "id of the till")),
    responses((status = 204), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn token(
    State(app): State<App>,
    Path(id): Path<String>,
    client: Option<Client>,
    connection: Option<Connection>,
    headers: HeaderMap,
) -> Result<StatusCode, Problem> {
    let till: TillId = id.parse().map_err(|_| RequestFault::NoTillId { text: id.clone() })?;
    auth::till(&app, &till, client, connection, &headers).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn ordered(command: Option<Uuid>) -> (StatusCode, Json<Ordered>) {
    (StatusCode::ACCEPTED, Json(Ordered { command: command.map(|id| id.to_string()) }))
}

fn age(silence: SignedDuration) -> String {
    let minutes = silence.as_mins().max(0);
    match minutes {
        0..60 => format!("{minutes} m"),
        60..1440 => format!("{} h", minutes / 60),
        _ => format!("{} d", minutes / 1440),
    }
}

fn limit(asked: Option<u32>) -> u32 {
    asked.unwrap_or(100).clamp(1, MAX_LISTED)
}
