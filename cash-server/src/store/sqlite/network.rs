//! The network: its nodes in `network.db`, and where they were moved to in `dictionary.db`.
//!
//! A load holds the writer of `dictionary.db` for as long as it runs. So whatever changes a node
//! stands in a file of its own, whose writer nobody holds for longer than a moment; a move alone
//! needs both, since it takes a revision. Who needs both takes the writer of `dictionary.db`
//! first.

mod brought;
mod codes;

pub(super) use brought::take_over;

use super::audit;
use super::connection::Database;
use super::dictionary::{DictionaryDb, counter, signed, time, unsigned};
use crate::network::{KeptCode, LayerNo, Network, NetworkChange, NetworkError, Node, Parent, TokenHash};
use crate::store::StoreError;
use crate::store::network::{NetworkChanged, NetworkStore};
use jiff::Timestamp;
use rusqlite::{Connection, Row, Transaction, TransactionBehavior, params};
use rusqlite_migration::{M, Migrations};
use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, LazyLock, PoisonError};
use std::time::Duration;
use tillway_proto::{CodeName, Revision};
use tillway_service::actor::Caller;

/// File of the nodes, beside `dictionary.db`.
pub const NETWORK_DB: &str = "network.db";

pub(super) static MIGRATIONS: LazyLock<Migrations<'static>> = LazyLock::new(|| {
    let steps =
        [include_str!("network_1.sql"), audit::SCHEMA, include_str!("network_2.sql"), include_str!("network_3.sql")];
    Migrations::new(steps.map(M::up).to_vec())
});

const WHAT: &str = "change the network";
const READ: &str = "read the network";

/// Longest wait of a move for a load that is under way: who asks for it waits no longer than a
/// second.
const LONGEST_WAIT: Duration = Duration::from_millis(900);

/// For the user of another process than the one that loads.
const BUSY: &str = "move a node while a load is running (try again when it has ended)";

impl DictionaryDb {
    /// The network with moves as `dictionary` sees them and nodes as they are now: the one in
    /// memory where it still holds.
    pub(super) fn network_seen_by(&self, dictionary: &Connection) -> Result<Arc<Network>, StoreError> {
        let mut reader = self.nodes.reader()?;
        let moment = reader.transaction().map_err(|source| self.nodes.failed(READ, source))?;
        self.network_of(&moment, dictionary)
    }

    fn network_of(&self, nodes: &Connection, dictionary: &Connection) -> Result<Arc<Network>, StoreError> {
        let of_dictionary = |source| self.database.failed(READ, source);
        let of_nodes = |source| self.nodes.failed(READ, source);
        let moves = counter(dictionary, "network").map_err(of_dictionary)?;
        let version = version(moves, counter(nodes, "network").map_err(of_nodes)?);
        let kept = Arc::clone(&self.network.lock().unwrap_or_else(PoisonError::into_inner));
        // Version 0 is the empty network, which is also what is kept at first.
        if kept.version() == version {
            return Ok(kept);
        }
        let moves = read_moves(dictionary).map_err(of_dictionary)?;
        let network = Arc::new(Network::new(version, read_nodes(nodes, moves).map_err(of_nodes)?));
        let mut kept = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.version() < version {
            *kept = Arc::clone(&network);
        }
        Ok(network)
    }

    /// Changes the network in memory along with the database, where nobody was faster.
    fn keep(&self, before: Arc<Network>, version: u64, node: Node) -> Arc<Network> {
        let mut kept = self.network.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.version() == before.version() {
            drop(before);
            // Copies the tree only where a reader still holds the former one.
            Arc::make_mut(&mut kept).put(version, node);
            return Arc::clone(&kept);
        }
        let mut network = Arc::unwrap_or_clone(before);
        network.put(version, node);
        Arc::new(network)
    }

