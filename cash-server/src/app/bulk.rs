//! One thing done with many tills: what it would do with each, and what it did.

use super::Acting;
use super::attach_codes::{NewCode, Wanted};
use super::error::AppError;
use super::nodes::NodeChange;
use super::rights::{Act, Place};
use super::tills::Till;
use crate::exchange::Condition;
use crate::network::{Network, NetworkChange, NetworkError, SettingChanges, change, till_settings};
use crate::sales::requests::Ask;
use jiff::SignedDuration;
use jiff::civil::Date;
use std::collections::{HashMap, HashSet};
use tillway_proto::{NodeId, NodeLevel};
use uuid::Uuid;

/// Most tills at once: each is a transaction of its own with its line of the audit log, and so
/// many are done before a browser gives up.
pub const MAX_BULK: usize = 2_000;

/// What can be done with many tills.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BulkAct {
    /// Park them: they are under repair.
    Park,
    /// Take them back into service.
    Unpark,
    /// Ask them for the sales that are missing here.
    AskForSales,
    /// Have them recount their dictionaries.
    Recount,
    /// Send them everything anew.
    SendAnew,
    /// Ask them once more for the sales of these days.
    AskForDays {
        /// First day.
        from: Date,
        /// Last day.
        to: Date,
    },
    /// Hang them under another shop.
    Move {
        /// Its id or folder name.
        shop: String,
    },
    /// Set settings of each.
    Settings {
        /// Which ones.
        changes: SettingChanges,
    },
    /// Make a code for each by which it is attached.
    NewCodes {
        /// For how many hours they are good; none: as long as others.
        hours: Option<u32>,
    },
}

/// What is asked for, in words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BulkAsked {
    /// The word of the act.
    pub act: String,
    /// First day.
    pub from: Option<Date>,
    /// Last day; none: the first.
    pub to: Option<Date>,
    /// The shop that they move to.
    pub shop: String,
    /// The settings.
    pub settings: SettingChanges,
    /// Hours for which codes are good.
    pub hours: Option<u32>,
}

impl BulkAct {
    /// All that needs nothing but tills.
    pub const ALL: [Self; 5] = [Self::Park, Self::Unpark, Self::AskForSales, Self::Recount, Self::SendAnew];

    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Park => "park",
            Self::Unpark => "unpark",
            Self::AskForSales => "ask",
            Self::Recount => "recount",
            Self::SendAnew => "send-anew",
            Self::AskForDays { .. } => "ask-days",
            Self::Move { .. } => "move",
            Self::Settings { .. } => "settings",
            Self::NewCodes { .. } => "codes",
        }
    }

    /// The one that is asked for; none where there is none of this word, or where what it needs is
    /// not said.
    pub fn of(asked: BulkAsked) -> Option<Self> {
        let BulkAsked { act, from, to, shop, settings, hours } = asked;
        match act.as_str() {
            "ask-days" => from.map(|from| Self::AskForDays { from, to: to.unwrap_or(from) }),
            "move" => (!shop.is_empty()).then_some(Self::Move { shop }),
            "settings" => (!settings.is_empty()).then_some(Self::Settings { changes: settings }),
            "codes" => Some(Self::NewCodes { hours }),
            word => Self::of_word(word),
        }
    }

    /// The one of this word that needs nothing but tills.
    pub fn of_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|act| act.word() == word)
    }
}

/// What something would do with a till.
#[derive(Debug)]
pub enum Forecast {
    /// It is done at once.
    Does,
    /// Nothing: it is so already.
    AlreadySo,
    /// The order waits until the till is heard of, or passes.
    Waits,
    /// It cannot be done.
    Fails(AppError),
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
    /// The code that was made for it, shown once.
    pub code: Option<NewCode>,
}

impl BulkDone {
    /// Without a code.
    pub fn new(till: String, outcome: Result<BulkOutcome, AppError>) -> Self {
        Self { till, outcome, code: None }
    }
}

/// Which tills.
#[derive(Debug, Clone, Default)]
pub struct Choice {
    /// By id or folder name.
    pub tills: Vec<String>,
    /// All at this node and below it, too.
    pub below: Option<String>,
    /// Of those below only these: the word of a condition.
    pub condition: Option<String>,
    /// Of those below only those with this version of the agent.
    pub version: Option<String>,
}

