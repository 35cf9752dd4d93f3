//! What pages show, as plain data: filled by [`super::source`], read by the templates.

use crate::exchange::Condition;
pub(super) use crate::report::{Attention, AttentionSort, BrokerView};
use jiff::Timestamp;
use serde::Serialize;
use tillway_proto::{DeliveryState, ExchangeStatus, Kopecks, Revision};

/// How backups stand.
#[derive(Debug, Clone, Serialize)]
pub(super) struct BackupsView {
    /// Where they lie.
    pub(super) place: String,
    /// Why the last look there failed, where it did.
    pub(super) trouble: Option<String>,
    /// The moment that the newest one shows; none: there is none.
    pub(super) newest: Option<Timestamp>,
    /// When one was rehearsed last; none: none was.
    pub(super) rehearsed: Option<Timestamp>,
    /// What was wrong then, where something was.
    pub(super) fault: Option<String>,
    /// The newest of them.
    pub(super) kept: Vec<KeptBackup>,
    /// How many more there are.
    pub(super) more: u64,
}

/// One backup. Each was read again from where it lies before it counted.
#[derive(Debug, Clone, Serialize)]
pub(super) struct KeptBackup {
    pub(super) name: String,
    /// The moment that it shows.
    pub(super) at: Timestamp,
    pub(super) mib: u64,
    /// When it was rehearsed; none: it was not.
    pub(super) rehearsed: Option<Timestamp>,
    /// What was wrong then.
    pub(super) fault: Option<String>,
}

/// How TLS stands.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TlsView {
    /// Whole days that are left of the server's certificate.
    pub(super) days_left: i64,
    /// Settings that open a port to other machines without TLS.
    pub(super) open_ports: Vec<&'static str>,
}

/// A unit that was set aside.
#[derive(Debug, Clone, Serialize)]
pub(super) struct AsideView {
    /// Its name, for the buttons.
    pub(super) id: String,
    /// Where its content is shown, where this server has it.
    pub(super) content: Option<String>,
    /// Which sort: an id of the words, `aside-<sort>`.
    pub(super) sort: String,
    /// The till it stands on.
    pub(super) till: Option<String>,
    /// Shop and till, or the layer of a load; empty: here.
    pub(super) place: String,
    /// What it is called where it stands.
    pub(super) name: String,
    /// Since when.
    pub(super) at: Option<Timestamp>,
    /// Why.
    pub(super) reason: String,
    /// `retry` or `drop`, where the till was told so and has not answered yet.
    pub(super) ordered: Option<&'static str>,
    /// Whether it can be tried again.
    pub(super) retryable: bool,
    /// Whether it can be dropped.
    pub(super) droppable: bool,
}

/// One till.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TillView {
    /// Its id.
    pub(super) id: String,
    /// The name of its folder, which is its address.
    pub(super) folder: String,
    /// Its code.
    pub(super) code: String,
    /// Its name.
    pub(super) name: String,
    /// Code of its shop.
    pub(super) shop: String,
    /// Name of its shop.
    pub(super) shop_name: String,
    /// How it is.
    pub(super) condition: Condition,
    /// The revision it has applied.
    pub(super) cursor: Option<Revision>,
    /// The revision it should have.
    pub(super) target: Revision,
    /// When its data was applied.
    pub(super) applied_at: Option<Timestamp>,
    /// When it last reported.
    pub(super) last_contact: Option<Timestamp>,
    /// Since when it is silent, where it is.
    pub(super) silent_since: Option<Timestamp>,
    /// Rows in its dictionary.
    pub(super) rows: Option<u64>,
    /// Where its present delivery stands.
    pub(super) delivery: Option<DeliveryState>,
    /// Why it waits, where it does.
    pub(super) waits_for: Option<String>,
    /// By how many seconds its clock is ahead, where that is a minute or more.
    pub(super) clock_ahead: Option<u64>,
    /// By how many seconds its clock is behind, where that is a minute or more.
    pub(super) clock_behind: Option<u64>,
    /// Why its receipts do not come, in a word: `sales-wait-<word>`.
    pub(super) sales_wait: Option<&'static str>,
    /// It cannot count the documents that it has not brought.
    pub(super) unsent_unknown: bool,
    /// Finished documents it has not brought yet.
    pub(super) unsent_documents: Option<u64>,
    /// Version of its agent.
    pub(super) agent_version: Option<String>,
}

