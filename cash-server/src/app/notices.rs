//! Rejects and warnings that nobody has seen yet.

use super::Acting;
use super::error::AppError;
use super::rights::Act;
use crate::audit::Verb;
use crate::store::intake::OpenNotice;
use jiff::Timestamp;
use serde_json::json;
use tillway_service::audit::{AuditLine, some_of};

/// Open notices that one call marks, of a part of the tree.
const MAX_NOTICES: u32 = 10_000;

impl Acting {
    /// Those that nobody has seen and no later load has mended, newest first.
    pub fn open_notices(&self, limit: u32) -> Result<Vec<OpenNotice>, AppError> {
        let journal = &self.parts.journal;
        self.reading()?.first(limit, |limit| Ok(journal.open_notices(limit)?), |notice| notice.node.clone())
    }

    /// A person has seen these, and all up to the number `up_to`. How many that were open.
    pub fn see_notices(&self, ids: &[i64], up_to: Option<i64>) -> Result<u64, AppError> {
        let scope = self.scope(Act::ManageLoads)?;
        if !scope.is_whole() {
            // By number alone, those of their own part of the tree.
            let journal = &self.parts.journal;
            let open = scope.first(MAX_NOTICES, |limit| Ok(journal.open_notices(limit)?), |open| open.node.clone())?;
            let is_meant = |id: &i64| ids.contains(id) || up_to.is_some_and(|up_to| *id <= up_to);
            let meant: Vec<i64> = open.into_iter().map(|open| open.id).filter(is_meant).collect();
            return self.note_seen(&meant, None);
        }
        self.note_seen(ids, up_to)
    }

    fn note_seen(&self, ids: &[i64], up_to: Option<i64>) -> Result<u64, AppError> {
        let seen = json!({"ids": some_of(ids.iter()), "up_to": up_to});
        let line = AuditLine::new(&self.caller, Verb::NoticesSee, "notices").after(seen);
        Ok(self.parts.journal.see_notices(ids, up_to, Timestamp::now(), &line)?)
    }
}