impl Acting {
    /// The tills of a choice: as they were named, those below a node by folder name.
    pub fn choose(&self, choice: Choice) -> Result<Vec<String>, AppError> {
        let Choice { mut tills, below, condition, version } = choice;
        let condition = match condition {
            Some(text) => {
                let known = Condition::ALL.into_iter().find(|known| known.code() == text);
                Some(known.ok_or(AppError::NoCondition { text })?)
            }
            None => None,
        };
        if let Some(below) = below {
            let node = self.nodes().show(&below)?.node.id;
            let network = self.network()?;
            let is_meant = |till: &Till| {
                let state = till.status.record.contact.as_ref().map(|contact| &contact.state);
                let own = state.map_or("", |state| state.agent_version.as_str());
                network.is_below(&NodeId::Till(till.status.till.clone()), &node)
                    && condition.is_none_or(|condition| condition == Condition::of(&till.status))
                    && version.as_ref().is_none_or(|version| version == own)
            };
            let found = self.tills()?.into_iter().filter(is_meant);
            tills.extend(found.filter_map(|till| Some(network.folder_name(network.till(&till.status.till)?))));
        }
        if tills.len() > MAX_BULK {
            return Err(AppError::TillsAtOnce { max: MAX_BULK });
        }
        Ok(self.each_once(tills))
    }

    /// Without those that were named before, by whichever name.
    fn each_once(&self, mut tills: Vec<String>) -> Vec<String> {
        let mut named = HashSet::new();
        tills.retain(|text| named.insert(self.nodes().till(text).map_or_else(|_| text.clone(), |id| id.to_string())));
        tills
    }

    /// What it would do with each of these tills, named by id or folder name.
    pub fn forecast_named(&self, act: &BulkAct, tills: &[String]) -> Result<Vec<Forecast>, AppError> {
        let all = self.tills()?;
        let by_id: HashMap<&str, &Till> = all.iter().map(|till| (till.status.till.as_str(), till)).collect();
        let one = |text: &String| {
            let id = match self.nodes().till(text) {
                Ok(id) => id,
                Err(error) => return Ok(Forecast::Fails(error)),
            };
            let Some(till) = by_id.get(id.as_str()) else {
                let error = self.allow(Act::Read, Place::Node(&id.clone().into())).err();
                let gone = || NetworkError::UnknownNode { text: text.clone() }.into();
                return Ok(Forecast::Fails(error.unwrap_or_else(gone)));
            };
            Ok(self.forecast(act, &[*till])?.pop().unwrap_or(Forecast::AlreadySo))
        };
        tills.iter().map(one).collect()
    }

    /// What it would do with each of these tills. An error where it can be done with none.
    pub fn forecast(&self, act: &BulkAct, tills: &[&Till]) -> Result<Vec<Forecast>, AppError> {
        let network = self.parts.network.current()?;
        let to = match act {
            BulkAct::Move { shop } => {
                let node = self.nodes().find(shop)?;
                if node.level() != NodeLevel::Shop {
                    return Err(AppError::NoShop { node });
                }
                Some(node)
            }
            _ => None,
        };
        let changes = match act {
            BulkAct::Settings { changes } => till_settings::checked(changes)?,
            _ => SettingChanges::new(),
        };
        let of_one = |till: &&Till| {
            let node = NodeId::Till(till.status.till.clone());
            match self.may_do(act, &node, to.as_ref()) {
                Ok(()) => forecast(act, till, &network, to.as_ref(), &changes),
                Err(denied) => Forecast::Fails(denied),
            }
        };
        Ok(tills.iter().map(of_one).collect())
    }

    /// Whether the caller may do it with this till.
    fn may_do(&self, act: &BulkAct, till: &NodeId, to: Option<&NodeId>) -> Result<(), AppError> {
        let needs = match act {
            BulkAct::Park
            | BulkAct::Unpark
            | BulkAct::Move { .. }
            | BulkAct::Settings { .. }
            | BulkAct::NewCodes { .. } => Act::ChangeNodes,
            BulkAct::AskForSales | BulkAct::AskForDays { .. } => Act::AskForSales,
            BulkAct::Recount | BulkAct::SendAnew => Act::ManageTills,
        };
        self.allow(needs, Place::Node(till))?;
        to.map_or(Ok(()), |to| self.allow(needs, Place::Node(to)))
    }

    /// Does it with each of these tills, named by id or folder name. What fails for one does not
    /// stop the others.
    pub fn bulk(&self, act: &BulkAct, tills: Vec<String>) -> Result<Vec<BulkDone>, AppError> {
        if tills.len() > MAX_BULK {
            return Err(AppError::TillsAtOnce { max: MAX_BULK });
        }
        let tills = self.each_once(tills);
        if let BulkAct::NewCodes { hours } = act {
            return self.codes_for_many(*hours, tills);
        }
        let done = |till: String| BulkDone::new(till.clone(), self.one_of_many(act, &till));
        Ok(tills.into_iter().map(done).collect())
    }

