//! What was set aside anywhere: listed, tried again, dropped.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use crate::aside::{AsideId, AsideUnit, Settled, Shown};
use std::sync::Arc;
use tillway_proto::command::AsideAction;

impl Acting {
    /// Everything that is set aside and waits for a person, now.
    pub fn aside(&self) -> Result<Vec<AsideUnit>, AppError> {
        self.allow_reading()?;
        Ok(self.parts.aside.list()?)
    }

    /// The same as of some seconds ago at most; what cannot be read does not hide the rest.
    pub fn aside_shown(&self) -> Result<Arc<Shown>, AppError> {
        self.allow_reading()?;
        Ok(self.parts.aside.shown())
    }

    /// Tries units again or drops them. What fails for one does not stop the others.
    pub fn settle(&self, action: AsideAction, ids: Vec<AsideId>) -> Result<Vec<Settled>, AppError> {
        self.allow(Act::SettleAside, Place::Everywhere)?;
        Ok(self.settling().settle(action, ids))
    }
}
