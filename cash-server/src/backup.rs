//! Backups: what nobody else has, of one moment, in one encrypted file a day, and the way back.
//!
//! In it are all databases but what was built of packages, the spool, what was taken in over REST
//! and is not loaded yet, the credentials, and the settings. Made in a folder of work beside the
//! databases, from copies that were checked, then read again from its place before it counts.
//! Beside each lies a note ([`Note`]): when, how long, its hash, how it was rehearsed.
//!
//! A **rehearsal** unpacks the newest one into a scratch folder, opens its databases as a server
//! would, and holds their rows against what it was made of. A backup that nobody has ever restored
//! is none.
//!
//! The way back: [`restore`]. Tills that were removed since stay out of it: [`peers`].
//!
//! **Architecture invariant:** no clock deletes the newest backup.

pub mod archive;
pub mod key;
mod peers;
pub mod restore;
mod tasks;
#[cfg(test)]
mod tests;

pub use peers::Reconciled;

use crate::network::{NetworkError, NetworkService};
use crate::reserve::{DiskReserve, NoRoom};
use crate::settings::credentials::{CREDENTIALS_DIR, CredentialsError};
use crate::settings::{BackupSettings, TLS_DIR};
use crate::store::copies::{Copied, Copying};
use crate::store::{StoreError, Stores};
use crate::words::{Reason, as_said};
use age::x25519::Identity;
use archive::{FORMAT, Manifest, Piece};
use fs_err::{self as fs, File};
use jiff::{Timestamp, ToSpan as _};
use peers::Peers;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tillway_file_queue::durable;
use tokio::sync::Notify;

/// Folders of the data folder that go into a backup whole, beside the databases.
const FOLDERS: [&str; 4] = [CREDENTIALS_DIR, TLS_DIR, "inbox-rest", "spool"];

/// The databases in an archive.
const DATABASES: &str = "databases";

/// The settings in an archive.
const SETTINGS: &str = "settings/cash-server.toml";

/// The folder of work in the data folder.
const WORK: &str = "backup-work";

/// What the name of a backup begins with.
const PREFIX: &str = "tillway-";

/// What the name of one begins with that is not finished: no list takes it for a backup.
const UNFINISHED: &str = ".unfinished-";

/// What the name of a backup ends with, encrypted or not.
const SUFFIXES: [&str; 2] = [".tar.zst.age", ".tar.zst"];

/// Why there is no backup, or none that can be put back.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum BackupError {
    /// The key.
    #[error(transparent)]
    #[serde(rename = "backup-key-fails")]
    Credentials {
        /// Why.
        #[from]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: CredentialsError,
    },
    /// A file could not be read.
    #[error("failed to read {}", path.display())]
    #[serde(rename = "backup-not-read")]
    Read {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// A file could not be written.
    #[error("failed to write {}", path.display())]
    #[serde(rename = "backup-not-written")]
    Write {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// The key does not open it.
    #[error("this key does not open {}: take the one of the server that made it", path.display())]
    #[serde(rename = "backup-of-other-key")]
    Key {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: age::DecryptError,
    },
    /// It needs a key.
    #[error("{} is encrypted: name the file with the server's key (--key-file)", path.display())]
    #[serde(rename = "backup-needs-key")]
    NoKey {
        /// Which one.
        path: PathBuf,
    },
    /// It is not what it was when it was made.
    #[error("{} is damaged: {reason}; take another backup", path.display())]
    #[serde(rename = "backup-damaged")]
    Unfit {
        /// Which one.
        path: PathBuf,
        /// What is wrong.
        #[serde(rename = "detail")]
        reason: String,
    },
    /// There is none yet.
    #[error("there is no backup yet")]
    #[serde(rename = "no-backup")]
    None,
    /// What is to be put back would go over what is there.
    #[error(
        "there are databases in {} already: say --replace, which moves them aside, or name another data folder",
        folder.display()
    )]
    #[serde(rename = "restore-over-databases")]
    Occupied {
        /// The data folder.
        folder: PathBuf,
    },
    /// There is no list of who belongs to the server.
    #[error("{} is missing: if it is lost, say --without-peers", path.display())]
    #[serde(rename = "restore-without-peers")]
    NoPeers {
        /// Where it was looked for.
        path: PathBuf,
    },
    /// There is too little room.
    #[error("there is no room for a backup")]
    #[serde(untagged)]
    NoRoom(#[source] NoRoom),
    /// The databases could not be copied or opened.
    #[error(transparent)]
    #[serde(untagged)]
    Store(#[from] StoreError),
    /// The network could not be read or changed.
    #[error(transparent)]
    #[serde(untagged)]
    Network(#[from] NetworkError),
    /// A server works there.
    #[error(transparent)]
    #[serde(untagged)]
    Running(#[from] crate::lock::LockError),
}

/// What lies beside a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// The moment that it shows.
    pub at: Timestamp,
    /// Version of the server that made it.
    pub version: String,
    /// Bytes of the file.
    pub bytes: u64,
    /// BLAKE3 of the file.
    pub hash: String,
    /// Its last rehearsal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehearsed: Option<Rehearsal>,
}

/// How a rehearsal ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rehearsal {
    /// When.
    pub at: Timestamp,
    /// Rows that were there again.
    pub rows: u64,
    /// What was wrong; none: all of it was there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Reason>,
}

/// One backup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Its name: that of the file.
    pub name: String,
    /// What lies beside it.
    pub note: Note,
}

