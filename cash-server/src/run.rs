//! Puts the parts of the server together and runs them until they are told to stop.
//!
//! The caller brings settings, listeners and the token that stops everything, so a test binds port
//! 0 and hands them in. Each part is a task with a name. A part that ends before it was told to
//! takes the others with it: the service manager starts the whole anew, and nothing is lost by
//! that.

mod watchdog;

use crate::app::{App, AppParts, Keep, events, everything, manages_people};
use crate::aside::{Aside, LastShown};
use crate::backup::{self, BackupError, BackupParts, Backups};
use crate::certificates::Certificates;
use crate::dictionary::DictionaryService;
use crate::exchange::broker::logins::Logins;
use crate::exchange::housekeeping::Housekeeping;
use crate::exchange::{
    Broker, Codes, ExchangeParts, ExchangeService, Floods, Owner, PublicAddresses, Reconciler, Reports, Trust,
    generation,
};
use crate::goods;
use crate::hints::Hints;
use crate::intake::rest::AifRest;
use crate::intake::{Intake, IntakeError, IntakeSettings};
use crate::lock::{DataLock, LockError, Role};
use crate::network::{NetworkError, NetworkService};
use crate::outbox::{self, OutboxParts};
use crate::packages::{PackageError, PackageFolder, PackageService};
use crate::peer_keys::PeerKeys;
use crate::reserve::DiskReserve;
use crate::rest;
use crate::sales::{Intruders, SalesConfig, SalesError, SalesListeners, SalesLoader, TlsPaths};
use crate::settings::credentials::{self, CredentialsError, ServerCredentials};
use crate::settings::{BrokerSettings, Settings, proof_key};
use crate::socket;
use crate::store::network::NetworkStore;
use crate::store::sales::SalesStore;
use crate::store::{SalesStores, StoreError, Stores};
use crate::till_connections::TillConnections;
use crate::web;
use jiff::Timestamp;
use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use tillway_proto::process::{OpenFiles, ServiceManager, kept_log};
use tillway_proto::{IdError, NodeCode};
use tillway_service::actor::Caller;
use tillway_service::background::Background;
use tillway_service::local_socket::SocketFile;
use tillway_service::page::FormSecret;
use tillway_service::parts::{PartEnded, Parts};
use tillway_service::people::{Cost, Login, People, PeopleError};
use tillway_service::serving::{self, Port};
use tillway_service::tls::TlsError;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// Ports that serve HTTP.
const HTTP_PORTS: usize = 3;

/// Open files that are left for everything else: the sales service's connections, databases,
/// packages, the inbox.
const OTHER_FILES: usize = 1_536;

/// Events between the consumer of reports and those who act on them.
const EVENTS_CAPACITY: usize = 1024;

/// Code of the chain that the first start makes.
const FIRST_CHAIN_CODE: &str = "1";

/// Name of the chain that the first start makes.
const FIRST_CHAIN_NAME: &str = "Chain";

/// Sockets of the server, opened by the caller.
#[derive(Debug)]
pub struct Listeners {
    /// REST and packages.
    pub rest: TcpListener,
    /// AIF over REST.
    pub aif: TcpListener,
    /// The page.
    pub web: TcpListener,
    /// The sales-loader; none: it runs as a process of its own.
    pub sales: Option<TcpListener>,
}

impl Listeners {
    /// Opens the addresses of the settings, within a runtime.
    pub fn bind(settings: &Settings, with_sales: bool) -> Result<Self, RunError> {
        Ok(Self {
            rest: bind("rest.listen", settings.rest.listen)?,
            aif: bind("aif.listen", settings.aif.listen)?,
            web: bind("web.listen", settings.web_listen)?,
            sales: if with_sales { Some(bind("sales.listen", settings.sales.listen)?) } else { None },
        })
    }
}

/// Opens one address, within a runtime; `key` is the setting that names it.
pub fn bind(key: &'static str, address: SocketAddr) -> Result<TcpListener, RunError> {
    serving::bind(address).map_err(|source| RunError::Listen { key, address, source })
}