    /// A move: in `dictionary.db`, while nobody changes the nodes.
    fn move_node(
        &self,
        caller: &Caller,
        decide: &mut dyn FnMut(&Network) -> Result<NetworkChange, NetworkError>,
    ) -> Result<NetworkChanged, NetworkError> {
        let mut writer = self.database.writer_within(LONGEST_WAIT).ok_or(NetworkError::Busy)?;
        let moving = begin(&self.database, &mut writer)?;
        let mut writer = self.nodes.writer();
        let nodes = begin(&self.nodes, &mut writer)?;
        let network = self.network_of(&nodes, &moving).map_err(in_store)?;
        // It may have been moved there in the meantime.
        let change = decide(&network)?;
        let NetworkChange::Move { no, parent } = change else {
            return Ok(NetworkChanged { revision: None, network });
        };
        let line = change.audit_line(caller, &network);
        let carry_out = || {
            let revision = Revision(counter(&moving, "revision")?).next();
            moving.execute(
                "INSERT INTO node_parent(node, since, parent) VALUES (?1, ?2, ?3)",
                params![no.0, signed(revision), parent.0],
            )?;
            moving.execute(
                "INSERT INTO revision(revision, at, layer) VALUES (?1, ?2, ?3)",
                params![signed(revision), Timestamp::now().as_millisecond(), no.0],
            )?;
            moving.execute("UPDATE counter SET value = ?1 WHERE name = 'revision'", [signed(revision)])?;
            moving.execute("UPDATE counter SET value = value + 1 WHERE name = 'network'", ())?;
            line.iter().try_for_each(|line| audit::put(&moving, line))?;
            Ok((revision, counter(&moving, "network")?))
        };
        let failed = |source| in_store(self.database.failed(WHAT, source));
        let (revision, moves) = carry_out().map_err(failed)?;
        let of_nodes = |source| in_store(self.nodes.failed(WHAT, source));
        let version = version(moves, counter(&nodes, "network").map_err(of_nodes)?);
        // First, since tills are told once more where nothing has moved: nothing comes of that.
        let since = network.next_generation(Timestamp::now());
        let sql = "UPDATE node SET settings_since = ?2 WHERE no = ?1";
        nodes.execute(sql, params![no.0, since.cast_signed()]).map_err(of_nodes)?;
        let mut node = read_node(&nodes, no).map_err(of_nodes)?;
        node.parents.extend(network.by_no(no).into_iter().flat_map(moves_of));
        node.parents.push(Parent { since: revision, parent });
        nodes.commit().map_err(of_nodes)?;
        moving.commit().map_err(failed)?;
        Ok(NetworkChanged { revision: Some(revision), network: self.keep(network, version, node) })
    }

    /// The highest number of a layer that `dictionary.db` knows: a node whose record was lost must
    /// not come back as another.
    fn highest_layer(&self) -> Result<i64, StoreError> {
        self.database.read(READ, |reader| {
            let sql =
                "SELECT max((SELECT ifnull(max(layer), 0) FROM layer), (SELECT ifnull(max(node), 0) FROM node_parent))";
            reader.query_row(sql, (), |row| row.get(0))
        })
    }
}

impl NetworkStore for DictionaryDb {
    fn network(&self) -> Result<Arc<Network>, StoreError> {
        let mut reader = self.database.reader()?;
        let moment = reader.transaction().map_err(|source| self.database.failed(READ, source))?;
        self.network_seen_by(&moment)
    }

    fn change(
        &self,
        caller: &Caller,
        decide: &mut dyn FnMut(&Network) -> Result<NetworkChange, NetworkError>,
    ) -> Result<NetworkChanged, NetworkError> {
        let mut writer = self.nodes.writer();
        let transaction = begin(&self.nodes, &mut writer)?;
        let network = {
            let mut reader = self.database.reader().map_err(in_store)?;
            let moment = reader.transaction().map_err(|source| in_store(self.database.failed(READ, source)))?;
            self.network_of(&transaction, &moment).map_err(in_store)?
        };
        let change = match decide(&network)? {
            NetworkChange::None => return Ok(NetworkChanged { revision: None, network }),
            NetworkChange::Move { .. } => {
                drop(transaction);
                drop(writer);
                return self.move_node(caller, decide);
            }
            change => change,
        };
        let head = self.database.read(READ, |reader| counter(reader, "revision")).map_err(in_store)?;
        let above = self.highest_layer().map_err(in_store)?;
        let failed = |source| in_store(self.nodes.failed(WHAT, source));
        let line = change.audit_line(caller, &network);
        if let NetworkChange::Attach { code, used, .. } = &change
            && !codes::mark_used(&transaction, *code, used).map_err(failed)?
        {
            return Err(NetworkError::CodeUsedNow);
        }
        let no = carry_out(&transaction, change, Revision(head), above).map_err(failed)?;
        line.iter().try_for_each(|line| audit::put(&transaction, line)).map_err(failed)?;
        let mut node = read_node(&transaction, no).map_err(failed)?;
        node.parents.extend(network.by_no(no).into_iter().flat_map(moves_of));
        transaction.commit().map_err(failed)?;
        let version = network.version() + 1;
        Ok(NetworkChanged { revision: None, network: self.keep(network, version, node) })
    }

