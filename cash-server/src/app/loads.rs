//! Loads and their reports; a yes or a no to loads that are held.

use super::Acting;
use super::error::AppError;
use super::rights::Act;
use crate::intake::LoadProgress;
use crate::store::intake::{LoadRecord, NoticeRecord};
use tillway_proto::LoadId;

/// A load, and how far it is.
#[derive(Debug)]
pub struct Load {
    /// The load.
    pub record: LoadRecord,
    /// How far it is, where it is under way.
    pub progress: Option<LoadProgress>,
}

/// A load with the first of its rejects and warnings.
#[derive(Debug)]
pub struct LoadReport {
    /// The load.
    pub load: Load,
    /// What was rejected.
    pub rejects: Vec<NoticeRecord>,
    /// What a person should know of records that were taken.
    pub warnings: Vec<NoticeRecord>,
}

impl Acting {
    /// Loads, newest first.
    pub fn loads(&self, limit: u32) -> Result<Vec<Load>, AppError> {
        let (scope, journal) = (self.reading()?, &self.parts.journal);
        let under_way = self.parts.aside.intake.progress();
        let with = |record: LoadRecord| Load { progress: under_way.filter(|one| one.load == record.id), record };
        let recent = scope.first(limit, |limit| Ok(journal.recent(limit)?), |record| record.node.clone())?;
        Ok(recent.into_iter().map(with).collect())
    }

    /// One load, with so many of its rejects and warnings.
    pub fn load(&self, load: LoadId, notices: u32) -> Result<LoadReport, AppError> {
        let scope = self.reading()?;
        let record = self.parts.journal.load(load)?.filter(|record| scope.covers(&record.node));
        let record = record.ok_or(AppError::UnknownLoad { load })?;
        let progress = self.parts.aside.intake.progress().filter(|one| one.load == load);
        self.report(Load { record, progress }, notices)
    }

    /// Says yes or no to a held load. The load that carries it out; none where it was refused.
    pub fn decide_held(&self, load: LoadId, approve: bool) -> Result<Option<LoadId>, AppError> {
        let scope = self.scope(Act::ManageLoads)?;
        let record = self.parts.journal.load(load)?.filter(|record| scope.covers(&record.node));
        if record.is_none() && !scope.is_whole() {
            return Err(AppError::UnknownLoad { load });
        }
        Ok(self.settling().decide_held(load, approve)?)
    }

    pub(super) fn report(&self, load: Load, notices: u32) -> Result<LoadReport, AppError> {
        let (id, counts) = (load.record.id, load.record.counts);
        let journal = &self.parts.journal;
        let rejects = if counts.rejected > 0 { journal.rejects(id, notices)? } else { Vec::new() };
        let warnings = if counts.warnings > 0 { journal.warnings(id, notices)? } else { Vec::new() };
        Ok(LoadReport { load, rejects, warnings })
    }
}
