//! Rejects and warnings that nobody has seen yet.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use crate::audit::Verb;
use crate::store::intake::OpenNotice;
use jiff::Timestamp;
use serde_json::json;
use tillway_service::audit::{AuditLine, some_of};

impl Acting {
    /// Those that nobody has seen and no later load has mended, newest first.
    pub fn open_notices(&self, limit: u32) -> Result<Vec<OpenNotice>, AppError> {
        self.allow_reading()?;
        Ok(self.parts.journal.open_notices(limit)?)
    }

    /// A person has seen these, and all up to the number `up_to`. How many that were open.
    pub fn see_notices(&self, ids: &[i64], up_to: Option<i64>) -> Result<u64, AppError> {
        self.allow(Act::ManageLoads, Place::Everywhere)?;
        let seen = json!({"ids": some_of(ids.iter()), "up_to": up_to});
        let line = AuditLine::new(&self.caller, Verb::NoticesSee, "notices").after(seen);
        Ok(self.parts.journal.see_notices(ids, up_to, Timestamp::now(), &line)?)
    }
}