    fn codes(&self) -> Result<Vec<KeptCode>, StoreError> {
        self.nodes.read(READ, codes::all)
    }

    fn code(&self, name: CodeName) -> Result<Option<KeptCode>, StoreError> {
        self.nodes.read(READ, |reader| codes::one(reader, name))
    }

    fn put_codes(&self, caller: &Caller, codes: &[KeptCode], forget: Timestamp) -> Result<(), NetworkError> {
        let network = self.network().map_err(in_store)?;
        let put = |transaction: &Transaction<'_>| codes::put(transaction, caller, &network, codes, forget);
        self.nodes.write(WHAT, put).map_err(in_store)
    }

    fn end_codes(&self, caller: &Caller, node: LayerNo, now: Timestamp) -> Result<bool, NetworkError> {
        let network = self.network().map_err(in_store)?;
        self.nodes.write(WHAT, |transaction| codes::end(transaction, caller, &network, node, now)).map_err(in_store)
    }
}

/// Of the network, from how often nodes were moved and how often they were changed otherwise. A
/// day has far fewer changes than the second has room for.
const fn version(moves: u64, changes: u64) -> u64 {
    (moves << 32) + changes
}

fn begin<'a>(database: &Database, writer: &'a mut Connection) -> Result<Transaction<'a>, NetworkError> {
    writer.transaction_with_behavior(TransactionBehavior::Immediate).map_err(|source| {
        let busy = source.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy);
        in_store(database.failed(if busy { BUSY } else { WHAT }, source))
    })
}

fn in_store(source: StoreError) -> NetworkError {
    NetworkError::Store(source)
}

fn moves_of(node: &Node) -> impl Iterator<Item = Parent> {
    node.parents.iter().copied().filter(|parent| parent.since > Revision::ZERO)
}

