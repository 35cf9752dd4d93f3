//! Picks the oldest delivery and loads it: one turn, one delivery.
//!
//! A delivery that has to wait holds back only what came later into the same folder (or, over REST, for the same node),
//! so that an older price never comes over a newer one; a flag without its file holds back nothing.

use super::deliver::{self, Attempt, Delivery};
use super::folders::{self, Flag, Owner};
use super::load::{Form, Report};
use super::watcher::Watcher;
use super::{Intake, archive, source};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::intake::{LoadRecord, LoadSource, NewLoad};
use jiff::Timestamp;
use std::collections::{BTreeMap, HashMap, HashSet};
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use tillway_proto::{LoadId, NodeId};
use tokio_util::sync::CancellationToken;

/// First wait after a failed try; it doubles up to the last.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LAST_WAIT: Duration = Duration::from_mins(1);

/// How often kept files and records are cleaned away.
const CLEANING_PERIOD: Duration = Duration::from_hours(1);

/// Refused files that are kept, even where loaded ones are not: somebody has to see what was wrong.
const MIN_BAD_FILES: usize = 100;

/// Loads that are remembered, and for how long: a year of one in five minutes.
const MAX_LOADS_KEPT: u32 = 100_000;
const MAX_LOADS_AGE: Duration = Duration::from_hours(366 * 24);

/// Loads that one cleaning forgets at most.
const FORGET_STEP: u32 = 1000;

/// Ends the name of a flag that was set aside.
const BAD: &str = ".bad";

/// When to come back.
pub(super) enum Next {
    /// There may be more.
    AtOnce,
    /// After this time, or when something arrives.
    In(Duration),
}

/// A delivery that was tried, or waits for its file.
struct Wait {
    tries: u32,
    until: Instant,
    load: Option<LoadId>,
    /// A flag that was touched again is a new delivery.
    modified: SystemTime,
}

enum Job {
    Flag { folder: PathBuf, flag: Flag },
    Body(LoadRecord),
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
    /// Loads of an earlier process that did not end, by data file; none once they are looked after.
    resumed: Option<HashMap<PathBuf, LoadId>>,
    unreadable: HashSet<PathBuf>,
    /// Version of the network that the folders were made for.
    network: u64,
    next_scan: Instant,
    next_cleaning: Instant,
}

impl Worker {
    pub(super) fn new(intake: Arc<Intake>, watcher: Watcher, shutdown: CancellationToken) -> Self {
        let now = Instant::now();
        Self {
            intake,
            shutdown,
            watcher,
            folders: BTreeMap::new(),
            flags: BTreeMap::new(),
            waits: HashMap::new(),
            body_waits: HashMap::new(),
            told: HashMap::new(),
            resumed: None,
            unreadable: HashSet::new(),
            network: 0,
            next_scan: now,
            next_cleaning: now,
        }
    }

    /// Looks for deliveries and loads the oldest.
    pub(super) fn turn(&mut self) -> Next {
        match self.try_turn() {
            Ok(next) => next,
            Err(error) => {
                tracing::error!(error = &error as &dyn Error, "the intake cannot work and tries again");
                Next::In(LAST_WAIT.min(self.intake.settings.scan_period))
            }
        }
    }

