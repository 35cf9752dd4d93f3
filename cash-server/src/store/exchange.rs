//! What the exchange remembers: contacts of peers, deliveries, commands, reports that were set
//! aside.
//!
//! Decisions are made elsewhere (`exchange::decide`, `exchange::hear`); the store keeps and finds.
//! A decision about what a peer said or is ordered is made inside the transaction that writes it
//! ([`ExchangeStore::change`]). One that takes time (a pass over all peers, a package that is
//! built) is made before, and names what it has seen: where that is another by then, nothing is
//! written, and the next pass decides anew.

use super::StoreError;
use super::audit::AuditLog;
use crate::exchange::ExchangeReason;
use crate::exchange::model::{CommandState, Contact, Delivery, PeerRecord, SentCommand};
use crate::words::Reason;
use jiff::Timestamp;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use tillway_proto::{DeliveryId, DeliveryState, PackageName, PeerId, Revision};
use tillway_service::audit::AuditLine;
use uuid::Uuid;

/// Most broken reports that are kept; the oldest go.
pub const MAX_BROKEN_REPORTS: u32 = 1000;

/// Most bytes of a broken report that are kept.
pub const MAX_BROKEN_BYTES: usize = 16 * 1024;

/// Most strangers that are kept; those not heard of for longest go.
pub const MAX_STRANGERS: u32 = 1000;

/// What is known of peers, by peer.
pub type Records = HashMap<PeerId, Arc<PeerRecord>>;

/// How a delivery ends by the server's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which one.
    pub id: DeliveryId,
    /// The state that was seen. In another one it is left alone: the peer has moved it on since.
    pub seen: DeliveryState,
    /// How.
    pub state: DeliveryState,
    /// Why.
    pub reason: ExchangeReason,
}

/// A delivery to write, and what was seen when it was decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewDelivery {
    /// The delivery.
    pub delivery: Delivery,
    /// The newest one of the peer, and its state.
    pub seen: Option<(DeliveryId, DeliveryState)>,
}

impl NewDelivery {
    /// Whether the newest delivery of the peer is still the one that was seen. One that was open
    /// may have moved on; one that ended since has changed what is to be done.
    pub fn still_fits(&self, newest: Option<(DeliveryId, DeliveryState)>) -> bool {
        match (self.seen, newest) {
            (None, None) => true,
            (Some((seen, before)), Some((id, now))) => {
                seen == id && (before == now || (!before.is_final() && !now.is_final()))
            }
            _ => false,
        }
    }
}

/// How a command ends by the server's decision.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndedCommand {
    /// Which one.
    pub id: Uuid,
    /// The state that was seen, and since when. In another one it is left alone: the peer has
    /// answered since.
    pub seen: (CommandState, Timestamp),
    /// How: a final state.
    pub state: CommandState,
    /// Why.
    pub reason: ExchangeReason,
}

/// What a decision changes: a batch of reports, an order.
#[derive(Debug, Clone, Default)]
pub struct ExchangeChanges {
    /// Contacts as they are now.
    pub contacts: Vec<(PeerId, Contact)>,
    /// Deliveries that moved on.
    pub deliveries: Vec<Delivery>,
    /// Commands that were answered, and new ones.
    pub commands: Vec<SentCommand>,
    /// Reports that could not be understood.
    pub broken: Vec<BrokenReport>,
    /// Who reported as a peer that is not in the network; `reports` counts those of this batch.
    pub strangers: Vec<Stranger>,
    /// Who asked for it, where somebody did.
    pub audit: Option<AuditLine>,
}

/// Somebody who reports as a peer that is not in the network: a wrong code in its `cash.ini`, or a
/// peer that was removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stranger {
    /// The id it uses.
    pub peer: PeerId,
    /// Its first report.
    pub first_at: Timestamp,
    /// Its last report.
    pub last_at: Timestamp,
    /// How many came.
    pub reports: u64,
    /// The last one, at most [`MAX_BROKEN_BYTES`].
    pub body: Vec<u8>,
}

/// A report that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BrokenReport {
    /// Counts up.
    pub id: i64,
    /// When it came.
    pub at: Timestamp,
    /// What is wrong.
    pub reason: Reason,
    /// Its beginning.
    pub body: Vec<u8>,
}

