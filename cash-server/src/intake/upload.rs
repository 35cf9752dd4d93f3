//! A file that a person sends on the page. It is loaded and held whatever it does: people see what
//! it would do before one of them says yes.
//!
//! It has its record in the journal, or it was never accepted, as a body over REST: it is written
//! under a hidden name, made durable, renamed, and then recorded.

use super::Intake;
use super::encoding::{Incoming, WrongEncoding};
use super::rest::{BodyFile, is_too_slow};
use crate::reserve::NoRoom;
use crate::store::StoreError;
use crate::store::intake::{Consent, EncodingFault, LoadSource, NewLoad};
use crate::words::as_said;
use jiff::Timestamp;
use serde::Serialize;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tillway_file_queue::durable;
use tillway_proto::{LoadId, NodeId};
use tillway_service::audit::AuditLine;
use tokio::io::AsyncWriteExt as _;
use tokio::sync::OwnedSemaphorePermit;
use tokio::task::JoinError;
use uuid::Uuid;

/// Files that are received at once. They have places of their own: back offices do not wait for
/// people.
pub(super) const MAX_UPLOADS: usize = 2;

/// Bytes between two looks at the room on the disk.
const ROOM_STEP_BYTES: u64 = 4 * 1024 * 1024;

/// Why a file was not taken.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum UploadError {
    /// Too many at once.
    #[error("{max} files are being received already: send it again in a moment")]
    UploadsBusy {
        /// The most.
        max: usize,
    },
    /// The form has no file, or an empty one.
    #[error("no file was chosen, or it is empty")]
    UploadEmpty,
    /// It is too large.
    #[error("the file is larger than {max_bytes} bytes, the limit aif.body_limit_mib of the server's settings")]
    UploadTooLarge {
        /// The most.
        max_bytes: u64,
    },
    /// It did not come whole.
    #[error("the file did not come whole: send it again")]
    UploadCutOff,
    /// It is in another encoding than files of this server.
    #[error("the file is in another encoding than files of this server")]
    UploadEncoding {
        /// What it looks like.
        reason: EncodingFault,
    },
    /// It could not be written.
    #[error("failed to keep the file: see the server's log, free space on its disk and send it again")]
    UploadNotKept {
        /// What the system says.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The disk has no room for it.
    #[error(transparent)]
    #[serde(untagged)]
    NoRoom(#[from] NoRoom),
    /// The record of loads.
    #[error(transparent)]
    #[serde(untagged)]
    Store(#[from] StoreError),
}

impl From<JoinError> for UploadError {
    fn from(join: JoinError) -> Self {
        not_kept(io::Error::other(join))
    }
}

fn not_kept(source: io::Error) -> UploadError {
    UploadError::UploadNotKept { source }
}

/// A file on its way. What is dropped before it is accepted leaves nothing.
pub struct Upload {
    intake: Arc<Intake>,
    node: NodeId,
    file: BodyFile,
    output: tokio::fs::File,
    charset: Incoming,
    /// Its first byte that is no blank.
    first: Option<u8>,
    received: u64,
    written: u64,
    room_at: u64,
    began: Instant,
    _place: UploadPlace,
}

/// One of the places for files that are received at once.
pub struct UploadPlace(#[allow(dead_code)] OwnedSemaphorePermit); // held, never read

impl Intake {
    /// A place for a file that is about to come.
    pub fn upload_place(&self) -> Result<UploadPlace, UploadError> {
        let busy = |_| UploadError::UploadsBusy { max: MAX_UPLOADS };
        Arc::clone(&self.page_uploads).try_acquire_owned().map(UploadPlace).map_err(busy)
    }

    /// Most bytes of a file.
    pub fn max_upload_bytes(&self) -> u64 {
        self.settings.max_body_bytes
    }

    /// A file for the layer of a node begins to come.
    pub async fn begin_upload(self: &Arc<Self>, node: NodeId, place: UploadPlace) -> Result<Upload, UploadError> {
        let name = Uuid::now_v7().simple().to_string();
        let path = self.settings.bodies.join(format!(".{name}.part"));
        // Whatever ends this from here on removes it.
        let file = BodyFile::new(name, path.clone());
        let output = tokio::fs::File::create(&path).await.map_err(not_kept)?;
        Ok(Upload {
            intake: Arc::clone(self),
            node,
            file,
            output,
            charset: Incoming::new(self.settings.encoding),
            first: None,
            received: 0,
            written: 0,
            room_at: 0,
            began: Instant::now(),
            _place: place,
        })
    }
}

impl Upload {
    /// The node that it is for.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// How long the next part may take.
    pub fn idle(&self) -> Duration {
        self.intake.settings.body_idle
    }

    /// The next part.
    pub async fn push(&mut self, part: &[u8]) -> Result<(), UploadError> {
        let max_bytes = self.intake.settings.max_body_bytes;
        self.received += part.len() as u64;
        if self.received > max_bytes {
            return Err(UploadError::UploadTooLarge { max_bytes });
        }
        if is_too_slow(&self.intake.settings, self.began.elapsed(), self.received) {
            return Err(UploadError::UploadCutOff);
        }
        if self.written >= self.room_at {
            self.room_at = self.written + ROOM_STEP_BYTES;
            let intake = Arc::clone(&self.intake);
            let looked = tokio::task::spawn_blocking(move || intake.room(0));
            looked.await??;
        }
        let wrong = |wrong: WrongEncoding| UploadError::UploadEncoding { reason: wrong.reason() };
        let text = self.charset.push(part).map_err(wrong)?;
        let is_blank = |byte: &&u8| byte.is_ascii_whitespace() || b"\xef\xbb\xbf".contains(byte);
        self.first = self.first.or_else(|| text.iter().find(|byte| !is_blank(byte)).copied());
        self.written += text.len() as u64;
        self.output.write_all(&text).await.map_err(not_kept)
    }

    /// All has come. `name`: the file's on the person's machine. The load.
    pub async fn accept(mut self, name: &str, line: AuditLine) -> Result<LoadId, UploadError> {
        let charset = std::mem::replace(&mut self.charset, Incoming::new(self.intake.settings.encoding));
        let wrong = |wrong: WrongEncoding| UploadError::UploadEncoding { reason: wrong.reason() };
        self.output.write_all(&charset.end().map_err(wrong)?).await.map_err(not_kept)?;
        self.output.flush().await.map_err(not_kept)?;
        self.output.sync_all().await.map_err(not_kept)?;
        let formats = &self.intake.settings.formats;
        let ending = match self.first {
            None => return Err(UploadError::UploadEmpty),
            Some(b'[') => formats.body().ending(),
            Some(_) => formats.usual_ending(),
        };
        self.file.name += ending;
        let name = Some(name.to_owned()).filter(|name| !name.is_empty());
        let load = NewLoad {
            node: self.node.clone(),
            source: LoadSource::Rest { body: self.file.name.clone(), dictionary_id: name, retry_of: None },
            bytes: self.written,
            at: Timestamp::now(),
            watch: None,
            delivery: None,
            consent: Consent::AskFirst,
        };
        let accepted = tokio::task::spawn_blocking(move || self.record(&load, &line));
        accepted.await?
    }

    fn record(mut self, load: &NewLoad, line: &AuditLine) -> Result<LoadId, UploadError> {
        let target = self.intake.settings.bodies.join(&self.file.name);
        if let Some(path) = &self.file.path {
            durable::rename(path, &target).map_err(not_kept)?;
        }
        self.file.path = Some(target);
        let id = self.intake.journal.accept_from(load, line)?;
        self.file.path = None;
        tracing::info!(load = id.0, node = %load.node, bytes = load.bytes, "accepted a file from the page");
        self.intake.arrived.notify_one();
        Ok(id)
    }
}
