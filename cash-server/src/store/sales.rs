//! What the server keeps of sales: receipts, shifts and their checks, findings, what each till
//! unloaded.
//!
//! Blocking. Every listing is paged, [`MAX_PAGE`] rows at most.

use jiff::Timestamp;
use jiff::civil::{Date, DateTime};
use jiff::tz::Offset;
use serde::Serialize;
use std::fmt::Debug;
use tillway_proto::receipt::{DocumentNumber, Opened, ShiftKey, ShiftNumber};
use tillway_proto::sales::v1;
use tillway_proto::{Kopecks, ShopId, TillId};
use uuid::Uuid;

mod reason;
mod receipts;

pub use reason::FindingReason;
pub use receipts::{
    FoundReceipt, FoundReceipts, KeptReceipt, MAX_LOOKED_AT, NoReceiptId, ReceiptFilter, ReceiptId, ReceiptPage,
    ReceiptPlace, ReceiptSort, TypedTime, until_of,
};

use super::StoreError;
use super::audit::AuditLog;
use crate::sales::check::{Counted, Outcome, Verdict};
use crate::sales::receipt::{Receipt, ShiftRecord};
use crate::sales::spool::{Held, Position};
use crate::words::Reason;
use tillway_service::audit::AuditLine;

/// Most rows of one answer: a page, not a dump.
pub const MAX_PAGE: u32 = 1_000;

/// Most findings kept of one till: one that errs on every receipt must not fill the database.
/// Further ones are logged only.
pub const MAX_FINDINGS_PER_TILL: u32 = 1_000;

/// Where sales are kept.
pub trait SalesStore: AuditLog + Debug + 'static {
    /// The spool of this server is loaded up to here; its beginning where nothing is.
    fn position(&self) -> Result<Position, StoreError>;

    /// Loads what stands in this server's spool from `from` to `through`, with the new position:
    /// all or nothing. A receipt that is there already changes nothing; one of the same key with
    /// other content is a finding, and the first stays. An error that
    /// [is about a value](StoreError::is_about_a_value) comes again however often that is tried.
    fn load(
        &self,
        from: Position,
        through: Position,
        incoming: &[Incoming],
        now: Timestamp,
    ) -> Result<Loaded, StoreError>;

    /// What is in the database of this shift; where its opening time is not told, of all shifts of
    /// its number.
    fn held(&self, till: &TillId, shift: ShiftKey) -> Result<Held, StoreError>;

    /// Notes that tills opened streams, all or nothing. Returns for each the instance the till had
    /// before, where that was another one.
    fn note_streams(&self, streams: &[StreamNote]) -> Result<Vec<Option<String>>, StoreError>;

    /// Adds a finding, or one more time to the one that is there.
    fn add_finding(&self, finding: &NewFinding) -> Result<(), StoreError>;

    /// Closes the finding of a subject; fine where there is no open one.
    fn close_finding(
        &self,
        kind: FindingKind,
        till: Option<&TillId>,
        subject: &str,
        now: Timestamp,
    ) -> Result<(), StoreError>;

    /// Checks shifts anew whose documents or record have been waited for long enough. Returns how
    /// many.
    fn recheck_waiting(&self, now: Timestamp) -> Result<u64, StoreError>;

    /// Shifts with their check, newest first.
    fn shifts(&self, filter: &ShiftFilter, page: Page) -> Result<Vec<ShiftView>, StoreError>;

    /// Totals of sales and refunds.
    fn totals(&self, filter: &TotalsFilter, by: TotalsBy) -> Result<Vec<TotalsRow>, StoreError>;

    /// Receipts of a shift, by number; where its opening time is not told, of all shifts of its
    /// number.
    fn receipts(&self, till: &TillId, shift: ShiftKey, page: Page) -> Result<Vec<ReceiptView>, StoreError>;

    /// Receipts that a filter leaves, the newest first or the oldest.
    fn find_receipts(&self, filter: &ReceiptFilter, page: ReceiptPage) -> Result<FoundReceipts, StoreError>;

    /// A whole receipt; none where it is not there (any more).
    fn receipt(&self, id: &ReceiptId) -> Result<Option<KeptReceipt>, StoreError>;

    /// What was refused of a till and is still kept, the newest first: documents with this row of
    /// the till's database, or records of shifts where none is given.
    fn refused(&self, till: &TillId, document: Option<i64>, limit: u32) -> Result<Vec<KeptRefused>, StoreError>;

    /// Whole documents of a shift, by number.
    fn documents(&self, till: &TillId, shift: ShiftKey, page: Page) -> Result<Vec<v1::Document>, StoreError>;

    /// Users and registers named in the record of a shift.
    fn shift_details(&self, till: &TillId, shift: ShiftKey) -> Result<ShiftDetails, StoreError>;

    /// Findings, newest first.
    fn findings(&self, filter: &FindingFilter, page: Page) -> Result<Vec<Finding>, StoreError>;

    /// Closes a finding. False where there is no open one of this id.
    fn resolve_finding(&self, id: i64, now: Timestamp, line: &AuditLine) -> Result<bool, StoreError>;

    /// End of the newest receipt of a till.
    fn last_receipt_time(&self, till: &TillId) -> Result<Option<DateTime>, StoreError>;

    /// What each till that ever opened a stream has unloaded.
    fn till_states(&self) -> Result<Vec<TillSales>, StoreError>;

    /// Closed shifts, and those whose record does not come, that were not handed to the back
    /// office since they last changed, oldest first.
    fn not_handed_over(&self, page: Page) -> Result<Vec<ShiftView>, StoreError>;

    /// Notes that a shift in this state (its [`ShiftView::changes`]) was handed to the back
    /// office.
    fn note_handed_over(&self, till: &TillId, shift: ShiftKey, changes: i64) -> Result<(), StoreError>;

    /// The day of the newest receipt, by the till's clock.
    fn newest_day(&self) -> Result<Option<Date>, StoreError>;

    /// Deletes at most `limit` receipts of the oldest shift whose receipts all ended and arrived
    /// before a day, and what then has no use; with `only_handed_over` none that the back office
    /// was not given since it last changed. Returns how many rows; 0 when done.
    fn prune(&self, before: Date, only_handed_over: bool, limit: u32) -> Result<u64, StoreError>;
}

