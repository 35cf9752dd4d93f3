//! Sales as the server has them: shifts with their checks, totals, receipts, findings.

use super::RestState;
use super::nodes::find_till;
use super::problem::{Problem, blocking};
use crate::store::StoreError;
use crate::store::sales::{
    Finding, FindingFilter, MAX_PAGE, Page, ReceiptView, ShiftFilter, ShiftView, TotalsBy, TotalsFilter, TotalsRow,
};
use axum::Json;
use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};
use tillway_proto::receipt::{Opened, ShiftKey, ShiftNumber};
use tillway_proto::{NodeId, ShopId, TillId};
use utoipa::IntoParams;

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        Self::internal(&error)
    }
}

/// Which sales, and which part of a long list.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
pub(super) struct Asked {
    /// Of this till: id or `till-<shop>-<code>`.
    till: Option<String>,
    /// Of this shop: id or `shop-<code>`.
    shop: Option<String>,
    /// From this local day on, `YYYY-MM-DD`.
    #[param(value_type = Option<String>)]
    from: Option<Date>,
    /// To this local day, included.
    #[param(value_type = Option<String>)]
    to: Option<Date>,
    /// Shifts: only with this verdict: `open`, `waiting`, `ok`, `differs`.
    verdict: Option<String>,
    /// Totals: a row for each `till`, `shop` or `day`; left out: one row.
    by: Option<String>,
    /// Findings: closed ones too.
    #[serde(default)]
    closed: bool,
    /// Receipts: of the shift that was opened at this time, `YYYY-MM-DDTHH:MM:SS`; left out: of all shifts of that number.
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

    fn till(&self, state: &RestState) -> Result<Option<TillId>, Problem> {
        self.till.as_deref().map(|text| find_till(state, text)).transpose()
    }

    fn shop(&self, state: &RestState) -> Result<Option<ShopId>, Problem> {
        let Some(text) = &self.shop else { return Ok(None) };
        match &state.network.current()?.find(text)?.id {
            NodeId::Shop(shop) => Ok(Some(shop.clone())),
            other => Err(Problem::bad_request(format!("{other} is no shop: name one by id or as shop-<code>"))),
        }
    }
}

/// A shift, and what its times say.
#[derive(Debug, Serialize)]
pub(super) struct ToldShift {
    #[serde(flatten)]
    shift: ShiftView,
    /// It was opened or closed at a time that has come nowhere yet: the till's clock is ahead, or was.
    in_future: bool,
}

/// Shifts with their check, newest first. Money in kopecks. `in_future` marks those whose times have not come yet.
#[utoipa::path(get, path = "/api/v1/shifts", tag = "sales", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Vec<Object>), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn shifts(
    State(state): State<RestState>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<ToldShift>>, Problem> {
    blocking(move || {
        let verdict = asked
            .verdict
            .as_deref()
            .map(|word| {
                crate::sales::check::Verdict::from_word(word).ok_or_else(|| {
                    Problem::bad_request(format!("`{word}` is no verdict: open, waiting, ok or differs"))
                })
            })
            .transpose()?;
        let filter = ShiftFilter {
            till: asked.till(&state)?,
            shop: asked.shop(&state)?,
            verdict,
            from_day: asked.from,
            to_day: asked.to,
        };
        let (shifts, now) = (state.sales.shifts(&filter, asked.page())?, Timestamp::now());
        let told = |shift: ShiftView| ToldShift { in_future: shift.is_in_future(now), shift };
        Ok::<_, Problem>(shifts.into_iter().map(told).collect())
    })
    .await
    .map(Json)
}

/// Totals of sales and refunds. Money in kopecks.
#[utoipa::path(get, path = "/api/v1/totals", tag = "sales", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Vec<Object>), (status = 400, body = Problem), (status = 401, body = Problem)))]
pub(super) async fn totals(
    State(state): State<RestState>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<TotalsRow>>, Problem> {
    blocking(move || {
        let by = match asked.by.as_deref() {
            None => TotalsBy::All,
            Some("till") => TotalsBy::Till,
            Some("shop") => TotalsBy::Shop,
            Some("day") => TotalsBy::Day,
            Some(other) => {
                return Err(Problem::bad_request(format!("totals are by till, shop or day, not by `{other}`")));
            }
        };
        let filter =
            TotalsFilter { till: asked.till(&state)?, shop: asked.shop(&state)?, from: asked.from, to: asked.to };
        Ok(state.sales.totals(&filter, by)?)
    })
    .await
    .map(Json)
}

/// Receipts of one shift, by number. A POS may count its shifts anew: `opened` tells shifts of one number apart. Money in
/// kopecks.
#[utoipa::path(get, path = "/api/v1/tills/{id}/shifts/{number}/receipts", tag = "sales", security(("administrator" = [])),
    params(("id" = String, Path, description = "id of the till"), ("number" = u64, Path, description = "number of the shift"), Asked),
    responses((status = 200, body = Vec<Object>), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn receipts(
    State(state): State<RestState>,
    Path((id, number)): Path<(String, u64)>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<ReceiptView>>, Problem> {
    blocking(move || {
        let till = find_till(&state, &id)?;
        let opened = asked.opened.map_or(Opened::NotTold, Opened::At);
        let shift = ShiftKey { number: ShiftNumber(number), opened };
        Ok::<_, Problem>(state.sales.receipts(&till, shift, asked.page())?)
    })
    .await
    .map(Json)
}

/// What is wrong with sales, newest first: open findings, or all with `closed=true`.
#[utoipa::path(get, path = "/api/v1/findings", tag = "sales", security(("administrator" = [])), params(Asked),
    responses((status = 200, body = Vec<Object>), (status = 401, body = Problem)))]
pub(super) async fn findings(
    State(state): State<RestState>,
    Query(asked): Query<Asked>,
) -> Result<Json<Vec<Finding>>, Problem> {
    blocking(move || {
        let filter = FindingFilter { till: asked.till(&state)?, open_only: !asked.closed };
        Ok::<_, Problem>(state.sales.findings(&filter, asked.page())?)
    })
    .await
    .map(Json)
}

/// Closes a finding that somebody looked into.
#[utoipa::path(post, path = "/api/v1/findings/{id}/close", tag = "sales", security(("administrator" = [])),
    params(("id" = i64, Path, description = "id of the finding")),
    responses((status = 204), (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(super) async fn close_finding(State(state): State<RestState>, Path(id): Path<i64>) -> Result<StatusCode, Problem> {
    let closed = blocking(move || state.sales.resolve_finding(id, Timestamp::now())).await?;
    if closed { Ok(StatusCode::NO_CONTENT) } else { Err(Problem::not_found(format!("there is no open finding {id}"))) }
}
