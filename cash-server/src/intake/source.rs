//! Data files and flags of producers: which file it is, whether it is still the same, and how it goes away.
//!
//! A producer may write the next file while the last one is being loaded. So a file is removed only if it is the one
//! that was read: it is renamed first, looked at under its new name, and put back if it is another.

use fs_err as fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use uuid::Uuid;

/// Starts the name of a file that is on its way out; one that is left behind by a crash gets its name back at the next
/// scan: nobody knows whether it is the file that was loaded, or one that came in that very moment.
pub(super) const LEAVING: &str = ".tillway-done-";

/// Which file it is, and which state of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Identity {
    device: u64,
    inode: u64,
    /// Its size.
    pub(super) bytes: u64,
    modified: (i64, i64),
    /// Also moves when the file is renamed, or its rights change.
    changed: (i64, i64),
}

impl Identity {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            bytes: metadata.size(),
            modified: (metadata.mtime(), metadata.mtime_nsec()),
            changed: (metadata.ctime(), metadata.ctime_nsec()),
        }
    }

    /// For the record: a file in this state is known by it again, whatever the clock says.
    pub(super) fn text(&self) -> String {
        let Self { device, inode, bytes, modified, .. } = self;
        format!("{device}:{inode}:{bytes}:{}.{:09}", modified.0, modified.1)
    }

    /// Whether it is the same file with the same content, whatever it is called now.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        Self { changed: other.changed, ..*self } == *other
    }
}

/// Looks at a regular file. A link, a pipe or a folder is an error: reading it could block, or give away what the
/// producer has no right to.
pub(super) fn identify(path: &Path) -> io::Result<Identity> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_file() {
        return Ok(Identity::of(&metadata));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a regular file", path.display())))
}

/// Opens a regular file to read.
pub(super) fn open(path: &Path) -> io::Result<(fs::File, Identity)> {
    let seen = identify(path)?;
    let file = fs::File::open(path)?;
    let opened = Identity::of(&file.metadata()?);
    if (opened.device, opened.inode) == (seen.device, seen.inode) {
        return Ok((file, opened));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} was replaced while it was opened", path.display())))
}

/// Removes the file if it is still `read`. False where another one stands there now, which stays; a file that is gone
/// already counts as removed.
pub(super) fn remove_if_same(path: &Path, read: &Identity) -> io::Result<bool> {
    match identify(path) {
        Ok(now) if !now.same_content(read) => return Ok(false),
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        Err(error) => return Err(error),
    }
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let leaving = path.with_file_name(format!("{LEAVING}{}-{name}", Uuid::new_v4().simple()));
    match fs::rename(path, &leaving) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(true),
        other => other?,
    }
    fail::fail_point!("intake::renamed_away");
    let same = identify(&leaving)?.same_content(read);
    if !same {
        // A link does not replace what may have been written there in the meantime, and is newer still.
        match fs::hard_link(&leaving, path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    fs::remove_file(&leaving)?;
    Ok(same)
}

/// Gives a file that a crash left on its way out its name back; where another has that name by now, it goes.
pub(super) fn put_back(leaving: &Path) -> io::Result<()> {
    let name = leaving.file_name().unwrap_or_default().to_string_lossy();
    // `.tillway-done-<32 digits>-<name>`.
    let own = name.strip_prefix(LEAVING).and_then(|rest| rest.split_once('-')).map(|(_, own)| own);
    if let Some(own) = own.filter(|own| !own.is_empty()) {
        match fs::hard_link(leaving, leaving.with_file_name(own)) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    fs::remove_file(leaving)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_file_that_was_read_is_removed() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("pos1.aif");
        fs::write(&path, "old").unwrap();
        let read = identify(&path).unwrap();
        fs::write(folder.path().join("new"), "newer").unwrap();
        fs::rename(folder.path().join("new"), &path).unwrap();
        assert!(!remove_if_same(&path, &read).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
        assert!(remove_if_same(&path, &identify(&path).unwrap()).unwrap());
        assert!(remove_if_same(&path, &read).unwrap());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("pos1.aif");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        assert!(open(&link).unwrap_err().to_string().contains("not a regular file"));
    }
}
