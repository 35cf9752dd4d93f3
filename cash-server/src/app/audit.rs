//! The audit log, read as one: who changed what.

use super::Acting;
use super::error::AppError;
use crate::audit::AuditRecord;
use crate::store::audit::{AuditFilter, AuditLog, read_as_one};

impl Acting {
    /// Lines of the audit log, newest first.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, AppError> {
        self.allow_reading()?;
        let logs = self.parts.audit.iter().map(|log| -> &dyn AuditLog { log.as_ref() });
        Ok(read_as_one(logs, filter)?)
    }
}