/// One delivery.
#[derive(Debug, Clone, Serialize)]
pub(super) struct DeliveryView {
    /// Shop and till.
    pub(super) till: String,
    /// The address of the till; none where it is gone.
    pub(super) address: Option<String>,
    /// First digits of the package's name.
    pub(super) package: String,
    /// Applies from this revision.
    pub(super) from: Revision,
    /// Brings to this revision.
    pub(super) to: Revision,
    /// Objects inside.
    pub(super) objects: u64,
    /// Size of the file.
    pub(super) bytes: u64,
    /// Where it stands.
    pub(super) state: DeliveryState,
    /// The same in the words that operators know.
    pub(super) status: ExchangeStatus,
    /// Since when.
    pub(super) updated_at: Timestamp,
    /// Why, where it did not go well.
    pub(super) reason: Option<String>,
}

/// One load.
#[derive(Debug, Clone, Serialize)]
pub(super) struct LoadView {
    /// Its number.
    pub(super) id: i64,
    /// The node whose layer it went to.
    pub(super) layer: String,
    /// File name, or who sent it.
    pub(super) source: String,
    /// The same with the whole path.
    pub(super) source_in_full: String,
    /// When it was accepted.
    pub(super) accepted_at: Timestamp,
    /// Seconds it took, with milliseconds, as text; none while it runs.
    pub(super) took_seconds: Option<String>,
    /// How far it is, while it runs.
    pub(super) progress: Option<ProgressView>,
    /// The revision it made, where something changed.
    pub(super) revision: Option<Revision>,
    /// How it stands, in a word: `load-<state>`.
    pub(super) state: &'static str,
    /// The same in the words that back offices know.
    pub(super) status: ExchangeStatus,
    /// Counts.
    pub(super) added: u64,
    /// Counts.
    pub(super) changed: u64,
    /// Counts.
    pub(super) deleted: u64,
    /// Counts.
    pub(super) unchanged: u64,
    /// Counts.
    pub(super) rejected: u64,
    /// Warnings.
    pub(super) warnings: u64,
    /// The first of what was rejected.
    pub(super) rejects: Vec<RejectView>,
    /// The first of what a person should know of.
    pub(super) warned: Vec<NoticeView>,
    /// Why the whole load was refused, where it was.
    pub(super) reason: Option<String>,
}

/// How far a load is that is under way.
#[derive(Debug, Clone, Copy, Serialize)]
pub(super) struct ProgressView {
    /// Of the bytes of its file, how many of a hundred are read.
    pub(super) percent: u64,
    /// Records read.
    pub(super) records: u64,
}

/// A reject, or a warning about a record that was taken.
#[derive(Debug, Clone, Serialize)]
pub(super) struct NoticeView {
    /// Its number on the list of what nobody has seen; 0 below a load.
    pub(super) id: i64,
    /// The node whose layer it is about.
    pub(super) layer: String,
    /// The load that brought it.
    pub(super) load: i64,
    /// Line in the file.
    pub(super) line: u64,
    /// The verb, where it could be read.
    pub(super) verb: String,
    /// The object's key, where it could be read.
    pub(super) key: String,
    /// The field.
    pub(super) field: String,
    /// The beginning of its value.
    pub(super) value: String,
    /// Why it was rejected, or what the warning says.
    pub(super) reason: String,
    /// The record was taken.
    pub(super) is_warning: bool,
}

/// One record that was set aside.
#[derive(Debug, Clone, Serialize)]
pub(super) struct RejectView {
    /// Line in the file.
    pub(super) line: u64,
    /// The verb, where it could be read.
    pub(super) verb: String,
    /// Why.
    pub(super) reason: String,
}

/// What the check of a shift says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum ShiftVerdict {
    /// The shift is open.
    Open,
    /// Closed; documents are still coming.
    Waiting,
    /// Till, shift record and server agree.
    Agrees,
    /// They do not.
    Differs,
}

/// One shift.
#[derive(Debug, Clone, Serialize)]
pub(super) struct ShiftView {
    /// The address of its receipts; empty where it is not asked for.
    pub(super) receipts: String,
    /// Code of the shop.
    pub(super) shop: String,
    /// Code of the till.
    pub(super) till: String,
    /// Number of the shift.
    pub(super) number: u64,
    /// When it was opened, by the till's clock.
    pub(super) opened: String,
    /// When it was closed, by the till's clock; empty while open.
    pub(super) closed: String,
    /// Receipts the till counted; none while that is not known.
    pub(super) till_receipts: Option<u64>,
    /// Receipts in the server's database.
    pub(super) server_receipts: u64,
    /// Sales less refunds by the till's count.
    pub(super) till_sum: Option<Kopecks>,
    /// Sales less refunds in the server's database.
    pub(super) server_sum: Kopecks,
    /// Its times have not come yet.
    pub(super) in_future: bool,
    /// What the check says.
    pub(super) verdict: ShiftVerdict,
    /// What differs, or what is waited for.
    pub(super) detail: Option<String>,
}
