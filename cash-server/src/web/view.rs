//! What the page shows, as plain data: filled by [`super::source`], read by the templates.

use crate::exchange::Condition;
use jiff::Timestamp;
use serde::Serialize;
use tillway_proto::{DeliveryState, ExchangeStatus, Kopecks, Revision};
use tillway_service::page::TaskView;

/// The state of everything at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Overview {
    /// When it was gathered; ages are counted from here.
    pub now: Timestamp,
    /// The server's name from its settings.
    pub server: String,
    /// Version of the program.
    pub version: String,
    /// The newest revision.
    pub revision: Revision,
    /// The link to the broker.
    pub broker: BrokerView,
    /// What a person should look at, the weightiest first.
    pub attention: Vec<Attention>,
    /// How many more there are.
    pub attention_more: u64,
    /// What was set aside and waits for a person.
    pub aside: Vec<AsideView>,
    /// How many more there are.
    pub aside_more: u64,
    /// Rejects and warnings that nobody has seen, newest first.
    pub notices: Vec<NoticeView>,
    /// How many more there are.
    pub notices_more: u64,
    /// The newest of them all: what came later is not marked with them.
    pub notices_up_to: i64,
    /// Why sales cannot be shown, where they cannot.
    pub sales_trouble: Option<String>,
    /// Stands in every form, so that no other site can have a browser act here.
    pub form_token: String,
    /// Tills, those with trouble first.
    pub tills: Vec<TillView>,
    /// How many tills there are, shown or not.
    pub tills_total: u64,
    /// How many of them are at their target.
    pub tills_current: u64,
    /// The last deliveries, newest first.
    pub deliveries: Vec<DeliveryView>,
    /// The last loads, newest first.
    pub loads: Vec<LoadView>,
    /// Shifts, newest first.
    pub shifts: Vec<ShiftView>,
    /// How TLS stands; none where the reader may not see it.
    pub tls: Option<TlsView>,
    /// How backups stand; none where the reader may not see it.
    pub backups: Option<BackupsView>,
    /// What the server does by itself; none where the reader may not see it.
    pub background: Option<Vec<TaskView>>,
}

/// How backups stand.
#[derive(Debug, Clone, Serialize)]
pub struct BackupsView {
    /// Where they lie.
    pub place: String,
    /// Why the last look there failed, where it did.
    pub trouble: Option<String>,
    /// The moment that the newest one shows; none: there is none.
    pub newest: Option<Timestamp>,
    /// When one was rehearsed last; none: none was.
    pub rehearsed: Option<Timestamp>,
    /// What was wrong then, where something was.
    pub fault: Option<String>,
}

/// The link to the broker.
#[derive(Debug, Clone, Serialize)]
pub struct BrokerView {
    /// Whether commands go out and reports come in.
    pub consuming: bool,
    /// Since when it is so.
    pub since: Option<Timestamp>,
    /// What is wrong, where something is.
    pub trouble: Option<String>,
    /// What the broker says where it takes no messages: it is short of memory or disk.
    pub blocked: Option<String>,
    /// What the broker says of the queue of reports, where somebody else made it otherwise.
    pub foreign_queue: Option<String>,
}

/// How TLS stands.
#[derive(Debug, Clone, Serialize)]
pub struct TlsView {
    /// Whole days that are left of the server's certificate.
    pub days_left: i64,
    /// Settings that open a port to other machines without TLS.
    pub open_ports: Vec<&'static str>,
}

/// Something that a person should look at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Attention {
    /// Which sort; gives the weight, and the words and what is to be done about it where it is no
    /// finding of sales.
    pub sort: AttentionSort,
    /// The shop or till it is about.
    pub place: String,
    /// What is known of it.
    pub detail: String,
    /// Since when, where that is known.
    pub since: Option<Timestamp>,
    /// The till whose finding somebody may acknowledge here.
    pub acknowledge: Option<String>,
    /// Which finding of sales it is, where it is one: each has words of its own,
    /// `attention-finding-<kind>` and `todo-finding-<kind>`.
    pub finding: Option<&'static str>,
    /// Which task of the server fails, where it is one: `task-<name>`.
    pub task: Option<&'static str>,
}

