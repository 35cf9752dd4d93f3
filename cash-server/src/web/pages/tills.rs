//! Tills: searched, filtered, sorted, page by page, as CSV; and what is done with many of them.
//!
//! The filter is the address. What it is about is decided over what is known of all tills; rows
//! are made for those of one page alone.

mod columns;

pub(super) use columns::{Choice, Column};

use super::super::address::with;
use super::super::source::{self, Gathered};
use super::super::view::{Attention, TillView};
use super::{Kind, Made, Reader, WebState, gather, show};
use crate::app::{AppError, BulkAct, MAX_BULK, Till};
use crate::exchange::{Condition, TillStatus};
use crate::network::{Network, Node};
use axum::Router;
use axum::extract::{Query, State};
use axum::response::Response;
use axum::routing::get;
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use std::cmp::Ordering;
use std::collections::{BTreeMap, HashSet};
use tillway_proto::{NodeLevel, TillSetting};
use tillway_service::page::Crumb;
use tillway_service::people::View;

const KIND: Kind = Kind {
    here: "tills",
    template: "tills.html",
    parts: &[
        ("navigation", "navigation.html"),
        ("chips", "tills_chips.html"),
        ("found", "tills_found.html"),
        ("rows", "tills_rows.html"),
    ],
};

/// Rows of one page: what a screen or two show.
const PAGE: usize = 50;

/// Shops that a list to choose from has room for; of more, the code is typed.
pub(super) const MAX_CHOICES: usize = 300;

/// Which tills, as the address says it. What is empty or does not read filters nothing.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Asked {
    /// A part of a code, a name or an id.
    pub(super) q: String,
    /// A condition; `look`: whatever needs a look.
    pub(super) state: String,
    /// Folder name or code of a shop.
    pub(super) shop: String,
    /// Folder name or code of a group.
    pub(super) group: String,
    /// Version of the agent.
    pub(super) version: String,
    /// What is wrong: the key of a problem.
    pub(super) problem: String,
    /// Silent for so many minutes or longer.
    pub(super) silent: String,
    /// So many revisions behind, or more.
    pub(super) behind: String,
    /// So many documents not sent, or more.
    pub(super) unsent: String,
    /// A column; after a `-` the other way round.
    pub(super) sort: String,
    /// Words of columns with commas between; empty: the usual ones.
    pub(super) columns: String,
    /// From 1.
    pub(super) page: String,
}

