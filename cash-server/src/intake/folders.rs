//! Which folder belongs to which node, and which flags stand in it.
//!
//! The inbox has one folder for each live node, named as [`Network::folder_name`] says; settings
//! may name others that stand elsewhere. A folder in the inbox that belongs to nobody is looked at
//! too, so that its producer gets to know.

use super::formats::{FLAG, Formats, START};
use super::source::{self, LEAVING};
use crate::network::{LayerNo, Network};
use crate::store::intake::FolderReason;
use fs_err as fs;
use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::error::Error;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tillway_proto::NodeId;

/// Most entries of one folder that one scan looks at; what is beyond them comes when they are
/// gone.
const MAX_ENTRIES: usize = 100_000;

/// Flags of one folder that were set aside and stay, the newest: a person looks at a few of them.
const MAX_BAD_FLAGS: usize = 100;

/// Of these so many, the newest, do not go by their age: a clock that jumps ahead makes all of
/// them old at once.
const NEWEST_BAD_FLAGS: usize = 10;

/// Flags that were made within this time are of one moment: their names say which comes first,
/// since file systems of shares keep times of a second or two, and a script makes flags in
/// whatever order it lists them.
pub(super) const MOMENT: Duration = Duration::from_secs(2);

/// Ends the name of a flag that was set aside.
pub(super) const BAD: &str = ".bad";

/// Whose a folder is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Owner {
    /// It loads the layer of this node.
    Node {
        /// The node.
        id: NodeId,
        /// Its layer.
        layer: LayerNo,
    },
    /// Nobody's, and why.
    Nobody(FolderReason),
}

/// A flag, with the data file of the same base name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flag {
    /// The flag.
    pub(super) path: PathBuf,
    /// When it was put there.
    pub(super) modified: SystemTime,
    /// The data file, if it is there.
    pub(super) data: Option<PathBuf>,
}

impl Flag {
    /// The data file, or the name it should have.
    pub(super) fn expected_data(&self, formats: &Formats) -> PathBuf {
        let ending = formats.usual_ending().trim_start_matches('.');
        self.data.clone().unwrap_or_else(|| self.path.with_extension(ending))
    }
}

/// All folders that are watched. Makes those of the inbox that are not there yet; what is wrong
/// with it, where something is: the other folders are watched all the same.
pub(super) fn layout(
    inbox: &Path,
    extra: &BTreeMap<PathBuf, NodeId>,
    network: &Network,
) -> (BTreeMap<PathBuf, Owner>, Option<io::Error>) {
    let (mut folders, mut trouble) = (BTreeMap::new(), None);
    for node in network.nodes() {
        let path = inbox.join(network.folder_name(node));
        let owner = Owner::Node { id: node.id.clone(), layer: node.no };
        match folders.entry(path) {
            Entry::Vacant(entry) => {
                if !entry.key().is_dir()
                    && let Err(error) = fs::create_dir_all(entry.key())
                {
                    trouble.get_or_insert(error);
                }
                entry.insert(owner);
            }
            // `till-a-b-c` is till `c` of shop `a-b` and till `b-c` of shop `a`: better no load
            // than a wrong one.
            Entry::Occupied(mut entry) => {
                entry.insert(Owner::Nobody(FolderReason::FolderOfTwo));
            }
        }
    }
    for (path, id) in extra {
        let owner = match network.node(id) {
            Some(node) => Owner::Node { id: id.clone(), layer: node.no },
            None => Owner::Nobody(FolderReason::FolderOfGoneNode { node: id.to_string() }),
        };
        folders.insert(path.clone(), owner);
    }
    match strays(inbox, &folders) {
        Ok(strays) => folders.extend(strays),
        Err(error) => {
            trouble.get_or_insert(error);
        }
    }
    (folders, trouble)
}

/// Removes flags that were set aside and are older than `keep_days`, or beyond the newest: their
/// story is in the record of loads and was in `error.txt`. How many it were.
pub(super) fn clean_bad_flags(folder: &Path, keep_days: u32, now: SystemTime) -> io::Result<usize> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)?.take(MAX_ENTRIES) {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if name.starts_with(START) && name.ends_with(&format!("{FLAG}{BAD}")) {
            // Since when it bears that name, not when it was touched.
            let since = entry.metadata()?.ctime();
            found.push((since, entry.path(), entry.file_type()?.is_file()));
        }
    }
    found.sort();
    let now = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let horizon = now.cast_signed().saturating_sub(i64::from(keep_days) * 24 * 60 * 60);
    let surplus = found.len().saturating_sub(MAX_BAD_FLAGS);
    let may_be_too_old = found.len().saturating_sub(NEWEST_BAD_FLAGS);
    let mut removed = 0;
    for (n, (since, path, is_file)) in found.into_iter().enumerate() {
        // A folder or a pipe is somebody's mistake, and for that person to remove.
        if is_file && (n < surplus || (n < may_be_too_old && since < horizon)) {
            fs::remove_file(path)?;
            removed += 1;
        }
    }
    Ok(removed)
}

