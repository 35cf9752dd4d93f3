//! Settings of backups: where they lie, when one is made, how long they are kept.

use super::source::Source;
use super::{MAX_DAYS, MAX_MIB, days, narrow};
use std::path::{Path, PathBuf};

/// The last hour of a day.
const LAST_HOUR: u64 = 23;

/// Backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackupSettings {
    /// Where they are kept.
    pub folder: PathBuf,
    /// Whether one is made each day.
    pub daily: bool,
    /// After which hour of the local day, 0 to 23.
    pub hour: u8,
    /// Whether they are encrypted.
    pub encrypt: bool,
    /// How long they are kept.
    pub keep_days: u32,
    /// How many bytes of them.
    pub keep_bytes: u64,
    /// Days from one rehearsal to the next; 0: none.
    pub rehearse_days: u32,
}

impl BackupSettings {
    pub(super) fn read(source: &Source, data_dir: &Path) -> Self {
        Self {
            folder: source.path("backup.dir").unwrap_or_else(|| data_dir.join("server-backups")),
            daily: source.flag("backup.daily"),
            hour: u8::try_from(source.number("backup.hour", 0..=LAST_HOUR)).unwrap_or_default(),
            encrypt: source.flag("backup.encrypt"),
            keep_days: days(source, "backup.keep_days"),
            keep_bytes: source.number("backup.keep_mib", 1..=MAX_MIB) << 20,
            rehearse_days: narrow(source.number("backup.rehearse_days", 0..=MAX_DAYS)),
        }
    }
}
