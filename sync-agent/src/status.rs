//! `sync-agent status`: what the till has, read from its files, whether an agent runs or not.

use crate::aside::{self, Aside};
use crate::dictionary::log_told;
use crate::error::chain;
use crate::hand_over::{self, Ask};
use crate::package_queue::PackageQueue;
use crate::settings::Settings;
use crate::source::DocumentsFile;
use crate::state::State;
use crate::unsent;
use jiff::Timestamp;
use serde::Serialize;
use std::fmt;
use tillway_exchangers::till::dictionary;
use tillway_file_queue::QueueError;
use tillway_file_queue::plain_text::on_one_line;
use tillway_proto::report::{AsideUnit, MAX_DICTIONARY_LOG_BYTES, SalesWait};

/// Deliveries and units set aside that are listed; `aside ls` lists more.
const MAX_LISTED: u32 = 5;

/// What the till has, and what could not be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Status {
    /// The till.
    pub till: String,
    /// Version of this program.
    pub version: &'static str,
    /// The agent's log.
    pub log: Option<String>,
    /// How the running agent is linked to the broker; `None`: no agent runs.
    pub link: Option<String>,
    /// The revision applied; none where the dictionary cannot be read.
    pub cursor: Option<u64>,
    /// When it was applied.
    pub applied_at: Option<Timestamp>,
    /// Seconds since; 0 where the clock went back since then.
    pub age_seconds: Option<i64>,
    /// Rows in the dictionary; none where it cannot be read.
    pub rows: Option<u64>,
    /// Bytes of the log beside the dictionary.
    pub dictionary_log_bytes: u64,
    /// Packages in the file queue.
    pub queued: u64,
    /// Packages, documents, records of shifts and messages set aside.
    pub set_aside: u64,
    /// Finished documents that the server has not acknowledged; none where they cannot be counted.
    pub unsent_documents: Option<u64>,
    /// Why sales do not reach the server, where they do not.
    pub sales_wait: Option<SalesWait>,
    /// End of the last receipt that it has.
    pub last_sent: Option<String>,
    /// The last word of ours that the server's broker confirmed.
    pub last_contact: Option<Timestamp>,
    /// The newest deliveries: package, state, reason.
    pub deliveries: Vec<DeliveryLine>,
    /// The newest units set aside, with their reasons.
    pub aside: Vec<AsideUnit>,
    /// What could not be read, and why.
    pub unreadable: Vec<String>,
}

/// One delivery.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct DeliveryLine {
    /// First digits of the package's name.
    pub package: String,
    /// Its state.
    pub state: &'static str,
    /// Why, where it was rejected.
    pub reason: Option<String>,
    /// When.
    pub at: String,
}

/// Looks. Never fails: what cannot be read is listed. Names the newest units set aside, at most so
/// many.
pub(crate) async fn look(settings: &Settings, most_aside: usize) -> Status {
    let link = hand_over::ask(&settings.paths.data, Ask::Link).await.ok().map(|answer| answer.text);
    let mut unreadable = Vec::new();
    let mut note = |what: &str, error: &dyn std::error::Error| unreadable.push(format!("{what}: {}", chain(error)));
    let dictionary = dictionary::State::read(&settings.paths.dictionaries);
    let dictionary = dictionary.inspect_err(|error| note("dictionary", error)).ok();
    let applied_at = dictionary.as_ref().and_then(|state| state.applied_at);
    let mut status = Status {
        till: settings.till.to_string(),
        version: env!("CARGO_PKG_VERSION"),
        log: settings.log.file.as_ref().map(|file| file.display().to_string()),
        link,
        cursor: dictionary.as_ref().map(|state| state.cursor.0),
        applied_at,
        age_seconds: applied_at.map(|at| (Timestamp::now().as_second() - at.as_second()).max(0)),
        rows: dictionary.as_ref().map(|state| state.rows),
        dictionary_log_bytes: dictionary::log_bytes(&settings.paths.dictionaries),
        queued: 0,
        set_aside: 0,
        unsent_documents: None,
        sales_wait: None,
        last_sent: None,
        last_contact: None,
        deliveries: Vec::new(),
        aside: Vec::new(),
        unreadable: Vec::new(),
    };
    let queue =
        PackageQueue::open_existing(&settings.load.queue_root).and_then(|queue| Ok((queue.depth()?.batches, queue)));
    let queue = match queue {
        Ok((queued, queue)) => {
            status.queued = queued;
            Some(queue)
        }
        Err(QueueError::NoSuchQueue { .. }) => None,
        Err(error) => {
            note("file queue", &error);
            None
        }
    };
    let state = match add_state(&mut status, settings) {
        Ok(state) => state,
        Err(error) => {
            note("agent's state", error.as_ref());
            None
        }
    };
    let Aside { count, units, unreadable: unseen } = aside::look(settings, queue.as_ref(), state.as_ref(), most_aside);
    (status.set_aside, status.aside) = (count, units);
    unreadable.extend(unseen.into_iter().map(|(what, error)| format!("{what}: {error}")));
    status.unreadable = unreadable;
    status
}

