//! What was set aside anywhere and waits for a person, in one list: units on tills, reports that
//! could not be taken, strangers who report, refused loads, records of the sales spool.
//!
//! Promises: a broken unit delays only itself, stands here with its reason, and is tried again or
//! dropped by a person's word: by the page, REST or the command line, which all ask this module.
//! What stands on a till is settled by an order to it; all else at once.

pub mod content;
mod shown;

pub use content::{AsideDocument, Content};
pub use shown::{LastShown, Shown};

use crate::audit::Verb;
use crate::exchange::Reports;
use crate::exchange::service::{ExchangeError, ExchangeService};
use crate::intake::{AsideError as IntakeAside, Intake};
use crate::sales::{AsideError as SalesAsideError, SalesAside};
use crate::store::exchange::{KeptReport, KnownStranger, is_whole};
use crate::store::intake::LoadState;
use crate::words::Reason;
use jiff::Timestamp;
use serde::{Serialize, Serializer};
use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::Arc;
use tillway_proto::command::AsideAction;
use tillway_proto::report::{AsideName, AsideSort};
use tillway_proto::{LoadId, PeerId, TillId};
use tillway_service::actor::Caller;
use tillway_service::audit::AuditLine;
use tokio::runtime::Handle;

/// Most units of one sort in the list; the newest come first, and what is settled makes room.
pub const MAX_LISTED: u32 = 200;

/// Most units in one request.
pub const MAX_SETTLED: usize = 1_000;

/// Names a unit that was set aside. Its text is what REST and the command line take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AsideId {
    /// A unit on a till; none: all that stand aside there, named or not, which can be tried again
    /// but not dropped. `till:<till>:<sort>:<name>`, `till:<till>`.
    Till(TillId, Option<AsideName>),
    /// A report that could not be taken: `report:<number>`.
    Report(i64),
    /// Who reports as a till that is not in the network: `stranger:<peer>`.
    Stranger(PeerId),
    /// A load that was refused: `load:<number>`.
    Load(LoadId),
    /// A batch of sales that the spool could not read or load: `sales:<unit>`.
    Sales(String),
    /// Files in a folder of the intake that will never be read: `files:<why>:<folder>`.
    Files(String),
}

/// A text that names no unit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` names nothing that can be set aside: take the name from the list")]
pub struct UnknownAside {
    /// The text.
    pub text: String,
}

impl Serialize for AsideId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl fmt::Display for AsideId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Till(till, None) => write!(f, "till:{till}"),
            Self::Till(till, Some(unit)) => write!(f, "till:{till}:{}:{}", sort_word(unit.sort), unit.name),
            Self::Report(number) => write!(f, "report:{number}"),
            Self::Stranger(peer) => write!(f, "stranger:{peer}"),
            Self::Load(load) => write!(f, "load:{}", load.0),
            Self::Sales(unit) => write!(f, "sales:{unit}"),
            Self::Files(which) => write!(f, "files:{which}"),
        }
    }
}

impl FromStr for AsideId {
    type Err = UnknownAside;

    fn from_str(text: &str) -> Result<Self, UnknownAside> {
        let parse = || {
            let (sort, rest) = text.split_once(':')?;
            match sort {
                "till" => {
                    let mut parts = rest.splitn(3, ':');
                    let till = parts.next()?.parse().ok()?;
                    match (parts.next(), parts.next()) {
                        (None, None) => Some(Self::Till(till, None)),
                        (Some(sort), Some(name)) => {
                            let sort = SORTS.into_iter().find(|known| sort_word(*known) == sort)?;
                            Some(Self::Till(till, Some(AsideName { sort, name: name.to_owned() })))
                        }
                        _ => None,
                    }
                }
                "report" => rest.parse().ok().map(Self::Report),
                "stranger" => rest.parse().ok().map(Self::Stranger),
                "load" => rest.parse().ok().map(|number| Self::Load(LoadId(number))),
                "sales" => (!rest.is_empty()).then(|| Self::Sales(rest.to_owned())),
                "files" => (!rest.is_empty()).then(|| Self::Files(rest.to_owned())),
                _ => None,
            }
        };
        parse().ok_or_else(|| UnknownAside { text: text.to_owned() })
    }
}

