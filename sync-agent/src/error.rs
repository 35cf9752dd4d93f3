//! Errors as people read them, and work that blocks.

use std::error::Error;

/// An error with its sources in one line.
pub fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// A task of the runtime did not come to its end, which only a defect or a stop brings about.
#[derive(Debug, thiserror::Error)]
#[error("a background task was ended")]
pub(crate) struct Aborted(#[source] tokio::task::JoinError);

/// Runs work that blocks on disk or database away from the tasks that must answer. A panic in it
/// is an error line, not the end of the agent.
pub(crate) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, Aborted> {
    tokio::task::spawn_blocking(work).await.map_err(Aborted)
}
