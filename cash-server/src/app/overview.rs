//! Everything at a glance, as the page shows it.

use super::Acting;
use super::backups::BackupsState;
use super::error::AppError;
use super::loads::LoadReport;
use super::tills::Till;
use super::tls::TlsOverview;
use crate::aside::Shown;
use crate::attaching::FailedTries;
use crate::exchange::BrokerState;
use crate::exchange::model::Delivery;
use crate::network::Network;
use crate::store::exchange::KnownStranger;
use crate::store::intake::OpenNotice;
use crate::store::outbox::OutboxState;
use crate::store::sales::{Finding, Page};
use jiff::Timestamp;
use std::sync::Arc;
use tillway_file_queue::space;
use tillway_proto::Revision;
use tillway_service::background::TaskState;

/// How much of each list.
#[derive(Debug, Clone, Copy)]
pub struct OverviewLimits {
    /// Loads, deliveries and findings, the newest.
    pub recent: u32,
    /// Rejects and warnings that nobody has seen.
    pub notices: u32,
    /// Rejects and warnings of one load.
    pub of_a_load: u32,
}

/// Room on the disk of the data folder.
#[derive(Debug, Clone, Copy)]
pub struct DiskRoom {
    /// What is free.
    pub free_bytes: u64,
    /// The server takes nothing in where less is free.
    pub reserve_bytes: u64,
}

/// The state of everything.
#[derive(Debug)]
pub struct Overview {
    /// The network, as far as the caller sees it.
    pub network: Arc<Network>,
    /// The newest revision.
    pub head: Revision,
    /// The link to the broker.
    pub broker: BrokerState,
    /// All tills.
    pub tills: Vec<Till>,
    /// Who reports as a till that is not in the network.
    pub strangers: Vec<KnownStranger>,
    /// The newest loads.
    pub loads: Vec<LoadReport>,
    /// Rejects and warnings that nobody has seen, the newest.
    pub notices: Vec<OpenNotice>,
    /// How many rejects and how many warnings nobody has seen.
    pub notices_open: (u64, u64),
    /// The newest deliveries.
    pub deliveries: Vec<Delivery>,
    /// Open findings of sales. Apart, since all else goes on where their database does not answer.
    pub findings: Result<Vec<Finding>, AppError>,
    /// What was set aside.
    pub aside: Arc<Shown>,
    /// Many tries to attach tills that failed.
    pub attach_tries: Option<FailedTries>,
    /// Many wrong passwords, or tokens that are nobody's.
    pub password_tries: Option<FailedTries>,
    /// Room for the data folder; none where the operating system does not tell.
    pub disk: Option<DiskRoom>,
    /// How TLS stands; none where the caller may not see it.
    pub tls: Option<TlsOverview>,
    /// How backups stand; none where the caller may not see it.
    pub backups: Option<BackupsState>,
    /// How mails and webhooks stand; none where the caller may not see it.
    pub outbox: Option<OutboxState>,
    /// What the server does by itself; none where the caller may not see it.
    pub background: Option<Vec<TaskState>>,
}

/// How many rejects and how many warnings there are among these.
fn counted(notices: &[OpenNotice]) -> (u64, u64) {
    let warnings = notices.iter().filter(|open| open.notice.is_warning).count();
    ((notices.len() - warnings) as u64, warnings as u64)
}

impl Acting {
    /// How the link to the broker stands.
    pub fn broker(&self) -> Result<BrokerState, AppError> {
        self.reading()?;
        Ok(self.parts.exchange.broker())
    }

    /// The state of everything, now.
    pub fn overview(&self, limits: OverviewLimits) -> Result<Overview, AppError> {
        let scope = self.reading()?;
        let whole = scope.is_whole();
        let notices = self.open_notices(limits.notices)?;
        let parts = &self.parts;
        let loads = self.loads(limits.recent)?.into_iter().map(|load| self.report(load, limits.of_a_load));
        Ok(Overview {
            network: scope.seen(parts.network.current()?),
            broker: parts.exchange.broker(),
            tills: self.tills()?,
            strangers: if whole { parts.exchange.strangers()? } else { Vec::new() },
            loads: loads.collect::<Result<_, _>>()?,
            notices_open: if whole { parts.journal.count_notices()? } else { counted(&notices) },
            notices,
            deliveries: self.deliveries(None, limits.recent)?,
            findings: self.findings(None, true, Page { offset: 0, limit: limits.recent }),
            aside: self.aside_shown()?,
            attach_tries: parts.attaching.many_failed(Timestamp::now()).filter(|_| whole),
            password_tries: parts.passwords.many(Timestamp::now()).filter(|_| whole),
            disk: space::free_bytes(&parts.data_dir)
                .ok()
                .map(|free_bytes| DiskRoom { free_bytes, reserve_bytes: parts.disk_reserve_bytes }),
            tls: self.tls().ok(),
            backups: self.backups().ok(),
            outbox: self.outbox().ok(),
            background: self.background().ok(),
            head: parts.dictionary.head()?,
        })
    }
}
