//! Whether this process may write where its settings send it. Whether a file can be made in a
//! folder is seen only by making one.

use fs_err as fs;
use std::io;
use std::path::Path;

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
