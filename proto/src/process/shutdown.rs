//! A clean stop: SIGTERM and SIGINT cancel a token that every task watches. SIGHUP has logs opened
//! anew, for logrotate.

use super::ServiceManager;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// The process could not listen for signals.
#[derive(Debug, thiserror::Error)]
#[error("failed to listen for signals")]
pub struct ShutdownError(#[source] std::io::Error);

/// Cancels `shutdown` at the first SIGTERM or SIGINT. A second one ends the process the hard way,
/// since the operator insists. Must be called within a tokio runtime.
pub fn on_signal(shutdown: CancellationToken) -> Result<(), ShutdownError> {
    let mut terminate = signal(SignalKind::terminate()).map_err(ShutdownError)?;
    let mut interrupt = signal(SignalKind::interrupt()).map_err(ShutdownError)?;
    let mut hang_up = signal(SignalKind::hangup()).map_err(ShutdownError)?;
    tokio::spawn(async move {
        while hang_up.recv().await.is_some() {
            super::reopen_logs();
            tracing::info!("SIGHUP: logs are opened anew");
        }
    });
    tokio::spawn(async move {
        for asked_before in [false, true] {
            let name = tokio::select! {
                _ = terminate.recv() => "SIGTERM",
                _ = interrupt.recv() => "SIGINT",
            };
            if asked_before {
                tracing::warn!(signal = name, "second signal: ending at once");
                std::process::exit(130);
            }
            tracing::info!(signal = name, "stopping");
            ServiceManager::of_this_process().stops();
            shutdown.cancel();
        }
    });
    Ok(())
}
