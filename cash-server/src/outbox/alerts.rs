//! What is so now of what people are told at once, and what has become of it since it was told.
//! Pure.

use crate::aside::{AsideId, Shown};
use crate::exchange::BrokerState;
use crate::network::Network;
use crate::store::outbox::{Alert, AlertSort, Stage};
use crate::store::sales::{Finding, FindingKind};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use tillway_proto::{NodeId, ShopId, TillId};

/// A till, as far as its shop may be silent.
#[derive(Debug, Clone)]
pub(super) struct TillFacts {
    pub(super) shop: ShopId,
    pub(super) parked: bool,
    /// Whether it was ever heard of.
    pub(super) known: bool,
    pub(super) silent_since: Option<Timestamp>,
}

/// What is so now.
#[derive(Debug, Default)]
pub(super) struct Now {
    pub(super) alerts: Vec<Alert>,
    /// Sorts of which nobody can say right now what is so: nothing of them begins or ends.
    pub(super) unknown: Vec<AlertSort>,
}

impl Now {
    fn put(&mut self, found: Option<Vec<Alert>>, sort: AlertSort) {
        match found {
            Some(alerts) => self.alerts.extend(alerts),
            None => self.unknown.push(sort),
        }
    }

    /// Puts together what is known of each sort.
    pub(super) fn of(held: Option<Vec<Alert>>, silent: Option<Vec<Alert>>, differing: Option<Vec<Alert>>) -> Self {
        let mut now = Self::default();
        now.put(held, AlertSort::HeldLoad);
        now.put(silent, AlertSort::SilentShop);
        now.put(differing, AlertSort::ShiftDiffers);
        now
    }
}

/// Loads that wait for a yes or a no; none where they cannot be listed.
pub(super) fn held_loads(shown: &Shown, now: Timestamp) -> Option<Vec<Alert>> {
    if !shown.troubles.is_empty() {
        return None;
    }
    let held = shown.units.iter().filter(|unit| unit.sort == "held");
    let alert = held.filter_map(|unit| match (&unit.id, &unit.place) {
        (AsideId::Load(load), Some(node)) => Some(Alert {
            sort: AlertSort::HeldLoad,
            object: load.0.to_string(),
            node: node.clone(),
            since: unit.at.unwrap_or(now),
            size: 1,
            detail: Some(unit.reason.clone()),
        }),
        _ => None,
    });
    Some(alert.collect())
}

/// Shops all of whose tills are silent. None as long as the server does not hear tills, or has not
/// for so long that they could have reported: that says nothing about shops.
pub(super) fn silent_shops(
    tills: &[TillFacts],
    broker: &BrokerState,
    silent_after: SignedDuration,
    now: Timestamp,
) -> Option<Vec<Alert>> {
    if !broker.consuming || now.duration_since(broker.since) < silent_after {
        return None;
    }
    let mut shops: BTreeMap<&ShopId, Vec<&TillFacts>> = BTreeMap::new();
    for till in tills.iter().filter(|till| till.known && !till.parked) {
        shops.entry(&till.shop).or_default().push(till);
    }
    let alert = |(shop, tills): (&ShopId, Vec<&TillFacts>)| {
        let silent: Option<Vec<Timestamp>> = tills.iter().map(|till| till.silent_since).collect();
        // The shop is silent since its last till is.
        let since = silent?.into_iter().max()?;
        let (object, node, size) = (shop.to_string(), NodeId::from(shop.clone()), tills.len() as u64);
        Some(Alert { sort: AlertSort::SilentShop, object, node, since, size, detail: None })
    };
    Some(shops.into_iter().filter_map(alert).collect())
}

/// Tills of which shifts differ. `findings`: those that are open, the newest first.
pub(super) fn shifts_that_differ(findings: &[Finding], network: &Network) -> Vec<Alert> {
    let mut tills: BTreeMap<&TillId, Alert> = BTreeMap::new();
    for finding in findings {
        let Some(till) = &finding.till else { continue };
        let parked = network.till(till).is_some_and(|node| node.parked);
        if parked || FindingKind::from_word(&finding.kind) != Some(FindingKind::ShiftDiffers) {
            continue;
        }
        let new = || Alert {
            sort: AlertSort::ShiftDiffers,
            object: till.to_string(),
            node: till.clone().into(),
            since: finding.first_seen,
            size: 0,
            detail: Some(finding.reason.clone()),
        };
        let alert = tills.entry(till).or_insert_with(new);
        alert.size += 1;
        alert.since = alert.since.min(finding.first_seen);
    }
    tills.into_values().collect()
}