fn add_state(status: &mut Status, settings: &Settings) -> Result<Option<State>, Box<dyn std::error::Error>> {
    if !settings.paths.data.join("sync.db").exists() {
        return Ok(None);
    }
    let state = State::open(&settings.paths.data)?;
    status.last_sent = state.last_sent()?.map(|time| time.to_string());
    status.last_contact = state.last_contact()?;
    if settings.load.script.is_some() {
        status.cursor = Some(state.script_cursor()?.0);
    }
    let line = |seen: crate::state::SeenDelivery| DeliveryLine {
        package: seen.package.chars().take(12).collect(),
        state: seen.state.as_str(),
        reason: seen.reason,
        at: seen.at,
    };
    status.deliveries = state.deliveries(MAX_LISTED)?.into_iter().map(line).collect();
    status.sales_wait = state.sales_wait()?;
    let documents = DocumentsFile::at(settings.paths.documents.clone(), settings.till.clone());
    match unsent::count(&state, &documents) {
        Ok(unsent) => status.unsent_documents = Some(unsent),
        Err(error) => {
            let (kind, text) = (error.kind(), unsent::shortened(chain(&error)));
            status.sales_wait.get_or_insert_with(|| SalesWait { kind, text, since: Timestamp::now() });
        }
    }
    Ok(Some(state))
}

impl Status {
    /// What a log of the dictionary that is not cut back is told as.
    pub(crate) fn dictionary_log(&self) -> Option<String> {
        let bytes = self.dictionary_log_bytes;
        (bytes >= MAX_DICTIONARY_LOG_BYTES).then(|| log_told(bytes))
    }

    /// What lies aside, a unit a line: its name, since when, why.
    pub(crate) fn aside_list(&self) -> String {
        let mut lines: Vec<String> = self.aside.iter().map(aside_line).collect();
        let more = self.set_aside.saturating_sub(self.aside.len() as u64);
        if more > 0 {
            lines.push(format!("… and {more} more"));
        }
        if lines.is_empty() {
            lines.push("nothing lies aside".to_owned());
        }
        lines.extend(self.unreadable.iter().map(|what| format!("unreadable: {what}")));
        lines.join("\n")
    }
}

fn aside_line(unit: &AsideUnit) -> String {
    let since = unit.at.map_or_else(|| "at an unknown time".to_owned(), |at| at.to_string());
    format!("{}  {since}  {}", aside::unit_name(&unit.unit), on_one_line(&unit.reason))
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fn or_never<T: fmt::Display>(value: Option<T>) -> String {
            value.map_or_else(|| "never".to_owned(), |value| value.to_string())
        }
        let to_the_second = |at: Timestamp| format!("{at:.0}");
        writeln!(f, "till          {}", self.till)?;
        writeln!(f, "agent         {} ({})", self.version, self.link.as_deref().unwrap_or("not running"))?;
        writeln!(f, "log           {}", self.log.as_deref().unwrap_or("standard error"))?;
        let age = self.age_seconds.map(|age| format!(", {age} s ago")).unwrap_or_default();
        let applied = or_never(self.applied_at.map(to_the_second));
        match (self.cursor, self.rows) {
            (Some(cursor), Some(rows)) => {
                writeln!(f, "dictionary    revision {cursor}, {rows} rows, applied {applied}{age}")?;
            }
            (Some(cursor), None) => writeln!(f, "dictionary    revision {cursor}, rows unknown: it cannot be read")?,
            (None, _) => writeln!(f, "dictionary    unknown: it cannot be read")?,
        }
        if let Some(log) = self.dictionary_log() {
            writeln!(f, "dictionary    {log}")?;
        }
        writeln!(f, "file queue    {} waiting", self.queued)?;
        let unsent =
            self.unsent_documents.map_or_else(|| "unsent: unknown".to_owned(), |count| format!("{count} unsent"));
        writeln!(f, "sales         {unsent}, last receipt sent: {}", or_never(self.last_sent.as_ref()))?;
        if let Some(wait) = &self.sales_wait {
            writeln!(f, "  not taken since {:.0} ({}): {}", wait.since, wait.kind.as_str(), on_one_line(&wait.text))?;
        }
        writeln!(f, "last contact  {}", or_never(self.last_contact.map(to_the_second)))?;
        writeln!(f, "set aside     {}", self.set_aside)?;
        for unit in self.aside.iter().take(MAX_LISTED as usize) {
            writeln!(f, "  {}: {}", aside::unit_name(&unit.unit), on_one_line(&unit.reason))?;
        }
        for delivery in &self.deliveries {
            let reason =
                delivery.reason.as_ref().map(|reason| format!(": {}", on_one_line(reason))).unwrap_or_default();
            let at = delivery.at.parse().map_or_else(|_| delivery.at.clone(), to_the_second);
            writeln!(f, "  package {} {} at {at}{reason}", delivery.package, delivery.state)?;
        }
        for what in &self.unreadable {
            writeln!(f, "unreadable    {what}")?;
        }
        Ok(())
    }
}
