//! Settings of the server: one commented file, each key overridable by the environment, checked
//! whole.
//!
//! [`Settings::load`] reads text and finds every fault of form ([`fault`]); [`crate::probe`] looks
//! at the world outside: folders, files, ports. [`credentials`] makes what the first start needs
//! and what nobody should choose by default.

mod alerts;
mod backup;
pub mod credentials;
pub mod fault;
mod hold;
mod intake;
mod mail;
mod people;
pub mod proof_key;
mod source;
mod tls;

pub use alerts::{AlertSettings, HookSettings};
pub use backup::{BackupPlace, BackupSettings, StoreSettings, store_endpoint};
pub use fault::{Fault, Origin, SettingsError};
pub use hold::HoldLimits;
pub use intake::{IntakeFolder, IntakeSettings, MAX_INTAKE_FOLDERS, encoding_named};
pub use mail::{MailSecurity, MailServer, MailSettings};
pub use people::PeopleSettings;
pub use source::DEFAULT_SETTINGS;
pub use tls::{PlainPorts, TLS_DIR, TlsSettings};

use crate::sales::MIN_KEEP_DAYS;
use fs_err as fs;
use reqwest::Url;
use source::Source;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tillway_proto::process::LogSettings;

/// Where the file is looked for when none is named.
pub const SETTINGS_PATH: &str = "/etc/tillway/cash-server.toml";

/// The key of the sales-loader's address.
pub const SALES_LISTEN: &str = "sales.listen";

/// Longest period in seconds that a setting takes: a month. Longer ones are days by their meaning.
const MAX_PERIOD_S: u64 = 31 * 24 * 3600;

/// Longest retention of receipts in days: a hundred years.
const MAX_SALES_DAYS: u64 = 36_500;

/// Longest retention in days: ten years.
const MAX_DAYS: u64 = 3660;

/// Largest size in MiB that a setting takes: 1 TiB.
const MAX_MIB: u64 = 1024 * 1024;

/// Most packages built at the same time: each is a thread that reads the dictionary.
const MAX_PARALLEL_BUILDS: u64 = 64;

/// Everything the server can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// The file that they were read from.
    pub file: Option<PathBuf>,
    /// `[server] data_dir`
    pub data_dir: PathBuf,
    /// `[server] name`
    pub name: String,
    /// `[server] public_host`; none: found out.
    pub public_host: Option<String>,
    /// `[server] moves_to`: the host at which tills will find this server.
    pub moves_to: Option<String>,
    /// `[server] moves_to_port`: the port of REST there; none: as now.
    pub moves_to_port: Option<u16>,
    /// `[server] tills_on_this_machine`: loopback addresses may be given to tills.
    pub tills_on_this_machine: bool,
    /// `[server] disk_reserve_mib`: bytes that stay free on the disk of the data folder.
    pub disk_reserve_bytes: u64,
    /// `[rest]`
    pub rest: RestSettings,
    /// `[aif]`
    pub aif: AifSettings,
    /// `[web] listen`
    pub web_listen: SocketAddr,
    /// `[people]`
    pub people: PeopleSettings,
    /// `[mail]` and `[report]`
    pub mail: MailSettings,
    /// `[alerts]`
    pub alerts: AlertSettings,
    /// `[sales]`
    pub sales: SalesSettings,
    /// `[tls]`, and which ports are open without.
    pub tls: TlsSettings,
    /// `[broker]`
    pub broker: BrokerSettings,
    /// `[intake]`
    pub intake: IntakeSettings,
    /// `[exchange]`
    pub exchange: ExchangeSettings,
    /// `[retention]`
    pub retention: RetentionSettings,
    /// `[backup]`
    pub backup: BackupSettings,
    /// `[log]`
    pub log: LogSettings,
}

/// REST and packages.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RestSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The port tills are told; none: that of `listen`.
    pub public_port: Option<u16>,
    /// The host tills are told for packages; none: the public host.
    pub packages_host: Option<String>,
    /// The port tills are told for packages; none: `public_port`.
    pub packages_port: Option<u16>,
}

/// AIF over REST.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AifSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// Largest body in bytes.
    pub body_limit_bytes: u64,
}

