//! Commands that ask the running server.

use super::client::{Client, escaped};
use super::table::Output;
use super::{CliError, Listed, LogArgs};
use crate::settings::Settings;
use crate::words::FluentValue;
use jiff::civil::{Date, DateTime};
use serde_json::{Value, json};
use std::path::Path;

pub(super) fn tills(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let tills = read(settings, "/api/v1/tills")?;
    answer.table(
        &tills,
        &[
            ("TILL", "/id"),
            ("SHOP", "/shop"),
            ("CONDITION", "/condition"),
            ("CURSOR", "/cursor"),
            ("TARGET", "/target"),
            ("LAST CONTACT", "/last_contact"),
            ("SILENT SINCE", "/silent_since"),
            ("SILENT FOR", "/silent_for"),
            ("CLOCK +S", "/clock_ahead_s"),
            ("UNSENT", "/unsent_documents"),
            ("ASIDE", "/set_aside"),
            ("SALES WAIT", "/sales_wait/reason"),
            ("SECRET", "/has_secret"),
            ("MESSAGES", "/refused_finding"),
            ("NEXT", "/waits_for"),
        ],
    )
}

pub(super) fn deliveries(settings: &Settings, listed: &Listed, answer: &mut Output<'_>) -> Result<(), CliError> {
    let deliveries = read(settings, &list("/api/v1/deliveries", listed))?;
    answer.table(
        &deliveries,
        &[
            ("MADE", "/created_at"),
            ("TILL", "/till"),
            ("FROM", "/from"),
            ("TO", "/to"),
            ("OBJECTS", "/objects"),
            ("BYTES", "/bytes"),
            ("STATE", "/state"),
            ("REASON", "/reason"),
        ],
    )
}

pub(super) fn commands(settings: &Settings, listed: &Listed, answer: &mut Output<'_>) -> Result<(), CliError> {
    let commands = read(settings, &list("/api/v1/commands", listed))?;
    answer.table(
        &commands,
        &[
            ("SINCE", "/state_at"),
            ("TILL", "/till"),
            ("WHAT", "/what"),
            ("STATE", "/state"),
            ("RECEIPTS", "/receipts"),
            ("REASON", "/reason"),
        ],
    )
}

pub(super) fn background(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let tasks = read(settings, "/api/v1/background")?;
    answer.table(
        &tasks,
        &[
            ("TASK", "/name"),
            ("EVERY S", "/period_s"),
            ("RUNS SINCE", "/running_since"),
            ("LAST RUN", "/last_run"),
            ("TOOK MS", "/last_took_ms"),
            ("NEXT RUN", "/next_run"),
            ("FAILED", "/failures"),
            ("LAST ERROR", "/last_error"),
        ],
    )
}

/// The oldest line first, as in a file.
pub(super) fn log(settings: &Settings, asked: &LogArgs, answer: &mut Output<'_>) -> Result<(), CliError> {
    let asked_for = [("level", &asked.level), ("text", &asked.text)];
    let filters = asked_for.iter().filter_map(|(name, text)| Some(format!("&{name}={}", escaped(text.as_ref()?))));
    let path = format!("/api/v1/log?limit={}{}", asked.limit, filters.collect::<String>());
    let mut lines = read(settings, &path)?;
    if let Some(lines) = lines.as_array_mut() {
        lines.reverse();
    }
    answer.table(&lines, &[("AT", "/at"), ("LEVEL", "/level"), ("LINE", "/text")])
}

pub(super) fn databases(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let databases = read(settings, "/api/v1/databases")?;
    let columns = [("DATABASE", "/name"), ("BYTES", "/bytes"), ("LOG BYTES", "/log_bytes"), ("SCHEMA", "/schema")];
    answer.table(&databases, &columns)
}

pub(super) fn retention(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let kept = read(settings, "/api/v1/retention")?;
    answer.table(&kept, &[("WHAT", "/what"), ("DAYS", "/days"), ("MOST BYTES", "/max_bytes"), ("SETTING", "/setting")])
}

pub(super) fn loads(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let loads = read(settings, "/api/v1/loads")?;
    answer.table(&loads, &LOAD_COLUMNS)
}

pub(super) fn load(settings: &Settings, id: i64, answer: &mut Output<'_>) -> Result<(), CliError> {
    let load = read(settings, &format!("/api/v1/loads/{id}"))?;
    answer.text(&format!("{load:#}\n"))
}

/// The file of a load as it came. One that is there already is not written over.
pub(super) fn load_file(
    settings: &Settings,
    id: i64,
    output: Option<&Path>,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let (client, path) = (Client::new(settings).map_err(CliError::Client)?, format!("/api/v1/loads/{id}/file"));
    let Some(output) = output else { return client.download(&path, answer.to) };
    let mut file = fs_err::OpenOptions::new().write(true).create_new(true).open(output).map_err(CliError::WriteFile)?;
    let written = client.download(&path, &mut file).and_then(|()| file.sync_all().map_err(CliError::WriteFile));
    if written.is_err() {
        // What is only a part is nothing; the first error is the one to tell.
        let _ = fs_err::remove_file(output);
    }
    written
}

