//! What was set aside anywhere: listed, tried again, dropped.

use super::Acting;
use super::error::AppError;
use super::rights::{Act, Place};
use super::scope::Scope;
use crate::aside::content::MAX_DOCUMENTS;
use crate::aside::{AsideError, AsideId, AsideUnit, Content, Settled, Shown};
use std::collections::BTreeMap;
use std::sync::Arc;
use tillway_proto::TillId;
use tillway_proto::command::AsideAction;
use tillway_proto::report::AsideSort;

/// What stands at no node belongs to the whole tree.
fn is_seen(scope: &Scope, unit: &AsideUnit) -> bool {
    scope.is_whole() || unit.place.as_ref().is_some_and(|node| scope.covers(node))
}

/// What a unit holds.
#[derive(Debug)]
pub struct AsideContent {
    /// The unit's content.
    pub content: Content,
    /// Names of items by their codes, as the tills' dictionaries have them now.
    pub items: BTreeMap<String, String>,
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

    /// What a unit holds, as far as this server has it, with the names of the goods in it. Who may
    /// see the unit may see it.
    pub fn aside_content(&self, id: &AsideId) -> Result<AsideContent, AppError> {
        let content = if let AsideId::Till(till, unit) = id {
            self.till_for(Act::Read, till.as_str())?;
            let sort = unit.as_ref().map(|unit| unit.sort);
            let row = unit.as_ref().and_then(|unit| unit.name.parse::<i64>().ok());
            let limit = u32::try_from(MAX_DOCUMENTS).unwrap_or(u32::MAX);
            match (sort, row) {
                (Some(AsideSort::Document), Some(row)) => {
                    Content::of_refused(self.parts.sales.refused(till, Some(row), limit)?)
                }
                (Some(AsideSort::Shift), _) => Content::of_refused(self.parts.sales.refused(till, None, limit)?),
                _ => Content::default(),
            }
        } else {
            if !self.aside()?.iter().any(|unit| unit.id == *id) {
                return Err(AsideError::Gone { id: id.clone() }.into());
            }
            self.settling().content(id)?
        };
        let mut items = BTreeMap::new();
        let mut of_tills: BTreeMap<TillId, Vec<&str>> = BTreeMap::new();
        for one in &content.documents {
            // A broken document may not even say of which till it is: then nothing has a name.
            let Some(till) = one.document.key.as_ref().and_then(|key| key.till_id.parse().ok()) else { continue };
            let lines = one.document.lines.iter().map(|line| line.item_code.as_str());
            of_tills.entry(till).or_default().extend(lines);
        }
        // A document that lies about its till brings no names of a place that is not seen.
        let scope = self.reading()?;
        for (till, codes) in of_tills.into_iter().filter(|(till, _)| scope.covers_till(till)) {
            items.extend(self.names_of_items(&till, codes)?);
        }
        Ok(AsideContent { content, items })
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
