//! Settings of the intake.

use super::callbacks::WATCHES_A_TURN;
use super::formats::Formats;
use crate::reserve::DiskReserve;
use crate::settings::HoldLimits;
use crate::words::Language;
use encoding_rs::{Encoding, UTF_8};
use jiff::tz::TimeZone;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;
use tillway_proto::NodeId;

/// How often folders are scanned beside the events (formats/aif: the original's period).
pub const DEFAULT_SCAN_PERIOD: Duration = Duration::from_secs(20);

/// How long a flag waits for its data file. Producers write the file first, but a network share
/// may show the flag first.
pub const DEFAULT_DATA_GRACE: Duration = Duration::from_secs(10);

/// How long a flag waits for a file that is still being written. Producers call it a failure after
/// 180 s (formats/aif): they are to see before that that it was not taken.
pub const DEFAULT_WRITER_PATIENCE: Duration = Duration::from_secs(150);

/// How long a file that was loaded and removed is looked at, in case somebody still writes to it.
pub const DEFAULT_GROWTH_WATCH: Duration = Duration::from_secs(30);

/// What lies in a folder for so long and will never be read needs a look. A producer that was cut
/// off between file and flag has gone on by then.
pub const DEFAULT_STRAY_AFTER: Duration = Duration::from_mins(10);

/// How long loaded files are kept, in days: a price question of the last weeks can be answered.
pub const DEFAULT_BACKUP_DAYS: u32 = 30;

/// How many loaded files are kept: one in five minutes for a month.
pub const DEFAULT_BACKUP_FILES: usize = 10_000;

/// Largest body over REST: a full catalogue of 200,000 goods has 80 to 200 MiB.
pub const DEFAULT_MAX_BODY_BYTES: u64 = 1024 * 1024 * 1024;

/// Bytes of loaded files that are kept, and of refused ones.
pub const DEFAULT_BACKUP_BYTES: u64 = 10 * 1024 * 1024 * 1024;

/// Longest silence within a body.
pub const DEFAULT_BODY_IDLE: Duration = Duration::from_mins(1);

/// How long a body may come slowly, for a line that has to get going.
pub const DEFAULT_BODY_GRACE: Duration = Duration::from_mins(1);

/// What a body has to come with after that, on the average, in bytes a second: the slowest line
/// that a shop has. Slower ones would hold the places of others.
pub const DEFAULT_BODY_RATE: u64 = 8 * 1024;

/// Where files come from and go to, and how.
#[derive(Debug, Clone)]
pub struct IntakeSettings {
    /// Has one folder for each node.
    pub inbox: PathBuf,
    /// Watched folders that stand elsewhere, each with its node.
    pub extra_folders: BTreeMap<PathBuf, NodeId>,
    /// Bodies taken over REST, until they are loaded.
    pub bodies: PathBuf,
    /// Loaded files.
    pub backup: PathBuf,
    /// Refused files and records.
    pub bad: PathBuf,
    /// How often folders are scanned beside the events.
    pub scan_period: Duration,
    /// How long a flag waits for its data file.
    pub data_grace: Duration,
    /// How long a flag waits for a file that is still being written.
    pub writer_patience: Duration,
    /// How long a file that was loaded and removed is looked at after the last byte that came.
    pub growth_watch: Duration,
    /// After how long what will never be read is shown.
    pub stray_after: Duration,
    /// In which formats files and bodies may be.
    pub formats: Formats,
    /// In which language `error.txt` is written.
    pub language: Language,
    /// In which encoding files are.
    pub encoding: &'static Encoding,
    /// In which encoding those of some folders are.
    pub encodings: BTreeMap<PathBuf, &'static Encoding>,
    /// From where on a load is held until somebody says yes.
    pub hold: HoldLimits,
    /// Whether the first broken record refuses the whole load.
    pub stop_on_error: bool,
    /// Local time: times of dictionaries that name a zone are converted to this one.
    pub zone: TimeZone,
    /// How long loaded and refused files are kept, in days.
    pub backup_keep_days: u32,
    /// How many loaded, and how many refused files are kept; 0: loaded files are not kept at all.
    pub backup_keep_files: usize,
    /// How many bytes of loaded, and of refused files are kept.
    pub backup_keep_bytes: u64,
    /// Largest body over REST.
    pub max_body_bytes: u64,
    /// Longest silence within a body.
    pub body_idle: Duration,
    /// How long a body may come slowly.
    pub body_grace: Duration,
    /// What it has to come with after that, in bytes a second.
    pub body_rate: u64,
    /// What is kept free on the disk of the data folder.
    pub disk_reserve: DiskReserve,
    /// Hosts, or `host:port`, that status callbacks may go to; empty: any.
    pub status_server_allow: Vec<String>,
    /// Whether they may go to this machine and its link too.
    pub status_server_local: bool,
    /// Loads that status callbacks look at in one turn.
    pub watches_a_turn: u32,
}

impl IntakeSettings {
    /// Everything in the data folder, the rest as by default.
    pub fn in_folder(data: &Path) -> Self {
        Self {
            inbox: data.join("inbox"),
            extra_folders: BTreeMap::new(),
            bodies: data.join("inbox-rest"),
            backup: data.join("backup"),
            bad: data.join("badDicts"),
            scan_period: DEFAULT_SCAN_PERIOD,
            data_grace: DEFAULT_DATA_GRACE,
            writer_patience: DEFAULT_WRITER_PATIENCE,
            growth_watch: DEFAULT_GROWTH_WATCH,
            stray_after: DEFAULT_STRAY_AFTER,
            formats: Formats::default(),
            language: Language::default(),
            encoding: UTF_8,
            encodings: BTreeMap::new(),
            hold: HoldLimits::default(),
            stop_on_error: false,
            zone: TimeZone::system(),
            backup_keep_days: DEFAULT_BACKUP_DAYS,
            backup_keep_files: DEFAULT_BACKUP_FILES,
            backup_keep_bytes: DEFAULT_BACKUP_BYTES,
            max_body_bytes: DEFAULT_MAX_BODY_BYTES,
            body_idle: DEFAULT_BODY_IDLE,
            body_grace: DEFAULT_BODY_GRACE,
            body_rate: DEFAULT_BODY_RATE,
            disk_reserve: DiskReserve::default(),
            status_server_allow: Vec::new(),
            status_server_local: false,
            watches_a_turn: WATCHES_A_TURN,
        }
    }

    /// In which encoding a file of a folder is.
    pub(super) fn encoding_of(&self, file: &Path) -> &'static Encoding {
        file.parent().and_then(|folder| self.encodings.get(folder)).copied().unwrap_or(self.encoding)
    }
}
