//! What a peer says to the server over the broker, through [`crate::queue::REPORTS_QUEUE`].
//!
//! ```json
//! {"schema":2,"peer":"_cash_1_00ab34ef","instance":"…","sent_at":"2026-01-02T03:04:05Z","type":"contact","state":{…}}
//! ```
//!
//! A report is a hint: each carries the state it speaks of whole, so a lost, doubled or late one
//! does no harm. Unknown fields are ignored, so that a newer agent may add some; a report of an
//! unknown kind is set aside by name.

use crate::id::PeerId;
use crate::revision::{CursorProof, DeliveryId, Digest, PackageName, Revision};
use crate::status::{DeliveryState, ExchangeStatus};
use crate::till_setting::TillSetting;
use jiff::Timestamp;
use jiff::civil::DateTime;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use uuid::Uuid;

/// Version of reports that this code writes and the newest it reads. Version 1 named the peer
/// `till`.
pub const REPORT_SCHEMA: u32 = 2;

/// One report of one peer, with its envelope.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reported {
    /// Version of this format, [`REPORT_SCHEMA`].
    pub schema: u32,
    /// Who reports; `till` in version 1.
    #[serde(alias = "till")]
    pub peer: PeerId,
    /// The random value that was made with the agent's state; two machines with one till's id
    /// differ in it.
    pub instance: Uuid,
    /// The till's clock when it was sent.
    pub sent_at: Timestamp,
    /// What it says.
    #[serde(flatten)]
    pub report: Report,
}

/// What a till reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "kebab-case")]
pub enum Report {
    /// Alive and consuming; sent when the agent connects, and then on a period.
    Contact {
        /// What the till has.
        state: TillState,
    },
    /// A delivery reached a state.
    Delivery {
        /// Which one.
        delivery: DeliveryId,
        /// Its package.
        package: PackageName,
        /// The state it reached.
        state: DeliveryState,
        /// Why, where it was rejected.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
        /// What sort of reason, where it was rejected; absent in reports of older agents, and
        /// where only a newer agent knows the word; then [`RejectCause::Content`].
        #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_cause")]
        cause: Option<RejectCause>,
        /// What the till has now.
        till_state: TillState,
    },
    /// The till's dictionary cannot go on by a difference.
    NeedSnapshot {
        /// Names of the kinds that differ; empty: all of them.
        kinds: Vec<String>,
        /// Why.
        reason: String,
        /// What the till has now.
        till_state: TillState,
    },
    /// How an unloading of sales stands.
    Unload {
        /// The command that ordered it, where one did.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        command: Option<Uuid>,
        /// How it stands.
        status: ExchangeStatus,
        /// Receipts acknowledged in this run.
        receipts: u64,
        /// Why, where it failed.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        reason: Option<String>,
    },
    /// The answer to a command that this agent does not know or cannot carry out.
    Refused {
        /// The command.
        command: Uuid,
        /// Why.
        reason: String,
    },
}

impl Report {
    /// The word for what it tells, as in the message.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Contact { .. } => "contact",
            Self::Delivery { .. } => "delivery",
            Self::NeedSnapshot { .. } => "need-snapshot",
            Self::Unload { .. } => "unload",
            Self::Refused { .. } => "refused",
        }
    }
}

/// What sort of reason a till has to reject a delivery: the server does something else about each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RejectCause {
    /// The package did not get to where it is loaded: the line, the till's disk, a full queue, a
    /// busy database. The same package may go through later.
    Transport,
    /// The package starts at a revision that the till does not have.
    Gap,
    /// What is inside does not read or does not apply.
    Content,
}

impl RejectCause {
    /// The word in reports and in the server's database.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Transport => "transport",
            Self::Gap => "gap",
            Self::Content => "content",
        }
    }

    /// The cause named by a word.
    pub fn of_word(word: &str) -> Option<Self> {
        [Self::Transport, Self::Gap, Self::Content].into_iter().find(|cause| cause.as_str() == word)
    }
}