/// One record of the spool, checked.
#[derive(Debug, Clone, PartialEq)]
pub struct Incoming {
    /// The till.
    pub till: TillId,
    /// Its shop when it arrived.
    pub shop: ShopId,
    /// When it arrived.
    pub received_at: Timestamp,
    /// Finished documents.
    pub receipts: Vec<Receipt>,
    /// Records of shifts.
    pub shifts: Vec<ShiftRecord>,
    /// What was refused.
    pub refused: Vec<Refused>,
}

/// A document that is no receipt, or a record of a shift that is none.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The document as it came; absent where a shift's record was refused.
    pub document: Option<v1::Document>,
    /// The record of a shift as it came; absent where a document was refused.
    pub shift: Option<v1::Shift>,
    /// Why.
    pub reason: Reason,
}

/// The same, as it is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptRefused {
    /// What was refused, and why.
    pub refused: Refused,
    /// When it came.
    pub received_at: Timestamp,
}

/// What a load did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Loaded {
    /// Receipts that were not there.
    pub added: u64,
    /// Receipts that were there with the same content.
    pub same: u64,
    /// Receipts that were there with other content.
    pub conflicting: u64,
    /// Documents and records of shifts set aside.
    pub refused: u64,
}

/// A stream was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StreamNote {
    /// The till.
    pub till: TillId,
    /// Its shop.
    pub shop: ShopId,
    /// Its agent's instance.
    pub instance: String,
    /// Its agent's version.
    pub agent_version: String,
    /// Now.
    pub at: Timestamp,
}

/// What the record of a shift names beside its sums.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ShiftDetails {
    /// Who worked in it.
    pub users: Vec<v1::User>,
    /// The fiscal registers of the till.
    pub registers: Vec<v1::Register>,
}

/// Which part of a listing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Page {
    /// Rows left out before.
    pub offset: u64,
    /// Most rows, [`MAX_PAGE`] at most.
    pub limit: u32,
}

impl Default for Page {
    fn default() -> Self {
        Self { offset: 0, limit: MAX_PAGE }
    }
}

/// Which shifts.
#[derive(Debug, Clone, Default)]
pub struct ShiftFilter {
    /// Of this till.
    pub till: Option<TillId>,
    /// Of this shop.
    pub shop: Option<ShopId>,
    /// With this verdict.
    pub verdict: Option<Verdict>,
    /// Opened on this day or later.
    pub from_day: Option<Date>,
    /// Opened on this day or earlier.
    pub to_day: Option<Date>,
}