/// What sort of thing a person should look at, the weightiest first. The words are
/// `attention-<sort>` and `todo-<sort>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum AttentionSort {
    /// Little room is left for the data folder.
    Disk,
    /// The sales database does not answer.
    SalesDatabase,
    /// No link to the broker, or no reports come in.
    Broker,
    /// The broker takes no messages.
    BrokerBlocked,
    /// Somebody writes messages in a till's name.
    Forged,
    /// Somebody writes messages to a till in this server's name, or the till has another secret.
    RefusedByTill,
    /// A till's secret is not the one that this server knows.
    OtherSecret,
    /// Somebody tries to attach tills without knowing a code.
    AttachTries,
    /// Somebody tries passwords.
    PasswordTries,
    /// One till's id is used from two machines.
    TwoMachines,
    /// Something is wrong with a shift, or with a receipt of one.
    Shift,
    /// A load is held until somebody says yes.
    LoadHeld,
    /// A load was refused whole.
    LoadRefused,
    /// Files lie in a folder of the intake and will never be read.
    InboxFiles,
    /// The broker refuses a till's queue, or its last delivery was rejected, or its dictionary
    /// differs.
    Trouble,
    /// A till's receipts do not come.
    SalesWait,
    /// The log of a till's dictionary is not cut back.
    DictionaryLog,
    /// The server fails at something that it does by itself.
    Background,
    /// A certificate ends soon, or is not valid yet.
    CertificateEnds,
    /// Something was set aside.
    Aside,
    /// What was set aside cannot be listed.
    AsideUnread,
    /// This server's clock, or those of most tills.
    ClockHere,
    /// A till's clock is ahead.
    ClockAhead,
    /// A till's clock is behind.
    ClockBehind,
    /// A till went back to an older state.
    WentBack,
    /// A till says that it has a revision that nothing speaks for.
    Claimed,
    /// Silent for a day.
    SilentLong,
    /// Never heard of, a day after it was made.
    NeverHeardOf,
    /// Something is wrong with sales of a till.
    Finding,
    /// Somebody reports as a till that is not in the network.
    Stranger,
    /// Somebody else made the queue of reports, with other arguments.
    ReportsQueue,
    /// Silent, but not for long.
    Silent,
    /// The last load of a layer was given up.
    Load,
    /// Rejects and warnings that nobody has seen.
    Notices,
    /// Nodes whose codes differ by leading zeros alone.
    CodesAlike,
    /// Tills that have no secret yet.
    NoSecret,
    /// Tills whose agents are of a version that does not fit this server's.
    Versions,
    /// Other machines may use a port without TLS.
    PlainOpen,
}

impl AttentionSort {
    /// All of them.
    pub const ALL: [Self; 38] = [
        Self::Disk,
        Self::SalesDatabase,
        Self::Broker,
        Self::BrokerBlocked,
        Self::Forged,
        Self::RefusedByTill,
        Self::OtherSecret,
        Self::AttachTries,
        Self::PasswordTries,
        Self::TwoMachines,
        Self::Shift,
        Self::LoadHeld,
        Self::LoadRefused,
        Self::InboxFiles,
        Self::Trouble,
        Self::SalesWait,
        Self::DictionaryLog,
        Self::Background,
        Self::CertificateEnds,
        Self::Aside,
        Self::AsideUnread,
        Self::ClockHere,
        Self::ClockAhead,
        Self::ClockBehind,
        Self::WentBack,
        Self::Claimed,
        Self::SilentLong,
        Self::NeverHeardOf,
        Self::Finding,
        Self::Stranger,
        Self::ReportsQueue,
        Self::Silent,
        Self::Load,
        Self::Notices,
        Self::CodesAlike,
        Self::NoSecret,
        Self::Versions,
        Self::PlainOpen,
    ];
}

/// A unit that was set aside.
#[derive(Debug, Clone, Serialize)]
pub struct AsideView {
    /// Its name, for the buttons.
    pub id: String,
    /// Which sort: an id of the words, `aside-<sort>`.
    pub sort: String,
    /// Shop and till, or the layer of a load; empty: here.
    pub place: String,
    /// What it is called where it stands.
    pub name: String,
    /// Since when.
    pub at: Option<Timestamp>,
    /// Why.
    pub reason: String,
    /// `retry` or `drop`, where the till was told so and has not answered yet.
    pub ordered: Option<&'static str>,
    /// Whether it can be tried again.
    pub retryable: bool,
    /// Whether it can be dropped.
    pub droppable: bool,
}

