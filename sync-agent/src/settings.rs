//! The agent's settings: `cash.ini` and `logging.conf` beside it (formats/agent-settings).
//!
//! [`Settings::read`] checks the whole file and tells every fault with its line. Text becomes
//! types here; nothing behind this module sees a key. What the server pushes goes through
//! [`LiveSettings::take`].
//!
//! Keys of our own, all optional: `dept.broker.user` (the till's id), `dept.broker.passwordfile`
//! (`broker.password` beside `cash.ini`; without both, what is derived from the secret),
//! `dept.broker.vhost` (`/`), `dept.broker.tls` (`False`), `dept.broker.cacertpath`,
//! `cash.secret` (in files of
//! before `cash.token`), `datafolder`, `dictionariesdb`, `documentsdb`, `backupfolder`,
//! `unloadperiod`, `contactperiod`, `addressundoperiod`.

pub mod fault;
pub mod ini;
mod layout;
mod logging_conf;
pub(crate) mod probe;
mod pushed;
pub(crate) mod reader;
pub(crate) mod trust;

pub use fault::{Fault, Faults, SettingsError};
pub use layout::Layout;
pub use pushed::{LiveSettings, SERVER_OWNED};
pub(crate) use pushed::{is_address, is_setting};
pub use trust::Trust;
pub(crate) use trust::is_this_machine;

use fs_err as fs;
use ini::Ini;
use reader::Reader;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tillway_proto::process::LogSettings;
use tillway_proto::{BrokerPassword, PeerSecret, ShopId, TillId, TillSetting};

/// The one section that counts.
pub(crate) const SECTION: &str = "Properties";

/// Used where `brokerconnectionheartbeat` is 0. "Never" in the original means that a half-open
/// link is not noticed until somebody restarts the till; nobody wants that.
pub const DEFAULT_HEARTBEAT: Duration = Duration::from_secs(30);

/// On a till, or on a shop's server as the client of the centre.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// On a till.
    Cash,
    /// On a shop's server.
    Server,
}

/// All settings, checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// `mode`
    pub mode: Mode,
    /// `cash.code`
    pub till: TillId,
    /// `storeid`; empty until the server has told it.
    pub shop: Option<ShopId>,
    /// `cash.secret`; none on a till of before, which has a `cash.token` alone.
    pub secret: Option<PeerSecret>,
    /// The token for REST and the sales-loader: derived from the secret, or `cash.token`.
    pub token: Option<String>,
    /// `isdebugdictstatussend`: report every step of a load, not only its end.
    pub report_load_steps: bool,
    /// `isdebugsalestatussend`: report unloadings.
    pub report_unloads: bool,
    /// `contactperiod`
    pub contact_period: Duration,
    /// `addressundoperiod`: how long new addresses of the server may be silent.
    pub may_be_silent: Duration,
    /// The broker.
    pub broker: BrokerSettings,
    /// Where packages are downloaded.
    pub packages: PackageSettings,
    /// How they are loaded.
    pub load: LoadSettings,
    /// How sales go up.
    pub sales: SalesSettings,
    /// What is kept of what was exchanged.
    pub backup: BackupSettings,
    /// Files and folders.
    pub paths: Paths,
    /// Those of its server ([`TillSetting`]) that are not the default, by key.
    pub not_default: BTreeMap<&'static str, String>,
    /// Whom it trusts, in a file of its own in the data folder.
    pub trust: Trust,
    /// `logging.conf`
    pub log: LogSettings,
}

/// The broker of the cash server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// `dept.broker.ip`
    pub host: String,
    /// `dept.broker.port`
    pub port: u16,
    /// `dept.broker.user`
    pub user: String,
    /// `dept.broker.passwordfile`: its first line is the password.
    pub password_file: PathBuf,
    /// Of the till's own login, derived from its secret: counts where the settings name neither
    /// user nor password, and no file has one.
    pub own_password: Option<BrokerPassword>,
    /// `dept.broker.vhost`
    pub vhost: String,
    /// `dept.broker.tls`
    pub tls: bool,
    /// `dept.broker.cacertpath`: who signs its certificate; none: the server's authorities.
    pub authority: Option<PathBuf>,
    /// `brokerconnectionheartbeat`; 0 counts as [`DEFAULT_HEARTBEAT`].
    pub heartbeat: Duration,
}