/// A shift with its check.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ShiftView {
    /// The till.
    pub till: TillId,
    /// Its shop.
    pub shop: ShopId,
    /// Its number.
    pub number: ShiftNumber,
    /// When it was opened: with the number it makes the shift this one.
    pub opened: Opened,
    /// Opened at, else the end of its first document.
    pub began: Option<DateTime>,
    /// Closed at.
    pub ended: Option<DateTime>,
    /// The cashier who opened it.
    pub cashier: Option<String>,
    /// The till's code by the POS.
    pub cash_code: Option<String>,
    /// What the POS recorded; absent where no record has come.
    pub recorded: Option<Counted>,
    /// What the agent counted on the till.
    pub till_counted: Option<Counted>,
    /// What is in the server's database.
    pub server: Counted,
    /// Finished documents of every type on the till.
    pub till_documents: Option<i64>,
    /// Documents of every type in the server's database.
    pub server_documents: i64,
    /// What came out of the check.
    pub outcome: Outcome,
    /// When it was checked last.
    pub checked_at: Timestamp,
    /// Grows with everything that arrives of this shift.
    pub changes: i64,
    /// The value of `changes` when it was last handed to the back office, 0 for never.
    pub handed_over: i64,
}

/// The zone where a day begins first. A till's times are local and do not name their zone, so only
/// what is later than it is there lies in the future for sure.
const FIRST_ZONE: Offset = jiff::tz::offset(14);

impl ShiftView {
    /// Whether it was opened or closed at a time that has come nowhere on earth: the till's clock
    /// is ahead, or was.
    pub fn is_in_future(&self, now: Timestamp) -> bool {
        let latest = FIRST_ZONE.to_datetime(now);
        self.began.max(self.ended).is_some_and(|time| time > latest)
    }

    /// What it is known by on its till.
    pub fn key(&self) -> ShiftKey {
        ShiftKey { number: self.number, opened: self.opened }
    }
}

/// Which receipts to total.
#[derive(Debug, Clone, Default)]
pub struct TotalsFilter {
    /// Of this till.
    pub till: Option<TillId>,
    /// Of this shop.
    pub shop: Option<ShopId>,
    /// Ended on this local day or later.
    pub from: Option<Date>,
    /// Ended on this local day or earlier.
    pub to: Option<Date>,
}

/// What a row of totals is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TotalsBy {
    /// Everything in one row.
    All,
    /// A row a till, keyed by its id.
    Till,
    /// A row a shop, keyed by its id.
    Shop,
    /// A row a local day, keyed `YYYY-MM-DD`.
    Day,
    /// A row for each hour of the day by the till's clock, keyed `HH`.
    Hour,
    /// A row a cashier, keyed as the POS names them.
    Cashier,
    /// A row a type of payment, keyed by its number. What was paid in two ways counts under both,
    /// each with its part of the sum, less the change.
    Payment,
}

impl TotalsBy {
    /// All but the one row of everything.
    pub const ALL: [Self; 6] = [Self::Day, Self::Hour, Self::Shop, Self::Till, Self::Cashier, Self::Payment];

    /// Its word, in addresses and REST; empty for everything in one row.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::Till => "till",
            Self::Shop => "shop",
            Self::Day => "day",
            Self::Hour => "hour",
            Self::Cashier => "cashier",
            Self::Payment => "payment",
        }
    }

    /// The one of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|by| by.as_str() == word)
    }
}

/// Sales and refunds; other documents are not in it.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct TotalsRow {
    /// Till, shop, day, hour, cashier or payment; empty for all.
    pub key: String,
    /// Sales and refunds together.
    pub receipts: i64,
    /// Count and sum of each.
    #[serde(flatten)]
    pub counted: Counted,
    /// Lines that were not voided.
    pub lines: i64,
    /// Sum of these lines of sales, kopecks.
    pub line_sum: Kopecks,
}

/// A receipt in a list.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ReceiptView {
    /// When its shift was opened.
    pub shift_opened: Option<DateTime>,
    /// Its number.
    pub number: DocumentNumber,
    /// Its UUID.
    pub uuid: Uuid,
    /// Its type.
    pub doctype: i32,
    /// When it ended.
    pub ended: DateTime,
    /// After discounts.
    pub sum: Kopecks,
    /// The discount.
    pub discount: Kopecks,
    /// Who rang it up.
    pub cashier: String,
    /// Lines that were not voided.
    pub lines: i64,
    /// The fiscal number.
    pub fiscal_number: String,
    /// When it arrived here.
    pub received_at: Timestamp,
}