/// A report that was set aside, without the report: as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptReport {
    /// Counts up.
    pub id: i64,
    /// When it came.
    pub at: Timestamp,
    /// What is wrong.
    pub reason: Reason,
    /// Bytes that are kept of it.
    pub bytes: u64,
}

/// A [`Stranger`] without its last report: as lists show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownStranger {
    /// The id it uses.
    pub peer: PeerId,
    /// Its first report.
    pub first_at: Timestamp,
    /// Its last report.
    pub last_at: Timestamp,
    /// How many came.
    pub reports: u64,
    /// Bytes that are kept of the last one.
    pub bytes: u64,
}

/// Whether so many bytes are a whole report, which can be taken once more; else it may have been
/// cut when it was kept.
pub fn is_whole(kept_bytes: u64) -> bool {
    kept_bytes < MAX_BROKEN_BYTES as u64
}

/// Which deliveries.
#[derive(Debug, Clone, Default)]
pub struct DeliveryFilter {
    /// Only of this peer.
    pub peer: Option<PeerId>,
    /// Only in this state.
    pub state: Option<DeliveryState>,
    /// Only those that have not ended.
    pub open_only: bool,
    /// Only those made before this one, to page on.
    pub before: Option<DeliveryId>,
    /// At most so many.
    pub limit: u32,
}

/// How many deliveries that were applied within an hour took about so long.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Way {
    /// When the hour begins.
    pub hour: Timestamp,
    /// They took at most so many milliseconds, and more than the step before: see [`way_step_ms`].
    pub took_up_to_ms: i64,
    /// How many.
    pub deliveries: u64,
}

/// The step that a time belongs to: tenths of seconds up to one, then each a tenth longer than the
/// one before, so that a day of thousands of tills is some dozens of numbers. A time of more than
/// a month counts as one.
pub fn way_step_ms(took_ms: i64) -> i64 {
    const TENTH_MS: i64 = 100;
    const LONGEST_MS: i64 = 31 * 24 * 3_600_000;
    let mut step = TENTH_MS;
    while step < took_ms && step < LONGEST_MS {
        step += (step / 10).max(TENTH_MS);
    }
    step
}

/// What a decision may look at: all of one moment, and nobody writes until the decision is carried
/// out. What does not read is taken as absent.
pub trait ExchangeMoment {
    /// What is known of one peer.
    fn record(&self, peer: &PeerId) -> Result<PeerRecord, StoreError>;

    /// One delivery.
    fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// Whether a delivery to this peer that leads to this revision is remembered.
    fn announced(&self, peer: &PeerId, to: Revision) -> Result<bool, StoreError>;

    /// One command.
    fn command(&self, id: Uuid) -> Result<Option<SentCommand>, StoreError>;

    /// Commands of one peer that have not ended.
    fn open_commands_of(&self, peer: &PeerId) -> Result<Vec<SentCommand>, StoreError>;
}

/// Decides over a moment.
pub type Decide<'a> = dyn FnMut(&dyn ExchangeMoment) -> Result<ExchangeChanges, StoreError> + 'a;

/// The memory of the exchange. Calls block. What does not read of one peer, delivery or command is
/// taken as absent, and is told once.
pub trait ExchangeStore: AuditLog {
    /// What is known of every peer that was ever heard of or delivered to.
    fn records(&self) -> Result<Arc<Records>, StoreError>;

    /// What is known of one peer.
    fn record(&self, peer: &PeerId) -> Result<PeerRecord, StoreError>;

    /// One delivery.
    fn delivery(&self, id: DeliveryId) -> Result<Option<Delivery>, StoreError>;

    /// When each peer was first known to have a revision that was taken at `taken_at`: the end of
    /// its first delivery to that revision or a newer one. As far as deliveries are kept.
    fn first_applied(&self, revision: Revision, taken_at: Timestamp) -> Result<Vec<(PeerId, Timestamp)>, StoreError>;

    /// How long deliveries took that were applied in an hour that ends after `from`, as far as
    /// deliveries are kept; those to peers that are gone included.
    fn ways(&self, from: Timestamp) -> Result<Vec<Way>, StoreError>;

    /// The same of these peers alone, of the newest deliveries to each that were made since then,
    /// at most `of_each`.
    fn ways_of(&self, peers: &[PeerId], from: Timestamp, of_each: u32) -> Result<Vec<Way>, StoreError>;