/// What a till has.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct TillState {
    /// Version of the agent.
    #[serde(default)]
    pub agent_version: String,
    /// The revision applied.
    #[serde(default)]
    pub cursor: Revision,
    /// When it was applied, by the till's clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_at: Option<Timestamp>,
    /// What the package carried that led to `cursor`. Absent: an older agent, or a package of an
    /// older server. The server believes a cursor that it has not announced to this till by this
    /// alone.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "readable_proof")]
    pub proof: Option<CursorProof>,
    /// Rows in the till's dictionary, over all kinds.
    #[serde(default)]
    pub rows: u64,
    /// One digest over counts and digests of all kinds, of the same moment as `cursor`. Absent:
    /// not to be compared (an older agent, a dictionary that a script loads, one that could not be
    /// read).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// Finished documents that the server has not acknowledged; absent where they cannot be
    /// counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unsent_documents: Option<u64>,
    /// Why sales do not reach the server, where they do not; absent in reports of older agents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sales_wait: Option<SalesWait>,
    /// End of the last receipt that the server acknowledged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_sent: Option<DateTime>,
    /// Bytes of the log beside `dictionaries.db`; absent where it is empty, and in reports of
    /// older agents.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub dictionary_log_bytes: u64,
    /// Batches in the file queue.
    #[serde(default)]
    pub queued: u64,
    /// Units that were set aside on the till and wait for a person.
    #[serde(default)]
    pub set_aside: u64,
    /// The newest of them, at most [`MAX_ASIDE_UNITS`]; absent in reports of older agents. Of
    /// newer ones, those whose sort is not known here are left out: they are counted in
    /// `set_aside`.
    #[serde(default, skip_serializing_if = "Vec::is_empty", deserialize_with = "known_units")]
    pub aside: Vec<AsideUnit>,
    /// Messages in the server's name that the agent did not work on since it started, by the word
    /// of [`CodeFault`](crate::CodeFault); absent where there are none, and in reports of older
    /// agents.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub refused_messages: BTreeMap<String, u64>,
    /// SHA-256, in hex, of each authority that the agent trusts for TLS with its server; absent in
    /// reports of agents that know no authorities.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trusted: Option<Vec<String>>,
    /// Whether the agent shows its token where it fetches packages; absent where it does not: in
    /// reports of older agents, where another host carries packages, and without TLS.
    #[serde(default, skip_serializing_if = "is_not")]
    pub shows_token: bool,
    /// The settings that a server may set ([`TillSetting`]), by key, where they are not the
    /// default; absent in reports of agents that take none. What is none of them is left out.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "known_settings")]
    pub settings: Option<BTreeMap<String, String>>,
    /// The generation of the server's settings that the agent took last; absent where it took
    /// none.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub settings_generation: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_not(flag: &bool) -> bool {
    !*flag
}

/// A cause that only a newer agent knows is none: the delivery was rejected all the same.
fn known_cause<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<RejectCause>, D::Error> {
    Ok(Option::<String>::deserialize(source)?.and_then(|word| RejectCause::of_word(&word)))
}

/// What a newer agent knows, and what is not allowed there, is left out: so the map is bounded.
fn known_settings<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<BTreeMap<String, String>>, D::Error> {
    let told = Option::<BTreeMap<String, String>>::deserialize(source)?;
    let known = |(key, value): (String, String)| {
        let setting = TillSetting::of_key(&key)?;
        Some((setting.key.to_owned(), setting.parse(&value)?))
    };
    Ok(told.map(|told| told.into_iter().filter_map(known).collect()))
}

/// A proof that does not read proves nothing; what else the report says counts all the same.
fn readable_proof<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Option<CursorProof>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Proof {
        Readable(CursorProof),
        Other(serde::de::IgnoredAny),
    }
    Ok(match Option::<Proof>::deserialize(source)? {
        Some(Proof::Readable(proof)) => Some(proof),
        Some(Proof::Other(_)) | None => None,
    })
}

#[allow(clippy::trivially_copy_pass_by_ref)] // as serde calls it
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// From here on the log of a till's dictionary needs a look: a reader that never ends keeps it
/// from being cut back, and each load adds to it. The load of a chain's whole dictionary takes 60
/// MiB while it runs.
pub const MAX_DICTIONARY_LOG_BYTES: u64 = 256 << 20;