impl BrokerSettings {
    /// Whether the password can only stand in its file.
    pub(crate) fn needs_file(&self) -> bool {
        self.own_password.is_none() || self.password_file.exists()
    }
}

/// Where packages are downloaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageSettings {
    /// `dicturlhostcs`; the broker's host until the server has told it.
    pub host: String,
    /// `dicturlportcs`
    pub port: u16,
}

/// How packages are loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoadSettings {
    /// `usequeueinupload`
    pub through_queue: bool,
    /// `filequeueroot`
    pub queue_root: PathBuf,
    /// `queuechunksize`
    pub chunk_objects: u64,
    /// `uploadscript`: runs in place of the built-in loader.
    pub script: Option<PathBuf>,
}

/// How sales go up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesSettings {
    /// `grpchostcs`; the broker's host until the server has told it.
    pub host: String,
    /// `grpcportcs`
    pub port: u16,
    /// `grpccacertpath`: TLS, and this is who signs.
    pub root_certificate: Option<PathBuf>,
    /// `unloadsalesrequestthroughcs`: at shift close tell the server, which then asks.
    pub through_server: bool,
    /// `httphostcs`, for `cashserverrestport`; the broker's host until the server has told it.
    pub rest_host: String,
    /// `cashserverrestport`
    pub rest_port: u16,
    /// `unloadscript`: runs in place of the built-in unloader.
    pub script: Option<PathBuf>,
    /// `unloadperiod`; none: at shift close and on request only.
    pub period: Option<Duration>,
}

/// What is kept of what was exchanged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    /// `backupfolder`
    pub folder: PathBuf,
    /// `maxcountbackupfiles`; 0 keeps none.
    pub max_files: usize,
    /// `actualcountdaysforbackupfiles`
    pub max_days: u64,
}

/// Files and folders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Paths {
    /// `datafolder`: the agent's own state, locks, downloads.
    pub data: PathBuf,
    /// `dictionariesdb`
    pub dictionaries: PathBuf,
    /// `documentsdb`
    pub documents: PathBuf,
    /// `errorsFilePath`
    pub errors_file: Option<PathBuf>,
}

impl Settings {
    /// Reads and checks `cash.ini` at `path`, and `logging.conf` beside it.
    pub fn read(path: &Path, layout: &Layout) -> Result<Self, SettingsError> {
        let bytes = fs::read(path).map_err(|source| SettingsError::File { action: "read", source })?;
        Self::parse(&bytes, path, layout)
    }

