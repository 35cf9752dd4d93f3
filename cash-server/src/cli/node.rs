//! `node …` and `till settings`: asked of the running server; where none runs, done on the
//! databases themselves.

use super::client::{Client, ClientError, escaped};
use super::table::Output;
use super::{CliError, NodeCommand};
use crate::app::{AppError, Nodes, SettingInfo};
use crate::exchange::PublicAddresses;
use crate::hints::Hints;
use crate::lock::{DataLock, LockError, Role};
use crate::network::NetworkService;
use crate::peer_keys::PeerKeys;
use crate::rest::attach_codes::{AttachCodeMade, AttachCodeView, WantedCodes, wanted};
use crate::rest::nodes::{CashIni, ChangedNode, MadeNode, NewNode, NewSecret, NodeChange, NodeView};
use crate::rest::settings::{SettingView, SettingsAsked};
use crate::run::ensure_chain;
use crate::settings::Settings;
use crate::socket;
use crate::store::Stores;
use crate::words::{FluentValue, Words};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::HashMap;
use std::io;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};
use tillway_proto::process::become_owner_of;
use tillway_proto::{NodeCode, NodeLevel};
use tillway_service::actor::{Actor, Caller, Face};
use tillway_service::system_user;

/// How long a command waits for a server that starts, and for another command.
const PATIENCE: Duration = Duration::from_secs(10);

/// How often it looks.
const LOOK_EVERY: Duration = Duration::from_millis(50);

pub(super) fn node(settings: &Settings, command: NodeCommand, answer: &mut Output<'_>) -> Result<(), CliError> {
    let network = Network::find(settings)?;
    match command {
        NodeCommand::List => list(&network, answer),
        NodeCommand::Add { level, code, parent, name } => {
            let name = name.unwrap_or_else(|| code.to_string());
            let made = network.create(parent, level, &code, name)?;
            let MadeNode { node: NodeView { id, .. }, secret, token, cash_ini } = made;
            match cash_ini {
                Some(cash_ini) => {
                    let told = json!({"id": id, "secret": secret, "token": token, "cash_ini": cash_ini});
                    answer.line(&told, cash_ini.trim_end())
                }
                None => answer.line(&json!({"id": id}), &id),
            }
        }
        NodeCommand::Rename { node, name } => {
            let id = network.change(&node, &NodeChange { name: Some(name.clone()), ..NodeChange::default() })?.node.id;
            let told = answer.words.text("cli-renamed", [("node", id.as_str().into()), ("name", name.into())]);
            answer.line(&json!({"id": id}), &told)
        }
        NodeCommand::Move { node, parent } => {
            let parent = network.show(&parent)?.id;
            let under = NodeChange { parent: Some(parent.clone()), ..NodeChange::default() };
            let ChangedNode { node: NodeView { id, .. }, revision } = network.change(&node, &under)?;
            let parameters = [("node", FluentValue::from(id.as_str())), ("parent", FluentValue::from(parent))];
            let told = match revision {
                Some(revision) => {
                    let from = ("revision", FluentValue::from(revision.to_string()));
                    answer.words.text("cli-moved", parameters.into_iter().chain([from]))
                }
                None => answer.words.text("cli-hangs-there", parameters),
            };
            answer.line(&json!({"id": id, "revision": revision}), &told)
        }
        NodeCommand::Remove { node } => {
            let id = network.show(&node)?.id;
            network.remove(&id)?;
            let told = answer.words.text("cli-removed", [("node", id.as_str().into())]);
            answer.line(&json!({"id": id}), &told)
        }
        NodeCommand::Settings { node, set } => till_values(&network, &node, set, answer),
        NodeCommand::Park { till } => park(&network, &till, true, answer),
        NodeCommand::Unpark { till } => park(&network, &till, false, answer),
    }
}

pub(super) fn till_settings(
    settings: &Settings,
    till: &str,
    new_secret: bool,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let network = Network::find(settings)?;
    let cash_ini = if new_secret { network.new_secret(till)?.cash_ini } else { network.cash_ini(till)?.cash_ini };
    answer.text(&cash_ini)
}

pub(super) fn stolen(settings: &Settings, till: &str, answer: &mut Output<'_>) -> Result<(), CliError> {
    let network = Network::find(settings)?;
    let NodeView { id, folder, parked, .. } = network.shut_out(till)?;
    let told = answer.words.text("cli-stolen", [("till", FluentValue::from(folder.as_str()))]);
    answer.line(&json!({"id": id, "parked": parked}), &told)
}

/// The network, by way of whoever has its database.
pub(super) enum Network {
    /// The running server.
    Server(Client),
    /// This command alone, as long as it holds the lock.
    Alone { nodes: Box<Nodes>, _lock: DataLock },
}

