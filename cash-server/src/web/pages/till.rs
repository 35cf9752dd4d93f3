//! A till: how it is in one sentence, what it has, what happened, what waits on it, what can be
//! done.

use super::super::source::{self, Gathered};
use super::super::view::{AsideView, Attention, TillView};
use super::network::settings::SettingsView;
use super::timeline::{EventView, MAX_EVENTS, timeline};
use super::{Kind, Made, Reader, WebState, show};
use crate::app::{AppError, PriceHere, TillPrice};
use crate::store::sales::Page;
use crate::words::{FluentArgs, FluentValue};
use axum::Router;
use axum::extract::{Path, Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use tillway_proto::{Kopecks, NodeId};
use tillway_service::audit::AuditFilter;

const KIND: Kind = Kind {
    here: "tills",
    template: "till.html",
    parts: &[
        ("navigation", "navigation.html"),
        ("head", "till_head.html"),
        ("now", "till_now.html"),
        ("price", "till_price.html"),
        ("aside", "till_aside.html"),
        ("timeline", "till_timeline.html"),
    ],
};

/// Lines of the audit log about a till that are looked at.
const AUDIT_FOR: SignedDuration = SignedDuration::from_hours(90 * 24);

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct TillPage {
    pub(super) till: TillView,
    pub(super) parked: bool,
    pub(super) has_secret: bool,
    /// Shops that it can be moved to: folder name and what it is called.
    pub(super) parents: Vec<(String, String)>,
    /// What needs a look about it.
    pub(super) problems: Vec<Attention>,
    /// Why its receipts do not come: the word, what the till says, since when.
    pub(super) sales_wait: Option<(&'static str, String, Timestamp)>,
    /// What it says of its dictionary: the first digits.
    pub(super) digest: Option<String>,
    pub(super) dictionary_log_mib: Option<u64>,
    /// End of the last receipt that is here, by the till's clock.
    pub(super) last_receipt: Option<String>,
    /// Batches that wait in its queue.
    pub(super) queued: Option<u64>,
    pub(super) made_at: Timestamp,
    pub(super) first_contact: Option<Timestamp>,
    pub(super) aside: Vec<AsideView>,
    /// Until when a code to attach it is good, where one is open.
    pub(super) code_until: Option<Timestamp>,
    pub(super) events: Vec<EventView>,
    /// What a barcode costs on it, where that was asked for.
    pub(super) price: Option<PricesView>,
    /// None where it was removed meanwhile.
    pub(super) settings: Option<SettingsView>,
}

/// What a barcode costs on a till.
#[derive(Debug, Serialize)]
pub(super) struct PricesView {
    pub(super) barcode: String,
    /// Whether it is known what the till has.
    pub(super) is_known: bool,
    pub(super) goods: Vec<PriceView>,
}

/// What a good costs on a till.
#[derive(Debug, Serialize)]
pub(super) struct PriceView {
    pub(super) address: String,
    pub(super) code: String,
    pub(super) name: Option<String>,
    /// Now; none: it is not sold.
    pub(super) has: Option<PriceHereView>,
    /// Once the till is up to date, where that is another.
    pub(super) will_have: Option<PriceHereView>,
    pub(super) is_stale: bool,
}

/// A price, and where it comes from.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(super) struct PriceHereView {
    pub(super) price: Option<Kopecks>,
    pub(super) layer: Option<String>,
    /// The word for the row: `item`, `barcode`, `document`.
    pub(super) by: Option<&'static str>,
    /// Local time.
    pub(super) until: Option<String>,
}

/// What is asked about a till.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Asked {
    /// The barcode, or code, whose price is shown.
    barcode: String,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/tills/{id}", get(page))
}

async fn page(
    State(state): State<WebState>,
    reader: Reader,
    Path(id): Path<String>,
    Query(asked): Query<Asked>,
) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, &id, asked.barcode.trim())).await
}

