//! One pass of the reconciler over all tills, as a pure function: what ends, what is published,
//! what is announced.

use super::decide::{Action, Aim, decide};
use super::model::{Delivery, Needs, PeerRecord};
use crate::settings::ExchangeSettings;
use crate::store::exchange::{Ended, Records};
use jiff::Timestamp;
use std::borrow::Cow;
use std::collections::HashSet;
use std::panic::catch_unwind;
use std::sync::Arc;
use tillway_proto::{DeliveryId, DeliveryState, PeerId, Revision, TillId};

/// Most decisions for one till in one pass: a delivery ends, then what follows. More would be a
/// decision that turns in a circle.
const MAX_DECISIONS: usize = 3;

/// A till as the pass sees it.
#[derive(Debug, Clone)]
pub struct TillAim {
    /// The till.
    pub till: TillId,
    /// What it should have.
    pub aim: Aim,
}

/// A package to announce.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// To whom.
    pub till: TillId,
    /// From which cursor.
    pub from: Revision,
    /// What to send whole.
    pub repair: Needs,
    /// Failures in a row so far.
    pub tries: u32,
    /// Those of them that were rejected for what was inside.
    pub bad_contents: u32,
    /// The till's newest delivery, and its state after this pass.
    pub seen: Option<(DeliveryId, DeliveryState)>,
    /// Since when the till has left links unanswered, where this one takes the place of such a
    /// one.
    pub unanswered_since: Option<Timestamp>,
    /// The cursor that it claims and that nothing speaks for.
    pub claimed: Option<Revision>,
    /// There is nothing newer than its newest delivery, and that had the time it needs: what the
    /// till has said since calls for this.
    pub is_called_for: bool,
}

/// What one pass does.
#[derive(Debug, Default)]
pub struct Plan {
    /// Deliveries that end.
    pub ends: Vec<Ended>,
    /// Links to publish again.
    pub publish: Vec<Delivery>,
    /// Packages to announce.
    pub announce: Vec<Wanted>,
    /// Peers that are known but not in the network any more.
    pub gone: Vec<PeerId>,
    /// Tills that a decision stumbled over: a defect of this server that must not stop all others.
    pub poison: Vec<TillId>,
}

/// Decides for all tills.
pub fn plan(aims: &[TillAim], records: &Records, settings: &ExchangeSettings, now: Timestamp) -> Plan {
    let unheard = PeerRecord::default();
    let mut plan = Plan::default();
    for aim in aims {
        let record = records.get(&aim.till.clone().into()).map_or(&unheard, Arc::as_ref);
        let decided = catch_unwind(|| for_till(aim, record, settings, now));
        match decided {
            Ok(of_till) => {
                plan.ends.extend(of_till.ends);
                plan.publish.extend(of_till.publish);
                plan.announce.extend(of_till.announce);
            }
            Err(_) => plan.poison.push(aim.till.clone()),
        }
    }
    let wanted: HashSet<&TillId> = aims.iter().map(|aim| &aim.till).collect();
    let is_wanted = |peer: &PeerId| peer.till().is_some_and(|till| wanted.contains(till));
    plan.gone = records.keys().filter(|peer| !is_wanted(peer)).cloned().collect();
    plan
}

fn for_till(aim: &TillAim, record: &PeerRecord, settings: &ExchangeSettings, now: Timestamp) -> Plan {
    let mut plan = Plan::default();
    let mut record = Cow::Borrowed(record);
    for _ in 0..MAX_DECISIONS {
        match decide(&record, &aim.aim, settings, now) {
            Action::Wait(_) => break,
            Action::End { delivery, state, reason } => {
                let seen = record.newest.as_ref().map_or(DeliveryState::Announced, |newest| newest.state);
                plan.ends.push(Ended { id: delivery, seen, state, reason });
                end(record.to_mut(), state, now);
            }
            Action::Publish { .. } => {
                plan.publish.extend(record.newest.clone());
                break;
            }
            Action::Announce { from, repair, tries, bad_contents, unanswered_since } => {
                let seen = record.newest.as_ref().map(|newest| (newest.id, newest.state));
                let (till, claimed) = (aim.till.clone(), record.claimed());
                let is_called_for = is_called_for(&record, aim.aim.target);
                plan.announce.push(Wanted {
                    till,
                    from,
                    repair,
                    tries,
                    bad_contents,
                    seen,
                    unanswered_since,
                    claimed,
                    is_called_for,
                });
                break;
            }
        }
    }
    plan
}

/// One that expired was given up by the server, after a time that it chose.
fn is_called_for(record: &PeerRecord, target: Revision) -> bool {
    record.newest.as_ref().is_some_and(|newest| newest.to >= target && newest.state != DeliveryState::Expired)
}

fn end(record: &mut PeerRecord, state: DeliveryState, now: Timestamp) {
    if let Some(newest) = &mut record.newest {
        newest.state = state;
        newest.state_at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use std::path::Path;

    fn till(number: u32) -> TillId {
        format!("_cash_{number}_00ab34ef").parse().unwrap()
    }

    fn delivery(number: u32, state_at: Timestamp, confirmed: bool) -> Delivery {
        Delivery {
            id: tillway_proto::DeliveryId::generate(),
            peer: till(number).into(),
            package: tillway_proto::PackageName::from_hash([1; 32]),
            bytes: 1,
            objects: 1,
            from: Revision(0),
            to: Revision(4),
            repair: Needs::Nothing,
            tries: 0,
            state: DeliveryState::Announced,
            state_at,
            created_at: state_at,
            confirmed,
            reason: None,
            bad_contents: 0,
            cause: None,
            unanswered_since: state_at,
            replaces: None,
        }
    }

    #[test]
    fn one_pass_ends_what_is_overdue_and_announces_it_anew() {
        let now = Timestamp::from_second(1_700_000_000).unwrap();
        let settings = Settings::read("", Path::new("/"), []).unwrap().exchange;
        let overdue = delivery(1, now - jiff::SignedDuration::from_hours(7), true);
        let unconfirmed = delivery(2, now, false);
        let record = |delivery: &Delivery| Arc::new(PeerRecord { contact: None, newest: Some(delivery.clone()) });
        let records = Records::from([
            (till(1).into(), record(&overdue)),
            (till(2).into(), record(&unconfirmed)),
            (till(9).into(), record(&delivery(9, now, true))),
        ]);
        let aim = |number| Aim { target: Revision(4), digest: None, parked: number == 4 };
        let aims: Vec<_> = (1..=4).map(|number| TillAim { till: till(number), aim: aim(number) }).collect();
        let plan = plan(&aims, &records, &settings, now);
        let ends: Vec<_> = plan.ends.iter().map(|ended| (ended.id, ended.state)).collect();
        assert_eq!(ends, [(overdue.id, DeliveryState::Expired)]);
        assert_eq!(plan.publish, [unconfirmed]);
        let wanted: Vec<_> = plan.announce.iter().map(|wanted| (wanted.till.clone(), wanted.tries)).collect();
        assert_eq!(wanted, [(till(1), 0), (till(3), 0)], "one that expired while its till was off was no failure");
        assert_eq!(plan.gone, [till(9).into()]);
    }
}
