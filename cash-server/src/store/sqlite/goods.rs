//! `goods_search.db`: goods by the words of their names. Its own file, so that no load pays for
//! it, and a damaged one is made anew like [`super::packages`].

use super::connection::Database;
use super::dictionary::{signed, unsigned};
use super::remade::Remade;
use crate::dictionary::entry::KindId;
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::goods::{GoodsIndex, MAX_WORDS, NameOf, Named, folded_words};
use crate::store::sizes::DatabaseState;
use rusqlite::{OptionalExtension as _, Transaction, params};
use rusqlite_migration::{M, Migrations};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::path::Path;
use std::sync::LazyLock;
use tillway_proto::Revision;
use uuid::Uuid;

/// Its name in the data folder.
pub const GOODS_DB: &str = "goods_search.db";

static MIGRATIONS: LazyLock<Migrations<'static>> =
    LazyLock::new(|| Migrations::new(vec![M::up(include_str!("goods_1.sql"))]));

/// Goods by their words, in the order in which they were first read: FTS5 gives them so without
/// looking at those that come after.
pub(super) const FIND: &str = "SELECT w.rowid, g.code FROM words w JOIN good g ON g.id = w.rowid \
                               WHERE words MATCH ?1 AND w.rowid > ?2 ORDER BY w.rowid LIMIT ?3";

/// `goods_search.db`. Cheap to clone.
#[derive(Debug, Clone)]
pub struct GoodsDb {
    database: Remade,
}

impl GoodsDb {
    /// Opens the database, and makes it when it is not there.
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        Ok(Self { database: Remade::open(path, &MIGRATIONS)? })
    }

    /// How large it is, and of which version.
    pub fn state(&self) -> DatabaseState {
        self.database.current().state()
    }

    /// The file, for tests of its plans.
    #[cfg(test)]
    pub(super) fn database(&self) -> Database {
        self.database.current()
    }

    fn write<T>(
        &self,
        what: &'static str,
        change: impl Fn(&Transaction<'_>) -> rusqlite::Result<T>,
    ) -> Result<T, StoreError> {
        self.database.healing(|database: &Database| database.write(what, &change))
    }
}

impl GoodsIndex for GoodsDb {
    fn read_to(&self, dictionary: Uuid) -> Result<HashMap<LayerNo, Revision>, StoreError> {
        let what = "look up which names of goods are known";
        let known = self.database.healing(|database| {
            database.read(what, |reader| {
                let source = reader.query_row("SELECT dictionary FROM source", (), |row| row.get(0)).optional()?;
                if source.map(Uuid::from_bytes) != Some(dictionary) {
                    return Ok(None);
                }
                let layer = |row: &rusqlite::Row<'_>| Ok((LayerNo(row.get(0)?), Revision(unsigned(row, 1)?)));
                let mut layers = reader.prepare_cached("SELECT layer, revision FROM layer")?;
                let layers = layers.query_map((), layer)?.collect::<rusqlite::Result<HashMap<_, _>>>()?;
                Ok(Some(layers))
            })
        })?;
        if let Some(known) = known {
            return Ok(known);
        }
        self.write("begin to read names of goods", |transaction| {
            transaction.execute_batch(
                "DELETE FROM source; DELETE FROM layer; DELETE FROM named; DELETE FROM good; \
                 INSERT INTO words(words) VALUES ('delete-all')",
            )?;
            transaction.execute("INSERT INTO source(dictionary) VALUES (?1)", [dictionary.as_bytes()])
        })?;
        Ok(HashMap::new())
    }

    fn names(
        &self,
        layer: LayerNo,
        kind: KindId,
        after: Option<&str>,
        last: Option<&str>,
    ) -> Result<BTreeMap<String, NameOf>, StoreError> {
        self.database.healing(|database| {
            database.read("read names of goods", |reader| {
                let name = |row: &rusqlite::Row<'_>| {
                    let key: String = row.get(0)?;
                    Ok((key.clone(), NameOf { kind, key, code: row.get(1)?, name: row.get(2)? }))
                };
                reader
                    .prepare_cached(
                        "SELECT n.key, g.code, n.name FROM named n JOIN good g ON g.id = n.good \
                         WHERE n.layer = ?1 AND n.kind = ?2 AND n.key > ?3 AND (?4 IS NULL OR n.key <= ?4)",
                    )?
                    .query_map(params![layer.0, kind.0, after.unwrap_or_default(), last], name)?
                    .collect()
            })
        })
    }

    fn put(&self, layer: LayerNo, names: &[NameOf], read_to: Option<Revision>) -> Result<(), StoreError> {
        self.write("keep names of goods", |transaction| {
            let mut touched = BTreeSet::new();
            for name in names {
                put_name(transaction, layer, name, &mut touched)?;
            }
            for good in touched {
                write_words(transaction, good)?;
            }
            if let Some(revision) = read_to {
                let sql = "INSERT OR REPLACE INTO layer(layer, revision) VALUES (?1, ?2)";
                transaction.prepare_cached(sql)?.execute(params![layer.0, signed(revision)])?;
            }
            Ok(())
        })
    }

    fn forget(&self, layer: LayerNo) -> Result<(), StoreError> {
        self.write("forget a layer", |transaction| transaction.execute("DELETE FROM layer WHERE layer = ?1", [layer.0]))
            .map(|_| ())
    }

    fn find(&self, words: &[String], after: i64, limit: u32) -> Result<Vec<Named>, StoreError> {
        let Some(wanted) = matched(words) else { return Ok(Vec::new()) };
        self.database.healing(|database| {
            database.read("find goods by words", |reader| {
                let mut found: Vec<Named> = reader
                    .prepare_cached(FIND)?
                    .query_map(params![wanted, after, limit], |row| {
                        Ok(Named { number: row.get(0)?, code: row.get(1)?, names: Vec::new() })
                    })?
                    .collect::<rusqlite::Result<_>>()?;
                let mut names = reader.prepare_cached("SELECT layer, name FROM named WHERE good = ?1")?;
                for good in &mut found {
                    let name = |row: &rusqlite::Row<'_>| Ok((LayerNo(row.get(0)?), row.get(1)?));
                    good.names = names.query_map([good.number], name)?.collect::<rusqlite::Result<_>>()?;
                }
                Ok(found)
            })
        })
    }
}

