//! What of the spool lies aside, for people: list it, put it back, drop it.

use crate::words::Reason;
use std::sync::Arc;

use jiff::Timestamp;
use serde::Serialize;
use tillway_proto::TillId;
use tillway_proto::sales::v1;

use super::spool::aside::whole_batch;
use super::spool::{AppendError, Arrival, Position, RefusedDocument, Spool, SpoolError};
use crate::store::StoreError;
use crate::store::sales::{FindingKind, Refused, SalesStore};
use tillway_service::audit::AuditLine;

/// The subject of the finding about a place in the spool.
pub(super) fn subject(at: Position) -> String {
    format!("spool {at}")
}

/// The till whose batch these bytes are, where that can be read.
pub(super) fn till_of(payload: &[u8]) -> Option<TillId> {
    Arrival::parse(payload).ok().and_then(|arrival| arrival.till_id.parse().ok())
}

/// A batch of a till as it came.
#[derive(Debug)]
pub struct BatchContent {
    /// When it came.
    pub received_at: Timestamp,
    /// Documents that passed the checks.
    pub documents: Vec<v1::Document>,
    /// Records of shifts that passed the checks.
    pub shifts: Vec<v1::Shift>,
    /// What did not.
    pub refused: Vec<Refused>,
}

/// What a batch holds; none where these bytes are no whole one.
pub fn batch_of(bytes: &[u8]) -> Option<BatchContent> {
    let arrival = whole_batch(bytes)?;
    let refused = arrival.refused.into_iter().map(|one| {
        let RefusedDocument { document, reason, shift } = one;
        Refused { document, shift, reason: Reason::stored(&reason) }
    });
    Some(BatchContent {
        received_at: Timestamp::from_millisecond(arrival.received_at_ms).unwrap_or(Timestamp::UNIX_EPOCH),
        refused: refused.collect(),
        documents: arrival.batch.as_ref().map(|batch| batch.documents.clone()).unwrap_or_default(),
        shifts: arrival.batch.map(|batch| batch.shifts).unwrap_or_default(),
    })
}

/// Part of the spool that lies aside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AsideSales {
    /// Its id, for putting back and dropping.
    pub unit: String,
    /// Its bytes.
    pub bytes: u64,
    /// Why it is there.
    pub reason: Reason,
    /// Since when.
    pub at: Timestamp,
    /// Whose batch it is, where that can be read.
    pub till: Option<TillId>,
    /// Receipts and records of shifts in it, where that can be read.
    pub documents: u64,
    /// Whether it can be put back: a whole batch, no torn or damaged bytes.
    pub retryable: bool,
}