impl Network {
    /// Finds the running server, or takes its place.
    pub(super) fn find(settings: &Settings) -> Result<Self, CliError> {
        let data_dir = &settings.data_dir;
        let actor = Actor::SystemUser(system_user::name_of(system_user::own_number()));
        let begun = Instant::now();
        loop {
            if answers(&socket::path(data_dir))? {
                return Client::new(settings).map(Self::Server).map_err(CliError::Client);
            }
            // A server that holds the lock and does not answer is starting, or ends.
            let mut holder = None;
            if !DataLock::is_held(data_dir, Role::Server) {
                become_owner_of(data_dir).map_err(CliError::Owner)?;
                match DataLock::take_for_command(data_dir) {
                    Ok(lock) => return Self::alone(settings, actor, lock),
                    Err(held @ LockError::Held { .. }) => holder = Some(held),
                    Err(error) => return Err(CliError::Lock(error)),
                }
            }
            if begun.elapsed() >= PATIENCE {
                return Err(holder.map_or(CliError::Silent { socket: socket::path(data_dir) }, CliError::Lock));
            }
            thread::sleep(LOOK_EVERY);
        }
    }

    fn alone(settings: &Settings, actor: Actor, lock: DataLock) -> Result<Self, CliError> {
        let network = NetworkService::new(Stores::open_network(&settings.data_dir).map_err(CliError::Store)?);
        ensure_chain(&network).map_err(CliError::Run)?;
        let caller = Caller { actor, face: Face::CommandLine, address: None, grant: None };
        let nodes = Nodes {
            network: network.acting_for(&caller),
            keys: PeerKeys::open(&settings.data_dir).map_err(CliError::PeerKeys)?,
            addresses: PublicAddresses::new(settings, settings.rest.listen.port(), settings.sales.listen.port()),
            hints: Hints::default(),
            caller,
        };
        Ok(Self::Alone { nodes: Box::new(nodes), _lock: lock })
    }

    fn list(&self) -> Result<Vec<NodeView>, CliError> {
        self.either(
            |client| client.read("/api/v1/nodes"),
            |nodes| Ok(nodes.list()?.into_iter().map(Into::into).collect()),
        )
    }

    pub(super) fn show(&self, node: &str) -> Result<NodeView, CliError> {
        self.either(|client| client.read(&of_node(node)), |nodes| nodes.show(node).map(Into::into))
    }

    fn create(&self, parent: String, level: NodeLevel, code: &NodeCode, name: String) -> Result<MadeNode, CliError> {
        let new = NewNode { parent, level: level.to_string(), code: code.to_string(), name };
        self.either(
            |client| client.post("/api/v1/nodes", &new),
            |nodes| nodes.create(&new.parent, level, code, &new.name).map(Into::into),
        )
    }

    fn change(&self, node: &str, change: &NodeChange) -> Result<ChangedNode, CliError> {
        self.either(
            |client| client.ask(Method::PATCH, &of_node(node), Some(change)),
            |nodes| nodes.change(node, &change.as_ref()).map(Into::into),
        )
    }

    fn remove(&self, node: &str) -> Result<(), CliError> {
        self.either(
            |client| client.ask(Method::DELETE, &of_node(node), None::<&Value>),
            |nodes| nodes.remove(node).map(drop),
        )
    }

    fn settings(&self, node: &str, asked: &SettingsAsked) -> Result<Vec<SettingView>, CliError> {
        let path = format!("{}/settings", of_node(node));
        let views = |settings: Vec<SettingInfo>| settings.into_iter().map(Into::into).collect();
        if asked.settings.is_empty() {
            return self.either(|client| client.read(&path), |nodes| nodes.settings(node).map(views));
        }
        self.either(
            |client| client.ask(Method::PATCH, &path, Some(asked)),
            |nodes| nodes.set_settings(node, &asked.settings).map(views),
        )
    }

    fn new_secret(&self, till: &str) -> Result<NewSecret, CliError> {
        let path = format!("/api/v1/tills/{}/token", escaped(till));
        self.either(|client| client.post(&path, &json!({})), |nodes| nodes.renew_secret(till).map(Into::into))
    }

    fn shut_out(&self, till: &str) -> Result<NodeView, CliError> {
        let path = format!("/api/v1/tills/{}/stolen", escaped(till));
        self.either(|client| client.post(&path, &json!({})), |nodes| nodes.shut_out(till).map(Into::into))
    }

    fn cash_ini(&self, till: &str) -> Result<CashIni, CliError> {
        let path = format!("/api/v1/tills/{}/cash-ini", escaped(till));
        self.either(|client| client.read(&path), |nodes| nodes.cash_ini(till).map(|cash_ini| CashIni { cash_ini }))
    }

