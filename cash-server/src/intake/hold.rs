//! Loads that would take away too much are held until somebody says yes: a full load that was cut
//! off must not empty a shop.
//!
//! A decision over plain data: what the load would do, and limits.

use crate::dictionary::entry::Loss;
use crate::settings::HoldLimits;
use crate::store::dictionary::Sample;
use crate::store::intake::LoadReason;
use serde_json::{Map, Value};
use tillway_exchangers::kinds::Kind;
use tillway_exchangers::row::{ObjectKey, RowRef, to_json};

/// Kinds that are named one by one; more are counted.
const MAX_NAMED: usize = 5;

/// Objects of each sort that are told of a load that somebody wants to see first.
pub(super) const SAMPLES: u32 = 5;

/// Longest text of one object, in characters.
const MAX_SAMPLE_CHARS: usize = 200;

/// Why a load is held; nothing where it may go on. `first`: its layer held nothing, so it can take
/// nothing away.
pub(super) fn reasons(limits: &HoldLimits, first: bool, losses: &[Loss], read: u64, rejected: u64) -> Vec<LoadReason> {
    if first {
        return Vec::new();
    }
    let mut reasons = Vec::new();
    let too_much: Vec<&Loss> = losses.iter().filter(|loss| takes_too_much(limits, loss)).collect();
    for Loss { kind, before, deleted } in too_much.iter().take(MAX_NAMED) {
        let objects = Kind::by_id(kind.0).map_or("?", Kind::name);
        reasons.push(LoadReason::WouldDelete { deleted: *deleted, before: *before, objects });
    }
    if too_much.len() > MAX_NAMED {
        reasons.push(LoadReason::WouldDeleteMore { kinds: too_much.len() - MAX_NAMED });
    }
    let share = |part: u64, percent: u8, whole: u64| {
        percent < 100 && u128::from(part) * 100 > u128::from(percent) * u128::from(whole)
    };
    if rejected >= limits.rejected_from && share(rejected, limits.rejected_percent, read) {
        reasons.push(LoadReason::TooManyRejects { rejected, records: read });
    }
    reasons
}

/// Some of what a load would do, in the words of its fields.
pub(super) fn samples(samples: &[Sample]) -> Vec<LoadReason> {
    let told = |is: fn(&Sample) -> bool| {
        let all: Vec<String> = samples.iter().filter(|sample| is(sample)).map(sample_text).collect();
        Some(all.join("; ")).filter(|text| !text.is_empty())
    };
    let added = told(|one| one.before.is_none()).map(|objects| LoadReason::WouldAddSome { objects });
    let is_changed = |one: &Sample| one.before.is_some() && one.after.is_some();
    let changed = told(is_changed).map(|objects| LoadReason::WouldChangeSome { objects });
    let deleted = told(|one| one.after.is_none()).map(|objects| LoadReason::WouldDeleteSome { objects });
    [added, changed, deleted].into_iter().flatten().collect()
}

/// `price 4600001: price 10 → 12`.
fn sample_text(sample: &Sample) -> String {
    let kind = Kind::by_id(sample.object.kind.0);
    let fields = |body: &Option<Vec<u8>>| -> Map<String, Value> {
        let (Some(kind), Some(body)) = (kind, body) else { return Map::new() };
        let json = RowRef::decode(kind, body).map(|row| to_json(kind, &row));
        json.ok().and_then(|json| serde_json::from_str(&json).ok()).unwrap_or_default()
    };
    let (before, after) = (fields(&sample.before), fields(&sample.after));
    let value = |fields: &Map<String, Value>, name: &str| match fields.get(name) {
        None | Some(Value::Null) => "–".to_owned(),
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
    };
    let differing: Vec<String> = match (&sample.before, &sample.after) {
        (Some(_), Some(_)) => {
            let gone = before.keys().filter(|name| !after.contains_key(*name));
            let names = after.keys().chain(gone).filter(|name| before.get(*name) != after.get(*name));
            names.map(|name| format!("{name} {} → {}", value(&before, name), value(&after, name))).collect()
        }
        _ => ["name", "price"]
            .into_iter()
            .filter_map(|name| before.get(name).or(after.get(name)).map(|_| name))
            .map(|name| value(if after.is_empty() { &before } else { &after }, name))
            .collect(),
    };
    let key = ObjectKey::from_text(sample.object.key.as_str());
    let told = format!("{} {key}: {}", kind.map_or("?", Kind::name), differing.join(", "));
    told.trim_end_matches(": ").chars().take(MAX_SAMPLE_CHARS).collect()
}

