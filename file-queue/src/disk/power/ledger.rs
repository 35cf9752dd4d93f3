//! The ledger on disk, and the disk that keeps it.
//!
//! ```text
//! <ledger>/log          one JSON entry a line, appended after the change it tells of
//! <ledger>/kept/<n>     removed or replaced files and folders, and bytes that were overwritten or cut off
//! ```

use std::collections::VecDeque;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf, absolute};
use std::sync::{Mutex, MutexGuard, PoisonError};

use fs_err as fs;
use serde::{Deserialize, Serialize};

use crate::disk::{Disk, RealDisk};

/// Removals that are held until their folder is synced; an older one counts as written, so that a
/// long run stays bounded.
pub const MAX_KEPT: usize = 256;

/// One change that was carried out. All paths are absolute.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Entry {
    CreateDir {
        path: PathBuf,
    },
    CreateFile {
        path: PathBuf,
    },
    Rename {
        from: PathBuf,
        to: PathBuf,
        /// The file that had the name before, in `kept/`.
        kept: Option<u64>,
    },
    Remove {
        path: PathBuf,
        kept: u64,
    },
    /// A removal of this number is durable without a sync.
    Settled {
        kept: u64,
    },
    Write {
        path: PathBuf,
        offset: u64,
        bytes: u64,
        before: Before,
    },
    Cut {
        path: PathBuf,
        length: u64,
        before: Before,
    },
    SyncFile {
        path: PathBuf,
    },
    /// A sync failed: what was not durable by then is dropped by the kernel, and no later sync
    /// makes it so.
    SyncFailed {
        path: PathBuf,
    },
    SyncDir {
        path: PathBuf,
    },
}

/// What a change of content replaced.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Before {
    /// Length of the file.
    pub(super) length: u64,
    /// The bytes that were overwritten or cut off, in `kept/`; absent where there were none.
    pub(super) kept: Option<u64>,
}

pub(super) fn log_path(ledger: &Path) -> PathBuf {
    ledger.join("log")
}

pub(super) fn kept_folder(ledger: &Path) -> PathBuf {
    ledger.join("kept")
}

pub(super) fn kept_path(ledger: &Path, kept: u64) -> PathBuf {
    kept_folder(ledger).join(kept.to_string())
}

/// Everything in the log; a last line that is not whole was being written when the process ended.
pub(super) fn read(ledger: &Path) -> io::Result<Vec<Entry>> {
    let file = match fs::File::open(log_path(ledger)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        file => file?,
    };
    let mut entries = Vec::new();
    for line in BufReader::new(file).split(b'\n') {
        // A restarted process ends a torn line of the former one, so it may stand anywhere.
        entries.extend(serde_json::from_slice::<Entry>(&line?));
    }
    Ok(entries)
}

/// The real disk with a ledger of what is not durable yet. Several in one process must not share a
/// folder.
#[derive(Debug)]
pub struct LedgerDisk {
    folder: PathBuf,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    log: fs::File,
    next_kept: u64,
    /// Removed and not synced: number and folder.
    removed: VecDeque<(u64, PathBuf)>,
}

impl State {
    fn of(folder: &Path) -> io::Result<Self> {
        fs::create_dir_all(kept_folder(folder))?;
        let mut next_kept = 0;
        for entry in fs::read_dir(kept_folder(folder))? {
            let number = entry?.file_name().to_str().and_then(|name| name.parse::<u64>().ok());
            next_kept = next_kept.max(number.map_or(0, |number| number + 1));
        }
        let mut log = fs::OpenOptions::new().create(true).append(true).open(log_path(folder))?;
        log.write_all(b"\n")?;
        Ok(Self { log, next_kept, removed: VecDeque::new() })
    }
}

