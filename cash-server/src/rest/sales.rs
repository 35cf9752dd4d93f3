//! Sales as the server has them: shifts with their checks, totals, receipts, findings.

use super::problem::{Problem, RequestFault, blocking};
use crate::app::{Acting, SalesOf};
use crate::sales::check::Verdict;
use crate::store::sales::{
    Finding, MAX_PAGE, Page, ReceiptView, ShiftFilter, ShiftView, TotalsBy, TotalsFilter, TotalsRow,
};
use crate::words::{self, Language};
use axum::Json;
use axum::extract::{Path, Query};
use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tillway_proto::receipt::{Opened, ShiftKey, ShiftNumber};
use utoipa::{IntoParams, ToSchema};

/// Which sales, and which part of a long list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Of this till: id or `till-<shop>-<code>`.
    till: Option<String>,
    /// Of this shop: id or `shop-<code>`.
    shop: Option<String>,
    /// Of all shops at this node and below it: id or `group-<code>`.
    group: Option<String>,
    /// From this local day on, `YYYY-MM-DD`.
    #[param(value_type = Option<String>)]
    from: Option<Date>,
    /// To this local day, included.
    #[param(value_type = Option<String>)]
    to: Option<Date>,
    /// Shifts: only with this verdict: `open`, `waiting`, `ok`, `differs`.
    verdict: Option<String>,
    /// Totals: a row for each `day`, `hour`, `shop`, `till`, `cashier` or `payment`; left out: one
    /// row.
    by: Option<String>,
    /// Findings: closed ones too.
    #[serde(default)]
    closed: bool,
    /// Receipts: of the shift that was opened at this time, `YYYY-MM-DDTHH:MM:SS`; left out: of
    /// all shifts of that number.
    #[param(value_type = Option<String>)]
    opened: Option<DateTime>,
    /// Rows left out before.
    #[serde(default)]
    offset: u64,
    /// Most rows, 1000 at most.
    limit: Option<u32>,
}

impl Asked {
    fn page(&self) -> Page {
        Page { offset: self.offset, limit: self.limit.unwrap_or(MAX_PAGE).clamp(1, MAX_PAGE) }
    }

    fn of(&self) -> SalesOf<'_> {
        SalesOf { till: self.till.as_deref(), shop: self.shop.as_deref(), group: self.group.as_deref() }
    }
}

/// A shift, and what its times say.
#[derive(Debug, Serialize)]
pub(super) struct ToldShift {
    #[serde(flatten)]
    shift: ShiftView,
    /// It was opened or closed at a time that has come nowhere yet: the till's clock is ahead, or
    /// was.
    in_future: bool,
}

/// Shifts with their check, newest first. Money in kopecks. `in_future` marks those whose times
/// have not come yet.
#[utoipa::path(get, path = "/api/v1/shifts", tag = "sales", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Vec<Object>), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn shifts(app: Acting, Query(asked): Query<Asked>) -> Result<Json<Vec<ToldShift>>, Problem> {
    let verdict = asked.verdict.as_deref().map(|word| {
        let unknown = || RequestFault::NoVerdict { text: word.to_owned() };
        Verdict::from_word(word).ok_or_else(unknown)
    });
    let filter =
        ShiftFilter { verdict: verdict.transpose()?, from_day: asked.from, to_day: asked.to, ..ShiftFilter::default() };
    let shifts = blocking(move || app.shifts(asked.of(), &filter, asked.page())).await?;
    let now = Timestamp::now();
    let told = |shift: ShiftView| ToldShift { in_future: shift.is_in_future(now), shift };
    Ok(Json(shifts.into_iter().map(told).collect()))
}

/// Totals of sales and refunds. Money in kopecks. Without days: by day the newest 1000, by hour,
/// cashier and payment the newest 31, else all. What was paid in two ways counts under both
/// payments, each with its part of the sum; payments have no lines.
#[utoipa::path(get, path = "/api/v1/totals", tag = "sales", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Vec<Object>), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn totals(app: Acting, Query(asked): Query<Asked>) -> Result<Json<Vec<TotalsRow>>, Problem> {
    let by = asked.by.as_deref().map(|word| {
        let unknown = || RequestFault::NoTotalsBy { text: word.to_owned() };
        TotalsBy::from_word(word).ok_or_else(unknown)
    });
    let by = by.transpose()?.unwrap_or(TotalsBy::All);
    let filter = TotalsFilter { from: asked.from, to: asked.to, ..TotalsFilter::default() };
    blocking(move || app.totals(asked.of(), &filter, by)).await.map(Json)
}

/// Receipts of one shift, by number. A POS may count its shifts anew: `opened` tells shifts of one
/// number apart. Money in kopecks.
#[utoipa::path(get, path = "/api/v1/tills/{id}/shifts/{number}/receipts", tag = "sales", security(("administrator" = [])),
    params(("id" = String, Path, description = "id of the till"), ("number" = u64, Path, description = "number of the shift"), Asked),
    responses((status = 200, body = Vec<Object>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn receipts(
    app: Acting,
    Path((id, number)): Path<(String, u64)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<ReceiptView>>, Problem> {
    let opened = asked.opened.map_or(Opened::NotTold, Opened::At);
    let shift = ShiftKey { number: ShiftNumber(number), opened };
    blocking(move || app.receipts(&id, shift, asked.page())).await.map(Json)
}

/// A finding in words.
#[derive(Debug, Serialize)]
pub(super) struct ToldFinding {
    #[serde(flatten)]
    finding: Finding,
    /// What it says, in the language asked for.
    text: String,
    /// What that is made of.
    parameters: Map<String, Value>,
}

/// What is wrong with sales, newest first: open findings, or all with `closed=true`.
#[utoipa::path(get, path = "/api/v1/findings", tag = "sales", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Vec<Object>), (status = 401, body = Problem)))]
pub(super) async fn findings(
    app: Acting,
    language: Language,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<ToldFinding>>, Problem> {
    let findings = blocking(move || app.findings(asked.till.as_deref(), !asked.closed, asked.page())).await?;
    let told = |finding: Finding| {
        let text = words::of(language).reason(&finding.reason);
        ToldFinding { text, parameters: finding.reason.parameters().clone(), finding }
    };
    Ok(Json(findings.into_iter().map(told).collect()))
}

/// What somebody says who closes a finding.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub(super) struct Closing {
    /// What was found; stands in the audit log, cut at 300 characters.
    note: String,
}

/// Closes a finding that somebody looked into.
#[utoipa::path(post, path = "/api/v1/findings/{id}/close", tag = "sales", security(("administrator" = [])),
    params(("id" = i64, Path, description = "id of the finding")), request_body = Option<Closing>,
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn close_finding(
    app: Acting,
    Path(id): Path<i64>,
    asked: Option<Json<Closing>>,
) -> Result<StatusCode, Problem> {
    let note = asked.map(|Json(asked)| asked.note).unwrap_or_default();
    blocking(move || app.close_finding(id, &note)).await.map(|()| StatusCode::NO_CONTENT)
}