fn takes_too_much(limits: &HoldLimits, loss: &Loss) -> bool {
    let Loss { before, deleted, .. } = *loss;
    if deleted == before {
        return limits.all_from > 0 && before >= limits.all_from;
    }
    let share = u128::from(deleted) * 100 > u128::from(limits.deleted_percent) * u128::from(before);
    share && limits.deleted_percent < 100 && deleted >= limits.deleted_from
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dictionary::entry::KindId;

    fn item() -> KindId {
        Kind::by_name("item").unwrap().into()
    }

    fn lost(deleted: u64, before: u64) -> Vec<LoadReason> {
        reasons(&HoldLimits::default(), false, &[Loss { kind: item(), before, deleted }], 1, 0)
    }

    #[test]
    fn all_of_a_kind_or_more_than_half_and_at_least_twenty_is_too_much() {
        for (deleted, before) in [(1, 1), (19, 19), (20, 39), (51, 100), (99_999, 100_000)] {
            assert!(!lost(deleted, before).is_empty(), "{deleted} of {before}");
        }
        for (deleted, before) in [(19, 20), (20, 40), (50, 100), (1, 2)] {
            assert_eq!(lost(deleted, before), [], "{deleted} of {before}");
        }
        let told = LoadReason::WouldDelete { deleted: 99_999, before: 100_000, objects: "item" };
        assert_eq!(lost(99_999, 100_000), [told]);
    }

    #[test]
    fn twenty_rejects_that_are_more_than_a_fifth_are_too_many() {
        let rejects = |rejected, read| reasons(&HoldLimits::default(), false, &[], read, rejected);
        assert_eq!((rejects(20, 99).len(), rejects(1_000, 4_999).len()), (1, 1));
        assert_eq!((rejects(19, 19), rejects(20, 100), rejects(0, 0)), (vec![], vec![], vec![]));
        assert_eq!(rejects(20, 20), [LoadReason::TooManyRejects { rejected: 20, records: 20 }]);
        assert_eq!(reasons(&HoldLimits::default(), true, &[], 20, 20), [], "the first load of a layer");
    }

    #[test]
    fn each_limit_can_be_set_and_switched_off() {
        let losses =
            [Loss { kind: item(), before: 100, deleted: 100 }, Loss { kind: KindId(65_000), before: 10, deleted: 6 }];
        let with = |limits: HoldLimits| reasons(&limits, false, &losses, 10, 5);
        let off = HoldLimits { all_from: 0, deleted_percent: 100, rejected_percent: 100, ..HoldLimits::default() };
        assert_eq!(with(off), []);
        assert_eq!(with(HoldLimits { all_from: 101, ..off }), []);
        let of = |deleted, before, objects| LoadReason::WouldDelete { deleted, before, objects };
        assert_eq!(with(HoldLimits { all_from: 100, ..off }), [of(100, 100, "item")]);
        assert_eq!(with(HoldLimits { deleted_percent: 59, deleted_from: 6, ..off }), [of(6, 10, "?")]);
        assert_eq!(with(HoldLimits { deleted_percent: 60, deleted_from: 6, ..off }), []);
        let many = LoadReason::TooManyRejects { rejected: 5, records: 10 };
        assert_eq!(with(HoldLimits { rejected_percent: 49, rejected_from: 5, ..off }), [many]);
    }
}
