//! Values between rows and types.

use jiff::Timestamp;
use rusqlite::types::Type;
use rusqlite::{Error, Row};
use std::error::Error as StdError;
use std::str::FromStr;
use tillway_proto::Kopecks;
use tillway_proto::receipt::Opened;
use uuid::Uuid;

use crate::store::sales::{MAX_PAGE, Page};

/// As an opening time that is not told stands in the tables.
pub(super) const NOT_TOLD: &str = "?";

/// An opening time as it stands in the tables: a time, empty where the POS wrote none, or
/// [`NOT_TOLD`].
pub(super) fn opened_text(opened: Opened) -> String {
    opened.to_wire().unwrap_or_else(|| NOT_TOLD.to_owned())
}

pub(super) fn opened(row: &Row<'_>, index: usize) -> rusqlite::Result<Opened> {
    let text: String = row.get(index)?;
    let told = (text != NOT_TOLD).then_some(text.as_str());
    // One that does not read was put there by somebody else, and makes no shift unreadable.
    Ok(Opened::from_wire(told).unwrap_or(Opened::Unknown))
}

/// A number that was checked to fit when it came in.
pub(super) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

/// A count or place in memory.
pub(super) fn index(value: usize) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &Row<'_>, index: usize) -> rusqlite::Result<u64> {
    let value: i64 = row.get(index)?;
    u64::try_from(value).map_err(|_| Error::IntegralValueOutOfRange(index, value))
}

pub(super) fn kopecks(row: &Row<'_>, index: usize) -> rusqlite::Result<Kopecks> {
    row.get(index).map(Kopecks)
}

pub(super) fn parsed<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<T>
where
    T: FromStr,
    T::Err: StdError + Send + Sync + 'static,
{
    let text: String = row.get(index)?;
    text.parse().map_err(|error| wrong(index, error))
}

pub(super) fn optional<T>(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<T>>
where
    T: FromStr,
    T::Err: StdError + Send + Sync + 'static,
{
    let text: Option<String> = row.get(index)?;
    text.map(|text| text.parse().map_err(|error| wrong(index, error))).transpose()
}

pub(super) fn instant(row: &Row<'_>, index: usize) -> rusqlite::Result<Timestamp> {
    Timestamp::from_millisecond(row.get(index)?).map_err(|error| wrong(index, error))
}

pub(super) fn optional_instant(row: &Row<'_>, index: usize) -> rusqlite::Result<Option<Timestamp>> {
    let value: Option<i64> = row.get(index)?;
    value.map(|value| Timestamp::from_millisecond(value).map_err(|error| wrong(index, error))).transpose()
}

pub(super) fn uuid(row: &Row<'_>, index: usize) -> rusqlite::Result<Uuid> {
    let bytes: Vec<u8> = row.get(index)?;
    Uuid::from_slice(&bytes).map_err(|error| wrong(index, error))
}

/// Limit and offset of a page.
pub(super) fn window(page: Page) -> (i64, i64) {
    (i64::from(page.limit.min(MAX_PAGE)), number(page.offset))
}

pub(super) fn wrong(index: usize, error: impl StdError + Send + Sync + 'static) -> Error {
    Error::FromSqlConversionFailure(index, Type::Text, Box::new(error))
}
