//! The network within `dictionary.db`.

use super::dictionary::{DictionaryDb, counter, signed, time, unsigned};
use crate::network::{LayerNo, Network, NetworkChange, NetworkError, Node, Parent, TokenHash};
use crate::store::StoreError;
use crate::store::network::{NetworkChanged, NetworkStore};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use std::collections::HashMap;
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tillway_proto::Revision;

const WHAT: &str = "change the network";

/// Longest wait of a change for a load that is under way: who asks for a new token or a removal waits no longer than a second.
const LONGEST_WAIT: Duration = Duration::from_millis(900);

/// For the user of another process than the one that loads.
const BUSY: &str = "change the network while a load is running (try again when it has ended)";

impl DictionaryDb {
    /// The network as `connection` sees it: the one in memory where it still holds.
    pub(super) fn network_seen_by(&self, connection: &Connection) -> rusqlite::Result<Arc<Network>> {
        let version = counter(connection, "network")?;
        let kept = Arc::clone(&self.network.lock().unwrap_or_else(PoisonError::into_inner));
        // Version 0 is the empty network, which is also what is kept at first.
        if kept.version() == version {
            return Ok(kept);
        }
        let network = Arc::new(read_network(connection, version)?);
        let mut kept = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.version() < version {
            *kept = Arc::clone(&network);
        }
        Ok(network)
    }

    /// Changes the network in memory along with the database, where nobody was faster.
    fn keep(&self, before: Arc<Network>, version: u64, node: Node) -> Arc<Network> {
        let mut kept = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        let was_kept = kept.version() == before.version();
        drop(before);
        if was_kept {
            // Copies the tree only where a reader still holds the former one.
            Arc::make_mut(&mut kept).put(version, node);
        }
        Arc::clone(&kept)
    }
}

impl NetworkStore for DictionaryDb {
    fn network(&self) -> Result<Arc<Network>, StoreError> {
        self.database.read("read the network", |reader| self.network_seen_by(reader))
    }

    fn change(
        &self,
        decide: &mut dyn FnMut(&Network) -> Result<NetworkChange, NetworkError>,
    ) -> Result<NetworkChanged, NetworkError> {
        let failed = |source: rusqlite::Error| {
            let busy = source.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
            NetworkError::Store { source: self.database.failed(if busy { BUSY } else { WHAT }, source) }
        };
        let mut writer = self.database.writer_within(LONGEST_WAIT).ok_or(NetworkError::Busy)?;
        let transaction = writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)?;
        let network = self.network_seen_by(&transaction).map_err(failed)?;
        let change = decide(&network)?;
        let Some((no, revision)) = carry_out(&transaction, change).map_err(failed)? else {
            return Ok(NetworkChanged { revision: None, network });
        };
        let version = network.version() + 1;
        let commit = || {
            transaction.execute("UPDATE counter SET value = value + 1 WHERE name = 'network'", ())?;
            read_node(&transaction, no)
        };
        let node = commit().map_err(failed)?;
        transaction.commit().map_err(failed)?;
        let network = self.keep(network, version, node);
        Ok(NetworkChanged { revision, network })
    }
}

