//! Picks the oldest delivery and loads it: one turn, one delivery.
//!
//! A delivery that has to wait holds back only what came later into the same folder (or, over
//! REST, for the same node), so that an older price never comes over a newer one; a flag without
//! its file holds back nothing.

mod bodies;
mod flags;
mod removed;

use super::advice::Advice;
use super::deliver::Cause;
use super::folders::{self, Flag, Owner};
use super::watcher::Watcher;
use super::{Intake, deliver, lock};
use crate::store::StoreError;
use crate::store::intake::{Consent, LoadReason, LoadRecord, LoadSource};
use jiff::Timestamp;
use removed::RemovedFiles;
use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tillway_proto::{LoadId, NodeId};
use tillway_service::background::{Kept, Next, Run, Task, Work};
use tokio_util::sync::CancellationToken;

/// First wait after the worker itself failed.
const FIRST_RETRY: Duration = Duration::from_secs(5);

/// First wait after a failed try; it doubles up to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_mins(1);

/// Longest wait of a load that met a full disk: while it runs sales have no room either. Short
/// enough that nobody asks why prices do not come although there is room again.
const LAST_FULL_WAIT: Duration = Duration::from_mins(15);

/// A folder where deliveries wait is read again at most this often: ten thousand flags at once
/// would else be ten thousand looks at all of them.
const RESCAN_PAUSE: Duration = Duration::from_secs(1);

/// How often to look whether there is a new node, which may have been made by another process: its
/// folder is to be there before a person looks for it.
const NETWORK_LOOK: Duration = Duration::from_secs(1);

/// A load that is in the record already.
#[derive(Debug, Clone, Copy)]
struct Recorded {
    load: LoadId,
    /// When it was taken in.
    at: Timestamp,
    consent: Consent,
}

/// A delivery that was tried, or waits for its file or for room.
struct Wait {
    tries: u32,
    until: Instant,
    load: Option<Recorded>,
    /// A flag that was touched again is a new delivery.
    modified: SystemTime,
    /// What it waits for that is no fault of its own; people know.
    held: Option<Cause>,
    /// How often it came to nothing without a fault of its own since its flag was touched.
    stalls: u32,
    /// Whether the file system reports when what it waits for is there.
    watched: bool,
}

impl Wait {
    /// Whether what came later has to wait too.
    fn holds(&self) -> bool {
        self.tries > 0 || self.stalls > 0
    }
}

enum Job {
    Flag { folder: PathBuf, flag: Flag },
    Body(Box<LoadRecord>),
}

pub(super) struct Worker {
    intake: Arc<Intake>,
    shutdown: CancellationToken,
    watcher: Watcher,
    folders: BTreeMap<PathBuf, Owner>,
    /// Flags by folder; folders without one are not in it.
    flags: BTreeMap<PathBuf, Vec<Flag>>,
    waits: HashMap<PathBuf, Wait>,
    body_waits: HashMap<LoadId, Wait>,
    /// Flags that nothing more can be done about, until they are touched.
    told: HashMap<PathBuf, SystemTime>,
    /// Flags whose data file is still being written, and since when they wait for it.
    writing: HashMap<PathBuf, Instant>,
    /// Loads of an earlier process that did not end, by data file; none once they are looked
    /// after.
    resumed: Option<HashMap<PathBuf, Recorded>>,
    unreadable: HashSet<PathBuf>,
    /// What is wrong with the inbox, as it was told.
    inbox_trouble: Option<String>,
    /// When folders in which deliveries wait were read.
    scanned: HashMap<PathBuf, Instant>,
    /// Folders to be read again after their pause.
    later: BTreeSet<PathBuf>,
    /// Version of the network that the folders were made for.
    network: u64,
    next_scan: Instant,
    /// Files that were loaded, in case somebody still writes to them.
    removed: RemovedFiles,
}

