//! A database that can be made again from the others: a damaged file is put aside and made anew,
//! at the start and while it is used.

use super::connection::{Database, Durability};
use crate::store::{Place, StoreError};
use rusqlite_migration::Migrations;
use std::error::Error;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, PoisonError, RwLock};

/// Ends the name under which a damaged file is kept, the last one, for whoever wants to know what
/// happened to it.
const DAMAGED: &str = ".damaged";

type Steps = &'static LazyLock<Migrations<'static>>;

/// Such a database. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Remade {
    path: Arc<Path>,
    steps: Steps,
    database: Arc<RwLock<Database>>,
}

impl Remade {
    /// Opens the database, and makes it when it is not there.
    pub(super) fn open(path: &Path, steps: Steps) -> Result<Self, StoreError> {
        let database = match open(path, steps) {
            Err(error @ StoreError::Damaged { .. }) => make_anew(path, steps, &error)?,
            other => other?,
        };
        Ok(Self { path: path.into(), steps, database: Arc::new(RwLock::new(database)) })
    }

    /// Does something, on a new database where the present one turns out to be damaged.
    pub(super) fn healing<T>(&self, work: impl Fn(&Database) -> Result<T, StoreError>) -> Result<T, StoreError> {
        let database = self.current();
        let error = match work(&database) {
            Err(error) if is_damage(&error) => error,
            other => return other,
        };
        let fresh = {
            let mut slot = self.database.write().unwrap_or_else(PoisonError::into_inner);
            // Another may have been faster.
            if slot.is_same(&database) {
                *slot = make_anew(&self.path, self.steps, &error)?;
            }
            slot.clone()
        };
        work(&fresh)
    }

    pub(super) fn current(&self) -> Database {
        self.database.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn open(path: &Path, steps: Steps) -> Result<Database, StoreError> {
    Database::open(path, steps, Durability::Normal)
}

/// Whether the file holds what this program never wrote.
pub(super) fn is_damage(error: &StoreError) -> bool {
    matches!(error, StoreError::Damaged { .. } | StoreError::Corrupt { .. } | StoreError::Unreadable { .. })
}

fn make_anew(path: &Path, steps: Steps, why: &StoreError) -> Result<Database, StoreError> {
    tracing::error!(
        error = why as &dyn Error,
        path = %path.display(),
        "a database that can be made again is damaged; it is put aside, and made anew"
    );
    for ending in ["", "-wal", "-shm"] {
        let with = |more: &str| {
            let mut name = path.to_owned().into_os_string();
            name.push(ending);
            name.push(more);
            PathBuf::from(name)
        };
        match fs_err::rename(with(""), with(DAMAGED)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                return Err(StoreError::Open { place: Place::new(path.display()), source: Box::new(error) });
            }
            _ => {}
        }
    }
    open(path, steps)
}
