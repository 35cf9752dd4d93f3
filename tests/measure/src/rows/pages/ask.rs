//! The pages that are asked for, and who asks.

use crate::MeasureError;
use reqwest::blocking::{Client, Response};
use reqwest::header;
use reqwest::redirect::Policy;
use serde_json::Value;
use std::time::{Duration, Instant};
use tillway_tests::bench::Server;

/// A page with what is typical of its address.
pub(super) struct Page {
    pub(super) name: &'static str,
    /// `TILL`, `SHOP`, `GROUP`, `CODE`, `WORD`, `BARCODE`, `RECEIPT`, `LOAD`, `DAY`, `WEEK` and
    /// `AFTER` stand for what the data has.
    pub(super) path: &'static str,
}

const fn page(name: &'static str, path: &'static str) -> Page {
    Page { name, path }
}

/// Every page that is read, its usual filters, and a page far behind.
pub(super) const PAGES: [Page; 46] = [
    page("overview", "/"),
    page("tills", "/tills"),
    page("tills, far behind", "/tills?page=100"),
    page("tills, sorted", "/tills?sort=-unsent"),
    page("tills, silent", "/tills?state=silent"),
    page("tills, of a shop", "/tills?shop=SHOP"),
    page("tills, found", "/tills?q=TILL"),
    page("tills, file", "/tills.csv?shop=SHOP"),
    page("a till", "/tills/TILL"),
    page("a till, a price on it", "/tills/TILL?barcode=BARCODE"),
    page("network", "/network"),
    page("network, a group", "/network/GROUP"),
    page("network, far behind", "/network?page=3"),
    page("network, a shop", "/network/SHOP"),
    page("network, import", "/network/import"),
    page("loads", "/loads"),
    page("a load", "/loads/LOAD"),
    page("goods", "/goods"),
    page("goods, by words", "/goods?q=WORD"),
    page("goods, by barcode", "/goods?q=BARCODE"),
    page("goods, by the beginning of codes", "/goods?q=1"),
    page("goods, far behind", "/goods?after=code:AFTER"),
    page("a good", "/goods/CODE"),
    page("a good, older changes", "/goods/CODE?before=100"),
    page("a good, history as a file", "/goods/CODE/history.csv"),
    page("shifts", "/sales"),
    page("shifts, of a till", "/sales?till=TILL"),
    page("shifts, that differ", "/sales?verdict=differs"),
    page("receipts", "/sales/receipts"),
    page("receipts, of a till", "/sales/receipts?till=TILL"),
    page("receipts, with a good", "/sales/receipts?item=CODE"),
    page("receipts, of a shop and day", "/sales/receipts?shop=SHOP&from=DAY&to=DAY"),
    page("a receipt", "/sales/receipts/RECEIPT"),
    page("totals by day", "/sales/totals"),
    page("totals by hour", "/sales/totals?by=hour"),
    page("totals by shop", "/sales/totals?by=shop"),
    page("totals by till", "/sales/totals?by=till&from=WEEK"),
    page("totals by cashier", "/sales/totals?by=cashier"),
    page("findings", "/findings"),
    page("report", "/report"),
    page("server", "/server"),
    page("log", "/server/log"),
    page("people", "/people"),
    page("audit", "/audit"),
    page("attach", "/attach"),
    page("account", "/account"),
];

const PASSWORD: &str = "a password of the benchmark";

/// Nobody waits longer for a page.
const DEADLINE: Duration = Duration::from_secs(30);

/// Somebody who has logged in.
pub(super) struct Browser {
    client: Client,
    base: String,
    cookie: String,
}

/// What came back.
pub(super) struct Got {
    pub(super) seconds: f64,
    pub(super) bytes: usize,
}

