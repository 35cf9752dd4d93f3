//! `audit`: who changed what, asked of the running server.

use super::client::Client;
use super::table::Output;
use super::{AuditArgs, CliError};
use crate::settings::Settings;
use serde_json::Value;

/// Lines that are asked for at once.
const PAGE: usize = 1_000;

pub(super) fn list(settings: &Settings, asked: &AuditArgs, answer: &mut Output<'_>) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    let (mut lines, mut cursor) = (Vec::new(), None);
    while lines.len() < asked.limit {
        let limit = (asked.limit - lines.len()).min(PAGE).to_string();
        let query = [
            ("limit", Some(limit)),
            ("from", asked.from.map(|time| time.to_string())),
            ("to", asked.to.map(|time| time.to_string())),
            ("actor", asked.actor.clone()),
            ("object", asked.object.clone()),
            ("verb", asked.verb.clone()),
            ("text", asked.text.clone()),
            ("persons", asked.persons.then(|| "true".to_owned())),
            ("cursor", cursor),
        ];
        let query: Vec<(&str, String)> = query.into_iter().filter_map(|(name, value)| Some((name, value?))).collect();
        let mut page = client.read_with("/api/v1/audit", &query).map_err(CliError::Client)?;
        if let Value::Array(of_page) = page["lines"].take() {
            lines.extend(of_page);
        }
        cursor = page["next"].as_str().map(str::to_owned);
        if cursor.is_none() {
            break;
        }
    }
    answer.table(
        &Value::Array(lines),
        &[
            ("WHEN", "/at"),
            ("WHO", "/actor"),
            ("BY", "/face"),
            ("FROM", "/address"),
            ("DID", "/verb"),
            ("WITH", "/object"),
            ("BEFORE", "/before"),
            ("AFTER", "/after"),
        ],
    )
}
