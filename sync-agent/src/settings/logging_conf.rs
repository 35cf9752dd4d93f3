//! `logging.conf`: Python's logging format, of which three things count: `[logger_sync] level`,
//! `[handler_fileHandler] level`, and the file name that `args` of the handler begins with.

use super::fault::{Fault, Faults, SettingsError};
use super::ini::{Entry, Ini};
use fs_err as fs;
use std::io;
use std::path::{Path, PathBuf};
use tillway_proto::process::LogSettings;

const LEVELS: &str = "ERROR, WARN, INFO or DEBUG";

/// Reads the file beside `cash.ini`. Where it is missing, level and file are the defaults.
pub(super) fn read(path: &Path, default_file: PathBuf) -> Result<LogSettings, SettingsError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Vec::new(),
        Err(source) => return Err(SettingsError::File { action: "read", source }),
    };
    parse(&bytes, default_file).map_err(|faults| SettingsError::Wrong { path: path.to_owned(), faults: Faults(faults) })
}

fn parse(bytes: &[u8], default_file: PathBuf) -> Result<LogSettings, Vec<Fault>> {
    let ini = Ini::parse(bytes);
    let mut faults = Vec::new();
    let mut level = |section: &str| {
        let Some(entry) = ini.find(section, "level") else { return Severity::Debug };
        Severity::parse(entry.value.unwrap_or_default()).unwrap_or_else(|| {
            faults.push(fault(&entry, LEVELS));
            Severity::Info
        })
    };
    // Python asks both: a line is written if it passes the logger and the handler.
    let logger = if ini.find("logger_sync", "level").is_some() { level("logger_sync") } else { Severity::Info };
    let severity = logger.max(level("handler_fileHandler"));
    let file = match ini.find("handler_fileHandler", "args") {
        None => default_file,
        Some(entry) => first_text(entry.value.unwrap_or_default()).unwrap_or_else(|| {
            faults.push(fault(&entry, "('<path of the log file>', …)"));
            default_file
        }),
    };
    if faults.is_empty() {
        Ok(LogSettings { file: Some(file), level: severity.word().to_owned() })
    } else {
        Err(faults)
    }
}

fn fault(entry: &Entry<'_>, allowed: &str) -> Fault {
    Fault {
        line: Some(entry.line),
        key: format!("[{}] {}", entry.section, entry.key),
        value: entry.value.unwrap_or_default().to_owned(),
        allowed: allowed.to_owned(),
    }
}

/// The first quoted text of a tuple in Python's notation.
fn first_text(args: &str) -> Option<PathBuf> {
    let inside = args.strip_prefix('(')?.trim_start();
    let quote = inside.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    let (text, _) = inside[1..].split_once(quote)?;
    (!text.is_empty()).then(|| PathBuf::from(text))
}

/// How grave a line must be to be written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Severity {
    Debug,
    Info,
    Warn,
    Error,
}

impl Severity {
    fn parse(text: &str) -> Option<Self> {
        Some(match text.to_ascii_uppercase().as_str() {
            "DEBUG" | "NOTSET" => Self::Debug,
            "INFO" => Self::Info,
            "WARN" | "WARNING" => Self::Warn,
            "ERROR" | "CRITICAL" | "FATAL" => Self::Error,
            _ => return None,
        })
    }

    fn word(self) -> &'static str {
        match self {
            // Ours in detail; the libraries' own chatter would bury it.
            Self::Debug => "info,lapin=off,tillway_sync_agent=debug,tillway_exchangers=debug,tillway_file_queue=debug",
            // Why a link broke is told once, by the supervisor.
            Self::Info => "info,lapin=off",
            Self::Warn => "warn,lapin=off",
            Self::Error => "error,lapin=off",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<LogSettings, Vec<Fault>> {
        parse(text.as_bytes(), PathBuf::from("/default.log"))
    }

    #[test]
    fn the_original_file_is_read() {
        let text = "[loggers]\nkeys=root,sync\n[logger_sync]\nlevel=INFO\nhandlers=fileHandler\n\
            [handler_fileHandler]\nclass=handlers.WatchedFileHandler\nlevel=WARN\nargs=('/linuxcash/logs/current/sync.log', 'a')\n";
        let settings = read_text(text).unwrap();
        assert_eq!(settings.level, "warn,lapin=off");
        assert_eq!(settings.file, Some(PathBuf::from("/linuxcash/logs/current/sync.log")));
    }

    #[test]
    fn without_a_file_the_level_is_info() {
        let settings = read_text("").unwrap();
        assert_eq!((settings.level.as_str(), settings.file), ("info,lapin=off", Some(PathBuf::from("/default.log"))));
        assert!(read_text("[logger_sync]\nlevel=debug\n").unwrap().level.contains("tillway_sync_agent=debug"));
    }

    #[test]
    fn every_wrong_line_is_named() {
        let faults = read_text("[logger_sync]\nlevel=LOUD\n[handler_fileHandler]\nargs=nothing\n").unwrap_err();
        assert_eq!(faults.iter().map(|fault| fault.line).collect::<Vec<_>>(), [Some(2), Some(4)]);
        assert!(faults[0].to_string().contains("`LOUD`: allowed is ERROR, WARN, INFO or DEBUG"));
    }
}