/// Which node changed, and the revision that it took; none where there is nothing to do.
fn carry_out(
    transaction: &Transaction<'_>,
    change: NetworkChange,
) -> rusqlite::Result<Option<(LayerNo, Option<Revision>)>> {
    let now = Timestamp::now().as_millisecond();
    match change {
        NetworkChange::None => Ok(None),
        NetworkChange::Create { id, code, name, parent, token } => {
            transaction.execute(
                "INSERT INTO node(id, code, name, created_at, token) VALUES (?1, ?2, ?3, ?4, ?5)",
                params![id.as_str(), code.as_str(), name, now, token.map(TokenHash::to_bytes)],
            )?;
            let no = transaction.last_insert_rowid();
            if let Some(parent) = parent {
                transaction.execute(
                    "INSERT INTO node_parent(node, since, parent) VALUES (?1, 0, ?2)",
                    params![no, parent.0],
                )?;
            }
            Ok(Some((LayerNo(no), None)))
        }
        NetworkChange::Rename { no, name } => {
            transaction.execute("UPDATE node SET name = ?2 WHERE no = ?1", params![no.0, name])?;
            Ok(Some((no, None)))
        }
        NetworkChange::Move { no, parent } => {
            let revision = Revision(counter(transaction, "revision")?).next();
            transaction.execute(
                "INSERT INTO node_parent(node, since, parent) VALUES (?1, ?2, ?3)",
                params![no.0, signed(revision), parent.0],
            )?;
            transaction.execute(
                "INSERT INTO revision(revision, at, layer) VALUES (?1, ?2, ?3)",
                params![signed(revision), now, no.0],
            )?;
            transaction.execute("UPDATE counter SET value = ?1 WHERE name = 'revision'", [signed(revision)])?;
            Ok(Some((no, Some(revision))))
        }
        NetworkChange::Remove { no } => {
            transaction.execute(
                "UPDATE node SET removed_at = ?2, token = NULL, \
                 removed_after = (SELECT value FROM counter WHERE name = 'revision') WHERE no = ?1",
                params![no.0, now],
            )?;
            Ok(Some((no, None)))
        }
        NetworkChange::Park { no, parked } => {
            transaction.execute("UPDATE node SET parked = ?2 WHERE no = ?1", params![no.0, parked])?;
            Ok(Some((no, None)))
        }
        NetworkChange::Token { no, token } => {
            transaction.execute("UPDATE node SET token = ?2 WHERE no = ?1", params![no.0, token.to_bytes()])?;
            Ok(Some((no, None)))
        }
    }
}

const NODES: &str = "SELECT no, id, code, name, parked, created_at, removed_at, token FROM node";

fn read_network(connection: &Connection, version: u64) -> rusqlite::Result<Network> {
    let mut parents: HashMap<i64, Vec<Parent>> = HashMap::new();
    let mut statement =
        connection.prepare_cached("SELECT node, since, parent FROM node_parent ORDER BY node, since")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        parents.entry(row.get(0)?).or_default().push(read_parent(row)?);
    }
    let nodes = connection
        .prepare_cached(NODES)?
        .query_map((), |row| {
            let no: i64 = row.get(0)?;
            node(row, parents.remove(&no).unwrap_or_default())
        })?
        .collect::<rusqlite::Result<Vec<Node>>>()?;
    Ok(Network::new(version, nodes))
}

fn read_node(connection: &Connection, no: LayerNo) -> rusqlite::Result<Node> {
    let parents = connection
        .prepare_cached("SELECT node, since, parent FROM node_parent WHERE node = ?1 ORDER BY since")?
        .query_map([no.0], read_parent)?
        .collect::<rusqlite::Result<Vec<Parent>>>()?;
    connection.prepare_cached(&format!("{NODES} WHERE no = ?1"))?.query_row([no.0], |row| node(row, parents.clone()))
}

fn read_parent(row: &Row<'_>) -> rusqlite::Result<Parent> {
    Ok(Parent { since: Revision(unsigned(row, 1)?), parent: LayerNo(row.get(2)?) })
}

fn node(row: &Row<'_>, parents: Vec<Parent>) -> rusqlite::Result<Node> {
    Ok(Node {
        no: LayerNo(row.get(0)?),
        id: parsed(row, 1)?,
        code: parsed(row, 2)?,
        name: row.get(3)?,
        parked: row.get(4)?,
        created_at: time(row.get(5)?),
        removed_at: row.get::<_, Option<i64>>(6)?.map(time),
        parents,
        token: row.get::<_, Option<[u8; 32]>>(7)?.map(TokenHash::from_bytes),
    })
}

fn parsed<T>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T: std::str::FromStr,
    T::Err: std::error::Error + Send + Sync + 'static,
{
    let text: String = row.get(column)?;
    text.parse().map_err(|error: T::Err| {
        rusqlite::Error::FromSqlConversionFailure(column, rusqlite::types::Type::Text, Box::new(error))
    })
}
