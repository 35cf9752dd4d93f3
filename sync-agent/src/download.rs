//! Downloads a package: resumed where it broke off, never longer than the link says, and right to
//! the byte, since its name is its hash.
//!
//! A download lies in `<name>.twp.part` until its hash was compared, then in `<name>.twp`. Neither
//! is synced: what counts after a power cut is the copy in the file queue, or the rows; whatever
//! is found here then is hashed before it is used. A dead link (4xx) ends at once, so that the
//! server can announce anew (R6); a busy or broken server is asked again with growing waits, a
//! bounded number of times. Dropping the future ends a download; the part stays and is resumed the
//! next time. What it was writing at that moment is written to its end on a thread of its own, so
//! the next download waits for that: else it would go on from a length that is still growing.
//!
//! A token goes to the address that was named, over a client that trusts the server's authorities
//! alone; where that answer leads elsewhere, it is followed without the token.

use crate::decide::{StatusMeaning, on_status, wait_before_retry};
use crate::retry::Backoff;
use crate::settings::Trust;
use fs_err as fs;
use futures_util::StreamExt as _;
use reqwest::header::{ETAG, HeaderMap, IF_RANGE, LOCATION, RANGE, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::{PackageName, RejectCause};
use tokio::sync::{Mutex, OwnedMutexGuard};
use tokio::time::Instant;

/// How a download keeps itself within bounds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct DownloadLimits {
    /// To reach the server.
    pub connect: Duration,
    /// Without a byte, the line counts as cut.
    pub idle: Duration,
    /// Tries in a row that brought no byte.
    pub max_idle_tries: u32,
    /// All tries together. A line on which bytes flow is given its time, however slow: what it
    /// brought would be of no use for the next package, which has another name. This only ends a
    /// download that will never come to its end.
    pub total: Duration,
    /// The first wait between tries.
    pub first_wait: Duration,
    /// The longest wait between tries, `Retry-After` included.
    pub max_wait: Duration,
}

impl Default for DownloadLimits {
    fn default() -> Self {
        Self {
            connect: Duration::from_secs(10),
            idle: Duration::from_secs(30),
            max_idle_tries: 8,
            total: Duration::from_hours(24),
            first_wait: Duration::from_millis(500),
            max_wait: Duration::from_mins(1),
        }
    }
}

/// Redirects followed: a store may send to a nearer copy, not in a circle.
const MAX_REDIRECTS: usize = 3;

/// How often a file may come with the wrong hash: the first time the resumed part may be to blame.
const MAX_WRONG_FILES: u32 = 2;

/// Why a package was not downloaded. All of them end this delivery; the server announces anew.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DownloadError {
    /// The server does not have it, or does not give it.
    #[error("{url} is gone (HTTP {status}); the server has to announce it anew")]
    Gone {
        /// The link.
        url: String,
        /// The answer.
        status: u16,
    },
    /// No try brought it to an end.
    #[error("{url} could not be downloaded in {tries} tries, the last ended with: {last}")]
    GivenUp {
        /// The link.
        url: String,
        /// How many.
        tries: u32,
        /// What the last one said.
        last: String,
    },
    /// It is longer than announced.
    #[error("{url} is longer than the {bytes} bytes that were announced")]
    TooLong {
        /// The link.
        url: String,
        /// Bytes announced.
        bytes: u64,
    },
    /// It is another file.
    #[error("{url} does not have the hash that is its name")]
    WrongHash {
        /// The link.
        url: String,
    },
    /// The disk of the till.
    #[error("failed to keep the download of {url}")]
    Disk {
        /// The link.
        url: String,
        /// Why; names the file.
        #[source]
        source: io::Error,
    },
    /// The client could not be made.
    #[error("failed to prepare downloads")]
    Client(#[source] reqwest::Error),
}

impl DownloadError {
    /// Whether the file is not the one that was announced, or it just did not arrive.
    pub(crate) fn cause(&self) -> RejectCause {
        match self {
            Self::TooLong { .. } | Self::WrongHash { .. } => RejectCause::Content,
            Self::Gone { .. } | Self::GivenUp { .. } | Self::Disk { .. } | Self::Client(_) => RejectCause::Transport,
        }
    }
}

/// Downloads packages into one folder, one at a time.
#[derive(Debug, Clone)]
pub(crate) struct Downloader {
    /// Without a token.
    client: Client,
    /// With one.
    own: Client,
    folder: PathBuf,
    limits: DownloadLimits,
    one_at_a_time: Arc<Mutex<()>>,
}

/// One try that did not bring the file to its end.
enum Broken {
    /// It will not get better.
    End(DownloadError),
    /// Perhaps next time; with what the server asked for.
    Retry { why: String, after: Option<Duration> },
}

/// The folder is ours as long as one of these lives: the download's, and that of each piece of its
/// work on disk.
type Turn = Arc<OwnedMutexGuard<()>>;