impl Worker {
    fn new(intake: Arc<Intake>, watcher: Watcher, shutdown: CancellationToken) -> Self {
        let now = Instant::now();
        let removed = RemovedFiles::new(Arc::clone(&intake));
        Self {
            intake,
            shutdown,
            watcher,
            folders: BTreeMap::new(),
            flags: BTreeMap::new(),
            waits: HashMap::new(),
            body_waits: HashMap::new(),
            told: HashMap::new(),
            writing: HashMap::new(),
            resumed: None,
            unreadable: HashSet::new(),
            inbox_trouble: None,
            scanned: HashMap::new(),
            later: BTreeSet::new(),
            network: 0,
            next_scan: now,
            removed,
        }
    }

    /// Its turns as a task of the server.
    pub(super) fn task(intake: &Arc<Intake>) -> Task {
        let period = LAST_WAIT.min(intake.settings.scan_period);
        let arrived = Arc::clone(&intake.arrived);
        Task::new("intake", period, Turns { intake: Arc::clone(intake), worker: Kept::default() })
            .poked_by(arrived)
            .retried_after(FIRST_RETRY)
    }

    /// Looks for deliveries and loads the oldest.
    fn turn(&mut self) -> Result<Next, StoreError> {
        let intake = Arc::clone(&self.intake);
        let _turn = lock(&intake.turn);
        self.removed.look();
        let dirty = self.watcher.take();
        let network = self.intake.network()?.version();
        if dirty.all || network != self.network || Instant::now() >= self.next_scan {
            if network != self.network {
                // Another process may have made a till: its queues are to be there as soon as its
                // `cash.ini`.
                self.intake.poke_exchange();
            }
            self.network = network;
            self.scan_all()?;
        } else {
            self.later.extend(dirty.folders);
            let now = Instant::now();
            let dirty = std::mem::take(&mut self.later);
            let (due, later): (BTreeSet<_>, _) = dirty.into_iter().partition(|folder| self.may_scan(folder, now));
            self.later = later;
            for folder in due {
                self.scan(&folder);
            }
        }
        match self.pick()? {
            Ok(job) => {
                self.carry_out(job)?;
                Ok(Next::AtOnce)
            }
            Err(until) => Ok(Next::In(until.saturating_duration_since(Instant::now()))),
        }
    }

    /// All folders, and which there are.
    fn scan_all(&mut self) -> Result<(), StoreError> {
        let network = self.intake.network()?;
        let settings = &self.intake.settings;
        let (folders, trouble) = folders::layout(&settings.inbox, &settings.extra_folders, &network);
        let trouble = trouble.map(|error| crate::error_chain(&error));
        if let Some(reason) = trouble.as_ref().filter(|_| trouble != self.inbox_trouble) {
            tracing::error!(inbox = %settings.inbox.display(), reason, "failed to look after the inbox");
        }
        self.inbox_trouble = trouble;
        let before = std::mem::replace(&mut self.folders, folders);
        let folders = &self.folders;
        // A folder that got another owner has its flags looked at anew.
        self.told.retain(|flag, _| {
            flag.parent().is_some_and(|folder| before.get(folder) == folders.get(folder)) && flag.exists()
        });
        self.watcher.keep(|folder| folders.contains_key(folder));
        self.flags.clear();
        self.scanned.clear();
        self.later.clear();
        let all: Vec<PathBuf> = self.folders.keys().cloned().collect();
        for folder in all {
            // Watched first, so that nothing falls between.
            self.watcher.watch(&folder);
            self.scan(&folder);
        }
        self.writing.retain(|flag, _| flag.symlink_metadata().is_ok());
        let flags: HashSet<&PathBuf> = self.flags.values().flatten().map(|flag| &flag.path).collect();
        let mut taken_away = Vec::new();
        self.waits.retain(|path, wait| {
            let hidden = path.parent().is_some_and(|folder| self.unreadable.contains(folder));
            let stays = hidden || flags.contains(path);
            taken_away.extend(wait.load.filter(|_| !stays));
            stays
        });
        // Somebody took the flag of a load away that waited: without it there is nothing to be
        // tried.
        for known in taken_away {
            deliver::close_vanished(&self.intake, known.load)?;
        }
        self.next_scan = Instant::now() + self.intake.settings.scan_period;
        if self.resumed.is_none() {
            self.resume()?;
        }
        Ok(())
    }