/// How far the backup is that is being made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What is being done.
    pub step: Step,
    /// Bytes done of this step.
    pub done: u64,
    /// Bytes of this step.
    pub total: u64,
}

/// How the last backup or rehearsal of this process ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// Why it failed; none: it did not.
    pub fault: Option<Reason>,
}

/// What is being done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Copying the databases.
    Copying,
    /// Packing and encrypting.
    Packing,
    /// Reading it again.
    Verifying,
}

impl Step {
    /// The word, as over REST.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Copying => "copying",
            Self::Packing => "packing",
            Self::Verifying => "verifying",
        }
    }
}

/// What backups work with.
pub struct BackupParts {
    /// What is backed up.
    pub stores: Stores,
    /// The data folder.
    pub data_dir: PathBuf,
    /// The settings file, where there is one.
    pub settings_file: Option<PathBuf>,
    /// Where, when, how long.
    pub settings: BackupSettings,
    /// The server's name.
    pub server: String,
    /// What opens backups.
    pub key: Identity,
    /// Room that stays free.
    pub reserve: DiskReserve,
}

/// Backups of this server. Cheap to clone; calls block.
#[derive(Clone)]
pub struct Backups {
    parts: Arc<BackupParts>,
    progress: Arc<Mutex<Option<Progress>>>,
    /// One backup or rehearsal at a time: each needs room.
    turn: Arc<Mutex<()>>,
    making: Arc<Errand>,
    rehearsal: Arc<Errand>,
}

/// Work that can be asked for.
#[derive(Debug, Default)]
struct Errand {
    asked: AtomicBool,
    poke: Arc<Notify>,
    ended: Mutex<Option<Ended>>,
}

impl Errand {
    fn ask(&self) {
        self.asked.store(true, Ordering::SeqCst);
        self.poke.notify_one();
    }

    fn take(&self) -> bool {
        self.asked.swap(false, Ordering::SeqCst)
    }

    fn note<T>(&self, ended: &Result<T, BackupError>) {
        let fault = ended.as_ref().err().map(Reason::of);
        *lock(&self.ended) = Some(Ended { at: Timestamp::now(), fault });
    }
}

impl Backups {
    /// Over its parts. The work of a server that was ended in the middle is removed.
    pub fn open(parts: BackupParts) -> Result<Self, BackupError> {
        let this = Self {
            parts: Arc::new(parts),
            progress: Arc::default(),
            turn: Arc::default(),
            making: Arc::default(),
            rehearsal: Arc::default(),
        };
        remove_folder(&this.work())?;
        Ok(this)
    }

    /// Where they are kept.
    pub fn folder(&self) -> &Path {
        &self.parts.settings.folder
    }

    /// Whether one is made each day.
    pub fn are_daily(&self) -> bool {
        self.parts.settings.daily
    }

    /// Whether they lie on the disk that they are to save from. What cannot be told is no.
    pub fn are_on_the_same_disk(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let disk = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
        disk(self.folder()).is_some_and(|own| disk(&self.parts.data_dir) == Some(own))
    }

