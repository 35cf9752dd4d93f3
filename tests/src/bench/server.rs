//! The cash server as a process.

use super::{Api, ApiError, BenchError};
use crate::aif_maker;
use crate::binaries::{CASH_SERVER, binary};
use crate::broker::VirtualHost;
use crate::faults::files::Image;
use crate::ports::free_port;
use crate::process::{Daemon, End};
use crate::wait::{Seen, wait_for};
use fs_err as fs;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;
use tillway_proto::PeerSecret;

/// A start makes databases and connects; tests share two cores.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// The server makes the folder of a new node at its next scan at the latest.
const FOLDER_TIMEOUT: Duration = Duration::from_mins(1);

/// What its data lies in.
const DATA: [&str; 1] = ["data"];

/// Where the server listens, all on 127.0.0.1.
#[derive(Debug, Clone, Copy)]
pub struct ServerPorts {
    /// REST and packages.
    pub rest: u16,
    /// AIF over REST.
    pub aif: u16,
    /// The page.
    pub web: u16,
    /// The sales-loader.
    pub sales: u16,
}

impl ServerPorts {
    pub(super) fn free() -> Result<Self, BenchError> {
        let port = || free_port().map_err(BenchError::Ports);
        Ok(Self { rest: port()?, aif: port()?, web: port()?, sales: port()? })
    }
}

/// A node just made.
#[derive(Debug, Clone)]
pub struct CreatedNode {
    /// Its id.
    pub id: String,
    /// The settings that attach a till.
    pub cash_ini: Option<String>,
}

impl CreatedNode {
    /// The secret that the settings hold.
    pub fn secret(&self) -> Result<PeerSecret, BenchError> {
        let mut lines = self.cash_ini.iter().flat_map(|text| text.lines());
        let secret = lines.find_map(|line| line.strip_prefix("cash.secret=")).unwrap_or_default();
        secret.parse().map_err(BenchError::Secret)
    }
}

/// A cash server of a bench.
#[derive(Debug)]
pub struct Server {
    folder: PathBuf,
    /// Where it listens.
    pub ports: ServerPorts,
    /// Whether sales are loaded by a process of their own.
    sales_apart: bool,
    daemon: Option<Daemon>,
    sales_loader: Option<Daemon>,
    api: Option<Api>,
}

impl Server {
    pub(super) fn start(
        folder: &Path,
        ports: ServerPorts,
        broker_port: u16,
        vhost: &VirtualHost,
        settings: &[(String, String)],
        sales_apart: bool,
    ) -> Result<Self, BenchError> {
        fs::create_dir_all(folder).map_err(BenchError::File)?;
        let mut server =
            Self { folder: folder.to_owned(), ports, sales_apart, daemon: None, sales_loader: None, api: None };
        fs::write(folder.join("broker.password"), &vhost.password).map_err(BenchError::File)?;
        fs::write(folder.join("tills.password"), &vhost.tills_password).map_err(BenchError::File)?;
        fs::write(server.settings_file(), server.settings(broker_port, vhost, settings)).map_err(BenchError::File)?;
        server.switch_on()?;
        Ok(server)
    }

    fn settings(&self, broker_port: u16, vhost: &VirtualHost, more: &[(String, String)]) -> String {
        let text = |value: &str| format!("\"{value}\"");
        let listen = |port: u16| format!("\"127.0.0.1:{port}\"");
        let own = [
            ("server.data_dir", text("data")),
            ("server.public_host", text("127.0.0.1")),
            ("server.tills_on_this_machine", "true".to_owned()),
            ("intake.status_servers_local", "true".to_owned()),
            ("rest.listen", listen(self.ports.rest)),
            ("aif.listen", listen(self.ports.aif)),
            ("web.listen", listen(self.ports.web)),
            ("sales.listen", listen(self.ports.sales)),
            ("broker.host", text("127.0.0.1")),
            ("broker.port", broker_port.to_string()),
            ("broker.vhost", text(&vhost.name)),
            ("broker.user", text(&vhost.user)),
            ("broker.management_url", text(&vhost.management_url())),
            ("broker.password_file", text("broker.password")),
            ("log.level", text("debug,h2=info,hyper=info,tonic=info,lapin=info")),
        ];
        let mut values: BTreeMap<&str, String> = own.into_iter().collect();
        values.extend(more.iter().map(|(key, value)| (key.as_str(), value.clone())));
        values.iter().map(|(key, value)| format!("{key} = {value}\n")).collect::<Vec<_>>().concat()
    }

