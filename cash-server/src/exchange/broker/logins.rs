//! Each peer has a login of its own at the broker, with which it reads its own two queues and
//! writes reports, and nothing else. The server makes them through the broker's management
//! interface, and takes them back (docs/adr/0045).
//!
//! A run compares what the broker has with what is to be: the peers of the network that have a
//! secret and are not parked. What is missing or different is put there, what is too much is
//! removed, and whose login changed loses its connections. So a run that was cut off, a broker
//! that was made anew and a restored server come right by the next one. Changes of the network
//! poke it. Who floods the queue of reports has none for a minute. Logins of others are left
//! alone: ours bear a mark with the database's identity.

mod management;

use super::Owner;
use crate::exchange::Floods;
use crate::network::{NetworkError, NetworkService};
use crate::peer_keys::{BrokerPasswordHash, PeerKeys};
use crate::settings::BrokerSettings;
use management::{Management, Permission, User};
use serde::Serialize;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tillway_proto::queue::REPORTS_EXCHANGE;
use tillway_proto::{ControlQueue, DictionaryQueue, NodeId, PeerId};
use tillway_service::background::{Next, Run, Task, Work, off_thread};
use tokio_util::sync::CancellationToken;

pub use management::ManagementError;

/// How often it is looked whether all is as it should be, where nobody pokes.
const PERIOD: Duration = Duration::from_mins(5);

/// After a run that failed.
const TRY_AGAIN: Duration = Duration::from_secs(2);

/// Logins put with one call: some hundred bytes each.
const PUT_AT_ONCE: usize = 500;

/// Starts the mark of our logins; the first 16 digits of the database's identity follow.
const MARK: &str = "tillway-peer-";

/// Why logins are not as they should be.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(untagged)]
pub enum LoginsError {
    /// The broker's management interface.
    #[error(transparent)]
    Management(#[from] ManagementError),
    /// The network.
    #[error(transparent)]
    Network(#[from] NetworkError),
}

/// What a login is to be, or is.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Login {
    hash: String,
    permission: Option<Permission>,
}

/// What is to be done at the broker.
#[derive(Debug, Default, PartialEq, Eq)]
struct Changes {
    put: BTreeMap<String, Login>,
    /// Whose secret changed: who came in with the old one goes.
    disconnect: Vec<String>,
    remove: Vec<String>,
}

/// Keeps the logins.
pub struct Logins {
    management: Management,
    mark: String,
    network: NetworkService,
    keys: PeerKeys,
    floods: Arc<Floods>,
}

impl Logins {
    /// None where the settings name no management interface: peers then share a login that people
    /// made, or have those that people made.
    pub fn new(
        settings: &BrokerSettings,
        owner: &Owner,
        network: NetworkService,
        keys: PeerKeys,
        floods: Arc<Floods>,
    ) -> Option<Self> {
        let management = Management::new(settings)?;
        Some(Self { management, mark: format!("{MARK}{}", owner.identity()), network, keys, floods })
    }

    /// The task.
    pub fn into_task(self, hints: &crate::hints::Hints) -> Task {
        let changed = hints.listen(&[crate::hints::Hint::Network]);
        let flooded = self.floods.changed();
        let task = Task::new("broker-logins", PERIOD, self).retried_after(TRY_AGAIN);
        task.poked_at_once_by(changed).poked_at_once_by(flooded)
    }

    /// One comparison, with what follows from it.
    async fn reconcile(&self, stop: &CancellationToken) -> Result<(), LoginsError> {
        let (network, keys, vhost) = (self.network.clone(), self.keys.clone(), self.management.vhost().to_owned());
        let mut wanted = off_thread(move || wanted(&network, &keys, &vhost)).await?;
        let now = Instant::now();
        wanted.retain(|name, _| !name.parse::<PeerId>().is_ok_and(|peer| self.floods.is_out(&peer, now)));
        let users = self.management.users().await?;
        let permissions = self.management.permissions().await?;
        let changes = changes(&wanted, &self.mark, users, permissions);
        // Who may not come in any more goes first.
        for name in changes.remove.iter().chain(&changes.disconnect) {
            if stop.is_cancelled() {
                return Ok(());
            }
            if wanted.contains_key(name) {
                // Before its connections end, so that none comes back with the old secret.
                self.put(std::iter::once((name, &changes.put[name]))).await?;
            } else {
                self.management.remove_user(name).await?;
                tracing::info!(login = name, "removed a login at the broker");
            }
            self.management.disconnect(name).await?;
        }
        let rest: Vec<_> = changes.put.iter().filter(|(name, _)| !changes.disconnect.contains(name)).collect();
        for some in rest.chunks(PUT_AT_ONCE) {
            if stop.is_cancelled() {
                return Ok(());
            }
            self.put(some.iter().copied()).await?;
            tracing::info!(logins = some.len(), "made logins at the broker");
        }
        Ok(())
    }

    async fn put(&self, logins: impl Iterator<Item = (&String, &Login)>) -> Result<(), ManagementError> {
        let logins: Vec<_> = logins.collect();
        let users: Vec<User> = logins
            .iter()
            .map(|(name, login)| User::new((*name).clone(), login.hash.clone(), self.mark.clone()))
            .collect();
        let permissions: Vec<&Permission> = logins.iter().filter_map(|(_, login)| login.permission.as_ref()).collect();
        self.management.import(&users, &permissions).await
    }
}

impl Work for Logins {
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            self.reconcile(stop).await?;
            Ok(self.floods.next_in(Instant::now()).map_or(Next::AtPeriod, Next::In))
        })
    }
}

