//! What a unit that was set aside holds: receipts as they were printed, else the text as it came.

use super::super::source::{self, Gathered};
use super::super::view::AsideView;
use super::sales::{Printed, SlipView, slip};
use super::{Kind, Made, Reader, WebState, show};
use crate::app::AppError;
use crate::aside::{AsideDocument, AsideError, AsideId};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use axum::routing::get;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use tillway_proto::{NodeId, TillId};
use tillway_service::page::Crumb;

const KIND: Kind = Kind { here: "findings", template: "unit.html", parts: &[] };

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct UnitPage {
    pub(super) unit: AsideView,
    pub(super) slips: Vec<AsideSlip>,
    /// What is no receipt.
    pub(super) texts: Vec<String>,
    pub(super) is_cut: bool,
    /// How many more documents there are.
    pub(super) more: u64,
}

/// A document that was set aside.
#[derive(Debug, Serialize)]
pub(super) struct AsideSlip {
    pub(super) slip: SlipView,
    pub(super) reason: Option<String>,
    pub(super) received_at: Option<Timestamp>,
}

#[derive(Debug, Deserialize)]
struct Asked {
    unit: String,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/findings/unit", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    match asked.unit.parse() {
        Ok(AsideId::Load(load)) => Redirect::to(&format!("/loads/{}", load.0)).into_response(),
        Ok(id) => show(state, reader, &KIND, move |gathered| view(gathered, &id)).await,
        Err(_) => super::super::act::gone(&state, &reader),
    }
}

fn view(gathered: &Gathered<'_>, id: &AsideId) -> Result<Made<UnitPage>, AppError> {
    let (network, words) = (&gathered.facts.network, gathered.words);
    let unit = gathered.facts.aside.units.iter().find(|unit| unit.id == *id);
    let unit = unit.ok_or_else(|| AppError::Aside(AsideError::Gone { id: id.clone() }))?;
    let held = gathered.app.aside_content(id)?;
    let shown = |one: &AsideDocument| AsideSlip {
        slip: of_document(gathered, one, &held.items),
        reason: one.reason.as_ref().map(|reason| words.reason(reason)),
        received_at: one.received_at,
    };
    let unit = source::aside_view(network, unit, words);
    let body = UnitPage {
        slips: held.content.documents.iter().map(shown).collect(),
        texts: held.content.shifts.iter().chain(&held.content.text).cloned().collect(),
        is_cut: held.content.is_cut,
        more: held.content.more,
        unit,
    };
    let crumbs =
        vec![Crumb::to(words.text("nav-findings", []), "/findings#aside"), Crumb::here(body.unit.name.clone())];
    Ok(Made { crumbs, body })
}

/// A document may be broken in any way: what it says of its till is a text.
fn of_document(gathered: &Gathered<'_>, one: &AsideDocument, items: &BTreeMap<String, String>) -> SlipView {
    let network = &gathered.facts.network;
    let told = one.document.key.as_ref().map(|key| key.till_id.as_str()).unwrap_or_default();
    let till: Option<TillId> = told.parse().ok();
    let of = Printed {
        till: till.as_ref().map_or_else(|| told.to_owned(), |till| source::till_place(network, till)),
        shop: till
            .as_ref()
            .and_then(|till| network.parent(&NodeId::Till(till.clone())))
            .map(|shop| format!("{} {}", shop.code, shop.name).trim_end().to_owned())
            .unwrap_or_default(),
    };
    slip(&one.document, of, None, items, gathered.words)
}
