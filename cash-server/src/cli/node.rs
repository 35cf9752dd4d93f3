//! `node …` and `till settings`: on `dictionary.db` itself, beside a running server or without
//! one.

use super::table::Answer;
use super::{CliError, NodeCommand};
use crate::actor::{Actor, Caller, Face};
use crate::app::{NetworkHints, NewToken, NodeChange, NodeInfo, Nodes};
use crate::exchange::PublicAddresses;
use crate::network::NetworkService;
use crate::run::{DICTIONARY_DB, ensure_chain};
use crate::settings::Settings;
use crate::store::sqlite::DictionaryDb;
use fs_err as fs;
use serde_json::{Value, json};
use std::sync::Arc;
use tillway_proto::{NodeId, Revision};

pub(super) fn node(settings: &Settings, command: NodeCommand, answer: &mut Answer<'_>) -> Result<(), CliError> {
    let nodes = open(settings)?;
    match command {
        NodeCommand::List => list(&nodes, answer),
        NodeCommand::Add { level, code, parent, name } => {
            let name = name.unwrap_or_else(|| code.to_string());
            let made = nodes.create(&parent, level, &code, &name).map_err(CliError::App)?;
            let id = made.info.node.id;
            match made.token {
                Some(NewToken { token, cash_ini }) => {
                    let told = json!({"id": id, "token": token.as_str(), "cash_ini": cash_ini});
                    answer.line(&told, cash_ini.trim_end())
                }
                None => answer.line(&json!({"id": id}), id.as_str()),
            }
        }
        NodeCommand::Rename { node, name } => {
            let (id, _) = change(&nodes, &node, &NodeChange { name: Some(&name), ..NodeChange::default() })?;
            answer.line(&json!({"id": id}), &format!("{id} is now called {name}"))
        }
        NodeCommand::Move { node, parent } => {
            let parent = nodes.find(&parent).map_err(CliError::App)?;
            let under = NodeChange { parent: Some(parent.as_str()), ..NodeChange::default() };
            let (id, revision) = change(&nodes, &node, &under)?;
            let told = match revision {
                Some(revision) => format!("{id} hangs under {parent} from revision {revision} on"),
                None => format!("{id} hangs under {parent} already"),
            };
            answer.line(&json!({"id": id, "revision": revision}), &told)
        }
        NodeCommand::Remove { node } => {
            let id = nodes.remove(&node).map_err(CliError::App)?;
            answer.line(&json!({"id": id}), &format!("removed {id}"))
        }
        NodeCommand::Park { till } => park(&nodes, &till, true, answer),
        NodeCommand::Unpark { till } => park(&nodes, &till, false, answer),
    }
}

pub(super) fn till_settings(
    settings: &Settings,
    till: &str,
    new_token: bool,
    answer: &mut Answer<'_>,
) -> Result<(), CliError> {
    let nodes = open(settings)?;
    let cash_ini = if new_token { nodes.reissue_token(till).map(|new| new.cash_ini) } else { nodes.cash_ini(till) };
    answer.text(&cash_ini.map_err(CliError::App)?)
}

fn open(settings: &Settings) -> Result<Nodes, CliError> {
    fs::create_dir_all(&settings.data_dir).map_err(CliError::Output)?;
    let database = DictionaryDb::open(&settings.data_dir.join(DICTIONARY_DB)).map_err(CliError::Store)?;
    let network = NetworkService::new(Arc::new(database));
    ensure_chain(&network).map_err(CliError::Run)?;
    let actor = Actor::SystemUser(system_user());
    let caller = Caller { actor, face: Face::CommandLine, address: None };
    Ok(Nodes {
        network: network.acting_for(&caller),
        addresses: addresses(settings),
        hints: NetworkHints::default(),
        caller,
    })
}

/// The name of the system's user who runs this, else its number.
fn system_user() -> String {
    let number = rustix::process::geteuid().to_string();
    let users = fs::read_to_string("/etc/passwd").unwrap_or_default();
    let name = users.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == number).then(|| name.to_owned())
    });
    name.unwrap_or(number)
}

fn addresses(settings: &Settings) -> PublicAddresses {
    PublicAddresses::new(settings, settings.rest.listen.port(), settings.sales.listen.port())
}

fn change(nodes: &Nodes, node: &str, change: &NodeChange<'_>) -> Result<(NodeId, Option<Revision>), CliError> {
    let (info, revision) = nodes.change(node, change).map_err(CliError::App)?;
    Ok((info.node.id, revision))
}

fn park(nodes: &Nodes, till: &str, parked: bool, answer: &mut Answer<'_>) -> Result<(), CliError> {
    let till = nodes.till(till).map_err(CliError::App)?;
    change(nodes, till.as_str(), &NodeChange { parked: Some(parked), ..NodeChange::default() })?;
    let told = if parked { "parked" } else { "unparked" };
    answer.line(&json!({"id": till, "parked": parked}), &format!("{told} {till}"))
}

fn list(nodes: &Nodes, answer: &mut Answer<'_>) -> Result<(), CliError> {
    let rows: Vec<Value> = nodes.list().map_err(CliError::App)?.iter().map(row).collect();
    answer.table(
        &Value::Array(rows),
        &[("NODE", "/folder"), ("NAME", "/name"), ("ID", "/id"), ("PARENT", "/parent"), ("STATE", "/state")],
    )
}

fn row(info: &NodeInfo) -> Value {
    let NodeInfo { node, parent, folder, alike } = info;
    let parked = node.parked.then(|| "parked".to_owned());
    let looks_like = (!alike.is_empty()).then(|| format!("code like that of {}", alike.join(", ")));
    let state: Vec<String> = parked.into_iter().chain(looks_like).collect();
    json!({
        "folder": folder,
        "name": node.name,
        "id": node.id,
        "level": node.id.level(),
        "code": node.code,
        "parent": parent.as_ref().map(|(_, folder)| folder),
        "parked": node.parked,
        "alike": alike,
        "state": (!state.is_empty()).then(|| state.join("; ")),
    })
}
