//! Which objects of cleared kinds a load names: the others are gone at its end. Numbers of rows in
//! bitmaps, some bits a row.

use crate::dictionary::entry::KindId;
use roaring::RoaringTreemap;
use rusqlite::{Connection, params};
use std::collections::BTreeSet;
use std::iter::Peekable;
use std::ops::Range;

/// Numbers that are no further apart are looked up in one range: it walks over what lies between.
const APART: u64 = 64;

/// Numbers that were not named are looked at one by one where they are at most this part of those
/// that were: a row costs more than an entry of an index, of which there is one for each.
const OTHERS_SHARE: u64 = 8;

/// Kinds that were cleared together, and what was named since.
#[derive(Default)]
struct Group {
    kinds: BTreeSet<KindId>,
    rows: RoaringTreemap,
    /// Objects that were named with all that they own.
    wholes: RoaringTreemap,
    /// Named one behind the other, and not in `rows` yet.
    run: Range<u64>,
}

impl Group {
    /// One run follows another where nothing has changed: a million of them are one.
    fn name_run(&mut self, run: Range<u64>) {
        if self.run.end == run.start {
            self.run.end = run.end;
        } else {
            self.rows.insert_range(std::mem::replace(&mut self.run, run));
        }
    }
}

/// The cleared kinds.
#[derive(Default)]
pub(super) struct Cleared(Vec<Group>);

impl Cleared {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// What was named of the kind before does not count any more.
    pub(super) fn clear(&mut self, kind: KindId) {
        self.take_back(Some(&[kind]));
        match self.0.last_mut() {
            Some(group) if group.rows.is_empty() && group.wholes.is_empty() && group.run.is_empty() => {
                group.kinds.insert(kind);
            }
            _ => self.0.push(Group { kinds: BTreeSet::from([kind]), ..Group::default() }),
        }
    }

    /// The kinds whose clearing was taken back.
    pub(super) fn take_back(&mut self, of: Option<&[KindId]>) -> Vec<KindId> {
        let mut kinds = Vec::new();
        for group in &mut self.0 {
            kinds.extend(group.kinds.extract_if(.., |kind| of.is_none_or(|of| of.contains(kind))));
        }
        self.0.retain(|group| !group.kinds.is_empty());
        kinds.sort_unstable();
        kinds
    }

    /// A row is named.
    pub(super) fn name(&mut self, kind: KindId, id: i64) {
        if let Some(group) = self.0.iter_mut().find(|group| group.kinds.contains(&kind)) {
            group.rows.insert(id.cast_unsigned());
        }
    }

    /// A row is named, and with it all that it owns.
    pub(super) fn name_whole(&mut self, id: i64) {
        for group in &mut self.0 {
            group.wholes.insert(id.cast_unsigned());
        }
    }

    /// An object is named, and with it all that it owns: the rows with the numbers from its own
    /// on.
    pub(super) fn name_run(&mut self, id: i64, rows: u32) {
        let first = id.cast_unsigned();
        for group in &mut self.0 {
            group.name_run(first..first.saturating_add(u64::from(rows)));
        }
    }

    /// The rows of cleared kinds that were not named: numbers alone, since it may be a whole
    /// catalogue that is gone.
    pub(super) fn gone(self, connection: &Connection, layer: i64) -> rusqlite::Result<Vec<i64>> {
        if self.0.is_empty() {
            return Ok(Vec::new());
        }
        let last: Option<i64> = connection.query_row("SELECT max(id) FROM object", (), |row| row.get(0))?;
        let last = last.unwrap_or_default().cast_unsigned();
        let mut gone = Vec::new();
        for group in self.0 {
            // From an index alone, so that no row is read for this.
            let mut spared = owned_by(connection, &group.wholes)?;
            spared |= group.rows;
            spared.insert_range(group.run);
            spared |= group.wholes;
            let mut others = RoaringTreemap::new();
            others.insert_range(1..=last);
            others -= &spared;
            if others.len() <= spared.len() / OTHERS_SHARE {
                gone_among(&others, connection, layer, &group.kinds, &mut gone)?;
            } else {
                gone_beside(&spared, connection, layer, &group.kinds, &mut gone)?;
            }
        }
        Ok(gone)
    }
}

/// Where nearly all rows were named, looks at the numbers that were not: of rows that are gone, of
/// other layers, of nothing.
fn gone_among(
    others: &RoaringTreemap,
    connection: &Connection,
    layer: i64,
    kinds: &BTreeSet<KindId>,
    gone: &mut Vec<i64>,
) -> rusqlite::Result<()> {
    let mut rows = connection.prepare_cached("SELECT id, layer, kind FROM object WHERE id BETWEEN ?1 AND ?2")?;
    let mut others_left = others.iter().peekable();
    while let Some(first) = others_left.next() {
        let last = end_of_range(first, &mut others_left);
        let mut rows = rows.query(params![first.cast_signed(), last.cast_signed()])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            let meant = row.get::<_, i64>(1)? == layer && kinds.contains(&KindId(row.get(2)?));
            if meant && others.contains(id.cast_unsigned()) {
                gone.push(id);
            }
        }
    }
    Ok(())
}

