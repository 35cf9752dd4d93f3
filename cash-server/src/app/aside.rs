//! What was set aside anywhere: listed, tried again, dropped.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use super::scope::Scope;
use crate::aside::{AsideId, AsideUnit, Settled, Shown};
use std::sync::Arc;
use tillway_proto::command::AsideAction;

/// What stands at no node belongs to the whole tree.
fn is_seen(scope: &Scope, unit: &AsideUnit) -> bool {
    scope.is_whole() || unit.place.as_ref().is_some_and(|node| scope.covers(node))
}

impl Acting {
    /// Everything that is set aside and waits for a person, now.
    pub fn aside(&self) -> Result<Vec<AsideUnit>, AppError> {
        let scope = self.reading()?;
        Ok(self.parts.aside.list()?.into_iter().filter(|unit| is_seen(&scope, unit)).collect())
    }

    /// The same as of some seconds ago at most; what cannot be read does not hide the rest.
    pub fn aside_shown(&self) -> Result<Arc<Shown>, AppError> {
        let (scope, shown) = (self.reading()?, self.parts.aside.shown());
        if scope.is_whole() {
            return Ok(shown);
        }
        let units = shown.units.iter().filter(|unit| is_seen(&scope, unit)).cloned().collect();
        Ok(Arc::new(Shown { units, troubles: Vec::new() }))
    }

    /// Tries units again or drops them. What fails for one does not stop the others.
    pub fn settle(&self, action: AsideAction, ids: Vec<AsideId>) -> Result<Vec<Settled>, AppError> {
        let scope = self.scope(Act::SettleAside)?;
        if !scope.is_whole() {
            // What is meant must stand in their own part of the tree.
            let units = self.parts.aside.list()?;
            let is_own = |id: &AsideId| match id {
                AsideId::Till(till, _) => scope.covers_till(till),
                id => units.iter().any(|unit| unit.id == *id && is_seen(&scope, unit)),
            };
            if !ids.iter().all(is_own) {
                self.allow(Act::SettleAside, Place::Everywhere)?;
            }
        }
        Ok(self.settling().settle(action, ids))
    }
}