const SORTS: [AsideSort; 4] = [AsideSort::Package, AsideSort::Document, AsideSort::Shift, AsideSort::Message];

fn sort_word(sort: AsideSort) -> &'static str {
    match sort {
        AsideSort::Package => "package",
        AsideSort::Document => "document",
        AsideSort::Shift => "shift",
        AsideSort::Message => "message",
    }
}

/// A unit that was set aside.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AsideUnit {
    /// Its name.
    pub id: AsideId,
    /// Which sort, for people and programs: `package`, `document`, `shift`, `message`, `units`,
    /// `report`, `stranger`, `load`, `held` (a load that waits for a yes), `sales`, `files` (in a
    /// folder of the intake, never read).
    pub sort: &'static str,
    /// Where it stands: the till, the node of a load; none: here.
    pub place: Option<tillway_proto::NodeId>,
    /// What it is, in its own name.
    pub name: String,
    /// Since when; on a till by its clock.
    pub at: Option<Timestamp>,
    /// Why.
    pub reason: Reason,
    /// What was ordered about it, where the till has not answered yet.
    pub ordered: Option<AsideAction>,
    /// Whether it can be tried again; what is damaged can only be dropped.
    pub retryable: bool,
    /// Whether it can be dropped; what no list names can only be tried again.
    pub droppable: bool,
}

/// What came of units of a request: one that stands here, or all those of one till.
#[derive(Debug)]
pub struct Settled {
    /// Which ones.
    pub ids: Vec<AsideId>,
    /// What was done, or why not.
    pub outcome: Result<Outcome, AsideError>,
}

/// Why a unit is set aside, where no other module says so.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
enum AsideReason {
    /// A till does not name them: an older agent, or there are too many.
    Unnamed {
        /// How many.
        units: u64,
    },
    /// Somebody reports as a till that is not in the network.
    NoTillOfOurs {
        /// The till's id.
        till: String,
        /// How many reports came.
        reports: u64,
    },
}

/// What was done about a unit; serialized, what people are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum Outcome {
    /// The till was told; its next contact shows what came of it.
    TillWasTold,
    /// It was tried again, and passed or was set aside anew with its reason.
    TriedOnceMore,
    /// A new load was queued.
    QueuedAsLoad {
        /// The new one.
        load: LoadId,
    },
    /// It is gone.
    Dropped,
}

/// Why a unit could not be listed, tried again or dropped.
#[derive(Debug, thiserror::Error, Serialize)]
#[serde(tag = "kind", rename_all = "kebab-case")]
pub enum AsideError {
    /// It is not there (any more).
    #[error("{id} is not set aside (any more)")]
    #[serde(rename = "not-aside")]
    Gone {
        /// Its name.
        id: AsideId,
    },
    /// What is to be dropped has no name.
    #[error(
        "{id} names no unit: units are dropped by their names, which the till tells as those before them are settled"
    )]
    #[serde(rename = "drops-by-name")]
    Unnamed {
        /// The till.
        id: AsideId,
    },
    /// Only the beginning of it is kept.
    #[error("of {id} only the beginning is kept, since it is very long: it can only be dropped")]
    #[serde(rename = "only-beginning-kept")]
    Cut {
        /// Its name.
        id: AsideId,
    },
    /// Only who put them there knows what was meant.
    #[error(
        "{id}: files in a folder of the intake are settled where they lie: give them the right names, or remove them"
    )]
    #[serde(rename = "settled-by-hand")]
    ByHand {
        /// Their name.
        id: AsideId,
    },
    /// The spool of sales is another process's.
    #[error("the sales-loader runs as a process of its own: what is set aside there is not to be had here")]
    SalesApart,
    /// The exchange.
    #[error(transparent)]
    #[serde(untagged)]
    Exchange(ExchangeError),
    /// The intake.
    #[error(transparent)]
    #[serde(untagged)]
    Intake(IntakeAside),
    /// The spool of sales.
    #[error(transparent)]
    #[serde(untagged)]
    Sales(SalesAsideError),
}

impl AsideError {
    /// Whether what was named is not there.
    pub fn is_gone(&self) -> bool {
        matches!(
            self,
            Self::Gone { .. }
                | Self::Exchange(ExchangeError::UnknownTill { .. })
                | Self::Intake(IntakeAside::Unknown { .. } | IntakeAside::Gone { .. })
                | Self::Sales(SalesAsideError::Unknown { .. })
        )
    }

