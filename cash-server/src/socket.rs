//! The socket by which users of this machine ask the running server: `cash-server.sock` in the
//! data folder, HTTP as on the port of REST, without passwords. The operating system says who is
//! on the other side; [`crate::rest::auth`] says who may ask.

use std::path::{Path, PathBuf};
use tillway_service::local_socket::MAX_PATH_BYTES;

/// The file's name.
const NAME: &str = "cash-server.sock";

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