/// What FTS5 looks for: words between quotes, which none of them has. None where there are none.
fn matched(words: &[String]) -> Option<String> {
    if words.is_empty() {
        return None;
    }
    let words = &words[..words.len().min(MAX_WORDS)];
    Some(format!("{}*", words.iter().map(|word| format!("\"{word}\"")).collect::<Vec<_>>().join(" AND ")))
}

/// Writes a name where it is another than before.
fn put_name(
    transaction: &Transaction<'_>,
    layer: LayerNo,
    name: &NameOf,
    touched: &mut BTreeSet<i64>,
) -> rusqlite::Result<()> {
    let before: Option<(i64, String)> = transaction
        .prepare_cached("SELECT good, name FROM named WHERE layer = ?1 AND kind = ?2 AND key = ?3")?
        .query_row(params![layer.0, name.kind.0, name.key], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if before.as_ref().map(|(_, name)| name) == name.name.as_ref() {
        return Ok(());
    }
    touched.extend(before.map(|(good, _)| good));
    let Some(text) = &name.name else {
        let sql = "DELETE FROM named WHERE layer = ?1 AND kind = ?2 AND key = ?3";
        return transaction.prepare_cached(sql)?.execute(params![layer.0, name.kind.0, name.key]).map(|_| ());
    };
    let known = transaction
        .prepare_cached("SELECT id FROM good WHERE code = ?1")?
        .query_row([&name.code], |row| row.get(0))
        .optional()?;
    let good = match known {
        Some(good) => good,
        None => transaction.prepare_cached("INSERT INTO good(code) VALUES (?1)")?.insert([&name.code])?,
    };
    touched.insert(good);
    transaction
        .prepare_cached("INSERT OR REPLACE INTO named(layer, kind, key, good, name) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![layer.0, name.kind.0, name.key, good, text])?;
    Ok(())
}

/// Writes the words of a good anew, from the names that are left; without any it is forgotten.
fn write_words(transaction: &Transaction<'_>, good: i64) -> rusqlite::Result<()> {
    let names = transaction
        .prepare_cached("SELECT name FROM named WHERE good = ?1")?
        .query_map([good], |row| row.get::<_, String>(0))?
        .collect::<rusqlite::Result<Vec<_>>>()?;
    let words: BTreeSet<String> = names.iter().flat_map(|name| folded_words(name)).take(MAX_WORDS).collect();
    transaction.prepare_cached("DELETE FROM words WHERE rowid = ?1")?.execute([good])?;
    if names.is_empty() {
        transaction.prepare_cached("DELETE FROM good WHERE id = ?1")?.execute([good])?;
        return Ok(());
    }
    let text = words.into_iter().collect::<Vec<_>>().join(" ");
    transaction.prepare_cached("INSERT INTO words(rowid, text) VALUES (?1, ?2)")?.execute(params![good, text])?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn goods_are_found_in_their_order_without_looking_at_all_of_them() {
        let folder = tempfile::tempdir().unwrap();
        let db = GoodsDb::open(&folder.path().join(GOODS_DB)).unwrap();
        let plan = |sql: &str, count: usize| {
            let explain = |reader: &rusqlite::Connection| {
                let mut statement = reader.prepare(&format!("EXPLAIN QUERY PLAN {sql}"))?;
                let parameters = vec!["1"; count];
                let steps = statement.query_map(rusqlite::params_from_iter(parameters), |row| row.get(3))?;
                steps.collect::<rusqlite::Result<Vec<String>>>()
            };
            db.database().read("explain", explain).unwrap().join("; ")
        };
        let find = plan(FIND, 3);
        assert!(find.contains("VIRTUAL TABLE INDEX") && find.contains("g USING INTEGER PRIMARY KEY"), "{find}");
        assert!(!find.contains("TEMP B-TREE"), "{find}");
        let named = plan("SELECT layer, name FROM named WHERE good = ?1", 1);
        assert!(named.contains("named_of_good"), "{named}");
    }

    #[test]
    fn a_damaged_file_is_made_anew_and_nothing_is_known() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(GOODS_DB);
        let name = |text: &str| NameOf {
            kind: KindId(1),
            key: "1".to_owned(),
            code: "1".to_owned(),
            name: Some(text.to_owned()),
        };
        let dictionary = Uuid::from_u128(7);
        let db = GoodsDb::open(&path).unwrap();
        db.read_to(dictionary).unwrap();
        db.put(LayerNo(1), &[name("сыр")], Some(Revision(1))).unwrap();
        drop(db);
        fs_err::write(&path, b"rubbish ".repeat(2000)).unwrap();
        let db = GoodsDb::open(&path).unwrap();
        assert_eq!(db.read_to(dictionary).unwrap(), HashMap::new());
        db.put(LayerNo(1), &[name("соль")], None).unwrap();
        assert_eq!(db.find(&["соль".to_owned()], 0, 9).unwrap().len(), 1);
    }
}
