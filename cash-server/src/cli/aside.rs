//! `aside …`: what was set aside, asked of the running server.

use super::client::Client;
use super::table::Output;
use super::{AsideUnits, CliError};
use crate::settings::Settings;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/aside";

pub(super) fn list(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let units = Client::new(settings).and_then(|client| client.read(PATH)).map_err(CliError::Client)?;
    answer.table(
        &units,
        &[
            ("UNIT", "/id"),
            ("WHERE", "/node"),
            ("SINCE", "/at"),
            ("ORDERED", "/ordered"),
            ("CAN RETRY", "/retryable"),
            ("CAN DROP", "/droppable"),
            ("WHY", "/reason"),
        ],
    )
}

pub(super) fn settle(
    settings: &Settings,
    action: &str,
    asked: AsideUnits,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    let units = if asked.all { all(&client, action)? } else { asked.units };
    if units.is_empty() {
        let told = answer.words.text("cli-nothing-aside", []);
        return answer.line(&json!([]), &told);
    }
    let path = format!("{PATH}/{action}");
    let settled = client.post(&path, &json!({"units": units})).map_err(CliError::Client)?;
    answer.table(&settled, &[("UNITS", "/units/0"), ("DONE", "/done"), ("PROBLEM", "/problem")])?;
    let rows = settled.as_array().map(Vec::as_slice).unwrap_or_default();
    let failed = rows.iter().filter(|row| !row["problem"].is_null()).count();
    if failed == 0 { Ok(()) } else { Err(CliError::Unsettled { failed, total: rows.len() }) }
}

/// All that the action can be done with.
fn all(client: &Client, action: &str) -> Result<Vec<String>, CliError> {
    let listed: Value = client.read(PATH).map_err(CliError::Client)?;
    let units = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let can = if action == "drop" { "droppable" } else { "retryable" };
    let fits = |unit: &&Value| unit[can] == true;
    Ok(units.iter().filter(fits).filter_map(|unit| unit["id"].as_str().map(str::to_owned)).collect())
}
