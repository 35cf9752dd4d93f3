//! Every variant of the format, every broken input with its message, and what holds for any input.

mod any_input;
mod broken;
mod document;
mod values;
mod variants;
mod warnings;

use super::*;
use crate::kinds::Kind;
use crate::records::{
    Cause, Expansion, Expected, MAX_ENTRIES, MAX_RECORD_BYTES, ObjectRow, Record, RejectReason, Spares, ValueFault,
    Warning, WarningKind,
};
use crate::row::{KeyMatch, ObjectKey, RowRef};

fn kind(name: &str) -> Kind {
    Kind::by_name(name).unwrap()
}

fn read(input: impl AsRef<[u8]>) -> Vec<Record> {
    RecordReader::new(input.as_ref()).map(Result::unwrap).collect()
}

fn read_array(input: impl AsRef<[u8]>) -> Vec<Record> {
    ArrayReader::new(input.as_ref()).map(Result::unwrap).collect()
}

fn commands(records: Vec<Record>) -> Vec<Command> {
    records.into_iter().map(|record| record.command.unwrap()).collect()
}

/// The one command of a record.
fn command(record: &str) -> Command {
    let mut commands = commands(read(record));
    assert_eq!(commands.len(), 1);
    commands.remove(0)
}

fn expansion(record: &str) -> Expansion {
    match command(record) {
        Command::Upsert(expansion) => expansion,
        other => panic!("{other:?}"),
    }
}

fn rejects(records: Vec<Record>) -> Vec<Reject> {
    records.into_iter().filter_map(|record| record.command.err()).collect()
}

/// The warnings of the one record, as people see them.
fn warnings(record: &str) -> Vec<String> {
    expansion(record).warnings.iter().map(Warning::to_string).collect()
}

/// The word of a warning.
fn word(warning: &WarningKind) -> String {
    serde_json::to_value(warning).unwrap()["kind"].as_str().unwrap().to_owned()
}

/// The one reject of a record, as people see it.
fn reject(record: impl AsRef<[u8]>) -> String {
    let rejects = rejects(read(record));
    assert_eq!(rejects.len(), 1, "{rejects:?}");
    rejects[0].to_string()
}

/// A row as JSON: `kind {…}`.
fn shown(row: &ObjectRow) -> String {
    let decoded = RowRef::decode(row.kind, &row.body).unwrap();
    assert_eq!(crate::row::key(row.kind, &decoded), row.key);
    assert_eq!(crate::row::hash(row.kind, &row.body), row.hash);
    format!("{} {}", row.kind, crate::row::to_json(row.kind, &decoded))
}

fn shown_all(expansion: &Expansion) -> Vec<String> {
    std::iter::once(&expansion.main).chain(&expansion.owned).map(shown).collect()
}
