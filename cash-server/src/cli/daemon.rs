//! `run` and `sales-loader`: the long-running commands.
//!
//! A start looks first at what `check --online` looks at, and tells every fault at once, each with
//! its key and line. Without what it needs (folders, certificates, addresses) it does not start;
//! with the rest it goes on, and what it names comes to work when it is there.

use super::CliError;
use crate::exchange::broker::online;
use crate::lock::{DataLock, LockError, Role};
use crate::probe;
use crate::run::{Listeners, RunError, bind};
use crate::settings::{Fault, Origins, SALES_LISTEN, Settings};
use std::path::Path;
use tillway_proto::process::{become_owner_of, on_signal, start_logging_and_keep};
use tokio_util::sync::CancellationToken;

pub(super) fn run(path: Option<&Path>, settings: Settings, with_sales: bool) -> Result<(), CliError> {
    daemon(path, settings, Role::Server, with_sales, async move |settings, shutdown| {
        let listeners = Listeners::bind(&settings, with_sales)?;
        crate::run::run(settings, listeners, shutdown).await
    })
}

pub(super) fn sales_loader(path: Option<&Path>, settings: Settings) -> Result<(), CliError> {
    daemon(path, settings, Role::SalesLoader, true, async move |settings, shutdown| {
        let listener = bind(SALES_LISTEN, settings.sales.listen)?;
        crate::run::run_sales_loader(settings, listener, shutdown).await
    })
}

fn daemon(
    path: Option<&Path>,
    settings: Settings,
    role: Role,
    with_sales: bool,
    work: impl AsyncFnOnce(Settings, CancellationToken) -> Result<(), RunError>,
) -> Result<(), CliError> {
    // By hand on a machine where the service has a user of its own.
    become_owner_of(&settings.data_dir).map_err(CliError::Owner)?;
    let log = start_logging_and_keep(&settings.log);
    let start = look(path, &settings, role, with_sales);
    // A log that cannot be written is among what was looked at.
    let (log, start) = match (log, start) {
        (Err(error), Ok(_)) => return Err(CliError::Logging(error)),
        (Err(_), Err(error)) => return Err(error),
        (Ok(log), start) => (log, start),
    };
    let ended = start.and_then(|start| start.carry_on(settings, role, work));
    // The caller prints it; where that is what the log is too, once is enough.
    if let (Err(error), false) = (&ended, log.is_on_standard_error()) {
        for line in super::error_text(error).lines() {
            tracing::error!("{}", line.trim_start());
        }
    }
    ended
}

/// What was found before the start, and does not keep it from starting.
struct Start {
    place: String,
    origins: Origins,
    faults: Vec<Fault>,
}

/// Looks at everything outside the settings that can be seen without opening anything.
fn look(path: Option<&Path>, settings: &Settings, role: Role, with_sales: bool) -> Result<Start, CliError> {
    // Before any port is tried: who starts the server twice is told that it runs, not that an
    // address is in use. The lock itself is taken with the databases; what else is wrong with the
    // folder is told with all other faults.
    if let Err(held @ LockError::Held { .. }) = DataLock::take(&settings.data_dir, role) {
        return Err(CliError::Running(held));
    }
    let origins = Origins::load(path);
    let mut ports = settings.listeners().to_vec();
    ports.retain(|(key, _)| if *key == SALES_LISTEN { with_sales } else { role == Role::Server });
    let mut needed = probe::needed(settings, &origins, &ports);
    let mut faults = probe::wanted(settings, &origins);
    if role == Role::SalesLoader {
        // The rest is told by the server beside it.
        for some in [&mut needed, &mut faults] {
            some.retain(|fault| !["intake.", "broker.", "rest."].iter().any(|part| fault.key.starts_with(part)));
        }
    }
    let place = place(path);
    if needed.is_empty() {
        return Ok(Start { place, origins, faults });
    }
    needed.append(&mut faults);
    Fault::in_order(&mut needed);
    Err(CliError::CannotStart { place, faults: needed })
}

impl Start {
    fn carry_on(
        self,
        settings: Settings,
        role: Role,
        work: impl AsyncFnOnce(Settings, CancellationToken) -> Result<(), RunError>,
    ) -> Result<(), CliError> {
        self.tell(&self.faults);
        // Whoever was first in this process has installed the same one.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().map_err(CliError::Runtime)?;
        runtime.block_on(async {
            let shutdown = CancellationToken::new();
            on_signal(shutdown.clone()).map_err(CliError::Signals)?;
            if role == Role::Server {
                let broker = settings.broker.clone();
                tokio::spawn(async move { self.tell(&online::faults(&broker, &self.origins).await) });
            }
            work(settings, shutdown).await.map_err(CliError::Run)
        })
    }

    fn tell(&self, faults: &[Fault]) {
        for fault in faults {
            tracing::warn!("{}: {fault}", self.place);
        }
    }
}

/// Where the settings stand, for people.
pub(super) fn place(path: Option<&Path>) -> String {
    path.map_or_else(|| "the defaults".to_owned(), |path| path.display().to_string())
}
