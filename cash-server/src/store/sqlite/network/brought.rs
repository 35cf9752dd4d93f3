//! Nodes of an older `dictionary.db` are taken over into `network.db`.

use super::NETWORK_DB;
use crate::store::StoreError;
use crate::store::sqlite::connection::Database;
use crate::store::sqlite::dictionary::counter;
use rusqlite::types::Value;

const TAKE_OVER: &str = "take the nodes of dictionary.db over";

/// A node's columns as they are in both files.
const COLUMNS: &str = "no, id, code, name, parked, created_at, removed_at, removed_after, token";

/// Takes the nodes over, where that was not done before. A crash in between repeats it.
pub(in super::super) fn take_over(dictionary: &Database, network: &Database) -> Result<(), StoreError> {
    let (old, head) = dictionary.read(TAKE_OVER, |reader| {
        let sql = format!(
            "SELECT {COLUMNS}, (SELECT parent FROM node_parent WHERE node = no AND since = 0) FROM node ORDER BY no"
        );
        let row = |row: &rusqlite::Row<'_>| (0..10).map(|column| row.get(column)).collect();
        let old: Vec<Vec<Value>> = reader.prepare(&sql)?.query_map((), row)?.collect::<rusqlite::Result<_>>()?;
        Ok((old, counter(reader, "revision")?))
    })?;
    let is_empty = "SELECT NOT EXISTS (SELECT 1 FROM node)";
    if old.is_empty() {
        let lost = head > 0 && network.read(TAKE_OVER, |reader| reader.query_row(is_empty, (), |row| row.get(0)))?;
        let reason = format!(
            "it holds no node, and the dictionaries beside it do: {NETWORK_DB} belongs to dictionary.db, restore the two \
             from one backup"
        );
        return if lost { Err(network.corrupt("open the network", reason)) } else { Ok(()) };
    }
    network.write(TAKE_OVER, |transaction| {
        // Whoever has nodes in the new file knows them better: the old ones come from an older
        // backup.
        if transaction.query_row(is_empty, (), |row| row.get(0))? {
            let sql = format!("INSERT INTO node({COLUMNS}, parent) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)");
            let mut insert = transaction.prepare(&sql)?;
            for row in &old {
                insert.execute(rusqlite::params_from_iter(row))?;
            }
        }
        Ok(())
    })?;
    dictionary.write(TAKE_OVER, |transaction| {
        transaction.execute("DELETE FROM node_parent WHERE since = 0", ())?;
        transaction.execute("DELETE FROM node", ()).map(|_| ())
    })
}