pub(super) fn approve_load(settings: &Settings, id: i64, answer: &mut Output<'_>) -> Result<(), CliError> {
    let decided = decide(settings, id, "approve")?;
    let again = decided["load"].as_i64().unwrap_or_default();
    let loads = [("load", FluentValue::from(id.to_string())), ("again", FluentValue::from(again.to_string()))];
    let told = answer.words.text("cli-load-approved", loads);
    answer.line(&decided, &told)
}

pub(super) fn refuse_load(settings: &Settings, id: i64, answer: &mut Output<'_>) -> Result<(), CliError> {
    let decided = decide(settings, id, "refuse")?;
    let told = answer.words.text("cli-load-refused", [("load", id.to_string().into())]);
    answer.line(&decided, &told)
}

fn decide(settings: &Settings, id: i64, word: &str) -> Result<Value, CliError> {
    let path = format!("/api/v1/loads/{id}/{word}");
    Client::new(settings).and_then(|client| client.post(&path, &json!({}))).map_err(CliError::Client)
}

pub(super) fn unload(
    settings: &Settings,
    till: &str,
    since: Option<DateTime>,
    from: Option<Date>,
    to: Option<Date>,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let body = json!({"since": since, "from": from, "to": to});
    ordered(settings, &format!("/api/v1/tills/{till}/unload"), &body, answer)
}

pub(super) fn verify(settings: &Settings, till: &str, answer: &mut Output<'_>) -> Result<(), CliError> {
    ordered(settings, &format!("/api/v1/tills/{till}/verify"), &json!({}), answer)
}

pub(super) fn send_anew(settings: &Settings, till: &str, answer: &mut Output<'_>) -> Result<(), CliError> {
    let path = format!("/api/v1/tills/{}/send-anew", escaped(till));
    let told: Value =
        Client::new(settings).and_then(|client| client.post(&path, &json!({}))).map_err(CliError::Client)?;
    let line = if told["sent"] == true {
        answer.words.text("cli-sent-anew", [("till", till.into())])
    } else {
        answer.words.text("cli-under-way", [])
    };
    answer.line(&told, &line)
}

pub(super) fn acknowledge(settings: &Settings, till: &str, answer: &mut Output<'_>) -> Result<(), CliError> {
    let path = format!("/api/v1/tills/{till}/acknowledge");
    let told = Client::new(settings).and_then(|client| client.post(&path, &json!({}))).map_err(CliError::Client)?;
    let line = answer.words.text("cli-acknowledged", [("till", till.into())]);
    answer.line(&told, &line)
}

pub(super) fn go_past(settings: &Settings, till: &str, revision: u64, answer: &mut Output<'_>) -> Result<(), CliError> {
    let (path, body) = (format!("/api/v1/tills/{till}/go-past"), json!({ "revision": revision }));
    let told: Value = Client::new(settings).and_then(|client| client.post(&path, &body)).map_err(CliError::Client)?;
    let newest = told["revision"].as_u64().unwrap_or_default();
    let line = answer.words.text("cli-went-past", [("revision", newest.to_string().into()), ("till", till.into())]);
    answer.line(&told, &line)
}

const LOAD_COLUMNS: [(&str, &str); 10] = [
    ("LOAD", "/id"),
    ("NODE", "/node"),
    ("QUEUED", "/queued_at"),
    ("STATE", "/state"),
    ("READ %", "/read_percent"),
    ("REVISION", "/revision"),
    ("ADDED", "/added"),
    ("CHANGED", "/changed"),
    ("DELETED", "/deleted"),
    ("REJECTED", "/rejected"),
];

fn ordered(settings: &Settings, path: &str, body: &Value, answer: &mut Output<'_>) -> Result<(), CliError> {
    let told: Value = Client::new(settings).and_then(|client| client.post(path, body)).map_err(CliError::Client)?;
    let line = match told["command"].as_str() {
        Some(command) => answer.words.text("cli-ordered", [("command", command.into())]),
        None => answer.words.text("cli-under-way", []),
    };
    answer.line(&told, &line)
}

fn read(settings: &Settings, path: &str) -> Result<Value, CliError> {
    Client::new(settings).and_then(|client| client.read(path)).map_err(CliError::Client)
}

fn list(path: &str, listed: &Listed) -> String {
    let mut path = format!("{path}?limit={}", listed.limit);
    if let Some(till) = &listed.till {
        path.push_str("&till=");
        path.push_str(till);
    }
    path
}
