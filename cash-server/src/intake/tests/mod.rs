//! The intake as back offices see it: files and bodies in, reports out.

mod aside;
mod callbacks;
mod crash;
mod early;
mod encodings;
mod folders;
mod formats;
mod held;
mod kept;
mod notices;
mod people;
mod refusal;
mod rest;
mod strays;
mod trouble;

use super::{Intake, IntakeSettings, source};
use crate::dictionary::entry::{Entry, KindId, LoadOutcome};
use crate::hints::{Hint, Hints};
use crate::network::{LayerNo, NetworkService};
use crate::store::dictionary::{DictionarySnapshot, DictionaryStore, LoadTxn, Pruned, RevisionRecord};
use crate::store::intake::{LoadJournal, LoadRecord};
use crate::store::sqlite::DictionaryDb;
use crate::store::sqlite::intake::IntakeDb;
use crate::store::{ServerId, StoreError};
use fs_err as fs;
use jiff::Timestamp;
use std::fmt::Debug;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};
use tempfile::TempDir;
use tillway_exchangers::kinds::Kind;
use tillway_proto::{LoadId, NodeId, NodeLevel, Revision};
use tillway_service::background::Background;
use tokio::sync::Notify;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

const PATIENCE: Duration = Duration::from_secs(30);

pub(super) fn unit(code: u32, name: &str) -> String {
    format!(r#"{{"command":"addUnit","unit":{{"unitCode":{code},"name":"{name}","fractional":false}}}}"#)
}

/// Records as a file has them.
pub(super) fn file_of(records: &[String]) -> String {
    records.iter().flat_map(|record| [record.as_str(), "\n---\n"]).collect()
}

/// Waits until `found` gives something; fails with the state that it saw last.
pub(super) async fn wait_for<T, S: Debug>(what: &str, mut found: impl FnMut() -> Result<T, S>) -> T {
    let end = Instant::now() + PATIENCE;
    loop {
        match found() {
            Ok(value) => return value,
            Err(state) => assert!(Instant::now() < end, "{what} did not come; last seen: {state:?}"),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A server's intake with shop 7 (tills 1 and 2) and shop 8.
pub(super) struct Kit {
    pub(super) folder: TempDir,
    pub(super) network: NetworkService,
    pub(super) dictionary: Arc<dyn DictionaryStore>,
    pub(super) db: DictionaryDb,
    pub(super) journal: Arc<dyn LoadJournal>,
    pub(super) hints: Hints,
    pub(super) changed: Arc<Notify>,
    pub(super) settings: IntakeSettings,
    pub(super) chain: NodeId,
    pub(super) shop: NodeId,
}

impl Kit {
    pub(super) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let db = DictionaryDb::open(&folder.path().join("dictionary.db")).unwrap();
        let network = NetworkService::new(Arc::new(db.clone()));
        let code = |text: &str| text.parse().unwrap();
        let chain = network.ensure_chain(&code("main"), "").unwrap();
        let shop = network.create(&chain, NodeLevel::Shop, &code("7"), "").unwrap().id;
        network.create(&chain, NodeLevel::Shop, &code("8"), "").unwrap();
        for till in ["1", "2"] {
            network.create(&shop, NodeLevel::Till, &code(till), "").unwrap();
        }
        let hints = Hints::default();
        let mut settings = IntakeSettings::in_folder(folder.path());
        settings.data_grace = Duration::from_millis(100);
        Self {
            network,
            dictionary: Arc::new(db.clone()),
            db,
            journal: Arc::new(IntakeDb::open(&folder.path().join("intake.db"), ServerId::ALONE).unwrap()),
            changed: hints.listen(&[Hint::Revision]),
            hints,
            settings,
            chain,
            shop,
            folder,
        }
    }

    pub(super) fn intake(&self) -> Arc<Intake> {
        let (dictionary, journal) = (Arc::clone(&self.dictionary), Arc::clone(&self.journal));
        Intake::new(self.settings.clone(), dictionary, journal, self.hints.clone()).unwrap()
    }

    pub(super) fn start(&self) -> Running {
        Running::start(self.intake())
    }

    pub(super) fn inbox(&self, name: &str) -> PathBuf {
        self.settings.inbox.join(name)
    }

    /// As a producer does it: the file under another name, renamed, then the flag.
    pub(super) fn deliver(&self, folder: &str, base: &str, text: &(impl AsRef<[u8]> + ?Sized)) {
        let folder = self.inbox(folder);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("upload.tmp"), text).unwrap();
        fs::rename(folder.join("upload.tmp"), folder.join(format!("{base}.aif"))).unwrap();
        fs::write(folder.join(format!("{base}.flz")), "").unwrap();
    }

    pub(super) async fn gone(&self, folder: &str, base: &str) {
        let folder = self.inbox(folder);
        wait_for("the end of a load", || {
            // On its way out a file has another name for a moment.
            let is_left = |name: &String| name.starts_with(base) || name.starts_with(source::LEAVING);
            let left: Vec<_> = names(&folder).into_iter().filter(is_left).collect();
            if left.is_empty() { Ok(()) } else { Err(left) }
        })
        .await;
    }

    /// Waits until a delivery was not taken: its flag is gone, its data file stays. Its load.
    pub(super) async fn not_taken(&self, folder: &str, base: &str) -> LoadRecord {
        let folder = self.inbox(folder);
        let data = folder.join(format!("{base}.aif"));
        wait_for("the flag's end", || {
            let names = names(&folder);
            if names.contains(&format!("{base}.flz")) { Err(names) } else { Ok(()) }
        })
        .await;
        assert!(data.exists());
        self.journal.newest_of(&data).unwrap().unwrap()
    }

    pub(super) async fn ended(&self, load: LoadId) -> LoadRecord {
        wait_for("the end of a load", || match self.journal.load(load).unwrap() {
            Some(record) if record.state.is_final() => Ok(record),
            other => Err(other.map(|record| record.state)),
        })
        .await
    }

    pub(super) fn newest(&self) -> LoadRecord {
        self.journal.recent(1).unwrap().remove(0)
    }

    pub(super) fn layer(&self, id: &NodeId) -> LayerNo {
        self.network.current().unwrap().node(id).unwrap().no
    }

    pub(super) fn objects(&self, id: &NodeId, kind: &str) -> Vec<Entry> {
        let kind = KindId(Kind::by_name(kind).unwrap().id());
        self.dictionary.snapshot().unwrap().page(self.layer(id), kind, None, 1000, true).unwrap()
    }

    pub(super) fn error_text(&self, folder: &str) -> Option<String> {
        fs::read_to_string(self.inbox(folder).join("error.txt")).ok()
    }
}

pub(super) fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

pub(super) fn age(path: &Path, seconds: u64) {
    date(path, SystemTime::now() - Duration::from_secs(seconds));
}

pub(super) fn date(path: &Path, time: SystemTime) {
    fs::OpenOptions::new().write(true).open(path).unwrap().into_parts().0.set_modified(time).unwrap();
}

/// An intake that runs until it is stopped.
pub(super) struct Running {
    pub(super) intake: Arc<Intake>,
    shutdown: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    pub(super) fn start(intake: Arc<Intake>) -> Self {
        let shutdown = CancellationToken::new();
        let (tasks, token) = (intake.tasks(), shutdown.clone());
        let task = tokio::spawn(async move { Background::default().run(tasks, token).await });
        Self { intake, shutdown, task }
    }

    pub(super) async fn stop(self) {
        self.shutdown.cancel();
        tokio::time::timeout(PATIENCE, self.task).await.unwrap().unwrap();
    }
}

type Meddle = Box<dyn FnMut() + Send>;

/// A dictionary where something happens each time that a load begins.
pub(super) struct Meddled {
    pub(super) inner: Arc<dyn DictionaryStore>,
    pub(super) meddle: Mutex<Meddle>,
}

impl Meddled {
    pub(super) fn with(kit: &mut Kit, meddle: impl FnMut() + Send + 'static) {
        let inner = Arc::clone(&kit.dictionary);
        kit.dictionary = Arc::new(Self { inner, meddle: Mutex::new(Box::new(meddle)) });
    }
}

impl DictionaryStore for Meddled {
    fn begin_load(&self, layer: LayerNo, load: LoadId) -> Result<Box<dyn LoadTxn>, StoreError> {
        super::lock(&self.meddle)();
        self.inner.begin_load(layer, load)
    }

    fn snapshot(&self) -> Result<Box<dyn DictionarySnapshot>, StoreError> {
        self.inner.snapshot()
    }

    fn identity(&self) -> Result<uuid::Uuid, StoreError> {
        self.inner.identity()
    }

    fn head(&self) -> Result<Revision, StoreError> {
        self.inner.head()
    }

    fn skip_past(&self, cursor: Revision, line: &tillway_service::audit::AuditLine) -> Result<Revision, StoreError> {
        self.inner.skip_past(cursor, line)
    }

    fn outcome_of(&self, load: LoadId) -> Result<Option<LoadOutcome>, StoreError> {
        self.inner.outcome_of(load)
    }

    fn revisions(&self, limit: u32) -> Result<Vec<RevisionRecord>, StoreError> {
        self.inner.revisions(limit)
    }

    fn revision(&self, revision: Revision) -> Result<Option<RevisionRecord>, StoreError> {
        self.inner.revision(revision)
    }

    fn revision_at(&self, time: Timestamp) -> Result<Revision, StoreError> {
        self.inner.revision_at(time)
    }

    fn prune(&self, horizon: Revision, step: u32) -> Result<Pruned, StoreError> {
        self.inner.prune(horizon, step)
    }
}
