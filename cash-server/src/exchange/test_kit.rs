//! The exchange over real databases in a temporary folder, without a broker.

use super::{Broker, ExchangeParts, ExchangeService, PublicAddresses};
use crate::dictionary::tests::kit::Chain;
use crate::packages::PackageService;
use crate::settings::Settings;
use crate::store::packages::PackageStore;
use crate::store::sqlite::exchange::SqliteExchange;
use crate::store::sqlite::sales::SqliteSales;
use std::path::Path;
use std::sync::Arc;

pub(super) struct Kit {
    pub(super) chain: Chain,
    pub(super) settings: Settings,
    pub(super) store: Arc<SqliteExchange>,
    pub(super) service: ExchangeService,
}

impl Kit {
    pub(super) fn new() -> Self {
        let chain = Chain::new();
        let at = |name: &str| chain.folder.path().join(name);
        let settings = Settings::read("", Path::new("/"), []).unwrap();
        let store = Arc::new(SqliteExchange::open(&at("exchange.db")).unwrap());
        let poke = Arc::default();
        let service = ExchangeService::new(ExchangeParts {
            store: store.clone(),
            network: chain.network.clone(),
            dictionary: chain.dictionary.clone(),
            sales: Arc::new(SqliteSales::open(&at("sales.db")).unwrap()),
            broker: Broker::new(settings.broker.clone(), Arc::clone(&poke)),
            settings: settings.exchange,
            addresses: PublicAddresses::new(&settings, 8080, 10001),
            clocks: Arc::default(),
            poke,
        });
        Self { chain, settings, store, service }
    }

    pub(super) fn packages(&self, memo: Arc<dyn PackageStore>) -> PackageService {
        PackageService::new(self.chain.db.clone(), memo, self.chain.folder.path().join("packages")).unwrap()
    }
}
