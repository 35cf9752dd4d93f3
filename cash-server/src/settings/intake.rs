//! Settings of the intake: where files of the back office lie, what they are, and how long they
//! are kept.

use super::source::Source;
use super::{HoldLimits, MAX_MIB, days, narrow, seconds};
use crate::words::Language;
use encoding_rs::{Encoding, UTF_8};
use jiff::tz::TimeZone;
use std::path::PathBuf;
use std::time::Duration;

/// Most watched folders: one for each shop of the largest chains.
pub const MAX_INTAKE_FOLDERS: usize = 50_000;

/// Most objects that a limit for holding loads takes: more than any layer has.
const MAX_HOLD_FROM: u64 = 1_000_000_000;

/// Files of the back office.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeSettings {
    /// The folder that holds one watched folder for each node; none: `inbox` in the data folder.
    pub inbox: Option<PathBuf>,
    /// Watched folders that stand elsewhere.
    pub folders: Vec<IntakeFolder>,
    /// Hosts that status callbacks may go to; empty: any.
    pub status_servers: Vec<String>,
    /// Whether status callbacks may go to this machine and its link too.
    pub status_servers_local: bool,
    /// How often they are scanned beside the events.
    pub scan_period: Duration,
    /// From where on a load is held.
    pub hold: HoldLimits,
    /// Whether one broken record refuses the whole.
    pub stop_on_error: bool,
    /// In which language `error.txt` is written.
    pub language: Language,
    /// In which encoding files are.
    pub encoding: &'static Encoding,
    /// In which encoding those of some folders are; folders by their name in the inbox, or by
    /// their path.
    pub encodings: Vec<(PathBuf, &'static Encoding)>,
    /// Local time of the shops.
    pub zone: TimeZone,
    /// How long loaded files are kept, in days.
    pub backup_days: u32,
    /// How many loaded files are kept.
    pub backup_files: u32,
    /// How many bytes of them, and of refused ones.
    pub backup_limit_bytes: u64,
}

/// A watched folder beside the inbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IntakeFolder {
    /// The node whose layer it loads: an id, or the name its folder has in the inbox (`All`,
    /// `group-<code>`, `shop-<code>`, `till-<shop>-<code>`). Only the network knows whether it
    /// exists.
    pub node: String,
    /// The folder.
    pub path: PathBuf,
}

impl IntakeSettings {
    pub(super) fn read(source: &Source) -> Self {
        Self {
            inbox: source.path("intake.inbox"),
            folders: intake_folders(source),
            status_servers: source.list("intake.status_servers"),
            status_servers_local: source.flag("intake.status_servers_local"),
            scan_period: seconds(source, "intake.scan_period_s"),
            hold: hold(source),
            stop_on_error: source.flag("intake.stop_on_error"),
            language: language(source, "intake.language"),
            encoding: encoding_at(source, "intake.encoding"),
            encodings: encodings(source, "intake.encodings"),
            zone: zone(source, "intake.time_zone"),
            backup_days: days(source, "intake.backup_days"),
            backup_files: narrow(source.number("intake.backup_files", 0..=1_000_000)),
            backup_limit_bytes: source.number("intake.backup_limit_mib", 0..=MAX_MIB) << 20,
        }
    }
}

fn hold(source: &Source) -> HoldLimits {
    let percent = |key: &str| u8::try_from(source.number(key, 1..=100)).unwrap_or(100);
    let from = |key: &str| source.number(key, 0..=MAX_HOLD_FROM);
    HoldLimits {
        all_from: from("intake.hold_all_from"),
        deleted_percent: percent("intake.hold_deleted_percent"),
        deleted_from: from("intake.hold_deleted_from"),
        rejected_percent: percent("intake.hold_rejected_percent"),
        rejected_from: from("intake.hold_rejected_from"),
    }
}

/// A zone by its name; empty: that of the machine.
fn zone(source: &Source, key: &str) -> TimeZone {
    let name = source.text(key);
    let name = name.trim();
    if name.is_empty() {
        return TimeZone::system();
    }
    TimeZone::get(name).unwrap_or_else(|_| {
        source.refuse(key, "a name of the time zone database, such as Europe/Moscow, or an empty text");
        TimeZone::UTC
    })
}

fn language(source: &Source, key: &str) -> Language {
    let named = source.text(key);
    Language::ALL.into_iter().find(|language| language.code() == named).unwrap_or_else(|| {
        source.refuse(key, "en or ru");
        Language::default()
    })
}

/// An encoding by one of its names, as the web knows them.
pub fn encoding_named(name: &str) -> Option<&'static Encoding> {
    Encoding::for_label_no_replacement(name.trim().as_bytes())
}

fn encoding_at(source: &Source, key: &str) -> &'static Encoding {
    encoding_named(&source.text(key)).unwrap_or_else(|| {
        source.refuse(key, "the name of an encoding: utf-8, windows-1251, cp866, koi8-r, utf-16le, utf-16be, …");
        UTF_8
    })
}

fn encodings(source: &Source, key: &str) -> Vec<(PathBuf, &'static Encoding)> {
    let entries = source.list(key);
    if entries.len() > MAX_INTAKE_FOLDERS {
        source.refuse(key, "at most 50000 folders");
        return Vec::new();
    }
    let mut found = Vec::with_capacity(entries.len());
    for entry in entries {
        let read = entry.rsplit_once('=').filter(|(folder, _)| !folder.trim().is_empty());
        match read.and_then(|(folder, name)| Some((PathBuf::from(folder.trim()), encoding_named(name)?))) {
            Some(one) => found.push(one),
            None => source
                .refuse(key, &format!("`{entry}` is no entry; write <folder>=<encoding>, such as shop-7=windows-1251")),
        }
    }
    found
}

fn intake_folders(source: &Source) -> Vec<IntakeFolder> {
    let key = "intake.folders";
    let entries = source.list(key);
    if entries.len() > MAX_INTAKE_FOLDERS {
        source.refuse(key, "at most 50000 folders");
        return Vec::new();
    }
    let mut folders: Vec<IntakeFolder> = Vec::with_capacity(entries.len());
    for entry in entries {
        let folder = entry.split_once('=').and_then(|(node, path)| {
            let (node, path) = (node.trim(), path.trim());
            (is_node(node) && !path.is_empty())
                .then(|| IntakeFolder { node: node.to_owned(), path: source.resolve(path) })
        });
        match folder {
            Some(folder) if folders.iter().any(|other| other.path == folder.path) => {
                source.refuse(key, &format!("{} is named twice; a folder belongs to one node", folder.path.display()));
            }
            Some(folder) => folders.push(folder),
            None => source.refuse(
                key,
                &format!("`{entry}` is no entry; write All=<folder>, group-<code>=<folder> or shop-<code>=<folder>"),
            ),
        }
    }
    folders
}

fn is_node(text: &str) -> bool {
    text == "All" || ["group-", "shop-", "till-", "_"].iter().any(|start| text.starts_with(start))
}