    pub(crate) fn parse(bytes: &[u8], path: &Path, layout: &Layout) -> Result<Self, SettingsError> {
        let ini = Ini::parse(bytes);
        let mut read = Reader::new(&ini);
        let mode = read.mode();
        let log_file = layout.log_file(mode);
        let till = read.till();
        // All parts are read, whatever is missing, so that every fault is told.
        let host = read.required_host("dept.broker.ip").unwrap_or_default();
        let shop = read.optional("storeid", "an id `_shop_<code>_<8 hex>`", |text| text.parse().ok());
        let secret = read.secret("cash.secret");
        let token = read.text("cash.token");
        let token = secret.as_ref().map(PeerSecret::token).or(token);
        read.protocol();
        let report_load_steps = read.flag_of(TillSetting::REPORT_LOAD_STEPS);
        let report_unloads = read.flag_of(TillSetting::REPORT_UNLOADS);
        let contact_period = read.seconds_of(TillSetting::CONTACT_PERIOD);
        let may_be_silent = read.seconds_of(TillSetting::ADDRESS_UNDO_PERIOD);
        let user = read.text("dept.broker.user");
        let password_file = read.path("dept.broker.passwordfile");
        let own_login = secret.as_ref().filter(|_| user.is_none() && password_file.is_none());
        let own_password = own_login.map(PeerSecret::broker_password);
        let user = user.or_else(|| till.as_ref().map(TillId::to_string));
        let broker = BrokerSettings {
            host: host.clone(),
            port: read.port("dept.broker.port", 5672),
            user: user.unwrap_or_default(),
            password_file: password_file.unwrap_or_else(|| Layout::password_file(path)),
            own_password,
            vhost: read.text("dept.broker.vhost").unwrap_or_else(|| "/".to_owned()),
            tls: read.flag("dept.broker.tls", false),
            authority: read.path("dept.broker.cacertpath"),
            heartbeat: match read.number_of(TillSetting::HEARTBEAT) {
                0 => DEFAULT_HEARTBEAT,
                seconds => Duration::from_secs(seconds),
            },
        };
        let packages = PackageSettings {
            host: read.host("dicturlhostcs").unwrap_or_else(|| host.clone()),
            port: read.port("dicturlportcs", 80),
        };
        let load = LoadSettings {
            through_queue: read.flag_of(TillSetting::THROUGH_QUEUE),
            queue_root: read.path("filequeueroot").unwrap_or_else(|| layout.queues(mode)),
            chunk_objects: read.number_of(TillSetting::CHUNK_OBJECTS),
            script: read.path("uploadscript"),
        };
        let sales = SalesSettings {
            host: read.host("grpchostcs").unwrap_or_else(|| host.clone()),
            port: read.port("grpcportcs", 10_001),
            root_certificate: read.path("grpccacertpath"),
            through_server: read.flag_of(TillSetting::UNLOAD_THROUGH_SERVER),
            rest_host: read.host("httphostcs").unwrap_or(host),
            rest_port: read.port("cashserverrestport", 8080),
            script: read.path("unloadscript"),
            period: Some(read.seconds_of(TillSetting::UNLOAD_PERIOD)).filter(|period| !period.is_zero()),
        };
        let backup = BackupSettings {
            folder: read.path("backupfolder").unwrap_or_else(|| layout.backup(mode)),
            max_files: usize::try_from(read.number_of(TillSetting::BACKUP_FILES)).unwrap_or(0),
            max_days: read.number_of(TillSetting::BACKUP_DAYS),
        };
        let paths = Paths {
            data: read.path("datafolder").unwrap_or_else(|| layout.data(mode)),
            dictionaries: read.path("dictionariesdb").unwrap_or_else(|| layout.database(mode, "dictionaries.db")),
            documents: read.path("documentsdb").unwrap_or_else(|| layout.database(mode, "documents.db")),
            errors_file: read.path("errorsFilePath"),
        };
        let not_default = read.not_default();
        let faults = read.faults();
        let (Some(till), true) = (till, faults.is_empty()) else {
            return Err(SettingsError::Wrong { path: path.to_owned(), faults: Faults(faults) });
        };
        let trust = Trust::read(&paths.data)?;
        let log = logging_conf::read(&path.with_file_name("logging.conf"), log_file)?;
        Ok(Self {
            mode,
            till,
            shop,
            secret,
            token,
            report_load_steps,
            report_unloads,
            contact_period,
            may_be_silent,
            broker,
            packages,
            load,
            sales,
            backup,
            paths,
            not_default,
            trust,
            log,
        })
    }
}

impl Settings {
    /// The token that goes along where packages are fetched: from the server's own host alone, and
    /// where nobody listens. What is none of its own carries packages without one.
    pub(crate) fn token_for_packages(&self) -> Option<&str> {
        let host = &self.packages.host;
        let is_private = self.trust.asks_tls_of(host) || is_this_machine(host);
        self.token.as_deref().filter(|_| is_private && host.eq_ignore_ascii_case(&self.sales.rest_host))
    }
}

#[cfg(test)]
mod tests;
