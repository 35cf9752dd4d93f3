//! `sales …`: shifts, receipts and totals, asked of the running server; and tills asked for sales.

use super::CliError;
use super::client::{Client, escaped};
use super::table::Output;
use crate::settings::Settings;
use clap::{Args, Subcommand};
use jiff::civil::{Date, DateTime};
use serde_json::{Value, json};
use tillway_proto::{Kopecks, Thousandths};

/// Rows that are asked for at once.
const PAGE: usize = 1_000;

/// What can be asked of sales. Sums are in roubles; with --json in kopecks, as REST has them.
#[derive(Debug, Subcommand)]
pub enum SalesCommand {
    /// Shifts with their check, the newest first.
    Shifts {
        /// Whose.
        #[command(flatten)]
        of: SalesOfArgs,
        /// Opened on this local day or later: YYYY-MM-DD.
        #[arg(long)]
        from: Option<Date>,
        /// Opened on this local day or earlier.
        #[arg(long)]
        to: Option<Date>,
        /// Only with this verdict: open, waiting, ok or differs.
        #[arg(long)]
        verdict: Option<String>,
        /// At most so many.
        #[arg(long, default_value_t = 50)]
        limit: usize,
    },
    /// Receipts, the newest first.
    Receipts(Box<ReceiptArgs>),
    /// One receipt with its lines and payments.
    Receipt {
        /// Its id, as `sales receipts` shows it.
        id: String,
    },
    /// What sales and refunds add up to.
    Totals {
        /// Whose.
        #[command(flatten)]
        of: SalesOfArgs,
        /// A row for each day, hour, shop, till, cashier or payment; left out: one row.
        #[arg(long)]
        by: Option<String>,
        /// From this local day on: YYYY-MM-DD.
        #[arg(long)]
        from: Option<Date>,
        /// To this local day, included.
        #[arg(long)]
        to: Option<Date>,
        /// At most so many rows.
        #[arg(long, default_value_t = 1_000)]
        limit: usize,
    },
}

/// Whose sales.
#[derive(Debug, Args)]
pub struct SalesOfArgs {
    /// Only of this till: id, or till-<shop>-<code>.
    #[arg(long)]
    pub till: Option<String>,
    /// Only of this shop: id, or shop-<code>.
    #[arg(long)]
    pub shop: Option<String>,
    /// Only of the shops below this node: id, or group-<code>.
    #[arg(long)]
    pub group: Option<String>,
}

/// Which receipts.
#[derive(Debug, Args)]
pub struct ReceiptArgs {
    /// Whose.
    #[command(flatten)]
    pub of: SalesOfArgs,
    /// Ended at this local day or time or later: YYYY-MM-DD, YYYY-MM-DDTHH:MM. By default a week
    /// up to --to.
    #[arg(long)]
    pub from: Option<String>,
    /// Ended at this local day or time or earlier.
    #[arg(long)]
    pub to: Option<String>,
    /// Only sale, refund or other documents.
    #[arg(long)]
    pub sort: Option<String>,
    /// With this number.
    #[arg(long)]
    pub number: Option<u64>,
    /// Of this sum or more, in roubles: 99.90.
    #[arg(long)]
    pub least: Option<Kopecks>,
    /// Of this sum or less.
    #[arg(long)]
    pub most: Option<Kopecks>,
    /// With this item: its code or barcode, or words of its name.
    #[arg(long)]
    pub item: Option<String>,
    /// Rung up by this cashier: the code that the POS writes.
    #[arg(long)]
    pub cashier: Option<String>,
    /// Paid by this type of payment, at least in part: 1 cash and 4 card are usual.
    #[arg(long)]
    pub payment: Option<i32>,
    /// With a card, of a customer or of a bank, whose number ends so.
    #[arg(long)]
    pub card: Option<String>,
    /// The oldest first.
    #[arg(long)]
    pub oldest: bool,
    /// At most so many.
    #[arg(long, default_value_t = 50)]
    pub limit: usize,
}

/// Parameters of an address that say something.
type Query<'a> = Vec<(&'a str, String)>;

fn said<'a>(pairs: impl IntoIterator<Item = (&'a str, Option<String>)>) -> Query<'a> {
    pairs.into_iter().filter_map(|(name, value)| Some((name, value?))).collect()
}

impl SalesOfArgs {
    fn query(&self) -> Query<'static> {
        said([("till", self.till.clone()), ("shop", self.shop.clone()), ("group", self.group.clone())])
    }
}

