//! Tills: what each has and why it waits, its deliveries and commands, and what can be asked of
//! it.

use super::Acting;
use super::bulk::{BulkDone, BulkOutcome, MAX_BULK};
use super::error::AppError;
use super::rights::{Act, Place};
use super::scope::merged;
use crate::exchange::TillStatus;
use crate::exchange::model::{Delivery, SentCommand};
use crate::sales::requests::Ask;
use crate::store::sales::Page;
use jiff::Timestamp;
use tillway_proto::{NodeId, Revision, TillId};
use uuid::Uuid;

/// A till as the server knows it.
#[derive(Debug)]
pub struct Till {
    /// How it stands.
    pub status: TillStatus,
    /// Up to when somebody has acknowledged what was found about it.
    pub acknowledged_at: Option<Timestamp>,
}

impl Acting {
    /// All tills.
    pub fn tills(&self) -> Result<Vec<Till>, AppError> {
        let scope = self.reading()?;
        let acknowledged = self.parts.exchange.acknowledged()?;
        let with = |status: TillStatus| {
            let acknowledged_at = acknowledged.get(&status.till.clone().into()).copied();
            Till { status, acknowledged_at }
        };
        let tills = self.parts.exchange.tills()?.into_iter().filter(|status| scope.covers_till(&status.till));
        Ok(tills.map(with).collect())
    }

    /// One till.
    pub fn till(&self, text: &str) -> Result<Till, AppError> {
        let till = self.till_for(Act::Read, text)?;
        let acknowledged_at = self.parts.exchange.acknowledged()?.get(&till.clone().into()).copied();
        Ok(Till { status: self.parts.exchange.till(&till)?, acknowledged_at })
    }

    /// Deliveries, newest first, of one till where it is named.
    pub fn deliveries(&self, till: Option<&str>, limit: u32) -> Result<Vec<Delivery>, AppError> {
        let exchange = &self.parts.exchange;
        let ask = |till: Option<&TillId>| exchange.deliveries(till, limit).map_err(AppError::Exchange);
        match (self.till_or_all(till)?, self.reading()?.tills()) {
            (None, Some(own)) => {
                merged(own.iter().map(|till| ask(Some(till))), Page { offset: 0, limit }, |one| one.created_at)
            }
            (till, _) => ask(till.as_ref()),
        }
    }

    /// Commands to tills and what became of them, newest first, of one till where it is named.
    pub fn commands(&self, till: Option<&str>, limit: u32) -> Result<Vec<SentCommand>, AppError> {
        let exchange = &self.parts.exchange;
        let ask = |till: Option<&TillId>| exchange.commands(till, limit).map_err(AppError::Exchange);
        match (self.till_or_all(till)?, self.reading()?.tills()) {
            (None, Some(own)) => {
                merged(own.iter().map(|till| ask(Some(till))), Page { offset: 0, limit }, |one| one.created_at)
            }
            (till, _) => ask(till.as_ref()),
        }
    }

    /// Asks a till for sales. None where the same request is under way already.
    pub fn request_unload(&self, till: &str, ask: Ask) -> Result<Option<Uuid>, AppError> {
        let till = self.till_for(Act::AskForSales, till)?;
        Ok(self.exchange().request_unload(&till, ask)?)
    }

    /// Asks each till at a node and below it. What fails for one does not stop the others; what
    /// fails for all is the answer.
    pub fn request_unload_below(&self, text: &str, ask: Ask) -> Result<Vec<BulkDone>, AppError> {
        let node = self.nodes().find(text)?;
        self.allow(Act::AskForSales, Place::Node(&node))?;
        let network = self.parts.network.current()?;
        let tills = network.tills_below(&node);
        if tills.len() > MAX_BULK {
            return Err(AppError::TillsAtOnce { max: MAX_BULK });
        }
        let asked = |till: String| {
            let outcome = self.request_unload(&till, ask);
            let outcome = outcome.map(|order| order.map_or(BulkOutcome::UnderWay, |_| BulkOutcome::Done));
            BulkDone::new(till, outcome)
        };
        let mut done: Vec<_> = tills.into_iter().map(|till| asked(network.folder_name(till))).collect();
        if done.iter().all(|one| one.outcome.is_err())
            && let Some(BulkDone { outcome: Err(error), .. }) = done.pop()
        {
            return Err(error);
        }
        Ok(done)
    }

    /// Has a till recount its whole dictionary. None where the same request is under way already.
    pub fn request_verify(&self, till: &str) -> Result<Option<Uuid>, AppError> {
        let till = self.till_for(Act::ManageTills, till)?;
        Ok(self.exchange().request_state(&till, true)?)
    }

    /// Sends a till everything anew, at once or when it is heard of. Whether anything came of it:
    /// a till that was never heard of gets everything as it is.
    pub fn send_anew(&self, till: &str) -> Result<bool, AppError> {
        let till = self.till_for(Act::ManageTills, till)?;
        Ok(self.exchange().send_anew(&till)?)
    }

    /// Has this server's revisions go on after the one that a till names and that nothing speaks
    /// for.
    pub fn go_past(&self, till: &str, revision: Revision) -> Result<Revision, AppError> {
        let till = self.till_for(Act::ManageTills, till)?;
        Ok(self.exchange().go_past(&till, revision)?)
    }

    /// Somebody has seen what was found about a till until then; none: until now.
    pub fn acknowledge(&self, till: &str, until: Option<Timestamp>) -> Result<(), AppError> {
        let till = self.till_for(Act::ManageTills, till)?;
        Ok(self.exchange().acknowledge(&till, until)?)
    }

    /// The till of this name, where the caller may do this with it.
    pub(super) fn till_for(&self, act: Act, text: &str) -> Result<TillId, AppError> {
        let till = self.nodes().till(text)?;
        self.allow(act, Place::Node(&NodeId::Till(till.clone())))?;
        Ok(till)
    }

    /// The till of this name to look at, or all.
    pub(super) fn till_or_all(&self, text: Option<&str>) -> Result<Option<TillId>, AppError> {
        match text {
            Some(text) => self.till_for(Act::Read, text).map(Some),
            None => self.reading().map(|_| None),
        }
    }
}
