//! One thing done with many tills: what it would do with each, and what it did.

use super::Acting;
use super::error::AppError;
use super::nodes::NodeChange;
use super::tills::Till;
use crate::sales::requests::Ask;
use jiff::civil::Date;

/// Most tills at once: each is a transaction of its own with its line of the audit log, and so
/// many are done before a browser gives up.
pub const MAX_BULK: usize = 2_000;

/// What can be done with many tills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkAct {
    /// Park them: they are under repair.
    Park,
    /// Take them back into service.
    Unpark,
    /// Ask them for the sales that are missing here.
    AskForSales,
    /// Have them recount their dictionaries.
    Recount,
    /// Ask them once more for the sales of these days.
    AskForDays {
        /// First day.
        from: Date,
        /// Last day.
        to: Date,
    },
}

impl BulkAct {
    /// All that can be done with tills of any list.
    pub const ALL: [Self; 4] = [Self::Park, Self::Unpark, Self::AskForSales, Self::Recount];

    /// Its word.
    pub fn word(self) -> &'static str {
        match self {
            Self::Park => "park",
            Self::Unpark => "unpark",
            Self::AskForSales => "ask",
            Self::Recount => "recount",
            Self::AskForDays { .. } => "ask-days",
        }
    }

    /// The one of this word. Only that which needs them has days: the last is the first where it
    /// is not named.
    pub fn of_word(word: &str, from: Option<Date>, to: Option<Date>) -> Option<Self> {
        let of_days = from.map(|from| Self::AskForDays { from, to: to.unwrap_or(from) });
        Self::ALL.into_iter().chain(of_days).find(|act| act.word() == word)
    }

    /// What it would do with a till.
    pub fn forecast(self, till: &Till) -> Forecast {
        let status = &till.status;
        match self {
            Self::Park if status.parked => Forecast::AlreadySo,
            Self::Unpark if !status.parked => Forecast::AlreadySo,
            Self::AskForSales | Self::Recount | Self::AskForDays { .. }
                if status.record.contact.is_none() || status.silent =>
            {
                Forecast::Waits
            }
            Self::Park | Self::Unpark | Self::AskForSales | Self::Recount | Self::AskForDays { .. } => Forecast::Does,
        }
    }
}

/// What something would do with a till.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Forecast {
    /// It is done at once.
    Does,
    /// Nothing: it is so already.
    AlreadySo,
    /// The order waits until the till is heard of, or passes.
    Waits,
}

/// What became of a till.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BulkOutcome {
    /// It is done; an order is on its way.
    Done,
    /// It was so already.
    AlreadySo,
    /// The same order is on its way already.
    UnderWay,
}

/// A till, and what became of it.
#[derive(Debug)]
pub struct BulkDone {
    /// As it was named.
    pub till: String,
    /// What became of it.
    pub outcome: Result<BulkOutcome, AppError>,
}

impl Acting {
    /// Does it with each of these tills, named by id or folder name. What fails for one does not
    /// stop the others.
    pub fn bulk(&self, act: BulkAct, tills: Vec<String>) -> Result<Vec<BulkDone>, AppError> {
        if tills.len() > MAX_BULK {
            return Err(AppError::TillsAtOnce { max: MAX_BULK });
        }
        let done = |till: String| BulkDone { outcome: self.one_of_many(act, &till), till };
        Ok(tills.into_iter().map(done).collect())
    }

    fn one_of_many(&self, act: BulkAct, till: &str) -> Result<BulkOutcome, AppError> {
        let ordered = |order: Option<uuid::Uuid>| order.map_or(BulkOutcome::UnderWay, |_| BulkOutcome::Done);
        match act {
            BulkAct::Park | BulkAct::Unpark => {
                let parked = act == BulkAct::Park;
                if self.nodes().show(till)?.node.parked == parked {
                    return Ok(BulkOutcome::AlreadySo);
                }
                let change = NodeChange { parked: Some(parked), ..NodeChange::default() };
                self.nodes().change(till, &change).map(|_| BulkOutcome::Done)
            }
            BulkAct::AskForSales => self.request_unload(till, Ask::WhatIsMissing).map(ordered),
            BulkAct::AskForDays { from, to } => self.request_unload(till, Ask::Days { from, to }).map(ordered),
            BulkAct::Recount => self.request_verify(till).map(ordered),
        }
    }
}
