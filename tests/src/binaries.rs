//! Where the daemons are: in the target folder that this program came from.

use std::env;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus};
use std::sync::OnceLock;

/// The cash server.
pub const CASH_SERVER: &str = "cash-server";
/// The sync agent.
pub const SYNC_AGENT: &str = "sync-agent";

/// Why there is no binary to start.
#[derive(Debug, thiserror::Error)]
pub enum BinaryError {
    /// The folder of this program is not known.
    #[error("failed to find the folder of this program")]
    Own(#[source] io::Error),
    /// Building did not start.
    #[error("failed to start cargo")]
    Cargo(#[source] io::Error),
    /// Building failed.
    #[error("cargo build --bins: {status}")]
    Build {
        /// How cargo ended.
        status: ExitStatus,
    },
}

/// The path of a binary of the workspace, next to this program.
///
/// Under `cargo test` and `cargo run` all binaries are brought up to date first, once a process:
/// cargo builds binaries of other packages for nobody. Outside of cargo what is missing is built.
pub fn binary(name: &str) -> Result<PathBuf, BinaryError> {
    let folder = folder()?;
    let path = folder.join(name);
    let by_cargo = env::var_os("CARGO").is_some();
    if by_cargo || !path.exists() {
        build_once(&folder)?;
    }
    Ok(path)
}

/// `target/<profile>`: this program is there, or, as a test, in its `deps`.
fn folder() -> Result<PathBuf, BinaryError> {
    let own = env::current_exe().map_err(BinaryError::Own)?;
    let folder = own.parent().unwrap_or(Path::new("."));
    let folder = if folder.ends_with("deps") { folder.parent().unwrap_or(folder) } else { folder };
    Ok(folder.to_owned())
}

fn build_once(folder: &Path) -> Result<(), BinaryError> {
    static BUILT: OnceLock<Result<(), BinaryError>> = OnceLock::new();
    match BUILT.get_or_init(|| build(folder)) {
        Ok(()) => Ok(()),
        Err(BinaryError::Build { status }) => Err(BinaryError::Build { status: *status }),
        Err(error) => Err(BinaryError::Cargo(io::Error::other(error.to_string()))),
    }
}

fn build(folder: &Path) -> Result<(), BinaryError> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let target = folder.parent().unwrap_or(folder);
    // Cargo names the folder of its `dev` profile `debug`, and all others as they are called.
    let profile = match folder.file_name().and_then(|name| name.to_str()) {
        None | Some("debug") => "dev",
        Some(other) => other,
    };
    let features: &[&str] = if cfg!(feature = "crash-points") { &["--features", "crash-points"] } else { &[] };
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bins", "--profile", profile, "--target-dir"])
        .arg(target)
        .arg("--manifest-path")
        .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml"))
        .args(features)
        .status()
        .map_err(BinaryError::Cargo)?;
    if status.success() { Ok(()) } else { Err(BinaryError::Build { status }) }
}
