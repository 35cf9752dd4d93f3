//! What was set aside on this till: packages, documents, records of shifts, messages of the
//! server. Told with every report, listed by `status` and `aside ls`, and settled by a person:
//! tried again, or dropped.
//!
//! A unit has one name ([`AsideName`]), on the line and on the command line: its sort and what it
//! is called there. What is not there any more is passed over, so an order that comes twice does
//! no harm.

use crate::error::chain;
use crate::settings::Settings;
use crate::state::{SalesSort, State, StateError};
use fs_err as fs;
use jiff::Timestamp;
use std::io;
use std::path::{Path, PathBuf};
use tillway_file_queue::{Queue, QueueError, durable};
use tillway_proto::Command;
use tillway_proto::command::AsideAction;
use tillway_proto::queue::MAX_MESSAGE_BYTES;
use tillway_proto::report::{AsideName, AsideSort, AsideUnit, MAX_ASIDE_REASON_BYTES};

/// Messages set aside that are kept for a person; the oldest goes.
const MAX_ASIDE_MESSAGES: usize = 100;

/// Why an order to drop is refused that names no unit: it may be a day old, and what came aside
/// since nobody has seen.
pub(crate) const DROP_NAMES_NOTHING: &str = "an order to drop has to name each unit";

/// What lies aside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Aside {
    /// How much of it there is.
    pub(crate) count: u64,
    /// The newest.
    pub(crate) units: Vec<AsideUnit>,
    /// What could not be looked at, and why.
    pub(crate) unreadable: Vec<(&'static str, String)>,
}

/// Looks at all that lies aside, and names the newest, at most so many. `queue` is the file queue
/// of packages, where there is one.
pub(crate) fn look(settings: &Settings, queue: Option<&Queue>, state: Option<&State>, most: usize) -> Aside {
    let mut aside = Aside::default();
    if let Some(queue) = queue {
        match packages(queue) {
            Ok(units) => aside.add(units),
            Err(error) => aside.unreadable.push(("file queue", chain(&error))),
        }
    }
    if let Some(state) = state {
        match sales(state, most) {
            Ok((count, units)) => {
                aside.count += count;
                aside.units.extend(units);
            }
            Err(error) => aside.unreadable.push(("agent's state", chain(&error))),
        }
    }
    match messages(&settings.paths.data) {
        Ok(units) => aside.add(units),
        Err(error) => aside.unreadable.push(("messages set aside", error.to_string())),
    }
    aside.units.sort_by_key(|unit| std::cmp::Reverse(unit.at));
    aside.units.truncate(most);
    for unit in &mut aside.units {
        unit.reason.truncate(unit.reason.floor_char_boundary(MAX_ASIDE_REASON_BYTES));
    }
    aside
}

impl Aside {
    fn add(&mut self, units: Vec<AsideUnit>) {
        self.count += units.len() as u64;
        self.units.extend(units);
    }
}

fn packages(queue: &Queue) -> Result<Vec<AsideUnit>, QueueError> {
    // A listing of all would read the manifests of what waits, too.
    if queue.aside_depth()?.batches == 0 {
        return Ok(Vec::new());
    }
    let entries = queue.entries()?.into_iter().filter(|entry| entry.state == tillway_file_queue::State::Aside);
    let unit = |entry: tillway_file_queue::Entry| AsideUnit {
        unit: AsideName { sort: AsideSort::Package, name: entry.id },
        reason: entry.reason.unwrap_or_else(|| "its reason was not kept".to_owned()),
        at: entry.aside_since,
    };
    Ok(entries.map(unit).collect())
}

fn sales(state: &State, most: usize) -> Result<(u64, Vec<AsideUnit>), StateError> {
    Ok((state.refused_count()?, state.aside(most)?))
}

fn messages(data: &Path) -> io::Result<Vec<AsideUnit>> {
    let files = message_files(&folder(data))?;
    let unit = |path: &PathBuf| {
        let name = path.file_name()?.to_str()?.to_owned();
        let reason = match fs::read(path) {
            Ok(bytes) if bytes.len() >= MAX_MESSAGE_BYTES => "it is too long".to_owned(),
            Ok(bytes) => match Command::parse(&bytes) {
                Ok(_) => "the work on it broke off".to_owned(),
                Err(error) => chain(&error),
            },
            Err(error) => error.to_string(),
        };
        let written = fs::metadata(path).and_then(|metadata| metadata.modified()).ok();
        let at = written.and_then(|written| Timestamp::try_from(written).ok());
        Some(AsideUnit { unit: AsideName { sort: AsideSort::Message, name }, reason, at })
    };
    Ok(files.iter().filter_map(unit).collect())
}

pub(crate) fn folder(data: &Path) -> PathBuf {
    data.join("aside")
}