/// Looks at all rows of these kinds, in an index alone.
fn gone_beside(
    spared: &RoaringTreemap,
    connection: &Connection,
    layer: i64,
    kinds: &BTreeSet<KindId>,
    gone: &mut Vec<i64>,
) -> rusqlite::Result<()> {
    let mut rows = connection.prepare_cached("SELECT id FROM object WHERE layer = ?1 AND kind = ?2 ORDER BY key")?;
    for kind in kinds {
        let mut rows = rows.query(params![layer, kind.0])?;
        while let Some(row) = rows.next()? {
            let id: i64 = row.get(0)?;
            if !spared.contains(id.cast_unsigned()) {
                gone.push(id);
            }
        }
    }
    Ok(())
}

/// The last of the numbers that are no further apart than one range may look over.
fn end_of_range(first: u64, numbers: &mut Peekable<impl Iterator<Item = u64>>) -> u64 {
    let mut last = first;
    while let Some(next) = numbers.next_if(|next| next - last <= APART) {
        last = next;
    }
    last
}

/// The rows that these own.
fn owned_by(connection: &Connection, owners: &RoaringTreemap) -> rusqlite::Result<RoaringTreemap> {
    let mut spared = RoaringTreemap::new();
    let mut statement =
        connection.prepare_cached("SELECT owner, id FROM object WHERE owner BETWEEN ?1 AND ?2 ORDER BY owner")?;
    let mut owners_left = owners.iter().peekable();
    while let Some(first) = owners_left.next() {
        let last = end_of_range(first, &mut owners_left);
        let pair = |row: &rusqlite::Row<'_>| Ok((row.get::<_, i64>(0)?, row.get::<_, i64>(1)?));
        for row in statement.query_map(params![first.cast_signed(), last.cast_signed()], pair)? {
            let (owner, id) = row?;
            if owners.contains(owner.cast_unsigned()) {
                spared.insert(id.cast_unsigned());
            }
        }
    }
    Ok(spared)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LAYER: i64 = 7;

    /// Objects by their numbers, some of them missing: layer and kind; and whether each was named.
    fn objects() -> impl Strategy<Value = Vec<Option<(i64, u16, bool)>>> {
        let objects = |of_layer: u32, there, named, numbers| {
            let layer = prop_oneof![of_layer => Just(LAYER), 1 => Just(LAYER + 1)];
            let object = (layer, 1..4_u16, prop::bool::weighted(named));
            prop::collection::vec(prop::option::weighted(there, object), numbers)
        };
        // Many in each range, and ranges far apart.
        prop_oneof![objects(4, 0.8, 0.9, 1..400), objects(500, 0.999, 0.995, 1_000..2_000)]
    }

    proptest! {
        #![proptest_config(ProptestConfig { cases: 40, ..ProptestConfig::default() })]

        #[test]
        fn whatever_is_looked_at_the_same_is_gone(objects in objects()) {
            let database = Connection::open_in_memory().unwrap();
            database.execute_batch("CREATE TABLE object(id INTEGER PRIMARY KEY, layer, kind, key)").unwrap();
            let mut spared = RoaringTreemap::new();
            let mut expected = Vec::new();
            for (id, object) in (1_i64..).zip(&objects) {
                let Some((layer, kind, named)) = *object else { continue };
                let key = (id * 7_919 % 1_000).to_string();
                database.execute("INSERT INTO object VALUES (?, ?, ?, ?)", params![id, layer, kind, key]).unwrap();
                // Whatever another layer has is not named.
                if named && layer == LAYER {
                    spared.insert(id.cast_unsigned());
                } else if layer == LAYER && kind != 3 {
                    expected.push(id);
                }
            }
            let kinds = BTreeSet::from([KindId(1), KindId(2)]);
            let mut others = RoaringTreemap::new();
            others.insert_range(1..=objects.len() as u64);
            others -= &spared;
            let mut among = Vec::new();
            gone_among(&others, &database, LAYER, &kinds, &mut among).unwrap();
            prop_assert_eq!(&among, &expected);
            let mut beside = Vec::new();
            gone_beside(&spared, &database, LAYER, &kinds, &mut beside).unwrap();
            beside.sort_unstable();
            prop_assert_eq!(&beside, &expected);
        }
    }
}
