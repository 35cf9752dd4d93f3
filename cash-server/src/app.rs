//! What people, tills and programs can do with this server: its use cases, a file a noun.
//!
//! The faces (REST, the page, the command line) stand above and only translate; the modules of the
//! nouns (network, exchange, intake, sales …) stand below and do the work. A use case knows who
//! asks ([`Caller`]), lets [`rights`] judge whether and where in the tree the caller may do it,
//! and gives typed results and one typed error, [`AppError`]. What changes something leaves a line
//! of the audit log, written by the store in the transaction of the change.
//!
//! **Architecture invariant:** nothing here knows HTTP, HTML or the command line. A face shows the
//! plain data of the nouns' modules, and calls their services and stores only through here.

mod aside;
mod attach;
mod attach_codes;
mod audit;
mod background;
mod backups;
mod bulk;
mod dictionary;
mod error;
pub mod events;
mod goods;
mod goods_tills;
mod intruders;
mod lately;
mod loads;
mod mailing;
mod moving;
mod nodes;
mod notices;
mod overview;
mod packages;
mod people;
mod receipts;
mod rights;
mod sales;
mod scope;
mod server;
mod settings;
mod till_price;
mod tills;
mod tls;

pub use aside::AsideContent;
pub use attach::{AttachError, Channel};
pub use attach_codes::{CodeInfo, NewCode, Wanted};
pub use backups::BackupsState;
pub use bulk::{BulkAct, BulkAsked, BulkDone, BulkOutcome, Choice, Forecast, MAX_BULK};
pub use dictionary::ObjectVersion;
pub use error::AppError;
pub use goods::{
    FoundGoods, Good, GoodChange, GoodHistory, GoodsLine, PriceComing, PriceNow, SaidHere, StaleTill, TillOfChange,
};
pub use intruders::Asked;
pub use lately::{Lately, Slot};
pub use loads::{Load, LoadReport};
pub use mailing::MailingWanted;
pub use nodes::{CreatedNode, NewSecret, NodeChange, NodeInfo, Nodes};
pub use overview::{DiskRoom, Overview, OverviewLimits};
pub use packages::{PackageAsked, PackageDenied};
pub use people::{Account, FromWhere, LetIn, Shown, ToldLink, WantedRole};
pub use receipts::ShownReceipt;
pub use rights::{Act, Denied, Role, everything, manages_people, may, of_till};
pub use sales::SalesOf;
pub use server::Keep;
pub use settings::SettingInfo;
pub use till_price::{PriceHere, TillPrice, TillPrices};
pub use tills::Till;
pub use tls::{CertificateLeft, TlsOverview};

use crate::aside::Aside;
use crate::attaching::{Attaching, LastFailures};
use crate::backup::Backups;
use crate::certificates::Certificates;
use crate::dictionary::DictionaryService;
use crate::exchange::{ExchangeService, PublicAddresses};
use crate::hints::Hints;
use crate::network::{Network, NetworkService, TokenHash};
use crate::packages::links::Links;
use crate::peer_keys::PeerKeys;
use crate::sales::Intruders;
use crate::settings::credentials::Credentials;
use crate::store::audit::AuditLog;
use crate::store::goods::GoodsIndex;
use crate::store::intake::LoadJournal;
use crate::store::outbox::OutboxStore;
use crate::store::sales::SalesStore;
use crate::store::sizes::DatabaseState;
use crate::till_connections::{ShownFor, TillConnections};
use rights::Place;
use scope::Scope;
use std::path::PathBuf;
use std::sync::Arc;
use tillway_proto::process::KeptLog;
use tillway_proto::{NodeId, TillId};
use tillway_service::actor::Caller;
use tillway_service::background::Background;
use tillway_service::people::People;
use tillway_service::serving::Connection;

