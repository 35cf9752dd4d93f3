//! Backups: what nobody else has, of one moment, in one encrypted file a day, and the way back.
//!
//! In it are all databases but what was built of packages, the spool, what was taken in over REST
//! and is not loaded yet, the credentials, and the settings. Made from copies that were checked,
//! in a folder of work beside the databases, written to its place ([`targets`]: a folder, or a
//! store that speaks S3), and read again from there before it counts. Beside each lies a note
//! ([`Note`]): when, how long, its hash, how it was rehearsed.
//!
//! A **rehearsal** unpacks the newest one into a scratch folder, opens its databases as a server
//! would, and holds their rows against what it was made of. A backup that nobody has ever restored
//! is none.
//!
//! The way back: [`restore`]. Tills that were removed since stay out of it: [`peers`].
//!
//! **Architecture invariant:** no clock deletes the newest backup.

pub mod archive;
pub mod error;
mod kept;
pub mod key;
mod peers;
mod pieces;
mod progress;
pub mod restore;
pub mod targets;
mod tasks;
#[cfg(test)]
mod tests;
mod trial;

pub use error::BackupError;
pub use kept::{Kept, Note, Rehearsal, list};
pub use peers::Reconciled;
pub use progress::{Ended, Progress, Step};

use crate::network::NetworkService;
use crate::reserve::DiskReserve;
use crate::settings::BackupSettings;
use crate::store::Stores;
use crate::store::copies::Copied;
use crate::words::Reason;
use age::x25519::Identity;
use archive::{FORMAT, Manifest};
use fs_err as fs;
use jiff::{Timestamp, ToSpan as _};
use kept::{name_at, note_of, write_note};
use peers::Peers;
use pieces::{InUse, database_bytes, piece};
use progress::Errand;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use targets::{GoesOn, Target, folder};

/// The databases in an archive.
const DATABASES: &str = "databases";

/// The folder of work in the data folder.
const WORK: &str = "backup-work";

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
    /// Once it could be opened: a store whose key cannot be read keeps no server from its tills.
    target: Arc<Mutex<Option<Arc<dyn Target>>>>,
    progress: Arc<Mutex<Option<Progress>>>,
    /// What was there at the last look.
    seen: Arc<Mutex<Seen>>,
    /// One backup or rehearsal at a time: each needs room.
    turn: Arc<Mutex<()>>,
    making: Arc<Errand>,
    rehearsal: Arc<Errand>,
}

/// What is written, and how.
struct Packing<'a> {
    name: &'a str,
    key: Option<&'a Identity>,
    /// Bytes of all pieces.
    total: u64,
    goes_on: GoesOn<'a>,
}

/// What a look at the place of backups found.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Those that are kept, newest first; of the last look that did not fail.
    pub kept: Vec<Kept>,
    /// Why the last look failed.
    pub fault: Option<Reason>,
}

impl Backups {
    /// Over its parts. The work of a server that was ended in the middle is removed.
    pub fn open(parts: BackupParts) -> Result<Self, BackupError> {
        let this = Self {
            parts: Arc::new(parts),
            target: Arc::default(),
            progress: Arc::default(),
            seen: Arc::default(),
            turn: Arc::default(),
            making: Arc::default(),
            rehearsal: Arc::default(),
        };
        remove_folder(&this.work())?;
        Ok(this)
    }

    /// Where they are kept: a folder, or `s3://<bucket>/<prefix>`.
    pub fn place(&self) -> PathBuf {
        self.parts.settings.place.path()
    }

    fn folder(&self) -> Option<&Path> {
        self.parts.settings.place.folder()
    }

    fn target(&self) -> Result<Arc<dyn Target>, BackupError> {
        let mut target = lock(&self.target);
        if let Some(target) = &*target {
            return Ok(Arc::clone(target));
        }
        let opened = targets::open(&self.parts.settings.place)?;
        Ok(Arc::clone(target.insert(opened)))
    }

    /// Whether one is made each day.
    pub fn are_daily(&self) -> bool {
        self.parts.settings.daily
    }

