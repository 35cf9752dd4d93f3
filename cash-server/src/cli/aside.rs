//! `aside …`: what was set aside, asked of the running server.

use super::client::{Client, escaped};
use super::table::Output;
use super::{AsideUnits, CliError};
use crate::settings::Settings;
use serde_json::{Value, json};
use std::collections::HashSet;

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
    let units = if asked.all { all(&client, action, asked.below.as_deref())? } else { asked.units };
    // All at once may be more than whoever asks for it has seen.
    let waits_for_yes = asked.all && action == "drop" && !asked.yes;
    if (asked.dry_run || waits_for_yes) && !units.is_empty() {
        let rows = units.iter().map(|unit| json!({"unit": unit, "would": action})).collect();
        answer.table(&rows, &[("UNIT", "/unit"), ("WOULD", "/would")])?;
        return if asked.dry_run { Ok(()) } else { Err(CliError::NotSaidYes { total: units.len() }) };
    }
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

/// What a unit holds.
pub(super) fn show(settings: &Settings, unit: &str, answer: &mut Output<'_>) -> Result<(), CliError> {
    let path = format!("{PATH}/content?unit={}", escaped(unit));
    let content: Value = Client::new(settings).and_then(|client| client.read(&path)).map_err(CliError::Client)?;
    match content["text"].as_str() {
        // A text is a text also to who reads it.
        Some(text) if !answer.json => answer.text(&format!("{}\n", text.trim_end())),
        _ => answer.text(&format!("{content:#}\n")),
    }
}

pub(super) fn findings(
    settings: &Settings,
    till: Option<String>,
    closed: bool,
    limit: u32,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    let mut query = vec![("limit", limit.to_string()), ("closed", closed.to_string())];
    query.extend(till.map(|till| ("till", till)));
    let findings = client.read_with("/api/v1/findings", &query).map_err(CliError::Client)?;
    answer.table(
        &findings,
        &[
            ("FINDING", "/id"),
            ("KIND", "/kind"),
            ("TILL", "/till"),
            ("FIRST SEEN", "/first_seen"),
            ("LAST SEEN", "/last_seen"),
            ("CLOSED", "/resolved_at"),
            ("WHAT", "/text"),
        ],
    )
}

pub(super) fn close_finding(
    settings: &Settings,
    finding: i64,
    note: Option<String>,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let (path, body) = (format!("/api/v1/findings/{finding}/close"), json!({"note": note.unwrap_or_default()}));
    let told: Value = Client::new(settings).and_then(|client| client.post(&path, &body)).map_err(CliError::Client)?;
    let line = answer.words.text("cli-finding-closed", [("finding", finding.to_string().into())]);
    answer.line(&told, &line)
}

/// All that the action can be done with: everywhere, or at a node and below it.
fn all(client: &Client, action: &str, below: Option<&str>) -> Result<Vec<String>, CliError> {
    let listed: Value = client.read(PATH).map_err(CliError::Client)?;
    let within = below.map(|node| nodes_below(client, node)).transpose()?;
    let is_within = |unit: &&Value| {
        within.as_ref().is_none_or(|within| unit["node"].as_str().is_some_and(|node| within.contains(node)))
    };
    let units = listed.as_array().map(Vec::as_slice).unwrap_or_default();
    let can = if action == "drop" { "droppable" } else { "retryable" };
    let fits = |unit: &&Value| unit[can] == true;
    Ok(units.iter().filter(fits).filter(is_within).filter_map(|unit| unit["id"].as_str().map(str::to_owned)).collect())
}

/// Ids of a node and all below it.
fn nodes_below(client: &Client, node: &str) -> Result<HashSet<String>, CliError> {
    let top: Value = client.read(&format!("/api/v1/nodes/{}", escaped(node))).map_err(CliError::Client)?;
    let listed: Value = client.read("/api/v1/nodes").map_err(CliError::Client)?;
    let mut below: HashSet<String> = top["id"].as_str().map(str::to_owned).into_iter().collect();
    // Parents come before what hangs under them.
    for node in listed.as_array().map(Vec::as_slice).unwrap_or_default() {
        let hangs_below = node["parent"].as_str().is_some_and(|parent| below.contains(parent));
        if let Some(id) = node["id"].as_str().filter(|_| hangs_below) {
            below.insert(id.to_owned());
        }
    }
    Ok(below)
}
