//! Backups in a store that speaks S3.
//!
//! A backup goes up in parts; the store shows it once the last one is there. Beside it lies a mark
//! from before its first part until it was read again: what has a mark is a draft. So an end in
//! the middle leaves a mark by which the next preparation finds what to remove. Parts of an upload
//! that nobody ended are seen by no list: a rule of the bucket must remove them.
//!
//! Each request has its deadline and few repeats, so that a store that is away is told soon.
//! Requests run on a thread of their own; whoever waits asks meanwhile whether to go on.

mod requests;

use super::{Draft, Found, GoesOn, MAX_SMALL_BYTES, Target, UNFINISHED};
use crate::backup::error::{BackupError, store_said};
use crate::backup::kept::note_of;
use crate::http_client;
use crate::settings::StoreSettings;
use fs_err as fs;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::client::{HttpClient, HttpConnector};
use object_store::path::Path as Key;
use object_store::{
    BackoffConfig, ClientOptions, GetOptions, GetRange, MultipartUpload, ObjectStore as _, ObjectStoreExt as _,
    PutPayload, RetryConfig,
};
use requests::{Asked, Requests};
use std::collections::HashSet;
use std::fmt;
use std::future::Future;
use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

/// To reach the store.
const CONNECT_TIME: Duration = Duration::from_secs(10);

/// For one request with its answer: a part of 8 MiB takes a minute on a line of 1 Mbit/s.
const REQUEST_TIME: Duration = Duration::from_mins(3);

/// Repeats of a request, and for how long.
const REPEATS: usize = 3;
const REPEATED_FOR: Duration = Duration::from_secs(30);

/// How long an upload that is given up waits for the store to forget it.
const GIVE_UP_TIME: Duration = Duration::from_secs(5);

/// Smallest part of an upload: S3 wants at least 5 MiB of all but the last, and parts of one size
/// suit all stores. Two are in memory at a time.
const PART_BYTES: u64 = 8 * 1024 * 1024;

/// S3 takes 10,000 parts; a backup that grew since its size was guessed has room.
const MOST_PARTS: u64 = 5_000;

/// Bytes read with one request.
const READ_BYTES: u64 = 8 * 1024 * 1024;

/// A bucket, or what begins with a prefix in it.
pub struct StoreTarget {
    store: Arc<AmazonS3>,
    place: PathBuf,
    prefix: String,
    requests: Requests,
}

impl fmt::Debug for StoreTarget {
    /// The store knows the access key.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StoreTarget").field("place", &self.place()).finish_non_exhaustive()
    }
}

impl StoreTarget {
    /// With these settings. Asks the store nothing.
    pub fn new(settings: &StoreSettings) -> Result<Self, BackupError> {
        if let Some((key, allowed)) = settings.fault() {
            let source = io::Error::other(format!("{key} must be {allowed}"));
            return Err(BackupError::StoreSettings { source });
        }
        let unfit = |source: io::Error| BackupError::StoreSettings { source };
        let (id, secret) = access_key(&settings.key_file)?;
        let client = client(settings)?;
        let mut builder = AmazonS3Builder::new()
            .with_region(&settings.region)
            .with_bucket_name(&settings.bucket)
            .with_access_key_id(id)
            .with_secret_access_key(secret)
            .with_virtual_hosted_style_request(settings.bucket_in_host)
            .with_disable_bulk_delete(true)
            .with_http_connector(Made(client))
            .with_retry(RetryConfig {
                backoff: BackoffConfig::default(),
                max_retries: REPEATS,
                retry_timeout: REPEATED_FOR,
            });
        if let Some(endpoint) = &settings.endpoint {
            let mut endpoint = endpoint.clone();
            if settings.bucket_in_host {
                let host = format!("{}.{}", settings.bucket, endpoint.host_str().unwrap_or_default());
                endpoint.set_host(Some(&host)).map_err(|error| unfit(io::Error::other(error)))?;
            }
            builder = builder.with_endpoint(endpoint.as_str().trim_end_matches('/'));
        }
        let store = builder.build().map_err(|error| unfit(io::Error::other(error)))?;
        Ok(Self {
            store: Arc::new(store),
            place: settings.path(),
            prefix: settings.prefix.clone(),
            requests: Requests::new().map_err(unfit)?,
        })
    }

    fn key(&self, name: &str) -> Key {
        Key::from(self.prefix.as_str()).join(name)
    }

    fn mark(name: &str) -> String {
        format!("{UNFINISHED}{name}")
    }

    /// Why something was not done, as a person needs to know it.
    fn failed(&self, name: &str, error: object_store::Error) -> BackupError {
        failed(self.path_of(name), error)
    }