    fn try_turn(&mut self) -> Result<Next, StoreError> {
        let dirty = self.watcher.take();
        let network = self.intake.network()?.version();
        if dirty.all || network != self.network || Instant::now() >= self.next_scan {
            self.network = network;
            self.scan_all()?;
        } else {
            for folder in dirty.folders {
                self.scan(&folder);
            }
        }
        if Instant::now() >= self.next_cleaning {
            self.next_cleaning = Instant::now() + CLEANING_PERIOD;
            self.clean();
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
        match folders::layout(&settings.inbox, &settings.extra_folders, &network) {
            Ok(folders) => {
                let before = std::mem::replace(&mut self.folders, folders);
                let folders = &self.folders;
                // A folder that got another owner has its flags looked at anew.
                self.told.retain(|flag, _| {
                    flag.parent().is_some_and(|folder| before.get(folder) == folders.get(folder)) && flag.exists()
                });
                self.watcher.keep(|folder| folders.contains_key(folder));
            }
            Err(error) => tracing::error!(error = &error as &dyn Error, "failed to look after the inbox"),
        }
        self.flags.clear();
        let all: Vec<PathBuf> = self.folders.keys().cloned().collect();
        for folder in all {
            // Watched first, so that nothing falls between.
            self.watcher.watch(&folder);
            self.scan(&folder);
        }
        let flags: HashSet<&PathBuf> = self.flags.values().flatten().map(|flag| &flag.path).collect();
        self.waits.retain(|path, _| flags.contains(path));
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
        match folders::flags_in(folder) {
            Ok(flags) => {
                self.unreadable.remove(folder);
                if flags.is_empty() {
                    self.flags.remove(folder);
                } else {
                    self.flags.insert(folder.to_owned(), flags);
                }
            }
            Err(error) => {
                self.flags.remove(folder);
                if self.unreadable.insert(folder.to_owned()) {
                    tracing::error!(folder = %folder.display(), error = &error as &dyn Error, "a folder of the intake cannot be read");
                }
            }
        }
    }

    /// Loads that an earlier process did not end: those whose file is still there are repeated under their number.
    fn resume(&mut self) -> Result<(), StoreError> {
        let there: HashSet<PathBuf> = self.flags.values().flatten().map(Flag::expected_data).collect();
        let mut resumed = HashMap::new();
        for record in self.intake.journal.unfinished()? {
            let LoadSource::Folder(path) = &record.source else { continue };
            if there.contains(path) && !resumed.contains_key(path) {
                resumed.insert(path.clone(), record.id);
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
        let mut wake = self.next_scan.min(self.next_cleaning);
        let mut oldest: Option<(SystemTime, Job)> = None;
        for (folder, flags) in &self.flags {
            for flag in flags {
                if self.told.get(&flag.path) == Some(&flag.modified) {
                    continue;
                }
                let wait = self.waits.get(&flag.path).filter(|wait| wait.modified == flag.modified);
                if let Some(wait) = wait.filter(|wait| wait.until > now)
                    && (wait.tries > 0 || flag.data.is_none())
                {
                    wake = wake.min(wait.until);
                    if wait.tries > 0 {
                        break;
                    }
                    continue;
                }
                if oldest.as_ref().is_none_or(|(time, _)| flag.modified < *time) {
                    oldest = Some((flag.modified, Job::Flag { folder: folder.clone(), flag: flag.clone() }));
                }
                break;
            }
        }
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
                oldest = Some((time, Job::Body(record)));
            }
            break;
        }
        Ok(oldest.map(|(_, job)| job).ok_or(wake))
    }

    fn carry_out(&mut self, job: Job) -> Result<(), StoreError> {
        match job {
            Job::Body(record) => self.body(&record),
            Job::Flag { folder, flag } => {
                let done = match self.folders.get(&folder).cloned() {
                    Some(Owner::Node { id, layer }) => self.flag(&folder, &flag, id, layer),
                    Some(Owner::Nobody(reason)) => {
                        let advice = "move data file and flag to the right folder, or remove them";
                        deliver::complain(&folder, &flag.expected_data(), &reason, advice);
                        self.told.insert(flag.path, flag.modified);
                        Ok(())
                    }
                    None => Ok(()),
                };
                self.scan(&folder);
                done
            }
        }
    }

    fn flag(&mut self, folder: &Path, flag: &Flag, node: NodeId, layer: LayerNo) -> Result<(), StoreError> {
        let Some(path) = flag.data.clone() else { return self.without_file(folder, flag) };
        let flag_identity = match source::identify(&flag.path) {
            Ok(identity) => identity,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                self.set_aside(folder, flag, &deliver::chain(&error), "make the flag as an empty regular file");
                return Ok(());
            }
        };
        let earlier = self.waits.remove(&flag.path).filter(|wait| wait.modified == flag.modified);
        let tries = earlier.as_ref().map_or(0, |wait| wait.tries);
        let bytes = source::identify(&path).map_or(0, |identity| identity.bytes);
        let known = earlier
            .and_then(|wait| wait.load)
            .or_else(|| self.resumed.as_mut().and_then(|resumed| resumed.remove(&path)));
        let load = match known {
            Some(load) => load,
            None => self.intake.journal.accept(&NewLoad {
                node: node.clone(),
                source: LoadSource::Folder(path.clone()),
                bytes,
                at: Timestamp::now(),
                watch: None,
            })?,
        };
        // For the case that the journal itself fails on the way: the next try goes on with the same load.
        let wait = Wait { load: Some(load), modified: flag.modified, ..again(tries) };
        self.waits.insert(flag.path.clone(), wait);
        let delivery = Delivery { load, node, layer, path, form: Form::File };
        match deliver::attempt(&self.intake, &delivery, bytes, &self.shutdown)? {
            Attempt::Stopped => return Ok(()),
            Attempt::Ended(report) => {
                deliver::settle(&self.intake, &delivery, &report, Some(folder))?;
                self.remove(&delivery, &report, flag, &flag_identity);
            }
            Attempt::Again { reason, advice, limit } if tries + 1 >= limit => {
                deliver::give_up(&self.intake, load, &reason)?;
                self.set_aside(folder, flag, &reason, advice);
            }
            Attempt::Again { reason, advice, limit } => {
                if tries == 0 {
                    let what = format!("{reason}; it is tried {} more times", limit - 1);
                    deliver::complain(folder, &delivery.path, &what, advice);
                }
                return Ok(());
            }
        }
        self.waits.remove(&flag.path);
        Ok(())
    }

