//! The file of a load as it came, for a person who looks at it: where it is kept, until when, and
//! read from its beginning.

use super::aside::lies_in_its_folder;
use super::{Intake, archive, source};
use crate::store::intake::{LoadRecord, LoadSource};
use fs_err as fs;
use jiff::{SignedDuration, Timestamp};
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tillway_proto::LoadId;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Files that are read out at the same time: each takes a thread and a part of the disk, which
/// loads and sales need.
pub(super) const MAX_DOWNLOADS: usize = 4;

/// Longest name of a file that is handed out, in characters.
const MAX_NAME_CHARS: usize = 100;

/// A file that is kept.
#[derive(Debug)]
pub struct KeptFile {
    path: PathBuf,
    is_packed: bool,
    /// When it goes by its age; none: it lies with its producer, or goes with the decision about
    /// the load.
    pub until: Option<Timestamp>,
    /// What a file of it is called: letters, digits, points and dashes.
    pub name: String,
}

/// A kept file that is being read, as it came.
pub struct KeptContent {
    reader: Box<dyn Read + Send>,
    /// Others wait for it.
    _permit: OwnedSemaphorePermit,
}

impl Read for KeptContent {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.reader.read(buffer)
    }
}

impl KeptFile {
    /// Opens it. Blocking.
    pub fn open(&self, permit: OwnedSemaphorePermit) -> io::Result<KeptContent> {
        let (file, _) = source::open(&self.path)?;
        let reader: Box<dyn Read + Send> =
            if self.is_packed { Box::new(zstd::Decoder::new(file)?) } else { Box::new(file) };
        Ok(KeptContent { reader, _permit: permit })
    }
}

impl Intake {
    /// The file of a load, where it is still kept. Blocking.
    pub fn kept(&self, record: &LoadRecord) -> Option<KeptFile> {
        let name = name_of(record);
        if let Some(path) = self.kept_file(record) {
            let stays = lies_in_its_folder(record) || record.held.is_some();
            let until = if stays { None } else { self.until(&path) };
            return Some(KeptFile { path, is_packed: false, until, name });
        }
        let origin = match &record.source {
            LoadSource::Folder(path) => archive::origin(path),
            LoadSource::Rest { .. } => format!("rest-{}", record.node.code()),
        };
        let packed =
            archive::place(&self.settings.backup, record.id, record.queued_at, &origin, archive::PACKED_ENDING);
        let unpacked = archive::unpacked(&packed);
        [(packed, true), (unpacked, false)]
            .into_iter()
            .find(|(path, _)| path.is_file())
            .map(|(path, is_packed)| KeptFile { until: self.until(&path), path, is_packed, name })
    }

    /// For how many days files are kept.
    pub fn keeps_files_for_days(&self) -> u32 {
        self.settings.backup_keep_days
    }

    /// Leave to read a file; none: others read as many as there may be.
    pub fn may_read_kept(&self) -> Option<OwnedSemaphorePermit> {
        Arc::clone(&self.downloads).try_acquire_owned().ok()
    }

    fn until(&self, path: &Path) -> Option<Timestamp> {
        let since = Timestamp::try_from(archive::kept_since(path, &fs::metadata(path).ok()?)).ok()?;
        since.checked_add(SignedDuration::from_hours(24 * i64::from(self.settings.backup_keep_days))).ok()
    }
}

pub(super) fn downloads() -> Arc<Semaphore> {
    Arc::new(Semaphore::new(MAX_DOWNLOADS))
}

/// `load-<number>-<file>`, without anything that a browser or a shell would take for more than a
/// name.
pub(super) fn name_of(record: &LoadRecord) -> String {
    let LoadId(number) = record.id;
    let own = match &record.source {
        LoadSource::Folder(path) => path.file_name().map(|name| name.to_string_lossy().into_owned()),
        LoadSource::Rest { body, .. } => {
            Path::new(body).extension().map(|ending| ending.to_string_lossy().into_owned())
        }
    };
    let plain = |letter: char| if letter.is_ascii_alphanumeric() || ".-_".contains(letter) { letter } else { '_' };
    let own: String = own.unwrap_or_default().chars().map(plain).take(MAX_NAME_CHARS).collect();
    match &record.source {
        LoadSource::Rest { .. } if !own.is_empty() => format!("load-{number}.{own}"),
        _ => format!("load-{number}-{own}"),
    }
}