/// Why something that lies aside could not be shown, put back or dropped.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AsideError {
    /// There is no such thing.
    #[error(
        "nothing of the name {unit:?} lies aside: it was put back or dropped in the meantime, or the oldest made room"
    )]
    #[serde(rename = "sales-not-aside")]
    Unknown {
        /// The name.
        unit: String,
    },
    /// It is no batch any more.
    #[error(
        "{unit} is no whole batch, since the disk damaged it: it can only be dropped; ask the tills for that day again"
    )]
    #[serde(rename = "sales-damaged")]
    Damaged {
        /// The name.
        unit: String,
    },
    /// The spool did not take it.
    #[error("failed to put {unit} back; it stays aside")]
    #[serde(rename = "sales-not-put-back")]
    Append {
        /// The name.
        unit: String,
        /// Why not.
        #[source]
        #[serde(rename = "reason")]
        source: AppendError,
    },
    /// The server is stopping.
    #[error("the server is stopping or failed; try again later")]
    #[serde(rename = "sales-loader-ends")]
    Ended,
    /// The folder.
    #[error("failed to use what lies aside in the spool")]
    #[serde(untagged)]
    Spool(#[source] SpoolError),
    /// The database.
    #[error("failed to close the finding of what lay aside")]
    #[serde(untagged)]
    Store(#[source] StoreError),
    /// Who asked could not be noted, so nothing was done.
    #[error("failed to note who asked for it; nothing was done")]
    #[serde(untagged)]
    Audit(#[source] StoreError),
}

/// What of the spool lies aside; cheap to clone.
#[derive(Debug, Clone)]
pub struct SalesAside {
    spool: Spool,
    store: Arc<dyn SalesStore>,
}

impl SalesAside {
    pub(super) fn new(spool: Spool, store: Arc<dyn SalesStore>) -> Self {
        Self { spool, store }
    }

    /// What lies aside, newest first.
    pub async fn list(&self) -> Result<Vec<AsideSales>, AsideError> {
        self.blocking(|aside| {
            let mut units = Vec::new();
            for kept in aside.spool.aside().map_err(AsideError::Spool)? {
                // One that made room meanwhile is left out.
                let Some(bytes) = aside.spool.aside_bytes(kept.at).map_err(AsideError::Spool)? else { continue };
                let arrival = whole_batch(&bytes);
                units.push(AsideSales {
                    unit: kept.unit,
                    bytes: bytes.len() as u64,
                    reason: kept.reason,
                    at: kept.since,
                    till: arrival.as_ref().and_then(|arrival| arrival.till_id.parse().ok()),
                    documents: arrival.as_ref().map_or(0, |arrival| {
                        (arrival.documents().len() + arrival.shifts().len() + arrival.refused.len()) as u64
                    }),
                    retryable: arrival.is_some(),
                });
            }
            units.sort_by(|one, other| (other.at, &other.unit).cmp(&(one.at, &one.unit)));
            Ok(units)
        })
        .await
    }

    /// The bytes of something that lies aside.
    pub async fn bytes_of(&self, unit: &str) -> Result<Vec<u8>, AsideError> {
        Ok(self.find(unit).await?.1)
    }

    /// Puts a batch back into the spool; at `Ok` it is durable there and loaded soon. One that
    /// fails again is set aside again. Done twice by a crash, its receipts count once.
    pub async fn retry(&self, unit: &str, line: &AuditLine) -> Result<(), AsideError> {
        let (at, bytes) = self.find(unit).await?;
        let Some(arrival) = whole_batch(&bytes) else { return Err(AsideError::Damaged { unit: unit.to_owned() }) };
        self.note(line).await?;
        let failed = |source| AsideError::Append { unit: unit.to_owned(), source };
        self.spool.append(&arrival).await.await.map_err(|_| AsideError::Ended)?.map_err(failed)?;
        fail::fail_point!("aside::appended");
        tracing::info!(unit, "put a batch of sales back into the spool");
        self.forget(at, bytes).await
    }

    /// Removes something for good, and closes its finding.
    pub async fn drop_unit(&self, unit: &str, line: &AuditLine) -> Result<(), AsideError> {
        let (at, bytes) = self.find(unit).await?;
        self.note(line).await?;
        tracing::warn!(unit, bytes = bytes.len(), "dropped a part of the spool that lay aside");
        self.forget(at, bytes).await
    }

    /// What is changed are files, so that the line goes first: no change is without one.
    async fn note(&self, line: &AuditLine) -> Result<(), AsideError> {
        let line = line.clone();
        self.blocking(move |aside| aside.store.note(&line).map_err(AsideError::Audit)).await
    }

    async fn find(&self, unit: &str) -> Result<(Position, Vec<u8>), AsideError> {
        let unknown = || AsideError::Unknown { unit: unit.to_owned() };
        let at = super::spool::aside::parse_unit(unit).ok_or_else(unknown)?;
        let found = self.blocking(move |aside| aside.spool.aside_bytes(at).map_err(AsideError::Spool)).await?;
        found.map(|bytes| (at, bytes)).ok_or_else(unknown)
    }

    async fn forget(&self, at: Position, bytes: Vec<u8>) -> Result<(), AsideError> {
        self.blocking(move |aside| {
            aside.spool.drop_aside(at).map_err(AsideError::Spool)?;
            fail::fail_point!("aside::removed");
            let till = till_of(&bytes);
            aside
                .store
                .close_finding(FindingKind::SpoolDamaged, till.as_ref(), &subject(at), Timestamp::now())
                .map_err(AsideError::Store)
        })
        .await
    }

    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, AsideError> + Send + 'static,
    ) -> Result<T, AsideError> {
        let aside = self.clone();
        tokio::task::spawn_blocking(move || work(&aside)).await.map_err(|_| AsideError::Ended)?
    }
}