impl Browser {
    /// Comes in as a new administrator does, by a link.
    pub(super) fn log_in(server: &Server) -> Result<Self, MeasureError> {
        let add = ["--json", "user", "add", "reader", "--role", "administrator"];
        let invited = server.command(&add).map_err(MeasureError::Bench)?;
        let invited: Value =
            serde_json::from_str(&invited).map_err(|error| MeasureError::wrong("a new user", error))?;
        let link = invited["link"]["url"].as_str().and_then(|url| url.split("link=").nth(1));
        let link = link.ok_or_else(|| MeasureError::wrong("a new user", &invited))?;
        let client = Client::builder().redirect(Policy::none()).timeout(DEADLINE).build().map_err(failed)?;
        let mut this = Self { client, base: server.page(), cookie: String::new() };
        let shown = this.get(&format!("/first?link={link}"))?.text().map_err(failed)?;
        let token = shown.split("name=\"token\" value=\"").nth(1).and_then(|rest| rest.split('"').next());
        let token = token.ok_or_else(|| MeasureError::wrong("the page of the link", "it has no form"))?;
        let escaped = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<Vec<_>>().concat();
        let form = [("link", link), ("password", PASSWORD), ("again", PASSWORD), ("token", token)];
        let form = form.map(|(name, value)| format!("{name}={}", escaped(value))).join("&");
        let origin = this.base.trim_end_matches('/').to_owned();
        let request = this.client.post(format!("{origin}/first")).header(header::ORIGIN, &origin);
        let request = request.header(header::CONTENT_TYPE, "application/x-www-form-urlencoded").body(form);
        let answer = request.send().map_err(failed)?;
        let set = answer.headers().get(header::SET_COOKIE).and_then(|set| set.to_str().ok());
        let cookie = set.and_then(|set| set.split(';').next()).map(str::to_owned);
        this.cookie = cookie.ok_or_else(|| MeasureError::wrong("the log-in", format!("{}", answer.status())))?;
        Ok(this)
    }

    fn get(&self, path: &str) -> Result<Response, MeasureError> {
        let address = format!("{}{}", self.base.trim_end_matches('/'), path);
        self.client.get(address).header(header::COOKIE, &self.cookie).send().map_err(failed)
    }

    /// Asks for a page in a language, to its last byte.
    pub(super) fn ask(&self, path: &str, language: &str) -> Result<Got, MeasureError> {
        let with = if path.contains('?') { '&' } else { '?' };
        let started = Instant::now();
        let answer = self.get(&format!("{path}{with}lang={language}"))?;
        let status = answer.status();
        let bytes = answer.bytes().map_err(failed)?.len();
        let seconds = started.elapsed().as_secs_f64();
        if !status.is_success() {
            return Err(MeasureError::wrong("a page", format!("{path}: {status}")));
        }
        Ok(Got { seconds, bytes })
    }
}

#[allow(clippy::needless_pass_by_value)] // as `map_err` hands it over
fn failed(error: reqwest::Error) -> MeasureError {
    MeasureError::wrong("asking for a page", error)
}

#[cfg(test)]
mod tests {
    use super::*;
    use fs_err as fs;
    use std::collections::BTreeSet;
    use std::path::Path;

    /// Pages that are read, as the routers of the server have them.
    fn routes(folder: &Path, found: &mut BTreeSet<String>) {
        for entry in fs::read_dir(folder).unwrap().map(Result::unwrap) {
            let path = entry.path();
            if path.is_dir() && !path.ends_with("tests") {
                routes(&path, found);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let source = fs::read_to_string(&path).unwrap();
                for call in source.split(".route(\"").skip(1) {
                    let (route, rest) = call.split_once('"').unwrap();
                    if rest.starts_with(", get(") && !route.contains(".csv") {
                        found.insert(route.to_owned());
                    }
                }
            }
        }
    }

    #[test]
    fn every_page_that_can_be_read_is_asked_for() {
        let mut found = BTreeSet::new();
        routes(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../../cash-server/src/web"), &mut found);
        assert!(found.len() > 15, "{found:?}");
        let fits = |route: &str, path: &str| {
            let parts = [route, path.split('?').next().unwrap()].map(|path| path.split('/').collect::<Vec<_>>());
            let is_alike =
                |(route, path): (&&str, &&str)| route == path || (route.starts_with('{') && !path.is_empty());
            parts[0].len() == parts[1].len() && parts[0].iter().zip(&parts[1]).all(is_alike)
        };
        // Where one comes in needs nothing of the data; it is what the others are compared with.
        // Two only lead on or hand out a file, and nothing lies aside.
        let others = ["/first", "/tills/columns", "/loads/{number}/file", "/findings/unit"];
        let asked =
            |route: &&String| others.contains(&route.as_str()) || PAGES.iter().any(|page| fits(route, page.path));
        let missing: Vec<&String> = found.iter().filter(|route| !asked(route)).collect();
        assert_eq!(missing, Vec::<&String>::new());
    }
}
