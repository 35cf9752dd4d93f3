//! The columns of the list of tills: which there are, which are chosen by the address, and what of
//! them stands in the CSV.

use super::super::super::csv::Csv;
use super::super::super::view::TillView;
use super::super::{Reader, WebState};
use super::{Asked, order};
use crate::words::{FluentArgs, Words};
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Redirect, Response};
use jiff::Timestamp;
use serde::Serialize;

/// A column that there is.
#[derive(Debug, Clone, Copy)]
struct Known {
    /// The message that names it.
    name: &'static str,
    /// Its word in addresses.
    word: &'static str,
    is_number: bool,
    /// Whether it is there where nobody chose.
    is_usual: bool,
}

const fn usual(name: &'static str, word: &'static str, is_number: bool) -> Known {
    Known { name, word, is_number, is_usual: true }
}

const fn on_request(name: &'static str, word: &'static str, is_number: bool) -> Known {
    Known { name, word, is_number, is_usual: false }
}

/// All of them, in their order. The first is always there.
const COLUMNS: [Known; 12] = [
    usual("till", "till", false),
    usual("condition", "state", false),
    usual("has-revision", "behind", true),
    usual("data-age", "age", false),
    usual("last-contact", "heard", false),
    usual("unsent", "unsent", true),
    usual("agent", "version", false),
    usual("clock", "clock", true),
    on_request("reason-to-wait", "why", false),
    on_request("delivery", "delivery", false),
    on_request("rows", "rows", true),
    on_request("id", "id", false),
];

/// The head of a column.
#[derive(Debug, Serialize)]
pub(in super::super) struct Column {
    /// The message that names it.
    pub(in super::super) name: &'static str,
    /// Sorts by it, or the other way round.
    pub(in super::super) address: String,
    /// `ascending`, `descending` or nothing.
    pub(in super::super) order: &'static str,
    pub(in super::super) is_number: bool,
}

/// A column that can be chosen.
#[derive(Debug, Serialize)]
pub(in super::super) struct Choice {
    pub(in super::super) name: &'static str,
    pub(in super::super) word: &'static str,
    pub(in super::super) is_on: bool,
}

/// Whether a list can be sorted by this.
pub(super) fn is_word(word: &str) -> bool {
    COLUMNS.iter().any(|known| known.word == word)
}

/// Those that an address chooses; all that are usual where it chooses none.
fn chosen(columns: &str) -> impl Iterator<Item = Known> {
    let words: Vec<&str> = columns.split(',').collect();
    let is_any = COLUMNS[1..].iter().any(|known| words.contains(&known.word));
    let words: Vec<&'static str> = COLUMNS
        .iter()
        .enumerate()
        .filter(|(at, known)| *at == 0 || if is_any { words.contains(&known.word) } else { known.is_usual })
        .map(|(_, known)| known.word)
        .collect();
    COLUMNS.into_iter().filter(move |known| words.contains(&known.word))
}

pub(super) fn heads(asked: &Asked) -> Vec<Column> {
    let (sorted, is_turned) = order(&asked.sort);
    let column = |known: Known| {
        let is_sorted = sorted == known.word;
        let other = if is_sorted && !is_turned { format!("-{}", known.word) } else { known.word.to_owned() };
        let order = match (is_sorted, is_turned) {
            (true, false) => "ascending",
            (true, true) => "descending",
            (false, _) => "",
        };
        let (name, is_number) = (known.name, known.is_number);
        Column { name, address: asked.address("/tills", &[("sort", &other)]), order, is_number }
    };
    chosen(&asked.columns).map(column).collect()
}

pub(super) fn choices(asked: &Asked) -> Vec<Choice> {
    let on: Vec<&str> = chosen(&asked.columns).map(|known| known.word).collect();
    let choice = |known: &Known| Choice { name: known.name, word: known.word, is_on: on.contains(&known.word) };
    COLUMNS[1..].iter().map(choice).collect()
}

/// Makes an address of the boxes that were ticked, and leads there.
#[allow(clippy::unused_async)] // as handlers are
pub(super) async fn choose(
    State(_): State<WebState>,
    _: Reader,
    Query(form): Query<Vec<(String, String)>>,
) -> Response {
    let mut asked = Asked::default();
    let mut words = Vec::new();
    for (name, value) in form {
        match name.as_str() {
            "column" => words.extend(COLUMNS.into_iter().map(|known| known.word).find(|word| *word == value)),
            name => asked.put(name, value),
        }
    }
    let usual: Vec<&str> = COLUMNS[1..].iter().filter(|known| known.is_usual).map(|known| known.word).collect();
    asked.columns = if words == usual { String::new() } else { words.join(",") };
    Redirect::to(&asked.address("/tills", &[])).into_response()
}

