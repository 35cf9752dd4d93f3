//! Puts a backup back, where no server runs.
//!
//! It is unpacked beside its place, read whole, opened, compared, and rid of tills that were
//! removed since, before anything that is there is touched. What was there is moved aside, never
//! deleted.

use super::error::BackupError;
use super::peers::{self, Peers, Reconciled};
use super::pieces::{FOLDERS, SETTINGS};
use super::targets::{Target, folder::make as make_folder};
use super::trial::compare;
use super::{DATABASES, WORK, archive, key, remove_folder};
use crate::lock::{DataLock, Role};
use crate::network::NetworkService;
use crate::peer_keys::PeerKeys;
use crate::settings::credentials::CREDENTIALS_DIR;
use crate::store::Stores;
use archive::Manifest;
use fs_err as fs;
use jiff::Timestamp;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use tillway_file_queue::durable;
use tillway_service::actor::Caller;
use tillway_service::people::after_restore;

/// What is put back, where.
pub struct Order<'a> {
    /// Where backups lie.
    pub from: &'a dyn Target,
    /// The backup.
    pub name: &'a str,
    /// The file with the key that opens it, where it is encrypted.
    pub key_file: Option<&'a Path>,
    /// The data folder.
    pub data_dir: &'a Path,
    /// What is there is moved aside; else its being there is an error.
    pub replace: bool,
    /// The list of peers may be missing.
    pub without_peers: bool,
    /// Told how many bytes of it are read.
    pub reading: &'a mut dyn FnMut(u64),
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// What was put back.
    pub manifest: Manifest,
    /// Rows of its databases.
    pub rows: u64,
    /// Where that was moved which had been there.
    pub aside: Option<PathBuf>,
    /// The settings of the server that made it.
    pub settings: Option<PathBuf>,
    /// What became of tills that changed since; none: there was no list.
    pub peers: Option<Reconciled>,
}

/// Puts it back. On an error before the end, what was there is there or moved aside, and it can be
/// done again.
pub fn restore(order: Order<'_>, caller: &Caller) -> Result<Restored, BackupError> {
    let Order { from, name, key_file, data_dir, replace, without_peers, reading } = order;
    make_folder(data_dir)?;
    let _locks = [DataLock::take(data_dir, Role::Server)?, DataLock::take(data_dir, Role::SalesLoader)?];
    let peers = Peers::read(from)?;
    if peers.is_none() && !without_peers {
        return Err(BackupError::NoPeers { path: from.path_of(peers::FILE) });
    }
    let there = parts_of(data_dir)?;
    let has_databases = there.iter().any(|path| is_database(path));
    if has_databases && !replace {
        return Err(BackupError::Occupied { folder: data_dir.to_owned() });
    }
    let key = key_file.map(key::read).transpose()?;
    let work = data_dir.join(WORK);
    remove_folder(&work)?;
    make_folder(&work)?;
    // All of it before it is in its place: one that is ended in the middle must not leave a folder
    // with which a server would start and know tills that were removed.
    let databases = work.join(DATABASES);
    let path = from.path_of(name);
    let mut goes_on = |bytes| {
        reading(bytes);
        true
    };
    let always = || true;
    let unpacked = from.open(name, &always);
    let unpacked = unpacked.and_then(|source| archive::read(source, &path, key.as_ref(), Some(&work), &mut goes_on));
    let unpacked = unpacked.and_then(|manifest| {
        let rows = compare(&path, &manifest, &databases)?;
        let network = NetworkService::new(Stores::open_network(&databases)?).acting_for(caller);
        let keys = peer_keys(&work)?;
        let peers = peers.as_ref().map(|peers| peers.reconcile(&network, &keys)).transpose()?;
        // One that was used since would be good once more.
        network.end_all_codes(Timestamp::now())?;
        after_restore(Stores::open_people(&databases)?.as_ref(), caller)?;
        Ok((manifest, rows, peers))
    });
    let (manifest, rows, peers) = match unpacked {
        Ok(unpacked) => unpacked,
        Err(error) => {
            remove_folder(&work)?;
            return Err(error);
        }
    };
    let aside = if replace { move_aside(data_dir, &there)? } else { None };
    let settings = put_in_place(&work, data_dir)?;
    remove_folder(&work)?;
    follow_owner(data_dir)?;
    Ok(Restored { manifest, rows, aside, settings, peers })
}