/// The modules that use cases work with.
pub struct AppParts {
    /// The network's tree.
    pub network: NetworkService,
    /// The keys of tills' messages.
    pub keys: PeerKeys,
    /// Layers and their log.
    pub dictionary: DictionaryService,
    /// Goods by the words of their names.
    pub goods: Arc<dyn GoodsIndex>,
    /// Loads and their reports.
    pub journal: Arc<dyn LoadJournal>,
    /// The exchange with tills.
    pub exchange: ExchangeService,
    /// Receipts, shifts, findings.
    pub sales: Arc<dyn SalesStore>,
    /// What was set aside.
    pub aside: Aside,
    /// The audit logs of all stores.
    pub audit: Vec<Arc<dyn AuditLog>>,
    /// What the server does by itself.
    pub background: Background,
    /// How all databases are now.
    pub databases: Arc<dyn Fn() -> Vec<DatabaseState> + Send + Sync>,
    /// How long what is kept.
    pub keeps: Vec<Keep>,
    /// The newest lines of the log.
    pub log: KeptLog,
    /// Backups of all stores.
    pub backups: Backups,
    /// For whom each link to a package is.
    pub links: Links,
    /// Where tills reach this server.
    pub addresses: PublicAddresses,
    /// Certificates of this server, and who may do without.
    pub certificates: Certificates,
    /// The data folder, to tell how much room is left for it.
    pub data_dir: PathBuf,
    /// The server takes nothing in where less room than this is left.
    pub disk_reserve_bytes: u64,
    /// Who tries to attach tills.
    pub attaching: Arc<Attaching>,
    /// Users, their sessions, keys of programs.
    pub people: People,
    /// What goes out by mail and webhook.
    pub outbox: Arc<dyn OutboxStore>,
    /// A server that takes mails is named.
    pub sends_mail: bool,
    /// The login that stands in a file of the data folder.
    pub file_login: Credentials,
    /// Where people find the page, without a path: `https://<host>:<port>`.
    pub page_address: String,
    /// Wrong passwords, and tokens that are nobody's.
    pub passwords: Arc<LastFailures>,
    /// Tills that try what is not theirs.
    pub intruders: Intruders,
    /// Connections over which tills have shown their token.
    pub connections: TillConnections,
    /// The password that tills have at the broker.
    pub till_password_file: Option<PathBuf>,
    /// Hints about what was changed here.
    pub hints: Hints,
}

/// All use cases of a running server. Cheap to clone.
#[derive(Clone)]
pub struct App {
    parts: Arc<AppParts>,
}

impl App {
    /// Over its parts.
    pub fn new(parts: AppParts) -> Self {
        Self { parts: Arc::new(parts) }
    }

    /// What `caller` can do.
    pub fn acting_for(&self, caller: Caller) -> Acting {
        Acting { parts: Arc::clone(&self.parts), caller }
    }

    /// Most bytes of a file that a person sends.
    pub fn max_upload_bytes(&self) -> u64 {
        self.parts.aside.intake.max_upload_bytes()
    }

    /// Whether this is the token of that till, which it shows on this connection. Once the token
    /// is void the connection ends. Blocking.
    pub fn lets_in(&self, till: &TillId, token: &str, connection: Option<&Connection>) -> Result<bool, AppError> {
        let holds = || Ok::<_, AppError>(self.parts.network.current()?.verify_token(till, token));
        if !holds()? {
            return Ok(false);
        }
        self.parts.intruders.right_token(till);
        let Some(connection) = connection else { return Ok(true) };
        self.parts.connections.note(connection, till, TokenHash::of(token), ShownFor::Asking);
        // It may have become void before this connection was noted.
        holds()
    }
}

/// The use cases as one caller has them. Cheap to clone; calls block.
#[derive(Clone)]
pub struct Acting {
    parts: Arc<AppParts>,
    caller: Caller,
}

impl Acting {
    /// Nodes of the network.
    pub fn nodes(&self) -> Nodes {
        Nodes {
            network: self.parts.network.acting_for(&self.caller),
            keys: self.parts.keys.clone(),
            addresses: self.parts.addresses.clone(),
            hints: self.parts.hints.clone(),
            caller: self.caller.clone(),
        }
    }

    fn exchange(&self) -> ExchangeService {
        self.parts.exchange.acting_for(&self.caller)
    }

    fn settling(&self) -> Aside {
        self.parts.aside.acting_for(&self.caller)
    }

    /// The network as far as the caller sees it, to tell what an id stands for.
    pub fn network(&self) -> Result<Arc<Network>, AppError> {
        Ok(self.reading()?.seen(self.parts.network.current()?))
    }

    /// Whether the caller may do this in the whole chain.
    pub fn may_everywhere(&self, act: Act) -> bool {
        self.allow(act, Place::Everywhere).is_ok()
    }

    /// Whether the caller may do this at a node.
    pub fn may(&self, act: Act, node: &NodeId) -> bool {
        self.allow(act, Place::Node(node)).is_ok()
    }

    fn allow(&self, act: Act, place: Place<'_>) -> Result<(), AppError> {
        scope::judge(&self.parts.network, &self.caller, act, place)
    }

    /// Where the caller may look.
    fn reading(&self) -> Result<Scope, AppError> {
        self.scope(Act::Read)
    }

    fn scope(&self, act: Act) -> Result<Scope, AppError> {
        Scope::of(&self.parts.network, &self.caller, act)
    }
}