impl Asked {
    /// The parameters of the filter.
    fn filter(&self) -> [(&'static str, &str); 9] {
        [
            ("q", &self.q),
            ("state", &self.state),
            ("shop", &self.shop),
            ("group", &self.group),
            ("version", &self.version),
            ("problem", &self.problem),
            ("silent", &self.silent),
            ("behind", &self.behind),
            ("unsent", &self.unsent),
        ]
    }

    /// Takes a parameter by its name.
    fn put(&mut self, name: &str, value: String) {
        let field = match name {
            "q" => &mut self.q,
            "state" => &mut self.state,
            "shop" => &mut self.shop,
            "group" => &mut self.group,
            "version" => &mut self.version,
            "problem" => &mut self.problem,
            "silent" => &mut self.silent,
            "behind" => &mut self.behind,
            "unsent" => &mut self.unsent,
            "sort" => &mut self.sort,
            _ => return,
        };
        *field = value;
    }

    fn is_filtered(&self) -> bool {
        self.filter().iter().any(|(_, value)| !value.is_empty())
    }

    /// The address of the same list with other values of some parameters.
    fn address(&self, path: &str, other: &[(&'static str, &str)]) -> String {
        let all = self.filter().into_iter().chain([("sort", self.sort.as_str()), ("columns", &self.columns)]);
        let changed = |(name, value)| {
            let other = other.iter().find(|(changed, _)| *changed == name);
            (name, other.map_or(value, |(_, value)| *value))
        };
        let page = other.iter().filter(|(name, _)| *name == "page").copied();
        with(path, all.map(changed).chain(page))
    }

    /// The filter as the query of an address.
    fn query(&self) -> String {
        with("", self.filter()).trim_start_matches('?').to_owned()
    }
}

/// What the page shows.
#[derive(Debug, Serialize)]
pub(super) struct TillsView {
    pub(super) asked: Asked,
    pub(super) is_filtered: bool,
    /// All tills, and those that the filter leaves.
    pub(super) total: u64,
    pub(super) found: u64,
    pub(super) rows: Vec<TillView>,
    /// Numbers of the first and the last row.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) previous: Option<String>,
    pub(super) next: Option<String>,
    pub(super) chips: Vec<Chip>,
    /// Folder names with what they are called.
    pub(super) shops: Vec<(String, String)>,
    pub(super) groups: Vec<(String, String)>,
    pub(super) has_many_shops: bool,
    pub(super) versions: Vec<String>,
    pub(super) columns: Vec<Column>,
    pub(super) choices: Vec<Choice>,
    /// One's own views, and the address of this one.
    pub(super) views: Vec<View>,
    pub(super) here: String,
    pub(super) csv: String,
    pub(super) clear: String,
    /// The filter without order and page.
    pub(super) filter: String,
    pub(super) acts: [&'static str; 5],
    pub(super) setting_keys: [&'static str; 11],
    pub(super) max_bulk: u64,
}

/// A filter of one click.
#[derive(Debug, Serialize)]
pub(super) struct Chip {
    /// The condition, or `look`.
    pub(super) state: &'static str,
    pub(super) count: u64,
    pub(super) address: String,
    pub(super) is_on: bool,
}

pub(super) fn router() -> Router<WebState> {
    Router::new().route("/tills", get(page)).route("/tills.csv", get(csv)).route("/tills/columns", get(columns::choose))
}

async fn page(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    show(state, reader, &KIND, move |gathered| view(gathered, &asked)).await
}

fn view(gathered: &Gathered<'_>, asked: &Asked) -> Result<Made<TillsView>, AppError> {
    let network = &gathered.facts.network;
    let all = facts(gathered);
    let mut found = chosen(&all, asked, gathered);
    sort(&mut found, &asked.sort);
    let pages = found.len().div_ceil(PAGE).max(1);
    let page = asked.page.parse().unwrap_or(1_usize).clamp(1, pages);
    let from = (page - 1) * PAGE;
    let shown = &found[from..found.len().min(from + PAGE)];
    let to_page = |page: usize| asked.address("/tills", &[("page", &page.to_string())]);
    let (shops, groups) = (nodes_of(gathered, NodeLevel::Shop)?, nodes_of(gathered, NodeLevel::Group)?);
    let has_many_shops = shops.len() > MAX_CHOICES;
    let body = TillsView {
        is_filtered: asked.is_filtered(),
        total: all.len() as u64,
        found: found.len() as u64,
        rows: shown.iter().map(|one| source::till(network, one.status, gathered.words)).collect(),
        first: if shown.is_empty() { 0 } else { from as u64 + 1 },
        last: (from + shown.len()) as u64,
        previous: (page > 1).then(|| to_page(page - 1)),
        next: (page < pages).then(|| to_page(page + 1)),
        chips: chips(&all, asked),
        shops: if has_many_shops { Vec::new() } else { shops },
        groups,
        has_many_shops,
        versions: versions(&all),
        columns: columns::heads(asked),
        choices: columns::choices(asked),
        // Who has no account has none.
        views: gathered.app.views().unwrap_or_default(),
        here: asked.address("/tills", &[]),
        csv: asked.address("/tills.csv", &[]),
        clear: with("/tills", [("sort", asked.sort.as_str()), ("columns", &asked.columns)]),
        filter: asked.query(),
        acts: BulkAct::ALL.map(|act| act.word()),
        setting_keys: TillSetting::ALL.map(|setting| setting.key),
        max_bulk: MAX_BULK as u64,
        asked: asked.clone(),
    };
    Ok(Made { crumbs: vec![Crumb::here(gathered.words.text("tills", []))], body })
}

/// The tills that a filter leaves, in order of their codes.
pub(super) fn tills_of<'a>(gathered: &'a Gathered<'_>, asked: &Asked) -> Vec<&'a Till> {
    let all = facts(gathered);
    let mut found = chosen(&all, asked, gathered);
    sort(&mut found, "till");
    found.into_iter().map(|one| one.till).collect()
}

/// What filters and orders look at, of one till.
struct Facts<'a> {
    till: &'a Till,
    status: &'a TillStatus,
    condition: Condition,
    shop: Option<&'a Node>,
    needs_look: bool,
    unsent: Option<u64>,
    behind: u64,
    version: &'a str,
}

fn facts<'a>(gathered: &'a Gathered<'_>) -> Vec<Facts<'a>> {
    let look = about(&gathered.attention, |_| true);
    let of = |till: &'a Till| {
        let status = &till.status;
        let state = status.record.contact.as_ref().map(|contact| &contact.state);
        Facts {
            till,
            status,
            condition: Condition::of(status),
            shop: gathered.facts.network.shop_of(&status.till),
            needs_look: look.contains(status.till.as_str()),
            unsent: state.and_then(|state| state.unsent_documents),
            behind: status.target.0.saturating_sub(status.record.cursor().0),
            version: state.map_or("", |state| state.agent_version.as_str()),
        }
    };
    gathered.facts.tills.iter().map(of).collect()
}

/// Ids of tills that something is said of.
fn about(attention: &[Attention], which: impl Fn(&Attention) -> bool) -> HashSet<&str> {
    attention.iter().filter(|entry| which(entry)).flat_map(|entry| &entry.tills).map(String::as_str).collect()
}

fn chosen<'f, 'a>(all: &'f [Facts<'a>], asked: &Asked, gathered: &'a Gathered<'_>) -> Vec<&'f Facts<'a>> {
    let network = &gathered.facts.network;
    let wanted = asked.q.trim().to_lowercase();
    let node = |level, name: &str| network.nodes().find(|node| node.level() == level && is_called(network, node, name));
    // A name that is nobody's leaves nothing.
    let shop = (!asked.shop.is_empty()).then(|| node(NodeLevel::Shop, &asked.shop));
    let group = (!asked.group.is_empty()).then(|| node(NodeLevel::Group, &asked.group));
    let problem = (!asked.problem.is_empty()).then(|| about(&gathered.attention, |entry| entry.key == asked.problem));
    let condition = Condition::ALL.into_iter().find(|condition| condition.code() == asked.state);
    let [silent, behind, unsent] = [&asked.silent, &asked.behind, &asked.unsent].map(|text| text.parse::<u64>().ok());
    let silent = silent.and_then(|minutes| i64::try_from(minutes).ok()).map(SignedDuration::from_mins);
    let holds = |one: &&Facts<'_>| {
        condition.is_none_or(|condition| condition == one.condition)
            && (asked.state != "look" || one.needs_look)
            && shop.is_none_or(|shop| shop.is_some_and(|shop| one.shop.is_some_and(|own| own.no == shop.no)))
            && group.is_none_or(|group| {
                group.is_some_and(|group| one.shop.is_some_and(|own| network.is_within(own.no, group.no)))
            })
            && (asked.version.is_empty() || one.version == asked.version)
            && problem.as_ref().is_none_or(|ids| ids.contains(one.status.till.as_str()))
            && silent.is_none_or(|silent| is_silent_for(one, gathered.now, silent))
            && behind.is_none_or(|behind| one.behind >= behind)
            && unsent.is_none_or(|unsent| one.unsent.is_some_and(|documents| documents >= unsent))
            && (wanted.is_empty() || is_meant(one, &wanted))
    };
    all.iter().filter(holds).collect()
}

fn is_called(network: &Network, node: &Node, name: &str) -> bool {
    node.code.as_str() == name || network.folder_name(node) == name
}

fn is_silent_for(one: &Facts<'_>, now: Timestamp, least: SignedDuration) -> bool {
    let heard = one.status.record.contact.as_ref().map(|contact| contact.last_at);
    heard.is_none_or(|at| now.duration_since(at) >= least)
}

/// Whether a till is what somebody typed: `7-1`, `7/1`, a part of its name, its shop's, its id.
fn is_meant(one: &Facts<'_>, wanted: &str) -> bool {
    let (code, shop) =
        (one.status.till.code().to_lowercase(), one.shop.map_or("", |shop| shop.code.as_str()).to_lowercase());
    let has = |text: &str| text.to_lowercase().contains(wanted);
    let pair = wanted.replace('/', "-");
    let pair = pair.strip_prefix("till-").unwrap_or(&pair);
    code == wanted
        || shop == wanted
        || format!("{shop}-{code}").starts_with(pair)
        || has(&one.status.name)
        || one.shop.is_some_and(|shop| has(&shop.name))
        || has(one.status.till.as_str())
}

/// The column that a list is sorted by, by its word, and whether it is turned round. What nobody
/// chose: the weightiest state first.
fn order(text: &str) -> (&str, bool) {
    let (word, is_turned) = text.strip_prefix('-').map_or((text, false), |word| (word, true));
    if columns::is_word(word) { (word, is_turned) } else { ("state", false) }
}

fn sort(found: &mut [&Facts<'_>], text: &str) {
    let (word, is_turned) = order(text);
    let contact = |one: &Facts<'_>| one.status.record.contact.clone();
    let compare = |a: &&Facts<'_>, b: &&Facts<'_>| match word {
        "till" => Ordering::Equal,
        "behind" => a.behind.cmp(&b.behind),
        // The oldest data first.
        "age" => {
            let at = |one: &Facts<'_>| contact(one).and_then(|contact| contact.state.applied_at);
            at(a).cmp(&at(b))
        }
        "heard" => {
            let at = |one: &Facts<'_>| contact(one).map(|contact| contact.last_at);
            at(a).cmp(&at(b))
        }
        "unsent" => a.unsent.cmp(&b.unsent),
        "version" => natural(a.version).cmp(&natural(b.version)),
        "clock" => a.status.clock_ahead.unwrap_or_default().abs().cmp(&b.status.clock_ahead.unwrap_or_default().abs()),
        "why" => a.status.next.code().cmp(b.status.next.code()),
        "delivery" => {
            let state = |one: &Facts<'_>| one.status.record.newest.as_ref().map(|newest| newest.state.to_string());
            state(a).cmp(&state(b))
        }
        "rows" => {
            let rows = |one: &Facts<'_>| contact(one).map(|contact| contact.state.rows);
            rows(a).cmp(&rows(b))
        }
        "id" => a.status.till.as_str().cmp(b.status.till.as_str()),
        _ => a.condition.cmp(&b.condition),
    };
    let by_code = |one: &Facts<'_>| {
        let shop = one.shop.map(|shop| natural(shop.code.as_str()));
        (shop, natural(one.status.till.code()))
    };
    found.sort_by(|a, b| {
        let compared =
            compare(a, b).then_with(|| if word == "till" { by_code(a).cmp(&by_code(b)) } else { Ordering::Equal });
        let compared = if is_turned { compared.reverse() } else { compared };
        compared.then_with(|| by_code(a).cmp(&by_code(b)))
    });
}

/// Orders texts as people do: `9` before `10`.
pub(super) fn natural(text: &str) -> Vec<(u64, String)> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let letters = rest.find(|c: char| c.is_ascii_digit()).unwrap_or(rest.len());
        let (word, after) = rest.split_at(letters);
        let digits = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (number, after) = after.split_at(digits);
        // A number comes before a word, and one that is too long last of all.
        if !word.is_empty() {
            parts.push((u64::MAX, word.to_owned()));
        }
        if !number.is_empty() {
            parts.push((number.parse().unwrap_or(u64::MAX - 1), number.to_owned()));
        }
        rest = after;
    }
    parts
}