/// The inbox itself, and folders in it that belong to nobody.
fn strays(inbox: &Path, known: &BTreeMap<PathBuf, Owner>) -> io::Result<Vec<(PathBuf, Owner)>> {
    let mut found = Vec::new();
    if !known.contains_key(inbox) {
        found.push((inbox.to_owned(), Owner::Nobody(FolderReason::InboxItself)));
    }
    for entry in fs::read_dir(inbox)?.take(MAX_ENTRIES) {
        let entry = entry?;
        let path = entry.path();
        if entry.file_type()?.is_dir() && !known.contains_key(&path) {
            let folder = entry.file_name().to_string_lossy().into_owned();
            found.push((path, Owner::Nobody(FolderReason::FolderOfNobody { folder })));
        }
    }
    Ok(found)
}

/// The flags in a folder, oldest first, those of one [`MOMENT`] as their names count. Puts back
/// what a crash left on its way out; what cannot be put back stays there, and nothing else waits
/// for it.
pub(super) fn flags_in(folder: &Path, formats: &Formats) -> io::Result<Vec<Flag>> {
    let (flags, left) = look(folder, formats)?;
    let mut put_back = false;
    for leaving in left {
        match source::put_back(&leaving) {
            Ok(()) => put_back = true,
            Err(error) => tracing::warn!(
                file = %leaving.display(),
                error = &error as &dyn Error,
                "a file that a crash left under this name cannot be given its own back: do it by hand"
            ),
        }
    }
    if put_back { look(folder, formats).map(|(flags, _)| flags) } else { Ok(flags) }
}

/// The flags in a folder, and what is left there on its way out.
fn look(folder: &Path, formats: &Formats) -> io::Result<(Vec<Flag>, Vec<PathBuf>)> {
    let (mut flags, mut left) = (Vec::new(), Vec::new());
    let mut data: BTreeMap<String, Vec<PathBuf>> = BTreeMap::new();
    for entry in fs::read_dir(folder)?.take(MAX_ENTRIES) {
        let entry = entry?;
        let path = entry.path();
        let name = entry.file_name().to_string_lossy().to_lowercase();
        if name.starts_with(LEAVING) {
            left.push(path);
            continue;
        }
        if let Some(base) = name.strip_suffix(FLAG).filter(|base| base.starts_with(START)) {
            // Gone between the two calls: then it is no flag any more.
            if let Ok(modified) = entry.metadata().and_then(|metadata| metadata.modified()) {
                flags.push((base.to_owned(), path, modified));
            }
        } else if let Some((base, _)) = formats.of_file(&name) {
            data.entry(base).or_default().push(path);
        }
    }
    let flags = flags.into_iter().map(|(base, path, modified)| {
        let data = data.get(&base).and_then(|files| partner(&path, files));
        Flag { path, modified, data }
    });
    let mut flags: Vec<Flag> = flags.collect();
    sort(&mut flags);
    Ok((flags, left))
}

/// Oldest first; those of one moment in the natural order of their names.
fn sort(flags: &mut [Flag]) {
    flags.sort_by(|left, right| left.modified.cmp(&right.modified).then_with(|| natural(&left.path, &right.path)));
    let mut rest = flags;
    while let Some(first) = rest.first().map(|flag| flag.modified) {
        let moment = rest.iter().take_while(|flag| is_of_moment(first, flag.modified)).count();
        let (now, later) = rest.split_at_mut(moment);
        now.sort_by(|left, right| natural(&left.path, &right.path));
        rest = later;
    }
}

/// Whether a flag belongs to the moment that began with an older one.
pub(super) fn is_of_moment(first: SystemTime, modified: SystemTime) -> bool {
    modified.duration_since(first).is_ok_and(|after| after <= MOMENT)
}