struct Job<'a> {
    turn: Turn,
    url: &'a str,
    /// The same without what opens it: for logs and reports.
    shown: &'a str,
    token: Option<&'a str>,
    bytes: u64,
    part: PathBuf,
    hasher: blake3::Hasher,
    offset: u64,
    etag: Option<String>,
}

impl Downloader {
    /// Downloads into `folder`, which `one_at_a_time` belongs to.
    pub(crate) fn new(
        folder: PathBuf,
        limits: DownloadLimits,
        one_at_a_time: Arc<Mutex<()>>,
        trust: &Trust,
    ) -> Result<Self, DownloadError> {
        crate::install_crypto();
        let within = |client: reqwest::ClientBuilder| {
            client
                .connect_timeout(limits.connect)
                .read_timeout(limits.idle)
                .user_agent(concat!("tillway-sync-agent/", env!("CARGO_PKG_VERSION")))
        };
        let own = trust.client().and_then(|client| within(client).build()).map_err(DownloadError::Client)?;
        // No secret goes along, and the hash proves what comes: it may lie wherever it is said to.
        let client = Client::builder().redirect(reqwest::redirect::Policy::limited(MAX_REDIRECTS));
        let client = trust.beside_others(within(client)).and_then(reqwest::ClientBuilder::build);
        let client = client.map_err(DownloadError::Client)?;
        Ok(Self { client, own, folder, limits, one_at_a_time })
    }

    /// Brings `package` of `bytes` bytes from `url`, to which `token` is shown, and gives the path
    /// of the whole, checked file.
    ///
    /// Other files in the folder, of links that are no more, are removed.
    pub(crate) async fn fetch(
        &self,
        url: &str,
        token: Option<&str>,
        package: &PackageName,
        bytes: u64,
    ) -> Result<PathBuf, DownloadError> {
        let shown = url.split('?').next().unwrap_or_default();
        let disk = |source| DownloadError::Disk { url: shown.to_owned(), source };
        let target = self.folder.join(package.file_name());
        let part = self.folder.join(format!("{}.part", package.file_name()));
        let turn = Arc::new(Arc::clone(&self.one_at_a_time).lock_owned().await);
        let (hasher, offset) = blocking(&turn, {
            let (folder, target, part) = (self.folder.clone(), target.clone(), part.clone());
            move || {
                tidy(&folder, &[&target, &part])?;
                // A file that was whole before is rehashed like a part: the disk may have changed
                // it.
                if target.exists() {
                    fs::rename(&target, &part)?;
                }
                hash_part(&part)
            }
        })
        .await
        .map_err(disk)?;
        let mut job = Job { turn, url, shown, token, bytes, part, hasher, offset, etag: None };
        let deadline = Instant::now() + self.limits.total;
        let mut backoff = Backoff::new(self.limits.first_wait, self.limits.max_wait);
        let (mut tries, mut idle_tries, mut wrong_files) = (0, 0, 0);
        loop {
            tries += 1;
            let before = job.offset;
            let outcome = if job.offset == bytes {
                Ok(())
            } else {
                tokio::time::timeout_at(deadline, self.attempt(&mut job)).await.unwrap_or_else(|_| {
                    Err(Broken::Retry { why: format!("out of time after {:?}", self.limits.total), after: None })
                })
            };
            let (why, after) = match outcome {
                Ok(()) if job.hasher.finalize().as_bytes() == package_hash(package).as_ref() => {
                    let part = job.part.clone();
                    let done = target.clone();
                    blocking(&job.turn, move || fs::rename(&part, &done)).await.map_err(disk)?;
                    fail::fail_point!("download::renamed");
                    return Ok(target);
                }
                Ok(()) => {
                    job.begin_anew().await.map_err(disk)?;
                    wrong_files += 1;
                    if wrong_files >= MAX_WRONG_FILES {
                        return Err(DownloadError::WrongHash { url: shown.to_owned() });
                    }
                    ("the hash was wrong".to_owned(), None)
                }
                Err(Broken::End(error)) => {
                    if matches!(error, DownloadError::TooLong { .. }) {
                        job.begin_anew().await.map_err(disk)?;
                    }
                    return Err(error);
                }
                Err(Broken::Retry { why, after }) => (why, after),
            };
            if job.offset > before {
                idle_tries = 0;
                backoff.reset();
            } else {
                idle_tries += 1;
            }
            let wait = wait_before_retry(backoff.next_wait(), after, self.limits.max_wait);
            if idle_tries >= self.limits.max_idle_tries || Instant::now() + wait >= deadline {
                return Err(DownloadError::GivenUp { url: shown.to_owned(), tries, last: why });
            }
            tracing::info!(url = shown, tries, offset = job.offset, %why, ?wait, "download interrupted; going on after a wait");
            tokio::time::sleep(wait).await;
        }
    }