fn chips(all: &[Facts<'_>], asked: &Asked) -> Vec<Chip> {
    let chip = |state: &'static str, count: u64| {
        let is_on = asked.state == state;
        let other = if is_on { "" } else { state };
        Chip { state, count, address: asked.address("/tills", &[("state", other)]), is_on }
    };
    let look = chip("look", all.iter().filter(|one| one.needs_look).count() as u64);
    let of = |condition: Condition| all.iter().filter(|one| one.condition == condition).count() as u64;
    let states = Condition::ALL.into_iter().map(|condition| chip(condition.code(), of(condition)));
    [look].into_iter().chain(states).filter(|chip| chip.count > 0 || chip.is_on).collect()
}

/// Nodes of a level that the reader may see: folder names with what they are called.
pub(super) fn nodes_of(gathered: &Gathered<'_>, level: NodeLevel) -> Result<Vec<(String, String)>, AppError> {
    let (network, may_see) = (&gathered.facts.network, gathered.app.may_see()?);
    let nodes = network.nodes().filter(|node| node.level() == level && may_see(&node.id));
    let mut named: Vec<_> = nodes.map(|node| (natural(node.code.as_str()), node)).collect();
    named.sort_by(|(a, _), (b, _)| a.cmp(b));
    let called = |node: &Node| format!("{} {}", node.code, node.name).trim_end().to_owned();
    Ok(named.into_iter().map(|(_, node)| (network.folder_name(node), called(node))).collect())
}