    /// Deliveries, newest first.
    fn deliveries(&self, filter: &DeliveryFilter) -> Result<Vec<Delivery>, StoreError>;

    /// Ends deliveries that are still in the state that was seen.
    fn end(&self, ended: &[Ended], now: Timestamp) -> Result<(), StoreError>;

    /// Writes new deliveries whose peers still have what was seen; what was open for them is
    /// superseded in the same transaction. Gives those that were written.
    fn announce(&self, deliveries: Vec<NewDelivery>, now: Timestamp) -> Result<Vec<Delivery>, StoreError>;

    /// The broker confirmed these links; the deadline of those still announced counts from now.
    fn confirm(&self, deliveries: &[DeliveryId], now: Timestamp) -> Result<(), StoreError>;

    /// Decides, and writes what was decided, in one transaction that nobody else's write can come
    /// into. All or nothing; where the decision is an error, nothing.
    fn change(&self, decide: &mut Decide<'_>) -> Result<(), StoreError>;

    /// One command.
    fn command(&self, id: Uuid) -> Result<Option<SentCommand>, StoreError>;

    /// Commands, newest first; those of one peer where it is given.
    fn commands(&self, peer: Option<&PeerId>, limit: u32) -> Result<Vec<SentCommand>, StoreError>;

    /// Commands that have not ended, oldest first.
    fn open_commands(&self) -> Result<Vec<SentCommand>, StoreError>;

    /// Those of them that wait to be published, and those that came to their state before
    /// `earliest` or after `latest`; oldest first.
    fn due_commands(&self, earliest: Timestamp, latest: Timestamp) -> Result<Vec<SentCommand>, StoreError>;

    /// Those of one peer that have not ended.
    fn open_commands_of(&self, peer: &PeerId) -> Result<Vec<SentCommand>, StoreError>;

    /// Ends commands that are still in the state that was seen.
    fn end_commands(&self, ended: &[EndedCommand], now: Timestamp) -> Result<(), StoreError>;

    /// The broker confirmed these commands; one that the peer has answered already keeps its
    /// state.
    fn set_sent(&self, ids: &[Uuid], now: Timestamp) -> Result<(), StoreError>;

    /// Reports that were set aside, newest first.
    fn broken_reports(&self, limit: u32) -> Result<Vec<KeptReport>, StoreError>;

    /// One of them.
    fn broken_report(&self, id: i64) -> Result<Option<BrokenReport>, StoreError>;

    /// Removes one of them; says whether it was there. The line is that of a person who dropped
    /// it.
    fn forget_broken_report(&self, id: i64, line: Option<&AuditLine>) -> Result<bool, StoreError>;

    /// Who reported as a peer that is not in the network, those heard of last first. A peer that
    /// is heard of as one of the network is none any more.
    fn strangers(&self) -> Result<Vec<KnownStranger>, StoreError>;

    /// One of them, with its last report.
    fn stranger(&self, peer: &PeerId) -> Result<Option<Stranger>, StoreError>;

    /// Forgets one of them; says whether it was there.
    fn forget_stranger(&self, peer: &PeerId, line: &AuditLine) -> Result<bool, StoreError>;

    /// Somebody has seen what was found about a peer until then; what was seen before stays seen.
    fn acknowledge(&self, peer: &PeerId, until: Timestamp, line: &AuditLine) -> Result<(), StoreError>;

    /// Up to when findings about peers were acknowledged.
    fn acknowledged(&self) -> Result<HashMap<PeerId, Timestamp>, StoreError>;

    /// Packages that open deliveries speak of.
    fn packages_in_use(&self) -> Result<HashSet<PackageName>, StoreError>;

    /// The lowest cursor among peers, those left out that have none: they get everything. None
    /// where no peer has any.
    fn lowest_cursor(&self, of: &HashSet<PeerId>) -> Result<Option<Revision>, StoreError>;

    /// Forgets peers that are no more.
    fn forget(&self, peers: &[PeerId]) -> Result<(), StoreError>;

    /// Removes at most `limit` ended deliveries and commands older than `before`, never the newest
    /// of a peer. Says how many went.
    fn prune(&self, before: Timestamp, limit: u32) -> Result<u64, StoreError>;
}