fn known_units<'de, D: serde::Deserializer<'de>>(source: D) -> Result<Vec<AsideUnit>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Unit {
        Known(AsideUnit),
        Newer(serde::de::IgnoredAny),
    }
    let units = Vec::<Unit>::deserialize(source)?.into_iter();
    let known = units.filter_map(|unit| match unit {
        Unit::Known(unit) => Some(unit),
        Unit::Newer(_) => None,
    });
    Ok(known.collect())
}

/// Most bytes of the text in a [`SalesWait`].
pub const MAX_SALES_WAIT_BYTES: usize = 500;

/// Why sales of a till do not reach the server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SalesWait {
    /// In a word.
    pub kind: SalesWaitKind,
    /// In a sentence; at most [`MAX_SALES_WAIT_BYTES`].
    pub text: String,
    /// Since when, by the till's clock.
    pub since: Timestamp,
}

/// Why sales of a till do not reach the server, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SalesWaitKind {
    /// The sales-loader does not take the till: a wrong token, or another till's.
    Refused,
    /// TLS with the sales-loader does not come about.
    Tls,
    /// The sales-loader cannot be reached.
    Unreachable,
    /// The stream of sales breaks, or is not answered.
    Interrupted,
    /// Another program holds a lock on `documents.db`.
    DocumentsLocked,
    /// `documents.db` does not read: damaged, without rights, or of another version.
    DocumentsUnreadable,
    /// `documents.db` was there and is not any more.
    DocumentsMissing,
    /// The agent's own memory, or the script of the site.
    Agent,
    /// Whatever a newer agent names.
    #[serde(other)]
    Other,
}

impl SalesWaitKind {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refused => "refused",
            Self::Tls => "tls",
            Self::Unreachable => "unreachable",
            Self::Interrupted => "interrupted",
            Self::DocumentsLocked => "documents-locked",
            Self::DocumentsUnreadable => "documents-unreadable",
            Self::DocumentsMissing => "documents-missing",
            Self::Agent => "agent",
            Self::Other => "other",
        }
    }

    /// Whether it often passes by itself within moments: a server or a POS that starts again.
    pub fn is_often_brief(self) -> bool {
        matches!(self, Self::Unreachable | Self::Interrupted | Self::DocumentsLocked)
    }
}

/// Most units set aside that a report names; `set_aside` counts all.
pub const MAX_ASIDE_UNITS: usize = 20;

/// Most bytes of the reason in an [`AsideUnit`].
pub const MAX_ASIDE_REASON_BYTES: usize = 500;

/// What sort of unit was set aside on a till.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AsideSort {
    /// A package in the file queue; its name is the batch's.
    Package,
    /// A document of the POS; its name is its row id.
    Document,
    /// The record of a shift; its name is its row id.
    Shift,
    /// A message of the server; its name is its file's.
    Message,
}

/// Names a unit that was set aside on a till.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AsideName {
    /// Its sort.
    pub sort: AsideSort,
    /// Its name among its sort.
    pub name: String,
}

/// A unit that was set aside on a till.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AsideUnit {
    /// Which one.
    #[serde(flatten)]
    pub unit: AsideName,
    /// Why; at most [`MAX_ASIDE_REASON_BYTES`].
    pub reason: String,
    /// When, by the till's clock, where that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
}

/// Why a message is not a report.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum ReportError {
    /// No JSON, or not of this shape.
    #[error("not a report: {detail}")]
    #[serde(rename = "not-a-report")]
    Malformed {
        /// What the parser says, in short.
        detail: String,
    },
    /// Written by a newer agent.
    #[error("a report of {peer} has schema {schema}, this server knows up to {REPORT_SCHEMA}: upgrade the server")]
    #[serde(rename = "newer-report")]
    NewerSchema {
        /// Who sent it.
        peer: PeerId,
        /// Its version.
        schema: u32,
    },
    /// Of a kind that only a newer agent knows.
    #[error("a report of {peer} is of the unknown kind `{sort}`: upgrade the server")]
    #[serde(rename = "unknown-report")]
    UnknownKind {
        /// Who sent it.
        peer: PeerId,
        /// Its kind.
        sort: String,
    },
}

