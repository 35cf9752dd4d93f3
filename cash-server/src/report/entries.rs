//! What needs a look, as plain data.

use jiff::Timestamp;
use serde::{Serialize, Serializer};

/// The link to the broker.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct BrokerView {
    /// Whether commands go out and reports come in.
    pub(crate) consuming: bool,
    /// Since when it is so.
    pub(crate) since: Option<Timestamp>,
    /// What is wrong, where something is.
    pub(crate) trouble: Option<String>,
    /// What the broker says where it takes no messages: it is short of memory or disk.
    pub(crate) blocked: Option<String>,
    /// What the broker says of the queue of reports, where somebody else made it otherwise.
    pub(crate) foreign_queue: Option<String>,
}

/// Something that a person should look at. Its words are `attention-<key>`, and what is to be done
/// about it `todo-<key>`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Attention {
    /// Which sort; gives the weight.
    pub(crate) sort: AttentionSort,
    /// Entries of one key are of one kind: the word of its sort, or `finding-<kind>` for a finding
    /// of sales.
    pub(crate) key: String,
    /// The shop or till it is about.
    pub(crate) place: String,
    /// What is known of it.
    pub(crate) detail: String,
    /// Since when, where that is known.
    pub(crate) since: Option<Timestamp>,
    /// The till whose finding somebody may acknowledge here.
    pub(crate) acknowledge: Option<String>,
    /// The finding of sales that somebody may close here.
    pub(crate) finding: Option<i64>,
    /// Ids of the tills it is about.
    pub(crate) tills: Vec<String>,
    /// Which task of the server fails, where it is one: `task-<name>`.
    pub(crate) task: Option<&'static str>,
}

/// What sort of thing a person should look at, the weightiest first. The words are
/// `attention-<sort>` and `todo-<sort>`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum AttentionSort {
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
    /// Mails or calls of webhooks did not arrive.
    Unsent,
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
    pub(crate) fn word(self) -> &'static str {
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
            Self::Unsent => "unsent",
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
    pub(crate) fn is_grave(self) -> bool {
        self <= Self::SalesWait
    }

    /// All of them.
    #[cfg(test)]
    pub(crate) const ALL: [Self; 39] = [
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
        Self::Unsent,
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
