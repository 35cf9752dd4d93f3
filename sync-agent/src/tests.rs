//! An agent without a broker and without tasks, for tests of what a part does and tells.

use crate::commands::Commands;
use crate::dictionary::Dictionary;
use crate::run::Agent;
use crate::settings::{Layout, LiveSettings};
use crate::sink::Sink;
use crate::sink::memory::MemorySink;
use crate::source::memory::MemorySource;
use crate::source::{DocumentsFile, Source};
use fs_err as fs;
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;
use tempfile::TempDir;
use tillway_proto::report::{Report, TillState};
use tokio_util::sync::CancellationToken;

/// The agent, what it lives on, and its ends.
pub(crate) struct TestTill<Si = Dictionary, So = DocumentsFile> {
    agent: Agent,
    pub(crate) folder: TempDir,
    pub(crate) sink: Arc<Si>,
    pub(crate) source: Arc<So>,
}

impl TestTill {
    /// With the two databases of a till.
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let now = settings(folder.path()).current();
        let sink = Dictionary::at(now.paths.dictionaries.clone());
        let source = DocumentsFile::at(now.paths.documents.clone(), now.till.clone());
        Self::with(folder, sink, source)
    }
}

impl TestTill<MemorySink, MemorySource> {
    /// With both ends in memory.
    pub(crate) fn in_memory() -> Self {
        Self::with(tempfile::tempdir().unwrap(), MemorySink::default(), MemorySource::default())
    }
}

impl<Si: Sink + 'static, So: Source + 'static> TestTill<Si, So> {
    fn with(folder: TempDir, sink: Si, source: So) -> Self {
        let (sink, source) = (Arc::new(sink), Arc::new(source));
        let settings = settings(folder.path());
        let (to, from) = (Arc::clone(&sink), Arc::clone(&source));
        let agent = Agent::open(settings, to, from, CancellationToken::new()).unwrap();
        Self { agent, folder, sink, source }
    }

    /// The agent ended, and another one begins on the same folder and ends.
    pub(crate) fn again(self) -> Self {
        let Self { agent, folder, sink, source } = self;
        drop(agent);
        let (to, from) = (Arc::clone(&sink), Arc::clone(&source));
        let agent = Agent::open(settings(folder.path()), to, from, CancellationToken::new()).unwrap();
        Self { agent, folder, sink, source }
    }

    pub(crate) fn commands(&self) -> &Commands {
        &self.broker.commands
    }

    /// What the till says that it has.
    pub(crate) fn look(&self) -> TillState {
        self.loader.teller.overview.look()
    }

    /// The reports that wait, oldest first; none waits any more.
    pub(crate) async fn reported(&self) -> Vec<Report> {
        let reports = &self.loader.teller.reports;
        let mut found = Vec::new();
        while let Ok(waiting) = tokio::time::timeout(std::time::Duration::ZERO, reports.next()).await {
            reports.done(&waiting);
            found.push(waiting.reported.report);
        }
        found
    }
}

fn settings(folder: &Path) -> LiveSettings {
    let file = folder.join("cash.ini");
    fs::write(&file, "[Properties]\ncash.code=_cash_1_00ab34ef\ndept.broker.ip=127.0.0.1\n").unwrap();
    LiveSettings::read(&file, Layout::under(folder)).unwrap()
}

impl<Si, So> Deref for TestTill<Si, So> {
    type Target = Agent;

    fn deref(&self) -> &Agent {
        &self.agent
    }
}
