//! The socket by which users of this machine ask the running server: `cash-server.sock` in the
//! data folder, HTTP as on the port of REST, without passwords. The operating system says who is on
//! the other side; [`crate::rest::auth`] says who may ask.
//!
//! Whoever holds the data folder's lock owns the file. One that a crash has left answers nobody,
//! and the next server takes its place.

use fs_err as fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// The file's name.
const NAME: &str = "cash-server.sock";

/// The user who runs the server and its group reach it; who of them may ask is for the server to
/// say, with a reason.
const MODE: u32 = 0o660;

/// Longest path of a socket on Linux.
const MAX_PATH_BYTES: usize = 107;

/// Where it stands.
pub fn path(data_dir: &Path) -> PathBuf {
    data_dir.join(NAME)
}

/// What is wrong with the data folder as a place for it, before a server starts.
pub fn fault(data_dir: &Path) -> Option<String> {
    let bytes = path(data_dir).as_os_str().len();
    let most = MAX_PATH_BYTES - NAME.len() - 1;
    (bytes > MAX_PATH_BYTES).then(|| {
        format!("{} is too long for the socket in it: name a folder of {most} bytes at most", data_dir.display())
    })
}

/// The open socket. Its file goes when it is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
}

impl SocketFile {
    /// Opens it in a data folder whose lock the caller holds. Within a runtime.
    pub fn bind(data_dir: &Path) -> io::Result<(Self, UnixListener)> {
        let path = path(data_dir);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(&path)?;
        let file = Self { path };
        fs::set_permissions(&file.path, Permissions::from_mode(MODE))?;
        Ok((file, listener))
    }
}

impl Drop for SocketFile {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_file(&self.path) {
            tracing::debug!(%error, "the socket's file stays");
        }
    }
}
