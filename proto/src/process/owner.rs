//! Root works on a service's folder as the user to whom it belongs.

use fs_err as fs;
use nix::unistd::{Gid, Uid, User, geteuid, initgroups, setgid, setuid};
use std::ffi::CString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::Path;

/// Root goes on as the user to whom `folder` belongs, for the rest of this process: what root
/// would make there, the service could not open. Whoever is not root stays who it is, and so does
/// everybody where there is no such folder.
pub fn become_owner_of(folder: &Path) -> io::Result<()> {
    if !geteuid().is_root() {
        return Ok(());
    }
    let owner = match fs::metadata(folder) {
        Ok(folder) => Uid::from_raw(folder.uid()),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => return Ok(()),
        Err(error) => return Err(error),
    };
    if owner.is_root() {
        return Ok(());
    }
    let (name, group) = match User::from_uid(owner)? {
        Some(user) => (user.name, user.gid),
        None => (owner.to_string(), Gid::from_raw(fs::metadata(folder)?.gid())),
    };
    let name = CString::new(name).map_err(io::Error::other)?;
    // Groups first: afterwards nothing of this may be done any more.
    initgroups(&name, group)?;
    setgid(group)?;
    setuid(owner)?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_changes_for_a_folder_of_its_own_or_one_that_is_not_there() {
        let before = geteuid();
        let folder = tempfile::tempdir().unwrap();
        become_owner_of(folder.path()).unwrap();
        become_owner_of(&folder.path().join("none")).unwrap();
        assert_eq!(geteuid(), before);
    }
}