    /// A flag whose data file is not there: it waits a little, then it is set aside.
    fn without_file(&mut self, folder: &Path, flag: &Flag) -> Result<(), StoreError> {
        let path = flag.expected_data();
        // A crash between removing the file and removing the flag leaves this.
        let loaded = self.intake.journal.newest_of(&path)?.is_some_and(|record| {
            record.state.is_final() && record.ended_at.is_some_and(|at| SystemTime::from(at) >= flag.modified)
        });
        let identity = source::identify(&flag.path);
        if loaded && identity.and_then(|identity| source::remove_if_same(&flag.path, &identity)).is_ok() {
            return Ok(());
        }
        let waited = self.waits.get(&flag.path).is_some_and(|wait| wait.modified == flag.modified);
        if waited {
            self.waits.remove(&flag.path);
            let what = "there is a flag, but no data file of the same name";
            let advice = "write the data file first, the flag after it: `pos1.aif`, then `pos1.flz`";
            self.set_aside(folder, flag, what, advice);
        } else {
            let until = Instant::now() + self.intake.settings.data_grace;
            let wait = Wait { tries: 0, until, load: None, modified: flag.modified };
            self.waits.insert(flag.path.clone(), wait);
        }
        Ok(())
    }

    fn set_aside(&mut self, folder: &Path, flag: &Flag, what: &str, advice: &str) {
        deliver::complain(folder, &flag.expected_data(), what, advice);
        let mut name = flag.path.clone().into_os_string();
        name.push(BAD);
        if let Err(error) = fs_err::rename(&flag.path, PathBuf::from(name)) {
            tracing::warn!(
                error = &error as &dyn Error,
                "failed to set a flag aside; it is looked at again when it is touched"
            );
            self.told.insert(flag.path.clone(), flag.modified);
        }
    }

