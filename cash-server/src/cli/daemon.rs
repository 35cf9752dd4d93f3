//! `run` and `sales-loader`: the long-running commands.

use super::CliError;
use crate::run::{Listeners, RunError, bind};
use crate::settings::Settings;
use tillway_proto::process::{OpenFiles, on_signal, start_logging};
use tokio_util::sync::CancellationToken;

pub(super) fn run(settings: Settings, with_sales: bool) -> Result<(), CliError> {
    daemon(settings, async move |settings, shutdown| {
        let listeners = Listeners::bind(&settings, with_sales)?;
        crate::run::run(settings, listeners, shutdown).await
    })
}

pub(super) fn sales_loader(settings: Settings) -> Result<(), CliError> {
    daemon(settings, async move |settings, shutdown| {
        let listener = bind("sales.listen", settings.sales.listen)?;
        crate::run::run_sales_loader(settings, listener, shutdown).await
    })
}

fn daemon(
    settings: Settings,
    work: impl AsyncFnOnce(Settings, CancellationToken) -> Result<(), RunError>,
) -> Result<(), CliError> {
    let _log = start_logging(&settings.log).map_err(CliError::Logging)?;
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
    if let Err(error) = &ended {
        tracing::error!("{}", super::told(error));
    }
    ended
}
