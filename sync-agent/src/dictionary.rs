//! The till's dictionary as the agent's tasks share it: one loader, opened when it is first needed, made anew where the
//! file is no sound database (the server then sends everything).

use std::io;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use tillway_exchangers::package::PackageSource;
use tillway_exchangers::till::dictionary::{self, Applied, ApplyError, Loader, OpenError, State};

/// Why the dictionary could not be worked on.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DictionaryError {
    #[error("failed to open the dictionary")]
    Open(#[source] OpenError),
    #[error("failed to set the damaged dictionary aside")]
    SetAside(#[source] io::Error),
    #[error("failed to load")]
    Apply(#[source] ApplyError),
}

/// `dictionaries.db`. Calls block.
#[derive(Debug)]
pub(crate) struct Dictionary {
    path: PathBuf,
    loader: Mutex<Option<Loader>>,
}

impl Dictionary {
    pub(crate) fn at(path: PathBuf) -> Self {
        Self { path, loader: Mutex::default() }
    }

    /// What the till has; does not wait for a load.
    pub(crate) fn look(&self) -> Result<State, OpenError> {
        State::read(&self.path)
    }

    /// Applies a package.
    pub(crate) fn apply(&self, source: &mut impl PackageSource) -> Result<Applied, DictionaryError> {
        self.with_loader(|loader| loader.apply(source))
    }

    /// Recounts everything; gives the names of the kinds that differ.
    pub(crate) fn verify(&self) -> Result<Vec<String>, DictionaryError> {
        let kinds = self.with_loader(Loader::verify)?;
        Ok(kinds.iter().map(|kind| kind.name().to_owned()).collect())
    }

    fn with_loader<T>(&self, work: impl FnOnce(&mut Loader) -> Result<T, ApplyError>) -> Result<T, DictionaryError> {
        let mut held = self.loader.lock().unwrap_or_else(PoisonError::into_inner);
        let loader = match &mut *held {
            Some(loader) => loader,
            none => none.insert(self.open()?),
        };
        let done = work(loader);
        if done.as_ref().is_err_and(ApplyError::is_corrupt) {
            *held = None;
            self.begin_anew()?;
        }
        done.map_err(DictionaryError::Apply)
    }

    fn open(&self) -> Result<Loader, DictionaryError> {
        if let Some(folder) = self.path.parent() {
            fs_err::create_dir_all(folder).map_err(DictionaryError::SetAside)?;
        }
        match Loader::open(&self.path) {
            Err(error) if error.is_corrupt() => {
                self.begin_anew()?;
                Loader::open(&self.path).map_err(DictionaryError::Open)
            }
            opened => opened.map_err(DictionaryError::Open),
        }
    }

    fn begin_anew(&self) -> Result<(), DictionaryError> {
        let aside = dictionary::set_aside(&self.path).map_err(DictionaryError::SetAside)?;
        tracing::error!(aside = %aside.display(), "the dictionary is damaged: set aside, and asked for whole");
        Ok(())
    }
}
