//! Tables as files for spreadsheets.

use axum::http::header;
use axum::response::{IntoResponse, Response};
use csv::{Terminator, Writer, WriterBuilder};

/// A table as RFC 4180 has it, with a mark by which spreadsheets know UTF-8. It grows line by
/// line.
pub(super) struct Csv(Writer<Vec<u8>>);

impl Csv {
    /// A table with these headings.
    pub(super) fn with_head(cells: impl IntoIterator<Item = String>) -> Self {
        let mut writer = WriterBuilder::new();
        writer.terminator(Terminator::CRLF).flexible(true);
        let mut csv = Self(writer.from_writer("\u{feff}".as_bytes().to_vec()));
        csv.line(cells);
        csv
    }

    pub(super) fn line(&mut self, cells: impl IntoIterator<Item = String>) {
        // Writing to memory does not fail.
        let _ = self.0.write_record(cells.into_iter().map(as_text));
    }

    /// A last line that says that this is not all: whoever reads the file must see it.
    pub(super) fn cut(&mut self, told: String) {
        self.line([told]);
    }

    /// The answer by which a browser keeps it as a file of this name.
    pub(super) fn answer(self, name: &str) -> Response {
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
        let mut csv = Csv::with_head(["a,\"b\"".to_owned(), "=1+1".to_owned()]);
        // A clock that is behind, more refunds than sales, and what looks like them.
        csv.line(["-75".to_owned(), "-2+3".to_owned()]);
        csv.line(["-75.50".to_owned(), "@x".to_owned()]);
        let text = String::from_utf8(csv.0.into_inner().unwrap()).unwrap();
        assert_eq!(text, "\u{feff}\"a,\"\"b\"\"\",'=1+1\r\n-75,'-2+3\r\n-75.50,'@x\r\n");
    }
}
