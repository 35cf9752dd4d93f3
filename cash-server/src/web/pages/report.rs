//! The report of now, as the daily mail has it; made to be printed too.

use super::super::source::Gathered;
use super::{Kind, Made, Reader, WebState, show};
use crate::app::AppError;
use crate::report::{Report, report};
use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::get;
use serde::Serialize;
use tillway_service::page::Crumb;

const KIND: Kind = Kind { here: "report", template: "report.html", parts: &[("navigation", "navigation.html")] };

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct ReportPage {
    pub(super) report: Report,
    /// Whether mails are sent at all.
    pub(super) sends_mail: bool,
    /// Where it would be sent to; none: the reader has no address.
    pub(super) address: Option<String>,
    /// Whether it was sent just now.
    pub(super) is_sent: bool,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/report", get(page))
}

async fn page(State(state): State<WebState>, reader: Reader) -> Response {
    let is_sent = reader.asks_for("trial");
    show(state, reader, &KIND, move |gathered| view(gathered, is_sent)).await
}

fn view(gathered: &Gathered<'_>, is_sent: bool) -> Result<Made<ReportPage>, AppError> {
    let account = gathered.app.account().ok();
    let body = ReportPage {
        report: report(gathered)?,
        sends_mail: gathered.app.sends_mail(),
        address: account.and_then(|account| account.user.mailing.address).map(|address| address.to_string()),
        is_sent,
    };
    Ok(Made { crumbs: vec![Crumb::here(gathered.words.text("nav-report", []))], body })
}