    fn wait<T: Send + 'static>(
        &self,
        name: &str,
        request: impl Future<Output = object_store::Result<T>> + Send + 'static,
    ) -> Result<T, BackupError> {
        let answered = self.requests.ask(request).wait(&|| true);
        let path = self.path_of(name);
        answered.map_err(|source| BackupError::Read { path, source })?.map_err(|error| self.failed(name, error))
    }

    /// All that lies there.
    fn objects(&self) -> Result<Vec<Found>, BackupError> {
        let (store, prefix) = (Arc::clone(&self.store), self.prefix.clone());
        let listed = self.wait("", async move {
            let prefix = Some(Key::from(prefix)).filter(|prefix| !prefix.as_ref().is_empty());
            store.list_with_delimiter(prefix.as_ref()).await
        })?;
        let found = |meta: object_store::ObjectMeta| {
            let name = meta.location.filename()?.to_owned();
            Some(Found { name, bytes: meta.size })
        };
        Ok(listed.objects.into_iter().filter_map(found).collect())
    }

    fn reader<'a>(&'a self, name: &str, goes_on: GoesOn<'a>) -> Result<Box<dyn Read + 'a>, BackupError> {
        let key = self.key(name);
        // Its beginning tells its size and its mark; from then on it must be the same object.
        let first = part(Arc::clone(&self.store), key.clone(), None, 0..READ_BYTES);
        let answered = self.requests.ask(first).wait(goes_on);
        let answered = answered.map_err(|source| BackupError::Read { path: self.path_of(name), source })?;
        let Part { bytes, size, e_tag } = answered.map_err(|error| self.failed(name, error))?;
        let at = bytes.len() as u64;
        Ok(Box::new(Reader { target: self, key, goes_on, size, e_tag, at, part: io::Cursor::new(bytes) }))
    }
}

impl Target for StoreTarget {
    fn place(&self) -> PathBuf {
        self.place.clone()
    }

    fn path_of(&self, name: &str) -> PathBuf {
        if name.is_empty() { self.place() } else { self.place.join(name) }
    }

    fn prepare(&self) -> Result<(), BackupError> {
        for Found { name, .. } in self.objects()? {
            if let Some(name) = name.strip_prefix(UNFINISHED) {
                self.discard(name)?;
            }
        }
        Ok(())
    }

    fn list(&self) -> Result<Vec<Found>, BackupError> {
        let all = self.objects()?;
        let drafts: HashSet<String> =
            all.iter().filter_map(|found| found.name.strip_prefix(UNFINISHED)).map(str::to_owned).collect();
        let listed = |found: &Found| !found.name.starts_with('.') && !drafts.contains(&found.name);
        Ok(all.into_iter().filter(listed).collect())
    }

    fn read(&self, name: &str) -> Result<Option<Vec<u8>>, BackupError> {
        let (store, key) = (Arc::clone(&self.store), self.key(name));
        let got = self.wait(name, async move {
            let got = match store.get(&key).await {
                // A bucket that is not there is told; an object that is not there is none.
                Err(object_store::Error::NotFound { source, .. }) if !source.to_string().contains(NO_BUCKET) => {
                    return Ok(None);
                }
                got => got?,
            };
            if got.meta.size > MAX_SMALL_BYTES {
                let source = format!("it has {} bytes", got.meta.size).into();
                return Err(object_store::Error::Generic { store: "S3", source });
            }
            got.bytes().await.map(|bytes| Some(bytes.to_vec()))
        })?;
        Ok(got)
    }

    fn write(&self, name: &str, bytes: &[u8]) -> Result<(), BackupError> {
        let (store, key) = (Arc::clone(&self.store), self.key(name));
        let payload = PutPayload::from(bytes.to_vec());
        self.wait(name, async move { store.put(&key, payload).await }).map(drop)
    }

    fn remove(&self, name: &str) -> Result<(), BackupError> {
        let (store, key) = (Arc::clone(&self.store), self.key(name));
        self.wait(name, async move {
            match store.delete(&key).await {
                Err(object_store::Error::NotFound { source, .. }) if !source.to_string().contains(NO_BUCKET) => Ok(()),
                deleted => deleted,
            }
        })
    }