/// The kinds of [`Report`], by [`Report::kind`].
const KNOWN_KINDS: [&str; 5] = ["contact", "delivery", "need-snapshot", "unload", "refused"];

/// Most characters that an error tells of a message: a parser may quote a word of any length.
const MAX_TOLD_CHARS: usize = 500;

/// A text of a foreign message, cut to what is told.
pub(crate) fn in_short(text: &str) -> String {
    text.chars().take(MAX_TOLD_CHARS).collect()
}

#[derive(Deserialize)]
struct Envelope {
    schema: u32,
    #[serde(alias = "till")]
    peer: PeerId,
    #[serde(rename = "type")]
    kind: String,
}

impl Reported {
    /// Reads a message.
    pub fn parse(message: &[u8]) -> Result<Self, ReportError> {
        let malformed = |error: serde_json::Error| ReportError::Malformed { detail: in_short(&error.to_string()) };
        let envelope: Envelope = serde_json::from_slice(message).map_err(malformed)?;
        if envelope.schema > REPORT_SCHEMA {
            return Err(ReportError::NewerSchema { peer: envelope.peer, schema: envelope.schema });
        }
        if !KNOWN_KINDS.contains(&envelope.kind.as_str()) {
            return Err(ReportError::UnknownKind { peer: envelope.peer, sort: in_short(&envelope.kind) });
        }
        serde_json::from_slice(message).map_err(malformed)
    }

