//! The key that opens backups: `<data_dir>/credentials/backup-key`, an identity of age, mode 600,
//! made by the first start. Whoever loses the server's disk needs a copy of it that lies
//! elsewhere: it is in no backup in the clear.

use crate::settings::credentials::{CREDENTIALS_DIR, CredentialsError};
use age::secrecy::ExposeSecret as _;
use age::x25519::Identity;
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use tillway_file_queue::durable;

/// The file.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(CREDENTIALS_DIR).join("backup-key")
}

/// Reads the key; makes it where there is none.
pub fn load_or_make(data_dir: &Path) -> Result<Identity, CredentialsError> {
    let path = path(data_dir);
    match read(&path) {
        Err(CredentialsError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let key = Identity::generate();
            durable::write_secret(&path, &format!("{}\n", key.to_string().expose_secret()))
                .map_err(|source| CredentialsError::File { path: path.clone(), source })?;
            tracing::warn!(
                file = %path.display(),
                "made the key that opens backups: keep a copy of it apart from this machine and from the backups"
            );
            Ok(key)
        }
        other => other,
    }
}

/// Reads a key from a file, as `age-keygen` writes it: lines that begin with `#` are passed over.
pub fn read(path: &Path) -> Result<Identity, CredentialsError> {
    let text = fs::read_to_string(path).map_err(|source| CredentialsError::File { path: path.to_owned(), source })?;
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with('#'));
    let key = line.and_then(|line| line.parse().ok());
    key.ok_or_else(|| CredentialsError::BackupKey { path: path.to_owned() })
}
