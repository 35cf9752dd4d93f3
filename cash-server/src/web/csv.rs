//! Tables as files: RFC 4180, with a mark by which spreadsheets know UTF-8.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use std::fmt::Write as _;
use tillway_proto::Kopecks;

/// A table that grows line by line.
pub(super) struct Csv(String);

impl Csv {
    pub(super) fn with_head(cells: impl IntoIterator<Item = String>) -> Self {
        let mut csv = Self(String::from("\u{feff}"));
        csv.line(cells);
        csv
    }

    pub(super) fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell_of(&cell)).collect();
        // Writing to a text does not fail.
        let _ = write!(self.0, "{}\r\n", cells.join(","));
    }

    /// The answer that saves it as a file of this name.
    pub(super) fn answer(self, name: &str) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        (headers, self.0).into_response()
    }
}

/// A cell. What a spreadsheet would take for a formula is marked as text, but for numbers.
fn cell_of(text: &str) -> String {
    let is_number = || text.parse::<i64>().is_ok() || text.parse::<Kopecks>().is_ok();
    let is_formula = text.starts_with(['=', '+', '-', '@', '\t', '\r']) && !is_number();
    let told = if is_formula { format!("'{text}") } else { text.to_owned() };
    if told.contains(['"', ',', '\n', '\r']) { format!("\"{}\"", told.replace('"', "\"\"")) } else { told }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_text_and_never_a_formula() {
        assert_eq!(cell_of("a,\"b\""), "\"a,\"\"b\"\"\"");
        assert_eq!(cell_of("=1+1"), "'=1+1");
        assert_eq!(cell_of("-75"), "-75", "a clock that is behind");
        assert_eq!(cell_of("-75.50"), "-75.50", "more refunds than sales");
        assert_eq!(cell_of("-2+3"), "'-2+3");
    }

    #[test]
    fn a_table_has_a_mark_a_head_and_lines() {
        let mut csv = Csv::with_head(["till".to_owned(), "sum".to_owned()]);
        csv.line(["7-1".to_owned(), "1.50".to_owned()]);
        assert_eq!(csv.0, "\u{feff}till,sum\r\n7-1,1.50\r\n");
    }
}