/// The sales-loader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SalesSettings {
    /// Where to listen.
    pub listen: SocketAddr,
    /// The port tills are told; none: that of `listen`.
    pub public_port: Option<u16>,
    /// Certificate chain and key.
    pub tls: Option<TlsFiles>,
    /// Most bytes that wait in the spool.
    pub spool_limit_bytes: u64,
    /// Exchange folder for sales files of the back office.
    pub handover_dir: Option<PathBuf>,
}

/// Files for TLS, PEM.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The chain of certificates, ours first.
    pub cert: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

/// The broker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Host name or address.
    pub host: String,
    /// Port.
    pub port: u16,
    /// Virtual host.
    pub vhost: String,
    /// User.
    pub user: String,
    /// File with the password.
    pub password_file: Option<PathBuf>,
    /// The user that tills connect as; none: each as its own id.
    pub till_user: Option<String>,
    /// File with that user's password, which tills get when they are attached.
    pub till_password_file: Option<PathBuf>,
    /// The management interface, through which the server makes each till a login of its own;
    /// none: people make logins.
    pub management_url: Option<Url>,
    /// Seconds; 0: never.
    pub heartbeat_s: u16,
    /// Whether this server speaks TLS with it.
    pub tls: bool,
    /// Files of authorities that may have signed the broker's certificate; those that are there
    /// count.
    pub authorities: Vec<PathBuf>,
    /// Where the broker finds the pair that this server makes for it; none: in the data folder.
    pub pair_dir: Option<PathBuf>,
    /// Whether tills speak TLS with it.
    pub till_tls: bool,
    /// The port that tills are told; none: `port`.
    pub till_port: Option<u16>,
}

/// The exchange with tills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExchangeSettings {
    /// How often everything is compared.
    pub reconcile_period: Duration,
    /// Longest stay in `announced` of a till in contact.
    pub announced_deadline: Duration,
    /// Longest stay in `downloaded`.
    pub downloaded_deadline: Duration,
    /// Longest stay in `queued`.
    pub queued_deadline: Duration,
    /// Longest stay in one state of a till out of contact.
    pub silent_deadline: Duration,
    /// Without contact for this long a till is silent.
    pub silent_after: Duration,
    /// A command without an answer is given up.
    pub command_deadline: Duration,
    /// Packages built at the same time.
    pub parallel_builds: usize,
}

/// How long what is past is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetentionSettings {
    /// Ended deliveries, answered commands, reports of loads.
    pub history_days: u32,
    /// Lines of the audit log about what people did.
    pub audit_days: u32,
    /// Old versions of dictionary entries.
    pub dictionary_days: u32,
    /// Packages nobody speaks of.
    pub packages_days: u32,
    /// Most bytes in the folder of packages beside those that are on their way.
    pub packages_limit_bytes: u64,
    /// Receipts; none: for ever.
    pub sales_days: Option<u32>,
}

/// Where each key that is set was set, for faults that show only later.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origins(BTreeMap<String, Origin>);

impl Origins {
    /// Of the same file and environment as [`Settings::load`]; what cannot be read is told there.
    pub fn load(path: Option<&Path>) -> Self {
        let text = path.and_then(|path| fs::read_to_string(path).ok()).unwrap_or_default();
        Self(Source::new(&text, Path::new("/"), std::env::vars()).into_origins())
    }

    /// Where this key was set.
    pub fn of(&self, key: &str) -> Origin {
        self.0.get(key).cloned().unwrap_or(Origin::Default)
    }

    /// A fault that hangs on these keys: on the first of them that is set, else on the first.
    pub fn fault(&self, keys: &[&str], what: String) -> Fault {
        let set = keys.iter().find(|key| self.0.contains_key(**key)).or(keys.first());
        let key = set.copied().unwrap_or_default();
        Fault { origin: self.of(key), key: key.to_owned(), what }
    }
}

