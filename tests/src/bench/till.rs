//! One till: its folder, its agent as a process, its POS.

use super::BenchError;
use crate::binaries::{SYNC_AGENT, binary};
use crate::broker::VirtualHost;
use crate::pos::Pos;
use crate::process::Daemon;
use fs_err as fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use tillway_exchangers::till::dictionary::State;

/// What a test wants different of an agent.
#[derive(Debug, Clone, Copy)]
pub struct TillOptions {
    /// `usequeueinupload`
    pub through_queue: bool,
    /// `unloadsalesrequestthroughcs`
    pub ask_through_server: bool,
    /// `unloadperiod` in seconds; 0 is never.
    pub unload_period_s: u32,
}

impl Default for TillOptions {
    fn default() -> Self {
        Self { through_queue: true, ask_through_server: true, unload_period_s: 0 }
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
            agent: None,
        };
        fs::write(folder.join("broker.password"), &to.vhost.tills_password).map_err(BenchError::File)?;
        fs::write(till.settings_file(), till.settings(to, options)).map_err(BenchError::File)?;
        let logging = format!(
            "[logger_sync]\nlevel=DEBUG\n\n[handler_fileHandler]\nargs=('{}',)\n",
            folder.join("sync.log").display()
        );
        fs::write(folder.join("logging.conf"), logging).map_err(BenchError::File)?;
        Ok(till)
    }

    /// The server's `cash.ini`, and where everything lies on this machine.
    fn settings(&self, to: &Attachment<'_>, options: TillOptions) -> String {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let truth = |value: bool| if value { "True" } else { "False" }.to_owned();
        let keys = [
            ("dept.broker.passwordfile", at("broker.password")),
            ("usequeueinupload", truth(options.through_queue)),
            ("unloadsalesrequestthroughcs", truth(options.ask_through_server)),
            ("unloadperiod", options.unload_period_s.to_string()),
            ("contactperiod", "5".to_owned()),
            ("filequeueroot", at("queues")),
            ("datafolder", at("data")),
            ("backupfolder", at("backup")),
            ("dictionariesdb", at("dictionaries.db")),
            ("documentsdb", at("documents.db")),
            ("errorsFilePath", at("errors.json")),
        ];
        let lines = keys.map(|(key, value)| format!("{key} = {value}\n")).concat();
        format!("{}# Of the bench.\n{lines}", to.cash_ini)
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

    /// Switches the agent on.
    pub fn start_agent(&mut self) -> Result<(), BenchError> {
        let mut command = Command::new(binary(SYNC_AGENT).map_err(BenchError::Binary)?);
        command.arg("--settings").arg(self.settings_file()).arg("run");
        let name = format!("sync-agent of till {}", self.code);
        let output = self.folder.join("agent-output.log");
        self.agent = Some(Daemon::start(&name, &mut command, &output).map_err(BenchError::Process)?);
        Ok(())
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
