//! Sales files for the back office: every closed shift once an hour, days on request.
//!
//! In `<root>/sale<till code>/` (`{shop}` in the root stands for the code of the till's shop) a
//! file `sale<yyyy.MM.dd_HH-mm-ss>.json` appears, whole or not at all, with the shifts that closed
//! or changed since they were handed over last; shifts that still wait for documents come later,
//! and one whose record does not come, or that is left open, is handed over when nothing more is
//! waited for, without the time of its end. A request `sale.req` (a line `###`, then
//! `DD.MM.YYYY-DD.MM.YYYY`) is answered with the shifts of these days, the open one in `online/`,
//! and then removed; one that cannot be read becomes `sale.req.bad`. A crash between file and note
//! writes a shift twice: the reader imports by receipt, as it must anyway. A till whose folder or
//! data cannot be used holds up none but itself: it is logged and tried again at the next period.

mod format;
#[cfg(test)]
mod tests;

use crate::words::as_said;
use serde::Serialize;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use fs_err as fs;
use jiff::civil::{Date, DateTime};
use jiff::{ToSpan, Zoned};
use tillway_file_queue::durable;
use tillway_proto::{ShopId, TillId};
use tillway_service::background::{Next, Task};

use self::format::Content;
use super::check::Verdict;
use crate::store::StoreError;
use crate::store::sales::{MAX_PAGE, Page, SalesStore, ShiftFilter, ShiftView};

/// Closed shifts are handed over this often.
const PERIOD: Duration = Duration::from_hours(1);

/// Requests are looked for this often: someone waits for the answer.
const REQUEST_PERIOD: Duration = Duration::from_secs(10);

/// Shifts of one file, so that it is built in memory: some 20 000 receipts.
const SHIFTS_PER_FILE: usize = 10;

/// Longest request that is read.
const MAX_REQUEST_BYTES: u64 = 1024;

/// Names tried for a file, one a second on: more were never taken by then.
const MAX_NAMES: i64 = 3_600;

/// Why sales could not be handed over; it is tried again at the next period.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum HandoverError {
    /// A file or folder.
    #[error("failed to hand sales over in {}", path.display())]
    #[serde(rename = "handover-fails")]
    Io {
        /// Which one.
        path: PathBuf,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: io::Error,
    },
    /// A file could not be put into words.
    #[error("failed to write the sales of till {till} as JSON")]
    #[serde(rename = "handover-not-written")]
    Json {
        /// Of which till.
        till: TillId,
        /// Why not.
        #[source]
        #[serde(rename = "detail", serialize_with = "as_said")]
        source: serde_json::Error,
    },
    /// The database.
    #[error("failed to read the sales to hand over")]
    #[serde(untagged)]
    Store(#[source] StoreError),
}

/// Handing sales over below `root`, as tasks of the server.
pub(super) fn tasks(store: &Arc<dyn SalesStore>, root: &Path) -> [Task; 2] {
    /// Which of the two.
    type HandOver = fn(&dyn SalesStore, &Path, DateTime) -> Result<u64, HandoverError>;
    // Both write files into the same folders: the name that one has found free, the other must
    // not take.
    let one_at_a_time = Arc::new(Mutex::new(()));
    let task = |name, period, hand_over: HandOver| {
        let (store, root, one_at_a_time) = (Arc::clone(store), root.to_owned(), Arc::clone(&one_at_a_time));
        Task::blocking(name, period, move |_| {
            let _turn = one_at_a_time.lock().unwrap_or_else(PoisonError::into_inner);
            hand_over(store.as_ref(), &root, Zoned::now().datetime()).map(|_| Next::AtPeriod)
        })
    };
    [task("sales-files", PERIOD, hand_over_closed), task("sales-file-requests", REQUEST_PERIOD, answer_requests)]
}

/// Writes every closed shift that changed since it was handed over; returns how many. One till's
/// failure is logged and leaves its shifts for the next time. Blocks.
pub fn hand_over_closed(store: &dyn SalesStore, root: &Path, now: DateTime) -> Result<u64, HandoverError> {
    let mut done = 0;
    let mut offset = 0;
    loop {
        let page = Page { offset, limit: MAX_PAGE };
        let found = store.not_handed_over(page).map_err(HandoverError::Store)?;
        let last = found.len() < MAX_PAGE as usize;
        // A till that moved has shifts of two shops, and each shop has its folder.
        let mut tills: BTreeMap<(ShopId, TillId), Vec<ShiftView>> = BTreeMap::new();
        for shift in found {
            if shift.outcome.verdict == Verdict::Waiting {
                // Stays in the list, so the next page begins behind it.
                offset += 1;
            } else {
                tills.entry((shift.shop.clone(), shift.till.clone())).or_default().push(shift);
            }
        }
        for ((shop, till), shifts) in tills {
            let folder = folder(root, &shop, &till);
            for part in shifts.chunks(SHIFTS_PER_FILE) {
                if let Err(error) = write_file(store, &folder, &till, part, now) {
                    log_failure(&till, &error);
                    // These stay in the list too.
                    offset += part.len() as u64;
                    continue;
                }
                fail::fail_point!("handover::file_written");
                for shift in part {
                    store.note_handed_over(&till, shift.key(), shift.changes).map_err(HandoverError::Store)?;
                    fail::fail_point!("handover::noted");
                    done += 1;
                }
            }
        }
        if last {
            return Ok(done);
        }
    }
}