    /// How far the one is that is being made now.
    pub fn progress(&self) -> Option<Progress> {
        *lock(&self.progress)
    }

    /// Has one made soon.
    pub fn ask_for_backup(&self) {
        self.making.ask();
    }

    /// Has the newest one rehearsed soon.
    pub fn ask_for_rehearsal(&self) {
        self.rehearsal.ask();
    }

    /// How the last backup of this process ended.
    pub fn backup_ended(&self) -> Option<Ended> {
        lock(&self.making.ended).clone()
    }

    /// How its last rehearsal ended.
    pub fn rehearsal_ended(&self) -> Option<Ended> {
        lock(&self.rehearsal.ended).clone()
    }

    /// Those that are kept, newest first. One whose note does not read is left out, and stays.
    pub fn list(&self) -> Result<Vec<Kept>, BackupError> {
        list(self.folder())
    }

    /// Makes one, and reads it again. `goes_on` is asked now and then.
    pub fn create(&self, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<Kept, BackupError> {
        let _turn = lock(&self.turn);
        let made = self.make(goes_on);
        *lock(&self.progress) = None;
        // Whatever happened: the copies hold what must not lie about.
        let removed = remove_folder(&self.work());
        let made = made.and_then(|made| removed.map(|()| made)).and_then(|made| {
            self.keep(Timestamp::now())?;
            Ok(made)
        });
        self.making.note(&made);
        made
    }

    fn make(&self, goes_on: &(dyn Fn() -> bool + Sync)) -> Result<Kept, BackupError> {
        let BackupParts { stores, data_dir, settings, .. } = &*self.parts;
        let (work, folder) = (self.work(), self.folder());
        for folder in [&work, folder] {
            make_folder(folder)?;
        }
        remove_unfinished(folder)?;
        let need = database_bytes(data_dir);
        self.parts.reserve.check(&work, need).map_err(BackupError::NoRoom)?;
        let at = Timestamp::now();
        let mut copying = InUse { backups: self, goes_on, beside: Vec::new() };
        let copies = stores.copy(&work, &mut copying)?;
        let mut pieces = std::mem::take(&mut copying.beside);
        for Copied { name, .. } in &copies {
            pieces.push(piece(format!("{DATABASES}/{name}"), &work.join(name))?);
        }
        let manifest = Manifest {
            format: FORMAT,
            at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            server: self.parts.server.clone(),
            files: BTreeMap::new(),
            rows: copies.into_iter().map(|copy| (copy.name, copy.rows)).collect(),
        };
        let total = pieces.iter().map(|piece| piece.bytes).sum();
        // Packed it is smaller, by how much nobody knows before.
        self.parts.reserve.check(folder, total / 2).map_err(BackupError::NoRoom)?;
        let key = settings.encrypt.then_some(&self.parts.key);
        let name = name_at(at, key.is_some());
        let fresh = folder.join(format!("{UNFINISHED}{name}"));
        let mut packing = |done| {
            self.tell(Step::Packing, done, total);
            goes_on()
        };
        let (_, bytes, hash) = archive::write(&fresh, key, pieces, manifest, &mut packing)?;
        self.tell(Step::Verifying, 0, bytes);
        archive::read(&fresh, key, None)?;
        let path = folder.join(&name);
        durable::rename(&fresh, &path).map_err(|source| BackupError::Write { path, source })?;
        let kept = Kept {
            name,
            note: Note { at, version: env!("CARGO_PKG_VERSION").to_owned(), bytes, hash, rehearsed: None },
        };
        write_note(folder, &kept)?;
        tracing::info!(backup = kept.name, bytes, "made a backup");
        Ok(kept)
    }

    /// Unpacks the newest one, opens it as a server would, and compares. What came out is noted
    /// beside it.
    pub fn rehearse(&self) -> Result<Kept, BackupError> {
        let _turn = lock(&self.turn);
        let rehearsed = self.rehearse_newest();
        self.rehearsal.note(&rehearsed);
        rehearsed
    }

    fn rehearse_newest(&self) -> Result<Kept, BackupError> {
        let BackupParts { data_dir, key, reserve, .. } = &*self.parts;
        let mut kept = self.list()?.into_iter().next().ok_or(BackupError::None)?;
        reserve.check(data_dir, database_bytes(data_dir)).map_err(BackupError::NoRoom)?;
        let scratch = self.work();
        let path = self.folder().join(&kept.name);
        let rehearsed = remove_folder(&scratch).and_then(|()| rehearse(&path, key, &scratch));
        remove_folder(&scratch)?;
        let (rows, fault) = match &rehearsed {
            Ok(rows) => (*rows, None),
            Err(error) => (0, Some(Reason::of(error))),
        };
        kept.note.rehearsed = Some(Rehearsal { at: Timestamp::now(), rows, fault });
        write_note(self.folder(), &kept)?;
        rehearsed?;
        tracing::info!(backup = kept.name, rows, "a backup was unpacked, opened and compared: all of it is there");
        Ok(kept)
    }

    /// Writes who belongs to this server beside the backups, where that has changed.
    pub fn write_peers(&self) -> Result<bool, BackupError> {
        let network = NetworkService::new(Arc::clone(&self.parts.stores.network)).current()?;
        let folder = self.folder();
        make_folder(folder)?;
        Peers::of(&network, Timestamp::now()).write(folder)
    }

    /// Removes what is past. The newest stays, whatever the clock says, and one that is younger
    /// than the days it is kept for goes only where they take too much room.
    fn keep(&self, now: Timestamp) -> Result<(), BackupError> {
        let BackupSettings { keep_days, keep_bytes, .. } = self.parts.settings;
        let oldest = now.checked_sub((i64::from(keep_days) * 24).hours()).unwrap_or(Timestamp::MIN);
        let mut bytes = 0;
        for (at, kept) in self.list()?.into_iter().enumerate() {
            bytes += kept.note.bytes;
            if at == 0 || (kept.note.at >= oldest && bytes <= keep_bytes) {
                continue;
            }
            let path = self.folder().join(&kept.name);
            for path in [note_path(self.folder(), &kept.name), path] {
                fs::remove_file(&path).map_err(|source| BackupError::Write { path, source })?;
            }
            tracing::info!(backup = kept.name, "removed an old backup");
        }
        Ok(())
    }

    fn work(&self) -> PathBuf {
        self.parts.data_dir.join(WORK)
    }

    fn tell(&self, step: Step, done: u64, total: u64) {
        *lock(&self.progress) = Some(Progress { step, done, total });
    }
}

/// While the databases are copied.
struct InUse<'a> {
    backups: &'a Backups,
    goes_on: &'a (dyn Fn() -> bool + Sync),
    beside: Vec<Piece>,
}

