//! Background work: how each task of the server stands.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use tillway_service::background::TaskState;

impl Acting {
    /// All tasks of this process. A sales-loader that runs beside it has tasks of its own.
    pub fn background(&self) -> Result<Vec<TaskState>, AppError> {
        self.allow(Act::LookAtServer, Place::Everywhere)?;
        Ok(self.parts.background.tasks())
    }
}