pub(super) fn sales(settings: &Settings, command: &SalesCommand, answer: &mut Output<'_>) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    match command {
        SalesCommand::Shifts { of, from, to, verdict, limit } => {
            let days = days(from.as_ref(), to.as_ref());
            let query = [of.query(), days, said([("verdict", verdict.clone())])].concat();
            shifts(&client, &query, *limit, answer)
        }
        SalesCommand::Receipts(asked) => receipts(&client, asked, answer),
        SalesCommand::Receipt { id } => receipt(&client, id, answer),
        SalesCommand::Totals { of, by, from, to, limit } => {
            let query = [of.query(), days(from.as_ref(), to.as_ref()), said([("by", by.clone())])].concat();
            totals(&client, &query, *limit, answer)
        }
    }
}

/// Asks all tills at a node and below it for sales.
pub(super) fn unload_below(
    settings: &Settings,
    node: &str,
    (since, from, to): (Option<DateTime>, Option<Date>, Option<Date>),
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let (path, body) =
        (format!("/api/v1/nodes/{}/unload", escaped(node)), json!({"since": since, "from": from, "to": to}));
    let told: Value = Client::new(settings).and_then(|client| client.post(&path, &body)).map_err(CliError::Client)?;
    answer.table(&told, &[("TILL", "/till"), ("ORDERED", "/ordered"), ("PROBLEM", "/problem")])?;
    let rows = told.as_array().map(Vec::as_slice).unwrap_or_default();
    let failed = rows.iter().filter(|row| !row["problem"].is_null()).count();
    if failed == 0 { Ok(()) } else { Err(CliError::Unsettled { failed, total: rows.len() }) }
}

fn days(from: Option<&Date>, to: Option<&Date>) -> Query<'static> {
    said([("from", from.map(Date::to_string)), ("to", to.map(Date::to_string))])
}

fn shifts(client: &Client, query: &[(&str, String)], limit: usize, answer: &mut Output<'_>) -> Result<(), CliError> {
    let mut rows = Vec::new();
    while rows.len() < limit {
        let part = (limit - rows.len()).min(PAGE);
        let page = said([("offset", Some(rows.len().to_string())), ("limit", Some(part.to_string()))]);
        let found = client.read_with("/api/v1/shifts", &[query, &page[..]].concat()).map_err(CliError::Client)?;
        let Value::Array(found) = found else { break };
        let is_last = found.len() < part;
        rows.extend(found);
        if is_last {
            break;
        }
    }
    let sums = ["/till_counted/sale_sum", "/till_counted/refund_sum", "/server/sale_sum", "/server/refund_sum"];
    let rows = for_people(Value::Array(rows), answer, &sums);
    answer.table(
        &rows,
        &[
            ("TILL", "/till"),
            ("SHIFT", "/number"),
            ("OPENED", "/began"),
            ("CLOSED", "/ended"),
            ("CHECK", "/outcome/verdict"),
            ("SALES ON TILL", "/till_counted/sales"),
            ("SALES HERE", "/server/sales"),
            ("SUM ON TILL", "/till_counted/sale_sum"),
            ("SUM HERE", "/server/sale_sum"),
            ("REFUNDS HERE", "/server/refunds"),
            ("REFUND SUM HERE", "/server/refund_sum"),
        ],
    )
}