    /// Data file, then flag: when the flag is gone, all is done.
    fn remove(&mut self, delivery: &Delivery, report: &Report, flag: &Flag, flag_identity: &source::Identity) {
        let removed = source::remove_if_same(&delivery.path, &report.identity).and_then(|same| {
            // A newer file is there already: its flag may be this one or come yet.
            if same { source::remove_if_same(&flag.path, flag_identity) } else { Ok(false) }
        });
        if let Err(error) = removed {
            tracing::error!(
                error = &error as &dyn Error,
                "a loaded file cannot be removed: give the server's user the right to write to its folder"
            );
            self.told.insert(flag.path.clone(), flag.modified);
        }
    }

    fn body(&mut self, record: &LoadRecord) -> Result<(), StoreError> {
        let LoadSource::Rest { body, .. } = &record.source else { return Ok(()) };
        let path = self.intake.settings.bodies.join(body);
        let network = self.intake.network()?;
        let Some(node) = network.node(&record.node) else {
            deliver::give_up(&self.intake, record.id, &format!("{} is no longer in the network", record.node))?;
            self.remove_body(&path);
            return Ok(());
        };
        if source::identify(&path).is_err_and(|error| error.kind() == io::ErrorKind::NotFound) {
            return deliver::close_vanished(&self.intake, record.id);
        }
        let tries = self.body_waits.remove(&record.id).map_or(0, |wait| wait.tries);
        let delivery = Delivery { load: record.id, node: record.node.clone(), layer: node.no, path, form: Form::Array };
        match deliver::attempt(&self.intake, &delivery, record.bytes, &self.shutdown)? {
            Attempt::Stopped => {}
            Attempt::Ended(report) => {
                deliver::settle(&self.intake, &delivery, &report, None)?;
                self.remove_body(&delivery.path);
            }
            Attempt::Again { reason, limit, .. } if tries + 1 >= limit => {
                let origin = format!("rest-{}", record.node.code());
                let target = archive::place(&self.intake.settings.bad, record.id, Timestamp::now(), &origin, "");
                if let Err(error) = archive::copy(&delivery.path, target) {
                    tracing::warn!(error = &error as &dyn Error, "failed to put a body aside");
                }
                deliver::give_up(&self.intake, record.id, &reason)?;
                self.remove_body(&delivery.path);
            }
            Attempt::Again { .. } => {
                self.body_waits.insert(record.id, again(tries));
            }
        }
        Ok(())
    }

    fn remove_body(&self, path: &Path) {
        if let Err(error) = fs_err::remove_file(path) {
            tracing::warn!(error = &error as &dyn Error, "failed to remove a loaded body; the next start does");
        }
        self.intake.callbacks.notify_one();
    }

    fn clean(&self) {
        let settings = &self.intake.settings;
        let bad_files = settings.backup_keep_files.max(MIN_BAD_FILES);
        for (folder, files) in [(&settings.backup, settings.backup_keep_files), (&settings.bad, bad_files)] {
            match archive::clean(folder, settings.backup_keep_days, files) {
                Ok(0) => {}
                Ok(removed) => tracing::info!(folder = %folder.display(), removed, "removed old files"),
                Err(error) => tracing::warn!(error = &error as &dyn Error, "failed to remove old files"),
            }
        }
        let before = Timestamp::now().checked_sub(MAX_LOADS_AGE).unwrap_or(Timestamp::UNIX_EPOCH);
        if let Err(error) = self.intake.journal.prune(before, MAX_LOADS_KEPT, FORGET_STEP) {
            tracing::warn!(error = &error as &dyn Error, "failed to forget old loads");
        }
    }
}

/// One try more was in vain.
fn again(tries: u32) -> Wait {
    let wait = FIRST_WAIT.saturating_mul(1 << tries.min(16)).min(LAST_WAIT);
    Wait { tries: tries + 1, until: Instant::now() + wait, load: None, modified: SystemTime::UNIX_EPOCH }
}
