//! One till: its folder, its agent as a process, its POS.

use super::BenchError;
use crate::binaries::{SYNC_AGENT, binary};
use crate::broker::VirtualHost;
use crate::faults::elsewhere::Elsewhere;
use crate::faults::files::{Image, copy_into};
use crate::faults::proxy::Proxy;
use crate::pos::Pos;
use crate::process::{Daemon, End};
use fs_err as fs;
use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;
use tillway_exchangers::till::dictionary::State;
use tillway_proto::{Direction, MessageHead, PeerSecret};

/// What a test wants different of an agent.
#[derive(Debug, Clone, Copy)]
pub struct TillOptions {
    /// `usequeueinupload`
    pub through_queue: bool,
    /// `unloadsalesrequestthroughcs`
    pub ask_through_server: bool,
    /// `unloadperiod` in seconds; 0 is never.
    pub unload_period_s: u32,
    /// `contactperiod` in seconds.
    pub contact_period_s: u32,
    /// `brokerconnectionheartbeat` in seconds.
    pub heartbeat_s: u32,
    /// Level of the agent's log, as `logging.conf` names it.
    pub log_level: &'static str,
    /// The login at the broker that people made for all tills, in place of the till's own.
    pub shared_login: bool,
}

impl Default for TillOptions {
    fn default() -> Self {
        Self {
            through_queue: true,
            ask_through_server: true,
            unload_period_s: 0,
            contact_period_s: 5,
            heartbeat_s: 30,
            log_level: "DEBUG",
            shared_login: false,
        }
    }
}

/// What a till is given when it is attached.
pub(super) struct Attachment<'a> {
    pub(super) till_id: String,
    pub(super) code: &'a str,
    pub(super) shop_code: &'a str,
    /// As the server made it.
    pub(super) cash_ini: String,
    pub(super) vhost: &'a VirtualHost,
    /// Where the link can be broken.
    pub(super) to_broker: Option<Arc<Proxy>>,
}

/// What of a till's folder is put back from an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TillPart {
    /// `dictionaries.db`
    Dictionary,
    /// `documents.db`
    Documents,
    /// What the agent remembers.
    State,
    /// The file queue.
    Queues,
}

impl TillPart {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Dictionary, Self::Documents, Self::State, Self::Queues];

    fn files(self) -> &'static [&'static str] {
        match self {
            Self::Dictionary => &["dictionaries.db", "dictionaries.db-wal", "dictionaries.db-shm"],
            Self::Documents => &["documents.db", "documents.db-wal", "documents.db-shm"],
            Self::State => &["data"],
            Self::Queues => &["queues"],
        }
    }
}

fn files(parts: &[TillPart]) -> Vec<&'static str> {
    parts.iter().flat_map(|part| part.files()).copied().collect()
}

/// What another machine has of a till.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CopyOf {
    /// Its settings alone: somebody copied `cash.ini`.
    Settings,
    /// The whole disk. The agent must be off.
    Everything,
}

/// A till of a bench.
#[derive(Debug)]
pub struct Till {
    /// `_cash_…`
    pub id: String,
    /// Its code.
    pub code: String,
    /// The code of its shop.
    pub shop_code: String,
    folder: PathBuf,
    to_broker: Option<Arc<Proxy>>,
    agent: Option<Daemon>,
}

impl Till {
    pub(super) fn prepare(folder: &Path, to: &Attachment<'_>, options: TillOptions) -> Result<Self, BenchError> {
        fs::create_dir_all(folder).map_err(BenchError::File)?;
        let till = Self {
            id: to.till_id.clone(),
            code: to.code.to_owned(),
            shop_code: to.shop_code.to_owned(),
            folder: folder.to_owned(),
            to_broker: to.to_broker.clone(),
            agent: None,
        };
        if options.shared_login {
            fs::write(till.broker_password(), &to.vhost.tills_password).map_err(BenchError::File)?;
        }
        fs::write(till.settings_file(), till.settings(to, options)).map_err(BenchError::File)?;
        till.write_logging(options.log_level)?;
        Ok(till)
    }

    fn write_logging(&self, level: &str) -> Result<(), BenchError> {
        let logging = format!(
            "[logger_sync]\nlevel={level}\n\n[handler_fileHandler]\nargs=('{}',)\n",
            self.folder.join("sync.log").display()
        );
        fs::write(self.folder.join("logging.conf"), logging).map_err(BenchError::File)
    }

