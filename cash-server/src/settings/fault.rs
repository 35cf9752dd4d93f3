//! What is wrong with settings, told so that a person can mend it.

use std::fmt;
use std::path::PathBuf;

/// Most faults that are told at once: a file that is something else altogether must not fill the
/// terminal.
pub const MAX_FAULTS_TOLD: usize = 100;

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// This line of the file, counted from 1.
    Line(usize),
    /// This variable of the environment.
    Environment(String),
    /// The default.
    Default,
    /// No setting: this machine.
    Machine,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line(line) => write!(f, "line {line}"),
            Self::Environment(name) => write!(f, "environment {name}"),
            Self::Default => f.write_str("default"),
            Self::Machine => f.write_str("this machine"),
        }
    }
}

/// One fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Where the value came from.
    pub origin: Origin,
    /// The key with its section (`broker.port`); empty where the file is no TOML. Of the machine:
    /// what it is about.
    pub key: String,
    /// What is wrong, with the value and what is allowed.
    pub what: String,
}

impl Fault {
    /// In the order of the file; what is not in it comes last.
    pub fn in_order(faults: &mut [Self]) {
        faults.sort_by_key(|fault| match fault.origin {
            Origin::Line(line) => line,
            Origin::Environment(_) | Origin::Default | Origin::Machine => usize::MAX,
        });
    }

    /// What is wrong with this machine, not with a setting.
    pub fn of_machine(about: &str, what: String) -> Self {
        Self { origin: Origin::Machine, key: about.to_owned(), what }
    }

    /// A wrong value.
    pub fn value(origin: Origin, key: &str, value: &str, allowed: &str) -> Self {
        Self { origin, key: key.to_owned(), what: format!("`{value}` is not allowed: {allowed}") }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.key.is_empty() {
            write!(f, "{}: {}", self.origin, self.what)
        } else {
            write!(f, "{}: {}: {}", self.origin, self.key, self.what)
        }
    }
}

/// Why there are no settings.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// The file could not be read.
    #[error("failed to read the settings; `cash-server settings` prints a file to start from")]
    Read(#[source] std::io::Error),
    /// The file or the environment has faults; all of them are here.
    #[error("{}", fault_list(path.as_ref(), faults))]
    Faults {
        /// The file, where there is one.
        path: Option<PathBuf>,
        /// In the order of the file.
        faults: Vec<Fault>,
    },
}

fn fault_list(path: Option<&PathBuf>, faults: &[Fault]) -> String {
    let place = path.map_or_else(|| "the environment".to_owned(), |path| path.display().to_string());
    let name = if faults.len() == 1 { "a fault" } else { "faults" };
    format!("{name} in {place}:{}", listed(faults))
}

/// One a line, below something that is said of all of them.
pub fn listed(faults: &[Fault]) -> String {
    let mut text = String::new();
    for fault in faults.iter().take(MAX_FAULTS_TOLD) {
        text.push_str("\n  ");
        text.push_str(&fault.to_string());
    }
    if let Some(more @ 1..) = faults.len().checked_sub(MAX_FAULTS_TOLD) {
        text.push_str("\n  … and more: ");
        text.push_str(&more.to_string());
    }
    text
}
