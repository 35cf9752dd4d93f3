//! `run` and `sales-loader`: the long-running commands.

use super::CliError;
use crate::lock::{DataLock, Role};
use crate::run::{Listeners, RunError, bind};
use crate::settings::Settings;
use tillway_proto::process::{OpenFiles, on_signal, start_logging};
use tokio_util::sync::CancellationToken;

pub(super) fn run(settings: Settings, with_sales: bool) -> Result<(), CliError> {
    daemon(settings, async move |settings, shutdown| {
        is_free(&settings, Role::Server)?;
        let listeners = Listeners::bind(&settings, with_sales)?;
        crate::run::run(settings, listeners, shutdown).await
    })
}

pub(super) fn sales_loader(settings: Settings) -> Result<(), CliError> {
    daemon(settings, async move |settings, shutdown| {
        is_free(&settings, Role::SalesLoader)?;
        let listener = bind("sales.listen", settings.sales.listen)?;
        crate::run::run_sales_loader(settings, listener, shutdown).await
    })
}

/// Looks before any port is opened: who starts the server twice is told that it runs, not that an address is in use. The lock
/// itself is taken with the databases.
fn is_free(settings: &Settings, role: Role) -> Result<(), RunError> {
    DataLock::take(&settings.data_dir, role).map(drop).map_err(RunError::Lock)
}

fn daemon(
    settings: Settings,
    work: impl AsyncFnOnce(Settings, CancellationToken) -> Result<(), RunError>,
) -> Result<(), CliError> {
    let log = start_logging(&settings.log).map_err(CliError::Logging)?;
    if let Some(fault) = OpenFiles::raise().fault(crate::run::OPEN_FILES) {
        tracing::warn!("{fault}");
    }
    // Whoever was first in this process has installed the same one.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
    let ended = runtime.block_on(async {
        let shutdown = CancellationToken::new();
        on_signal(shutdown.clone()).map_err(CliError::Signals)?;
        work(settings, shutdown).await.map_err(CliError::Run)
    });
    // The caller prints it; where that is what the log is too, once is enough.
    if let (Err(error), false) = (&ended, log.is_on_standard_error()) {
        tracing::error!("{}", super::told(error));
    }
    ended
}