    /// The answer to a request for what is missing.
    async fn ask(&self, job: &Job<'_>) -> Result<Response, reqwest::Error> {
        let Some(token) = job.token else { return job.for_rest(self.client.get(job.url)).send().await };
        let response = job.for_rest(self.own.get(job.url)).bearer_auth(token).send().await?;
        match elsewhere(&response) {
            Some(url) => job.for_rest(self.client.get(url)).send().await,
            None => Ok(response),
        }
    }

    async fn attempt(&self, job: &mut Job<'_>) -> Result<(), Broken> {
        let disk = |source| Broken::End(DownloadError::Disk { url: job.shown.to_owned(), source });
        let response = self.ask(job).await.map_err(|error| line(&error.without_url()))?;
        let status = response.status().as_u16();
        match on_status(status, job.offset) {
            StatusMeaning::Rest => {}
            StatusMeaning::Whole if job.offset == 0 => {}
            StatusMeaning::Whole => job.begin_anew().await.map_err(disk)?,
            StatusMeaning::BeginAnew => {
                job.begin_anew().await.map_err(disk)?;
                return Err(Broken::Retry { why: format!("HTTP {status}"), after: None });
            }
            StatusMeaning::Gone => return Err(Broken::End(DownloadError::Gone { url: job.shown.to_owned(), status })),
            StatusMeaning::Later => {
                let after = retry_after(response.headers());
                return Err(Broken::Retry { why: format!("HTTP {status}"), after });
            }
        }
        job.etag = response.headers().get(ETAG).and_then(|etag| etag.to_str().ok()).map(str::to_owned);
        let too_long = || Broken::End(DownloadError::TooLong { url: job.shown.to_owned(), bytes: job.bytes });
        if response.content_length().is_some_and(|more| job.offset.saturating_add(more) > job.bytes) {
            return Err(too_long());
        }
        let mut file = None;
        let mut body = response.bytes_stream();
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| line(&error.without_url()))?;
            if job.offset + piece.len() as u64 > job.bytes {
                return Err(too_long());
            }
            job.hasher.update(&piece);
            job.offset += piece.len() as u64;
            let part = job.part.clone();
            let write = move || {
                let mut file = match file {
                    Some(file) => file,
                    None => fs::OpenOptions::new().create(true).append(true).open(part)?,
                };
                file.write_all(&piece).map(|()| Some(file))
            };
            file = blocking(&job.turn, write).await.map_err(disk)?;
        }
        if job.offset < job.bytes {
            return Err(Broken::Retry { why: format!("cut off after {} bytes", job.offset), after: None });
        }
        fail::fail_point!("download::part_written");
        Ok(())
    }
}

impl Job<'_> {
    fn for_rest(&self, request: RequestBuilder) -> RequestBuilder {
        if self.offset == 0 {
            return request;
        }
        let request = request.header(RANGE, format!("bytes={}-", self.offset));
        match &self.etag {
            Some(etag) => request.header(IF_RANGE, etag),
            None => request,
        }
    }

    async fn begin_anew(&mut self) -> io::Result<()> {
        self.hasher.reset();
        self.offset = 0;
        self.etag = None;
        let part = self.part.clone();
        let remove = move || match fs::remove_file(part) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        };
        blocking(&self.turn, remove).await
    }
}

/// Where an answer leads.
fn elsewhere(response: &Response) -> Option<reqwest::Url> {
    let to = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    response.url().join(to.to_str().ok()?).ok()
}

fn line(error: &reqwest::Error) -> Broken {
    use std::error::Error as _;
    let cause = error.source().map(|cause| format!(": {cause}")).unwrap_or_default();
    Broken::Retry { why: format!("{error}{cause}"), after: None }
}

/// `Retry-After` in seconds; a date is left to the back-off, since a till's clock may be anywhere.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let seconds = headers.get(RETRY_AFTER)?.to_str().ok()?.trim().parse().ok()?;
    Some(Duration::from_secs(seconds))
}

fn hash_part(part: &Path) -> io::Result<(blake3::Hasher, u64)> {
    let mut hasher = blake3::Hasher::new();
    match fs::File::open(part) {
        Ok(file) => {
            hasher.update_reader(file)?;
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {}
        Err(error) => return Err(error),
    }
    let offset = hasher.count();
    Ok((hasher, offset))
}

fn tidy(folder: &Path, keep: &[&Path]) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if !keep.contains(&path.as_path()) && path.is_file() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

/// The hash that a name is. A name is 64 hex digits by its type, so this cannot fail; all zeros
/// would match no file.
fn package_hash(package: &PackageName) -> [u8; 32] {
    blake3::Hash::from_hex(package.as_str()).map_or([0; 32], |hash| *hash.as_bytes())
}

async fn blocking<T: Send + 'static>(
    turn: &Turn,
    work: impl FnOnce() -> io::Result<T> + Send + 'static,
) -> io::Result<T> {
    let turn = Arc::clone(turn);
    let work = move || {
        let done = work();
        drop(turn);
        done
    };
    tokio::task::spawn_blocking(work).await.map_err(io::Error::other)?
}

#[cfg(test)]
mod tests;
