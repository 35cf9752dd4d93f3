//! `uploadscript` and `unloadscript`: a program of the site in place of the built-in loader or
//! unloader.
//!
//! It gets its argument, no input, and a time limit; exit code 0 is success. The end of what it
//! writes to standard error becomes the reason where it fails.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;
use tokio::io::AsyncReadExt as _;
use tokio::process::{ChildStderr, Command};
use tokio_util::sync::CancellationToken;

/// How long it may take: a full catalogue into a slow database.
pub(crate) const SCRIPT_TIME: Duration = Duration::from_mins(30);

/// Most bytes of its last words that go into a reason.
const MAX_LAST_WORDS: usize = 500;

/// Why it did not do its work.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ScriptError {
    /// It could not be started.
    #[error("failed to run {}", script.display())]
    Start {
        /// The program.
        script: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It said no.
    #[error("{} ended with {status}: {last_words}", script.display())]
    Failed {
        /// The program.
        script: PathBuf,
        /// Its exit.
        status: std::process::ExitStatus,
        /// The end of its standard error.
        last_words: String,
    },
    /// It was ended.
    #[error("{} was ended after {after:?}", script.display())]
    TimeLimit {
        /// The program.
        script: PathBuf,
        /// The limit.
        after: Duration,
    },
    /// The agent stops.
    #[error("{} was ended because the agent stops", script.display())]
    Stopped {
        /// The program.
        script: PathBuf,
    },
}

/// Runs it to its end, or to `limit`.
pub(crate) async fn run(
    script: &Path,
    arguments: &[&std::ffi::OsStr],
    limit: Duration,
    shutdown: &CancellationToken,
) -> Result<(), ScriptError> {
    let start = |source| ScriptError::Start { script: script.to_owned(), source };
    let mut command = Command::new(script);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).kill_on_drop(true);
    let mut child = command.spawn().map_err(start)?;
    let mut errors = child.stderr.take();
    let work = async {
        let last_words = last_words(errors.as_mut()).await;
        (child.wait().await, last_words)
    };
    let ended = tokio::select! {
        ended = tokio::time::timeout(limit, work) => ended,
        () = shutdown.cancelled() => return Err(ScriptError::Stopped { script: script.to_owned() }),
    };
    let Ok((status, last_words)) = ended else {
        return Err(ScriptError::TimeLimit { script: script.to_owned(), after: limit });
    };
    let status = status.map_err(start)?;
    if status.success() {
        return Ok(());
    }
    Err(ScriptError::Failed { script: script.to_owned(), status, last_words })
}

/// Reads to the end and keeps the last of it, so that a script that talks without end fills no
/// memory.
async fn last_words(stream: Option<&mut ChildStderr>) -> String {
    let mut kept = Vec::new();
    let mut buffer = [0_u8; 4096];
    if let Some(stream) = stream {
        while let Ok(read @ 1..) = stream.read(&mut buffer).await {
            kept.extend_from_slice(&buffer[..read]);
            kept.drain(..kept.len().saturating_sub(MAX_LAST_WORDS));
        }
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::ffi::OsStr;

    /// Through the shell: a file that was just written cannot be executed while another test
    /// forks.
    async fn outcome(text: &str, limit: Duration) -> Result<(), ScriptError> {
        let arguments = ["-c", text, "sh", "arg"].map(OsStr::new);
        run(Path::new("/bin/sh"), &arguments, limit, &CancellationToken::new()).await
    }

    #[tokio::test]
    async fn the_exit_code_decides_and_its_last_words_are_told() {
        outcome("test \"$1\" = arg", SCRIPT_TIME).await.unwrap();
        let error = outcome("echo no room >&2; exit 3", SCRIPT_TIME).await.unwrap_err().to_string();
        assert!(error.contains("exit status: 3") && error.contains("no room"), "{error}");
    }

    #[tokio::test]
    async fn a_script_that_hangs_is_ended() {
        let error = outcome("exec sleep 600", Duration::from_millis(100)).await.unwrap_err();
        assert!(matches!(error, ScriptError::TimeLimit { .. }));
    }
}
