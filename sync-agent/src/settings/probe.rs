//! What a check and a start look at outside the settings: folders and files.

use super::ini::Ini;
use super::{SECTION, Settings};
use fs_err as fs;
use std::path::Path;
use tillway_proto::process::{file_fault, folder_fault, secret_fault};

/// What stands in place of a key where the fault is in none.
pub(crate) const CLOCK: &str = "clock";

/// In place of a key: the log file, which `logging.conf` names.
const LOG: &str = "logging.conf";

/// One fault, with the key of `cash.ini` that it hangs on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Problem {
    key: &'static str,
    what: String,
}

impl Problem {
    pub(crate) fn new(key: &'static str, what: impl Into<String>) -> Self {
        Self { key, what: what.into() }
    }

    /// With the line of its key. No value is told: one of them is a token.
    pub(crate) fn placed(&self, ini: &Ini) -> String {
        let Self { key, what } = self;
        match self.line(ini) {
            Some(line) => format!("line {line}: {key}: {what}"),
            None if [CLOCK, LOG].contains(key) => format!("{key}: {what}"),
            None => format!("default: {key}: {what}"),
        }
    }

    /// Where its key stands; none where it is in no line.
    pub(crate) fn line(&self, ini: &Ini) -> Option<usize> {
        ini.find(SECTION, self.key).map(|entry| entry.line)
    }
}

/// What the agent cannot start without.
pub(crate) fn needed(settings: &Settings) -> Vec<Problem> {
    let log = settings.log.file.as_deref().and_then(file_fault).map(|what| Problem::new(LOG, what));
    let folders = [("datafolder", settings.paths.data.as_path()), ("filequeueroot", &settings.load.queue_root)];
    log.into_iter().chain(folders.into_iter().filter_map(|(key, folder)| at(key, folder_fault(folder, true)))).collect()
}

/// What it goes on without, though some of its work is not done; and secrets that others can read.
/// `file` is `cash.ini`.
pub(crate) fn wanted(settings: &Settings, file: &Path) -> Vec<Problem> {
    let Settings { paths, load, sales, backup, broker, .. } = settings;
    let parent = |file: &Path| file.parent().and_then(|folder| folder_fault(folder, true));
    let read = |file: &Path| fs::File::open(file).err().map(|error| error.to_string());
    let problems = [
        at("dictionariesdb", parent(&paths.dictionaries)),
        // The POS makes it, and writes its log beside it.
        at("documentsdb", Some(&paths.documents).filter(|file| file.exists()).and_then(|file| file_fault(file))),
        at("backupfolder", Some(&backup.folder).filter(|_| backup.max_files > 0).and_then(|at| folder_fault(at, true))),
        at("errorsFilePath", paths.errors_file.as_deref().and_then(parent)),
        at("cash.secret", settings.secret.as_ref().and_then(|_| secret_fault(file))),
        at("dept.broker.passwordfile", broker.needs_file().then(|| read(&broker.password_file)).flatten()),
        at("dept.broker.passwordfile", secret_fault(&broker.password_file)),
        at("dept.broker.cacertpath", broker.authority.as_deref().and_then(read)),
        at("grpccacertpath", sales.root_certificate.as_deref().and_then(read)),
        at("uploadscript", load.script.as_deref().and_then(read)),
        at("unloadscript", sales.script.as_deref().and_then(read)),
    ];
    problems.into_iter().flatten().collect()
}

fn at(key: &'static str, what: Option<String>) -> Option<Problem> {
    what.map(|what| Problem::new(key, what))
}
