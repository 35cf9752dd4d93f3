//! Small files that survive a power cut: settings, cursors, states.
//!
//! A file written with [`write_atomic`] holds its old content or its new one, never a mix, and
//! after `Ok` it holds the new one even if the power goes. All calls block and are meant for small
//! files.

use std::ffi::{OsStr, OsString};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use uuid::Uuid;

use crate::disk::{self, Disk};

/// What stands between the name of a file and the id of one that writes it.
const TEMPORARY: &str = ".tmp-";

/// Replaces the content of `path`: a temporary file in the same folder, synced, renamed over
/// `path`, folder synced.
///
/// An existing file keeps its permissions. A writer that is killed may leave its temporary file
/// behind (`.<name>.tmp-<uuid>`), which [`remove_leftovers`] takes away. Errors name the path.
pub fn write_atomic(path: &Path, bytes: &[u8]) -> io::Result<()> {
    write_atomic_on(&*disk::of_this_machine(), path, bytes)
}

/// [`write_atomic`] on a given [`Disk`].
pub fn write_atomic_on(disk: &dyn Disk, path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path);
    let mut name = temporary_prefix(path)?;
    name.push(Uuid::new_v4().simple().to_string());
    let temporary = folder.join(name);
    let written = (|| {
        let mut file = disk.create_file(&temporary)?;
        // Before the content: what only its owner may read is never open to others, not even for a
        // moment.
        match fs::metadata(path) {
            Ok(present) => file.set_permissions(present.permissions())?,
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
        disk.write(&mut file, bytes)?;
        disk.sync_file(&file)?;
        fail::fail_point!("durable::written");
        disk.rename(&temporary, path)
    })();
    if let Err(error) = written {
        // The first error is the one to tell; a leftover that cannot be removed now is removed
        // later.
        let _ = disk.remove_file(&temporary);
        return Err(error);
    }
    fail::fail_point!("durable::renamed");
    disk.sync_dir(&folder)
}

/// Replaces the content of `path` by what only its owner may read (mode 600), and makes its folder
/// where that is missing. One writer at a time.
pub fn write_secret(path: &Path, text: &str) -> io::Result<()> {
    write_secret_bytes(path, text.as_bytes())
}

/// [`write_secret`] of what may be no text.
pub fn write_secret_bytes(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let folder = parent(path);
    create_dir_all(&folder)?;
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let fresh = folder.join(name);
    // A file left by a writer that was cut off would keep its mode, so it goes first.
    match fs::remove_file(&fresh) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&fresh)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    rename(&fresh, path)
}

/// Removes temporary files that killed writers of `path` left behind. Only for a caller that knows
/// that nobody writes `path` at this moment.
pub fn remove_leftovers(path: &Path) -> io::Result<()> {
    remove_leftovers_on(&*disk::of_this_machine(), path)
}

/// [`remove_leftovers`] on a given [`Disk`].
pub fn remove_leftovers_on(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let prefix = temporary_prefix(path)?;
    for entry in fs::read_dir(parent(path))? {
        let entry = entry?;
        if entry.file_name().as_encoded_bytes().starts_with(prefix.as_encoded_bytes()) {
            disk.remove_file(&entry.path())?;
        }
    }
    Ok(())
}

/// Makes a folder and those above it where they are missing, and their names durable. A folder
/// that somebody else has just made, or that is there, is fine.
pub fn create_dir_all(path: &Path) -> io::Result<()> {
    create_dir_all_on(&*disk::of_this_machine(), path)
}

/// [`create_dir_all`] on a given [`Disk`].
pub fn create_dir_all_on(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    let above = parent(path);
    create_dir_all_on(disk, &above)?;
    match disk.create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        _ => {}
    }
    disk.sync_dir(&above)
}

/// Removes a file; one that is not there is fine. Its absence is durable with a sync of its
/// folder.
pub fn remove_file_on(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    match disk.remove_file(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        removed => removed,
    }
}

/// Makes the names in a folder durable.
pub fn sync_dir(path: &Path) -> io::Result<()> {
    disk::of_this_machine().sync_dir(path)
}

/// Renames a file or folder and makes the new name, and the absence of the old one, durable.
pub fn rename(from: &Path, to: &Path) -> io::Result<()> {
    rename_on(&*disk::of_this_machine(), from, to)
}

/// [`rename`] on a given [`Disk`].
pub fn rename_on(disk: &dyn Disk, from: &Path, to: &Path) -> io::Result<()> {
    disk.rename(from, to)?;
    let (old, new) = (parent(from), parent(to));
    // The new place first: between the two syncs a power cut may show both names, never none.
    disk.sync_dir(&new)?;
    if old != new {
        disk.sync_dir(&old)?;
    }
    Ok(())
}

/// The folder of `path`; for a bare file name the current one.
fn parent(path: &Path) -> PathBuf {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder.to_path_buf(),
        _ => PathBuf::from("."),
    }
}

/// Whether this is a temporary file of [`write_atomic`], of whatever name. Only where nobody
/// writes in its folder at this moment is it a leftover.
pub fn is_leftover(path: &Path) -> bool {
    let name = path.file_name().map(OsStr::as_encoded_bytes).unwrap_or_default();
    name.starts_with(b".") && name.windows(TEMPORARY.len()).any(|part| part == TEMPORARY.as_bytes())
}

fn temporary_prefix(path: &Path) -> io::Result<OsString> {
    let name = path.file_name().ok_or_else(|| {
        io::Error::new(io::ErrorKind::InvalidInput, format!("{} does not name a file", path.display()))
    })?;
    let mut prefix = OsString::from(".");
    prefix.push(name);
    prefix.push(TEMPORARY);
    Ok(prefix)
}
