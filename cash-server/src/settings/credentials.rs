//! Credentials of people and back offices. There are no default passwords: the first start makes
//! random ones.
//!
//! `<data_dir>/credentials/admin` is the first user of REST and the page,
//! `<data_dir>/credentials/backoffice` is for AIF over REST. Each holds one line,
//! `<user>:<password>`, mode 600, and may be edited by hand; it is read at start. A first line of
//! `admin` that is another than the last time sets that user's password on the page
//! ([`crate::app`]). The values are never logged.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use std::fmt;
use std::io;
use std::path::{Path, PathBuf};
use subtle::ConstantTimeEq as _;
use tillway_file_queue::durable;

/// Folder of credentials in the data folder.
pub const CREDENTIALS_DIR: &str = "credentials";

/// Characters of a password that the server makes: 30 characters of base 64 hold 180 bits.
const PASSWORD_BYTES: usize = 24;

/// Why there are no credentials.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// The file could not be read or made.
    #[error("failed to read or make the credentials {}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file does not hold one line `<user>:<password>`.
    #[error("{} is no file of credentials: write one line `<user>:<password>` or remove the file", path.display())]
    Shape {
        /// The file.
        path: PathBuf,
    },
    /// The file does not hold the key of proofs.
    #[error(
        "{} is no key: it has one line of 64 hex digits; put the right file back, or remove it, and a new key is made",
        path.display()
    )]
    Key {
        /// The file.
        path: PathBuf,
    },
    /// The file does not hold the key that opens backups.
    #[error(
        "{} is no key of backups: it has one line that begins with AGE-SECRET-KEY-1; put the right file back",
        path.display()
    )]
    BackupKey {
        /// The file.
        path: PathBuf,
    },
}

/// A user with a password.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    /// The user's name.
    pub user: String,
    password: String,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("user", &self.user).finish_non_exhaustive()
    }
}

impl Credentials {
    /// From a name and a password that are known.
    pub fn new(user: &str, password: &str) -> Self {
        Self { user: user.to_owned(), password: password.to_owned() }
    }

    /// The password, for whoever has to present it.
    pub fn password(&self) -> &str {
        &self.password
    }

    /// Whether they are these.
    pub fn are(&self, user: &str, password: &str) -> bool {
        self.is_text(format!("{user}:{password}").as_bytes())
    }

    fn is_text(&self, presented: &[u8]) -> bool {
        let wanted = format!("{}:{}", self.user, self.password);
        // Hashes have one length, so that the comparison tells nothing of the password's.
        blake3::hash(presented).as_bytes().ct_eq(blake3::hash(wanted.as_bytes()).as_bytes()).into()
    }

    /// Whether the value of an `Authorization` header is `Basic` with this user and password.
    pub fn accepts(&self, authorization: &[u8]) -> bool {
        let Some((scheme, encoded)) = authorization.split_at_checked(6) else { return false };
        if !scheme.eq_ignore_ascii_case(b"basic ") {
            return false;
        }
        STANDARD.decode(encoded.trim_ascii()).is_ok_and(|presented| self.is_text(&presented))
    }
}

/// All credentials of a server, and which files were made just now.
#[derive(Debug, Clone)]
pub struct ServerCredentials {
    /// The first user: REST, and the page until it has another password there.
    pub admin: Credentials,
    /// For AIF over REST.
    pub back_office: Credentials,
    /// Files that this start made; the operator is told of them once.
    pub made: Vec<PathBuf>,
}

/// The file of the administrator's credentials.
pub fn admin_path(data_dir: &Path) -> PathBuf {
    data_dir.join(CREDENTIALS_DIR).join("admin")
}

/// Stands beside the administrator's credentials where nobody has chosen their password, until a
/// server has taken them over.
pub fn made_mark(data_dir: &Path) -> PathBuf {
    admin_path(data_dir).with_extension("made")
}

/// The file of the back office's credentials.
pub fn back_office_path(data_dir: &Path) -> PathBuf {
    data_dir.join(CREDENTIALS_DIR).join("backoffice")
}

/// Reads the credentials; makes what is missing.
pub fn load_or_make(data_dir: &Path) -> Result<ServerCredentials, CredentialsError> {
    let mut made = Vec::new();
    let mut one = |path: PathBuf, user: &str| match read(&path) {
        Err(CredentialsError::File { source, .. }) if source.kind() == io::ErrorKind::NotFound => {
            let credentials = make(&path, user).map_err(|source| CredentialsError::File { path: path.clone(), source });
            made.push(path);
            credentials
        }
        other => other,
    };
    let admin = one(admin_path(data_dir), "admin")?;
    let back_office = one(back_office_path(data_dir), "backoffice")?;
    if made.contains(&admin_path(data_dir)) {
        let mark = made_mark(data_dir);
        durable::write_secret(&mark, "").map_err(|source| CredentialsError::File { path: mark, source })?;
    }
    Ok(ServerCredentials { admin, back_office, made })
}

/// Reads one file of credentials.
pub fn read(path: &Path) -> Result<Credentials, CredentialsError> {
    let text = fs::read_to_string(path).map_err(|source| CredentialsError::File { path: path.to_owned(), source })?;
    match text.trim().split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() && !text.trim().contains('\n') => {
            Ok(Credentials::new(user, password))
        }
        _ => Err(CredentialsError::Shape { path: path.to_owned() }),
    }
}

fn make(path: &Path, user: &str) -> io::Result<Credentials> {
    let credentials = Credentials::new(user, &random_password());
    durable::write_secret(path, &format!("{user}:{}\n", credentials.password))?;
    Ok(credentials)
}

/// A password that nobody can guess.
pub(crate) fn random_password() -> String {
    base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(&random_bytes()[..PASSWORD_BYTES])
}

/// 244 random bits, spread over 32 bytes.
pub(super) fn random_bytes() -> [u8; 32] {
    let mut bytes = Vec::with_capacity(2 * 16);
    bytes.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    bytes.extend_from_slice(uuid::Uuid::new_v4().as_bytes());
    *blake3::hash(&bytes).as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn the_first_start_makes_credentials_and_the_second_keeps_them() {
        let folder = tempfile::tempdir().unwrap();
        let first = load_or_make(folder.path()).unwrap();
        assert_eq!(first.made, [admin_path(folder.path()), back_office_path(folder.path())]);
        for path in &first.made {
            assert_eq!(fs::metadata(path).unwrap().permissions().mode() & 0o777, 0o600);
        }
        let second = load_or_make(folder.path()).unwrap();
        assert_eq!(second.made, Vec::<PathBuf>::new());
        assert_eq!(second.admin, first.admin);
        assert_ne!(first.admin.password(), first.back_office.password());
        assert!(!format!("{first:?}").contains(first.admin.password()));
    }

    #[test]
    fn basic_credentials_are_compared_whole() {
        let credentials = Credentials::new("admin", "pa:ss");
        let header = |text: &str| format!("Basic {}", STANDARD.encode(text));
        assert!(credentials.accepts(header("admin:pa:ss").as_bytes()));
        assert!(!credentials.accepts(header("admin:pa").as_bytes()));
        assert!(!credentials.accepts(header("").as_bytes()));
        assert!(!credentials.accepts(b"Bearer x"));
        assert!(!credentials.accepts(b"Ba"));
    }

    #[test]
    fn a_file_of_another_shape_says_what_to_do() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("admin");
        fs::write(&path, "secret\n").unwrap();
        assert!(
            read(&path).unwrap_err().to_string().ends_with("write one line `<user>:<password>` or remove the file")
        );
    }
}
