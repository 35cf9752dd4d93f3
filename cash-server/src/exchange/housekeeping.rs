//! Removes what is past, in small steps: ended deliveries, answered commands, old versions,
//! packages that nobody needs.

use super::blocking;
use super::service::{ExchangeError, ExchangeService};
use crate::dictionary::{LogRetention, NEWEST_REVISIONS};
use crate::packages::{PackageLimits, PackageService};
use crate::settings::RetentionSettings;
use crate::store::audit::AuditLog;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::{PeerId, Revision};
use tillway_service::background::{Next, Run, Task, Work};
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// How often it is looked whether something is past.
const PERIOD: Duration = Duration::from_mins(10);

/// Rows removed in one transaction, so that writers never wait for long.
const STEP_ROWS: u32 = 1_000;

/// A breath between two steps, in which writers get their turn.
const STEP_PAUSE: Duration = Duration::from_millis(50);

/// Most steps of one sort in one round; what is left goes in the next.
const MAX_STEPS: usize = 1_000;

/// Packages go first: of all this only they free room at once, and on a full disk the databases
/// cannot even forget. So at the start these wait for so long.
const DATABASES_AFTER: Duration = Duration::from_secs(5);

/// What is removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Past {
    /// Packages that nobody needs.
    Packages,
    /// Deliveries and commands.
    History,
    /// Old versions of the dictionary.
    Dictionary,
    /// Old lines of the audit log.
    Audit,
}

impl Past {
    pub(super) const ALL: [Self; 4] = [Self::Packages, Self::History, Self::Dictionary, Self::Audit];

    fn task(self) -> &'static str {
        match self {
            Self::Packages => "old-packages",
            Self::History => "old-deliveries",
            Self::Dictionary => "old-dictionary",
            Self::Audit => "old-audit",
        }
    }
}

/// Removes what is past.
#[derive(Clone)]
pub struct Housekeeping {
    service: ExchangeService,
    packages: PackageService,
    retention: RetentionSettings,
    audit: Vec<Arc<dyn AuditLog>>,
}

impl Housekeeping {
    /// Over the service's parts.
    pub fn new(service: ExchangeService, packages: PackageService, retention: RetentionSettings) -> Self {
        Self { service, packages, retention, audit: Vec::new() }
    }

    /// Logs whose old lines go.
    #[must_use]
    pub fn with_audit(self, audit: Vec<Arc<dyn AuditLog>>) -> Self {
        Self { audit, ..self }
    }

    /// A task for each sort of what is past: one that fails holds up no other.
    pub fn tasks(&self) -> Vec<Task> {
        let task = |past: Past| {
            let task = Task::new(past.task(), PERIOD, Removing { past, from: self.clone() });
            if past == Past::Packages { task } else { task.first_after(DATABASES_AFTER) }
        };
        Past::ALL.map(task).into()
    }

    /// Removes all of this sort, in steps. It may be cut off between two of them.
    pub(super) async fn remove(&self, past: Past) -> Result<(), ExchangeError> {
        match past {
            Past::Packages => self.clean_packages().await,
            Past::History => self.prune_history().await,
            Past::Dictionary => self.prune_dictionary().await,
            Past::Audit => self.prune_audit().await,
        }
    }

    async fn prune_history(&self) -> Result<(), ExchangeError> {
        let before = Timestamp::now().saturating_sub(days(self.retention.history_days)).unwrap_or(Timestamp::MIN);
        for _ in 0..MAX_STEPS {
            let store = Arc::clone(&self.service.parts.store);
            let gone = blocking(move || store.prune(before, STEP_ROWS).map_err(ExchangeError::Store)).await?;
            if gone == 0 {
                break;
            }
            sleep(STEP_PAUSE).await;
        }
        Ok(())
    }

    async fn prune_dictionary(&self) -> Result<(), ExchangeError> {
        let age = days(self.retention.dictionary_days);
        for _ in 0..MAX_STEPS {
            let service = self.service.clone();
            let pruned = blocking(move || {
                let retention = LogRetention { at_least: age, at_most: age, newest: NEWEST_REVISIONS };
                let needed = oldest_needed(&service)?;
                service.parts.dictionary.prune_step(needed, &retention).map_err(ExchangeError::Dictionary)
            });
            if pruned.await?.done {
                break;
            }
            sleep(STEP_PAUSE).await;
        }
        Ok(())
    }

    /// Lines about what tills and the server did by themselves go as their commands do; those of
    /// people stay for longer.
    async fn prune_audit(&self) -> Result<(), ExchangeError> {
        let retention = &self.retention;
        for (persons, kept_days) in [(true, retention.audit_days), (false, retention.history_days)] {
            let before = Timestamp::now().saturating_sub(days(kept_days)).unwrap_or(Timestamp::MIN);
            for log in &self.audit {
                for _ in 0..MAX_STEPS {
                    let log = Arc::clone(log);
                    let step = move || log.prune_audit(persons, before, STEP_ROWS).map_err(ExchangeError::Store);
                    if blocking(step).await? == 0 {
                        break;
                    }
                    sleep(STEP_PAUSE).await;
                }
            }
        }
        Ok(())
    }

    async fn clean_packages(&self) -> Result<(), ExchangeError> {
        let limits = PackageLimits {
            unused_for: days(self.retention.packages_days),
            bytes: self.retention.packages_limit_bytes,
        };
        let (service, packages) = (self.service.clone(), self.packages.clone());
        let cleaned = blocking(move || {
            let in_use = service.parts.store.packages_in_use().map_err(ExchangeError::Store)?;
            packages.cleanup(&in_use, &limits).map_err(ExchangeError::Packages)
        });
        let cleaned = cleaned.await?;
        if cleaned.files > 0 {
            tracing::info!(files = cleaned.files, bytes = cleaned.bytes, "removed packages that nobody needs");
        }
        Ok(())
    }
}

struct Removing {
    past: Past,
    from: Housekeeping,
}

impl Work for Removing {
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            tokio::select! {
                removed = self.from.remove(self.past) => removed?,
                () = stop.cancelled() => {}
            }
            Ok(Next::AtPeriod)
        })
    }
}

/// The oldest revision that a till in the network may still ask a difference from.
fn oldest_needed(service: &ExchangeService) -> Result<Revision, ExchangeError> {
    let parts = &service.parts;
    let network = parts.network.current().map_err(ExchangeError::Network)?;
    let peers: HashSet<PeerId> = network.tills().map(|(till, _)| till.clone().into()).collect();
    match parts.store.lowest_cursor(&peers).map_err(ExchangeError::Store)? {
        Some(lowest) => Ok(lowest),
        None => parts.dictionary.head().map_err(ExchangeError::Dictionary),
    }
}

fn days(count: u32) -> SignedDuration {
    SignedDuration::from_hours(24 * i64::from(count))
}
