//! Telling: what became of deliveries and orders, and what the till has. The last step of each
//! way.

use crate::error::{blocking, chain};
use crate::errors_file::ErrorsFile;
use crate::outbox::Outbox;
use crate::overview::Overview;
use crate::settings::LiveSettings;
use crate::state::{State, StateError};
use std::error::Error;
use std::sync::Arc;
use tillway_proto::{DeliveryId, DeliveryState, ExchangeStatus, PackageLink, PackageName, RejectCause, Report};
use tokio::sync::Notify;
use uuid::Uuid;

/// Tells the server by reports, and people by the errors file. Cheap to clone; calls block where
/// they look at what the till has.
#[derive(Debug, Clone)]
pub(crate) struct Teller {
    pub(crate) overview: Arc<Overview>,
    pub(crate) deliveries: State,
    pub(crate) reports: Outbox,
    pub(crate) errors: ErrorsFile,
    pub(crate) settings: LiveSettings,
    pub(crate) contact: Arc<Notify>,
}

impl Teller {
    /// A delivery reached a state: remembered, and told to the server (steps on the way only where
    /// they are asked for).
    pub(crate) fn delivery(&self, link: &PackageLink, state: DeliveryState, reason: Option<String>) {
        self.end(link.delivery, &link.package, state, reason, None);
    }

    /// A delivery was rejected.
    pub(crate) fn rejected(&self, link: &PackageLink, cause: RejectCause, reason: String) {
        self.end(link.delivery, &link.package, DeliveryState::Rejected, Some(reason), Some(cause));
    }

    /// A delivery reached a state, whose link is not at hand any more.
    pub(crate) fn end(
        &self,
        delivery: DeliveryId,
        package: &PackageName,
        state: DeliveryState,
        reason: Option<String>,
        cause: Option<RejectCause>,
    ) {
        let noted = self.deliveries.note_delivery(delivery, package, state, reason.as_deref());
        self.noted(noted, delivery, package, state, reason, cause);
    }

    /// A package lies in the file queue: remembered with the revision that the queue leads to, and
    /// told.
    pub(crate) fn queued(&self, link: &PackageLink) {
        let noted = self.deliveries.note_queued(link.delivery, &link.package, link.to);
        self.noted(noted, link.delivery, &link.package, DeliveryState::Queued, None, None);
    }

    fn noted(
        &self,
        noted: Result<bool, StateError>,
        delivery: DeliveryId,
        package: &PackageName,
        state: DeliveryState,
        reason: Option<String>,
        cause: Option<RejectCause>,
    ) {
        match noted {
            Ok(true) => {}
            Ok(false) => return,
            Err(error) => tracing::warn!(%error, %delivery, "failed to remember a delivery"),
        }
        if state.is_final() || self.settings.current().report_load_steps {
            let till_state = self.overview.look();
            self.reports.put(Report::Delivery { delivery, package: package.clone(), state, reason, cause, till_state });
        }
    }

    /// These kinds have to come whole; all, where none is named.
    pub(crate) fn need_snapshot(&self, kinds: Vec<String>, reason: String) {
        self.reports.put(Report::NeedSnapshot { kinds, reason, till_state: self.overview.look() });
    }

    /// The till is here, and has this.
    pub(crate) async fn contact(&self) {
        // A look that panicked is better not told of than as nothing.
        self.blocking(|this| this.reports.put(Report::Contact { state: this.overview.look() })).await;
    }

    /// Has the till say soon what it has.
    pub(crate) fn contact_soon(&self) {
        self.contact.notify_one();
    }

    /// Waits until something has the till say what it has.
    pub(crate) async fn asked_for_contact(&self) {
        self.contact.notified().await;
    }

    /// Tells what the till has now, and then that an order was carried out, or why not.
    pub(crate) async fn answer(&self, command: Uuid, outcome: Result<(), String>) {
        self.contact().await;
        let (status, reason) = match outcome {
            Ok(()) => (ExchangeStatus::Ready, None),
            Err(reason) => (ExchangeStatus::Error, Some(reason)),
        };
        self.reports.put(Report::Unload { command: Some(command), status, receipts: 0, reason });
    }

    /// An order is not carried out.
    pub(crate) fn refuse(&self, command: Uuid, reason: impl Into<String>) {
        self.reports.put(Report::Refused { command, reason: reason.into() });
    }

    /// Logs an error with its sources and counts it.
    pub(crate) fn failed(&self, what: &'static str, error: &dyn Error) {
        tracing::error!(error = chain(error), "{what}");
        self.errors.add();
    }

    /// Tells something from a task.
    pub(crate) async fn blocking(&self, tell: impl FnOnce(&Self) + Send + 'static) {
        let this = self.clone();
        if let Err(error) = blocking(move || tell(&this)).await {
            self.failed("something was not told", &error);
        }
    }
}