/// The tills as a table: everything where no columns are chosen.
pub(super) fn table(asked: &Asked, rows: impl Iterator<Item = TillView>, words: &Words) -> Csv {
    let is_chosen = chosen(&asked.columns).map(|known| known.word).ne(chosen("").map(|known| known.word));
    let all = ["till", "state", "behind", "age", "heard", "unsent", "version", "clock", "why", "id"];
    let shown: Vec<&str> =
        if is_chosen { chosen(&asked.columns).map(|known| known.word).collect() } else { all.into() };
    let mut csv = Csv::with_head(shown.iter().flat_map(|word| heads_of(word, words)));
    for till in rows {
        csv.line(shown.iter().flat_map(|word| cells_of(word, &till, words)));
    }
    csv
}

fn heads_of(word: &str, words: &Words) -> Vec<String> {
    match word {
        "till" => vec![words.text("shop", []), words.text("till", []), words.text("name", [])],
        "state" => vec![words.text("condition", [])],
        "behind" => vec![words.text("has-revision", []), words.text("should-have", [])],
        "age" => vec![words.text("data-age", [])],
        "heard" => vec![words.text("last-contact", [])],
        "unsent" => vec![words.text("unsent", [])],
        "version" => vec![words.text("agent", [])],
        "clock" => vec![words.text("clock-seconds", [])],
        "why" => vec![words.text("reason-to-wait", [])],
        "delivery" => vec![words.text("delivery", [])],
        "rows" => vec![words.text("rows", [])],
        _ => vec![words.text("id", [])],
    }
}

fn cells_of(word: &str, till: &TillView, words: &Words) -> Vec<String> {
    let number = |number: Option<u64>| number.map(|number| number.to_string()).unwrap_or_default();
    let time = |time: Option<Timestamp>| time.map(|time| time.to_string()).unwrap_or_default();
    match word {
        "till" => vec![till.shop.clone(), till.code.clone(), till.name.clone()],
        "state" => {
            let condition = words.message(&format!("condition-{}", till.condition.code()), &FluentArgs::new());
            vec![condition.unwrap_or_default()]
        }
        "behind" => vec![number(till.cursor.map(|cursor| cursor.0)), till.target.0.to_string()],
        "age" => vec![time(till.applied_at)],
        "heard" => vec![time(till.last_contact)],
        "unsent" => vec![number(till.unsent_documents)],
        "version" => vec![till.agent_version.clone().unwrap_or_default()],
        "clock" => {
            let clock = till.clock_ahead.map(|s| s.to_string()).or(till.clock_behind.map(|s| format!("-{s}")));
            vec![clock.unwrap_or_default()]
        }
        "why" => vec![till.waits_for.clone().unwrap_or_default()],
        "delivery" => vec![till.delivery.map(|state| state.to_string()).unwrap_or_default()],
        "rows" => vec![number(till.rows)],
        _ => vec![till.id.clone()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_chooses_columns_and_the_till_is_always_there() {
        let words = |columns: &str| chosen(columns).map(|known| known.word).collect::<Vec<_>>();
        assert_eq!(words(""), ["till", "state", "behind", "age", "heard", "unsent", "version", "clock"]);
        assert_eq!(words("id,unsent"), ["till", "unsent", "id"], "in their own order");
        assert_eq!(words("nonsense"), words(""));
    }

    #[test]
    fn a_column_turns_round_and_keeps_what_is_chosen() {
        let address = |asked: &Asked, name| heads(asked).into_iter().find(|one| one.name == name).unwrap().address;
        assert_eq!(address(&Asked::default(), "condition"), "/tills?sort=-state", "it is sorted so");
        assert_eq!(address(&Asked::default(), "unsent"), "/tills?sort=unsent");
        let turned = Asked { sort: "-unsent".to_owned(), columns: "unsent".to_owned(), ..Asked::default() };
        assert_eq!(address(&turned, "unsent"), "/tills?sort=unsent&columns=unsent");
    }
}