/// Answers the requests below `root`; returns how many. One till's failure is logged and leaves
/// its request for the next time. Blocks.
pub fn answer_requests(store: &dyn SalesStore, root: &Path, now: DateTime) -> Result<u64, HandoverError> {
    let mut answered = 0;
    for till in store.till_states().map_err(HandoverError::Store)? {
        match answer_request(store, &folder(root, &till.shop, &till.till), &till.till, now) {
            Ok(true) => answered += 1,
            Ok(false) => {}
            Err(error) => log_failure(&till.till, &error),
        }
    }
    Ok(answered)
}

/// Answers the request of one till; whether there was one.
fn answer_request(store: &dyn SalesStore, folder: &Path, till: &TillId, now: DateTime) -> Result<bool, HandoverError> {
    let request = folder.join("sale.req");
    let failed = |source| HandoverError::Io { path: request.clone(), source };
    let Some(text) = read_request(&request).map_err(failed)? else { return Ok(false) };
    let Some(days) = parse_request(&text) else {
        tracing::warn!(file = %request.display(), "not a request for sales: expected `###` and `DD.MM.YYYY-DD.MM.YYYY`");
        durable::rename(&request, &folder.join("sale.req.bad")).map_err(failed)?;
        return Ok(false);
    };
    answer(store, folder, till, days, now)?;
    fail::fail_point!("handover::answered");
    fs::remove_file(&request).map_err(failed)?;
    Ok(true)
}

fn log_failure(till: &TillId, error: &HandoverError) {
    tracing::error!(
        %till,
        error = error as &dyn std::error::Error,
        "the sales of a till were not handed over; trying again at the next period"
    );
}

fn answer(
    store: &dyn SalesStore,
    folder: &Path,
    till: &TillId,
    (from, to): (Date, Date),
    now: DateTime,
) -> Result<(), HandoverError> {
    let mut offset = 0;
    loop {
        let filter =
            ShiftFilter { till: Some(till.clone()), from_day: Some(from), to_day: Some(to), ..ShiftFilter::default() };
        let page = Page { offset, limit: MAX_PAGE };
        let shifts = store.shifts(&filter, page).map_err(HandoverError::Store)?;
        let found = shifts.len();
        let (closed, open): (Vec<_>, Vec<_>) =
            shifts.into_iter().partition(|shift| shift.ended.is_some() || shift.outcome.ends_unknown());
        for part in closed.chunks(SHIFTS_PER_FILE) {
            write_file(store, folder, till, part, now)?;
        }
        for part in open.chunks(SHIFTS_PER_FILE) {
            write_file(store, &folder.join("online"), till, part, now)?;
        }
        offset += found as u64;
        if found < MAX_PAGE as usize {
            return Ok(());
        }
    }
}

fn folder(root: &Path, shop: &ShopId, till: &TillId) -> PathBuf {
    let root = root.to_string_lossy().replace("{shop}", shop.code());
    Path::new(&root).join(format!("sale{}", till.code()))
}

fn write_file(
    store: &dyn SalesStore,
    folder: &Path,
    till: &TillId,
    shifts: &[ShiftView],
    now: DateTime,
) -> Result<(), HandoverError> {
    let mut content = Content { shifts: Vec::new(), documents: Vec::new() };
    for shift in shifts {
        let details = store.shift_details(till, shift.key()).map_err(HandoverError::Store)?;
        content.shifts.push((shift.clone(), details));
        let mut offset = 0;
        loop {
            let page = Page { offset, limit: MAX_PAGE };
            let found = store.documents(till, shift.key(), page).map_err(HandoverError::Store)?;
            let last = found.len() < MAX_PAGE as usize;
            offset += found.len() as u64;
            content.documents.extend(found);
            if last {
                break;
            }
        }
    }
    let bytes = format::write(&content).map_err(|source| HandoverError::Json { till: till.clone(), source })?;
    let failed = |source| HandoverError::Io { path: folder.to_owned(), source };
    durable::create_dir_all(folder).map_err(failed)?;
    let path = free_name(folder, now).map_err(failed)?;
    durable::write_atomic(&path, &bytes).map_err(failed)?;
    tracing::info!(file = %path.display(), shifts = shifts.len(), receipts = content.documents.len(), "handed sales over");
    Ok(())
}

/// A name that is not taken: the time, or the next second that is free.
fn free_name(folder: &Path, now: DateTime) -> io::Result<PathBuf> {
    (0..MAX_NAMES)
        .filter_map(|later| now.checked_add(later.seconds()).ok())
        .map(|time| folder.join(format!("sale{}.json", time.strftime("%Y.%m.%d_%H-%M-%S"))))
        .find(|path| !path.exists())
        .ok_or_else(|| io::Error::other("the back office has not taken the files of an hour: every name is in use"))
}

fn read_request(path: &Path) -> io::Result<Option<String>> {
    match fs::metadata(path) {
        Ok(metadata) if metadata.len() > MAX_REQUEST_BYTES => Ok(Some(String::new())),
        Ok(_) => fs::read(path).map(|bytes| Some(String::from_utf8_lossy(&bytes).into_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn parse_request(text: &str) -> Option<(Date, Date)> {
    let mut lines = text.trim_start_matches('\u{feff}').lines().map(str::trim).filter(|line| !line.is_empty());
    if lines.next() != Some("###") {
        return None;
    }
    let (from, to) = lines.next()?.split_once('-')?;
    let date = |text: &str| Date::strptime("%d.%m.%Y", text.trim()).ok();
    let (from, to) = (date(from)?, date(to)?);
    (from <= to && lines.next().is_none()).then_some((from, to))
}