fn wanted(network: &NetworkService, keys: &PeerKeys, vhost: &str) -> Result<BTreeMap<String, Login>, NetworkError> {
    let network = network.current()?;
    let mut hashes: HashMap<PeerId, BrokerPasswordHash> =
        keys.all().into_iter().filter_map(|(peer, key)| Some((peer, key.broker_password?))).collect();
    let tills = network.nodes().filter(|node| !node.parked).filter_map(|node| match &node.id {
        NodeId::Till(till) => Some(PeerId::from(till.clone())),
        _ => None,
    });
    let login = |peer: PeerId| {
        let hash = hashes.remove(&peer)?.to_text();
        Some((peer.to_string(), Login { hash, permission: Some(permission(&peer, vhost)) }))
    };
    Ok(tills.filter_map(login).collect())
}

/// Reads its own two queues, writes reports, makes nothing.
fn permission(peer: &PeerId, vhost: &str) -> Permission {
    let exactly =
        |names: &[&str]| format!("^({})$", names.iter().map(|name| escaped(name)).collect::<Vec<_>>().join("|"));
    Permission {
        user: peer.to_string(),
        vhost: vhost.to_owned(),
        configure: "^$".to_owned(),
        write: exactly(&[REPORTS_EXCHANGE]),
        read: exactly(&[DictionaryQueue::of(peer).as_str(), ControlQueue::of(peer).as_str()]),
    }
}

/// As a regular expression that fits this text alone.
fn escaped(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    text.chars().fold(String::new(), |mut escaped, c| {
        if !is_plain(c) {
            escaped.push('\\');
        }
        escaped.push(c);
        escaped
    })
}

fn changes(wanted: &BTreeMap<String, Login>, mark: &str, users: Vec<User>, permissions: Vec<Permission>) -> Changes {
    let mut rights: HashMap<String, Permission> =
        permissions.into_iter().map(|permission| (permission.user.clone(), permission)).collect();
    // Of the marked ones alone something is taken away; one that is wanted is ours by its name.
    let found = users.into_iter().filter(|user| user.has(mark) || wanted.contains_key(&user.name));
    let found: HashMap<String, (Login, bool)> = found
        .map(|user| {
            let permission = rights.remove(&user.name);
            (user.name.clone(), (Login { hash: user.password_hash.clone(), permission }, user.has(mark)))
        })
        .collect();
    let mut changes = Changes::default();
    for (name, login) in wanted {
        match found.get(name) {
            Some((there, true)) if there == login => continue,
            Some((there, _)) if there.hash != login.hash => changes.disconnect.push(name.clone()),
            _ => {}
        }
        changes.put.insert(name.clone(), login.clone());
    }
    changes.remove = found.into_keys().filter(|name| !wanted.contains_key(name)).collect();
    changes.remove.sort();
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    const OURS: &str = "tillway-peer-0011223344556677";

    fn peer(number: u32) -> PeerId {
        format!("_cash_north.{number}_00ab34ef").parse().unwrap()
    }

    fn login(number: u32, hash: &str) -> (String, Login) {
        let permission = permission(&peer(number), "/");
        (peer(number).to_string(), Login { hash: hash.to_owned(), permission: Some(permission) })
    }

    fn there(logins: &BTreeMap<String, Login>, mark: &str) -> (Vec<User>, Vec<Permission>) {
        let user = |(name, login): (&String, &Login)| User::new(name.clone(), login.hash.clone(), mark.to_owned());
        (logins.iter().map(user).collect(), logins.values().filter_map(|login| login.permission.clone()).collect())
    }

    #[test]
    fn a_peer_may_read_its_own_queues_and_write_reports_alone() {
        let permission = permission(&peer(1), "/");
        assert_eq!(permission.configure, "^$");
        assert_eq!(permission.write, r"^(tillway\.incoming)$");
        let own = r"^(tillway\.dictionary\._cash_north\.1_00ab34ef|tillway\.control\._cash_north\.1_00ab34ef)$";
        assert_eq!(permission.read, own);
    }

    #[test]
    fn what_is_missing_is_put_what_is_too_much_goes_and_what_is_right_stays() {
        let wanted: BTreeMap<_, _> = [login(1, "a"), login(2, "b"), login(3, "c")].into();
        let all = changes(&wanted, OURS, Vec::new(), Vec::new());
        assert_eq!((all.put.len(), all.disconnect.len(), all.remove.len()), (3, 0, 0));
        let (users, permissions) = there(&wanted, OURS);
        assert_eq!(changes(&wanted, OURS, users.clone(), permissions.clone()), Changes::default());
        // A new secret for 2, rights that somebody widened for 3; 4 is gone from the network.
        let mut found: BTreeMap<_, _> = [login(1, "a"), login(2, "old"), login(3, "c"), login(4, "d")].into();
        let wide = found.get_mut(peer(3).as_str()).unwrap().permission.as_mut().unwrap();
        wide.read = ".*".to_owned();
        let (users, permissions) = there(&found, OURS);
        let told = changes(&wanted, OURS, users, permissions);
        assert_eq!(told.put.keys().collect::<Vec<_>>(), [&peer(2).to_string(), &peer(3).to_string()]);
        assert_eq!((told.disconnect, told.remove), (vec![peer(2).to_string()], vec![peer(4).to_string()]));
    }

    #[test]
    fn logins_of_people_and_of_other_servers_stay_and_one_of_a_peers_name_is_taken_over() {
        let wanted: BTreeMap<_, _> = [login(1, "a")].into();
        let mut found: BTreeMap<_, _> = [login(1, "by hand"), login(2, "b")].into();
        found.insert("anna".to_owned(), Login { hash: "x".to_owned(), permission: None });
        let (users, permissions) = there(&found, "administrator");
        let told = changes(&wanted, OURS, users, permissions);
        assert_eq!((told.put, told.remove), (wanted, Vec::new()));
        assert_eq!(told.disconnect, [peer(1).to_string()]);
    }
}