impl Copying for InUse<'_> {
    /// What lies beside the databases is opened now: a segment of the spool that is loaded and
    /// deleted meanwhile is still read, and what is appended later is left out.
    fn at_the_moment(&mut self) -> io::Result<()> {
        let BackupParts { data_dir, settings_file, .. } = &*self.backups.parts;
        for folder in FOLDERS {
            open_all(&data_dir.join(folder), folder, &mut self.beside)?;
        }
        if let Some(file) = settings_file {
            self.beside.push(open_piece(SETTINGS.to_owned(), file)?);
        }
        Ok(())
    }

    fn goes_on(&mut self, done: u64, total: u64) -> bool {
        self.backups.tell(Step::Copying, done, total);
        (self.goes_on)()
    }
}

/// Opens all files below a folder that may be missing. What is being written goes by its final
/// name and is passed over.
fn open_all(folder: &Path, name: &str, into: &mut Vec<Piece>) -> io::Result<()> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries?,
    };
    for entry in entries {
        let entry = entry?;
        let path = entry.path();
        let name = format!("{name}/{}", entry.file_name().to_string_lossy());
        let kind = entry.file_type()?;
        if kind.is_dir() {
            open_all(&path, &name, into)?;
        } else if kind.is_file() && !durable::is_leftover(&path) {
            match open_piece(name, &path) {
                Ok(piece) => into.push(piece),
                // Gone since the folder was read.
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => return Err(error),
            }
        }
    }
    Ok(())
}

fn open_piece(name: String, path: &Path) -> io::Result<Piece> {
    let file = File::open(path)?;
    let bytes = file.metadata()?.len();
    Ok(Piece { name, file, bytes })
}

fn piece(name: String, path: &Path) -> Result<Piece, BackupError> {
    open_piece(name, path).map_err(|source| BackupError::Read { path: path.to_owned(), source })
}

