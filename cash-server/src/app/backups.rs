//! Backups: which there are, how the one stands that is being made, and asking for one.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use crate::backup::{Ended, Progress, Seen};
use std::path::PathBuf;

/// How backups stand.
#[derive(Debug, Clone)]
pub struct BackupsState {
    /// Where they are kept: a folder, or `s3://<bucket>/<prefix>`.
    pub place: PathBuf,
    /// One is made each day.
    pub daily: bool,
    /// They lie on the disk that they are to save from.
    pub same_disk: bool,
    /// How far the one is that is being made now.
    pub under_way: Option<Progress>,
    /// How the last backup of this server ended, since its start.
    pub backup_ended: Option<Ended>,
    /// The same of the last rehearsal.
    pub rehearsal_ended: Option<Ended>,
    /// Those that are kept, as the last look found them.
    pub seen: Seen,
}

impl Acting {
    /// How backups stand.
    pub fn backups(&self) -> Result<BackupsState, AppError> {
        self.allow(Act::LookAtServer, Place::Everywhere)?;
        let backups = &self.parts.backups;
        Ok(BackupsState {
            place: backups.place(),
            daily: backups.are_daily(),
            same_disk: backups.are_on_the_same_disk(),
            under_way: backups.progress(),
            backup_ended: backups.backup_ended(),
            rehearsal_ended: backups.rehearsal_ended(),
            seen: backups.shown(),
        })
    }

    /// Has a backup made soon.
    pub fn ask_for_backup(&self) -> Result<(), AppError> {
        self.allow(Act::ManageBackups, Place::Everywhere)?;
        self.parts.backups.ask_for_backup();
        Ok(())
    }

    /// Has the newest backup rehearsed soon.
    pub fn ask_for_rehearsal(&self) -> Result<(), AppError> {
        self.allow(Act::ManageBackups, Place::Everywhere)?;
        self.parts.backups.ask_for_rehearsal();
        Ok(())
    }
}
