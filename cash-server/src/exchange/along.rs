//! What goes along with every message to a peer: where this server is, the settings that it sets,
//! its authorities; and which tills are told their settings although nothing else is due.
//!
//! A till reports the generation of the settings that it took last. One that is behind the last
//! change on its path is told by a command that orders nothing else than to say how it stands. A
//! till that does not take them is not told in a row.

use super::model::PeerRecord;
use super::plan::TillAim;
use super::service::{ExchangeParts, ExchangeService};
use crate::error_chain;
use crate::network::Network;
use crate::store::exchange::Records;
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tillway_proto::{Command, PeerId, TillId};

/// A till that did not take its settings is told once more after so long: its `cash.ini` may have
/// been read-only.
const AGAIN_AFTER: Duration = Duration::from_hours(1);

/// Most tills that are told in one pass: each is a transaction, and dictionaries go first. The
/// rest is told with the next passes.
const MAX_TOLD_PASS: usize = 100;

/// Puts into a command what goes along with each.
pub(super) fn put_along(command: &mut Command, parts: &ExchangeParts, network: &Network, peer: &PeerId) {
    command.settings = parts.addresses.pushed();
    if let Some(till) = peer.till() {
        command.settings.extend(network.settings_of(till));
    }
    command.settings_generation = parts.addresses.generation.max(network.newest_settings());
    command.coming = parts.addresses.coming();
    command.authorities = parts.codes.authorities_for(peer);
}

/// Orders for tills in contact whose settings are behind those of their path. What fails is tried
/// with the next pass.
pub(super) fn tell_settings(
    service: &ExchangeService,
    aims: &[TillAim],
    records: &Records,
    network: &Network,
    silent: &[PeerId],
) {
    if network.newest_settings() == 0 {
        return;
    }
    service.told.keep(network);
    let (moment, silent) = (Instant::now(), silent.iter().collect::<HashSet<_>>());
    let is_due = |till: &TillId, peer: &PeerId, since| {
        !silent.contains(peer)
            && records.get(peer).is_some_and(|record| service.told.is_due(till, since, record, moment))
    };
    let due = aims.iter().filter(|aim| !aim.aim.parked).filter_map(|aim| {
        let since = network.settings_since(&aim.till);
        is_due(&aim.till, &aim.till.clone().into(), since).then(|| (aim.till.clone(), since))
    });
    let due: Vec<_> = due.take(MAX_TOLD_PASS).collect();
    let told = due.len();
    for (till, since) in due {
        match service.tell_settings(&till) {
            Ok(Some(_)) => service.told.note(till, since, moment),
            // One with older settings waits for it: it is told again when it has read that.
            Ok(None) => {}
            Err(error) => {
                tracing::warn!(%till, error = %error_chain(&error), "failed to tell a till its settings; it is tried again");
                return;
            }
        }
    }
    if told == MAX_TOLD_PASS {
        service.poke();
    }
}

/// Which tills were told which generation, and when. A hint of this process.
#[derive(Debug, Clone, Default)]
pub(super) struct Told(Arc<Mutex<HashMap<TillId, (u64, Instant)>>>);

impl Told {
    /// Whether a till, which is in contact, is to be told its settings now.
    pub(super) fn is_due(&self, till: &TillId, since: u64, record: &PeerRecord, now: Instant) -> bool {
        let Some(state) = record.contact.as_ref().map(|contact| &contact.state) else { return false };
        // An agent that says nothing of settings takes none.
        if state.settings.is_none() || state.settings_generation >= since {
            return false;
        }
        let told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.get(till).is_none_or(|(generation, at)| *generation < since || now.duration_since(*at) >= AGAIN_AFTER)
    }

    /// It was told.
    pub(super) fn note(&self, till: TillId, since: u64, now: Instant) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(till, (since, now));
    }

    /// Forgets tills that are no more.
    pub(super) fn keep(&self, network: &Network) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).retain(|till, _| network.till(till).is_some());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::exchange::test_kit::Talk;
    use crate::network::SettingChanges;
    use crate::store::exchange::ExchangeStore as _;
    use jiff::Timestamp;
    use std::collections::BTreeMap;
    use tillway_proto::ExchangeStatus;
    use tillway_proto::report::{Report, TillState};

    #[test]
    fn a_till_that_is_behind_is_told_once_and_again_after_an_hour_or_another_change() {
        let talk = Talk::new();
        let till = talk.tills[0].clone();
        let say = |settings: Option<BTreeMap<String, String>>, settings_generation| {
            let state = TillState { settings, settings_generation, ..TillState::default() };
            talk.say(&till, Report::Contact { state });
        };
        let due_after = |since, later| {
            let record = talk.kit.service.till(&till).unwrap().record;
            talk.kit.service.told.is_due(&till, since, &record, Instant::now() + later)
        };
        let is_due = |since| due_after(since, Duration::ZERO);
        assert!(!is_due(5), "it was never heard of");
        say(None, 4);
        assert!(!is_due(5), "its agent takes none");
        say(Some(BTreeMap::new()), 5);
        assert!(!is_due(5), "it has them");
        assert!(is_due(6));
        talk.kit.service.told.note(till.clone(), 6, Instant::now());
        assert!(!is_due(6) && is_due(7));
        assert!(due_after(6, AGAIN_AFTER));
    }

    #[test]
    fn settings_of_a_shop_reach_its_till_by_an_order_and_a_till_of_its_own_wins() {
        let talk = Talk::new();
        let (network, till) = (&talk.kit.chain.network, talk.tills[0].clone());
        let shop = network.current().unwrap().shop_of(&till).unwrap().id.clone();
        let set = |node: &tillway_proto::NodeId, key: &str, value: Option<&str>| {
            let asked = SettingChanges::from([(key.to_owned(), value.map(str::to_owned))]);
            network.set_settings(node, &asked, Timestamp::now()).unwrap();
        };
        let say = |settings_generation| {
            let settings = Some(BTreeMap::new());
            let state = TillState { settings, settings_generation, ..TillState::default() };
            talk.say(&till, Report::Contact { state });
        };
        say(0);
        talk.pass();
        let orders = || talk.kit.service.commands(Some(&till), 10).unwrap();
        assert_eq!(orders().len(), 0, "nobody has set anything");
        set(&shop, "queuechunksize", Some("100"));
        set(&shop, "contactperiod", Some("30"));
        set(&till.clone().into(), "queuechunksize", Some("200"));
        talk.pass();
        let command = Command::parse(&orders()[0].body).unwrap();
        let told = |command: &Command, key: &str| command.settings.get(key).cloned();
        assert_eq!(told(&command, "queuechunksize").as_deref(), Some("200"));
        assert_eq!(told(&command, "contactperiod").as_deref(), Some("30"));
        let generation = command.settings_generation;
        assert_eq!(generation, network.current().unwrap().newest_settings());
        talk.pass();
        assert_eq!(orders().len(), 1, "it is told once");
        talk.store().set_sent(&[orders()[0].id], Timestamp::now()).unwrap();
        say(generation);
        let (command, status) = (Some(orders()[0].id), ExchangeStatus::Ready);
        talk.say(&till, Report::Unload { command, status, receipts: 0, reason: None });
        set(&till.clone().into(), "queuechunksize", None);
        talk.pass();
        let command = Command::parse(&orders()[0].body).unwrap();
        assert_eq!(told(&command, "queuechunksize").as_deref(), Some("100"));
        assert!(command.settings_generation > generation, "within the same second too");
    }
}
