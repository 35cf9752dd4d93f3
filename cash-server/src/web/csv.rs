//! Tables as files for spreadsheets.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use csv::{Terminator, Writer, WriterBuilder};

/// A table as RFC 4180 has it, with a mark by which spreadsheets know UTF-8.
pub(super) struct Csv<const COLUMNS: usize>(Writer<Vec<u8>>);

impl<const COLUMNS: usize> Csv<COLUMNS> {
    /// A table with these headings.
    pub(super) fn new(headings: [String; COLUMNS]) -> Self {
        let writer = WriterBuilder::new().terminator(Terminator::CRLF).from_writer("\u{feff}".as_bytes().to_vec());
        let mut table = Self(writer);
        table.row(headings);
        table
    }

    /// Adds a row.
    pub(super) fn row(&mut self, cells: [String; COLUMNS]) {
        // Writing to memory does not fail, and each row has as many cells.
        let _ = self.0.write_record(cells.map(as_text));
    }

    /// The answer by which a browser keeps it as a file of this name.
    pub(super) fn answer(self, name: &'static str) -> Response {
        let headers = [
            (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
            (header::CONTENT_DISPOSITION, format!("attachment; filename=\"{name}\"")),
            (header::CACHE_CONTROL, "no-store".to_owned()),
            (header::X_CONTENT_TYPE_OPTIONS, "nosniff".to_owned()),
        ];
        (headers, self.0.into_inner().unwrap_or_default()).into_response()
    }
}

/// What a spreadsheet would take for a formula, marked as text; numbers stay.
fn as_text(cell: String) -> String {
    let is_formula = cell.starts_with(['=', '+', '-', '@', '\t', '\r']) && cell.parse::<f64>().is_err();
    if is_formula { format!("'{cell}") } else { cell }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cell_is_text_and_never_a_formula() {
        let mut table = Csv::new(["a,\"b\"".to_owned(), "=1+1".to_owned()]);
        // A clock that is behind, money that was given back, and what looks like them.
        table.row(["-75".to_owned(), "-2+3".to_owned()]);
        table.row(["-75.50".to_owned(), "@x".to_owned()]);
        let text = String::from_utf8(table.0.into_inner().unwrap()).unwrap();
        assert_eq!(text, "\u{feff}\"a,\"\"b\"\"\",'=1+1\r\n-75,'-2+3\r\n-75.50,'@x\r\n");
    }
}
