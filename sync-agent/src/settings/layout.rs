//! Where files lie by default: on a till under `/linuxcash`, on a shop's server under `/opt`.

use super::Mode;
use std::path::{Path, PathBuf};

/// Default paths under a root, which is `/` except in tests and trials.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Layout {
    root: PathBuf,
}

impl Default for Layout {
    fn default() -> Self {
        Self::under("/")
    }
}

impl Layout {
    /// All default paths moved under `root`. Paths that stand in `cash.ini` are taken as they are.
    pub fn under(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// `cash.ini`: the till's, or where only that is there a shop server's.
    pub fn settings_file(&self) -> PathBuf {
        let server = self.root.join("opt/sync/properties/cash.ini");
        let till = self.root.join("linuxcash/cash/sync/properties/cash.ini");
        if !till.exists() && server.exists() { server } else { till }
    }

    pub(super) fn log_file(&self, mode: Mode) -> PathBuf {
        self.pick(mode, "linuxcash/logs/current/sync.log", "opt/sync/logs/sync.log")
    }

    pub(super) fn queues(&self, mode: Mode) -> PathBuf {
        self.pick(mode, "linuxcash/cash/data/queues", "opt/queues")
    }

    pub(super) fn backup(&self, mode: Mode) -> PathBuf {
        self.pick(mode, "linuxcash/cash/sync/backup", "opt/sync/backup")
    }

    pub(super) fn data(&self, mode: Mode) -> PathBuf {
        self.pick(mode, "linuxcash/cash/data/sync", "opt/sync/data")
    }

    pub(super) fn database(&self, mode: Mode, file: &str) -> PathBuf {
        self.pick(mode, "linuxcash/cash/data", "opt/sync/data").join(file)
    }

    pub(crate) fn password_file(settings_file: &Path) -> PathBuf {
        settings_file.with_file_name("broker.password")
    }

    fn pick(&self, mode: Mode, till: &str, server: &str) -> PathBuf {
        self.root.join(match mode {
            Mode::Cash => till,
            Mode::Server => server,
        })
    }
}