/// Carries out in `network.db` what does not take a revision; which node changed. `head`: the
/// newest revision, `above`: new nodes have higher numbers.
fn carry_out(
    transaction: &Transaction<'_>,
    change: NetworkChange,
    head: Revision,
    above: i64,
) -> rusqlite::Result<LayerNo> {
    let now = Timestamp::now().as_millisecond();
    let no = match change {
        NetworkChange::Create { id, code, name, parent, token } => {
            let parent = parent.map(|parent| parent.0);
            transaction.execute(
                "INSERT INTO node(no, id, code, name, parent, created_at, token) \
                 SELECT max(ifnull(max(no), 0), ?1) + 1, ?2, ?3, ?4, ?5, ?6, ?7 FROM node",
                params![above, id.as_str(), code.as_str(), name, parent, now, token.map(TokenHash::to_bytes)],
            )?;
            LayerNo(transaction.last_insert_rowid())
        }
        NetworkChange::Rename { no, name } => {
            transaction.execute("UPDATE node SET name = ?2 WHERE no = ?1", params![no.0, name])?;
            no
        }
        NetworkChange::Remove { no } => {
            transaction.execute(
                "UPDATE node SET removed_at = ?2, token = NULL, removed_after = ?3 WHERE no = ?1",
                params![no.0, now, signed(head)],
            )?;
            no
        }
        NetworkChange::Park { no, parked } => {
            transaction.execute("UPDATE node SET parked = ?2 WHERE no = ?1", params![no.0, parked])?;
            no
        }
        NetworkChange::Settings { no, settings, since } => {
            let text = serde_json::to_string(&settings)
                .map_err(|error| rusqlite::Error::ToSqlConversionFailure(error.into()))?;
            let sql = "UPDATE node SET settings = ?2, settings_since = ?3 WHERE no = ?1";
            transaction.execute(sql, params![no.0, (!settings.is_empty()).then_some(text), since.cast_signed()])?;
            no
        }
        NetworkChange::Token { no, token } => {
            transaction.execute("UPDATE node SET token = ?2 WHERE no = ?1", params![no.0, token.to_bytes()])?;
            codes::forget_attempts(transaction, no)?;
            no
        }
        NetworkChange::ShutOut { no, token } => {
            let sql = "UPDATE node SET token = ?2, parked = 1 WHERE no = ?1";
            transaction.execute(sql, params![no.0, token.to_bytes()])?;
            codes::forget_attempts(transaction, no)?;
            codes::close(transaction, no, now)?;
            no
        }
        NetworkChange::Attach { no, token, .. } => {
            let sql = "UPDATE node SET token = ?2, parked = 0 WHERE no = ?1";
            transaction.execute(sql, params![no.0, token.to_bytes()])?;
            no
        }
        NetworkChange::None | NetworkChange::Move { .. } => return Err(rusqlite::Error::StatementChangedRows(0)),
    };
    transaction.execute("UPDATE counter SET value = value + 1 WHERE name = 'network'", ())?;
    Ok(no)
}

const NODES: &str =
    "SELECT no, id, code, name, parked, created_at, removed_at, token, parent, settings, settings_since FROM node";

/// Where nodes were moved to.
fn read_moves(dictionary: &Connection) -> rusqlite::Result<HashMap<i64, Vec<Parent>>> {
    let mut moves: HashMap<i64, Vec<Parent>> = HashMap::new();
    let mut statement =
        dictionary.prepare_cached("SELECT node, since, parent FROM node_parent ORDER BY node, since")?;
    let mut rows = statement.query(())?;
    while let Some(row) = rows.next()? {
        let parent = Parent { since: Revision(unsigned(row, 1)?), parent: LayerNo(row.get(2)?) };
        moves.entry(row.get(0)?).or_default().push(parent);
    }
    Ok(moves)
}

fn read_nodes(nodes: &Connection, mut moves: HashMap<i64, Vec<Parent>>) -> rusqlite::Result<Vec<Node>> {
    nodes
        .prepare_cached(NODES)?
        .query_map((), |row| {
            let mut node = node(row)?;
            node.parents.extend(moves.remove(&node.no.0).unwrap_or_default());
            Ok(node)
        })?
        .collect()
}

/// A node, as if it had never been moved.
fn read_node(nodes: &Connection, no: LayerNo) -> rusqlite::Result<Node> {
    nodes.prepare_cached(&format!("{NODES} WHERE no = ?1"))?.query_row([no.0], node)
}

fn node(row: &Row<'_>) -> rusqlite::Result<Node> {
    let created = row.get::<_, Option<i64>>(8)?;
    Ok(Node {
        no: LayerNo(row.get(0)?),
        id: parsed(row, 1)?,
        code: parsed(row, 2)?,
        name: row.get(3)?,
        parked: row.get(4)?,
        created_at: time(row.get(5)?),
        removed_at: row.get::<_, Option<i64>>(6)?.map(time),
        parents: created.map(|parent| Parent { since: Revision::ZERO, parent: LayerNo(parent) }).into_iter().collect(),
        token: row.get::<_, Option<[u8; 32]>>(7)?.map(TokenHash::from_bytes),
        settings: settings(row.get(9)?)?,
        settings_since: unsigned(row, 10)?,
    })
}

fn settings(text: Option<String>) -> rusqlite::Result<BTreeMap<String, String>> {
    let Some(text) = text else { return Ok(BTreeMap::new()) };
    serde_json::from_str(&text)
        .map_err(|error| rusqlite::Error::FromSqlConversionFailure(9, rusqlite::types::Type::Text, Box::new(error)))
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
