//! The POS's side of `dictionaries.db`: looking goods up.

use super::OpenError;
use super::schema::goods_list;
use super::state::{cursor, open_read_only};
use jiff::civil::DateTime;
use rusqlite::{CachedStatement, Connection, Params, Row};
use std::path::{Path, PathBuf};
use tillway_proto::{Kopecks, Revision, Thousandths};

/// `dictionaries.db`, open for looking up. Loads never block it.
#[derive(Debug)]
pub struct Shelf {
    connection: Connection,
    path: PathBuf,
}

/// A good as the POS sells it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Good {
    /// The barcode, where the item has one.
    pub barcode: Option<String>,
    /// Code of the item.
    pub code: String,
    /// Name, of the barcode where that has one of its own.
    pub name: Option<String>,
    /// Price at the time asked for.
    pub price: Option<Kopecks>,
    /// Lowest price allowed.
    pub min_price: Option<Kopecks>,
    /// How much of the item one piece of this barcode is.
    pub quantity: Option<Thousandths>,
    /// Unit of measure.
    pub measure: Option<i64>,
    /// Department.
    pub department: Option<i64>,
    /// Tax group.
    pub tax_group: Option<i64>,
}

impl Shelf {
    /// Opens the database, which a loader has made.
    pub fn open(path: &Path) -> Result<Self, OpenError> {
        let connection =
            open_read_only(path).map_err(|source| OpenError::Database { path: path.to_path_buf(), source })?;
        Ok(Self { connection, path: path.to_path_buf() })
    }

    /// The goods with a barcode, with prices at `at`: one, unless items share it.
    pub fn by_barcode(&self, barcode: &str, at: DateTime) -> Result<Vec<Good>, OpenError> {
        self.goods(
            "barcodes b JOIN tmc i ON i.code = b.code WHERE b.barcode = ?2 ORDER BY b.code",
            (seconds(at), barcode),
        )
    }

    /// The item with a code, with its price at `at`.
    pub fn by_code(&self, code: &str, at: DateTime) -> Result<Option<Good>, OpenError> {
        Ok(self.goods(&format!("{ITEMS} WHERE i.code = ?2"), (seconds(at), code))?.into_iter().next())
    }

    /// Items whose name starts with `prefix` (upper and lower case differ), by name, at most
    /// `limit`.
    pub fn by_name(&self, prefix: &str, at: DateTime, limit: u32) -> Result<Vec<Good>, OpenError> {
        // The last character of Unicode closes the range that the index on names is asked for.
        let end = format!("{prefix}\u{10ffff}");
        self.goods(
            &format!("{ITEMS} WHERE i.name >= ?2 AND i.name < ?3 ORDER BY i.name LIMIT ?4"),
            (seconds(at), prefix, end, limit),
        )
    }

    /// The revision that is on the shelf.
    pub fn cursor(&self) -> Result<Revision, OpenError> {
        cursor(&self.connection).map(|(cursor, _)| cursor).map_err(self.failed())
    }

    /// Several look-ups in one state, whatever is loaded meanwhile.
    pub fn at_once<T>(&self, look: impl FnOnce(&Self) -> Result<T, OpenError>) -> Result<T, OpenError> {
        let _snapshot = self.connection.unchecked_transaction().map_err(self.failed())?;
        look(self)
    }

    fn goods(&self, from: &str, params: impl Params) -> Result<Vec<Good>, OpenError> {
        let sql = format!("SELECT {} FROM {from}", goods_list("?1"));
        let read = |mut statement: CachedStatement<'_>| statement.query_map(params, good)?.collect();
        self.connection.prepare_cached(&sql).and_then(read).map_err(self.failed())
    }

    fn failed(&self) -> impl Fn(rusqlite::Error) -> OpenError + use<> {
        let path = self.path.clone();
        move |source| OpenError::Database { path: path.clone(), source }
    }
}

/// A time as the tables have it.
fn seconds(time: DateTime) -> String {
    time.strftime("%Y-%m-%dT%H:%M:%S").to_string()
}

/// Items with their main barcode.
const ITEMS: &str = "tmc i LEFT JOIN barcodes b ON b.barcode = i.bcode AND b.code = i.code";

fn good(row: &Row<'_>) -> rusqlite::Result<Good> {
    Ok(Good {
        barcode: row.get("barcode")?,
        code: row.get("code")?,
        name: row.get("name")?,
        price: row.get::<_, Option<i64>>("price")?.map(Kopecks),
        min_price: row.get::<_, Option<i64>>("minprice")?.map(Kopecks),
        quantity: row.get::<_, Option<i64>>("cquant")?.map(Thousandths),
        measure: row.get("measure")?,
        department: row.get("dcode")?,
        tax_group: row.get("vatcode1")?,
    })
}