/// The order in which people count files: `pos2` before `pos10`, whatever the case of the letters.
/// Names that are the same but for case and leading zeros, by their bytes.
pub(super) fn natural(left: &Path, right: &Path) -> Ordering {
    let name = |path: &Path| path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let (left, right) = (name(left), name(right));
    let (left_low, right_low) = (left.to_lowercase(), right.to_lowercase());
    let (mut left_rest, mut right_rest) = (left_low.as_str(), right_low.as_str());
    while let (Some(left_first), Some(right_first)) = (left_rest.chars().next(), right_rest.chars().next()) {
        let order = if left_first.is_ascii_digit() && right_first.is_ascii_digit() {
            let (left_number, right_number) = (take_number(&mut left_rest), take_number(&mut right_rest));
            // Of numbers without leading zeros the longer one is larger.
            left_number.len().cmp(&right_number.len()).then_with(|| left_number.cmp(right_number))
        } else {
            left_rest = &left_rest[left_first.len_utf8()..];
            right_rest = &right_rest[right_first.len_utf8()..];
            left_first.cmp(&right_first)
        };
        if order != Ordering::Equal {
            return order;
        }
    }
    left_rest.len().cmp(&right_rest.len()).then_with(|| left.cmp(&right))
}

/// Takes the digits at the beginning; without leading zeros.
fn take_number<'a>(text: &mut &'a str) -> &'a str {
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (digits, rest) = text.split_at(end);
    *text = rest;
    digits.trim_start_matches('0')
}

/// The data file of a flag: of names that differ in case alone, the one that is spelt like the
/// flag.
fn partner(flag: &Path, files: &[PathBuf]) -> Option<PathBuf> {
    files.iter().find(|file| file.file_stem() == flag.file_stem()).or_else(|| files.iter().min()).cloned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leftover_that_cannot_be_put_back_hides_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let leaving = |name: &str| folder.path().join(format!("{LEAVING}{}-{name}", "0".repeat(32)));
        // Nobody can remove a folder with something in it as a file.
        fs::create_dir_all(leaving("pos1.aif").join("x")).unwrap();
        fs::create_dir(folder.path().join("pos1.aif")).unwrap();
        fs::write(leaving("pos2.aif"), "").unwrap();
        for flag in ["pos1.flz", "pos2.flz"] {
            fs::write(folder.path().join(flag), "").unwrap();
        }
        let flags = flags_in(folder.path(), &Formats::default()).unwrap();
        assert_eq!(flags.len(), 2);
        assert!(flags.iter().any(|flag| flag.data == Some(folder.path().join("pos2.aif"))), "{flags:?}");
        assert!(leaving("pos1.aif").exists());
    }

    #[test]
    fn flags_come_in_order_of_their_time_with_their_files_in_any_case() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str, age_s: u64| {
            let file = fs::File::create(folder.path().join(name)).unwrap();
            let time = SystemTime::now() - std::time::Duration::from_secs(age_s);
            file.into_parts().0.set_modified(time).unwrap();
        };
        for (name, age_s) in [
            ("pos2.aif", 9),
            ("POS2.FLZ", 3),
            ("pos1.AIF", 9),
            ("pos1.flz", 1),
            ("Pos.Flz", 5),
            ("pos3.aif", 9),
            ("goods.flz", 9),
            ("pos4.flz.bad", 9),
        ] {
            at(name, age_s);
        }
        let found: Vec<_> = flags_in(folder.path(), &Formats::default())
            .unwrap()
            .into_iter()
            .map(|flag| {
                let name = |path: &Path| path.file_name().unwrap().to_string_lossy().into_owned();
                (name(&flag.path), flag.data.as_deref().map(name))
            })
            .collect();
        let expected = [("Pos.Flz", None), ("POS2.FLZ", Some("pos2.aif")), ("pos1.flz", Some("pos1.AIF"))];
        assert_eq!(found, expected.map(|(flag, data)| (flag.to_owned(), data.map(str::to_owned))));
    }

    #[test]
    fn flags_of_one_moment_come_in_the_natural_order_of_their_names() {
        let flag = |name: &str, at_ms: u64| Flag {
            path: name.into(),
            modified: SystemTime::UNIX_EPOCH + Duration::from_millis(1_000_000 + at_ms),
            data: None,
        };
        let mut flags = vec![
            flag("pos1.flz", 60_000),
            flag("pos10.flz", 0),
            flag("POS9.flz", 1_500),
            flag("pos2.flz", 900),
            flag("pos.flz", 1_000),
            flag("pos002.flz", 900),
            flag("pos2-10.flz", 1_000),
            flag("pos2-9.flz", 1_100),
            flag("pos20260101000000000000000000001.flz", 100),
        ];
        sort(&mut flags);
        let names: Vec<_> = flags.iter().map(|flag| flag.path.to_string_lossy().into_owned()).collect();
        let expected = [
            "pos.flz",
            "pos2-9.flz",
            "pos2-10.flz",
            "pos002.flz",
            "pos2.flz",
            "POS9.flz",
            "pos10.flz",
            "pos20260101000000000000000000001.flz",
            "pos1.flz",
        ];
        assert_eq!(names, expected);
    }
}