    /// Whether they lie on the disk that they are to save from. What cannot be told is no.
    pub fn are_on_the_same_disk(&self) -> bool {
        use std::os::unix::fs::MetadataExt as _;
        let disk = |path: &Path| fs::metadata(path).ok().map(|found| found.dev());
        self.folder().and_then(disk).is_some_and(|own| disk(&self.parts.data_dir) == Some(own))
    }

    /// How far the backup or rehearsal is that is under way.
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
        self.making.ended()
    }

    /// How its last rehearsal ended.
    pub fn rehearsal_ended(&self) -> Option<Ended> {
        self.rehearsal.ended()
    }

    /// Those that are kept, newest first.
    pub fn list(&self) -> Result<Vec<Kept>, BackupError> {
        let found = self.target().and_then(|target| list(&*target));
        let mut seen = lock(&self.seen);
        seen.fault = found.as_ref().err().map(Reason::of);
        if let Ok(found) = &found {
            seen.kept.clone_from(found);
        }
        found
    }

    /// The same for people who look: a store on the network is not asked for that, its last look
    /// is shown.
    pub fn shown(&self) -> Seen {
        if self.folder().is_some() {
            // What fails is in what is shown.
            let _ = self.list();
        }
        lock(&self.seen).clone()
    }

    /// Makes one, and reads it again. `goes_on` is asked now and then.
    pub fn create(&self, goes_on: GoesOn<'_>) -> Result<Kept, BackupError> {
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

    fn make(&self, goes_on: GoesOn<'_>) -> Result<Kept, BackupError> {
        let BackupParts { stores, data_dir, settings, settings_file, key, .. } = &*self.parts;
        let (work, target) = (self.work(), self.target()?);
        let target = &*target;
        folder::make(&work)?;
        // First: drafts of another server are not ours to remove.
        Peers::check_owner(target, key)?;
        target.prepare()?;
        let need = database_bytes(data_dir);
        self.parts.reserve.check(&work, need).map_err(BackupError::NoRoom)?;
        let at = Timestamp::now();
        let mut copying = InUse {
            data_dir,
            settings_file: settings_file.as_deref(),
            beside: Vec::new(),
            goes_on: &|done, total| {
                self.tell(Step::Copying, done, total);
                goes_on()
            },
        };
        let copies = stores.copy(&work, &mut copying)?;
        let mut pieces = copying.beside;
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
        if let Some(folder) = self.folder() {
            // Packed it is smaller, by how much nobody knows before.
            self.parts.reserve.check(folder, total / 2).map_err(BackupError::NoRoom)?;
        }
        let key = settings.encrypt.then_some(key);
        let name = name_at(at, key.is_some());
        let packing = Packing { name: &name, key, total, goes_on };
        let kept = self.write(target, &packing, pieces, manifest).inspect_err(|_| {
            // Where the place is away, the next preparation removes what is there.
            if let Err(error) = target.discard(&name) {
                tracing::warn!(error = crate::error_chain(&error), "a backup that was not finished is not removed yet");
            }
        })?;
        tracing::info!(backup = kept.name, bytes = kept.note.bytes, "made a backup");
        Ok(kept)
    }

    /// Writes it, reads it again, and lists it.
    fn write(
        &self,
        target: &dyn Target,
        packing: &Packing<'_>,
        pieces: Vec<archive::Piece>,
        manifest: Manifest,
    ) -> Result<Kept, BackupError> {
        let Packing { name, key, total, goes_on } = *packing;
        let (path, at) = (target.path_of(name), manifest.at);
        let mut packed = |done| {
            self.tell(Step::Packing, done, total);
            goes_on()
        };
        let draft = target.draft(name, total, goes_on)?;
        let archive::Written { bytes, hash, to, .. } =
            archive::write(draft, &path, key, pieces, manifest, &mut packed)?;
        to.finish()?;
        let mut verified = |done| {
            self.tell(Step::Verifying, done, bytes);
            goes_on()
        };
        archive::read(target.open_draft(name, goes_on)?, &path, key, None, &mut verified)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let kept = Kept { name: name.to_owned(), note: Note { at, version, bytes, hash, rehearsed: None } };
        write_note(target, &kept)?;
        target.publish(name)?;
        Ok(kept)
    }

    /// Unpacks the newest one, opens it as a server would, and compares. What came out is noted
    /// beside it.
    pub fn rehearse(&self, goes_on: GoesOn<'_>) -> Result<Kept, BackupError> {
        let _turn = lock(&self.turn);
        let rehearsed = self.rehearse_newest(goes_on);
        *lock(&self.progress) = None;
        // What is shown knows the result before whoever waits for it.
        let listed = self.list();
        let rehearsed = rehearsed.and_then(|kept| listed.map(|_| kept));
        self.rehearsal.note(&rehearsed);
        rehearsed
    }

    fn rehearse_newest(&self, goes_on: GoesOn<'_>) -> Result<Kept, BackupError> {
        let BackupParts { data_dir, key, reserve, .. } = &*self.parts;
        let target = self.target()?;
        let mut kept = self.list()?.into_iter().next().ok_or(BackupError::None)?;
        reserve.check(data_dir, database_bytes(data_dir)).map_err(BackupError::NoRoom)?;
        let scratch = self.work();
        let bytes = kept.note.bytes;
        let mut unpacking = |done| {
            self.tell(Step::Unpacking, done, bytes);
            goes_on()
        };
        let rehearsed = remove_folder(&scratch)
            .and_then(|()| trial::rehearse(&*target, &kept.name, key, &scratch, goes_on, &mut unpacking));
        remove_folder(&scratch)?;
        if !goes_on() {
            // The server stops: that says nothing of the backup.
            return rehearsed.map(|_| kept);
        }
        let (rows, fault) = match &rehearsed {
            Ok(rows) => (*rows, None),
            Err(error) => (0, Some(Reason::of(error))),
        };
        kept.note.rehearsed = Some(Rehearsal { at: Timestamp::now(), rows, fault });
        let noted = write_note(&*target, &kept);
        // Why it failed is what a person needs, not that this could not be noted.
        rehearsed?;
        noted?;
        tracing::info!(backup = kept.name, rows, "a backup was unpacked, opened and compared: all of it is there");
        Ok(kept)
    }

    /// Writes who belongs to this server beside the backups, where that has changed; looks what is
    /// there.
    pub fn write_peers(&self) -> Result<bool, BackupError> {
        let network = NetworkService::new(Arc::clone(&self.parts.stores.network)).current()?;
        let list = Peers::of(&network, Timestamp::now());
        let written = self.target().and_then(|target| list.write(&*target, &self.parts.key));
        // A store that was away is shown as it is.
        let listed = self.list();
        written.and_then(|written| listed.map(|_| written))
    }

    /// Removes what is past. The newest stays, whatever the clock says, and one that is younger
    /// than the days it is kept for goes only where they take too much room: the oldest first.
    fn keep(&self, now: Timestamp) -> Result<(), BackupError> {
        let BackupSettings { keep_days, keep_bytes, .. } = self.parts.settings;
        let oldest = now.checked_sub((i64::from(keep_days) * 24).hours()).unwrap_or(Timestamp::MIN);
        let (target, mut bytes) = (self.target()?, 0_u64);
        for (at, kept) in self.list()?.into_iter().enumerate() {
            bytes = bytes.saturating_add(kept.note.bytes);
            if at == 0 || (kept.note.at >= oldest && bytes <= keep_bytes) {
                continue;
            }
            for name in [note_of(&kept.name), kept.name.clone()] {
                target.remove(&name)?;
            }
            tracing::info!(backup = kept.name, "removed an old backup");
        }
        self.list().map(drop)
    }

    fn work(&self) -> PathBuf {
        self.parts.data_dir.join(WORK)
    }

    fn tell(&self, step: Step, done: u64, total: u64) {
        *lock(&self.progress) = Some(Progress { step, done, total });
    }
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
