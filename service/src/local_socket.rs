//! A socket in a folder of this machine, on which a service listens for the system's users.
//!
//! Whoever holds the lock of the folder owns the file. One that a crash has left answers nobody,
//! and the next process takes its place.

use fs_err as fs;
use std::fs::Permissions;
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use tokio::net::UnixListener;

/// The user who runs the service and its group reach it; who of them may ask is for the service to
/// say, with a reason.
const MODE: u32 = 0o660;

/// Longest path of a socket on Linux.
pub const MAX_PATH_BYTES: usize = 107;

/// The file of an open socket. It goes when this is dropped.
#[derive(Debug)]
pub struct SocketFile {
    path: PathBuf,
}

impl SocketFile {
    /// Opens the socket in the place of a file that was left. Within a runtime.
    pub fn bind(path: &Path) -> io::Result<(Self, UnixListener)> {
        match fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        let file = Self { path: path.to_owned() };
        fs::set_permissions(path, Permissions::from_mode(MODE))?;
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
