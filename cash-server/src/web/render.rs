//! This server's templates, and the filter that they need beside those of every service.

use crate::words::{self, Language};
use minijinja::Environment;
use tillway_proto::Kopecks;
use tillway_service::page::{RenderError, Renderer, Template, group_digits};

/// The template of a file.
macro_rules! templates {
    ($($name:literal),* $(,)?) => { [$(($name, include_str!(concat!("templates/", $name)))),*] };
}

/// The templates by name.
pub(crate) const TEMPLATES: [Template; 65] = templates![
    "account.html",
    "aside_live.html",
    "attach.html",
    "attention_acts.html",
    "audit.html",
    "bulk_ask.html",
    "bulk_done.html",
    "bulk_rows.html",
    "chart_bars.html",
    "code.html",
    "confirm.html",
    "findings.html",
    "findings_live.html",
    "first.html",
    "good.html",
    "good_shops.html",
    "goods.html",
    "load.html",
    "load_live.html",
    "loads.html",
    "loads_live.html",
    "log.html",
    "log_lines.html",
    "login.html",
    "mailing_form.html",
    "network.html",
    "network_below.html",
    "network_import.html",
    "network_remove.html",
    "node_forms.html",
    "node_settings.html",
    "once.html",
    "overview.html",
    "overview_lately.html",
    "overview_live.html",
    "page.html",
    "people.html",
    "price_here.html",
    "receipt.html",
    "receipt_slip.html",
    "receipts.html",
    "report.html",
    "sales.html",
    "sales_above.html",
    "sales_live.html",
    "sales_of.html",
    "server.html",
    "server_kept.html",
    "server_live.html",
    "stolen.html",
    "sure.html",
    "till.html",
    "till_aside.html",
    "till_head.html",
    "till_now.html",
    "till_price.html",
    "till_timeline.html",
    "tills.html",
    "tills_chips.html",
    "tills_found.html",
    "tills_rows.html",
    "totals.html",
    "unit.html",
    "unit_acts.html",
    "units.html",
];

/// Templates and words, read once.
pub(super) fn renderer() -> Result<Renderer, RenderError> {
    Renderer::new(&TEMPLATES, words::of, more_filters)
}

pub(super) fn more_filters(environment: &mut Environment<'_>, language: Language) {
    let none = || "—".to_owned();
    environment
        .add_filter("rub", move |kopecks: Option<i64>| kopecks.map_or_else(none, |kopecks| rub(kopecks, language)));
}

/// `12 345.67`, in Russian `12 345,67`.
pub(super) fn rub(kopecks: i64, language: Language) -> String {
    let told = group_digits(&Kopecks(kopecks).to_string());
    match language {
        Language::English => told,
        Language::Russian => told.replace('.', ","),
    }
}
