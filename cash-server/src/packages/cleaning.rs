//! What goes of the files of packages, and when. It is what frees a full disk, so nothing of it
//! needs room: files go first, then the memory of them, and what fails keeps nothing else.

use super::{PackageError, PackageService};
use crate::store::StoreError;
use jiff::{SignedDuration, Timestamp};
use std::collections::HashSet;
use std::error::Error;
use std::io;
use std::time::Duration;
use tillway_proto::PackageName;

/// A package asked for in this time stays in any case: its delivery may be about to be recorded.
/// More than the ten minutes by which the time of use may be late.
const GRACE: SignedDuration = SignedDuration::from_mins(30);

/// So many packages, those asked for last, do not go by their age: a clock that jumps ahead makes
/// all of them old at once. Their bytes are limited all the same.
const NEWEST_PACKAGES: usize = 10;

/// Digests of states that nobody asked for in this time are forgotten. Longer than a day by far,
/// by which the time of use may be late.
const DIGESTS_UNUSED_FOR: SignedDuration = SignedDuration::from_hours(30 * 24);

/// A file that nothing is known of is removed when it is that old.
const UNKNOWN_FILE_AGE: Duration = Duration::from_hours(1);

/// What may stay of packages beside what deliveries need.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PackageLimits {
    /// A package that nobody asked for in this time goes.
    pub unused_for: SignedDuration,
    /// If all together are larger, those not asked for the longest go first.
    pub bytes: u64,
}

impl Default for PackageLimits {
    /// Two days, so that a till which is off over a night finds its file; 20 GiB.
    fn default() -> Self {
        Self { unused_for: SignedDuration::from_hours(48), bytes: 20 << 30 }
    }
}

/// What a cleaning removed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cleaned {
    /// Files.
    pub files: u64,
    /// Their bytes.
    pub bytes: u64,
}

impl PackageService {
    /// Removes packages beyond `limits`, and files that nothing is known of. What is `in_use`
    /// stays. Where the disk has less than its reserve, no package stays that is not in use: one
    /// that is asked for is built again.
    ///
    /// Each file by itself: the first that cannot be removed is the error, after the others.
    pub fn cleanup(&self, in_use: &HashSet<PackageName>, limits: &PackageLimits) -> Result<Cleaned, PackageError> {
        self.cleanup_at(Timestamp::now(), in_use, limits)
    }

    pub(super) fn cleanup_at(
        &self,
        now: Timestamp,
        in_use: &HashSet<PackageName>,
        limits: &PackageLimits,
    ) -> Result<Cleaned, PackageError> {
        let limit_bytes = if self.lacks_room() { 0 } else { limits.bytes };
        let packages = self.memo.packages()?;
        let mut total: u64 = packages.iter().map(|record| record.bytes).sum();
        let (mut cleaned, mut failed, mut gone) = (Cleaned::default(), None, Vec::new());
        let known: HashSet<PackageName> = packages.iter().map(|record| record.name.clone()).collect();
        // The list begins with the package that nobody asked for the longest.
        let newest = packages.iter().rev().filter(|record| self.is_there(&record.name)).take(NEWEST_PACKAGES);
        let newest: HashSet<&PackageName> = newest.map(|record| &record.name).collect();
        for record in packages.iter().filter(|record| !in_use.contains(&record.name)) {
            let unused_for = now.duration_since(record.used_at);
            let too_old = unused_for > limits.unused_for && !newest.contains(&record.name);
            if unused_for < GRACE || (!too_old && total <= limit_bytes) {
                continue;
            }
            // A memory without a file is built again.
            match self.remove(&record.name, &mut cleaned) {
                Ok(()) => {
                    total = total.saturating_sub(record.bytes);
                    gone.push(record.name.clone());
                }
                Err(error) => failed = failed.or(Some(error)),
            }
        }
        if let Err(error) = self.remove_unknown(&known, in_use, &mut cleaned) {
            failed = failed.or(Some(error));
        }
        self.forget(gone, now);
        failed.map_or(Ok(cleaned), Err)
    }

    fn remove_unknown(
        &self,
        known: &HashSet<PackageName>,
        in_use: &HashSet<PackageName>,
        cleaned: &mut Cleaned,
    ) -> Result<(), PackageError> {
        let mut failed = None;
        for (name, age) in self.files.list().map_err(of_files)? {
            // One that is being built is not known yet: it is left until it has some age.
            if !known.contains(&name)
                && !in_use.contains(&name)
                && age > UNKNOWN_FILE_AGE
                && let Err(error) = self.remove(&name, cleaned)
            {
                failed = failed.or(Some(error));
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// What is not forgotten now is at the next cleaning.
    fn forget(&self, mut gone: Vec<PackageName>, now: Timestamp) {
        let unused_since = now.checked_sub(DIGESTS_UNUSED_FOR).unwrap_or(Timestamp::MIN);
        // One that was built anew in the meantime is remembered anew.
        gone.retain(|name| !self.is_there(name));
        let forget = || -> Result<(), StoreError> {
            self.memo.forget_packages(&gone)?;
            fail::fail_point!("package::forgotten");
            self.memo.forget_digests(unused_since)
        };
        if let Err(error) = forget() {
            tracing::warn!(
                error = &error as &dyn Error,
                "failed to forget packages that were removed; it is tried again"
            );
        }
    }

    fn is_there(&self, name: &PackageName) -> bool {
        self.files.bytes(name).is_ok_and(|bytes| bytes.is_some())
    }

    fn remove(&self, name: &PackageName, cleaned: &mut Cleaned) -> Result<(), PackageError> {
        if let Some(bytes) = self.files.remove(name).map_err(of_files)? {
            cleaned.files += 1;
            cleaned.bytes += bytes;
        }
        Ok(())
    }
}

fn of_files(source: io::Error) -> PackageError {
    PackageError::Files { source }
}
