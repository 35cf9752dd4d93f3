//! Copies of files and folders, restored later: last week's image, yesterday's backup.
//!
//! What is copied must stand still: the daemon off, its databases closed.

use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use tempfile::TempDir;

/// What was in some files and folders of one folder at one moment.
#[derive(Debug)]
pub struct Image {
    copy: TempDir,
}

impl Image {
    /// Copies these entries of `folder`, those that are there.
    pub fn take(folder: &Path, names: &[&str]) -> io::Result<Self> {
        let copy = tempfile::Builder::new().prefix("tillway-image-").tempdir()?;
        for name in names {
            copy_into(&folder.join(name), &copy.path().join(name))?;
        }
        Ok(Self { copy })
    }

    /// Puts these entries back; those that the image does not have are removed.
    pub fn restore(&self, folder: &Path, names: &[&str]) -> io::Result<()> {
        for name in names {
            remove(&folder.join(name))?;
            copy_into(&self.copy.path().join(name), &folder.join(name))?;
        }
        Ok(())
    }

    /// Where the copies lie.
    pub fn folder(&self) -> PathBuf {
        self.copy.path().to_owned()
    }
}

/// Copies a file or folder; nothing where there is none.
pub fn copy_into(from: &Path, to: &Path) -> io::Result<()> {
    if from.is_dir() {
        fs::create_dir_all(to)?;
        for entry in fs::read_dir(from)? {
            let entry = entry?;
            copy_into(&entry.path(), &to.join(entry.file_name()))?;
        }
    } else if from.is_file() {
        fs::copy(from, to)?;
    }
    Ok(())
}

/// Removes a file or folder, where there is one.
pub fn remove(path: &Path) -> io::Result<()> {
    match fs::symlink_metadata(path) {
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_brings_back_what_was_there_and_removes_what_was_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir_all(at("data/sub")).unwrap();
        fs::write(at("data/sub/old"), "1").unwrap();
        fs::write(at("one"), "1").unwrap();
        let image = Image::take(folder.path(), &["data", "one", "later"]).unwrap();
        fs::write(at("data/new"), "2").unwrap();
        fs::write(at("one"), "2").unwrap();
        fs::write(at("later"), "2").unwrap();
        image.restore(folder.path(), &["data", "one", "later"]).unwrap();
        assert_eq!(fs::read_to_string(at("data/sub/old")).unwrap(), "1");
        assert_eq!(fs::read_to_string(at("one")).unwrap(), "1");
        assert!(!at("data/new").exists() && !at("later").exists());
    }
}
