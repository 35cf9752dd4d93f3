//! What can be wrong with the settings, told to the person who edits them: all of it at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

/// Most of a line that is shown.
const MAX_SHOWN_BYTES: usize = 200;

/// Most faults that are shown: a person mends them one by one.
const MAX_SHOWN_FAULTS: usize = 50;

/// One wrong line, or a key that is missing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Number of the line, from 1; none where something is missing.
    pub line: Option<usize>,
    /// The key, or the stray line.
    pub key: String,
    /// What stands there.
    pub value: String,
    /// What may stand there.
    pub allowed: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, key, value, allowed } = self;
        match line {
            Some(line) => write!(f, "line {line}: {} = `{}`: allowed is {allowed}", shown(key), shown(value)),
            None => write!(f, "{key} is missing: {allowed}"),
        }
    }
}

/// The beginning of a text that may be anything: a file of zeros is one long line.
fn shown(text: &str) -> String {
    let cut = text.floor_char_boundary(MAX_SHOWN_BYTES);
    let more = if cut < text.len() { "…" } else { "" };
    format!("{}{more}", text[..cut].escape_debug())
}

/// Faults, one a line; of very many the first ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in self.0.iter().take(MAX_SHOWN_FAULTS) {
            write!(f, "\n  {fault}")?;
        }
        match self.0.len().saturating_sub(MAX_SHOWN_FAULTS) {
            0 => Ok(()),
            more => write!(f, "\n  … and {more} more"),
        }
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file cannot be read or written.
    #[error("failed to {action} the settings")]
    File {
        /// What was being done.
        action: &'static str,
        /// The error; names the file.
        #[source]
        source: io::Error,
    },
    /// The file holds what it must not.
    #[error("{} has wrong settings:{faults}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// All of them.
        faults: Faults,
    },
    /// What stands there is no list of authorities.
    #[error(
        "{} holds no certificates of authorities: put the server's tls/authority.pem there, or remove the file, and nothing \
         asks for TLS until the server hands out its authority",
        path.display()
    )]
    Authorities {
        /// The file.
        path: PathBuf,
    },
    /// The server handed out what is no list of authorities. The file stays as it was.
    #[error("the server handed out authorities that do not read")]
    HandedOut,
    /// The server pushed a value that this till cannot take. The file stays as it was.
    #[error("the server set {key} to `{}`: allowed is {allowed}", value.escape_default())]
    Pushed {
        /// The key.
        key: String,
        /// The value.
        value: String,
        /// What may stand there.
        allowed: String,
    },
}
