//! Files that were loaded and removed, and whoever writes on to them.
//!
//! A program that made its flag too early, and whose file was loaded all the same, still has the
//! file open: what it writes now is in a file without a name, and goes when it closes it. So each
//! file stays open here for a while after it was removed. What it holds by then, if that is more
//! than was read, is set aside as a refused load: it is shown, and a person hands it in or drops
//! it.

use crate::intake::advice::Advice;
use crate::intake::source::{self, Identity};
use crate::intake::{Intake, archive, deliver};
use crate::store::StoreError;
use crate::store::intake::{Consent, LoadReason, LoadSource, NewLoad};
use crate::words::Reason;
use fs_err as fs;
use jiff::Timestamp;
use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use tillway_proto::{LoadId, NodeId};
use uuid::Uuid;

/// Files that are kept open at the same time. Where more are removed, the oldest is looked at for
/// the last time.
const MAX_OPEN: usize = 64;

/// One file that was removed.
struct Removed {
    load: LoadId,
    node: NodeId,
    path: PathBuf,
    file: fs::File,
    /// As it was when it was looked at last.
    seen: Identity,
    grew: bool,
    since: Instant,
    /// When it changed last.
    changed: Instant,
}

impl Removed {
    fn look(&mut self) {
        // A file that cannot be looked at is as it was.
        if let Ok(now) = source::identify_open(&self.file)
            && !now.same_content(&self.seen)
        {
            (self.seen, self.grew, self.changed) = (now, true, Instant::now());
        }
    }
}

/// All of them.
pub(super) struct RemovedFiles {
    intake: Arc<Intake>,
    files: Vec<Removed>,
}

/// A file that is about to be removed.
pub(super) struct Open(fs::File, Identity);

impl Open {
    /// None where it is not the one that was read any more: then it is not removed.
    pub(super) fn of(path: &Path, read: &Identity) -> Option<Self> {
        let (file, seen) = source::open(path).ok()?;
        seen.same_content(read).then_some(Self(file, seen))
    }
}

impl RemovedFiles {
    pub(super) fn new(intake: Arc<Intake>) -> Self {
        Self { intake, files: Vec::new() }
    }

    /// It was removed.
    pub(super) fn follow(&mut self, load: LoadId, node: NodeId, path: PathBuf, Open(file, seen): Open) {
        if self.files.len() >= MAX_OPEN {
            let oldest = self.files.remove(0);
            self.end(oldest);
        }
        let now = Instant::now();
        self.files.push(Removed { load, node, path, file, seen, grew: false, since: now, changed: now });
    }

    /// Looks at each; lets those go to which nothing was written for a while.
    pub(super) fn look(&mut self) {
        let settings = &self.intake.settings;
        let (quiet, patience) = (settings.growth_watch, settings.growth_watch.max(settings.writer_patience));
        for mut one in std::mem::take(&mut self.files) {
            one.look();
            if one.changed.elapsed() >= quiet || one.since.elapsed() >= patience {
                self.end(one);
            } else {
                self.files.push(one);
            }
        }
    }

    fn end(&self, mut one: Removed) {
        one.look();
        if one.grew
            && let Err(error) = self.set_aside(&one)
        {
            tracing::error!(
                file = %one.path.display(),
                error = &error as &dyn Error,
                "a file was written on after it was loaded and removed, and what was written is lost"
            );
        }
    }

    fn set_aside(&self, one: &Removed) -> Result<(), StoreError> {
        let Removed { load: first, node, path, seen, .. } = one;
        let at = Timestamp::now();
        // Not of its folder: what lies there under its name by now is another delivery.
        let format = self.intake.settings.formats.of_kept(&path.to_string_lossy());
        let body = format!("{}{}", Uuid::now_v7().simple(), format.ending());
        let source = LoadSource::Rest { body, dictionary_id: None, retry_of: Some(*first) };
        let new = NewLoad {
            node: node.clone(),
            source,
            bytes: seen.bytes,
            at,
            watch: None,
            delivery: None,
            consent: Consent::No,
        };
        let load = self.intake.journal.accept(&new)?;
        let target = archive::place(&self.intake.settings.bad, load, at, &archive::origin(path), "");
        let kept = archive::copy_open(&one.file, target);
        let reason = match &kept {
            Ok(_) => LoadReason::WrittenOn { load: first.0 },
            Err(error) => LoadReason::WrittenOnAndLost { load: first.0, detail: crate::error_chain(error) },
        };
        let kept = kept.ok();
        if let Some(kept) = &kept
            && let Err(error) = archive::note_reason(kept, &self.intake.words().reason(&Reason::of(&reason)))
        {
            tracing::warn!(error = &error as &dyn Error, "failed to note why a file was set aside");
        }
        let name = kept.as_ref().and_then(|kept| kept.file_name()).map(|name| name.to_string_lossy().into_owned());
        deliver::give_up(&self.intake, load, &reason, name)?;
        if let Some(folder) = path.parent() {
            deliver::complain(&self.intake, folder, path, &reason, Advice::WriteUnderOtherName);
        }
        Ok(())
    }
}

impl Drop for RemovedFiles {
    /// The server stops: nobody looks at them later.
    fn drop(&mut self) {
        for one in std::mem::take(&mut self.files) {
            self.end(one);
        }
    }
}