    fn one_of_many(&self, act: &BulkAct, till: &str) -> Result<BulkOutcome, AppError> {
        let ordered = |order: Option<Uuid>| order.map_or(BulkOutcome::UnderWay, |_| BulkOutcome::Done);
        let changed = |is_new: bool| if is_new { BulkOutcome::Done } else { BulkOutcome::AlreadySo };
        match act {
            BulkAct::Park | BulkAct::Unpark => {
                let parked = *act == BulkAct::Park;
                if self.nodes().show(till)?.node.parked == parked {
                    return Ok(BulkOutcome::AlreadySo);
                }
                let change = NodeChange { parked: Some(parked), ..NodeChange::default() };
                self.nodes().change(till, &change).map(|_| BulkOutcome::Done)
            }
            BulkAct::AskForSales => self.request_unload(till, Ask::WhatIsMissing).map(ordered),
            BulkAct::AskForDays { from, to } => {
                self.request_unload(till, Ask::Days { from: *from, to: *to }).map(ordered)
            }
            BulkAct::Recount => self.request_verify(till).map(ordered),
            BulkAct::SendAnew => self.send_anew(till).map(changed),
            BulkAct::Move { shop } => {
                self.nodes().till(till)?;
                let change = NodeChange { parent: Some(shop), ..NodeChange::default() };
                self.nodes().change(till, &change).map(|(_, revision)| changed(revision.is_some()))
            }
            BulkAct::Settings { changes } => {
                self.nodes().till(till)?;
                let settings = |app: &Self| Ok::<_, AppError>(app.nodes().show(till)?.node.settings);
                let before = settings(self)?;
                self.nodes().set_settings(till, changes)?;
                Ok(changed(settings(self)? != before))
            }
            BulkAct::NewCodes { .. } => Ok(BulkOutcome::AlreadySo),
        }
    }

    /// All codes are made together, for those that may have one.
    fn codes_for_many(&self, hours: Option<u32>, tills: Vec<String>) -> Result<Vec<BulkDone>, AppError> {
        let nodes = self.nodes();
        let judged = |text: &String| {
            let till = nodes.till(text)?;
            nodes.allow(Act::ChangeNodes, Place::Node(&NodeId::Till(till.clone())))?;
            Ok::<_, AppError>(till)
        };
        let judged: Vec<_> = tills.iter().map(judged).collect();
        let wanted: Vec<Wanted> = judged.iter().flatten().map(|till| Wanted::Till(till.as_str().to_owned())).collect();
        let life = hours.map(|hours| SignedDuration::from_hours(hours.into()));
        let mut made = nodes.make_codes(&wanted, life)?.into_iter();
        let done = tills.into_iter().zip(judged).map(|(till, judged)| match judged {
            Ok(_) => BulkDone { till, outcome: Ok(BulkOutcome::Done), code: made.next() },
            Err(error) => BulkDone::new(till, Err(error)),
        });
        Ok(done.collect())
    }
}

fn forecast(act: &BulkAct, till: &Till, network: &Network, to: Option<&NodeId>, changes: &SettingChanges) -> Forecast {
    let status = &till.status;
    let node = NodeId::Till(status.till.clone());
    let is_silent = status.record.contact.is_none() || status.silent;
    match act {
        BulkAct::Park if status.parked => Forecast::AlreadySo,
        BulkAct::Unpark if !status.parked => Forecast::AlreadySo,
        // It gets everything as it is.
        BulkAct::SendAnew if status.record.contact.is_none() => Forecast::AlreadySo,
        BulkAct::SendAnew if status.parked => Forecast::Waits,
        BulkAct::Move { .. } => match to.map(|to| change::move_node(network, &node, to)) {
            Some(Err(error)) => Forecast::Fails(error.into()),
            Some(Ok(NetworkChange::None)) => Forecast::AlreadySo,
            _ => Forecast::Does,
        },
        BulkAct::Settings { .. } => {
            let set = |key: &String| network.node(&node).and_then(|node| node.settings.get(key));
            if changes.iter().all(|(key, value)| set(key) == value.as_ref()) {
                Forecast::AlreadySo
            } else if is_silent {
                Forecast::Waits
            } else {
                Forecast::Does
            }
        }
        BulkAct::AskForSales | BulkAct::Recount | BulkAct::SendAnew | BulkAct::AskForDays { .. } if is_silent => {
            Forecast::Waits
        }
        _ => Forecast::Does,
    }
}
