//! Data files and flags of producers: which file it is, whether it is still the same, and how it
//! goes away.
//!
//! A producer may write the next file while the last one is being loaded. So a file is removed
//! only if it is the one that was read: it is renamed first, looked at under its new name, and put
//! back if it is another.

use fs_err as fs;
use std::io::{self, Read as _};
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;
use std::time::{Duration, SystemTime};
use uuid::Uuid;

/// Starts the name of a file that is on its way out; one that is left behind by a crash gets its
/// name back at the next scan: nobody knows whether it is the file that was loaded, or one that
/// came in that very moment.
pub(super) const LEAVING: &str = ".tillway-done-";

/// Read of a file that may say one word.
const MAX_WORD_BYTES: u64 = 64;

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

    /// When its content was changed last.
    pub(super) fn modified_at(&self) -> SystemTime {
        let (seconds, nanos) = self.modified;
        let whole = Duration::from_secs(u64::try_from(seconds).unwrap_or_default());
        SystemTime::UNIX_EPOCH + whole + Duration::from_nanos(u64::try_from(nanos).unwrap_or_default())
    }

    /// Whether it is the same file with the same content, whatever it is called now.
    pub(super) fn same_content(&self, other: &Self) -> bool {
        Self { changed: other.changed, ..*self } == *other
    }
}

/// Looks at a regular file. A link, a pipe or a folder is an error: reading it could block, or
/// give away what the producer has no right to.
pub(super) fn identify(path: &Path) -> io::Result<Identity> {
    let metadata = fs::symlink_metadata(path)?;
    if metadata.is_file() {
        return Ok(Identity::of(&metadata));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} is not a regular file", path.display())))
}

/// Looks at a file that is open, whatever became of its name.
pub(super) fn identify_open(file: &fs::File) -> io::Result<Identity> {
    Ok(Identity::of(&file.metadata()?))
}

/// Opens a regular file to read.
pub(super) fn open(path: &Path) -> io::Result<(fs::File, Identity)> {
    let seen = identify(path)?;
    let file = fs::File::open(path)?;
    let opened = identify_open(&file)?;
    if (opened.device, opened.inode) == (seen.device, seen.inode) {
        return Ok((file, opened));
    }
    Err(io::Error::new(io::ErrorKind::InvalidInput, format!("{} was replaced while it was opened", path.display())))
}

/// Whether a small file says nothing but this word, in whatever case, with blanks or a mark of its
/// encoding around it.
pub(super) fn says(path: &Path, word: &str) -> bool {
    const MARK: &str = "\u{feff}";
    let read = || -> io::Result<String> {
        let (file, _) = open(path)?;
        let mut text = String::new();
        file.take(MAX_WORD_BYTES).read_to_string(&mut text)?;
        Ok(text)
    };
    // What cannot be read says nothing.
    read().is_ok_and(|text| text.trim_start_matches(MARK).trim().eq_ignore_ascii_case(word))
}

/// Removes the file if it is still `read`. False where another one stands there now, which stays;
/// a file that is gone already counts as removed.
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
    if same {
        fs::remove_file(&leaving)?;
    } else {
        give_name_back(&leaving, path, |from, to| fs::hard_link(from, to))?;
    }
    Ok(same)
}

/// Gives a file that a crash left on its way out its name back; where another has that name by
/// now, it goes.
pub(super) fn put_back(leaving: &Path) -> io::Result<()> {
    let name = leaving.file_name().unwrap_or_default().to_string_lossy();
    // `.tillway-done-<32 digits>-<name>`.
    let own = name.strip_prefix(LEAVING).and_then(|rest| rest.split_once('-')).map(|(_, own)| own);
    match own.filter(|own| !own.is_empty()) {
        Some(own) => give_name_back(leaving, &leaving.with_file_name(own), |from, to| fs::hard_link(from, to)),
        None => fs::remove_file(leaving),
    }
}

/// Gives a file on its way out its name back, where that is free; what has been written there in
/// the meantime is newer still, and stays. A link replaces nothing; network shares and some disks
/// have none, there the file is renamed.
fn give_name_back(leaving: &Path, path: &Path, link: impl Fn(&Path, &Path) -> io::Result<()>) -> io::Result<()> {
    match link(leaving, path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(error),
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => match rename_if_free(leaving, path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => fs::remove_file(leaving),
            other => other,
        },
        _ => fs::remove_file(leaving),
    }
}

fn rename_if_free(from: &Path, to: &Path) -> io::Result<()> {
    use rustix::fs::{CWD, RenameFlags, renameat_with};
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE).map_err(io::Error::from) {
        // Such file systems seldom know this either: then a look has to do.
        Err(error) if matches!(error.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) => {
            if fs::symlink_metadata(to).is_ok() {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            fs::rename(from, to)
        }
        other => other,
    }
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
    fn where_there_are_no_links_a_file_gets_its_name_back_all_the_same_and_a_newer_one_stays() {
        let folder = tempfile::tempdir().unwrap();
        let (leaving, path) = (folder.path().join(format!("{LEAVING}0-pos1.aif")), folder.path().join("pos1.aif"));
        for kind in [io::ErrorKind::PermissionDenied, io::ErrorKind::Unsupported, io::ErrorKind::Other] {
            let give_back = || give_name_back(&leaving, &path, |_, _| Err(kind.into()));
            fs::write(&leaving, "old").unwrap();
            give_back().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "old");
            fs::write(&leaving, "old").unwrap();
            fs::write(&path, "newer").unwrap();
            give_back().unwrap();
            assert_eq!(fs::read_to_string(&path).unwrap(), "newer");
            assert!(!leaving.exists());
            fs::remove_file(&path).unwrap();
        }
    }

    #[test]
    fn a_link_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let link = folder.path().join("pos1.aif");
        std::os::unix::fs::symlink("/etc/hostname", &link).unwrap();
        assert!(open(&link).unwrap_err().to_string().contains("not a regular file"));
    }
}