/// The messages that lie aside, by name. Files whose names are not ours stay out of it.
pub(crate) fn message_files(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let ours = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str());
        name.is_some_and(|name| name.starts_with("message-") && path.extension().is_some_and(|end| end == "json"))
    };
    let mut files: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).filter(ours).collect();
    files.sort();
    Ok(files)
}

/// Keeps a message that nobody can answer.
pub(crate) fn keep_message(data: &Path, message: &[u8]) -> io::Result<()> {
    let folder = folder(data);
    fs::create_dir_all(&folder)?;
    let name = Timestamp::now().strftime("message-%Y%m%dT%H%M%S%.6f.json").to_string();
    let path = folder.join(name);
    durable::write_atomic(&path, &message[..message.len().min(MAX_MESSAGE_BYTES)])?;
    fail::fail_point!("aside::message_kept");
    let mut kept = message_files(&folder)?;
    // Whatever the clock says, it is the newest.
    kept.retain(|other| *other != path);
    let too_many = (kept.len() + 1).saturating_sub(MAX_ASIDE_MESSAGES);
    kept.iter().take(too_many).try_for_each(fs::remove_file)
}

/// Drops these packages, or tries them again: all, where none is named. Gives how many.
pub(crate) fn settle_packages(queue: &Queue, action: AsideAction, named: Option<&[String]>) -> Result<u64, QueueError> {
    let mut settled = 0;
    for unit in packages(queue)? {
        let id = unit.unit.name;
        if named.is_some_and(|named| !named.contains(&id)) {
            continue;
        }
        let done = match action {
            AsideAction::Retry => queue.requeue(&id),
            AsideAction::Drop => queue.drop_batch(&id),
        };
        match done {
            Ok(()) => settled += 1,
            // Gone meanwhile, or never a batch: the rest goes on.
            Err(QueueError::NoSuchBatch { .. } | QueueError::NotABatch { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(settled)
}

/// The same for documents and records of shifts.
pub(crate) fn settle_sales(
    state: &State,
    action: AsideAction,
    documents: Option<&[String]>,
    shifts: Option<&[String]>,
) -> Result<u64, StateError> {
    let ids = |names: &[String]| names.iter().filter_map(|name| name.parse().ok()).collect::<Vec<i64>>();
    let mut settled = 0;
    for (sort, named) in [(SalesSort::Document, documents), (SalesSort::Shift, shifts)] {
        settled += state.settle_aside(sort, action, named.map(ids).as_deref())?;
    }
    Ok(settled)
}

/// A unit as a person names it: `document:17`.
pub(crate) fn parse_name(text: &str) -> Result<AsideName, String> {
    let wrong = || format!("`{text}` names no unit; `aside ls` lists them, for example document:17");
    let (sort, name) = text.split_once(':').ok_or_else(wrong)?;
    let sort = [AsideSort::Package, AsideSort::Document, AsideSort::Shift, AsideSort::Message]
        .into_iter()
        .find(|known| word(*known) == sort)
        .ok_or_else(wrong)?;
    Ok(AsideName { sort, name: name.to_owned() })
}

/// How a person names it.
pub(crate) fn unit_name(unit: &AsideName) -> String {
    format!("{}:{}", word(unit.sort), unit.name)
}

fn word(sort: AsideSort) -> &'static str {
    match sort {
        AsideSort::Package => "package",
        AsideSort::Document => "document",
        AsideSort::Shift => "shift",
        AsideSort::Message => "message",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_named_as_it_is_told() {
        for unit in ["package:0000000000000042", "document:17", "shift:3", "message:message-1.json"] {
            assert_eq!(unit_name(&parse_name(unit).unwrap()), unit);
        }
        assert!(parse_name("17").is_err() && parse_name("receipt:17").is_err());
    }

    #[test]
    fn messages_aside_are_bounded_and_the_newest_stays_whatever_the_clock_says() {
        let data = tempfile::tempdir().unwrap();
        let aside = folder(data.path());
        fs::create_dir_all(&aside).unwrap();
        for number in 0..MAX_ASIDE_MESSAGES {
            fs::write(aside.join(format!("message-2999{number:04}T000000.json")), "{").unwrap();
        }
        fs::write(aside.join("notes.txt"), "mine").unwrap();
        keep_message(data.path(), b"[").unwrap();
        let files = message_files(&aside).unwrap();
        assert_eq!(files.len(), MAX_ASIDE_MESSAGES);
        assert_eq!(fs::read(&files[0]).unwrap(), b"[", "by its name it is the oldest");
        assert!(aside.join("notes.txt").exists());
        let units = messages(data.path()).unwrap();
        assert!(units[0].reason.contains("not a command") && units[0].at.is_some(), "{units:?}");
    }
}
