//! Sales by shift, each with its check.

use super::super::source;
use super::super::view::ShiftView;
use super::{Kind, Made, Reader, WebState, show};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use tillway_service::page::Crumb;

const KIND: Kind = Kind {
    here: "sales",
    template: "sales.html",
    parts: &[("navigation", "navigation.html"), ("shifts", "sales_live.html")],
};

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct SalesView {
    /// Why sales cannot be shown, where they cannot.
    pub(super) sales_trouble: Option<String>,
    /// Shifts, newest first.
    pub(super) shifts: Vec<ShiftView>,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/sales", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader) -> Response {
    show(state, reader, &KIND, |gathered| {
        let shifts = gathered.facts.sales.as_ref().map(|(_, shifts)| shifts.as_slice()).unwrap_or_default();
        let (network, words) = (&gathered.facts.network, gathered.words);
        let body = SalesView {
            sales_trouble: gathered.sales_trouble.clone(),
            shifts: shifts.iter().map(|one| source::shift(network, one, words)).collect(),
        };
        Ok(Made { crumbs: vec![Crumb::here(words.text("nav-sales", []))], body })
    })
    .await
}
