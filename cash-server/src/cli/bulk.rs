//! `bulk …`: one thing done with many tills, asked of the running server.

use super::client::Client;
use super::table::Output;
use super::{BulkArgs, BulkWhat, CliError};
use crate::rest::bulk::{BulkBody, BulkTill};
use crate::settings::Settings;
use serde_json::{Value, json};

const COLUMNS: [(&str, &str); 3] = [("TILL", "/till"), ("RESULT", "/result"), ("PROBLEM", "/problem")];

/// First what it would do. It is done where the command line says yes.
pub(super) fn bulk(settings: &Settings, asked: BulkArgs, answer: &mut Output<'_>) -> Result<(), CliError> {
    let (does, only_tells) = (asked.yes, asked.dry_run);
    let body = BulkBody { dry_run: !does, ..body(asked) };
    let client = Client::new(settings).map_err(CliError::Client)?;
    let told: Vec<BulkTill> = client.post("/api/v1/tills/bulk", &body).map_err(CliError::Client)?;
    let (total, failed) = (told.len(), told.iter().filter(|one| one.problem.is_some()).count());
    let rows = Value::Array(told.iter().map(|one| json!(one)).collect());
    if body.act == "codes" && does {
        // As a table for whoever hands them out; they are told this once.
        let with_codes = [&COLUMNS[..], &[("CODE", "/code"), ("ENDS", "/ends_at")]].concat();
        answer.table(&rows, &with_codes)?;
    } else {
        answer.table(&rows, &COLUMNS)?;
    }
    if !does && !only_tells {
        return Err(CliError::NotSaidYes { total });
    }
    if failed == 0 { Ok(()) } else { Err(CliError::Unsettled { failed, total }) }
}

fn body(asked: BulkArgs) -> BulkBody {
    let BulkArgs { what, below, condition, agent: version, dry_run: _, yes: _ } = asked;
    let body = BulkBody { below, condition, version, ..BulkBody::default() };
    let of = |act: &str, tills| BulkBody { act: act.to_owned(), tills, ..body };
    match what {
        BulkWhat::Park { tills } => of("park", tills),
        BulkWhat::Unpark { tills } => of("unpark", tills),
        BulkWhat::Ask { tills, from: None, .. } => of("ask", tills),
        BulkWhat::Ask { tills, from, to } => BulkBody { from, to, ..of("ask-days", tills) },
        BulkWhat::Recount { tills } => of("recount", tills),
        BulkWhat::SendAnew { tills } => of("send-anew", tills),
        BulkWhat::Move { tills, shop } => BulkBody { shop, ..of("move", tills) },
        BulkWhat::Settings { tills, set } => {
            let set = set.into_iter().map(|(key, value)| (key, Some(value).filter(|value| !value.is_empty())));
            BulkBody { settings: set.collect(), ..of("settings", tills) }
        }
        BulkWhat::Codes { tills, hours } => BulkBody { hours, ..of("codes", tills) },
    }
}