    /// The message.
    pub fn to_bytes(&self) -> Result<Vec<u8>, serde_json::Error> {
        serde_json::to_vec(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_written_form_of_version_2_stays_and_version_1_is_read() {
        let golden = concat!(
            r#"{"schema":2,"peer":"_cash_1_00ab34ef","instance":"00000000-0000-0000-0000-000000000001","#,
            r#""sent_at":"2026-01-02T03:04:05Z","type":"refused","command":"00000000-0000-0000-0000-000000000007","#,
            r#""reason":"unknown"}"#
        );
        let report = Reported::parse(golden.as_bytes()).unwrap();
        assert!(matches!(&report.report, Report::Refused { reason, .. } if reason == "unknown"));
        assert_eq!(String::from_utf8(report.to_bytes().unwrap()).unwrap(), golden);
        let older = golden.replacen(r#""schema":2,"peer""#, r#""schema":1,"till""#, 1);
        assert_eq!(Reported::parse(older.as_bytes()).unwrap(), Reported { schema: 1, ..report });
    }

    #[test]
    fn what_was_added_to_version_1_may_be_absent() {
        let written = |cause: &str, digest: &str| {
            format!(
                r#"{{"schema":1,"till":"_cash_1_00ab34ef","instance":"00000000-0000-0000-0000-000000000001","sent_at":"2026-01-02T03:04:05Z","type":"delivery","delivery":"00000000-0000-0000-0000-000000000007","package":"{}","state":"rejected"{cause},"till_state":{{"cursor":3{digest}}}}}"#,
                "07".repeat(32)
            )
        };
        let read = |text: String| match Reported::parse(text.as_bytes()).unwrap().report {
            Report::Delivery { cause, till_state, .. } => (cause, till_state.digest),
            other => panic!("{other:?}"),
        };
        assert_eq!(read(written("", "")), (None, None));
        let digest = format!(r#","digest":"{}""#, Digest(5));
        assert_eq!(read(written(r#","cause":"gap""#, &digest)), (Some(RejectCause::Gap), Some(Digest(5))));
    }

    #[test]
    fn why_sales_wait_may_be_absent_and_may_be_a_word_of_a_newer_agent() {
        let read = |state: &str| serde_json::from_str::<TillState>(state).unwrap();
        let older = read(r#"{"cursor":3,"unsent_documents":4}"#);
        assert_eq!((older.unsent_documents, older.sales_wait), (Some(4), None));
        let newer = r#"{"sales_wait":{"kind":"moon-phase","text":"x","since":"2026-01-02T03:04:05Z"}}"#;
        let newer = read(newer);
        assert_eq!((newer.unsent_documents, newer.sales_wait.unwrap().kind), (None, SalesWaitKind::Other));
        let written = serde_json::to_value(SalesWaitKind::DocumentsLocked).unwrap();
        assert_eq!(written, SalesWaitKind::DocumentsLocked.as_str());
    }

    #[test]
    fn settings_that_are_none_or_are_not_allowed_are_left_out_of_a_report() {
        let read = |state: &str| serde_json::from_str::<TillState>(state).unwrap();
        assert_eq!(read(r#"{"cursor":3}"#).settings, None);
        let state = read(r#"{"settings":{"queuechunksize":"7","contactperiod":"0","x":"y"},"settings_generation":9}"#);
        let known = BTreeMap::from([("queuechunksize".to_owned(), "7".to_owned())]);
        assert_eq!((state.settings, state.settings_generation), (Some(known), 9));
    }

    #[test]
    fn a_newer_report_names_its_peer() {
        let newer = r#"{"schema":9,"peer":"_cash_1_00ab34ef","type":"x"}"#;
        assert!(matches!(Reported::parse(newer.as_bytes()), Err(ReportError::NewerSchema { schema: 9, .. })));
    }

    #[test]
    fn a_report_of_a_kind_that_a_newer_agent_knows_is_named_and_each_known_kind_is_read() {
        let newer = r#"{"schema":2,"peer":"_cash_1_00ab34ef","instance":"00000000-0000-0000-0000-000000000001",
            "sent_at":"2026-01-02T03:04:05Z","type":"weather","rain":true}"#;
        let error = Reported::parse(newer.as_bytes()).unwrap_err();
        assert!(matches!(&error, ReportError::UnknownKind { sort, .. } if sort == "weather"), "{error}");
        let state = TillState::default;
        let package = PackageName::from_hash([1; 32]);
        let (delivery, applied) = (DeliveryId(Uuid::nil()), DeliveryState::Applied);
        for report in [
            Report::Contact { state: state() },
            Report::Delivery { delivery, package, state: applied, reason: None, cause: None, till_state: state() },
            Report::NeedSnapshot { kinds: Vec::new(), reason: String::new(), till_state: state() },
            Report::Unload { command: None, status: ExchangeStatus::Ready, receipts: 0, reason: None },
            Report::Refused { command: Uuid::nil(), reason: String::new() },
        ] {
            assert!(KNOWN_KINDS.contains(&report.kind()));
            let peer = "_cash_1_00ab34ef".parse().unwrap();
            let (instance, sent_at) = (Uuid::nil(), Timestamp::UNIX_EPOCH);
            let reported = Reported { schema: REPORT_SCHEMA, peer, instance, sent_at, report };
            assert_eq!(Reported::parse(&reported.to_bytes().unwrap()).unwrap(), reported);
        }
    }

    #[test]
    fn a_cause_that_only_a_newer_agent_knows_does_not_break_the_report() {
        let newer = format!(
            r#"{{"schema":2,"peer":"_cash_1_00ab34ef","instance":"00000000-0000-0000-0000-000000000001",
            "sent_at":"2026-01-02T03:04:05Z","type":"delivery","delivery":"00000000-0000-0000-0000-000000000007",
            "package":"{}","state":"rejected","cause":"eclipse","till_state":{{"cursor":3}}}}"#,
            "07".repeat(32)
        );
        let Report::Delivery { cause, state, .. } = Reported::parse(newer.as_bytes()).unwrap().report else {
            panic!("it was a delivery")
        };
        assert_eq!((cause, state), (None, DeliveryState::Rejected));
    }

    #[test]
    fn a_unit_of_a_sort_that_a_newer_agent_knows_does_not_break_the_report() {
        let state = r#"{"cursor":3,"set_aside":2,"aside":[{"sort":"receipt-image","name":"1","reason":"x"},
            {"sort":"package","name":"000017","reason":"counts differ"}]}"#;
        let state: TillState = serde_json::from_str(state).unwrap();
        assert_eq!((state.set_aside, state.aside.len()), (2, 1));
        assert_eq!(state.aside[0].unit, AsideName { sort: AsideSort::Package, name: "000017".to_owned() });
    }
}
