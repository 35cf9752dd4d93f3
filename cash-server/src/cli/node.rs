//! `node …` and `till settings`: on `dictionary.db` itself, beside a running server or without
//! one.

use super::table::Answer;
use super::{CliError, NodeCommand};
use crate::exchange::PublicAddresses;
use crate::network::change::alike_of_each;
use crate::network::{Network, NetworkService, Node};
use crate::run::{DICTIONARY_DB, ensure_chain};
use crate::settings::Settings;
use crate::store::sqlite::DictionaryDb;
use fs_err as fs;
use serde_json::{Value, json};
use std::sync::Arc;
use tillway_proto::{NodeId, TillId};

pub(super) fn node(settings: &Settings, command: NodeCommand, answer: &mut Answer<'_>) -> Result<(), CliError> {
    let network = open(settings)?;
    match command {
        NodeCommand::List => list(&network, answer),
        NodeCommand::Add { level, code, parent, name } => {
            let parent = find(&network, &parent)?;
            let name = name.unwrap_or_else(|| code.to_string());
            let made = network.create(&parent, level, &code, &name).map_err(CliError::Network)?;
            match (&made.id, &made.token) {
                (NodeId::Till(till), Some(token)) => {
                    let tree = network.current().map_err(CliError::Network)?;
                    let ini = addresses(settings).cash_ini(&tree, till, Some(token)).map_err(CliError::CashIni)?;
                    let told = json!({"id": made.id, "token": token.as_str(), "cash_ini": ini});
                    answer.line(&told, ini.trim_end())
                }
                _ => answer.line(&json!({"id": made.id}), made.id.as_str()),
            }
        }
        NodeCommand::Rename { node, name } => {
            let id = find(&network, &node)?;
            network.rename(&id, &name).map_err(CliError::Network)?;
            answer.line(&json!({"id": id}), &format!("{id} is now called {name}"))
        }
        NodeCommand::Move { node, parent } => {
            let (id, parent) = (find(&network, &node)?, find(&network, &parent)?);
            match network.move_node(&id, &parent).map_err(CliError::Network)? {
                Some(revision) => answer.line(
                    &json!({"id": id, "revision": revision}),
                    &format!("{id} hangs under {parent} from revision {revision} on"),
                ),
                None => {
                    answer.line(&json!({"id": id, "revision": null}), &format!("{id} hangs under {parent} already"))
                }
            }
        }
        NodeCommand::Remove { node } => {
            let id = find(&network, &node)?;
            network.remove(&id).map_err(CliError::Network)?;
            answer.line(&json!({"id": id}), &format!("removed {id}"))
        }
        NodeCommand::Park { till } => park(&network, &till, true, answer),
        NodeCommand::Unpark { till } => park(&network, &till, false, answer),
    }
}

pub(super) fn till_settings(
    settings: &Settings,
    till: &str,
    new_token: bool,
    answer: &mut Answer<'_>,
) -> Result<(), CliError> {
    let network = open(settings)?;
    let till = find_till(&network, till)?;
    let token = new_token.then(|| network.reissue_token(&till)).transpose().map_err(CliError::Network)?;
    let tree = network.current().map_err(CliError::Network)?;
    answer.text(&addresses(settings).cash_ini(&tree, &till, token.as_ref()).map_err(CliError::CashIni)?)
}

fn open(settings: &Settings) -> Result<NetworkService, CliError> {
    fs::create_dir_all(&settings.data_dir).map_err(CliError::Output)?;
    let database = DictionaryDb::open(&settings.data_dir.join(DICTIONARY_DB)).map_err(CliError::Store)?;
    let network = NetworkService::new(Arc::new(database));
    ensure_chain(&network).map_err(CliError::Run)?;
    Ok(network)
}

fn addresses(settings: &Settings) -> PublicAddresses {
    PublicAddresses::new(settings, settings.rest.listen.port(), settings.sales.listen.port())
}

fn find(network: &NetworkService, text: &str) -> Result<NodeId, CliError> {
    let tree = network.current().map_err(CliError::Network)?;
    tree.find(text).map(|node| node.id.clone()).map_err(CliError::Network)
}

fn find_till(network: &NetworkService, text: &str) -> Result<TillId, CliError> {
    match find(network, text)? {
        NodeId::Till(till) => Ok(till),
        other => Err(CliError::NoTill { node: other.to_string() }),
    }
}

fn park(network: &NetworkService, till: &str, parked: bool, answer: &mut Answer<'_>) -> Result<(), CliError> {
    let till = find_till(network, till)?;
    network.park(&till, parked).map_err(CliError::Network)?;
    let told = if parked { "parked" } else { "unparked" };
    answer.line(&json!({"id": till, "parked": parked}), &format!("{told} {till}"))
}

fn list(network: &NetworkService, answer: &mut Answer<'_>) -> Result<(), CliError> {
    let tree = network.current().map_err(CliError::Network)?;
    let mut alike = alike_of_each(&tree);
    let rows: Vec<Value> =
        tree.nodes().map(|node| row(&tree, node, &alike.remove(&node.no).unwrap_or_default())).collect();
    answer.table(
        &Value::Array(rows),
        &[("NODE", "/folder"), ("NAME", "/name"), ("ID", "/id"), ("PARENT", "/parent"), ("STATE", "/state")],
    )
}

fn row(tree: &Network, node: &Node, alike: &[String]) -> Value {
    let parked = node.parked.then(|| "parked".to_owned());
    let looks_like = (!alike.is_empty()).then(|| format!("code like that of {}", alike.join(", ")));
    let state: Vec<String> = parked.into_iter().chain(looks_like).collect();
    json!({
        "folder": tree.folder_name(node),
        "name": node.name,
        "id": node.id,
        "level": node.id.level(),
        "code": node.code,
        "parent": tree.parent(&node.id).map(|parent| tree.folder_name(parent)),
        "parked": node.parked,
        "alike": alike,
        "state": (!state.is_empty()).then(|| state.join("; ")),
    })
}