/// What is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FindingKind {
    /// Till, shift record and server do not agree, or a number is missing.
    ShiftDiffers,
    /// A receipt came again with other content.
    ReceiptConflict,
    /// A document number came again with another identity within its shift, as from a till
    /// restored from an old image.
    NumbersAgain,
    /// A document was set aside.
    DocumentRefused,
    /// The record of a shift was set aside.
    ShiftRefused,
    /// The closed record of a shift came again with other figures.
    ShiftChanged,
    /// An agent with another state sends for this till, as after a repair or a copy of its folder.
    InstanceChanged,
    /// Two machines send for one till at the same time.
    TwoMachines,
    /// Somebody names this till with a token that is not its own.
    FailedLogins,
    /// A till tries what is not its own.
    Trespass,
    /// A part of the spool could not be read or loaded.
    SpoolDamaged,
    /// The database is older than the spool, or parts of the spool are gone that were not loaded.
    SpoolMissing,
}

impl FindingKind {
    /// All of them.
    pub const ALL: [Self; 12] = [
        Self::ShiftDiffers,
        Self::ReceiptConflict,
        Self::NumbersAgain,
        Self::DocumentRefused,
        Self::ShiftRefused,
        Self::ShiftChanged,
        Self::InstanceChanged,
        Self::TwoMachines,
        Self::FailedLogins,
        Self::Trespass,
        Self::SpoolDamaged,
        Self::SpoolMissing,
    ];

    /// The word, as in REST and the database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ShiftDiffers => "shift-differs",
            Self::ReceiptConflict => "receipt-conflict",
            Self::NumbersAgain => "numbers-again",
            Self::DocumentRefused => "document-refused",
            Self::ShiftRefused => "shift-refused",
            Self::ShiftChanged => "shift-changed",
            Self::InstanceChanged => "instance-changed",
            Self::TwoMachines => "two-machines",
            Self::FailedLogins => "failed-logins",
            Self::Trespass => "trespass",
            Self::SpoolDamaged => "spool-damaged",
            Self::SpoolMissing => "spool-missing",
        }
    }

    /// Whether it is about somebody who is where he does not belong.
    pub fn is_of_intruders(self) -> bool {
        matches!(self, Self::FailedLogins | Self::Trespass)
    }

    /// The kind of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

/// Something to be shown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewFinding {
    /// What is wrong.
    pub reason: FindingReason,
    /// With which till; absent where no till is known.
    pub till: Option<TillId>,
    /// With which shift.
    pub shift: Option<ShiftKey>,
    /// What it is about; the same subject again is the same finding.
    pub subject: String,
    /// Now.
    pub at: Timestamp,
}

/// A finding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// Its id, for closing it.
    pub id: i64,
    /// The word of [`FindingKind`].
    pub kind: String,
    /// With which till.
    pub till: Option<TillId>,
    /// With which shift.
    pub shift: Option<ShiftNumber>,
    /// When that shift was opened.
    pub shift_opened: Option<DateTime>,
    /// What it is about.
    pub subject: String,
    /// What is wrong.
    #[serde(skip)]
    pub reason: Reason,
    /// Seen first.
    pub first_seen: Timestamp,
    /// Seen last.
    pub last_seen: Timestamp,
    /// How often.
    pub times: i64,
    /// When it was closed, by a later check or by hand.
    pub resolved_at: Option<Timestamp>,
}

/// Which findings.
#[derive(Debug, Clone, Default)]
pub struct FindingFilter {
    /// Of this till.
    pub till: Option<TillId>,
    /// Only those that are not closed.
    pub open_only: bool,
}

/// What a till has unloaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TillSales {
    /// The till.
    pub till: TillId,
    /// Its shop.
    pub shop: ShopId,
    /// Its agent's instance.
    pub instance: String,
    /// Its agent's version.
    pub agent_version: String,
    /// Last time it opened a stream.
    pub last_stream_at: Option<Timestamp>,
    /// Last time a receipt arrived.
    pub last_received_at: Option<Timestamp>,
    /// End of its newest receipt.
    pub last_receipt_time: Option<DateTime>,
    /// Findings that are open.
    pub open_findings: i64,
}