fn versions(all: &[Facts<'_>]) -> Vec<String> {
    let there: BTreeMap<_, &str> = all.iter().map(|one| (natural(one.version), one.version)).collect();
    there.into_values().filter(|version| !version.is_empty()).map(str::to_owned).collect()
}

async fn csv(State(state): State<WebState>, reader: Reader, Query(asked): Query<Asked>) -> Response {
    super::table(state, reader, "tills.csv", move |app, words| {
        let gathered = gather(app, words)?;
        let all = facts(&gathered);
        let mut found = chosen(&all, &asked, &gathered);
        sort(&mut found, &asked.sort);
        let rows = found.iter().map(|one| source::till(&gathered.facts.network, one.status, words));
        Ok(columns::table(&asked, rows, words))
    })
    .await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_ordered_as_people_count() {
        let mut codes = ["10", "9", "a10", "a9", "1", "01"];
        codes.sort_by_key(|code| natural(code));
        assert_eq!(codes, ["01", "1", "9", "10", "a9", "a10"]);
        assert!(natural("0.10.0") > natural("0.9.1"));
    }

    #[test]
    fn the_filter_is_in_the_address() {
        let asked = Asked { q: "a b".to_owned(), state: "silent".to_owned(), page: "3".to_owned(), ..Asked::default() };
        assert_eq!(asked.address("/tills", &[]), "/tills?q=a%20b&state=silent");
        assert_eq!(asked.address("/tills", &[("state", ""), ("page", "2")]), "/tills?q=a%20b&page=2");
        assert_eq!(asked.query(), "q=a%20b&state=silent");
        assert_eq!(order("nonsense"), ("state", false));
    }
}
