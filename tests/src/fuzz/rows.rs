//! The one encoding of objects.

use super::assert_told;
use tillway_exchangers::kinds;
use tillway_exchangers::row::{RowRef, Values, key, to_json};

/// A row of every kind: what reads is canonical, so the same bytes come out.
pub fn row_decode(bytes: &[u8]) {
    if let Ok(values) = Values::new(bytes) {
        // Runs of nulls are counts; only a kind's fields bound them.
        for value in values.take(bytes.len() + 1_000) {
            if value.is_err() {
                break;
            }
        }
    }
    for kind in kinds::all() {
        match RowRef::decode(kind, bytes) {
            Ok(row) => {
                assert_eq!(row.to_row().encode(), bytes, "a row of {} with two forms", kind.name());
                let json = to_json(kind, &row);
                assert!(serde_json::from_str::<serde_json::Value>(&json).is_ok() || row.extra.is_some(), "{json}");
                let _ = key(kind, &row);
            }
            Err(error) => assert_told(&error),
        }
    }
}