    fn scan(&mut self, folder: &Path) {
        if !self.folders.contains_key(folder) {
            return;
        }
        let flags = {
            let _leaving = lock(&self.intake.leaving);
            folders::flags_in(folder, &self.intake.settings.formats)
        };
        match flags {
            Ok(flags) => {
                self.unreadable.remove(folder);
                if flags.is_empty() {
                    self.flags.remove(folder);
                    self.scanned.remove(folder);
                } else {
                    self.flags.insert(folder.to_owned(), flags);
                    self.scanned.insert(folder.to_owned(), Instant::now());
                }
            }
            Err(error) => {
                self.flags.remove(folder);
                self.scanned.remove(folder);
                if self.unreadable.insert(folder.to_owned()) {
                    tracing::error!(folder = %folder.display(), error = &error as &dyn Error, "a folder of the intake cannot be read");
                }
            }
        }
    }

    /// Whether a folder is to be read now: at once where nothing waits in it, else after a pause.
    fn may_scan(&self, folder: &Path, now: Instant) -> bool {
        self.scanned.get(folder).is_none_or(|read| now.saturating_duration_since(*read) >= RESCAN_PAUSE)
    }

    /// After a delivery: whether its flag is still there, without reading the whole folder again.
    fn look_again(&mut self, folder: &Path, flag: &Flag) {
        if let Some(flags) = self.flags.get_mut(folder) {
            flags.retain(|other| other.path != flag.path || flag.path.symlink_metadata().is_ok());
        }
        if self.flags.get(folder).is_none_or(Vec::is_empty) || self.may_scan(folder, Instant::now()) {
            self.scan(folder);
        }
    }

    /// Loads that an earlier process did not end: those whose file is still there are repeated
    /// under their number.
    fn resume(&mut self) -> Result<(), StoreError> {
        let formats = &self.intake.settings.formats;
        let there: HashSet<PathBuf> = self.flags.values().flatten().map(|flag| flag.expected_data(formats)).collect();
        let mut resumed = HashMap::new();
        for record in self.intake.journal.unfinished()? {
            let LoadSource::Folder(path) = &record.source else { continue };
            // Nobody knows what stands in a folder that cannot be read now.
            let hidden = path.parent().is_some_and(|folder| self.unreadable.contains(folder));
            if (hidden || there.contains(path)) && !resumed.contains_key(path) {
                resumed
                    .insert(path.clone(), Recorded { load: record.id, at: record.queued_at, consent: record.consent });
            } else {
                deliver::close_vanished(&self.intake, record.id)?;
            }
        }
        self.resumed = Some(resumed);
        Ok(())
    }

    /// The oldest delivery that may go now, or when to look again.
    fn pick(&self) -> Result<Result<Job, Instant>, StoreError> {
        let now = Instant::now();
        let mut wake = self.next_scan.min(now + NETWORK_LOOK);
        if !self.later.is_empty() {
            wake = wake.min(now + RESCAN_PAUSE);
        }
        let mut firsts: Vec<(&PathBuf, &Flag)> = Vec::new();
        for (folder, flags) in &self.flags {
            for flag in flags {
                if self.told.get(&flag.path) == Some(&flag.modified) {
                    continue;
                }
                let wait = self.waits.get(&flag.path).filter(|wait| wait.modified == flag.modified);
                let wait = wait.filter(|wait| wait.until > now && !self.is_closed_now(wait, flag));
                if let Some(wait) = wait
                    && (wait.holds() || flag.data.is_none())
                {
                    wake = wake.min(wait.until);
                    if wait.holds() {
                        break;
                    }
                    continue;
                }
                firsts.push((folder, flag));
                break;
            }
        }
        // The flags of one moment by name, across all folders.
        let begin = firsts.iter().map(|(_, flag)| flag.modified).min();
        let of_moment =
            firsts.iter().filter(|(_, flag)| begin.is_some_and(|begin| folders::is_of_moment(begin, flag.modified)));
        let first = of_moment.min_by(|(_, left), (_, right)| folders::natural(&left.path, &right.path));
        let mut oldest =
            first.map(|(folder, flag)| (flag.modified, Job::Flag { folder: (*folder).clone(), flag: (*flag).clone() }));
        let mut held: HashSet<NodeId> = HashSet::new();
        for record in self.intake.journal.unfinished()? {
            if !matches!(record.source, LoadSource::Rest { .. }) || held.contains(&record.node) {
                continue;
            }
            if let Some(wait) = self.body_waits.get(&record.id).filter(|wait| wait.until > now) {
                wake = wake.min(wait.until);
                held.insert(record.node);
                continue;
            }
            let time = SystemTime::from(record.queued_at);
            if oldest.as_ref().is_none_or(|(oldest, _)| time < *oldest) {
                oldest = Some((time, Job::Body(Box::new(record))));
            }
            break;
        }
        Ok(oldest.map(|(_, job)| job).ok_or(wake))
    }

