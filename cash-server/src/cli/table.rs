//! How answers look: tables for people, JSON for programs.

use super::CliError;
use crate::words::Words;
use serde_json::Value;
use std::io::Write;
use tillway_file_queue::plain_text::on_one_line;

/// Where an answer goes, and how.
pub(super) struct Output<'a> {
    pub(super) to: &'a mut dyn Write,
    pub(super) json: bool,
    pub(super) words: &'static Words,
}

impl Output<'_> {
    /// A text as it is.
    pub(super) fn text(&mut self, text: &str) -> Result<(), CliError> {
        self.to.write_all(text.as_bytes()).and_then(|()| self.to.flush()).map_err(CliError::Output)
    }

    /// `value` as JSON, or `line` for people.
    pub(super) fn line(&mut self, value: &Value, line: &str) -> Result<(), CliError> {
        let text = if self.json { format!("{value:#}\n") } else { format!("{line}\n") };
        self.text(&text)
    }

    /// A list of objects: as JSON, or the named fields as a table.
    pub(super) fn table(&mut self, rows: &Value, columns: &[(&str, &str)]) -> Result<(), CliError> {
        if self.json {
            return self.text(&format!("{rows:#}\n"));
        }
        let rows = rows.as_array().map(Vec::as_slice).unwrap_or_default();
        let cells: Vec<Vec<String>> = rows
            .iter()
            .map(|row| columns.iter().map(|(_, pointer)| cell(row.pointer(pointer), self.words)).collect())
            .collect();
        let heads = columns.iter().map(|(head, _)| (*head).to_owned()).collect::<Vec<_>>();
        self.text(&laid_out(&heads, &cells))
    }
}

fn cell(value: Option<&Value>, words: &Words) -> String {
    match value {
        None | Some(Value::Null) => "-".to_owned(),
        Some(Value::String(text)) => on_one_line(text).into_owned(),
        Some(Value::Bool(true)) => words.text("cli-yes", []),
        Some(Value::Bool(false)) => words.text("cli-no", []),
        Some(other) => other.to_string(),
    }
}

fn laid_out(heads: &[String], rows: &[Vec<String>]) -> String {
    let width = |column: usize| {
        let of_rows = rows.iter().filter_map(|row| row.get(column)).map(|text| text.chars().count());
        of_rows.chain([heads[column].chars().count()]).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..heads.len()).map(width).collect();
    let mut text = String::new();
    for row in std::iter::once(&heads.to_vec()).chain(rows) {
        let padded: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}")).collect();
        text.push_str(padded.join("  ").trim_end());
        text.push('\n');
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::words::{self, Language};
    use serde_json::json;

    #[test]
    fn a_reason_from_a_till_forges_no_line_of_a_table() {
        let rows = json!([{"reason": "no room\nb  ok\u{1b}[2J"}]);
        let mut output = Vec::new();
        Output { to: &mut output, json: false, words: words::of(Language::English) }
            .table(&rows, &[("REASON", "/reason")])
            .unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "REASON\nno room\\nb  ok\\u001b[2J\n");
    }

    #[test]
    fn a_table_is_as_wide_as_its_widest_cells() {
        let rows = json!([{"id": "a", "n": {"x": 100_000}}, {"id": "long id", "n": {"x": null}}]);
        let mut output = Vec::new();
        let mut answer = Output { to: &mut output, json: false, words: words::of(Language::English) };
        answer.table(&rows, &[("ID", "/id"), ("X", "/n/x")]).unwrap();
        assert_eq!(String::from_utf8(output).unwrap(), "ID       X\na        100000\nlong id  -\n");
    }
}
