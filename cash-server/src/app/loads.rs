//! Loads and their reports; a yes or a no to loads that are held.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use crate::audit::Verb;
use crate::intake::{KeptContent, KeptFile, LoadProgress, Upload, UploadError, UploadPlace};
use crate::store::intake::{LoadRecord, NoticeRecord};
use serde_json::json;
use std::io;
use tillway_proto::{LoadId, NodeId};
use tillway_service::audit::AuditLine;

/// Longest name of a file that is kept, in characters.
const MAX_NAME_CHARS: usize = 100;

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

    /// The file of a load, where it is still kept: its name and when it goes.
    pub fn load_file(&self, load: LoadId) -> Result<KeptFile, AppError> {
        let record = self.load(load, 0)?.load.record;
        let intake = &self.parts.aside.intake;
        let days = intake.keeps_files_for_days();
        intake.kept(&record).ok_or(AppError::LoadFileNotKept { load, days })
    }

    /// The same with what stands in it, as it came.
    pub fn open_load_file(&self, load: LoadId) -> Result<(KeptFile, KeptContent), AppError> {
        let file = self.load_file(load)?;
        let intake = &self.parts.aside.intake;
        let permit = intake.may_read_kept().ok_or(AppError::DownloadsBusy)?;
        match file.open(permit) {
            Ok(content) => Ok((file, content)),
            // Its age took it in between.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(AppError::LoadFileNotKept { load, days: intake.keeps_files_for_days() })
            }
            Err(source) => Err(AppError::LoadFileUnreadable { load, source }),
        }
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

    /// The node that somebody means to send a file for, where they may.
    pub fn uploading(&self, node: &str) -> Result<NodeId, AppError> {
        let node = self.nodes().find(node)?;
        self.allow(Act::ManageLoads, Place::Node(&node))?;
        Ok(node)
    }

    /// A place for a file that is about to come, for who may send one for any node at all.
    pub fn upload_place(&self) -> Result<UploadPlace, AppError> {
        self.scope(Act::ManageLoads)?;
        Ok(self.parts.aside.intake.upload_place()?)
    }

    /// Takes the parts of a file for the layer of a node that [`Self::uploading`] has named.
    pub async fn begin_upload(&self, node: NodeId, place: UploadPlace) -> Result<Upload, AppError> {
        Ok(self.parts.aside.intake.begin_upload(node, place).await?)
    }

    /// All of a file has come. It is loaded and held, so that what it would do is seen first. The
    /// load. `name`: the file's on the person's machine.
    pub async fn accept_upload(&self, upload: Upload, name: &str) -> Result<LoadId, AppError> {
        // It may have been long on its way.
        let (caller, node) = (self.clone(), upload.node().clone());
        let judged = tokio::task::spawn_blocking(move || caller.allow(Act::ManageLoads, Place::Node(&node)));
        judged.await.map_err(UploadError::from)??;
        let name: String = name.chars().filter(|letter| !letter.is_control()).take(MAX_NAME_CHARS).collect();
        let line = AuditLine::new(&self.caller, Verb::LoadUpload, "load").after(json!({"file": name}));
        Ok(upload.accept(&name, line).await?)
    }

    pub(super) fn report(&self, load: Load, notices: u32) -> Result<LoadReport, AppError> {
        let (id, counts) = (load.record.id, load.record.counts);
        let journal = &self.parts.journal;
        let rejects = if counts.rejected > 0 { journal.rejects(id, notices)? } else { Vec::new() };
        let warnings = if counts.warnings > 0 { journal.warnings(id, notices)? } else { Vec::new() };
        Ok(LoadReport { load, rejects, warnings })
    }
}
