//! What can be wrong with the settings, told to the person who edits them: all of it at once.

use std::fmt;
use std::io;
use std::path::PathBuf;

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
        match self.line {
            Some(line) => write!(f, "line {line}: {} = `{}`: allowed is {}", self.key, self.value, self.allowed),
            None => write!(f, "{} is missing: {}", self.key, self.allowed),
        }
    }
}

/// Faults, one a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Faults(pub Vec<Fault>);

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for fault in &self.0 {
            write!(f, "\n  {fault}")?;
        }
        Ok(())
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