    /// Whether it contradicts what is there.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Self::SalesApart
                | Self::Unnamed { .. }
                | Self::Cut { .. }
                | Self::ByHand { .. }
                | Self::Exchange(ExchangeError::NothingNamed { .. })
                | Self::Sales(SalesAsideError::Damaged { .. })
                | Self::Intake(
                    IntakeAside::NoNode { .. }
                        | IntakeAside::Held { .. }
                        | IntakeAside::NotHeld { .. }
                        | IntakeAside::TooOld { .. }
                )
        )
    }
}

/// What was set aside. Cheap to clone; calls block, and are made on the threads that a tokio
/// runtime keeps for that.
#[derive(Clone)]
pub struct Aside {
    /// Tills and their reports.
    pub exchange: ExchangeService,
    /// Takes a report once more.
    pub reports: Reports,
    /// Loads.
    pub intake: Arc<Intake>,
    /// The spool of sales; none: it is another process's.
    pub sales: Option<SalesAside>,
    /// What the page showed last.
    pub last_shown: LastShown,
    /// Who asks.
    pub caller: Caller,
}

/// Lists one sort of units.
type Section = fn(&Aside) -> Result<Vec<AsideUnit>, AsideError>;

impl Aside {
    /// Parts of the list, in its order.
    const SECTIONS: [Section; 6] =
        [Self::refused_loads, Self::strays, Self::of_sales, Self::on_tills, Self::strangers, Self::broken_reports];

    /// The same, for somebody who asks: its changes are noted as theirs.
    #[must_use]
    pub fn acting_for(&self, caller: &Caller) -> Self {
        Self { exchange: self.exchange.acting_for(caller), caller: caller.clone(), ..self.clone() }
    }

    /// Everything that is set aside, now.
    pub fn list(&self) -> Result<Vec<AsideUnit>, AsideError> {
        let mut list = Vec::new();
        for section in Self::SECTIONS {
            list.extend(section(self)?);
        }
        Ok(list)
    }

    fn on_tills(&self) -> Result<Vec<AsideUnit>, AsideError> {
        let settling = self.exchange.settling().map_err(AsideError::Exchange)?;
        let mut list = Vec::new();
        for status in self.exchange.tills().map_err(AsideError::Exchange)? {
            let Some(contact) = &status.record.contact else { continue };
            let ordered = |unit: Option<&AsideName>| {
                let about = |units: &[AsideName]| units.is_empty() || unit.is_some_and(|unit| units.contains(unit));
                let found =
                    settling.iter().rev().find(|(peer, _, units)| peer.till() == Some(&status.till) && about(units));
                found.map(|(_, action, _)| *action)
            };
            for unit in &contact.state.aside {
                list.push(AsideUnit {
                    id: AsideId::Till(status.till.clone(), Some(unit.unit.clone())),
                    sort: sort_word(unit.unit.sort),
                    place: Some(status.till.clone().into()),
                    name: unit.unit.name.clone(),
                    at: unit.at,
                    reason: Reason::worded(unit.reason.clone()),
                    ordered: ordered(Some(&unit.unit)),
                    retryable: true,
                    droppable: true,
                });
            }
            let named = contact.state.aside.len() as u64;
            let unnamed = contact.state.set_aside.saturating_sub(named);
            if unnamed > 0 {
                list.push(AsideUnit {
                    id: AsideId::Till(status.till.clone(), None),
                    sort: "units",
                    place: Some(status.till.clone().into()),
                    name: unnamed.to_string(),
                    at: None,
                    reason: Reason::of(&AsideReason::Unnamed { units: unnamed }),
                    ordered: ordered(None),
                    retryable: true,
                    // Nobody has seen what they are, and more may join them before the till reads
                    // the order.
                    droppable: false,
                });
            }
        }
        Ok(list)
    }

    fn broken_reports(&self) -> Result<Vec<AsideUnit>, AsideError> {
        let reports = self.exchange.broken_reports(MAX_LISTED).map_err(AsideError::Exchange)?;
        let unit = |report: KeptReport| AsideUnit {
            id: AsideId::Report(report.id),
            sort: "report",
            place: None,
            name: format!("{} B", report.bytes),
            at: Some(report.at),
            reason: report.reason,
            ordered: None,
            retryable: is_whole(report.bytes),
            droppable: true,
        };
        Ok(reports.into_iter().map(unit).collect())
    }

