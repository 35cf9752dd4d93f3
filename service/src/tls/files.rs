//! The folder of authority and certificates.
//!
//! | file | holds |
//! |---|---|
//! | `authority.pem`, `authority.key` | the authority that signs |
//! | `next-authority.pem`, `.key` | the one that will sign, while it is handed out |
//! | `old-authority.pem` | the one that signed before; trusted until it ends |
//! | `<pair>.pem`, `<pair>.key` | a certificate, and its key, which stays when it is renewed |
//! | `lock` | nothing; whoever changes something here holds it |
//!
//! Keys are made with mode 600 and are not made anew; one may be given to a group, and stays so.
//! A key is written before its certificate, so a certificate never lacks its key. When the next
//! authority takes over, its key moves first; [`Folder::finish_rotation`] ends what was cut off
//! between the two.

use super::TlsError;
use super::authority::Authority;
use super::certificate::Certificate;
use fs_err as fs;
use fs_err::os::unix::fs::OpenOptionsExt as _;
use rcgen::KeyPair;
use std::fs::{File, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

/// The authority that signs.
pub(super) const CURRENT: &str = "authority";

/// The one after it.
pub(super) const NEXT: &str = "next-authority";

/// The one before it.
const OLD: &str = "old-authority";

/// Held by whoever changes something.
const LOCK: &str = "lock";

const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;
const FOR_GROUP: u32 = 0o640;

/// The folder, there.
#[derive(Debug)]
pub(super) struct Folder(PathBuf);

fn failed(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> TlsError + use<> {
    let path = path.to_owned();
    move |source| TlsError::File { action, path, source }
}

impl Folder {
    /// Makes it where it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, TlsError> {
        if !path.is_dir() {
            fs::create_dir_all(path).map_err(failed("make", path))?;
            if let Some(above) = path.parent() {
                sync(above).map_err(failed("make", path))?;
            }
        }
        Ok(Self(path.to_owned()))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }

    /// Waits until no other process changes something here; none does while the file is held.
    pub(super) fn turn(&self) -> Result<File, TlsError> {
        let path = self.0.join(LOCK);
        let file = fs::OpenOptions::new().create(true).append(true).mode(SECRET).open(&path);
        let file = file.map_err(failed("open", &path))?.into_file();
        file.lock().map_err(failed("lock", &path))?;
        Ok(file)
    }

    /// The file of a certificate.
    pub(super) fn certificate(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.pem"))
    }

    fn key(&self, name: &str) -> PathBuf {
        self.0.join(format!("{name}.key"))
    }

    /// An authority with its key.
    pub(super) fn read_authority(&self, name: &str) -> Result<Option<Authority>, TlsError> {
        let Some(certificate) = self.read_certificate(name)? else { return Ok(None) };
        let path = self.key(name);
        let key = read(&path)?.and_then(|text| KeyPair::from_pem(&text).ok()).filter(|key| certificate.has_key(key));
        match key {
            Some(key) => Ok(Some(Authority { certificate, key: Some(key) })),
            // One that nobody trusts yet can be made anew.
            None if name == NEXT => Ok(None),
            None => Err(TlsError::AuthorityKey { path }),
        }
    }

    /// The authority that signed before.
    pub(super) fn read_old(&self) -> Result<Option<Authority>, TlsError> {
        Ok(self.read_certificate(OLD)?.map(|certificate| Authority { certificate, key: None }))
    }

    /// A certificate; none where it is missing or damaged.
    pub(super) fn read_certificate(&self, name: &str) -> Result<Option<Certificate>, TlsError> {
        Ok(read(&self.certificate(name))?.and_then(|text| Certificate::from_pem(&text)))
    }

    /// The key of a pair; made where it is missing or damaged.
    pub(super) fn key_of(&self, name: &str) -> Result<KeyPair, TlsError> {
        let path = self.key(name);
        if let Some(key) = read(&path)?.and_then(|text| KeyPair::from_pem(&text).ok()) {
            return Ok(key);
        }
        let made =
            KeyPair::generate().map_err(|error| TlsError::NotMade { path: path.clone(), detail: error.to_string() })?;
        write(&path, &made.serialize_pem(), SECRET)?;
        Ok(made)
    }

    /// Replaces a certificate.
    pub(super) fn write_certificate(&self, name: &str, pem: &str) -> Result<(), TlsError> {
        write(&self.certificate(name), pem, PUBLIC)
    }

    /// Copies a pair, its key first. The files belong to the other folder's group, where that is
    /// set to be inherited.
    pub(super) fn copy_pair(&self, name: &str, to: &Path) -> Result<(), TlsError> {
        for (from, end) in [(self.key(name), "key"), (self.certificate(name), "pem")] {
            let Some(text) = read(&from)? else { continue };
            let copy = to.join(name).with_extension(end);
            if read(&copy)?.is_none_or(|there| there != text) {
                write(&copy, &text, FOR_GROUP)?;
            }
        }
        Ok(())
    }

    /// Writes a new authority, its key first.
    pub(super) fn write_authority(&self, name: &str, made: &Authority) -> Result<(), TlsError> {
        if let Some(key) = &made.key {
            write(&self.key(name), &key.serialize_pem(), SECRET)?;
        }
        self.write_certificate(name, &made.certificate.pem)
    }

    /// The next authority signs, the present one is old.
    pub(super) fn rotate(&self) -> Result<(), TlsError> {
        if let Some(current) = self.read_certificate(CURRENT)? {
            self.write_certificate(OLD, &current.pem)?;
        }
        self.rename(&self.key(NEXT), &self.key(CURRENT))?;
        self.rename(&self.certificate(NEXT), &self.certificate(CURRENT))
    }

    /// Ends a [`Folder::rotate`] that was cut off between its two files.
    pub(super) fn finish_rotation(&self) -> Result<(), TlsError> {
        let Some(key) = read(&self.key(CURRENT))?.and_then(|text| KeyPair::from_pem(&text).ok()) else { return Ok(()) };
        let has_key = |name| Ok(self.read_certificate(name)?.is_some_and(|certificate| certificate.has_key(&key)));
        if !has_key(CURRENT)? && has_key(NEXT)? {
            self.rename(&self.certificate(NEXT), &self.certificate(CURRENT))?;
        }
        Ok(())
    }

    /// The present authority signs no more, and none follows it yet. Its key goes last: until the
    /// certificate has its other name, the two go together.
    pub(super) fn let_go_of_current(&self) -> Result<(), TlsError> {
        self.rename(&self.certificate(CURRENT), &self.certificate(OLD))
    }

    fn rename(&self, from: &Path, to: &Path) -> Result<(), TlsError> {
        fs::rename(from, to).and_then(|()| sync(&self.0)).map_err(failed("rename", from))
    }
}

fn read(path: &Path) -> Result<Option<String>, TlsError> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        // Not text, so damaged: as if it were not there.
        Err(error) if error.kind() == io::ErrorKind::InvalidData => Ok(None),
        Err(error) => Err(failed("read", path)(error)),
    }
}

/// Replaces a file as a whole: after a power cut it is the old one or the new one.
fn write(path: &Path, text: &str, mode: u32) -> Result<(), TlsError> {
    let new = path.with_extension("new");
    let written = (|| {
        // A file left by a writer that was cut off would keep its mode, so it goes first.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        // What is for all to read is so whatever the mask of this process: the program of a pair
        // runs as another user.
        file.set_permissions(Permissions::from_mode(mode))?;
        file.write_all(text.as_bytes())?;
        file.sync_all()?;
        fs::rename(&new, path)?;
        sync(path.parent().unwrap_or(Path::new(".")))
    })();
    written.map_err(failed("write", path))
}

fn sync(folder: &Path) -> io::Result<()> {
    fs::File::open(folder)?.sync_all()
}
