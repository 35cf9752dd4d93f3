//! A backup on trial: unpacked, opened as a server would open it, and compared.

use super::DATABASES;
use super::archive::{self, Manifest};
use super::error::BackupError;
use super::targets::{GoesOn, Target, folder};
use crate::store::Stores;
use crate::store::copies::Copied;
use age::x25519::Identity;
use std::path::Path;

/// Unpacks a backup into a folder that is not there, opens it, compares. Gives its rows.
pub(super) fn rehearse(
    target: &dyn Target,
    name: &str,
    key: &Identity,
    scratch: &Path,
    goes_on: GoesOn<'_>,
    unpacking: &mut dyn FnMut(u64) -> bool,
) -> Result<u64, BackupError> {
    folder::make(scratch)?;
    let path = target.path_of(name);
    let manifest = archive::read(target.open(name, goes_on)?, &path, Some(key), Some(scratch), unpacking)?;
    compare(&path, &manifest, &scratch.join(DATABASES))
}

/// Opens unpacked databases as a server would, and holds their rows against what the backup was
/// made of. Gives how many there are.
pub(super) fn compare(path: &Path, manifest: &Manifest, databases: &Path) -> Result<u64, BackupError> {
    let found = Stores::look_at_copies(databases)?;
    let mut rows = 0;
    for Copied { name, rows: there } in found {
        let of_file = manifest.rows.get(&name).cloned().unwrap_or_default();
        // A table that a newer server has beside them says nothing of the backup.
        let differs = of_file.iter().find(|(table, count)| there.get(*table) != Some(count));
        if let Some((table, count)) = differs {
            let has = there.get(table).map_or_else(|| "none".to_owned(), u64::to_string);
            let reason = format!("table `{table}` of {name} has {has} rows in place of {count}");
            return Err(BackupError::Unfit { path: path.to_owned(), reason });
        }
        rows += of_file.values().sum::<u64>();
    }
    Ok(rows)
}