    fn strangers(&self) -> Result<Vec<AsideUnit>, AsideError> {
        let strangers = self.exchange.strangers().map_err(AsideError::Exchange)?;
        let unit = |one: KnownStranger| AsideUnit {
            id: AsideId::Stranger(one.peer.clone()),
            sort: "stranger",
            place: None,
            name: one.peer.to_string(),
            at: Some(one.last_at),
            reason: Reason::of(&AsideReason::NoTillOfOurs { till: one.peer.to_string(), reports: one.reports }),
            ordered: None,
            retryable: is_whole(one.bytes),
            droppable: true,
        };
        Ok(strangers.into_iter().take(MAX_LISTED as usize).map(unit).collect())
    }

    fn refused_loads(&self) -> Result<Vec<AsideUnit>, AsideError> {
        let refused = self.intake.refused(MAX_LISTED).map_err(AsideError::Intake)?;
        // What is held is not tried again or dropped with all the rest: it needs a word of its
        // own.
        let held = |one: &crate::intake::RefusedLoad| one.load.state == LoadState::Held;
        let unit = |one: crate::intake::RefusedLoad| AsideUnit {
            id: AsideId::Load(one.load.id),
            sort: if held(&one) { "held" } else { "load" },
            place: Some(one.load.node.clone()),
            name: one.load.source.to_string(),
            at: one.load.ended_at.or(Some(one.load.queued_at)),
            reason: one.load.reason.clone().unwrap_or_else(|| Reason::worded("")),
            ordered: None,
            retryable: !held(&one),
            droppable: !held(&one),
        };
        Ok(refused.into_iter().map(unit).collect())
    }

    fn strays(&self) -> Result<Vec<AsideUnit>, AsideError> {
        let strays = self.intake.strays(MAX_LISTED as usize);
        let strays = strays.map_err(|error| AsideError::Intake(IntakeAside::Journal(error)))?;
        let unit = |one: crate::intake::Stray| AsideUnit {
            id: AsideId::Files(format!("{}:{}", one.word, one.folder.display())),
            sort: "files",
            place: one.node,
            name: format!("{}: {}", one.folder.display(), one.names),
            at: one.since,
            reason: one.reason,
            ordered: None,
            retryable: false,
            droppable: false,
        };
        Ok(strays.into_iter().map(unit).collect())
    }

    /// Somebody says yes or no to a held load. The load that carries it out.
    pub fn decide_held(&self, load: LoadId, approve: bool) -> Result<Option<LoadId>, AsideError> {
        let verb = if approve { Verb::LoadApprove } else { Verb::LoadRefuse };
        let line = AuditLine::new(&self.caller, verb, AsideId::Load(load));
        let decided = if approve {
            self.intake.approve_held(load, &line).map(Some)
        } else {
            self.intake.refuse_held(load, &line).map(|()| None)
        };
        self.last_shown.forget();
        decided.map_err(AsideError::Intake)
    }

    fn of_sales(&self) -> Result<Vec<AsideUnit>, AsideError> {
        let Some(sales) = &self.sales else { return Ok(Vec::new()) };
        let list = Handle::current().block_on(sales.list()).map_err(AsideError::Sales)?;
        let unit = |one: crate::sales::AsideSales| AsideUnit {
            id: AsideId::Sales(one.unit.clone()),
            sort: "sales",
            place: one.till.map(Into::into),
            name: one.unit,
            at: Some(one.at),
            reason: one.reason,
            ordered: None,
            retryable: one.retryable,
            droppable: true,
        };
        Ok(list.into_iter().take(MAX_LISTED as usize).map(unit).collect())
    }

