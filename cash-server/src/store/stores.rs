//! Opens the stores. **Architecture invariant:** which implementation keeps them is decided here
//! and nowhere else; everybody else knows their traits alone.

use super::audit::AuditLog;
use super::copies::{Copied, Copying};
use super::dictionary::DictionaryStore;
use super::exchange::ExchangeStore;
use super::goods::GoodsIndex;
use super::intake::LoadJournal;
use super::network::NetworkStore;
use super::outbox::OutboxStore;
use super::packages::PackageStore;
use super::sales::SalesStore;
use super::sizes::DatabaseState;
use super::sqlite::exchange::SqliteExchange;
use super::sqlite::goods::{GOODS_DB, GoodsDb};
use super::sqlite::intake::IntakeDb;
use super::sqlite::people::{PEOPLE_DB, PeopleDb};
use super::sqlite::sales::SqliteSales;
use super::sqlite::{Database, DictionaryDb, PackageDb, before_upgrade, copy};
use super::{ServerId, StoreError};
use std::path::Path;
use std::sync::Arc;
use tillway_service::people::PeopleStore;

/// All that a server keeps. Cheap to clone; calls of every store block.
#[derive(Clone)]
pub struct Stores {
    /// The network and its history.
    pub network: Arc<dyn NetworkStore>,
    /// Layers and their log.
    pub dictionary: Arc<dyn DictionaryStore>,
    /// What was built.
    pub packages: Arc<dyn PackageStore>,
    /// Goods by the words of their names.
    pub goods: Arc<dyn GoodsIndex>,
    /// Contacts, deliveries, commands.
    pub exchange: Arc<dyn ExchangeStore>,
    /// Loads and their reports.
    pub journal: Arc<dyn LoadJournal>,
    /// Receipts, shifts, findings.
    pub sales: Arc<dyn SalesStore>,
    /// Users, their sessions, keys of programs.
    pub people: Arc<dyn PeopleStore>,
    /// What goes out by mail and webhook.
    pub outbox: Arc<dyn OutboxStore>,
    /// The audit logs of all of them, to be read as one.
    pub audit: Vec<Arc<dyn AuditLog>>,
    /// Gives room on the disk of the data folder back that the stores can do without, as far as
    /// that is possible right now: waits for nobody. For
    /// [`DiskReserve::that_frees`](crate::reserve::DiskReserve::that_frees).
    pub give_back_room: Arc<dyn Fn() + Send + Sync>,
    /// How all databases are now.
    pub databases: Arc<dyn Fn() -> Vec<DatabaseState> + Send + Sync>,
    /// What cannot be made again from the rest; the dictionary first.
    to_copy: Vec<Database>,
}

/// What a process needs that does nothing but take sales.
#[derive(Clone)]
pub struct SalesStores {
    /// The network: it knows the tills' tokens.
    pub network: Arc<dyn NetworkStore>,
    /// Receipts, shifts, findings.
    pub sales: Arc<dyn SalesStore>,
}

impl Stores {
    /// Opens them: files in the data folder, which is there. They are made where they are missing,
    /// and brought up to date where an older version made them; copies of before that stay in
    /// `before-upgrade`.
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        Self::open_for(data, ServerId::ALONE)
    }

    /// The same for one of several servers, whose loads and spool are its own.
    pub(super) fn open_for(data: &Path, server: ServerId) -> Result<Self, StoreError> {
        before_upgrade::keep(data)?;
        let dictionary = open_dictionary(data)?;
        let packages = PackageDb::open(&data.join("packages.db"))?;
        let goods = GoodsDb::open(&data.join(GOODS_DB))?;
        let exchange = Arc::new(SqliteExchange::open(&data.join("exchange.db"))?);
        let journal = Arc::new(IntakeDb::open(&data.join("intake.db"), server)?);
        let sales = open_sales(data, server)?;
        let people = Arc::new(PeopleDb::open(&data.join(PEOPLE_DB))?);
        before_upgrade::done(data);
        let logs = dictionary.database().clone();
        let to_copy = [
            dictionary.database(),
            dictionary.nodes(),
            exchange.database(),
            journal.database(),
            sales.database(),
            people.database(),
        ];
        let to_copy: Vec<Database> = to_copy.map(Database::clone).into();
        let (packages, goods) = (Arc::new(packages), Arc::new(goods));
        let (all, made_again) = (to_copy.clone(), (Arc::clone(&packages), Arc::clone(&goods)));
        Ok(Self {
            audit: vec![dictionary.clone(), journal.clone(), exchange.clone(), sales.clone(), people.clone()],
            network: dictionary.clone(),
            dictionary,
            packages,
            goods,
            exchange,
            journal,
            sales,
            outbox: people.clone(),
            people,
            give_back_room: Arc::new(move || logs.cut_log()),
            databases: Arc::new(move || {
                let made_again = [made_again.0.state(), made_again.1.state()];
                all.iter().map(Database::state).chain(made_again).collect()
            }),
            to_copy,
        })
    }

    /// Copies all of them, as they are at one moment, into a folder that is there, while they are
    /// in use. What was built of packages, and the names of goods, are left out: they are made
    /// again. Blocks for as long as it takes.
    pub fn copy(&self, into: &Path, copying: &mut dyn Copying) -> Result<Vec<Copied>, StoreError> {
        copy::copy(&self.to_copy, into, copying)
    }

    /// Opens copies, checks that they are sound, and tells how many rows each of their tables has.
    pub fn look_at_copies(folder: &Path) -> Result<Vec<Copied>, StoreError> {
        Self::open(folder)?.to_copy.iter().map(copy::look).collect()
    }

    /// Opens the network alone, as a command does.
    pub fn open_network(data: &Path) -> Result<Arc<dyn NetworkStore>, StoreError> {
        before_upgrade::keep(data)?;
        Ok(open_dictionary(data)?)
    }

    /// Opens the people alone, as a command does.
    pub fn open_people(data: &Path) -> Result<Arc<dyn PeopleStore>, StoreError> {
        Ok(Arc::new(PeopleDb::open(&data.join(PEOPLE_DB))?))
    }
}

impl SalesStores {
    /// Opens them as [`Stores::open`] does.
    pub fn open(data: &Path) -> Result<Self, StoreError> {
        before_upgrade::keep(data)?;
        Ok(Self { network: open_dictionary(data)?, sales: open_sales(data, ServerId::ALONE)? })
    }
}

fn open_dictionary(data: &Path) -> Result<Arc<DictionaryDb>, StoreError> {
    DictionaryDb::open(&data.join("dictionary.db")).map(Arc::new)
}

fn open_sales(data: &Path, server: ServerId) -> Result<Arc<SqliteSales>, StoreError> {
    SqliteSales::open(&data.join("sales.db"), server).map(Arc::new)
}
