//! A private RabbitMQ node: own folder, cookie, epmd, ports on loopback. Never the system's.
//!
//! A node takes about 7 s to start, so a run has one ([`Broker::shared`]), and each bench gets a
//! virtual host with a user of its own ([`Broker::virtual_host`], 0.2 s). The node ends with the
//! process that started it, whichever way that ends: see `keeper.sh`.
//!
//! A test that breaks the broker starts one of its own ([`Broker::start`]): it can be killed,
//! stopped and started again on the same folder and ports, made to raise its alarms, and told to
//! end channels.

mod erlang;
mod management;

pub use management::{ClientConnection, ManagementError, VirtualHost};

use crate::ports::{NoFreePort, free_port};
use crate::wait::{Seen, TimedOut, wait_for};
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use management::Management;
use std::io::{self, BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;
use std::time::Duration;
use uuid::Uuid;

/// A cold start takes 7 s on an idle machine; tests share two cores with it.
const START_TIMEOUT: Duration = Duration::from_mins(2);

/// Where distributions put the script that runs a node in the foreground under the caller's own
/// user.
const SERVER_SCRIPTS: [&str; 2] = ["/usr/lib/rabbitmq/bin/rabbitmq-server", "/opt/rabbitmq/sbin/rabbitmq-server"];

/// Names another script.
const SERVER_SCRIPT_VARIABLE: &str = "TILLWAY_RABBITMQ_SERVER";

/// The administrator of a private node.
const ADMINISTRATOR: &str = "kit";

/// The broker counts three file handles for each quorum queue, used or not, and accepts no
/// connection while its count is above what the system lets it open. A node of the kit opens few
/// of them: each queue holds a handful of messages.
const FILE_HANDLES: u32 = 262_144;

/// How often a node counts: often enough for a test that waits for what it sees, and for thousands
/// of tills.
const COUNTED_EVERY: Duration = Duration::from_secs(1);
const COUNTED_EVERY_OF_THOUSANDS: Duration = Duration::from_mins(1);

/// Why there is no broker.
#[derive(Debug, thiserror::Error)]
pub enum BrokerError {
    /// Not installed.
    #[error("RabbitMQ is not installed: `./dev test` and `./dev demo` install it, or set {SERVER_SCRIPT_VARIABLE}")]
    NotInstalled,
    /// Its folder could not be made.
    #[error("failed to prepare the broker's folder")]
    Folder(#[source] io::Error),
    /// It could not be started.
    #[error("failed to start the broker")]
    Start(#[source] io::Error),
    /// No ports.
    #[error("no ports for the broker")]
    Ports(#[source] NoFreePort),
    /// It did not come up.
    #[error("the broker did not start; the end of its log:\n{log}")]
    NotReady {
        /// The end of its output.
        log: String,
        /// What was waited for.
        #[source]
        source: TimedOut,
    },
    /// An order to its keeper was not carried out.
    #[error("failed to {order} the broker")]
    Order {
        /// Which one.
        order: &'static str,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It could not be spoken to from inside.
    #[error("the broker did not carry out {call}: {answer}")]
    Erlang {
        /// What was called.
        call: String,
        /// What came of it.
        answer: String,
    },
    /// Its HTTP interface refused something.
    #[error("failed to manage the broker")]
    Management(#[source] ManagementError),
}

/// A running node.
#[derive(Debug)]
pub struct Broker {
    /// Port of AMQP on 127.0.0.1.
    pub port: u16,
    /// Port of AMQP over TLS, on all addresses; none: it was started without.
    pub tls_port: Option<u16>,
    management: Management,
    keeper: Child,
    answers: BufReader<ChildStdout>,
    folder: PathBuf,
    epmd_port: u16,
    cookie: String,
}

impl Broker {
    /// The one node of this process, started by whoever asks first.
    pub fn shared() -> Result<&'static Self, BrokerError> {
        static SHARED: OnceLock<Result<Broker, BrokerError>> = OnceLock::new();
        match SHARED.get_or_init(Self::start) {
            Ok(broker) => Ok(broker),
            // The first caller's error was the real one; the rest only learn that there is none.
            Err(BrokerError::NotInstalled) => Err(BrokerError::NotInstalled),
            Err(error) => Err(BrokerError::Start(io::Error::other(error.to_string()))),
        }
    }

    /// Starts a node and waits until it serves.
    pub fn start() -> Result<Self, BrokerError> {
        Self::start_counting(COUNTED_EVERY, None)
    }

    /// A node that speaks TLS too, with this certificate and key.
    pub fn start_with_tls(certificate: &Path, key: &Path) -> Result<Self, BrokerError> {
        let lines = format!(
            "ssl_options.certfile = {}\n\
             ssl_options.keyfile = {}\n\
             ssl_options.verify = verify_none\n\
             ssl_options.fail_if_no_peer_cert = false\n\
             ssl_options.versions.1 = tlsv1.3\n\
             ssl_options.versions.2 = tlsv1.2\n",
            certificate.display(),
            key.display()
        );
        Self::start_with_tls_lines(&lines)
    }

    /// The same, with these lines of its configuration: all of TLS but the port.
    pub fn start_with_tls_lines(lines: &str) -> Result<Self, BrokerError> {
        Self::start_counting(COUNTED_EVERY, Some(lines))
    }

    /// A node for thousands of tills, set as README advises: by default it counts twenty thousand
    /// queues anew every five seconds.
    pub fn start_for_thousands() -> Result<Self, BrokerError> {
        Self::start_counting(COUNTED_EVERY_OF_THOUSANDS, None)
    }

    fn start_counting(counted_every: Duration, tls: Option<&str>) -> Result<Self, BrokerError> {
        let script = server_script().ok_or(BrokerError::NotInstalled)?;
        let folder = tempfile::Builder::new().prefix("tillway-broker-").tempdir().map_err(BrokerError::Folder)?.keep();
        let port = free_port().map_err(BrokerError::Ports)?;
        let management_port = free_port().map_err(BrokerError::Ports)?;
        let password = Uuid::new_v4().simple().to_string();
        let epmd_port = free_port().map_err(BrokerError::Ports)?;
        let cookie = Uuid::new_v4().simple().to_string();
        let settings = Settings {
            folder: &folder,
            port,
            management_port,
            password: &password,
            epmd_port,
            cookie: &cookie,
            counted_every,
            tls: match tls {
                Some(lines) => Some((free_port().map_err(BrokerError::Ports)?, lines)),
                None => None,
            },
        };
        let tls_port = settings.tls.map(|(port, ..)| port);
        let mut keeper = settings.start(&script)?;
        let answers = keeper.stdout.take().map(BufReader::new);
        let answers = answers.ok_or_else(|| BrokerError::Start(io::Error::other("the keeper has no output")))?;
        let management = Management::new(management_port, ADMINISTRATOR, &password).map_err(BrokerError::Management)?;
        let mut broker = Self { port, tls_port, management, keeper, answers, folder, epmd_port, cookie };
        broker.wait_until_ready()?;
        Ok(broker)
    }

    /// A fresh virtual host with a user of its own.
    pub fn virtual_host(&self) -> Result<VirtualHost, BrokerError> {
        self.management.create_virtual_host().map_err(BrokerError::Management)
    }

    /// Ends the node as a power cut does.
    pub fn kill(&mut self) -> Result<(), BrokerError> {
        self.order("kill")
    }

    /// Stops the node as an operator does.
    pub fn stop(&mut self) -> Result<(), BrokerError> {
        self.order("stop")
    }

    /// Starts the node again on what it left, and waits until it serves.
    pub fn start_again(&mut self) -> Result<(), BrokerError> {
        self.order("start")?;
        self.wait_until_ready()
    }

    /// The node's output.
    pub fn log(&self) -> PathBuf {
        self.folder.join("output.log")
    }

    fn order(&mut self, order: &'static str) -> Result<(), BrokerError> {
        let failed = |source| BrokerError::Order { order, source };
        let Some(pipe) = self.keeper.stdin.as_mut() else { return Err(failed(io::ErrorKind::BrokenPipe.into())) };
        writeln!(pipe, "{order}").map_err(failed)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer).map_err(failed)?;
        if answer.trim() == format!("done {order}") { Ok(()) } else { Err(failed(io::Error::other(answer))) }
    }

    fn wait_until_ready(&mut self) -> Result<(), BrokerError> {
        wait_for("RabbitMQ to serve", START_TIMEOUT, || {
            if let Ok(Some(status)) = self.keeper.try_wait() {
                return Seen::NotYet(format!("it ended: {status}"));
            }
            if let Err(error) = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port)) {
                return Seen::NotYet(format!("AMQP on port {}: {error}", self.port));
            }
            match self.management.is_running() {
                Ok(true) => Seen::Ready(()),
                Ok(false) => Seen::NotYet("starting".to_owned()),
                Err(error) => Seen::NotYet(format!("management: {error}")),
            }
        })
        .map_err(|source| BrokerError::NotReady { log: log_end(&self.folder), source })
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        // Closing the pipe is the order to end; see keeper.sh.
        drop(self.keeper.stdin.take());
        let _ = self.keeper.wait();
    }
}

struct Settings<'a> {
    folder: &'a Path,
    port: u16,
    management_port: u16,
    password: &'a str,
    epmd_port: u16,
    cookie: &'a str,
    /// Port of AMQP over TLS, and the other lines about it.
    tls: Option<(u16, &'a str)>,
    /// How often it counts what its queues, channels and connections have done.
    counted_every: Duration,
}

impl Settings<'_> {
    fn start(&self, script: &Path) -> Result<Child, BrokerError> {
        self.write_files().map_err(BrokerError::Folder)?;
        let dist_port = free_port().map_err(BrokerError::Ports)?;
        let at = |name: &str| self.folder.join(name);
        let mut keeper = Command::new("bash");
        keeper
            .args(["-c", include_str!("broker/keeper.sh"), "tillway-broker-keeper"])
            .env("HOME", self.folder)
            .env("KEPT_FOLDER", self.folder)
            .env("RABBITMQ_SERVER", script)
            .env("ERL_EPMD_PORT", self.epmd_port.to_string())
            .env("ERL_EPMD_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODENAME", erlang::NODE)
            .env("RABBITMQ_NODE_IP_ADDRESS", "127.0.0.1")
            .env("RABBITMQ_NODE_PORT", self.port.to_string())
            .env("RABBITMQ_DIST_PORT", dist_port.to_string())
            .env("RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS", "-kernel inet_dist_use_interface {127,0,0,1}")
            .env("RABBITMQ_MNESIA_BASE", at("mnesia"))
            .env("RABBITMQ_LOG_BASE", at("log"))
            .env("RABBITMQ_CONF_ENV_FILE", at("rabbitmq-env.conf"))
            .env("RABBITMQ_CONFIG_FILE", at("rabbitmq.conf"))
            .env("RABBITMQ_ADVANCED_CONFIG_FILE", at("advanced.config"))
            .env("RABBITMQ_ENABLED_PLUGINS_FILE", at("enabled_plugins"))
            .env("RABBITMQ_PID_FILE", at("pid"))
            .env("RABBITMQ_GENERATED_CONFIG_DIR", at("generated"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            // Ctrl-C at the terminal is for the kit; the node ends after it.
            .process_group(0);
        keeper.spawn().map_err(BrokerError::Start)
    }

    fn write_files(&self) -> io::Result<()> {
        let cookie = self.folder.join(".erlang.cookie");
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o400).open(cookie)?;
        file.write_all(self.cookie.as_bytes())?;
        fs::write(self.folder.join("rabbitmq-env.conf"), "")?;
        fs::write(self.folder.join("enabled_plugins"), "[rabbitmq_management].\n")?;
        let Self { port, management_port, password, .. } = self;
        // Of each queue it tells four lines.
        let log_level = if self.counted_every == COUNTED_EVERY_OF_THOUSANDS { "warning" } else { "info" };
        let counted_every = self.counted_every.as_millis();
        let settings = format!(
            "listeners.tcp.default = 127.0.0.1:{port}\n\
             management.tcp.ip = 127.0.0.1\n\
             management.tcp.port = {management_port}\n\
             default_user = {ADMINISTRATOR}\n\
             default_pass = {password}\n\
             disk_free_limit.absolute = 50MB\n\
             collect_statistics_interval = {counted_every}\n\
             log.console = true\n\
             log.console.level = {log_level}\n\
             log.file = false\n"
        );
        let tls = self.tls.map(|(port, lines)| format!("listeners.ssl.default = 0.0.0.0:{port}\n{lines}"));
        fs::write(self.folder.join("rabbitmq.conf"), settings + &tls.unwrap_or_default())?;
        let advanced = format!(
            "[{{rabbit, [{{file_handles_high_watermark, {FILE_HANDLES}}}, {{quorum_tick_interval, {counted_every}}}]}}].\n"
        );
        fs::write(self.folder.join("advanced.config"), advanced)
    }
}

fn server_script() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os(SERVER_SCRIPT_VARIABLE) {
        return Some(PathBuf::from(named));
    }
    SERVER_SCRIPTS.iter().map(PathBuf::from).find(|path| path.exists())
}

/// Enough of the end of a log to show why a start failed.
const LOG_END_LINES: usize = 40;

fn log_end(folder: &Path) -> String {
    let log = fs::read_to_string(folder.join("output.log")).unwrap_or_else(|error| error.to_string());
    let lines: Vec<&str> = log.lines().collect();
    lines[lines.len().saturating_sub(LOG_END_LINES)..].join("\n")
}
