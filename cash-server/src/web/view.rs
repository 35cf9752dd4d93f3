//! What pages show, as plain data: filled by [`super::source`], read by the templates.

use crate::exchange::Condition;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
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
}

/// The link to the broker.
#[derive(Debug, Clone, Serialize)]
pub(super) struct BrokerView {
    /// Whether commands go out and reports come in.
    pub(super) consuming: bool,
    /// Since when it is so.
    pub(super) since: Option<Timestamp>,
    /// What is wrong, where something is.
    pub(super) trouble: Option<String>,
    /// What the broker says where it takes no messages: it is short of memory or disk.
    pub(super) blocked: Option<String>,
    /// What the broker says of the queue of reports, where somebody else made it otherwise.
    pub(super) foreign_queue: Option<String>,
}

/// How TLS stands.
#[derive(Debug, Clone, Serialize)]
pub(super) struct TlsView {
    /// Whole days that are left of the server's certificate.
    pub(super) days_left: i64,
    /// Settings that open a port to other machines without TLS.
    pub(super) open_ports: Vec<&'static str>,
}

/// Something that a person should look at. Its words are `attention-<key>`, and what is to be done
/// about it `todo-<key>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct Attention {
    /// Which sort; gives the weight.
    pub(super) sort: AttentionSort,
    /// Entries of one key are of one kind: the word of its sort, or `finding-<kind>` for a finding
    /// of sales.
    pub(super) key: String,
    /// The shop or till it is about.
    pub(super) place: String,
    /// What is known of it.
    pub(super) detail: String,
    /// Since when, where that is known.
    pub(super) since: Option<Timestamp>,
    /// The till whose finding somebody may acknowledge here.
    pub(super) acknowledge: Option<String>,
    /// The finding of sales that somebody may close here.
    pub(super) finding: Option<i64>,
    /// Ids of the tills it is about.
    pub(super) tills: Vec<String>,
    /// Which task of the server fails, where it is one: `task-<name>`.
    pub(super) task: Option<&'static str>,
}

/// What sort of thing a person should look at, the weightiest first. The words are
/// `attention-<sort>` and `todo-<sort>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum AttentionSort {
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

impl Serialize for AttentionSort {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.word())
    }
}

impl AttentionSort {
    /// Its word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Disk => "disk",
            Self::SalesDatabase => "sales-database",
            Self::Broker => "broker",
            Self::BrokerBlocked => "broker-blocked",
            Self::Forged => "forged",
            Self::RefusedByTill => "refused-by-till",
            Self::OtherSecret => "other-secret",
            Self::AttachTries => "attach-tries",
            Self::PasswordTries => "password-tries",
            Self::TwoMachines => "two-machines",
            Self::Shift => "shift",
            Self::LoadHeld => "load-held",
            Self::LoadRefused => "load-refused",
            Self::InboxFiles => "inbox-files",
            Self::Trouble => "trouble",
            Self::SalesWait => "sales-wait",
            Self::DictionaryLog => "dictionary-log",
            Self::Background => "background",
            Self::CertificateEnds => "certificate-ends",
            Self::Aside => "aside",
            Self::AsideUnread => "aside-unread",
            Self::ClockHere => "clock-here",
            Self::ClockAhead => "clock-ahead",
            Self::ClockBehind => "clock-behind",
            Self::WentBack => "went-back",
            Self::Claimed => "claimed",
            Self::SilentLong => "silent-long",
            Self::NeverHeardOf => "never-heard-of",
            Self::Finding => "finding",
            Self::Stranger => "stranger",
            Self::ReportsQueue => "reports-queue",
            Self::Silent => "silent",
            Self::Load => "load",
            Self::Notices => "notices",
            Self::CodesAlike => "codes-alike",
            Self::NoSecret => "no-secret",
            Self::Versions => "versions",
            Self::PlainOpen => "plain-open",
        }
    }

    /// Whether money, prices or the server itself are wrong now; of the others something will be.
    pub(super) fn is_grave(self) -> bool {
        self <= Self::SalesWait
    }

    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 38] = [
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
