//! Whether this process may write where its settings send it, and whether others may read what is
//! secret. Whether a file can be made in a folder is seen only by making one.

use fs_err as fs;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Rights of everybody who is neither the owner nor of the group.
const OTHERS_READ: u32 = 0o004;
const OTHERS_PASS: u32 = 0o001;

/// What is wrong with a folder that is written into. One that `is_made` by us may be missing where
/// it can be made.
pub fn folder_fault(folder: &Path, is_made: bool) -> Option<String> {
    match fs::metadata(folder) {
        Ok(found) if !found.is_dir() => Some(format!("{} is no folder", folder.display())),
        Ok(_) => write_fault(folder),
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_made => {
            let parent = folder.ancestors().skip(1).find(|parent| parent.exists())?;
            folder_fault(parent, false).map(|why| format!("{} cannot be made: {why}", folder.display()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Some(format!("there is no folder {}; make it, writable for this program", folder.display()))
        }
        Err(error) => Some(error.to_string()),
    }
}

/// What is wrong with a file that is made where it is missing, with its folder, and else written
/// on.
pub fn file_fault(file: &Path) -> Option<String> {
    match fs::OpenOptions::new().append(true).open(file) {
        Ok(_) => None,
        Err(error) if error.kind() == io::ErrorKind::NotFound => folder_fault(file.parent()?, true),
        Err(error) => Some(error.to_string()),
    }
}

/// What is wrong with a file that holds a secret: everybody on this machine can reach and read it.
/// One that is not there, or cannot be looked at, is no fault here.
pub fn secret_fault(file: &Path) -> Option<String> {
    let allows =
        |path: &Path, right: u32| fs::metadata(path).is_ok_and(|found| found.permissions().mode() & right != 0);
    let file = fs::canonicalize(file).ok()?;
    let is_open = allows(&file, OTHERS_READ) && file.ancestors().skip(1).all(|folder| allows(folder, OTHERS_PASS));
    is_open.then(|| format!("everybody on this machine can read {0}: chmod o-rwx {0}", file.display()))
}

fn write_fault(folder: &Path) -> Option<String> {
    let trial = folder.join(format!(".tillway-check-{}", std::process::id()));
    match fs::write(&trial, b"") {
        Ok(()) => {
            // A trial file that stays does no harm and bears our name.
            let _ = fs::remove_file(&trial);
            None
        }
        // A disk that is full today does not make the folder a wrong one: who looks after room
        // tells of it, and only a program that runs frees any.
        Err(error) if matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded) => None,
        Err(error) => Some(format!("this user may not write into {}: {error}", folder.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_open_where_everybody_may_read_it_and_come_there() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        fs::write(&file, "").unwrap();
        let set =
            |path: &Path, mode| fs::set_permissions(path, std::os::unix::fs::PermissionsExt::from_mode(mode)).unwrap();
        let told = [(0o700, 0o644), (0o755, 0o600), (0o755, 0o640), (0o755, 0o644)].map(|(of_folder, of_file)| {
            set(folder.path(), of_folder);
            set(&file, of_file);
            secret_fault(&file)
        });
        assert_eq!(told[..3], [None, None, None]);
        let ways_there =
            folder.path().ancestors().skip(1).all(|at| fs::metadata(at).unwrap().permissions().mode() & 1 == 1);
        assert_eq!(told[3].is_some(), ways_there, "{told:?}");
        assert_eq!(secret_fault(&folder.path().join("none")), None);
    }

    #[test]
    fn what_can_be_made_is_no_fault_and_nothing_is_left_behind() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        assert_eq!(folder_fault(folder.path(), false), None);
        assert_eq!((folder_fault(&at("a/b"), true), file_fault(&at("a/x.log"))), (None, None));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
        assert!(folder_fault(&at("a"), false).unwrap().contains("make it"));
        fs::write(at("file"), "").unwrap();
        assert!(folder_fault(&at("file/sub"), true).is_some());
        assert!(folder_fault(&at("file"), true).unwrap().contains("is no folder"));
        assert_eq!(file_fault(&at("file")), None);
        assert!(file_fault(folder.path()).is_some());
    }
}