    fn draft<'a>(
        &'a self,
        name: &str,
        most_bytes: u64,
        goes_on: GoesOn<'a>,
    ) -> Result<Box<dyn Draft + 'a>, BackupError> {
        self.write(&Self::mark(name), b"")?;
        let (store, key) = (Arc::clone(&self.store), self.key(name));
        let upload = self.wait(name, async move { store.put_multipart(&key).await })?;
        let part_bytes = part_bytes(most_bytes);
        Ok(Box::new(Upload {
            target: self,
            name: name.to_owned(),
            goes_on,
            parts: Some(upload),
            part: Vec::with_capacity(part_bytes),
            part_bytes,
            under_way: None,
        }))
    }

    fn open_draft<'a>(&'a self, name: &str, goes_on: GoesOn<'a>) -> Result<Box<dyn Read + 'a>, BackupError> {
        self.reader(name, goes_on)
    }

    fn publish(&self, name: &str) -> Result<(), BackupError> {
        self.remove(&Self::mark(name))
    }

    fn discard(&self, name: &str) -> Result<(), BackupError> {
        // The mark last: as long as it is there, what is left of the draft is found again.
        for name in [note_of(name), name.to_owned(), Self::mark(name)] {
            self.remove(&name)?;
        }
        Ok(())
    }

    fn open<'a>(&'a self, name: &str, goes_on: GoesOn<'a>) -> Result<Box<dyn Read + 'a>, BackupError> {
        self.reader(name, goes_on)
    }
}

/// What S3 calls a bucket that is not there.
const NO_BUCKET: &str = "NoSuchBucket";

/// What it says to whoever may not do something.
const DENIALS: [&str; 5] =
    ["AccessDenied", "SignatureDoesNotMatch", "InvalidAccessKeyId", "RequestTimeTooSkewed", "403 Forbidden"];

fn failed(path: PathBuf, source: object_store::Error) -> BackupError {
    use object_store::Error;
    // Of a list the library keeps the code in its text alone.
    let said = source.to_string();
    let denied = matches!(source, Error::PermissionDenied { .. } | Error::Unauthenticated { .. });
    if said.contains(NO_BUCKET) {
        BackupError::NoBucket { path, source }
    } else if denied || DENIALS.iter().any(|code| said.contains(code)) {
        BackupError::StoreDenies { path, source }
    } else {
        BackupError::StoreFails { path, source }
    }
}

/// Reads the id of the access key and its secret.
fn access_key(path: &Path) -> Result<(String, String), BackupError> {
    let text = fs::read_to_string(path).map_err(|source| BackupError::Read { path: path.to_owned(), source })?;
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match (lines.next(), lines.next(), lines.next()) {
        (Some(id), Some(secret), None) => Ok((id.to_owned(), secret.to_owned())),
        _ => Err(BackupError::Unfit {
            path: path.to_owned(),
            reason: "it must hold the id of the access key in its first line and its secret in the second".to_owned(),
        }),
    }
}

fn client(settings: &StoreSettings) -> Result<reqwest::Client, BackupError> {
    let unfit = |source: reqwest::Error| BackupError::StoreSettings { source: io::Error::other(source) };
    let mut builder = http_client::builder()
        .connect_timeout(CONNECT_TIME)
        .timeout(REQUEST_TIME)
        .https_only(!settings.allow_http)
        // A signature is good for one address.
        .redirect(reqwest::redirect::Policy::none());
    if let Some(path) = &settings.authority {
        let pem = fs::read(path).map_err(|source| BackupError::Read { path: path.clone(), source })?;
        builder = builder.tls_certs_only(reqwest::Certificate::from_pem_bundle(&pem).map_err(unfit)?);
    }
    builder.build().map_err(unfit)
}

/// Hands out the client that was made here, whatever the library's options say.
#[derive(Debug)]
struct Made(reqwest::Client);

impl HttpConnector for Made {
    fn connect(&self, _: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.0.clone()))
    }
}

/// Bytes of each part of an upload.
fn part_bytes(most_bytes: u64) -> usize {
    const MIB: u64 = 1024 * 1024;
    let needed = most_bytes.div_ceil(MOST_PARTS).div_ceil(MIB) * MIB;
    usize::try_from(needed.max(PART_BYTES)).unwrap_or(usize::MAX)
}

/// A draft on its way up.
struct Upload<'a> {
    target: &'a StoreTarget,
    name: String,
    goes_on: GoesOn<'a>,
    parts: Option<Box<dyn MultipartUpload>>,
    part: Vec<u8>,
    part_bytes: usize,
    under_way: Option<Asked<object_store::Result<()>>>,
}