/// One till.
#[derive(Debug, Clone, Serialize)]
pub struct TillView {
    /// Its id.
    pub id: String,
    /// Its code.
    pub code: String,
    /// Its name.
    pub name: String,
    /// Code of its shop.
    pub shop: String,
    /// How it is.
    pub condition: Condition,
    /// The revision it has applied.
    pub cursor: Option<Revision>,
    /// The revision it should have.
    pub target: Revision,
    /// When its data was applied.
    pub applied_at: Option<Timestamp>,
    /// When it last reported.
    pub last_contact: Option<Timestamp>,
    /// Since when it is silent, where it is.
    pub silent_since: Option<Timestamp>,
    /// Rows in its dictionary.
    pub rows: Option<u64>,
    /// Where its present delivery stands.
    pub delivery: Option<DeliveryState>,
    /// Why it waits, where it does.
    pub waits_for: Option<String>,
    /// By how many seconds its clock is ahead, where that is a minute or more.
    pub clock_ahead: Option<u64>,
    /// By how many seconds its clock is behind, where that is a minute or more.
    pub clock_behind: Option<u64>,
    /// Why its receipts do not come, in a word: `sales-wait-<word>`.
    pub sales_wait: Option<&'static str>,
    /// It cannot count the documents that it has not brought.
    pub unsent_unknown: bool,
    /// Finished documents it has not brought yet.
    pub unsent_documents: Option<u64>,
    /// Version of its agent.
    pub agent_version: Option<String>,
}

/// One delivery.
#[derive(Debug, Clone, Serialize)]
pub struct DeliveryView {
    /// Shop and till.
    pub till: String,
    /// First digits of the package's name.
    pub package: String,
    /// Applies from this revision.
    pub from: Revision,
    /// Brings to this revision.
    pub to: Revision,
    /// Objects inside.
    pub objects: u64,
    /// Size of the file.
    pub bytes: u64,
    /// Where it stands.
    pub state: DeliveryState,
    /// The same in the words that operators know.
    pub status: ExchangeStatus,
    /// Since when.
    pub updated_at: Timestamp,
    /// Why, where it did not go well.
    pub reason: Option<String>,
}

/// One load.
#[derive(Debug, Clone, Serialize)]
pub struct LoadView {
    /// Its number.
    pub id: i64,
    /// The node whose layer it went to.
    pub layer: String,
    /// File name, or who sent it.
    pub source: String,
    /// The same with the whole path.
    pub source_in_full: String,
    /// When it was accepted.
    pub accepted_at: Timestamp,
    /// Seconds it took, with milliseconds, as text; none while it runs.
    pub took_seconds: Option<String>,
    /// How far it is, while it runs.
    pub progress: Option<ProgressView>,
    /// The revision it made, where something changed.
    pub revision: Option<Revision>,
    /// How it stands.
    pub status: ExchangeStatus,
    /// Counts.
    pub added: u64,
    /// Counts.
    pub changed: u64,
    /// Counts.
    pub deleted: u64,
    /// Counts.
    pub unchanged: u64,
    /// Counts.
    pub rejected: u64,
    /// Warnings.
    pub warnings: u64,
    /// The first of what was rejected.
    pub rejects: Vec<RejectView>,
    /// The first of what a person should know of.
    pub warned: Vec<NoticeView>,
    /// Why the whole load was refused, where it was.
    pub reason: Option<String>,
}

/// How far a load is that is under way.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct ProgressView {
    /// Of the bytes of its file, how many of a hundred are read.
    pub percent: u64,
    /// Records read.
    pub records: u64,
}

/// A reject, or a warning about a record that was taken.
#[derive(Debug, Clone, Serialize)]
pub struct NoticeView {
    /// Its number on the list of what nobody has seen; 0 below a load.
    pub id: i64,
    /// The node whose layer it is about.
    pub layer: String,
    /// The load that brought it.
    pub load: i64,
    /// Line in the file.
    pub line: u64,
    /// The verb, where it could be read.
    pub verb: String,
    /// The object's key, where it could be read.
    pub key: String,
    /// The field.
    pub field: String,
    /// The beginning of its value.
    pub value: String,
    /// Why it was rejected, or what the warning says.
    pub reason: String,
    /// The record was taken.
    pub is_warning: bool,
}

/// One record that was set aside.
#[derive(Debug, Clone, Serialize)]
pub struct RejectView {
    /// Line in the file.
    pub line: u64,
    /// The verb, where it could be read.
    pub verb: String,
    /// Why.
    pub reason: String,
}

/// What the check of a shift says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ShiftVerdict {
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
pub struct ShiftView {
    /// Code of the shop.
    pub shop: String,
    /// Code of the till.
    pub till: String,
    /// Number of the shift.
    pub number: u64,
    /// When it was opened, by the till's clock.
    pub opened: String,
    /// When it was closed, by the till's clock; empty while open.
    pub closed: String,
    /// Receipts the till counted; none while that is not known.
    pub till_receipts: Option<u64>,
    /// Receipts in the server's database.
    pub server_receipts: u64,
    /// Sales less refunds by the till's count.
    pub till_sum: Option<Kopecks>,
    /// Sales less refunds in the server's database.
    pub server_sum: Kopecks,
    /// Its times have not come yet.
    pub in_future: bool,
    /// What the check says.
    pub verdict: ShiftVerdict,
    /// What differs, or what is waited for.
    pub detail: Option<String>,
}