impl Settings {
    /// Where to listen, each with the key that says so; the sales-loader, which may be a process
    /// of its own, is the last.
    pub fn listeners(&self) -> [(&'static str, SocketAddr); 4] {
        [
            ("rest.listen", self.rest.listen),
            ("aif.listen", self.aif.listen),
            ("web.listen", self.web_listen),
            (SALES_LISTEN, self.sales.listen),
        ]
    }

    /// Reads the file, or only defaults where none is given, under the environment of this
    /// process.
    pub fn load(path: Option<&Path>) -> Result<Self, SettingsError> {
        let text = match path {
            Some(path) => fs::read_to_string(path).map_err(SettingsError::Read)?,
            None => String::new(),
        };
        // Made absolute first: a bare file name has an empty parent.
        let whole = path.map(|path| std::path::absolute(path).unwrap_or_else(|_| path.to_owned()));
        let base = whole.as_deref().and_then(Path::parent).map_or_else(|| PathBuf::from("/"), Path::to_path_buf);
        Self::read(&text, &base, std::env::vars())
            .map(|settings| Self { file: whole, ..settings })
            .map_err(|faults| SettingsError::Faults { path: path.map(Path::to_path_buf), faults })
    }

    /// Reads a text; `base` is the folder that relative paths start at. Returns every fault at
    /// once.
    pub fn read(
        text: &str,
        base: &Path,
        environment: impl IntoIterator<Item = (String, String)>,
    ) -> Result<Self, Vec<Fault>> {
        let source = Source::new(text, base, environment);
        let data_dir = source.path("server.data_dir").unwrap_or_else(|| {
            source.refuse("server.data_dir", "a folder");
            PathBuf::new()
        });
        let settings = Self {
            file: None,
            backup: BackupSettings::read(&source, &data_dir),
            data_dir: data_dir.clone(),
            name: source.name("server.name"),
            public_host: host(&source, "server.public_host"),
            moves_to: host(&source, "server.moves_to"),
            moves_to_port: some_port(source.port("server.moves_to_port", true)),
            tills_on_this_machine: source.flag("server.tills_on_this_machine"),
            disk_reserve_bytes: source.number("server.disk_reserve_mib", 0..=MAX_MIB) << 20,
            rest: RestSettings {
                listen: source.address("rest.listen"),
                public_port: some_port(source.port("rest.public_port", true)),
                packages_host: host(&source, "rest.packages_host"),
                packages_port: some_port(source.port("rest.packages_port", true)),
            },
            aif: AifSettings {
                listen: source.address("aif.listen"),
                body_limit_bytes: source.number("aif.body_limit_mib", 1..=MAX_MIB) << 20,
            },
            web_listen: source.address("web.listen"),
            people: PeopleSettings::read(&source),
            mail: MailSettings::read(&source),
            alerts: AlertSettings::read(&source),
            sales: sales(&source),
            tls: TlsSettings::read(&source),
            broker: BrokerSettings {
                host: host(&source, "broker.host").unwrap_or_else(|| {
                    source.refuse("broker.host", "a host name or address");
                    String::new()
                }),
                port: source.port("broker.port", false),
                vhost: source.name("broker.vhost"),
                user: source.name("broker.user"),
                password_file: source.path("broker.password_file"),
                till_password_file: source.path("broker.till_password_file"),
                till_user: Some(source.text("broker.till_user").trim().to_owned()).filter(|user| !user.is_empty()),
                management_url: management_url(&source),
                heartbeat_s: u16::try_from(source.number("broker.heartbeat_s", 0..=3600)).unwrap_or_default(),
                tls: source.flag("broker.tls"),
                authorities: tls::broker_authorities(&source, &data_dir),
                pair_dir: source.path("broker.pair_dir"),
                till_tls: source.flag("broker.till_tls"),
                till_port: some_port(source.port("broker.till_port", true)),
            },
            intake: IntakeSettings::read(&source),
            exchange: ExchangeSettings {
                reconcile_period: seconds(&source, "exchange.reconcile_period_s"),
                announced_deadline: seconds(&source, "exchange.announced_deadline_s"),
                downloaded_deadline: seconds(&source, "exchange.downloaded_deadline_s"),
                queued_deadline: seconds(&source, "exchange.queued_deadline_s"),
                silent_deadline: seconds(&source, "exchange.silent_deadline_s"),
                silent_after: seconds(&source, "exchange.silent_after_s"),
                command_deadline: seconds(&source, "exchange.command_deadline_s"),
                parallel_builds: usize::try_from(source.number("exchange.parallel_builds", 1..=MAX_PARALLEL_BUILDS))
                    .unwrap_or(1),
            },
            retention: RetentionSettings {
                history_days: days(&source, "retention.history_days"),
                audit_days: days(&source, "retention.audit_days"),
                dictionary_days: days(&source, "retention.dictionary_days"),
                packages_days: days(&source, "retention.packages_days"),
                packages_limit_bytes: source.number("retention.packages_limit_mib", 1..=MAX_MIB) << 20,
                sales_days: sales_days(&source),
            },
            log: LogSettings { file: source.path("log.file"), level: level(&source) },
        };
        check_listeners(&source, &settings);
        let faults = source.into_faults();
        if faults.is_empty() { Ok(settings) } else { Err(faults) }
    }
}

/// Receipts are tax records: for ever, or for longer than the law wants them.
fn sales_days(source: &Source) -> Option<u32> {
    let key = "retention.sales_days";
    let days = narrow(source.number(key, 0..=MAX_SALES_DAYS));
    if days == 0 {
        return None;
    }
    if days < MIN_KEEP_DAYS {
        let least = format!(
            "0 (for ever), or at least {MIN_KEEP_DAYS} days: receipts are tax records, kept for five years and a quarter"
        );
        source.refuse(key, &least);
    }
    Some(days)
}

fn seconds(source: &Source, key: &str) -> Duration {
    Duration::from_secs(source.number(key, 1..=MAX_PERIOD_S))
}

fn days(source: &Source, key: &str) -> u32 {
    narrow(source.number(key, 1..=MAX_DAYS))
}

/// Numbers here are bounded by their ranges, so this never cuts.
fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn some_port(port: u16) -> Option<u16> {
    (port != 0).then_some(port)
}

fn host(source: &Source, key: &str) -> Option<String> {
    let text = source.text(key);
    let text = text.trim();
    if text.contains(|c: char| c.is_whitespace() || matches!(c, '/' | '@' | '?' | '#')) {
        source.refuse(key, "a host name or address, without scheme, port or path");
    }
    (!text.is_empty()).then(|| text.to_owned())
}

fn management_url(source: &Source) -> Option<Url> {
    let text = source.text("broker.management_url");
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
    if url.is_none() {
        source.refuse("broker.management_url", "an address as \"http://127.0.0.1:15672\"");
    }
    url
}

fn sales(source: &Source) -> SalesSettings {
    let tls = tls::both(source, "sales.tls_cert", "sales.tls_key").map(|(cert, key)| TlsFiles { cert, key });
    SalesSettings {
        listen: source.address("sales.listen"),
        public_port: some_port(source.port("sales.public_port", true)),
        tls,
        spool_limit_bytes: source.number("sales.spool_limit_mib", 64..=MAX_MIB) << 20,
        handover_dir: source.path("sales.handover_dir"),
    }
}

fn level(source: &Source) -> String {
    let level = source.name("log.level");
    if level.parse::<tracing_subscriber::filter::EnvFilter>().is_err() || looks_like_no_level(&level) {
        source.refuse("log.level", "error, warn, info, debug, trace, or a filter such as `info,lapin=warn`");
    }
    level
}

/// A lone word is read by the filter as the name of a module; here it can only be a misspelt
/// level.
fn looks_like_no_level(level: &str) -> bool {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    !level.contains(['=', ',', '[']) && !LEVELS.contains(&level.to_lowercase().as_str())
}

fn check_listeners(source: &Source, settings: &Settings) {
    let listeners = settings.listeners();
    for (at, (key, address)) in listeners.iter().enumerate() {
        let twin = listeners[..at].iter().find(|(_, other)| other == address && address.port() != 0);
        if let Some((other, _)) = twin {
            source.refuse(key, &format!("another address than that of {other}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, environment: &[(&str, &str)]) -> Result<Settings, Vec<String>> {
        let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Settings::read(text, Path::new("/etc/tillway"), environment)
            .map_err(|faults| faults.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn the_printed_default_is_what_an_empty_file_means() {
        assert_eq!(read("", &[]).unwrap(), read(DEFAULT_SETTINGS, &[]).unwrap());
    }

    #[test]
    fn receipts_are_kept_for_ever_or_for_as_long_as_the_law_wants_them() {
        let days = |days: u32| read(&format!("[retention]\nsales_days = {days}\n"), &[]);
        assert_eq!(days(0).unwrap().retention.sales_days, None);
        assert_eq!(days(MIN_KEEP_DAYS).unwrap().retention.sales_days, Some(MIN_KEEP_DAYS));
        let faults = days(30).unwrap_err();
        assert!(faults[0].contains("line 2: retention.sales_days") && faults[0].contains("1917"), "{faults:?}");
    }

    #[test]
    fn every_fault_is_told_at_once_with_its_line() {
        let text = "[broker]\nhost = 5\nprot = 1\nport = 70000\n\n[rest]\nlisten = \"here\"\n[intake]\nfolders = [\"shop=/x\"]\n[sales]\ntls_cert = \"a.pem\"\n";
        let faults = read(text, &[("TILLWAY_LOG__LEVEL", "loud"), ("TILLWAY_LOG__LEVLE", "info")]).unwrap_err();
        assert_eq!(
            faults,
            [
                "line 2: broker.host: `5` is not allowed: a text in quotes",
                "line 3: broker.prot: unknown key; did you mean `broker.port`?",
                "line 4: broker.port: `70000` is not allowed: a whole number from 1 to 65535",
                "line 7: rest.listen: `here` is not allowed: an address with a port, e.g. 0.0.0.0:8080 or [::]:8080",
                "line 9: intake.folders: `shop=/x` is not allowed: `shop=/x` is no entry; write All=<folder>, group-<code>=<folder> or shop-<code>=<folder>",
                "environment TILLWAY_LOG__LEVLE: log.levle: unknown key; did you mean `log.level`?",
                "default: sales.tls_key: `` is not allowed: the key's file, since sales.tls_cert is set",
                "environment TILLWAY_LOG__LEVEL: log.level: `loud` is not allowed: error, warn, info, debug, trace, or a filter such as `info,lapin=warn`",
            ]
        );
    }

    #[test]
    fn broken_toml_names_its_line_and_the_rest_is_still_read() {
        let faults = read("[broker]\nport = = 1\nuser = \"\"\n", &[]).unwrap_err();
        assert!(faults.iter().any(|fault| fault.starts_with("line 2: ")), "{faults:?}");
        assert!(faults.iter().any(|fault| fault.starts_with("line 3: broker.user")), "{faults:?}");
    }

    #[test]
    fn the_environment_wins_over_the_file() {
        let settings = read(
            "[broker]\nhost = \"a\"\nport = 1\n",
            &[("TILLWAY_BROKER__HOST", "b"), ("TILLWAY_INTAKE__FOLDERS", "All=in; shop-7=/srv/7")],
        )
        .unwrap();
        assert_eq!((settings.broker.host.as_str(), settings.broker.port), ("b", 1));
        let folders: Vec<_> =
            settings.intake.folders.iter().map(|f| (f.node.clone(), f.path.display().to_string())).collect();
        assert_eq!(
            folders,
            [("All".to_owned(), "/etc/tillway/in".to_owned()), ("shop-7".to_owned(), "/srv/7".to_owned())]
        );
    }

    #[test]
    fn an_encoding_is_named_for_all_folders_and_for_one() {
        let text = "[intake]\nencoding = \"cp866\"\nencodings = [\"shop-7=windows-1251\"]\n";
        let intake = read(text, &[]).unwrap().intake;
        assert_eq!(intake.encoding.name(), "IBM866");
        assert_eq!(intake.encodings, [("shop-7".into(), encoding_rs::WINDOWS_1251)]);
        let faults = read("[intake]\nencoding = \"ansi-ru\"\nencodings = [\"shop-7\"]\n", &[]).unwrap_err();
        assert!(faults[0].starts_with("line 2: intake.encoding: `ansi-ru` is not allowed"), "{faults:?}");
        assert!(faults[1].starts_with("line 3: intake.encodings: `shop-7` is not allowed"), "{faults:?}");
    }

    #[test]
    fn two_services_on_one_address_are_refused() {
        let faults = read("[web]\nlisten = \"0.0.0.0:8080\"\n", &[]).unwrap_err();
        assert_eq!(
            faults,
            ["line 2: web.listen: `0.0.0.0:8080` is not allowed: another address than that of rest.listen"]
        );
    }
}