    /// Whether it waited for a file to be closed, and it is.
    fn is_closed_now(&self, wait: &Wait, flag: &Flag) -> bool {
        let data = flag.data.as_ref().filter(|_| wait.held == Some(Cause::Writing) && wait.watched);
        data.is_some_and(|data| self.watcher.written_until(data).is_none())
    }

    fn carry_out(&mut self, job: Job) -> Result<(), StoreError> {
        match job {
            Job::Body(record) => self.body(&record),
            Job::Flag { folder, flag } => {
                let done = match self.folders.get(&folder).cloned() {
                    Some(Owner::Node { id, layer }) => self.flag(&folder, &flag, id, layer),
                    Some(Owner::Nobody(reason)) => {
                        let data = flag.expected_data(&self.intake.settings.formats);
                        let reason = LoadReason::Folder(reason);
                        deliver::complain(&self.intake, &folder, &data, &reason, Advice::RightFolder);
                        self.told.insert(flag.path.clone(), flag.modified);
                        Ok(())
                    }
                    None => Ok(()),
                };
                self.look_again(&folder, &flag);
                done
            }
        }
    }

    /// Until there may be room again, or the database may work; `stalls`: how often there was not.
    fn later(&self, cause: Cause, stalls: u32) -> Wait {
        let wait = pause(cause, stalls, self.intake.settings.scan_period);
        Wait { held: Some(cause), stalls: stalls.saturating_add(1), until: Instant::now() + wait, ..again(0) }
    }
}

struct Turns {
    intake: Arc<Intake>,
    worker: Kept<Worker>,
}

impl Work for Turns {
    fn run<'a>(&'a mut self, stop: &'a CancellationToken) -> Run<'a> {
        Box::pin(async move {
            let fresh = || {
                let watcher = Watcher::start(Arc::clone(&self.intake.arrived), self.intake.settings.formats.clone());
                Worker::new(Arc::clone(&self.intake), watcher, stop.clone())
            };
            Ok(self.worker.off_thread(fresh, Worker::turn).await?)
        })
    }
}

/// One try more was in vain.
fn again(tries: u32) -> Wait {
    let until = Instant::now() + doubled(FIRST_WAIT, tries, LAST_WAIT);
    Wait {
        tries: tries + 1,
        until,
        load: None,
        modified: SystemTime::UNIX_EPOCH,
        held: None,
        stalls: 0,
        watched: false,
    }
}

fn pause(cause: Cause, stalls: u32, scan_period: Duration) -> Duration {
    let look = LAST_WAIT.min(scan_period);
    match cause {
        Cause::Room | Cause::Writing => look,
        Cause::FullDisk => doubled(look, stalls, LAST_FULL_WAIT),
        Cause::Database => doubled(look.min(FIRST_WAIT), stalls, LAST_WAIT),
    }
}

fn doubled(first: Duration, times: u32, last: Duration) -> Duration {
    first.saturating_mul(1 << times.min(16)).min(last)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_for_room_is_cheap_and_a_try_on_a_full_disk_comes_ever_more_seldom_up_to_a_limit() {
        let period = Duration::from_secs(20);
        let waits = |cause| [0, 1, 2, 99].map(|stalls| pause(cause, stalls, period).as_secs());
        assert_eq!(waits(Cause::Room), [20, 20, 20, 20]);
        assert_eq!(waits(Cause::FullDisk), [20, 40, 80, 900]);
        assert_eq!(waits(Cause::Database), [1, 2, 4, 60]);
    }
}
