//! The audit log, read as one: who changed what.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use crate::store::audit::{AuditLog, read_as_one};
use tillway_service::audit::AuditFilter;
use tillway_service::audit::AuditRecord;

impl Acting {
    /// Lines of the audit log, newest first.
    pub fn audit(&self, filter: &AuditFilter) -> Result<Vec<AuditRecord>, AppError> {
        self.allow(Act::ReadAudit, Place::Everywhere)?;
        let logs = self.parts.audit.iter().map(|log| -> &dyn AuditLog { log.as_ref() });
        Ok(read_as_one(logs, filter)?)
    }
}