fn view(gathered: &Gathered<'_>, id: &str, barcode: &str) -> Result<Made<TillPage>, AppError> {
    let (app, words, network) = (gathered.app, gathered.words, &gathered.facts.network);
    let till = app.till(id)?;
    let status = &till.status;
    let (id, contact) = (status.till.as_str(), status.record.contact.as_ref());
    let shown = source::till(network, status, words);
    let node = NodeId::Till(status.till.clone());
    let aside = gathered.facts.aside.units.iter().filter(|unit| unit.place.as_ref() == Some(&node));
    // Where the codes may not be seen, there are none.
    let codes = app.nodes().codes().unwrap_or_default();
    let is_open = |code: &&crate::app::CodeInfo| {
        code.kept.used.is_none()
            && code.kept.ends_at > gathered.now
            && code.till.as_ref().is_some_and(|till| till.node.id == node)
    };
    let about_it = AuditFilter {
        from: gathered.now - AUDIT_FOR,
        to: gathered.now + SignedDuration::from_hours(1),
        object: Some(id.to_owned()),
        ..AuditFilter::newest(MAX_EVENTS)
    };
    let audit = match app.audit(&about_it) {
        // The timeline has the rest.
        Err(AppError::Denied(_)) => Vec::new(),
        read => read?,
    };
    let commands = app.commands(Some(id), MAX_EVENTS)?;
    let deliveries = app.deliveries(Some(id), MAX_EVENTS)?;
    let page = Page { offset: 0, limit: MAX_EVENTS };
    // The rest is shown where the database of sales does not answer.
    let findings = app.findings(Some(id), false, page).unwrap_or_default();
    let events = timeline(status, &deliveries, &commands, &findings, &audit, words);
    let heading = heading(gathered, &shown);
    let mut crumbs = network.node(&node).map(|node| super::network::crumbs(network, node, words)).unwrap_or_default();
    if let Some(last) = crumbs.last_mut() {
        last.name = heading;
    }
    let body = TillPage {
        parked: status.parked,
        has_secret: status.has_secret,
        parents: network.node(&node).map(|node| super::network::parents(network, node)).unwrap_or_default(),
        problems: gathered
            .attention
            .iter()
            .filter(|entry| entry.tills.iter().any(|till| till == id))
            .cloned()
            .collect(),
        sales_wait: status.sales_wait.as_ref().map(|wait| (wait.kind.as_str(), wait.text.clone(), wait.since)),
        digest: contact.and_then(|contact| contact.state.digest).map(|digest| digest.to_string()[..12].to_owned()),
        dictionary_log_mib: contact.map(|contact| contact.state.dictionary_log_bytes >> 20).filter(|mib| *mib > 0),
        last_receipt: contact.and_then(|contact| contact.state.last_sent).map(|at| at.to_string().replace('T', " ")),
        queued: contact.map(|contact| contact.state.queued),
        made_at: status.made_at,
        first_contact: contact.map(|contact| contact.first_at),
        aside: aside.map(|unit| source::aside_view(network, unit, words)).collect(),
        code_until: codes.iter().find(is_open).map(|code| code.kept.ends_at),
        events,
        settings: match network.node(&node) {
            Some(node) => super::network::settings::of_node(gathered, node, contact.map(|one| &one.state))?,
            None => None,
        },
        price: if barcode.is_empty() { None } else { Some(prices(gathered, id, barcode)?) },
        till: shown,
    };
    Ok(Made { crumbs, body })
}

fn prices(gathered: &Gathered<'_>, till: &str, barcode: &str) -> Result<PricesView, AppError> {
    let told = gathered.app.till_prices(till, barcode)?;
    let here = |one: PriceHere| PriceHereView {
        price: one.price,
        layer: one.by.as_ref().map(|(layer, _)| source::place(&gathered.facts.network, layer, gathered.words)),
        by: one.by.map(|(_, by)| by.word()),
        until: one.until.map(|until| until.to_string().replace('T', " ")),
    };
    let good = |one: TillPrice| {
        let (has, will_have) = (one.has.map(here), one.will_have.map(here));
        PriceView {
            address: super::goods::address(&one.code),
            code: one.code,
            name: one.name,
            is_stale: has != will_have,
            has,
            will_have,
        }
    };
    Ok(PricesView {
        barcode: told.barcode,
        is_known: told.revision.is_some(),
        goods: told.goods.into_iter().map(good).collect(),
    })
}

/// `Till 7-1`.
fn heading(gathered: &Gathered<'_>, till: &TillView) -> String {
    let name = format!("{}-{}", till.shop, till.code);
    let parameters = FluentArgs::from_iter([("till", FluentValue::from(name))]);
    gathered.words.message("till-named", &parameters).unwrap_or_default()
}
