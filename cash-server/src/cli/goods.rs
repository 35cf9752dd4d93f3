//! `goods …` and `till price`: what goods cost where, asked of the running server.

use super::CliError;
use super::client::{Client, escaped};
use super::table::Output;
use crate::settings::Settings;
use clap::Subcommand;
use serde_json::Value;
use tillway_proto::Kopecks;

const PATH: &str = "/api/v1/goods";

/// What can be asked about goods.
#[derive(Debug, Subcommand)]
pub enum GoodsCommand {
    /// Find goods by a barcode, a code or its beginning, or words of the name; without any, all.
    Find {
        /// What is looked for.
        words: Vec<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Go on behind here: what the part before names at its end.
        #[arg(long)]
        after: Option<String>,
    },
    /// What each layer says of a good and on how many tills it wins. With --json also what it
    /// costs where, what is coming, and which tills have an old price.
    Show {
        /// Code of the item.
        code: String,
    },
    /// How its price became what it is: old, new, when, by which load, how many tills have it.
    History {
        /// Code of the item.
        code: String,
        /// At most so many changes, the newest.
        #[arg(long, default_value_t = 50)]
        limit: u32,
        /// Only changes before this revision, to go on behind a list.
        #[arg(long)]
        before: Option<u64>,
    },
    /// Which tills have a change of its price, and since when.
    Tills {
        /// Code of the item.
        code: String,
        /// The revision of the change, as `goods history` shows it.
        revision: u64,
    },
    /// Tills that have another price than they shall have.
    Stale {
        /// Code of the item.
        code: String,
    },
}

pub(super) fn goods(settings: &Settings, command: GoodsCommand, answer: &mut Output<'_>) -> Result<(), CliError> {
    match command {
        GoodsCommand::Find { words, limit, after } => find(settings, &words, limit, after, answer),
        GoodsCommand::Show { code } => {
            let columns = [
                ("LAYER", "/node"),
                ("BY", "/by"),
                ("OF", "/of"),
                ("NAME", "/name"),
                ("PRICE", "/price"),
                ("DOCUMENT", "/document"),
                ("FROM", "/from"),
                ("UNTIL", "/until"),
                ("LOADED", "/at"),
                ("LOAD", "/load"),
                ("TILLS", "/tills"),
            ];
            listed(&read(settings, &of(&code))?, "/layers", &columns, answer)
        }
        GoodsCommand::History { code, limit, before } => {
            let columns = [
                ("LOADED", "/at"),
                ("REVISION", "/revision"),
                ("FROM", "/from"),
                ("OLD", "/old"),
                ("NEW", "/new"),
                ("BARCODES", "/barcodes"),
                ("LAYER", "/node"),
                ("LOAD", "/load"),
                ("SOURCE", "/source"),
                ("HAVE IT", "/tills_have"),
                ("OF TILLS", "/tills"),
            ];
            let before = before.map(|before| format!("&before={before}")).unwrap_or_default();
            let history = read(settings, &format!("{}/history?limit={limit}{before}", of(&code)))?;
            listed(&history, "/changes", &columns, answer)
        }
        GoodsCommand::Tills { code, revision } => {
            let tills = read(settings, &format!("{}/history/{revision}", of(&code)))?;
            answer.table(&tills, &[("TILL", "/till"), ("HAS IT", "/has"), ("SINCE", "/since")])
        }
        GoodsCommand::Stale { code } => {
            let columns = [
                ("TILL", "/till"),
                ("BARCODE", "/barcode"),
                ("HAS", "/has"),
                ("SHOULD HAVE", "/should_have"),
                ("REVISION", "/revision"),
            ];
            let stale = read(settings, &of(&code))?["stale"].take();
            answer.table(&if answer.json { stale } else { readable(&stale) }, &columns)
        }
    }
}

/// What a barcode costs on a till now.
pub(super) fn till_price(
    settings: &Settings,
    till: &str,
    barcode: &str,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let path = format!("/api/v1/tills/{}/price?barcode={}", escaped(till), escaped(barcode));
    let columns = [
        ("CODE", "/code"),
        ("NAME", "/name"),
        ("HAS", "/has/price"),
        ("BY", "/has/by"),
        ("WILL HAVE", "/will_have/price"),
        ("BY", "/will_have/by"),
    ];
    listed(&read(settings, &path)?, "/goods", &columns, answer)
}

fn find(
    settings: &Settings,
    words: &[String],
    limit: u32,
    after: Option<String>,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let query = [("q", Some(words.join(" "))), ("limit", Some(limit.to_string())), ("after", after)];
    let query: Vec<_> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
    let found = Client::new(settings).and_then(|client| client.read_with(PATH, &query)).map_err(CliError::Client)?;
    let columns = [
        ("CODE", "/code"),
        ("NAME", "/name"),
        ("BARCODES", "/barcodes"),
        ("FROM", "/price_from"),
        ("TO", "/price_to"),
        ("AT", "/node"),
    ];
    listed(&found, "/goods", &columns, answer)?;
    if answer.json {
        return Ok(());
    }
    if found["complete"] == Value::Bool(false) {
        answer.text(&format!("{}\n", answer.words.text("goods-behind", [])))?;
    }
    match found["next"].as_str() {
        Some(next) => answer.text(&format!("{}\n", answer.words.text("cli-goods-more", [("next", next.into())]))),
        None => Ok(()),
    }
}

fn of(code: &str) -> String {
    format!("{PATH}/{}", escaped(code))
}

fn read(settings: &Settings, path: &str) -> Result<Value, CliError> {
    Client::new(settings).and_then(|client| client.read(path)).map_err(CliError::Client)
}

/// The whole answer as JSON, or one list of it as a table.
fn listed(told: &Value, list: &str, columns: &[(&str, &str)], answer: &mut Output<'_>) -> Result<(), CliError> {
    if answer.json {
        return answer.text(&format!("{told:#}\n"));
    }
    answer.table(&readable(told.pointer(list).unwrap_or(&Value::Null)), columns)
}

/// The same with money in decimals and lists as texts, for people.
fn readable(value: &Value) -> Value {
    const MONEY: [&str; 8] = ["price", "price_from", "price_to", "old", "new", "has", "should_have", "will_have"];
    match value {
        Value::Array(rows) if !rows.is_empty() && rows.iter().all(Value::is_string) => {
            rows.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" ").into()
        }
        Value::Array(rows) => rows.iter().map(readable).collect(),
        Value::Object(fields) => {
            let told = fields.iter().map(|(name, value)| match value.as_i64() {
                Some(kopecks) if MONEY.contains(&name.as_str()) => (name.clone(), Kopecks(kopecks).to_string().into()),
                _ if value.as_array().is_some_and(Vec::is_empty) => (name.clone(), Value::Null),
                _ => (name.clone(), readable(value)),
            });
            Value::Object(told.collect())
        }
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn money_is_told_in_decimals_and_barcodes_one_after_the_other() {
        let told = readable(&json!([{"price": 8990, "tills": 3, "barcodes": ["1", "2"], "has": {"price": 5}}]));
        assert_eq!(told, json!([{"price": "89.90", "tills": 3, "barcodes": "1 2", "has": {"price": "0.05"}}]));
        assert_eq!(readable(&json!([{"barcodes": []}])), json!([{"barcodes": null}]));
        assert_eq!(readable(&json!([])), json!([]), "a table without rows");
    }
}