/// Why the server did not start or go on.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// An address is taken or not ours.
    #[error("failed to listen on {address} ({key})")]
    Listen {
        /// The setting.
        key: &'static str,
        /// The address.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Another process works in the data folder.
    #[error("failed to take the data folder")]
    Lock(#[source] LockError),
    /// The socket of this machine.
    #[error("failed to open the socket in the data folder")]
    Socket(#[source] io::Error),
    /// Credentials.
    #[error("failed to read or make the credentials")]
    Credentials(#[source] CredentialsError),
    /// The keys of tills' messages.
    #[error("failed to read the keys of tills' messages")]
    PeerKeys(#[source] io::Error),
    /// The generation of pushed settings.
    #[error("failed to count the generation of tills' settings")]
    Generation(#[source] io::Error),
    /// A database.
    #[error("failed to open the databases")]
    Store(#[source] StoreError),
    /// The network.
    #[error("failed to read or make the network")]
    Network(#[source] NetworkError),
    /// The code of the chain that the first start makes.
    #[error("failed to make the chain")]
    Chain(#[source] IdError),
    /// The files of packages.
    #[error("failed to open the packages")]
    Packages(#[source] PackageError),
    /// The intake.
    #[error("failed to start the intake")]
    Intake(#[source] IntakeError),
    /// The sales-loader.
    #[error("failed to run the sales-loader")]
    Sales(#[source] SalesError),
    /// Backups.
    #[error("failed to prepare backups")]
    Backup(#[source] BackupError),
    /// Authority and certificates.
    #[error("failed to prepare TLS")]
    Tls(#[source] TlsError),
    /// People.
    #[error("failed to prepare who may come in")]
    People(#[source] PeopleError),
    /// The page.
    #[error("failed to prepare the page")]
    Web(#[source] web::RenderError),
    /// A part ended by itself.
    #[error(transparent)]
    Part(PartEnded),
}

impl From<PartEnded> for RunError {
    fn from(ended: PartEnded) -> Self {
        Self::Part(ended)
    }
}

/// Runs the whole server until `shutdown`.
pub async fn run(settings: Settings, listeners: Listeners, shutdown: CancellationToken) -> Result<(), RunError> {
    let manager = ServiceManager::of_this_process();
    manager.starts("opening the databases");
    let with_sales = listeners.sales.is_some();
    let opening = settings.clone();
    let opened = blocking(move || Opened::open(&opening, with_sales)).await?;
    let sales_aside = opened.loader.as_ref().map(SalesLoader::aside);
    let Opened {
        _locks,
        credentials,
        keys,
        generation,
        stores,
        reserve,
        packages,
        backups,
        forms,
        certificates,
        people,
        loader,
    } = opened;
    let Stores { network, dictionary: store, goods: names, exchange, journal, sales, outbox, audit, databases, .. } =
        stores;
    tell_credentials(&credentials);

    let rest_port = listeners.rest.local_addr().map_or(settings.rest.listen.port(), |address| address.port());
    let web_port = listeners.web.local_addr().map_or(settings.web_listen.port(), |address| address.port());
    let sales_port = listeners.sales.as_ref().and_then(|listener| listener.local_addr().ok());
    let sales_port = sales_port.map_or(settings.sales.listen.port(), |address| address.port());
    let addresses = PublicAddresses { generation, ..PublicAddresses::new(&settings, rest_port, sales_port) };
    tracing::info!(
        host = addresses.host.as_deref().unwrap_or("none"),
        rest_port,
        sales_port,
        "{} starts",
        settings.name
    );

    let network = NetworkService::new(network);
    let hints = Hints::default();
    let clocks = Arc::<crate::exchange::clock::Clocks>::default();
    let intake_settings = intake_settings(&settings, reserve, &network)?;
    let intake = {
        let (store, journal, hints) = (Arc::clone(&store), Arc::clone(&journal), hints.clone());
        blocking(move || Intake::new(intake_settings, store, journal, hints).map_err(RunError::Intake)).await?
    };
    let own_host = host_name(addresses.host.as_deref());
    let owner = {
        let store = Arc::clone(&store);
        let identity = blocking(move || store.identity().map_err(RunError::Store)).await?;
        Owner::new(identity, &settings.name, &own_host)
    };
    let (connections, intruders) = (TillConnections::default(), Intruders::new(Arc::clone(&sales)));
    let floods = Arc::new(Floods::new(intruders.clone()));
    let codes = Codes::new(keys.clone()).with_trust(Trust::in_authorities_of(certificates.tls()));
    let codes = Arc::new(codes.with_floods(Arc::clone(&floods)));
    let logins = Logins::new(&settings.broker, &owner, network.clone(), keys.clone(), floods);
    let broker = Broker::new(BrokerSettings::clone(&settings.broker), owner, hints.clone());
    let service = ExchangeService::new(ExchangeParts {
        store: Arc::clone(&exchange),
        network: network.clone(),
        dictionary: DictionaryService::new(store),
        sales: Arc::clone(&sales),
        broker: broker.clone(),
        settings: settings.exchange,
        addresses: addresses.clone(),
        clocks: Arc::clone(&clocks),
        codes: Arc::clone(&codes),
        hints: hints.clone(),
    });
    let (events, heard) = mpsc::channel(EVENTS_CAPACITY);
    let reports = Reports {
        store: exchange,
        network: network.clone(),
        packages: packages.clone(),
        silent_after: settings.exchange.silent_after,
        clocks: Arc::clone(&clocks),
        codes,
        hints: hints.clone(),
        events,
    };
    let (background, guesses) = (Background::default(), people.guesses());
    let app = App::new(AppParts {
        network: network.clone(),
        keys,
        dictionary: service.dictionary(),
        goods: Arc::clone(&names),
        journal,
        exchange: service.clone(),
        sales,
        data_dir: settings.data_dir.clone(),
        disk_reserve_bytes: settings.disk_reserve_bytes,
        aside: Aside {
            exchange: service.clone(),
            reports: reports.clone(),
            intake: Arc::clone(&intake),
            sales: sales_aside,
            last_shown: LastShown::default(),
            caller: Caller::server(),
        },
        audit: audit.clone(),
        databases,
        keeps: keeps(&settings),
        log: kept_log(),
        background: background.clone(),
        backups: backups.clone(),
        links: packages.links().clone(),
        addresses,
        certificates: certificates.clone(),
        attaching: Arc::default(),
        passwords: Arc::default(),
        people,
        file_login: credentials.admin,
        outbox: Arc::clone(&outbox),
        sends_mail: settings.mail.server.is_some(),
        page_address: page_address(&settings, web_port),
        intruders: intruders.clone(),
        connections: connections.clone(),
        // Tills with logins of their own have passwords of their own.
        till_password_file: settings
            .broker
            .till_password_file
            .clone()
            .filter(|_| settings.broker.management_url.is_none()),
        hints: hints.clone(),
    });
    let rest = rest::router(app.clone()).merge(rest::packages::router(app.clone(), packages.clone()));
    let local = rest::local_router(app.clone());
    let aif = crate::intake::rest::router(AifRest {
        intake: Arc::clone(&intake),
        credentials: credentials.back_office,
        guesses,
    });
    let page = web::router(app.clone(), &settings.name, forms, shutdown.child_token()).map_err(RunError::Web)?;
    let [rest, aif, page] = [rest, aif, page].map(|face| rest::watched(face, &app));
    let mut tasks = vec![Reconciler::new(service.clone(), packages.clone()).into_task()];
    tasks.extend(intake.tasks());
    tasks.extend(loader.iter().flat_map(SalesLoader::tasks));
    tasks.push(watchdog::task(manager, Some(broker.clone())));
    let housekeeping = Housekeeping::new(service.clone(), packages, settings.retention).with_audit(audit);
    tasks.extend(housekeeping.tasks());
    tasks.push(goods::index::task(service.dictionary(), names));
    tasks.extend(backups.tasks(&hints));
    tasks.push(certificates.task());
    tasks.extend(logins.map(|logins| logins.into_task(&hints)));
    tasks.push(connections.task(network, &hints));
    let telling = OutboxParts {
        app: app.clone(),
        store: outbox,
        mail: settings.mail.clone(),
        alerts: settings.alerts.clone(),
        server: settings.name.clone(),
        host: own_host,
        page: page_of_mails(&settings, web_port),
        silent_after: settings.exchange.silent_after,
        hints: hints.clone(),
    };
    tasks.extend(outbox::tasks(telling).map_err(RunError::Web)?);

    let (_socket_file, local_door) = SocketFile::bind(&socket::path(&settings.data_dir)).map_err(RunError::Socket)?;
    let open_files = usize::try_from(OpenFiles::now().limit).unwrap_or(usize::MAX);
    let port_files = open_files.saturating_sub(OTHER_FILES) / HTTP_PORTS;
    let stop = shutdown.child_token();
    let mut parts = Parts::new(stop.clone());
    // Before the faces that show it.
    parts.drive(&background, tasks);
    parts.add_endless("socket of this machine", serving::serve_local(local_door, local, stop.clone()));
    let plain = settings.tls.plain;
    let port = |is_open, refusal| -> Result<Port, RunError> {
        Ok(Port::new(certificates.http(is_open).map_err(RunError::Tls)?, refusal))
    };
    parts.serve("REST", listeners.rest, port(plain.rest, rest::only_tls("rest.plain"))?, rest, port_files);
    parts.serve("AIF over REST", listeners.aif, port(plain.aif, rest::only_tls("aif.plain"))?, aif, port_files);
    parts.serve("page", listeners.web, port(plain.web, web::only_tls())?, page, port_files);
    parts.add_endless("link to the broker", {
        let stop = stop.clone();
        async move { broker.run(reports, stop).await }
    });
    parts.add_endless("events of tills", events::act(heard, service, app, intake, stop.clone()));
    if let (Some(loader), Some(grpc)) = (loader, listeners.sales) {
        let (stop, tongues) = (stop.clone(), certificates.grpc(plain.sales).map_err(RunError::Tls)?);
        let served = async move {
            loader.serve(SalesListeners { grpc, tongues }, intruders, stop).await.map_err(RunError::Sales)
        };
        parts.add("sales-loader", served);
    }
    manager.serves();
    parts.until_stopped(shutdown).await
}

/// Runs the sales-loader alone until `shutdown`. It shares the data folder with a server that runs
/// without it.
pub async fn run_sales_loader(
    settings: Settings,
    listener: TcpListener,
    shutdown: CancellationToken,
) -> Result<(), RunError> {
    let is_open = settings.tls.plain.sales;
    let (_lock, loader, sales, certificates) = blocking(move || {
        let lock = DataLock::take(&settings.data_dir, Role::SalesLoader).map_err(RunError::Lock)?;
        let SalesStores { network, sales } = SalesStores::open(&settings.data_dir).map_err(RunError::Store)?;
        let certificates = Certificates::open(&settings, Arc::new(Timestamp::now)).map_err(RunError::Tls)?;
        Ok((lock, open_loader(&settings, network, Arc::clone(&sales))?, sales, certificates))
    })
    .await?;
    tracing::info!("the sales-loader starts");
    let stop = shutdown.child_token();
    let mut parts = Parts::new(stop.clone());
    let manager = ServiceManager::of_this_process();
    let mut tasks = loader.tasks();
    tasks.push(watchdog::task(manager, None));
    tasks.push(certificates.task());
    parts.drive(&Background::default(), tasks);
    let listeners = SalesListeners { grpc: listener, tongues: certificates.grpc(is_open).map_err(RunError::Tls)? };
    let intruders = Intruders::new(sales);
    let served = async move { loader.serve(listeners, intruders, stop).await.map_err(RunError::Sales) };
    parts.add("sales-loader", served);
    manager.serves();
    parts.until_stopped(shutdown).await
}

/// Everything that is opened before the first request.
struct Opened {
    _locks: Vec<DataLock>,
    credentials: ServerCredentials,
    keys: PeerKeys,
    generation: u64,
    stores: Stores,
    reserve: DiskReserve,
    packages: PackageService,
    backups: Backups,
    forms: FormSecret,
    certificates: Certificates,
    people: People,
    loader: Option<SalesLoader>,
}

impl Opened {
    fn open(settings: &Settings, with_sales: bool) -> Result<Self, RunError> {
        let data = &settings.data_dir;
        let mut locks = vec![DataLock::take(data, Role::Server).map_err(RunError::Lock)?];
        if with_sales {
            locks.push(DataLock::take(data, Role::SalesLoader).map_err(RunError::Lock)?);
        }
        let credentials = credentials::load_or_make(data).map_err(RunError::Credentials)?;
        let keys = PeerKeys::open(data).map_err(RunError::PeerKeys)?;
        let generation = generation::next(data, Timestamp::now()).map_err(RunError::Generation)?;
        let stores = Stores::open(data).map_err(RunError::Store)?;
        ensure_chain(&NetworkService::new(Arc::clone(&stores.network)))?;
        let reserve = DiskReserve::new(settings.disk_reserve_bytes).that_frees(Arc::clone(&stores.give_back_room));
        let key = proof_key::load_or_make(data).map_err(RunError::Credentials)?;
        let forms = web::form_secret(&key);
        let (dictionary, memo) = (Arc::clone(&stores.dictionary), Arc::clone(&stores.packages));
        let files = PackageFolder::open(data.join("packages")).map_err(RunError::Packages)?;
        let packages = PackageService::new(dictionary, memo, Arc::new(files), key)
            .map_err(RunError::Packages)?
            .with_disk_reserve(reserve.clone());
        let backups = Backups::open(BackupParts {
            stores: stores.clone(),
            data_dir: data.clone(),
            settings_file: settings.file.clone(),
            settings: settings.backup.clone(),
            server: settings.name.clone(),
            key: backup::key::load_or_make(data).map_err(RunError::Credentials)?,
            reserve: reserve.clone(),
        })
        .map_err(RunError::Backup)?;
        let open_loader = || open_loader(settings, Arc::clone(&stores.network), Arc::clone(&stores.sales));
        let loader = with_sales.then(open_loader).transpose()?;
        let people = open_people(settings, &stores, &credentials)?;
        let certificates = Certificates::open(settings, Arc::new(Timestamp::now)).map_err(RunError::Tls)?;
        Ok(Self {
            _locks: locks,
            credentials,
            keys,
            generation,
            stores,
            reserve,
            packages,
            backups,
            forms,
            certificates,
            people,
            loader,
        })
    }
}

/// People, with the login of the file among them. A password that the server made stands in that
/// file, so whoever comes in with it on the page has to choose another.
fn open_people(settings: &Settings, stores: &Stores, credentials: &ServerCredentials) -> Result<People, RunError> {
    let store = Arc::clone(&stores.people);
    let people = People::new(store, settings.people.sessions, Cost::Full, manages_people).map_err(RunError::People)?;
    let (admin, mark) = (&credentials.admin, credentials::made_mark(&settings.data_dir));
    match admin.user.parse::<Login>() {
        Ok(login) => {
            people.take_over(&login, &everything(), admin.password(), mark.exists()).map_err(RunError::People)?;
            match fs_err::remove_file(&mark) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    tracing::warn!(%error, "the mark of a password that was made stays");
                }
                _ => {}
            }
        }
        Err(error) => tracing::warn!(%error, "the login of the file is no login for the page: it is for REST alone"),
    }
    Ok(people)
}

/// How long what is kept, by the settings.
fn keeps(settings: &Settings) -> Vec<Keep> {
    let (retention, intake, backup) = (&settings.retention, &settings.intake, &settings.backup);
    let keep = |what, setting, days, bytes| Keep { what, setting, days, bytes };
    vec![
        keep("receipts", "retention.sales_days", retention.sales_days, None),
        keep("prices", "retention.dictionary_days", Some(retention.dictionary_days), None),
        keep("loads", "retention.history_days", Some(retention.history_days), None),
        keep("audit", "retention.audit_days", Some(retention.audit_days), None),
        keep(
            "packages",
            "retention.packages_days",
            Some(retention.packages_days),
            Some(retention.packages_limit_bytes),
        ),
        keep("files", "intake.backup_days", Some(intake.backup_days), Some(intake.backup_limit_bytes)),
        keep("backups", "backup.keep_days", Some(backup.keep_days), Some(backup.keep_bytes)),
    ]
}

/// Where people find the page, as the settings have it.
fn page_address(settings: &Settings, port: u16) -> String {
    let host = settings.public_host.as_deref().unwrap_or("localhost");
    let scheme = if settings.tls.plain.web { "http" } else { "https" };
    format!("{scheme}://{host}:{port}")
}

/// The same for links in mails, which may lead to another name.
fn page_of_mails(settings: &Settings, port: u16) -> String {
    let named = settings.mail.page.as_ref().map(|page| page.as_str().trim_end_matches('/').to_owned());
    named.unwrap_or_else(|| page_address(settings, port))
}

/// What this machine is called, for people: as tills are told, else as it calls itself.
fn host_name(told: Option<&str>) -> String {
    let own = || fs_err::read_to_string("/proc/sys/kernel/hostname").ok().map(|name| name.trim().to_owned());
    told.map(str::to_owned).or_else(own).unwrap_or_else(|| "a host without a name".to_owned())
}

/// Makes the chain where there is none.
pub fn ensure_chain(network: &NetworkService) -> Result<(), RunError> {
    let code: NodeCode = FIRST_CHAIN_CODE.parse().map_err(RunError::Chain)?;
    network.ensure_chain(&code, FIRST_CHAIN_NAME).map(|_| ()).map_err(RunError::Network)
}

fn open_loader(
    settings: &Settings,
    network: Arc<dyn NetworkStore>,
    sales: Arc<dyn SalesStore>,
) -> Result<SalesLoader, RunError> {
    let auth = Arc::new(NetworkService::new(network));
    SalesLoader::open(sales_config(settings), auth, sales).map_err(RunError::Sales)
}

fn sales_config(settings: &Settings) -> SalesConfig {
    SalesConfig {
        tls: settings.sales.tls.as_ref().map(|files| TlsPaths { cert: files.cert.clone(), key: files.key.clone() }),
        spool_limit_bytes: settings.sales.spool_limit_bytes,
        handover: settings.sales.handover_dir.clone(),
        keep_days: settings.retention.sales_days,
        ..SalesConfig::in_folder(&settings.data_dir)
    }
}

/// Folders of nodes that are not in the network are told and left out: a node that is removed must
/// not keep the server from starting.
fn intake_settings(
    settings: &Settings,
    disk_reserve: DiskReserve,
    network: &NetworkService,
) -> Result<IntakeSettings, RunError> {
    let network = network.current().map_err(RunError::Network)?;
    let mut extra_folders = BTreeMap::new();
    for folder in &settings.intake.folders {
        match network.find(&folder.node) {
            Ok(node) => {
                extra_folders.insert(folder.path.clone(), node.id.clone());
            }
            Err(error) => {
                tracing::error!(folder = %folder.path.display(), %error, "a folder of intake.folders is not watched");
            }
        }
    }
    let defaults = IntakeSettings::in_folder(&settings.data_dir);
    let inbox = settings.intake.inbox.clone().unwrap_or(defaults.inbox);
    // A path that is whole stays as it is.
    let encodings = settings.intake.encodings.iter().map(|(folder, encoding)| (inbox.join(folder), *encoding));
    Ok(IntakeSettings {
        language: settings.intake.language,
        encoding: settings.intake.encoding,
        encodings: encodings.collect(),
        inbox,
        extra_folders,
        scan_period: settings.intake.scan_period,
        hold: settings.intake.hold,
        stop_on_error: settings.intake.stop_on_error,
        zone: settings.intake.zone.clone(),
        backup_keep_days: settings.intake.backup_days,
        backup_keep_bytes: settings.intake.backup_limit_bytes,
        disk_reserve,
        backup_keep_files: usize::try_from(settings.intake.backup_files).unwrap_or(usize::MAX),
        max_body_bytes: settings.aif.body_limit_bytes,
        status_server_local: settings.intake.status_servers_local,
        status_server_allow: settings.intake.status_servers.clone(),
        ..defaults
    })
}

/// Tells where new credentials are: in the log, and so on the terminal. The values stay in the
/// files.
fn tell_credentials(credentials: &ServerCredentials) {
    for path in &credentials.made {
        let who = path.file_name().map(Path::new).map_or_else(String::new, |name| name.display().to_string());
        tracing::warn!(file = %path.display(), "made credentials for `{who}`: one line <user>:<password>, mode 600");
    }
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, RunError> + Send + 'static,
) -> Result<T, RunError> {
    tokio::task::spawn_blocking(work).await.unwrap_or(Err(PartEnded::Early { part: "opening of the databases" }.into()))
}
