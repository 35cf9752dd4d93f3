//! The key of the proofs that packages carry: `<data_dir>/credentials/proof-key`, 64 hex digits in
//! one line, mode 600, made by the first start. It lies apart from the databases, since it speaks
//! for what was given out after a backup of them; keep a copy of it elsewhere. Where it is lost a
//! new one is made: nothing is lost by that but time, since tills whose cursor nobody else vouches
//! for get everything once more.

use super::credentials::{CREDENTIALS_DIR, CredentialsError, random_bytes};
use fs_err as fs;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use tillway_file_queue::durable;

/// The key.
#[derive(Clone, PartialEq, Eq)]
pub struct ProofKey([u8; 32]);

impl fmt::Debug for ProofKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ProofKey").finish_non_exhaustive()
    }
}

impl ProofKey {
    /// From its bytes.
    pub fn of(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Its bytes.
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// The file.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(CREDENTIALS_DIR).join("proof-key")
}

/// Reads the key; makes it where there is none.
pub fn load_or_make(data_dir: &Path) -> Result<ProofKey, CredentialsError> {
    let path = path(data_dir);
    let failed = |source| CredentialsError::File { path: path.clone(), source };
    match fs::read_to_string(&path) {
        Ok(text) => {
            let key = blake3::Hash::from_hex(text.trim()).map_err(|_| CredentialsError::Key { path: path.clone() })?;
            Ok(ProofKey(*key.as_bytes()))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let key = random_bytes();
            durable::write_secret(&path, &format!("{}\n", blake3::Hash::from_bytes(key).to_hex())).map_err(failed)?;
            tracing::warn!(
                file = %path.display(),
                "made the key that proves to this server what it gave out; keep a copy apart from the backups"
            );
            Ok(ProofKey(key))
        }
        Err(error) => Err(failed(error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_first_start_makes_the_key_for_its_owner_alone_and_the_second_keeps_it() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_make(folder.path()).unwrap();
        assert_eq!(fs::metadata(path(folder.path())).unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(load_or_make(folder.path()).unwrap(), first);
        assert_ne!(first, ProofKey([0; 32]));
        fs::write(path(folder.path()), "not a key").unwrap();
        let told = load_or_make(folder.path()).unwrap_err().to_string();
        assert!(told.contains("proof-key") && told.contains("64 hex digits"), "{told}");
    }
}