impl Upload<'_> {
    /// Sends what is gathered, once the part before is there.
    fn send(&mut self) -> io::Result<()> {
        self.settle()?;
        let part = std::mem::replace(&mut self.part, Vec::with_capacity(self.part_bytes));
        let Some(upload) = &mut self.parts else { return Err(io::ErrorKind::BrokenPipe.into()) };
        self.under_way = Some(self.target.requests.ask(upload.put_part(PutPayload::from(part))));
        Ok(())
    }

    fn settle(&mut self) -> io::Result<()> {
        match self.under_way.take() {
            Some(under_way) => under_way.wait(self.goes_on)?.map_err(|error| io::Error::other(store_said(&error))),
            None => Ok(()),
        }
    }
}

impl Write for Upload<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let taken = bytes.len().min(self.part_bytes - self.part.len());
        self.part.extend_from_slice(&bytes[..taken]);
        if self.part.len() == self.part_bytes {
            self.send()?;
        }
        Ok(taken)
    }

    /// A part is sent when it is full.
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Draft for Upload<'_> {
    fn finish(mut self: Box<Self>) -> Result<(), BackupError> {
        let failed = |path: PathBuf, source| BackupError::Write { path, source };
        let path = self.target.path_of(&self.name);
        if !self.part.is_empty() {
            self.send().map_err(|source| failed(path.clone(), source))?;
        }
        self.settle().map_err(|source| failed(path.clone(), source))?;
        let Some(mut upload) = self.parts.take() else { return Ok(()) };
        let completing = self.target.requests.ask(async move { (upload.complete().await.map(drop), upload) });
        let (completed, upload) = completing.wait(self.goes_on).map_err(|source| failed(path, source))?;
        completed.map_err(|error| {
            // It is given up as one that was dropped.
            self.parts = Some(upload);
            self.target.failed(&self.name, error)
        })
    }
}

impl Drop for Upload<'_> {
    fn drop(&mut self) {
        self.under_way = None;
        if let Some(mut upload) = self.parts.take() {
            let given_up = self.target.requests.ask(async move { upload.abort().await });
            given_up.wait_at_most(GIVE_UP_TIME);
        }
    }
}

/// A part of an object, and what was told of the whole.
struct Part {
    bytes: Vec<u8>,
    size: u64,
    e_tag: Option<String>,
}

async fn part(
    store: Arc<AmazonS3>,
    key: Key,
    e_tag: Option<String>,
    range: std::ops::Range<u64>,
) -> object_store::Result<Part> {
    let options = GetOptions { if_match: e_tag, range: Some(GetRange::Bounded(range)), ..GetOptions::default() };
    let got = store.get_opts(&key, options).await?;
    let (size, e_tag) = (got.meta.size, got.meta.e_tag.clone());
    Ok(Part { bytes: got.bytes().await?.to_vec(), size, e_tag })
}

/// Reads an object part by part.
struct Reader<'a> {
    target: &'a StoreTarget,
    key: Key,
    goes_on: GoesOn<'a>,
    size: u64,
    e_tag: Option<String>,
    /// Where the next part begins.
    at: u64,
    part: io::Cursor<Vec<u8>>,
}

impl Read for Reader<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let read = self.part.read(into)?;
        if read > 0 || into.is_empty() || self.at >= self.size {
            return Ok(read);
        }
        let range = self.at..self.size.min(self.at + READ_BYTES);
        let next = part(Arc::clone(&self.target.store), self.key.clone(), self.e_tag.clone(), range);
        let Part { bytes, .. } =
            self.target.requests.ask(next).wait(self.goes_on)?.map_err(|error| io::Error::other(store_said(&error)))?;
        if bytes.is_empty() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += bytes.len() as u64;
        self.part = io::Cursor::new(bytes);
        self.part.read(into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_of_one_size_and_few_enough_for_what_is_expected() {
        assert_eq!(part_bytes(0) as u64, PART_BYTES);
        assert_eq!(part_bytes(PART_BYTES * MOST_PARTS) as u64, PART_BYTES);
        let large = 3 << 40;
        let bytes = part_bytes(large) as u64;
        assert!(bytes > PART_BYTES && bytes.is_multiple_of(1 << 20) && large.div_ceil(bytes) <= MOST_PARTS, "{bytes}");
    }

    #[test]
    fn an_access_key_has_two_lines() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("s3.key");
        fs::write(&path, "# of the bucket\nAKIA\n\nsecret+/=\n").unwrap();
        assert_eq!(access_key(&path).unwrap(), ("AKIA".to_owned(), "secret+/=".to_owned()));
        for wrong in ["", "AKIA\n", "a\nb\nc\n"] {
            fs::write(&path, wrong).unwrap();
            assert!(matches!(access_key(&path), Err(BackupError::Unfit { .. })), "{wrong:?}");
        }
    }
}
