//! A store that speaks S3, for tests of backups: a stand-in in Python (`s3_store.py`), which
//! checks signatures by itself and can be made to fail.

use crate::wait::{Seen, TimedOut, wait_for};
use fs_err as fs;
use std::io::{self, BufRead as _, BufReader};
use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;
use tempfile::TempDir;

/// The one bucket.
pub const BUCKET: &str = "backups";

/// Its region.
pub const REGION: &str = "shop-1";

/// The id of the one access key.
const KEY_ID: &str = "TILLWAYTESTKEY";

/// Its secret.
const SECRET: &str = "a/secret+of=tests";

/// Python starts within a moment; tests share two cores.
const START_TIMEOUT: Duration = Duration::from_mins(1);

/// Why there is no store.
#[derive(Debug, thiserror::Error)]
pub enum S3StoreError {
    /// A file.
    #[error("failed to prepare the store")]
    File(#[source] io::Error),
    /// It could not be started.
    #[error("failed to start the store: python3 is needed")]
    Start(#[source] io::Error),
    /// It does not answer.
    #[error("the store does not answer")]
    NotReady(#[source] TimedOut),
}

/// A running store.
#[derive(Debug)]
pub struct S3Store {
    folder: TempDir,
    port: u16,
    /// Certificate and key, where it speaks TLS.
    pair: Option<[PathBuf; 2]>,
    process: Option<Child>,
}

impl S3Store {
    /// Starts one that is empty.
    pub fn start() -> Result<Self, S3StoreError> {
        Self::start_with(None)
    }

    /// Starts one that speaks TLS alone, with this certificate and key.
    pub fn start_with_tls(certificate: &Path, key: &Path) -> Result<Self, S3StoreError> {
        Self::start_with(Some([certificate.to_owned(), key.to_owned()]))
    }

    fn start_with(pair: Option<[PathBuf; 2]>) -> Result<Self, S3StoreError> {
        let folder = tempfile::Builder::new().prefix("tillway-s3-").tempdir().map_err(S3StoreError::File)?;
        fs::write(folder.path().join("s3_store.py"), include_str!("s3_store.py")).map_err(S3StoreError::File)?;
        let mut store = Self { folder, port: 0, pair, process: None };
        store.switch_on()?;
        Ok(store)
    }

    /// Starts it again on what it left, at the same port.
    pub fn switch_on(&mut self) -> Result<(), S3StoreError> {
        let folder = self.folder.path();
        let mut process = Command::new("python3")
            .arg(folder.join("s3_store.py"))
            .arg(folder)
            .args([&self.port.to_string(), BUCKET, REGION, KEY_ID, SECRET])
            .args(self.pair.iter().flatten())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(S3StoreError::Start)?;
        if let Some(output) = process.stdout.take() {
            let mut port = String::new();
            BufReader::new(output).read_line(&mut port).map_err(S3StoreError::Start)?;
            self.port = port.trim().parse().unwrap_or(self.port);
        }
        self.process = Some(process);
        let port = self.port;
        wait_for("the store to listen", START_TIMEOUT, || match TcpStream::connect((Ipv4Addr::LOCALHOST, port)) {
            Ok(_) => Seen::Ready(()),
            Err(error) => Seen::NotYet(error.to_string()),
        })
        .map_err(S3StoreError::NotReady)
    }

    /// Ends it.
    pub fn switch_off(&mut self) {
        if let Some(mut process) = self.process.take() {
            let _ = process.kill();
            let _ = process.wait();
        }
    }

    /// Its address.
    pub fn endpoint(&self) -> String {
        let scheme = if self.pair.is_some() { "https" } else { "http" };
        format!("{scheme}://127.0.0.1:{}", self.port)
    }

    /// A file with the access key, in this folder.
    pub fn key_file(&self, folder: &Path) -> Result<PathBuf, S3StoreError> {
        let path = folder.join("s3.key");
        tillway_file_queue::durable::write_secret(&path, &format!("{KEY_ID}\n{SECRET}\n"))
            .map_err(S3StoreError::File)?;
        Ok(path)
    }

    /// How it behaves from now on, as `s3_store.py` tells it; an empty text: well.
    pub fn behave(&self, fault: &str) -> Result<(), S3StoreError> {
        fs::write(self.folder.path().join("fault"), fault).map_err(S3StoreError::File)
    }

    /// The file of an object.
    pub fn object(&self, key: &str) -> PathBuf {
        self.folder.path().join("objects").join(key.replace('/', "%2F"))
    }

    /// The keys of all objects.
    pub fn objects(&self) -> Result<Vec<String>, S3StoreError> {
        let mut keys = Vec::new();
        for entry in fs::read_dir(self.folder.path().join("objects")).map_err(S3StoreError::File)? {
            let name = entry.map_err(S3StoreError::File)?.file_name();
            keys.push(name.to_string_lossy().replace("%2F", "/"));
        }
        keys.sort();
        Ok(keys)
    }

    /// Uploads that are neither ended nor given up.
    pub fn open_uploads(&self) -> Result<usize, S3StoreError> {
        Ok(fs::read_dir(self.folder.path().join("uploads")).map_err(S3StoreError::File)?.count())
    }
}

impl Drop for S3Store {
    fn drop(&mut self) {
        self.switch_off();
    }
}