/// What has become of what was told: each with its stage.
pub(super) fn changes(told: &[Alert], now: &Now) -> Vec<(Stage, Alert)> {
    let is_same = |one: &Alert, other: &Alert| one.sort == other.sort && one.object == other.object;
    let mut changes = Vec::new();
    for alert in &now.alerts {
        match told.iter().find(|told| is_same(told, alert)) {
            None => changes.push((Stage::Start, alert.clone())),
            Some(told) if alert.size > told.size => changes.push((Stage::Growth, alert.clone())),
            // Less of it is told once it is over, and more again only beyond what was told.
            Some(_) => {}
        }
    }
    let over = told.iter().filter(|told| !now.unknown.contains(&told.sort));
    let over = over.filter(|told| !now.alerts.iter().any(|alert| is_same(alert, told)));
    // What it was about is no news once it is over.
    changes.extend(over.map(|told| (Stage::End, Alert { detail: None, ..told.clone() })));
    changes
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(minutes: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + 60 * minutes).unwrap()
    }

    fn shop(code: &str) -> ShopId {
        format!("_shop_{code}_00ab34ef").parse().unwrap()
    }

    fn till(code: &str, silent_since: Option<i64>) -> TillFacts {
        TillFacts { shop: shop(code), parked: false, known: true, silent_since: silent_since.map(at) }
    }

    fn up_since(minutes: i64) -> BrokerState {
        BrokerState { consuming: true, since: at(minutes), trouble: None, blocked: None, foreign_queue: None }
    }

    const THREE: SignedDuration = SignedDuration::from_mins(3);

    #[test]
    fn a_shop_is_silent_once_all_its_tills_are_but_those_under_repair_and_those_never_heard_of() {
        let silent = |tills: &[TillFacts]| silent_shops(tills, &up_since(-60), THREE, at(0)).unwrap();
        assert_eq!(silent(&[till("7", Some(-9)), till("7", None)]), []);
        let both = silent(&[till("7", Some(-9)), till("7", Some(-4)), till("8", None)]);
        assert_eq!((both.len(), both[0].size, both[0].since), (1, 2, at(-4)));
        assert_eq!(both[0].node, NodeId::from(shop("7")));
        let parked = TillFacts { parked: true, ..till("7", None) };
        let new = TillFacts { known: false, ..till("7", None) };
        assert_eq!(silent(&[till("7", Some(-9)), parked.clone(), new.clone()]).len(), 1);
        assert_eq!(silent(&[parked, new]), [], "nobody is there who could be silent");
    }

    #[test]
    fn silence_says_nothing_as_long_as_the_server_does_not_hear() {
        let tills = [till("7", Some(-9))];
        assert!(silent_shops(&tills, &up_since(-2), THREE, at(0)).is_none(), "they could not have reported yet");
        let down = BrokerState { consuming: false, ..up_since(-60) };
        assert!(silent_shops(&tills, &down, THREE, at(0)).is_none());
        let told = silent_shops(&tills, &up_since(-60), THREE, at(0)).unwrap();
        let blind = Now::of(Some(Vec::new()), None, Some(Vec::new()));
        assert_eq!(changes(&told, &blind), [], "neither begun nor over");
    }

    #[test]
    fn a_start_a_growth_and_an_end_are_told_once_each() {
        let alert = |size| Alert {
            sort: AlertSort::ShiftDiffers,
            object: "_cash_1_00ab34ef".to_owned(),
            node: "_cash_1_00ab34ef".parse().unwrap(),
            since: at(0),
            size,
            detail: None,
        };
        let now = |size: Option<u64>| {
            Now::of(Some(Vec::new()), Some(Vec::new()), Some(size.map(alert).into_iter().collect()))
        };
        assert_eq!(changes(&[], &now(Some(1))), [(Stage::Start, alert(1))]);
        assert_eq!(changes(&[alert(1)], &now(Some(1))), []);
        assert_eq!(changes(&[alert(1)], &now(Some(2))), [(Stage::Growth, alert(2))]);
        assert_eq!(changes(&[alert(2)], &now(Some(1))), [], "less is no news");
        assert_eq!(changes(&[alert(2)], &now(None)), [(Stage::End, alert(2))]);
    }
}