/// Unpacks a backup into a folder that is not there, opens it, compares. Gives its rows.
fn rehearse(path: &Path, key: &Identity, scratch: &Path) -> Result<u64, BackupError> {
    make_folder(scratch)?;
    let manifest = archive::read(path, Some(key), Some(scratch))?;
    compare(path, &manifest, &scratch.join(DATABASES))
}

/// Opens unpacked databases as a server would, and holds their rows against what the backup was
/// made of. Gives how many there are.
fn compare(path: &Path, manifest: &Manifest, databases: &Path) -> Result<u64, BackupError> {
    let found = Stores::look_at_copies(databases)?;
    let mut rows = 0;
    for Copied { name, rows: there } in found {
        let of_file = manifest.rows.get(&name).cloned().unwrap_or_default();
        // A table that a newer server has beside them says nothing of the backup.
        let differs = of_file.iter().find(|(table, count)| there.get(*table) != Some(count));
        if let Some((table, count)) = differs {
            let has = there.get(table).map_or_else(|| "none".to_owned(), u64::to_string);
            let reason = format!("table `{table}` of {name} has {has} rows in place of {count}");
            return Err(BackupError::Unfit { path: path.to_owned(), reason });
        }
        rows += of_file.values().sum::<u64>();
    }
    Ok(rows)
}

/// The backups in a folder that may be missing, newest first.
pub fn list(folder: &Path) -> Result<Vec<Kept>, BackupError> {
    let failed = |source| BackupError::Read { path: folder.to_owned(), source };
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(failed)?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
        if !is_name(&name) {
            continue;
        }
        let note = fs::read(note_path(folder, &name)).ok().and_then(|text| serde_json::from_slice(&text).ok());
        match note {
            Some(note) => found.push(Kept { name, note }),
            None => {
                tracing::warn!(backup = name, "a backup has no note beside it that reads; it stays, and is not listed");
            }
        }
    }
    found.sort_by(|one, other| (other.note.at, &other.name).cmp(&(one.note.at, &one.name)));
    Ok(found)
}

fn is_name(name: &str) -> bool {
    name.starts_with(PREFIX) && SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
}

/// Two of one second do not meet: one at a time is made, and it takes longer than to be named.
fn name_at(at: Timestamp, sealed: bool) -> String {
    format!("{PREFIX}{}{}", at.strftime("%Y%m%dT%H%M%S.%3fZ"), SUFFIXES[usize::from(!sealed)])
}

fn note_path(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.json"))
}

fn write_note(folder: &Path, kept: &Kept) -> Result<(), BackupError> {
    let path = note_path(folder, &kept.name);
    let failed = |source| BackupError::Write { path: path.clone(), source };
    let text = serde_json::to_vec_pretty(&kept.note).map_err(|error| failed(error.into()))?;
    durable::write_atomic(&path, &text).map_err(failed)
}

/// Bytes of the databases and the spool, as far as they can be told.
fn database_bytes(data_dir: &Path) -> u64 {
    let length = |path: &Path| fs::metadata(path).map_or(0, |file| file.len());
    let files = fs::read_dir(data_dir).into_iter().flatten().flatten().map(|entry| entry.path());
    files.filter(|path| path.extension().is_some_and(|extension| extension == "db")).map(|path| length(&path)).sum()
}

/// Makes a folder that others cannot look into. One that is there stays as it is: somebody chose
/// who may.
fn make_folder(folder: &Path) -> Result<(), BackupError> {
    use std::os::unix::fs::PermissionsExt as _;
    if folder.is_dir() {
        return Ok(());
    }
    durable::create_dir_all(folder)
        .and_then(|()| fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700)))
        .map_err(|source| BackupError::Write { path: folder.to_owned(), source })
}

/// Removes what a server left that was ended while it packed.
fn remove_unfinished(folder: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::Write { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if entry.file_name().to_string_lossy().starts_with(UNFINISHED) {
            fs::remove_file(entry.path()).map_err(failed)?;
        }
    }
    Ok(())
}

fn remove_folder(folder: &Path) -> Result<(), BackupError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(BackupError::Write { path: folder.to_owned(), source: error })
        }
        _ => Ok(()),
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