    /// The server's `cash.ini`, and where everything lies on this machine.
    fn settings(&self, to: &Attachment<'_>, options: TillOptions) -> String {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let truth = |value: bool| if value { "True" } else { "False" }.to_owned();
        let keys = [
            ("usequeueinupload", truth(options.through_queue)),
            ("unloadsalesrequestthroughcs", truth(options.ask_through_server)),
            ("unloadperiod", options.unload_period_s.to_string()),
            ("contactperiod", options.contact_period_s.to_string()),
            ("brokerconnectionheartbeat", options.heartbeat_s.to_string()),
            ("filequeueroot", at("queues")),
            ("datafolder", at("data")),
            ("backupfolder", at("backup")),
            ("dictionariesdb", at("dictionaries.db")),
            ("documentsdb", at("documents.db")),
            ("errorsFilePath", at("errors.json")),
        ];
        let lines = keys.map(|(key, value)| format!("{key} = {value}\n")).concat();
        let link = to.to_broker.as_ref().map(|link| format!("dept.broker.port = {}\n", link.port));
        let login = options.shared_login.then(|| {
            let file = self.broker_password().display().to_string();
            format!("dept.broker.user = {}\ndept.broker.passwordfile = {file}\n", to.vhost.tills)
        });
        format!("{}# Of the bench.\n{lines}{}{}", to.cash_ini, link.unwrap_or_default(), login.unwrap_or_default())
    }

    /// Where the password of the shared login stands.
    pub fn broker_password(&self) -> PathBuf {
        self.folder.join("broker.password")
    }

    /// The secret that its settings hold.
    pub fn secret(&self) -> Result<PeerSecret, BenchError> {
        let settings = fs::read_to_string(self.settings_file()).map_err(BenchError::File)?;
        let secret = settings.lines().find_map(|line| line.strip_prefix("cash.secret=")).unwrap_or_default();
        secret.parse().map_err(BenchError::Secret)
    }

    /// What the server would send along with a command.
    pub fn head_of_server(&self, command: &str) -> Result<MessageHead, BenchError> {
        let peer = self.id.parse().map_err(BenchError::Id)?;
        Ok(self.secret()?.code_key().head(Direction::ToPeer, &peer, "command", "1", command.as_bytes()))
    }

    /// `cash.ini`
    pub fn settings_file(&self) -> PathBuf {
        self.folder.join("cash.ini")
    }

    /// `dictionaries.db`
    pub fn dictionaries(&self) -> PathBuf {
        self.folder.join("dictionaries.db")
    }

    /// `documents.db`
    pub fn documents(&self) -> PathBuf {
        self.folder.join("documents.db")
    }

    /// The till's own folder.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// The till's own link to the broker; an error where the bench was started without links.
    pub fn to_broker(&self) -> Result<&Arc<Proxy>, BenchError> {
        self.to_broker.as_ref().ok_or_else(|| BenchError::File(io::Error::other("the till has no link of its own")))
    }

    /// Switches the agent on.
    pub fn start_agent(&mut self) -> Result<(), BenchError> {
        self.start_agent_with_env::<&str, &str>([])
    }

    /// The same, with variables of the environment, for this start only.
    pub fn start_agent_with_env<K: AsRef<OsStr>, V: AsRef<OsStr>>(
        &mut self,
        environment: impl IntoIterator<Item = (K, V)>,
    ) -> Result<(), BenchError> {
        self.kill_agent();
        let mut command = self.agent_command()?;
        command.envs(environment);
        self.agent = Some(self.launch(&mut command, "agent-output.log")?);
        Ok(())
    }

    /// The same on another machine, as far as its addresses tell.
    pub fn start_agent_on(&mut self, machine: &Elsewhere) -> Result<(), BenchError> {
        self.kill_agent();
        let program = binary(SYNC_AGENT).map_err(BenchError::Binary)?;
        let mut command = machine.command(&program.display().to_string());
        command.arg("--settings").arg(self.settings_file()).arg("run");
        self.agent = Some(self.launch(&mut command, "agent-output.log")?);
        Ok(())
    }

    /// Another agent on the same folder, which is not this till's to start and stop.
    pub fn second_agent(&self) -> Result<Daemon, BenchError> {
        self.launch(&mut self.agent_command()?, "second-agent-output.log")
    }

