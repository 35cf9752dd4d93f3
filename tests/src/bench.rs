//! A chain on one machine: a broker, a cash server, tills with their agents and POS, all in one
//! temporary folder and on free ports of loopback. Daemons are real processes.

mod api;
mod links;
mod server;
mod till;

pub use api::{Api, ApiError};
pub use links::Links;
pub use server::{Server, ServerPorts};
pub use till::{CopyOf, Till, TillOptions, TillPart};

use crate::binaries::{BinaryError, binary};
use crate::broker::{Broker, BrokerError, VirtualHost};
use crate::faults::proxy::{Proxy, ProxyError};
use crate::ports::NoFreePort;
use crate::pos::PosError;
use crate::process::{ProcessError, log_end};
use crate::wait::TimedOut;
use fs_err as fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tempfile::TempDir;
use tillway_proto::IdError;
use tillway_proto::secret::SecretError;

/// Why the bench does not stand, or something on it did not come out.
#[derive(Debug, thiserror::Error)]
pub enum BenchError {
    /// No broker.
    #[error("no broker")]
    Broker(#[source] BrokerError),
    /// No daemon to start.
    #[error("no daemon to start")]
    Binary(#[source] BinaryError),
    /// A daemon did not start or stop.
    #[error("a daemon failed")]
    Process(#[source] ProcessError),
    /// The server refused something.
    #[error("the server refused")]
    Api(#[source] ApiError),
    /// No ports.
    #[error("no ports")]
    Ports(#[source] NoFreePort),
    /// No link between two processes.
    #[error("no proxy")]
    Proxy(#[source] ProxyError),
    /// A condition did not come to hold.
    #[error("waited in vain")]
    TimedOut(#[source] TimedOut),
    /// The POS could not do it.
    #[error("the POS failed")]
    Pos(#[source] PosError),
    /// The server gave out no secret.
    #[error("the settings of a till have no secret")]
    Secret(#[source] SecretError),
    /// The server gave out no id.
    #[error("a till has no id")]
    Id(#[source] IdError),
    /// A file of the bench.
    #[error("failed with a file of the bench")]
    File(#[source] io::Error),
    /// A command-line program of ours failed.
    #[error("{command} failed:\n{output}")]
    Command {
        /// What was run.
        command: String,
        /// What it said.
        output: String,
    },
}

/// What a test wants different of a bench.
#[derive(Debug, Default)]
pub struct BenchOptions {
    /// Settings of the server in the form `("section.key", "value")`, as they stand in its file.
    pub settings: Vec<(String, String)>,
    /// `cash-server sales-loader` is a process of its own beside
    /// `cash-server run --without-sales`.
    pub sales_apart: bool,
    /// Tills and server reach each other and the broker through [`Links`] that can be broken.
    pub links: bool,
    /// A broker of this bench alone, which may be broken; none: that of this process.
    pub broker: Option<Broker>,
}

impl BenchOptions {
    /// With settings of the server.
    pub fn with(settings: &[(&str, &str)]) -> Self {
        let owned = settings.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned()));
        Self { settings: owned.collect(), ..Self::default() }
    }

    /// The same with links that can be broken.
    #[must_use]
    pub fn linked(mut self) -> Self {
        self.links = true;
        self
    }

    /// The same with a broker that can be broken.
    #[must_use]
    pub fn on(mut self, broker: Broker) -> Self {
        self.broker = Some(broker);
        self
    }
}

/// The whole, without tills at first.
#[derive(Debug)]
pub struct TestBench {
    // Dropped in this order: daemons before what they are connected to.
    /// The cash server.
    pub server: Server,
    links: Option<Links>,
    vhost: VirtualHost,
    broker_port: u16,
    /// Where it is of this bench alone.
    broker: Option<Broker>,
    folder: Option<TempDir>,
}

impl TestBench {
    /// On the broker of this process, with a virtual host of its own, and a server that has no
    /// shops yet.
    pub fn start() -> Result<Self, BenchError> {
        Self::start_with(&[])
    }

    /// The same, with settings of the server in the form `("section.key", "value")`.
    pub fn start_with(settings: &[(&str, &str)]) -> Result<Self, BenchError> {
        Self::start_as(BenchOptions::with(settings))
    }

    /// The same, with `cash-server sales-loader` as a process of its own beside
    /// `cash-server run --without-sales`.
    pub fn start_with_sales_apart() -> Result<Self, BenchError> {
        Self::start_as(BenchOptions { sales_apart: true, ..BenchOptions::default() })
    }

    /// As the options say.
    pub fn start_as(options: BenchOptions) -> Result<Self, BenchError> {
        let BenchOptions { settings, sales_apart, links, broker: own } = options;
        let shared = if own.is_none() { Some(Broker::shared().map_err(BenchError::Broker)?) } else { None };
        let Some(broker) = own.as_ref().or(shared) else {
            return Err(BenchError::Broker(BrokerError::NotInstalled));
        };
        let vhost = broker.virtual_host().map_err(BenchError::Broker)?;
        let broker_port = broker.port;
        let mut folder = tempfile::Builder::new();
        folder.prefix("tillway-bench-").permissions(std::fs::Permissions::from_mode(0o700));
        let folder = folder.tempdir().map_err(BenchError::File)?;
        let ports = ServerPorts::free()?;
        let links = if links { Some(Links::to(ports, broker_port).map_err(BenchError::Proxy)?) } else { None };
        let of_links = links.as_ref().map(Links::settings).unwrap_or_default();
        let all: Vec<_> = of_links.into_iter().chain(settings).collect();
        let port = links.as_ref().map_or(broker_port, |links| links.server_to_broker.port);
        let started = Server::start(&folder.path().join("server"), ports, port, &vhost, &all, sales_apart);
        let server = match started {
            Ok(server) => server,
            Err(error) => {
                show_logs(&folder.keep());
                return Err(error);
            }
        };
        Ok(Self { server, links, vhost, broker_port, broker: own, folder: Some(folder) })
    }

    /// One more server at the same broker and virtual host, with a database of its own.
    pub fn another_server(&self, name: &str) -> Result<Server, BenchError> {
        let settings = [("server.name".to_owned(), format!("\"{name}\""))];
        let folder = self.folder().join(format!("server-{name}"));
        Server::start(&folder, ServerPorts::free()?, self.broker_port, &self.vhost, &settings, false)
    }

    /// The links that can be broken; an error where the bench was started without.
    pub fn links(&self) -> Result<&Links, BenchError> {
        self.links.as_ref().ok_or_else(|| BenchError::File(io::Error::other("the bench has no links")))
    }

    /// The broker that it is on, its own or that of this process.
    pub fn node(&self) -> Result<&Broker, BenchError> {
        self.broker.as_ref().map_or_else(|| Broker::shared().map_err(BenchError::Broker), Ok)
    }

    /// The broker that can be broken; an error where the bench has none of its own.
    pub fn broker(&mut self) -> Result<&mut Broker, BenchError> {
        self.broker.as_mut().ok_or_else(|| BenchError::File(io::Error::other("the bench has no broker of its own")))
    }

    /// The folder of everything.
    pub fn folder(&self) -> &Path {
        self.folder.as_ref().map_or(Path::new("."), TempDir::path)
    }

    /// The broker's part that belongs to this bench.
    pub fn vhost(&self) -> &VirtualHost {
        &self.vhost
    }

    /// Makes a shop under the chain.
    pub fn add_shop(&self, code: &str) -> Result<String, BenchError> {
        let chain = self.server.chain_id()?;
        Ok(self.server.create_node(&chain, "shop", code)?.id)
    }

    /// Makes a till of a shop and starts its agent.
    pub fn add_till(&self, shop_id: &str, shop_code: &str, code: &str) -> Result<Till, BenchError> {
        self.add_till_with(shop_id, shop_code, code, TillOptions::default())
    }

    /// The same, with settings of the agent.
    pub fn add_till_with(
        &self,
        shop_id: &str,
        shop_code: &str,
        code: &str,
        options: TillOptions,
    ) -> Result<Till, BenchError> {
        let mut till = self.prepare_till(shop_id, shop_code, code, options)?;
        till.start_agent()?;
        Ok(till)
    }

    /// The same, with the agent still off.
    pub fn prepare_till(
        &self,
        shop_id: &str,
        shop_code: &str,
        code: &str,
        options: TillOptions,
    ) -> Result<Till, BenchError> {
        let node = self.server.create_node(shop_id, "till", code)?;
        let link = match &self.links {
            Some(_) => Some(Proxy::to(self.broker_port).map_err(BenchError::Proxy)?),
            None => None,
        };
        let attachment = till::Attachment {
            till_id: node.id,
            code,
            shop_code,
            cash_ini: node.cash_ini.unwrap_or_default(),
            vhost: &self.vhost,
            to_broker: link.map(Arc::new),
        };
        Till::prepare(&self.folder().join(format!("till-{code}")), &attachment, options)
    }
}

impl Drop for TestBench {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        // What a failed run leaves is kept, and the ends of its logs are shown.
        let Some(folder) = self.folder.take().map(TempDir::keep) else { return };
        if let Some(broker) = &self.broker {
            // Its own folder goes with it.
            let _ = fs::copy(broker.log(), folder.join("broker.log"));
        }
        show_logs(&folder);
    }
}

/// Runs `<program> --settings <file> <arguments>` to its end and gives what it prints.
fn run_program(program: &str, settings: &Path, arguments: &[&str]) -> Result<String, BenchError> {
    let output = Command::new(binary(program).map_err(BenchError::Binary)?)
        .arg("--settings")
        .arg(settings)
        .args(arguments)
        .output()
        .map_err(BenchError::File)?;
    let said = String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned();
    if output.status.success() {
        return Ok(said);
    }
    Err(BenchError::Command { command: format!("{program} {}", arguments.join(" ")), output: said })
}

#[allow(clippy::print_stderr)] // shown by the test harness beside the failure
fn show_logs(folder: &Path) {
    eprintln!("the bench is kept in {}", folder.display());
    for log in logs_below(folder) {
        eprintln!("--- the end of {}\n{}", log.display(), log_end(&log));
    }
}

/// All logs of a bench.
fn logs_below(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut logs = Vec::new();
    for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
        if path.is_dir() {
            logs.extend(logs_below(&path));
        } else if path.extension().is_some_and(|extension| extension == "log") {
            logs.push(path);
        }
    }
    logs.sort();
    logs
}
