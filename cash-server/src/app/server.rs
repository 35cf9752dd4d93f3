//! The server itself: its databases, how long it keeps what, and the newest lines of its log.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use crate::store::sizes::DatabaseState;
use tillway_proto::process::{KeptLine, LineFilter};

/// How long something is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// What: the message `keep-<what>`.
    pub what: &'static str,
    /// The setting that says so.
    pub setting: &'static str,
    /// For so many days; none: for ever.
    pub days: Option<u32>,
    /// So much of it at most; none: no matter how much.
    pub bytes: Option<u64>,
}

impl Acting {
    /// All databases, as they are now.
    pub fn databases(&self) -> Result<Vec<DatabaseState>, AppError> {
        self.allow(Act::LookAtServer, Place::Everywhere)?;
        Ok((self.parts.databases)())
    }

    /// How long what is kept.
    pub fn keeps(&self) -> Result<&[Keep], AppError> {
        self.allow(Act::LookAtServer, Place::Everywhere)?;
        Ok(&self.parts.keeps)
    }

    /// The newest lines of the log that a filter leaves, the newest first.
    pub fn log(&self, filter: &LineFilter<'_>) -> Result<Vec<KeptLine>, AppError> {
        self.allow(Act::ReadLog, Place::Everywhere)?;
        Ok(self.parts.log.lines(filter))
    }
}