    fn agent_command(&self) -> Result<Command, BenchError> {
        let mut command = Command::new(binary(SYNC_AGENT).map_err(BenchError::Binary)?);
        command.arg("--settings").arg(self.settings_file()).arg("run");
        Ok(command)
    }

    fn launch(&self, command: &mut Command, output: &str) -> Result<Daemon, BenchError> {
        let name = format!("sync-agent of till {}", self.code);
        Daemon::start(&name, command, &self.folder.join(output)).map_err(BenchError::Process)
    }

    /// Waits until the agent ends by itself, at a crash point for instance.
    pub fn wait_for_end(&mut self, timeout: Duration) -> Result<End, BenchError> {
        match self.agent.take() {
            Some(agent) => agent.wait_for_end(timeout).map_err(BenchError::Process),
            None => Err(BenchError::File(io::Error::other("the agent is off"))),
        }
    }

    /// How the agent ended, if it ended by itself.
    pub fn has_ended(&mut self) -> Option<End> {
        let end = self.agent.as_mut().and_then(Daemon::has_ended);
        if end.is_some() {
            self.agent = None;
        }
        end
    }

    /// The agent's process id, where it runs.
    pub fn pid(&self) -> Option<u32> {
        self.agent.as_ref().map(Daemon::pid)
    }

    /// The till's files as they are now. Agent and POS must be off.
    pub fn image(&self) -> Result<Image, BenchError> {
        Image::take(&self.folder, &files(&TillPart::ALL)).map_err(BenchError::File)
    }

    /// Puts parts of the till back. Agent and POS must be off.
    pub fn restore(&self, image: &Image, parts: &[TillPart]) -> Result<(), BenchError> {
        image.restore(&self.folder, &files(parts)).map_err(BenchError::File)
    }

    /// Another machine that calls itself this till, its agent off.
    pub fn second_machine(&self, name: &str, copy_of: CopyOf) -> Result<Self, BenchError> {
        let folder = PathBuf::from(format!("{}-{name}", self.folder.display()));
        fs::create_dir_all(&folder).map_err(BenchError::File)?;
        let parts: &[TillPart] = if copy_of == CopyOf::Everything { &TillPart::ALL } else { &[] };
        for file in files(parts) {
            copy_into(&self.folder.join(file), &folder.join(file)).map_err(BenchError::File)?;
        }
        let settings = fs::read_to_string(self.settings_file()).map_err(BenchError::File)?;
        let (here, there) = (format!("{}/", self.folder.display()), format!("{}/", folder.display()));
        let machine = Self {
            id: self.id.clone(),
            code: self.code.clone(),
            shop_code: self.shop_code.clone(),
            folder,
            to_broker: self.to_broker.clone(),
            agent: None,
        };
        fs::write(machine.settings_file(), settings.replace(&here, &there)).map_err(BenchError::File)?;
        machine.write_logging(TillOptions::default().log_level)?;
        Ok(machine)
    }

    /// Switches the agent off, cleanly.
    pub fn stop_agent(&mut self) -> Result<(), BenchError> {
        match self.agent.take() {
            Some(agent) => agent.stop().map(drop).map_err(BenchError::Process),
            None => Ok(()),
        }
    }

    /// Switches the agent off as a power cut does.
    pub fn kill_agent(&mut self) {
        if let Some(agent) = self.agent.take() {
            agent.kill();
        }
    }

    /// An error if the agent ended by itself.
    pub fn check_agent(&mut self) -> Result<(), BenchError> {
        match &mut self.agent {
            Some(agent) => agent.check().map_err(BenchError::Process),
            None => Ok(()),
        }
    }

    /// Runs `sync-agent <arguments>` on this till and gives what it prints.
    pub fn command(&self, arguments: &[&str]) -> Result<String, BenchError> {
        super::run_program(SYNC_AGENT, &self.settings_file(), arguments)
    }

    /// The POS on this till.
    pub fn pos(&self) -> Result<Pos, BenchError> {
        Pos::open(&self.dictionaries(), &self.documents(), &self.code, &self.shop_code).map_err(BenchError::Pos)
    }

    /// What the till's dictionary is at; none before the agent made it.
    pub fn state(&self) -> Option<State> {
        State::read(&self.dictionaries()).ok()
    }
}
