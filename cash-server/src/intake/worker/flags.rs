//! Deliveries through folders: a flag and its data file.

use super::removed::Open;
use super::{Recorded, Wait, Worker, again};
use crate::intake::advice::Advice;
use crate::intake::aside::is_data_of;
use crate::intake::deliver::{self, Attempt, Cause, Delivery};
use crate::intake::folders::{BAD, Flag};
use crate::intake::source::{self, Identity};
use crate::network::LayerNo;
use crate::store::StoreError;
use crate::store::intake::{Consent, LoadReason, LoadRecord, LoadSource, LoadState, NewLoad};
use jiff::Timestamp;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};
use tillway_proto::{LoadId, NodeId};

/// The word in a flag by which its producer says yes to whatever the load takes away
/// (formats/aif).
const CONSENT: &str = "approve";

/// A file that is younger than its flag is left alone until nothing was written to it for so long.
const QUIET: Duration = Duration::from_secs(2);

/// What is delivered: a data file and the flag that says that it is whole.
struct Pair {
    path: PathBuf,
    /// None where the data file is no regular file, or cannot be looked at.
    data: Option<Identity>,
    flag: Identity,
}

impl Pair {
    /// For the record: the same files in the same state are one delivery.
    fn text(&self) -> Option<String> {
        self.data.map(|data| format!("{} {}", data.text(), self.flag.text()))
    }
}