impl LedgerDisk {
    /// Goes on with the ledger in this folder, made where it is not there.
    pub fn open(folder: &Path) -> io::Result<Self> {
        let folder = absolute(folder)?;
        let state = Mutex::new(State::of(&folder)?);
        Ok(Self { folder, state })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Begins anew after the power was cut.
    pub(super) fn forget(&self) -> io::Result<()> {
        *self.lock() = State::of(&self.folder)?;
        Ok(())
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// A sync that failed.
    pub(super) fn note_failed_sync(&self, path: &Path) -> io::Result<()> {
        note(&mut self.lock(), &Entry::SyncFailed { path: absolute(path)? })
    }

    fn take_number(state: &mut State) -> u64 {
        state.next_kept += 1;
        state.next_kept - 1
    }

    /// The bytes of a file from an offset on, up to a number of them, as they are before a change.
    fn before(&self, state: &mut State, path: &Path, offset: u64, bytes: u64) -> io::Result<Before> {
        let length = fs::metadata(path)?.len();
        if offset >= length || bytes == 0 {
            return Ok(Before { length, kept: None });
        }
        let mut file = fs::File::open(path)?;
        file.seek(SeekFrom::Start(offset))?;
        let mut old = Vec::new();
        file.take(bytes).read_to_end(&mut old)?;
        let kept = Self::take_number(state);
        fs::write(kept_path(&self.folder, kept), old)?;
        Ok(Before { length, kept: Some(kept) })
    }

    /// The removed are held up to a number of them.
    fn hold(&self, state: &mut State, kept: u64, path: &Path) -> io::Result<()> {
        state.removed.push_back((kept, parent(path)));
        if state.removed.len() > MAX_KEPT
            && let Some((oldest, _)) = state.removed.pop_front()
        {
            note(state, &Entry::Settled { kept: oldest })?;
            discard(&kept_path(&self.folder, oldest))?;
        }
        Ok(())
    }
}

fn note(state: &mut State, entry: &Entry) -> io::Result<()> {
    let mut line = serde_json::to_vec(entry)?;
    line.push(b'\n');
    state.log.write_all(&line)
}

pub(super) fn parent(path: &Path) -> PathBuf {
    path.parent().unwrap_or(path).to_path_buf()
}

/// Removes whatever is there.
pub(super) fn discard(path: &Path) -> io::Result<()> {
    let removed = match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) => Err(error),
    };
    match removed {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

impl Disk for LedgerDisk {
    fn create_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        RealDisk.create_dir(path)?;
        note(&mut state, &Entry::CreateDir { path: absolute(path)? })
    }

    fn create_file(&self, path: &Path) -> io::Result<fs::File> {
        let mut state = self.lock();
        let file = RealDisk.create_file(path)?;
        note(&mut state, &Entry::CreateFile { path: absolute(path)? })?;
        Ok(file)
    }

    fn write(&self, file: &mut fs::File, bytes: &[u8]) -> io::Result<()> {
        let offset = file.stream_position()?;
        self.write_at(file, offset, bytes)
    }

    fn write_at(&self, file: &mut fs::File, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.lock();
        let path = absolute(file.path())?;
        let before = self.before(&mut state, &path, offset, bytes.len() as u64)?;
        let written = RealDisk.write_at(file, offset, bytes);
        // Also where it failed: a part may be there.
        note(&mut state, &Entry::Write { path, offset, bytes: bytes.len() as u64, before })?;
        written
    }

    fn cut(&self, file: &fs::File, length: u64) -> io::Result<()> {
        let mut state = self.lock();
        let path = absolute(file.path())?;
        let before = self.before(&mut state, &path, length, u64::MAX)?;
        RealDisk.cut(file, length)?;
        note(&mut state, &Entry::Cut { path, length, before })
    }

    fn sync_file(&self, file: &fs::File) -> io::Result<()> {
        note(&mut self.lock(), &Entry::SyncFile { path: absolute(file.path())? })
    }

    fn sync_data(&self, file: &fs::File) -> io::Result<()> {
        self.sync_file(file)
    }

    fn sync_dir(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let path = absolute(path)?;
        // As the real one: there must be such a folder.
        fs::File::open(&path)?;
        note(&mut state, &Entry::SyncDir { path: path.clone() })?;
        let (durable, held): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut state.removed).into_iter().partition(|(_, folder)| *folder == path);
        state.removed = held;
        durable.iter().try_for_each(|(kept, _)| discard(&kept_path(&self.folder, *kept)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let (from, to) = (absolute(from)?, absolute(to)?);
        let mut kept = None;
        if fs::symlink_metadata(&to).is_ok_and(|found| found.is_file()) && from != to {
            let number = Self::take_number(&mut state);
            fs::hard_link(&to, kept_path(&self.folder, number))?;
            kept = Some(number);
        }
        RealDisk.rename(&from, &to)?;
        note(&mut state, &Entry::Rename { from, to: to.clone(), kept })?;
        kept.map_or(Ok(()), |kept| self.hold(&mut state, kept, &to))
    }

    fn remove_file(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let path = absolute(path)?;
        if fs::symlink_metadata(&path)?.is_dir() {
            return RealDisk.remove_file(&path);
        }
        let kept = Self::take_number(&mut state);
        RealDisk.rename(&path, &kept_path(&self.folder, kept))?;
        note(&mut state, &Entry::Remove { path: path.clone(), kept })?;
        self.hold(&mut state, kept, &path)
    }

    fn remove_dir_all(&self, path: &Path) -> io::Result<()> {
        let mut state = self.lock();
        let path = absolute(path)?;
        if !fs::symlink_metadata(&path)?.is_dir() {
            return RealDisk.remove_dir_all(&path);
        }
        let kept = Self::take_number(&mut state);
        RealDisk.rename(&path, &kept_path(&self.folder, kept))?;
        note(&mut state, &Entry::Remove { path: path.clone(), kept })?;
        self.hold(&mut state, kept, &path)
    }
}