fn receipts(client: &Client, asked: &ReceiptArgs, answer: &mut Output<'_>) -> Result<(), CliError> {
    let own = said([
        ("from", asked.from.clone()),
        ("to", asked.to.clone()),
        ("sort", asked.sort.clone()),
        ("number", asked.number.map(|number| number.to_string())),
        ("least", asked.least.map(|sum| sum.to_string())),
        ("most", asked.most.map(|sum| sum.to_string())),
        ("item", asked.item.clone()),
        ("cashier", asked.cashier.clone()),
        ("payment", asked.payment.map(|payment| payment.to_string())),
        ("card", asked.card.clone()),
        ("order", asked.oldest.then(|| "oldest".to_owned())),
    ]);
    let query = [asked.of.query(), own].concat();
    let (mut rows, mut cursor) = (Vec::new(), None::<String>);
    while rows.len() < asked.limit {
        let part = (asked.limit - rows.len()).min(PAGE).to_string();
        let page = said([("limit", Some(part)), ("cursor", cursor.take())]);
        let mut found =
            client.read_with("/api/v1/receipts", &[&query[..], &page[..]].concat()).map_err(CliError::Client)?;
        if let Value::Array(found) = found["receipts"].take() {
            rows.extend(found);
        }
        // A search that looked at enough goes on by itself here.
        cursor = found["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    let rows = for_people(Value::Array(rows), answer, &["/sum", "/discount"]);
    answer.table(
        &rows,
        &[
            ("ENDED", "/ended"),
            ("TILL", "/till"),
            ("SHIFT", "/shift"),
            ("NUMBER", "/number"),
            ("TYPE", "/doctype"),
            ("CASHIER", "/cashier"),
            ("NAME", "/cashier_name"),
            ("LINES", "/lines"),
            ("DISCOUNT", "/discount"),
            ("SUM", "/sum"),
            ("ID", "/id"),
        ],
    )
}

fn receipt(client: &Client, id: &str, answer: &mut Output<'_>) -> Result<(), CliError> {
    let receipt: Value = client.read(&format!("/api/v1/receipts/{}", escaped(id))).map_err(CliError::Client)?;
    if answer.json {
        return answer.line(&receipt, "");
    }
    let heads = ["/sum_before", "/discount", "/sum", "/vat"];
    let head = for_people(json!([receipt]), answer, &heads);
    answer.table(
        &head,
        &[
            ("TILL", "/till"),
            ("SHIFT", "/shift"),
            ("NUMBER", "/number"),
            ("TYPE", "/doctype"),
            ("ENDED", "/ended"),
            ("CASHIER", "/cashier"),
            ("DISCOUNT", "/discount"),
            ("SUM", "/sum"),
            ("FISCAL", "/fiscal_number"),
        ],
    )?;
    let lines = for_people(receipt["lines"].clone(), answer, &["/price", "/discount", "/sum"]);
    answer.text("\n")?;
    answer.table(
        &lines,
        &[
            ("ITEM", "/item"),
            ("NAME", "/name"),
            ("BARCODE", "/barcode"),
            ("QUANTITY", "/quantity"),
            ("PRICE", "/price"),
            ("DISCOUNT", "/discount"),
            ("SUM", "/sum"),
        ],
    )?;
    let payments = for_people(receipt["payments"].clone(), answer, &["/sum"]);
    answer.text("\n")?;
    answer.table(&payments, &[("PAYMENT", "/type"), ("OPERATION", "/opcode"), ("CARD", "/card"), ("SUM", "/sum")])
}

fn totals(client: &Client, query: &[(&str, String)], limit: usize, answer: &mut Output<'_>) -> Result<(), CliError> {
    let mut rows = client.read_with("/api/v1/totals", query).map_err(CliError::Client)?;
    if let Value::Array(rows) = &mut rows {
        rows.truncate(limit);
    }
    let rows = for_people(rows, answer, &["/sale_sum", "/refund_sum"]);
    answer.table(
        &rows,
        &[
            ("OF", "/key"),
            ("SALES", "/sales"),
            ("SUM OF SALES", "/sale_sum"),
            ("REFUNDS", "/refunds"),
            ("SUM OF REFUNDS", "/refund_sum"),
        ],
    )
}

/// Rows with sums in roubles and quantities in whole units, where people read them.
fn for_people(mut rows: Value, answer: &Output<'_>, sums: &[&str]) -> Value {
    if answer.json {
        return rows;
    }
    for row in rows.as_array_mut().map(Vec::as_mut_slice).unwrap_or_default() {
        for sum in sums {
            if let Some(value) = row.pointer_mut(sum)
                && let Some(kopecks) = value.as_i64()
            {
                *value = Value::String(Kopecks(kopecks).to_string());
            }
        }
        if let Some(quantity) = row["quantity"].as_i64() {
            row["quantity"] = Value::String(Thousandths(quantity).to_string());
        }
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{self, Language};

    #[test]
    fn people_read_roubles_and_programs_kopecks() {
        let rows = json!([{"sum": 12_345, "discount": null, "quantity": 1_500}]);
        let told = |json| {
            let answer = Output { to: &mut Vec::new(), json, words: words::of(Language::English) };
            for_people(rows.clone(), &answer, &["/sum", "/discount"])
        };
        assert_eq!(told(false), json!([{"sum": "123.45", "discount": null, "quantity": "1.500"}]));
        assert_eq!(told(true), rows);
    }
}
