//! A day by its hours and a week by its days, as the first page shows them.

use super::problem::{Problem, blocking};
use crate::app::{self, Acting};
use axum::Json;
use jiff::{SignedDuration, Zoned};
use serde::Serialize;
use utoipa::ToSchema;

/// What happened lately.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct LatelyView {
    /// The last 24 hours, the newest last, which has not ended.
    pub hours: Vec<SlotView>,
    /// The last 7 days, the newest last, which has not ended.
    pub days: Vec<SlotView>,
}

/// An hour or a day.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SlotView {
    /// When it begins, in the server's time.
    pub begins: String,
    /// Receipts that ended then, by the tills' clocks; none where their database does not answer.
    pub receipts: Option<u64>,
    /// Loads that came in.
    pub loads: u64,
    /// Deliveries that were applied.
    pub applied: u64,
    /// Half of these took at most so many milliseconds; a tenth too much at most.
    pub half_ms: Option<i64>,
    /// And 95 of a hundred at most so many.
    pub most_ms: Option<i64>,
}

/// Receipts, loads and how long prices took to their tills: the last day by hours, the last week
/// by days.
#[utoipa::path(get, path = "/api/v1/lately", tag = "tills", security(("administrator" = [])),
    responses((status = 200, body = LatelyView), (status = 401, body = Problem), (status = 403, body = Problem)))]
pub(super) async fn show(app: Acting) -> Result<Json<LatelyView>, Problem> {
    let lately = blocking(move || app.lately(&Zoned::now())).await?;
    let ms = |took: Option<SignedDuration>| took.and_then(|took| i64::try_from(took.as_millis()).ok());
    let slot = |one: app::Slot| SlotView {
        begins: one.begins.to_string(),
        receipts: one.receipts,
        loads: one.loads,
        applied: one.applied,
        half_ms: ms(one.half),
        most_ms: ms(one.most),
    };
    let all = |slots: Vec<app::Slot>| slots.into_iter().map(slot).collect();
    Ok(Json(LatelyView { hours: all(lately.hours), days: all(lately.days) }))
}
