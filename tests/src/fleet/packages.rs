//! Downloads of a fleet: by each till, or once for all; and loads, by each till, or once for each
//! state.

use super::dictionary::{Apply, Dictionary, Outcome};
use super::{FleetError, remove};
use fs_err as fs;
use std::collections::{HashMap, VecDeque};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tillway_exchangers::package::{PackageError, PackageReader, verify_file};
use tillway_proto::{Digest, PackageLink, PackageName, RejectCause, Revision};
use tillway_sync_agent::Backoff;
use tillway_sync_agent::decide::{StatusMeaning, on_status, wait_before_retry};

/// Tries of a download while the server is away: it starts again within seconds.
const MAX_TRIES: u32 = 12;

/// The first wait between tries, and the longest.
const FIRST_WAIT: Duration = Duration::from_millis(200);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// A whole file over loopback, beside everything else.
const REQUEST_TIME: Duration = Duration::from_mins(1);

/// Outcomes that are remembered for tills in the same state: more than a test has states.
const MAX_REMEMBERED: usize = 64;

/// Why a package is not there or does not load; as the agent tells it.
#[derive(Debug, thiserror::Error)]
pub(super) enum TakeError {
    #[error("the link is dead: {status}")]
    Gone { status: u16 },
    #[error("not downloaded after {MAX_TRIES} tries")]
    Tries,
    #[error("longer or shorter than announced")]
    Length,
    #[error("failed with a downloaded file")]
    File(#[source] io::Error),
    #[error("the downloaded package does not read")]
    Package(#[source] PackageError),
    #[error("the package has another range than the link says")]
    Range,
    #[error("the work was broken off")]
    Aborted(#[source] tokio::task::JoinError),
}

impl TakeError {
    pub(super) fn cause(&self) -> RejectCause {
        match self {
            Self::Package(PackageError::Io { .. }) => RejectCause::Transport,
            Self::Package(_) | Self::Range => RejectCause::Content,
            _ => RejectCause::Transport,
        }
    }
}

/// No proxy: everything is on this machine.
fn client() -> reqwest::Result<reqwest::Client> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().no_proxy().timeout(REQUEST_TIME).build()
}

/// A state and a package: what comes of them is always the same.
type Question = (Revision, Digest, PackageName);

#[derive(Debug, Default)]
struct Remembered {
    outcomes: HashMap<Question, Arc<Dictionary>>,
    order: VecDeque<Question>,
}

/// Packages, as the tills of a fleet get them.
#[derive(Debug)]
pub(super) struct Packages {
    client: reqwest::Client,
    base: String,
    folder: PathBuf,
    share: bool,
    mode: Apply,
    downloads: AtomicU64,
    /// One at a time downloads a file that is shared.
    shared: tokio::sync::Mutex<()>,
    remembered: Arc<Mutex<Remembered>>,
}

impl Packages {
    pub(super) fn new(base: String, folder: PathBuf, share: bool, mode: Apply) -> Result<Self, FleetError> {
        Ok(Self {
            client: client().map_err(FleetError::Http)?,
            base,
            folder,
            share,
            mode,
            downloads: AtomicU64::new(0),
            shared: tokio::sync::Mutex::default(),
            remembered: Arc::default(),
        })
    }

    pub(super) fn downloads(&self) -> u64 {
        self.downloads.load(Ordering::Relaxed)
    }

    /// Downloads a package for a till, which shows its token; it is whole and right.
    pub(super) async fn fetch(&self, till: usize, token: &str, link: &PackageLink) -> Result<PathBuf, TakeError> {
        if !self.share {
            let file = self.folder.join(format!("{till}-{}", link.package.file_name()));
            self.download(token, link, &file).await?;
            return Ok(file);
        }
        let file = self.folder.join(link.package.file_name());
        let _alone = self.shared.lock().await;
        if !file.exists() {
            self.download(token, link, &file).await?;
        }
        Ok(file)
    }

    /// A till is done with its file.
    pub(super) fn done(&self, file: &Path) {
        if !self.share {
            remove(file);
        }
    }

    async fn download(&self, token: &str, link: &PackageLink, file: &Path) -> Result<(), TakeError> {
        let url = format!("{}{}", self.base, link.link);
        let mut backoff = Backoff::new(FIRST_WAIT, MAX_WAIT);
        for _ in 0..MAX_TRIES {
            // No answer: the server is away, and is asked again like one that is busy.
            if let Ok(response) = self.client.get(&url).bearer_auth(token).send().await {
                match on_status(response.status().as_u16(), 0) {
                    StatusMeaning::Whole => {
                        if let Ok(bytes) = response.bytes().await {
                            return self.keep(link, file, &bytes).await;
                        }
                    }
                    StatusMeaning::Later => {}
                    StatusMeaning::Gone | StatusMeaning::Rest | StatusMeaning::BeginAnew => {
                        return Err(TakeError::Gone { status: response.status().as_u16() });
                    }
                }
            }
            tokio::time::sleep(wait_before_retry(backoff.next_wait(), None, MAX_WAIT)).await;
        }
        Err(TakeError::Tries)
    }

    async fn keep(&self, link: &PackageLink, file: &Path, bytes: &[u8]) -> Result<(), TakeError> {
        if bytes.len() as u64 != link.bytes {
            return Err(TakeError::Length);
        }
        self.downloads.fetch_add(1, Ordering::Relaxed);
        fs::write(file, bytes).map_err(TakeError::File)?;
        let (path, link) = (file.to_owned(), link.clone());
        let checked = tokio::task::spawn_blocking(move || {
            let header = verify_file(&path, &link.package).map_err(TakeError::Package)?;
            if (header.from, header.to) == (link.from, link.to) { Ok(()) } else { Err(TakeError::Range) }
        });
        checked.await.map_err(TakeError::Aborted)?.inspect_err(|_| remove(file))
    }

    /// What comes of applying a package to a dictionary.
    pub(super) async fn apply(
        &self,
        dictionary: &Arc<Dictionary>,
        link: &PackageLink,
        file: PathBuf,
    ) -> Result<Outcome, TakeError> {
        let (dictionary, name, mode) = (Arc::clone(dictionary), link.package.clone(), self.mode);
        let replaces = link.replaces;
        let remembered = Arc::clone(&self.remembered);
        let work = tokio::task::spawn_blocking(move || {
            let question = (dictionary.cursor, dictionary.digest(), name.clone());
            // Held while it is worked out, so that the others in this state find it.
            let mut known = (mode == Apply::Shared).then(|| remembered.lock().unwrap_or_else(PoisonError::into_inner));
            let has_it = dictionary.package.as_ref() == Some(&name);
            if let Some(after) = known.as_ref().filter(|_| !has_it).and_then(|known| known.outcomes.get(&question)) {
                return Ok(Outcome::Done(Box::new((**after).clone())));
            }
            let mut source = PackageReader::open(&file, &name).map_err(TakeError::Package)?;
            let outcome = dictionary.apply(&mut source, mode, replaces);
            if let (Some(known), Outcome::Done(after)) = (known.as_mut(), &outcome) {
                known.keep(question, Arc::new((**after).clone()));
            }
            Ok(outcome)
        });
        work.await.map_err(TakeError::Aborted)?
    }
}

impl Remembered {
    fn keep(&mut self, question: Question, after: Arc<Dictionary>) {
        if self.order.len() >= MAX_REMEMBERED
            && let Some(oldest) = self.order.pop_front()
        {
            self.outcomes.remove(&oldest);
        }
        self.order.push_back(question.clone());
        self.outcomes.insert(question, after);
    }
}
