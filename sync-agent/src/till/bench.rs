//! A till without a broker and without tasks, for tests of what a task does and reports.

use super::Till;
use crate::lock::AgentLock;
use crate::run;
use crate::settings::{Layout, LiveSettings};
use crate::unload::UnloadRequest;
use fs_err as fs;
use std::ops::Deref;
use std::sync::Arc;
use tempfile::TempDir;
use tillway_proto::Report;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

/// The till, and what it lives on.
pub(crate) struct TestTill {
    till: Arc<Till>,
    pub(crate) folder: TempDir,
    _unloads: mpsc::Receiver<UnloadRequest>,
    _lock: AgentLock,
}

impl TestTill {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("cash.ini");
        fs::write(&file, "[Properties]\ncash.code=_cash_1_00ab34ef\ndept.broker.ip=127.0.0.1\n").unwrap();
        let settings = LiveSettings::read(&file, Layout::under(folder.path())).unwrap();
        let (send, unloads) = mpsc::channel(8);
        let (lock, till) = run::open(settings, send, CancellationToken::new()).unwrap();
        Self { till: Arc::new(till), folder, _unloads: unloads, _lock: lock }
    }

    /// The reports that wait, oldest first; none waits any more.
    pub(crate) async fn reported(&self) -> Vec<Report> {
        let mut reports = Vec::new();
        while let Ok(waiting) = tokio::time::timeout(std::time::Duration::ZERO, self.till.reports.next()).await {
            self.till.reports.done(&waiting);
            reports.push(waiting.reported.report);
        }
        reports
    }
}

impl Deref for TestTill {
    type Target = Arc<Till>;

    fn deref(&self) -> &Arc<Till> {
        &self.till
    }
}