/// The keys of peers' messages among what was unpacked.
fn peer_keys(work: &Path) -> Result<PeerKeys, BackupError> {
    PeerKeys::open(work).map_err(|source| BackupError::Read { path: work.to_owned(), source })
}

/// What of a data folder a backup takes the place of.
fn parts_of(data_dir: &Path) -> Result<Vec<PathBuf>, BackupError> {
    let failed = |source| BackupError::Read { path: data_dir.to_owned(), source };
    let mut found = Vec::new();
    for entry in fs::read_dir(data_dir).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        // Packages are built from what is put back.
        if is_database(&path) || FOLDERS.contains(&&*name) || name == "packages" {
            found.push(path);
        }
    }
    Ok(found)
}

/// A database, or one of the two files beside it.
fn is_database(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    [".db", ".db-wal", ".db-shm"].iter().any(|end| name.ends_with(end))
}

fn move_aside(data_dir: &Path, there: &[PathBuf]) -> Result<Option<PathBuf>, BackupError> {
    if there.is_empty() {
        return Ok(None);
    }
    let aside = data_dir.join(format!("before-restore-{}", Timestamp::now().strftime("%Y%m%dT%H%M%S.%3fZ")));
    make_folder(&aside)?;
    for path in there {
        move_to(path, &aside.join(path.file_name().unwrap_or_default()))?;
    }
    Ok(Some(aside))
}

/// Moves what was unpacked to its place. Gives where the settings are.
fn put_in_place(work: &Path, data_dir: &Path) -> Result<Option<PathBuf>, BackupError> {
    let files = |folder: &Path| -> Result<Vec<PathBuf>, BackupError> {
        let failed = |source| BackupError::Read { path: folder.to_owned(), source };
        match fs::read_dir(folder) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
            entries => entries.map_err(failed)?.map(|entry| Ok(entry.map_err(failed)?.path())).collect(),
        }
    };
    let settings = work.join(SETTINGS);
    let mut restored_settings = None;
    if settings.exists() {
        let place = data_dir.join("restored-cash-server.toml");
        move_to(&settings, &place)?;
        restored_settings = Some(place);
    }
    for name in FOLDERS {
        let (from, to) = (work.join(name), data_dir.join(name));
        make_folder(&to)?;
        for path in files(&from)? {
            let place = to.join(path.file_name().unwrap_or_default());
            // A credential that somebody has put there is the one to go on with.
            if name == CREDENTIALS_DIR && place.exists() {
                continue;
            }
            move_to(&path, &place)?;
        }
    }
    // Databases come last: without them the folder counts as empty, and all of it can be done
    // again. What is made again is not one of them, nor what opening them has left.
    for path in files(&work.join(DATABASES))? {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let is_made_again = name.starts_with("packages.") || name.starts_with("goods_search.");
        if is_database(&path) && !is_made_again && !name.ends_with("-shm") {
            move_to(&path, &data_dir.join(name))?;
        }
    }
    Ok(restored_settings)
}

fn move_to(from: &Path, to: &Path) -> Result<(), BackupError> {
    durable::rename(from, to).map_err(|source| BackupError::Write { path: to.to_owned(), source })
}

/// Where root puts it back, it is the folder's owner who works with it.
fn follow_owner(folder: &Path) -> Result<(), BackupError> {
    let failed = |source| BackupError::Write { path: folder.to_owned(), source };
    let owner = fs::metadata(folder).map_err(failed)?;
    if owner.uid() == rustix::process::geteuid().as_raw() {
        return Ok(());
    }
    give_to(folder, &owner)
}

fn give_to(folder: &Path, owner: &std::fs::Metadata) -> Result<(), BackupError> {
    let failed = |source| BackupError::Write { path: folder.to_owned(), source };
    for entry in fs::read_dir(folder).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        std::os::unix::fs::lchown(&path, Some(owner.uid()), Some(owner.gid())).map_err(failed)?;
        if path.is_dir() && !path.is_symlink() {
            give_to(&path, owner)?;
        }
    }
    Ok(())
}