impl Worker {
    pub(super) fn flag(&mut self, folder: &Path, flag: &Flag, node: NodeId, layer: LayerNo) -> Result<(), StoreError> {
        // The folder was perhaps read before the file went.
        let there =
            |path: &PathBuf| !path.symlink_metadata().is_err_and(|error| error.kind() == io::ErrorKind::NotFound);
        let Some(path) = flag.data.clone().filter(there) else { return self.without_file(folder, flag) };
        let flag_identity = match source::identify(&flag.path) {
            Ok(identity) => identity,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error) => {
                let reason = LoadReason::WrongFlag { detail: crate::error_chain(&error) };
                self.set_aside(folder, flag, &reason, Advice::PlainFlag);
                return Ok(());
            }
        };
        let pair = Pair { data: source::identify(&path).ok(), flag: flag_identity, path };
        let bytes = pair.data.map_or(0, |data| data.bytes);
        let writing = self.still_written(flag, &pair);
        let patience = self.intake.settings.writer_patience;
        if let Some((until, watched)) = writing
            && let until = until.min(*self.writing.entry(flag.path.clone()).or_insert_with(Instant::now) + patience)
            && until > Instant::now()
        {
            // With what it has: a load that was begun goes on with its number and its tries.
            let earlier = self.waits.remove(&flag.path).filter(|wait| wait.modified == flag.modified);
            let (load, tries) = earlier.map_or((None, 0), |wait| (wait.load, wait.tries));
            let wait = Wait { load, tries, until, watched, modified: flag.modified, ..self.later(Cause::Writing, 0) };
            self.waits.insert(flag.path.clone(), wait);
            return Ok(());
        }
        self.writing.remove(&flag.path);
        let earlier = self.waits.remove(&flag.path);
        // A flag that is touched while it waits begins its tries anew, with the load that it has.
        let own = earlier.as_ref().and_then(|wait| wait.load);
        let earlier = earlier.filter(|wait| wait.modified == flag.modified);
        let tries = earlier.as_ref().map_or(0, |wait| wait.tries);
        let (held, stalls) = earlier.as_ref().map_or((None, 0), |wait| (wait.held, wait.stalls));
        let flag_says_yes = source::says(&flag.path, CONSENT);
        let known = own.or_else(|| self.resumed.as_mut().and_then(|resumed| resumed.remove(&pair.path)));
        if known.is_none()
            && let Some(state) = self.ended_before(&pair)?
        {
            self.clear_away(flag, &pair, state);
            return Ok(());
        }
        let known = match known {
            Some(known) => self.begun_before(known, &pair, flag_says_yes)?,
            None => self.accept(&pair, &node, bytes, flag_says_yes)?,
        };
        // For the case that the journal itself fails on the way: the next try goes on with the
        // same load.
        let modified = flag.modified;
        let wait = Wait { load: Some(known), modified, held, tries, ..self.later(Cause::Database, stalls) };
        self.waits.insert(flag.path.clone(), wait);
        let Recorded { load, at, consent } = known;
        if writing.is_some() {
            let reason = LoadReason::StillWritten { seconds: patience.as_secs() };
            self.give_up(folder, flag, &pair, load, (&reason, Cause::Writing.advice()))?;
            // Whatever the file is by now, it is not whole.
            self.remove_flag(flag, &Pair { data: None, ..pair });
            self.waits.remove(&flag.path);
            return Ok(());
        }
        let encoding = self.intake.settings.encoding_of(&pair.path);
        let format = self.intake.settings.formats.of_kept(&pair.path.to_string_lossy());
        let delivery =
            Delivery { load, node, layer, path: pair.path.clone(), format, is_body: false, encoding, at, consent };
        match deliver::attempt(&self.intake, &delivery, bytes, &self.shutdown)? {
            Attempt::Stopped => return Ok(()),
            Attempt::Ended(mut report) => {
                deliver::settle(&self.intake, &delivery, &mut report, Some(folder))?;
                let read = Pair { data: Some(report.identity), ..pair };
                let state = if report.is_not_taken() { LoadState::Error } else { LoadState::Ready };
                let open = read.data.filter(|_| state == LoadState::Ready).and_then(|data| Open::of(&read.path, &data));
                self.clear_away(flag, &read, state);
                if let Some(open) = open {
                    self.removed.follow(load, delivery.node, read.path, open);
                }
                fail::fail_point!("intake::flag_removed");
            }
            Attempt::Later { reason, cause } => {
                let wait = Wait { load: Some(known), modified, tries, ..self.later(cause, stalls) };
                self.waits.insert(flag.path.clone(), wait);
                if held != Some(cause) {
                    deliver::complain(&self.intake, folder, &delivery.path, &reason, cause.advice());
                    self.intake.journal.requeue(load, &reason.into(), true)?;
                }
                return Ok(());
            }
            Attempt::Again { reason, advice, limit } if tries + 1 >= limit => {
                self.give_up(folder, flag, &pair, load, (&reason, advice))?;
            }
            Attempt::Again { reason, advice, limit } => {
                self.waits.insert(flag.path.clone(), Wait { load: Some(known), modified, ..again(tries) });
                if tries == 0 {
                    let what = LoadReason::TriedAgain { reason: Box::new(reason), times: limit - 1 };
                    deliver::complain(&self.intake, folder, &delivery.path, &what, advice);
                }
                return Ok(());
            }
        }
        self.waits.remove(&flag.path);
        Ok(())
    }

    /// The file stays under its name, its flag goes, and its producer is told.
    fn give_up(
        &mut self,
        folder: &Path,
        flag: &Flag,
        pair: &Pair,
        load: LoadId,
        (reason, advice): (&LoadReason, Advice),
    ) -> Result<(), StoreError> {
        let stays = pair.data.map(|_| deliver::path_text(&pair.path));
        deliver::give_up(&self.intake, load, reason, stays)?;
        fail::fail_point!("intake::given_up");
        deliver::complain(&self.intake, folder, &pair.path, reason, advice);
        self.remove_flag(flag, pair);
        Ok(())
    }

    /// Until when to wait for a file that somebody still writes, and whether the file system tells
    /// when that is over.
    fn still_written(&self, flag: &Flag, pair: &Pair) -> Option<(Instant, bool)> {
        if let Some(until) = self.watcher.written_until(&pair.path) {
            return Some((until, true));
        }
        // Where nothing is reported, a file that is younger than its flag may still grow.
        let age = pair.data.filter(|data| data.modified_at() > flag.modified)?.modified_at().elapsed().ok()?;
        Some((Instant::now() + QUIET.checked_sub(age).filter(|rest| !rest.is_zero())?, false))
    }

    fn accept(&self, pair: &Pair, node: &NodeId, bytes: u64, flag_says_yes: bool) -> Result<Recorded, StoreError> {
        let at = Timestamp::now();
        let consent = if flag_says_yes { self.consent_for(pair)? } else { Consent::No };
        let source = LoadSource::Folder(pair.path.clone());
        let new = NewLoad { node: node.clone(), source, bytes, at, watch: None, delivery: pair.text(), consent };
        let load = self.intake.journal.accept(&new)?;
        fail::fail_point!("intake::accepted");
        Ok(Recorded { load, at, consent })
    }

    /// A load that goes on, with flag and data file as they are now: either may have been written
    /// anew since it was taken in, and a yes counts for what it was said of.
    fn begun_before(&self, known: Recorded, pair: &Pair, flag_says_yes: bool) -> Result<Recorded, StoreError> {
        let before = self.intake.journal.load(known.load)?;
        let text = pair.text();
        let consent = match known.consent {
            _ if !flag_says_yes => Consent::No,
            Consent::Late(_) if !before.as_ref().is_some_and(|before| is_of(before, pair)) => Consent::Given,
            Consent::No if before.as_ref().is_some_and(|before| before.delivery != text) => Consent::Given,
            as_before => as_before,
        };
        if let Some(text) = text {
            self.intake.journal.deliver_as(known.load, &text, consent)?;
        }
        Ok(Recorded { consent, ..known })
    }

    /// Of a producer who says yes: to a file that was held as it lies there, what is newer than
    /// that stays. Where it is not known any more what is newer, the file is looked at anew.
    fn consent_for(&self, pair: &Pair) -> Result<Consent, StoreError> {
        // Also where it is held no more, since a person refused it or a newer load took its place.
        let newest = self.intake.journal.newest_of(&pair.path)?.filter(|record| is_of(record, pair));
        let Some(held) = newest.and_then(|record| record.held) else { return Ok(Consent::Given) };
        let is_too_old = self.intake.dictionary.snapshot()?.log_start() > held.at;
        Ok(if is_too_old { Consent::No } else { Consent::Late(held.at) })
    }

    /// How this very delivery ended before, where only its files are still there: a crash, or a
    /// folder that the server may not write to.
    fn ended_before(&self, pair: &Pair) -> Result<Option<LoadState>, StoreError> {
        let Some(text) = pair.text() else { return Ok(None) };
        let newest = self.intake.journal.newest_of(&pair.path)?;
        let same = newest.filter(|record| record.state.is_final() && record.delivery.as_ref() == Some(&text));
        Ok(same.map(|record| record.state))
    }

    /// A flag whose data file is not there: it waits a little, then it is set aside.
    fn without_file(&mut self, folder: &Path, flag: &Flag) -> Result<(), StoreError> {
        // Without its file the load that waited has nothing more to try.
        if let Some(known) = self.waits.get_mut(&flag.path).and_then(|wait| wait.load.take()) {
            deliver::close_vanished(&self.intake, known.load)?;
        }
        let path = flag.expected_data(&self.intake.settings.formats);
        let identity = source::identify(&flag.path);
        let touched = flag.path.symlink_metadata().and_then(|metadata| metadata.modified()).unwrap_or(flag.modified);
        // A crash between removing the file and removing the flag leaves this. So does `touch`: it
        // makes the flag and then sets its time, and a small file is loaded in between, so that
        // the flag is another one than that which was read.
        let own = identity.as_ref().map(|identity| format!(" {}", identity.text())).unwrap_or_default();
        let loaded = self.intake.journal.newest_of(&path)?.is_some_and(|record| {
            let of_this_flag = record.delivery.as_ref().is_some_and(|delivery| delivery.ends_with(&own));
            let after_it = record.ended_at.is_some_and(|at| is_within_load(touched, at));
            record.state.is_final() && (after_it || (of_this_flag && !own.is_empty()))
        });
        if loaded && identity.and_then(|identity| source::remove_if_same(&flag.path, &identity)).is_ok() {
            return Ok(());
        }
        let waited = self.waits.get(&flag.path).is_some_and(|wait| wait.modified == flag.modified);
        if !waited {
            let until = Instant::now() + self.intake.settings.data_grace;
            let wait = Wait { until, modified: flag.modified, tries: 0, ..again(0) };
            self.waits.insert(flag.path.clone(), wait);
            return Ok(());
        }
        self.waits.remove(&flag.path);
        // The folder was perhaps not looked at since the file came.
        self.scan(folder);
        let now_there = |found: &Flag| found.path == flag.path && found.data.is_some();
        if !self.flags.get(folder).is_some_and(|flags| flags.iter().any(now_there)) {
            self.set_aside(folder, flag, &LoadReason::NoDataFile, Advice::DataBeforeFlag);
        }
        Ok(())
    }

    fn set_aside(&mut self, folder: &Path, flag: &Flag, what: &LoadReason, advice: Advice) {
        let data = flag.expected_data(&self.intake.settings.formats);
        deliver::complain(&self.intake, folder, &data, what, advice);
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

    /// After a load that ended so.
    fn clear_away(&mut self, flag: &Flag, pair: &Pair, state: LoadState) {
        match state {
            LoadState::Error | LoadState::Held => self.remove_flag(flag, pair),
            _ => self.remove(flag, pair),
        }
    }

    /// Data file, then flag: when the flag is gone, all is done.
    fn remove(&mut self, flag: &Flag, pair: &Pair) {
        let Some(data) = &pair.data else { return };
        let removed = source::remove_if_same(&pair.path, data).and_then(|same| {
            fail::fail_point!("intake::data_removed");
            // A newer file is there already: its flag may be this one or come yet.
            if same { source::remove_if_same(&flag.path, &pair.flag) } else { Ok(false) }
        });
        if let Err(error) = removed {
            tracing::error!(
                error = &error as &dyn Error,
                "a loaded file cannot be removed: give the server's user the right to write to its folder"
            );
            self.told.insert(flag.path.clone(), flag.modified);
        }
    }

    /// The file was not taken: it stays under its name, and its flag goes. Where the file was
    /// written anew in the meantime, the flag may be that one's.
    fn remove_flag(&mut self, flag: &Flag, pair: &Pair) {
        let changed =
            pair.data.is_some_and(|read| source::identify(&pair.path).is_ok_and(|now| !now.same_content(&read)));
        if changed {
            return;
        }
        if let Err(error) = source::remove_if_same(&flag.path, &pair.flag) {
            tracing::error!(
                error = &error as &dyn Error,
                "the flag of a file that was not loaded cannot be removed: give the server's user the right to write to \
                 its folder"
            );
            self.told.insert(flag.path.clone(), flag.modified);
        }
    }
}

/// Whether a flag got its time before the load ended. The record knows whole milliseconds, a file
/// system finer ones: within the last one the flag counts as the load's, since `touch` sets its
/// time while a small file is loaded.
fn is_within_load(touched: SystemTime, ended_at: Timestamp) -> bool {
    SystemTime::from(ended_at) + Duration::from_millis(1) > touched
}

/// Whether a load was of this very data file.
fn is_of(record: &LoadRecord, pair: &Pair) -> bool {
    pair.data.is_some_and(|data| is_data_of(record, &data))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_flag_of_the_millisecond_in_which_the_load_ended_is_the_loads() {
        let ended = Timestamp::from_millisecond(1_700_000_000_123).unwrap();
        let at = |nanos: u64| SystemTime::from(ended) + Duration::from_nanos(nanos);
        assert!(is_within_load(at(0), ended) && is_within_load(at(999_999), ended));
        assert!(!is_within_load(at(1_000_000), ended));
    }
}
