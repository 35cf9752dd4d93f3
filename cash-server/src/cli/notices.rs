//! `notices …`: rejects and warnings that nobody has seen yet, asked of the running server.

use super::client::Client;
use super::table::Output;
use super::{CliError, NoticeIds};
use crate::settings::Settings;
use serde_json::{Value, json};

const PATH: &str = "/api/v1/notices";

pub(super) fn list(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let open = Client::new(settings).and_then(|client| client.read(PATH)).map_err(CliError::Client)?;
    answer.table(
        &open,
        &[
            ("NOTICE", "/id"),
            ("NODE", "/node"),
            ("LOAD", "/load"),
            ("LINE", "/line"),
            ("VERB", "/verb"),
            ("KEY", "/key"),
            ("FIELD", "/field"),
            ("VALUE", "/value"),
            ("WARNING", "/warning/what"),
            ("WHY", "/reason"),
        ],
    )
}

pub(super) fn seen(settings: &Settings, asked: &NoticeIds, answer: &mut Output<'_>) -> Result<(), CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    let body = if asked.all { json!({"up_to": i64::MAX}) } else { json!({"ids": asked.notices}) };
    let marked: Value = client.post(&format!("{PATH}/seen"), &body).map_err(CliError::Client)?;
    let told = answer.words.text("cli-notices-seen", [("n", marked["seen"].as_u64().unwrap_or_default().into())]);
    answer.line(&marked, &told)
}