    /// Tries units again or drops them. What fails for one does not stop the others. Units of one
    /// till go in one order.
    pub fn settle(&self, action: AsideAction, ids: Vec<AsideId>) -> Vec<Settled> {
        let mut of_tills: BTreeMap<TillId, Vec<Option<AsideName>>> = BTreeMap::new();
        let mut settled = Vec::new();
        for id in ids {
            match id {
                AsideId::Till(_, None) if action == AsideAction::Drop => {
                    settled.push(Settled { outcome: Err(AsideError::Unnamed { id: id.clone() }), ids: vec![id] });
                }
                AsideId::Till(till, unit) => of_tills.entry(till).or_default().push(unit),
                id => settled.push(Settled { outcome: self.settle_here(action, &id), ids: vec![id] }),
            }
        }
        for (till, units) in of_tills {
            // One that means all means the others too.
            let names =
                if units.iter().any(Option::is_none) { Vec::new() } else { units.iter().flatten().cloned().collect() };
            let outcome = self.exchange.settle_aside(&till, action, names).map_err(AsideError::Exchange);
            let ids = units.into_iter().map(|unit| AsideId::Till(till.clone(), unit)).collect();
            settled.push(Settled { ids, outcome: outcome.map(|_| Outcome::TillWasTold) });
        }
        self.last_shown.forget();
        settled
    }

    fn settle_here(&self, action: AsideAction, id: &AsideId) -> Result<Outcome, AsideError> {
        let gone = || AsideError::Gone { id: id.clone() };
        let verb = match action {
            AsideAction::Retry => Verb::AsideRetry,
            AsideAction::Drop => Verb::AsideDrop,
        };
        let line = AuditLine::new(&self.caller, verb, id);
        match (id, action) {
            (AsideId::Report(number), AsideAction::Retry) => {
                let report = self.exchange.broken_report(*number).map_err(AsideError::Exchange)?.ok_or_else(gone)?;
                self.take_again(id, report.body, &line)?;
                // Only now: cut off before, it is there still, and taken twice it says the same.
                // Where it did not pass, it was set aside anew, with the reason of today.
                self.exchange.forget_broken_report(*number, None).map_err(AsideError::Exchange)?;
                Ok(Outcome::TriedOnceMore)
            }
            (AsideId::Report(number), AsideAction::Drop) => {
                let was_there =
                    self.exchange.forget_broken_report(*number, Some(&line)).map_err(AsideError::Exchange)?;
                was_there.then_some(Outcome::Dropped).ok_or_else(gone)
            }
            (AsideId::Stranger(peer), AsideAction::Retry) => {
                let found = self.exchange.stranger(peer).map_err(AsideError::Exchange)?.ok_or_else(gone)?;
                self.take_again(id, found.body, &line).map(|()| Outcome::TriedOnceMore)
            }
            (AsideId::Stranger(peer), AsideAction::Drop) => {
                let was_there = self.exchange.forget_stranger(peer, &line).map_err(AsideError::Exchange)?;
                was_there.then_some(Outcome::Dropped).ok_or_else(gone)
            }
            (AsideId::Load(load), AsideAction::Retry) => self
                .intake
                .retry_refused(*load, &line)
                .map(|load| Outcome::QueuedAsLoad { load })
                .map_err(AsideError::Intake),
            (AsideId::Load(load), AsideAction::Drop) => {
                self.intake.drop_refused(*load, &line).map(|()| Outcome::Dropped).map_err(AsideError::Intake)
            }
            (AsideId::Files(_), _) => Err(AsideError::ByHand { id: id.clone() }),
            (AsideId::Sales(unit), action) => {
                let sales = self.sales.as_ref().ok_or(AsideError::SalesApart)?;
                let runtime = Handle::current();
                let settled = match action {
                    AsideAction::Retry => runtime.block_on(sales.retry(unit, &line)).map(|()| Outcome::TriedOnceMore),
                    AsideAction::Drop => runtime.block_on(sales.drop_unit(unit, &line)).map(|()| Outcome::Dropped),
                };
                settled.map_err(AsideError::Sales)
            }
            (AsideId::Till(till, unit), _) => {
                let units = unit.iter().cloned().collect();
                let ordered = self.exchange.settle_aside(till, action, units).map_err(AsideError::Exchange);
                ordered.map(|_| Outcome::TillWasTold)
            }
        }
    }

    fn take_again(&self, id: &AsideId, body: Vec<u8>, line: &AuditLine) -> Result<(), AsideError> {
        if !is_whole(body.len() as u64) {
            return Err(AsideError::Cut { id: id.clone() });
        }
        self.reports.take_now(&[body], Some(line)).map_err(AsideError::Exchange)
    }
}
