//! The exchange over real databases in a temporary folder, without a broker.

use super::housekeeping::{Housekeeping, Past};
use super::model::Delivery;
use super::reconciler::{decide_all, delivery_of, sound_package};
use super::{Broker, Event, ExchangeParts, ExchangeService, Owner, PublicAddresses, Reports};
use crate::dictionary::tests::kit::Chain;
use crate::exchange::codes::Codes;
use crate::hints::Hints;
use crate::packages::{PackageFolder, PackageService};
use crate::peer_keys::PeerKeys;
use crate::settings::Settings;
use crate::settings::proof_key::ProofKey;
use crate::store::ServerId;
use crate::store::exchange::ExchangeStore as _;
use crate::store::packages::PackageStore;
use crate::store::sqlite::exchange::SqliteExchange;
use crate::store::sqlite::packages::PackageDb;
use crate::store::sqlite::sales::SqliteSales;
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use tillway_proto::report::{Report, Reported, TillState};
use tillway_proto::{DeliveryState, Revision, TillId};
use tokio::sync::mpsc;
use uuid::Uuid;

/// Removes every sort of what is past, as the server does; which failed.
pub(super) async fn remove_what_is_past(keeper: &Housekeeping) -> Vec<Past> {
    let mut failed = Vec::new();
    for past in Past::ALL {
        if keeper.remove(past).await.is_err() {
            failed.push(past);
        }
    }
    failed
}

pub(super) struct Kit {
    pub(super) chain: Chain,
    pub(super) settings: Settings,
    pub(super) store: Arc<SqliteExchange>,
    pub(super) service: ExchangeService,
}

impl Kit {
    pub(super) fn new() -> Self {
        Self::over(Chain::new())
    }

    /// Over a dictionary; what else lies in its folder is found again.
    pub(super) fn over(chain: Chain) -> Self {
        let at = |name: &str| chain.folder.path().join(name);
        let settings = Settings::read("", Path::new("/"), []).unwrap();
        let store = Arc::new(SqliteExchange::open(&at("exchange.db")).unwrap());
        let hints = Hints::default();
        let service = ExchangeService::new(ExchangeParts {
            store: store.clone(),
            network: chain.network.clone(),
            dictionary: chain.dictionary.clone(),
            sales: Arc::new(SqliteSales::open(&at("sales.db"), ServerId::ALONE).unwrap()),
            broker: Broker::new(settings.broker.clone(), Owner::new(Uuid::nil(), "shop", "host"), hints.clone()),
            settings: settings.exchange,
            addresses: PublicAddresses::new(&settings, 8080, 10001),
            clocks: Arc::default(),
            codes: codes(&chain.folder),
            hints,
        });
        Self { chain, settings, store, service }
    }

    pub(super) fn packages(&self, memo: Arc<dyn PackageStore>) -> PackageService {
        PackageService::new(
            self.chain.db.clone(),
            memo,
            Arc::new(PackageFolder::open(self.chain.folder.path().join("packages")).unwrap()),
            ProofKey::of([7; 32]),
        )
        .unwrap()
    }
}

/// Codes with the keys that lie in this folder.
pub(super) fn codes(folder: &tempfile::TempDir) -> Arc<Codes> {
    Arc::new(Codes::new(PeerKeys::open(folder.path()).unwrap()))
}

/// A server that hears tills and has passes.
pub(super) struct Talk {
    pub(super) kit: Kit,
    pub(super) packages: PackageService,
    pub(super) reports: Reports,
    pub(super) events: mpsc::Receiver<Event>,
    pub(super) tills: Vec<TillId>,
}

impl Talk {
    pub(super) fn new() -> Self {
        Self::over(Kit::new())
    }

    pub(super) fn over(kit: Kit) -> Self {
        let packages = kit.packages(Arc::new(PackageDb::open(&kit.chain.folder.path().join("packages.db")).unwrap()));
        let (sender, events) = mpsc::channel(1024);
        let reports = Reports {
            store: kit.store.clone(),
            network: kit.chain.network.clone(),
            packages: packages.clone(),
            silent_after: kit.settings.exchange.silent_after,
            clocks: Arc::default(),
            codes: Arc::clone(&kit.service.parts.codes),
            hints: Hints::default(),
            events: sender,
        };
        let tills = kit.chain.network.current().unwrap().tills().map(|(till, _)| till.clone()).collect();
        Self { kit, packages, reports, events, tills }
    }

    pub(super) fn store(&self) -> &SqliteExchange {
        &self.kit.store
    }

    /// What the reconciler does, with a broker that takes everything.
    pub(super) fn pass(&self) {
        let plan = decide_all(&self.kit.service, &self.packages).unwrap().plan;
        for wanted in plan.announce {
            let Some(facts) = sound_package(&self.packages, &wanted, &Arc::default()).unwrap() else { continue };
            let written = self.store().announce(vec![delivery_of(wanted, facts)], Timestamp::now()).unwrap();
            let ids: Vec<_> = written.iter().map(|delivery| delivery.id).collect();
            self.store().confirm(&ids, Timestamp::now()).unwrap();
        }
    }

    pub(super) fn say(&self, till: &TillId, report: Report) {
        self.say_at(till, report, Timestamp::now());
    }

    pub(super) fn say_at(&self, till: &TillId, report: Report, sent_at: Timestamp) {
        let instance = Uuid::from_u128(7);
        let reported = Reported { schema: 1, peer: till.clone().into(), instance, sent_at, report };
        self.reports.take_now(&[reported.to_bytes().unwrap()], None).unwrap();
    }

    /// What a till says of a delivery; it has no proofs.
    pub(super) fn step(&self, delivery: &Delivery, state: DeliveryState) {
        let cursor = if state == DeliveryState::Applied { delivery.to } else { Revision::ZERO };
        let report = Report::Delivery {
            delivery: delivery.id,
            package: delivery.package.clone(),
            state,
            reason: None,
            cause: None,
            till_state: TillState { cursor, ..TillState::default() },
        };
        self.say(delivery.peer.till().unwrap(), report);
    }

    /// Newest first.
    pub(super) fn deliveries(&self, till: &TillId) -> Vec<Delivery> {
        self.kit.service.deliveries(Some(till), 100).unwrap()
    }
}
