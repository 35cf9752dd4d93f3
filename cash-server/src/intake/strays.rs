//! What lies in the folders of the intake and will never be read: data that never had a flag,
//! flags without data, other names, folders of no node.
//!
//! Nobody but a person can know what was meant, so it stays where it lies and is shown. Files that
//! were refused or held are shown as such, and not here.

use super::aside::is_data_of;
use super::folders::{self, BAD, Owner};
use super::formats::{FLAG, START};
use super::source::{self, LEAVING};
use super::{ERROR_FILE, Intake};
use crate::store::StoreError;
use crate::words::Reason;
use fs_err as fs;
use jiff::Timestamp;
use serde::Serialize;
use std::collections::{BTreeMap, HashSet};
use std::error::Error;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use tillway_proto::NodeId;

/// Names of a folder that are told, the first ones; the rest is counted.
const MAX_NAMED: usize = 5;

/// Most entries of one folder that one look reads.
const MAX_ENTRIES: usize = 100_000;

/// Why files are not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum Why {
    NoFlag,
    NoData,
    OtherName,
    NoNode,
}

impl Why {
    fn word(self) -> &'static str {
        match self {
            Self::NoFlag => "no-flag",
            Self::NoData => "no-data",
            Self::OtherName => "other-name",
            Self::NoNode => "no-node",
        }
    }
}

/// Files of one folder that are not read for one reason.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stray {
    /// The folder.
    pub folder: PathBuf,
    /// `no-flag`, `no-data`, `other-name`, `no-node`.
    pub word: &'static str,
    /// Whose folder it is.
    pub node: Option<NodeId>,
    /// The first names, and how many more there are.
    pub names: String,
    /// Since when the oldest lies there.
    pub since: Option<Timestamp>,
    /// Why it is not read, and what to do.
    pub reason: Reason,
}

struct Found {
    name: String,
    path: PathBuf,
    /// Since when it bears that name, in seconds since 1970. Not when it was written: that time
    /// goes along with a file that is copied or moved.
    since: i64,
    is_folder: bool,
}

impl Intake {
    /// What lies in the folders for a while and will never be read; at most `limit` entries.
    /// Blocking.
    pub fn strays(&self, limit: usize) -> Result<Vec<Stray>, StoreError> {
        let network = self.network()?;
        let settings = &self.settings;
        // What is wrong with the inbox itself the worker tells.
        let (folders, _) = folders::layout(&settings.inbox, &settings.extra_folders, &network);
        let mut strays = Vec::new();
        for (folder, owner) in &folders {
            if strays.len() >= limit {
                break;
            }
            let found = match entries(folder) {
                Ok(found) => found,
                Err(error) => {
                    tracing::debug!(error = &error as &dyn Error, "a folder cannot be looked at for what is not read");
                    continue;
                }
            };
            // Folders in the inbox are looked at by themselves.
            let is_inbox = *folder == settings.inbox;
            let found = found.into_iter().filter(|one| !(is_inbox && one.is_folder)).collect();
            self.of_folder(folder, owner, found, &mut strays)?;
        }
        strays.truncate(limit);
        Ok(strays)
    }

    fn of_folder(
        &self,
        folder: &Path,
        owner: &Owner,
        found: Vec<Found>,
        strays: &mut Vec<Stray>,
    ) -> Result<(), StoreError> {
        let formats = &self.settings.formats;
        let flags: HashSet<String> = found.iter().filter_map(|one| base(&one.name, FLAG).map(str::to_owned)).collect();
        let data: HashSet<String> =
            found.iter().filter_map(|one| formats.of_file(&one.name).map(|(base, _)| base)).collect();
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs().cast_signed();
        let stray_after = self.settings.stray_after.as_secs().cast_signed();
        let mut by_reason: BTreeMap<Why, Vec<Found>> = BTreeMap::new();
        for one in found {
            if now.saturating_sub(one.since) < stray_after {
                continue;
            }
            let why = if matches!(owner, Owner::Nobody(_)) {
                Some(Why::NoNode)
            } else if let Some(base) = base(&one.name, FLAG) {
                (!data.contains(base)).then_some(Why::NoData)
            } else if let Some((base, _)) = formats.of_file(&one.name) {
                (!flags.contains(&base) && !self.was_decided(&one.path)?).then_some(Why::NoFlag)
            } else if let Some(base) = base(&one.name, &format!("{FLAG}{BAD}")) {
                let data = folder.join(format!("{base}{}", formats.usual_ending()));
                (!self.came_later(&data, one.since)?).then_some(Why::NoData)
            } else {
                Some(Why::OtherName)
            };
            if let Some(why) = why {
                by_reason.entry(why).or_default().push(one);
            }
        }
        let node = match owner {
            Owner::Node { id, .. } => Some(id.clone()),
            Owner::Nobody(_) => None,
        };
        for (why, mut found) in by_reason {
            found.sort_by(|left, right| folders::natural(&left.path, &right.path));
            let names = |one: &Found| one.path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            let mut named: Vec<String> = found.iter().take(MAX_NAMED).map(names).collect();
            if found.len() > MAX_NAMED {
                named.push(format!("… ({})", found.len()));
            }
            let reason = match owner {
                Owner::Nobody(reason) => Reason::of(reason),
                Owner::Node { .. } => Reason::of(&why),
            };
            strays.push(Stray {
                folder: folder.to_owned(),
                word: why.word(),
                node: node.clone(),
                names: named.join(", "),
                since: found.iter().map(|one| one.since).min().and_then(|at| Timestamp::from_second(at).ok()),
                reason,
            });
        }
        Ok(())
    }

    /// Whether this very file was loaded, refused or held: that is shown where loads are.
    fn was_decided(&self, path: &Path) -> Result<bool, StoreError> {
        let Ok(now) = source::identify(path) else { return Ok(false) };
        Ok(self.journal.newest_of(path)?.is_some_and(|record| is_data_of(&record, &now)))
    }

    /// Whether a delivery of that name was taken in after a flag was set aside: its producer has
    /// mended it.
    fn came_later(&self, data: &Path, since: i64) -> Result<bool, StoreError> {
        Ok(self.journal.newest_of(data)?.is_some_and(|record| record.queued_at.as_second() > since))
    }
}

/// What a folder has, but for what the server writes there itself.
fn entries(folder: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.take(MAX_ENTRIES) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if name == ERROR_FILE || name.starts_with(LEAVING) {
            continue;
        }
        // Gone between the two calls: then it is no stray.
        let Ok(metadata) = entry.metadata() else { continue };
        found.push(Found { name, path: entry.path(), since: metadata.ctime(), is_folder: metadata.is_dir() });
    }
    Ok(found)
}

/// The name in small letters without its ending, where it is one that the intake reads.
fn base<'a>(name: &'a str, ending: &str) -> Option<&'a str> {
    name.strip_suffix(ending).filter(|base| base.starts_with(START))
}
