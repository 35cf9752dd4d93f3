//! Why a till is not attached, each with its sentence.

use super::connection::ServerAddress;
use crate::words::{FluentValue, Words};
use serde::Deserialize;
use std::io;
use std::path::PathBuf;
use std::time::Duration;

/// Why a till is not attached. `Display` is for the log; [`told`](AttachError::told) for people.
#[derive(Debug, thiserror::Error)]
pub(crate) enum AttachError {
    /// Nobody listens there, or there is no way.
    #[error("{server} cannot be reached: {detail}")]
    Unreachable { server: String, detail: String },
    /// Somebody listens who does not speak TLS 1.3.
    #[error("{server} does not speak TLS 1.3: {detail}")]
    NoTls { server: String, detail: String },
    /// It speaks of something else.
    #[error("{server} does not attach tills: HTTP {status}")]
    NotThere { server: String, status: u16 },
    /// An answer that does not read.
    #[error("the answer of {server} does not read: {detail}")]
    Unreadable { server: String, detail: String },
    /// It does not prove that it knows the code.
    #[error("{server} does not prove that it knows the code")]
    WrongServer { server: String },
    /// The last step was sent and its answer did not come.
    #[error("the answer of {server} was lost: {detail}")]
    AnswerLost { server: String, detail: String },
    /// Too many tries from this address.
    #[error("the server asks to wait for {wait:?}")]
    SlowDown { wait: Duration },
    /// They do not work together.
    #[error("this agent is {own}, the server {server}: they do not work together")]
    Versions { own: String, server: String },
    /// The clocks are apart.
    #[error("the clock is at {ours}, the server's at {theirs}")]
    Clock { ours: String, theirs: String },
    /// What the server refuses for a reason that it names.
    #[error("the server refuses: {}", .0.detail)]
    Refused(Refusal),
    /// A file of this till.
    #[error("a file could not be read or written")]
    File {
        #[source]
        source: io::Error,
    },
    /// The settings that are there have faults.
    #[error("{} has faults: {faults}", path.display())]
    Settings { path: PathBuf, faults: String },
    /// An agent runs on this till.
    #[error("an agent runs on this till")]
    Running { detail: String },
}

/// Problem details of the server.
#[derive(Debug, Clone, Default, Deserialize)]
pub(crate) struct Refusal {
    #[serde(default)]
    kind: String,
    #[serde(default)]
    status: u16,
    #[serde(default)]
    pub(crate) detail: String,
    #[serde(default)]
    parameters: serde_json::Map<String, serde_json::Value>,
}

impl Refusal {
    /// Whether a server of ours says it: each of its refusals has a kind.
    pub(super) fn is_ours(&self) -> bool {
        !self.kind.is_empty()
    }

    fn parameter(&self, name: &str) -> String {
        match self.parameters.get(name) {
            Some(serde_json::Value::String(text)) => text.clone(),
            Some(other) => other.to_string(),
            None => String::new(),
        }
    }
}

impl AttachError {
    /// What an error means while the server has not proved yet: anybody can say that a code was
    /// used.
    pub(super) fn before_proof(self, server: &ServerAddress) -> Self {
        match self {
            Self::Refused(refusal) if refusal.kind != "attach-versions" => {
                Self::Unreadable { server: server.to_string(), detail: refusal.detail }
            }
            other => other,
        }
    }

    /// What an error means once the last step was sent: the server may have taken it.
    pub(super) fn of_claim(self, server: &ServerAddress) -> Self {
        let server = server.to_string();
        match self {
            Self::Unreachable { detail, .. } | Self::Unreadable { detail, .. } => Self::AnswerLost { server, detail },
            Self::Refused(refusal) if refusal.status >= 500 => Self::AnswerLost { server, detail: refusal.detail },
            Self::NotThere { status, .. } if status >= 500 => {
                Self::AnswerLost { server, detail: format!("HTTP {status}") }
            }
            other => other,
        }
    }

    /// The sentence for people: what happened, and what to do.
    pub(crate) fn told(&self, words: &Words) -> String {
        let one = |id: &'static str, parameters: &[(&'static str, &str)]| {
            words.text(id, parameters.iter().map(|(name, value)| (*name, FluentValue::from(*value))))
        };
        match self {
            Self::Unreachable { server, detail } => {
                one("attach-unreachable", &[("server", server), ("detail", detail)])
            }
            Self::NoTls { server, detail } => one("attach-no-tls", &[("server", server), ("detail", detail)]),
            Self::NotThere { server, status } => {
                one("attach-not-there", &[("server", server), ("status", &status.to_string())])
            }
            Self::Unreadable { server, detail } => one("attach-unreadable", &[("server", server), ("detail", detail)]),
            Self::WrongServer { server } => one("attach-wrong-server", &[("server", server)]),
            Self::AnswerLost { server, detail } => one("attach-answer-lost", &[("server", server), ("detail", detail)]),
            Self::SlowDown { wait } => one("attach-slow-down", &[("seconds", &wait.as_secs().to_string())]),
            Self::Versions { own, server } => one("attach-versions", &[("own", own), ("server", server)]),
            Self::Clock { ours, theirs } => one("attach-clock", &[("ours", ours), ("theirs", theirs)]),
            Self::Refused(refusal) => refused(refusal, words),
            Self::File { source } => one("attach-file", &[("detail", &source.to_string())]),
            Self::Settings { path, faults } => {
                one("attach-settings", &[("file", &path.display().to_string()), ("faults", faults)])
            }
            Self::Running { detail } => one("attach-running", &[("detail", detail)]),
        }
    }
}

/// By the kind of the refusal; a server that is newer may have one that is not known here.
fn refused(refusal: &Refusal, words: &Words) -> String {
    let given = |id: &'static str, names: &[&'static str]| {
        let values: Vec<_> = names.iter().map(|name| (*name, refusal.parameter(name))).collect();
        words.text(id, values.into_iter().map(|(name, value)| (name, FluentValue::from(value))))
    };
    match refusal.kind.as_str() {
        "attach-code-used" => given("attach-code-used", &["at"]),
        "attach-code-ended" => given("attach-code-ended", &["at"]),
        "attach-wrong-proof" => given("attach-wrong-proof", &[]),
        "attach-other-till" => given("attach-other-till", &["till", "own"]),
        "attach-till-gone" => given("attach-till-gone", &[]),
        "attach-versions" => given("attach-versions", &["own", "server"]),
        _ => words.text("attach-refused", [("detail", FluentValue::from(refusal.detail.as_str()))]),
    }
}
