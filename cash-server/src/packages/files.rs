//! Where the files of packages are kept: a folder of this machine now, a store that several
//! servers share later.
//!
//! A file is immutable and its name is the hash of its content, so two servers that keep the same
//! package at the same time do no harm. Nothing here says what a package is for:
//! [`PackageStore`](crate::store::packages::PackageStore) remembers that.

use super::PackageError;
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tillway_exchangers::package::{self, BuildError, BuiltPackage, PackageBuilder};
use tillway_proto::PackageName;

/// Keeps the files of packages. Calls block.
pub trait PackageFiles: Send + Sync {
    /// Begins a package, in [`Self::folder`].
    fn begin(&self) -> Result<PackageBuilder, BuildError>;

    /// Takes in a package that was begun here and is finished. When this returns it is durable,
    /// and every server finds it.
    fn keep(&self, built: &BuiltPackage) -> io::Result<()>;

    /// How large a file is, in bytes; none where it is not there.
    fn bytes(&self, name: &PackageName) -> io::Result<Option<u64>>;

    /// Whether a file is what its name says. Reads all of it.
    fn verify(&self, name: &PackageName) -> Result<(), package::PackageError>;

    /// Removes a file; how many bytes it had, none where it was not there.
    fn remove(&self, name: &PackageName) -> io::Result<Option<u64>>;

    /// All files, each with the time since it was kept.
    fn list(&self) -> io::Result<Vec<(PackageName, Duration)>>;

    /// Where a file lies on this machine, or would lie, so that this server can hand it out; none
    /// where others hand it out.
    fn path(&self, name: &PackageName) -> Option<PathBuf>;

    /// The folder of this machine in which packages are built, so that its disk can be looked at.
    fn folder(&self) -> &Path;
}

/// Files in a folder: built there, renamed there, handed out from there.
#[derive(Debug)]
pub struct PackageFolder(PathBuf);

impl PackageFolder {
    /// Makes the folder where it is missing. Nobody builds in it yet: what lies about is from a
    /// killed process.
    pub fn open(folder: PathBuf) -> Result<Self, PackageError> {
        fs::create_dir_all(&folder).map_err(|source| PackageError::Files { source })?;
        if let Err(error) = PackageBuilder::remove_leftovers(&folder) {
            tracing::warn!(error = &error as &dyn std::error::Error, "left unfinished packages where they are");
        }
        Ok(Self(folder))
    }

    fn path_of(&self, name: &PackageName) -> PathBuf {
        self.0.join(name.file_name())
    }
}

impl PackageFiles for PackageFolder {
    fn begin(&self) -> Result<PackageBuilder, BuildError> {
        PackageBuilder::new(&self.0)
    }

    fn keep(&self, _: &BuiltPackage) -> io::Result<()> {
        // The builder has put it into this very folder under its name, durable.
        Ok(())
    }

    fn bytes(&self, name: &PackageName) -> io::Result<Option<u64>> {
        unless_missing(fs::metadata(self.path_of(name)).map(|file| file.len()))
    }

    fn verify(&self, name: &PackageName) -> Result<(), package::PackageError> {
        package::verify_file(&self.path_of(name), name).map(|_| ())
    }

    fn remove(&self, name: &PackageName) -> io::Result<Option<u64>> {
        let bytes = self.bytes(name)?;
        unless_missing(fs::remove_file(self.path_of(name)))?;
        if bytes.is_some() {
            fail::fail_point!("package::removed");
        }
        Ok(bytes)
    }

    fn list(&self) -> io::Result<Vec<(PackageName, Duration)>> {
        let mut files = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            let entry = entry?;
            let name = entry.file_name();
            let name = name.to_str().and_then(|name| name.strip_suffix(".twp")?.parse::<PackageName>().ok());
            if let Some(name) = name {
                files.push((name, entry.metadata()?.modified()?.elapsed().unwrap_or_default()));
            }
        }
        Ok(files)
    }

    fn path(&self, name: &PackageName) -> Option<PathBuf> {
        Some(self.path_of(name))
    }

    fn folder(&self) -> &Path {
        &self.0
    }
}

fn unless_missing<T>(done: io::Result<T>) -> io::Result<Option<T>> {
    match done {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tillway_exchangers::package::Facts;
    use tillway_proto::Revision;

    /// What every implementation must hold, over a fresh one.
    fn keeps_the_contract(files: &dyn PackageFiles) {
        let build = |to| {
            let facts = Facts { from: Revision::ZERO, to: Revision(to), layers: Vec::new(), kinds: Vec::new() };
            let built = files.begin().unwrap().finish(facts).unwrap();
            files.keep(&built).unwrap();
            files.keep(&built).unwrap();
            built
        };
        let none = PackageName::from_hash([7; 32]);
        assert_eq!((files.bytes(&none).unwrap(), files.remove(&none).unwrap()), (None, None));
        assert!(files.verify(&none).is_err());
        assert_eq!(files.list().unwrap(), []);
        // One that is begun and not finished is no file.
        let begun = files.begin().unwrap();
        let (one, other) = (build(1), build(2));
        assert_eq!(build(1).name, one.name, "the same again is the same file");
        let mut listed: Vec<_> = files.list().unwrap().into_iter().map(|(name, _)| name).collect();
        let mut expected = vec![one.name.clone(), other.name.clone()];
        listed.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        expected.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        assert_eq!(listed, expected);
        drop(begun);
        assert_eq!(files.bytes(&one.name).unwrap(), Some(one.bytes));
        files.verify(&one.name).unwrap();
        if let Some(path) = files.path(&one.name) {
            assert_eq!(fs::metadata(path).unwrap().len(), one.bytes);
        }
        assert!(files.folder().is_dir());
        assert_eq!((files.remove(&one.name).unwrap(), files.remove(&one.name).unwrap()), (Some(one.bytes), None));
        assert_eq!((files.bytes(&one.name).unwrap(), files.bytes(&other.name).unwrap()), (None, Some(other.bytes)));
    }

    #[test]
    fn a_folder_keeps_the_contract_of_package_files() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("made/when/missing");
        keeps_the_contract(&PackageFolder::open(path.clone()).unwrap());
        fs::write(path.join("note.txt"), "not a package").unwrap();
        assert_eq!(PackageFolder::open(path).unwrap().list().unwrap().len(), 1, "what was kept, and nothing else");
    }
}