    /// Its settings.
    pub fn settings_file(&self) -> PathBuf {
        self.folder.join("cash-server.toml")
    }

    /// Its data.
    pub fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    /// Starts it, and waits until it answers.
    pub fn switch_on(&mut self) -> Result<(), BenchError> {
        self.switch_on_with_env::<&str, &str>([])
    }

    /// The same, with variables of the environment, for this start only.
    pub fn switch_on_with_env<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), BenchError> {
        self.launch_with_env(environment)?;
        self.wait_until_it_answers()
    }

    /// Starts it and does not wait: it may end at a crash point before it answers.
    pub fn launch_with_env<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), BenchError> {
        self.kill();
        let environment: Vec<(K, V)> = environment.into_iter().collect();
        let programs: &[(&str, &[&str])] = if self.sales_apart {
            &[("cash-server", &["run", "--without-sales"]), ("sales-loader", &["sales-loader"])]
        } else {
            &[("cash-server", &["run"])]
        };
        for (name, arguments) in programs {
            let mut command = Command::new(binary(CASH_SERVER).map_err(BenchError::Binary)?);
            command.arg("--settings").arg(self.settings_file()).args(*arguments);
            command.envs(environment.iter().map(|(name, value)| (name, value)));
            let output = self.folder.join(format!("{name}.log"));
            let daemon = Daemon::start(name, &mut command, &output).map_err(BenchError::Process)?;
            let place = if *name == "cash-server" { &mut self.daemon } else { &mut self.sales_loader };
            *place = Some(daemon);
        }
        Ok(())
    }

    /// After [`Server::launch_with_env`].
    pub fn wait_until_it_answers(&mut self) -> Result<(), BenchError> {
        let credentials_file = self.data().join("credentials/admin");
        let base = format!("http://127.0.0.1:{}", self.ports.rest);
        let Some(daemon) = &mut self.daemon else { return Err(off()) };
        let api = wait_for("the cash server to answer", START_TIMEOUT, || {
            if let Err(ended) = daemon.check() {
                return Seen::Ready(Err(BenchError::Process(ended)));
            }
            let credentials = match fs::read_to_string(&credentials_file) {
                Ok(credentials) => credentials,
                Err(error) => return Seen::NotYet(error.to_string()),
            };
            let api = match Api::new(&base, &credentials) {
                Ok(api) => api,
                Err(error) => return Seen::Ready(Err(BenchError::Api(error))),
            };
            match api.read("/api/v1/nodes") {
                Ok(_) => Seen::Ready(Ok(api)),
                Err(error) => Seen::NotYet(format!("{error:?}")),
            }
        })
        .map_err(BenchError::TimedOut)??;
        self.api = Some(api);
        Ok(())
    }

    /// Waits until it ends by itself, at a crash point for instance. Of two processes whichever
    /// ends first; the other one is killed.
    pub fn wait_for_end(&mut self, timeout: Duration) -> Result<End, BenchError> {
        let end = wait_for("the cash server to end", timeout, || {
            let ended = [&mut self.daemon, &mut self.sales_loader].into_iter().flatten().find_map(Daemon::has_ended);
            ended.map_or_else(|| Seen::NotYet("running".to_owned()), Seen::Ready)
        })
        .map_err(BenchError::TimedOut)?;
        self.kill();
        Ok(end)
    }

    /// How it ended, if it ended by itself.
    pub fn has_ended(&mut self) -> Option<End> {
        let end = [&mut self.daemon, &mut self.sales_loader].into_iter().flatten().find_map(Daemon::has_ended);
        if end.is_some() {
            self.kill();
        }
        end
    }

    /// The process id, where it runs.
    pub fn pid(&self) -> Option<u32> {
        self.daemon.as_ref().map(Daemon::pid)
    }

    /// All its data as it is now. It must be off.
    pub fn image(&self) -> Result<Image, BenchError> {
        Image::take(&self.folder, &DATA).map_err(BenchError::File)
    }

    /// Puts all its data back. It must be off.
    pub fn restore(&self, image: &Image) -> Result<(), BenchError> {
        image.restore(&self.folder, &DATA).map_err(BenchError::File)
    }

    /// Stops it cleanly.
    pub fn switch_off(&mut self) -> Result<(), BenchError> {
        for daemon in [self.sales_loader.take(), self.daemon.take()].into_iter().flatten() {
            daemon.stop().map_err(BenchError::Process)?;
        }
        Ok(())
    }

    /// Ends it as a power cut does.
    pub fn kill(&mut self) {
        for daemon in [self.sales_loader.take(), self.daemon.take()].into_iter().flatten() {
            daemon.kill();
        }
    }

    /// Runs `cash-server <arguments>` beside the server and gives what it prints.
    pub fn command(&self, arguments: &[&str]) -> Result<String, BenchError> {
        super::run_program(CASH_SERVER, &self.settings_file(), arguments)
    }

    /// Its REST.
    pub fn api(&self) -> Result<&Api, BenchError> {
        self.api.as_ref().ok_or_else(off)
    }

    /// Address of the page.
    pub fn page(&self) -> String {
        format!("http://127.0.0.1:{}/", self.ports.web)
    }

    /// The exchange folder of a node, by the name it has in the inbox: `All`, `shop-367`.
    pub fn inbox(&self, node: &str) -> PathBuf {
        self.data().join("inbox").join(node)
    }

    /// All live nodes.
    pub fn nodes(&self) -> Result<Vec<Value>, BenchError> {
        let path = "/api/v1/nodes";
        let answer = self.api()?.read(path).map_err(BenchError::Api)?;
        match answer.as_array() {
            Some(nodes) => Ok(nodes.clone()),
            None => Err(BenchError::Api(ApiError::shape(path, "list", answer))),
        }
    }

    /// The chain's id.
    pub fn chain_id(&self) -> Result<String, BenchError> {
        let nodes = self.nodes()?;
        let chain = nodes.iter().find(|node| node["level"] == "chain").and_then(|node| node["id"].as_str());
        chain
            .map(str::to_owned)
            .ok_or_else(|| BenchError::Api(ApiError::shape("/api/v1/nodes", "chain", Value::Array(nodes.clone()))))
    }

    /// Makes a node under another.
    pub fn create_node(&self, parent: &str, level: &str, code: &str) -> Result<CreatedNode, BenchError> {
        let path = "/api/v1/nodes";
        let body = json!({ "parent": parent, "level": level, "code": code, "name": format!("{level} {code}") });
        let answer = self.api()?.post(path, &body).map_err(BenchError::Api)?;
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let cash_ini = text(&answer["cash_ini"]);
        let id = text(&answer["node"]["id"]);
        let id = id.ok_or_else(|| BenchError::Api(ApiError::shape(path, "node.id", answer)))?;
        Ok(CreatedNode { id, cash_ini })
    }

    /// The exchange folder of a node, when the server has made it.
    pub fn wait_for_folder(&self, node: &str) -> Result<PathBuf, BenchError> {
        let folder = self.inbox(node);
        wait_for(format!("the exchange folder {}", folder.display()), FOLDER_TIMEOUT, || {
            Seen::when(folder.is_dir(), folder.clone(), "not there")
        })
        .map_err(BenchError::TimedOut)
    }

    /// Hands a JSON array of AIF commands to the back office's interface, for a shop; gives the
    /// answer.
    pub fn load_over_rest(&self, shop_code: &str, body: String) -> Result<Value, BenchError> {
        self.load_over_rest_with(&[("shopcode", shop_code)], body)
    }

    /// The same with any query. Values must need no escapes.
    pub fn load_over_rest_with(&self, query: &[(&str, &str)], body: String) -> Result<Value, BenchError> {
        let credentials = fs::read_to_string(self.data().join("credentials/backoffice")).map_err(BenchError::File)?;
        let api = Api::new(&format!("http://127.0.0.1:{}", self.ports.aif), &credentials).map_err(BenchError::Api)?;
        api.post_text("/aifexchange/loaddicts", query, body).map_err(BenchError::Api)
    }

    /// Puts a file into a node's exchange folder.
    pub fn deliver(
        &self,
        node: &str,
        base: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<u64>,
    ) -> Result<u64, BenchError> {
        let folder = self.wait_for_folder(node)?;
        aif_maker::deliver(&folder, base, write).map_err(BenchError::File)
    }

    /// The same, with a yes to whatever it takes away.
    pub fn deliver_approved(
        &self,
        node: &str,
        base: &str,
        write: impl FnOnce(&mut dyn Write) -> io::Result<u64>,
    ) -> Result<u64, BenchError> {
        let folder = self.wait_for_folder(node)?;
        aif_maker::deliver_with(&folder, base, aif_maker::APPROVE, write).map_err(BenchError::File)
    }
}

fn off() -> BenchError {
    BenchError::File(io::Error::other("the server is off"))
}