    pub(super) fn make_codes(&self, asked: WantedCodes) -> Result<Vec<AttachCodeMade>, CliError> {
        match self {
            Self::Server(client) => client.post("/api/v1/attach-codes", &asked).map_err(CliError::Client),
            Self::Alone { nodes, .. } => {
                let life = asked.hours.map(|hours| SignedDuration::from_hours(hours.into()));
                let tills = asked.tills.into_iter().map(wanted).collect::<Result<Vec<_>, _>>();
                let made = nodes.make_codes(&tills.map_err(CliError::Asked)?, life).map_err(CliError::App)?;
                Ok(made.into_iter().map(Into::into).collect())
            }
        }
    }

    pub(super) fn codes(&self) -> Result<Vec<AttachCodeView>, CliError> {
        self.either(
            |client| client.read("/api/v1/attach-codes"),
            |nodes| Ok(nodes.codes()?.into_iter().map(Into::into).collect()),
        )
    }

    pub(super) fn end_code(&self, till: &str) -> Result<(), CliError> {
        let path = format!("/api/v1/tills/{}/attach-code", escaped(till));
        self.either(|client| client.ask(Method::DELETE, &path, None::<&Value>), |nodes| nodes.end_code(till).map(drop))
    }

    fn either<T>(
        &self,
        ask: impl FnOnce(&Client) -> Result<T, ClientError>,
        act: impl FnOnce(&Nodes) -> Result<T, AppError>,
    ) -> Result<T, CliError> {
        match self {
            Self::Server(client) => ask(client).map_err(CliError::Client),
            Self::Alone { nodes, .. } => act(nodes).map_err(CliError::App),
        }
    }
}

/// Whether a server listens on the socket. A file that a crash has left answers nobody.
fn answers(socket: &Path) -> Result<bool, CliError> {
    match UnixStream::connect(socket) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
            Err(CliError::Client(ClientError::NotAllowed { socket: socket.to_owned() }))
        }
        Err(_) => Ok(false),
    }
}

fn of_node(node: &str) -> String {
    format!("/api/v1/nodes/{}", escaped(node))
}

/// Shows the settings of the tills at a node, after some were set.
fn till_values(
    network: &Network,
    node: &str,
    set: Vec<(String, String)>,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let settings = set.into_iter().map(|(key, value)| (key, Some(value).filter(|value| !value.is_empty())));
    let views = network.settings(node, &SettingsAsked { settings: settings.collect() })?;
    let rows: Value = views.into_iter().map(|view| json!(view)).collect();
    answer.table(
        &rows,
        &[
            ("KEY", "/key"),
            ("VALUE", "/value"),
            ("SET BY", "/set_by"),
            ("ON TILL", "/on_till"),
            ("DEFAULT", "/default"),
            ("ALLOWED", "/allowed"),
        ],
    )
}

fn park(network: &Network, till: &str, parked: bool, answer: &mut Output<'_>) -> Result<(), CliError> {
    let till = network.change(till, &NodeChange { parked: Some(parked), ..NodeChange::default() })?.node.id;
    let of = [("till", FluentValue::from(till.as_str()))];
    let told = if parked { answer.words.text("cli-parked", of) } else { answer.words.text("cli-unparked", of) };
    answer.line(&json!({"id": till, "parked": parked}), &told)
}

fn list(network: &Network, answer: &mut Output<'_>) -> Result<(), CliError> {
    let nodes = network.list()?;
    let folders: HashMap<&str, &str> = nodes.iter().map(|node| (node.id.as_str(), node.folder.as_str())).collect();
    let words = answer.words;
    let parent = |node: &NodeView| node.parent.as_ref().and_then(|id| folders.get(id.as_str()).copied());
    let rows = nodes.iter().map(|node| row(node, parent(node), words));
    answer.table(
        &rows.collect(),
        &[("NODE", "/folder"), ("NAME", "/name"), ("ID", "/id"), ("PARENT", "/parent"), ("STATE", "/state")],
    )
}

fn row(node: &NodeView, parent: Option<&str>, words: &Words) -> Value {
    let NodeView { id, level, code, name, folder, parked, alike, .. } = node;
    let is_parked = parked.then(|| words.text("condition-parked", []));
    let looks_like = (!alike.is_empty()).then(|| words.text("cli-code-alike", [("nodes", alike.join(", ").into())]));
    let state: Vec<String> = is_parked.into_iter().chain(looks_like).collect();
    json!({
        "folder": folder,
        "name": name,
        "id": id,
        "level": level,
        "code": code,
        "parent": parent,
        "parked": parked,
        "alike": alike,
        "state": (!state.is_empty()).then(|| state.join("; ")),
    })
}
