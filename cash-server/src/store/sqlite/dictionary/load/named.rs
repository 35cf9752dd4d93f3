//! Which objects of cleared kinds a load names: the others are gone at its end. Numbers of rows in bitmaps, some bits a row.

use crate::dictionary::entry::KindId;
use roaring::RoaringTreemap;
use rusqlite::{Connection, params};
use std::collections::BTreeMap;

/// Owners whose numbers are no further apart are looked up in one range: it walks over what lies between.
const OWNERS_APART: u64 = 64;

/// What of one cleared kind was named after its clearing.
#[derive(Default)]
struct Named {
    rows: RoaringTreemap,
    /// Objects that were named with all that they own.
    owners: RoaringTreemap,
}

/// The cleared kinds.
#[derive(Default)]
pub(super) struct Cleared(BTreeMap<KindId, Named>);

impl Cleared {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn clear(&mut self, kind: KindId) {
        self.0.insert(kind, Named::default());
    }

    /// The kinds whose clearing was taken back.
    pub(super) fn take_back(&mut self, of: Option<&[KindId]>) -> Vec<KindId> {
        let taken_back = |kind: &KindId| of.is_none_or(|of| of.contains(kind));
        let kinds = self.0.keys().copied().filter(taken_back).collect();
        self.0.retain(|kind, _| !taken_back(kind));
        kinds
    }

    /// A row is named.
    pub(super) fn name(&mut self, kind: KindId, id: i64) {
        if let Some(named) = self.0.get_mut(&kind) {
            named.rows.insert(id.cast_unsigned());
        }
    }

    /// A row is named, and with it all that it owns.
    pub(super) fn name_whole(&mut self, kind: KindId, id: i64) {
        for (cleared, named) in &mut self.0 {
            if *cleared == kind {
                named.rows.insert(id.cast_unsigned());
            } else {
                named.owners.insert(id.cast_unsigned());
            }
        }
    }

    /// The rows of cleared kinds that were not named, in the order of kinds and keys.
    pub(super) fn gone(self, connection: &Connection, layer: i64) -> rusqlite::Result<Vec<i64>> {
        let mut gone = Vec::new();
        // Kinds that were cleared together have the same owners: what those own is looked up once.
        let mut owned: Option<(RoaringTreemap, RoaringTreemap)> = None;
        for (kind, named) in self.0 {
            // Both from indexes alone, so that no row is read for this.
            let spared = match owned.take() {
                Some((owners, spared)) if owners == named.owners => spared,
                _ => owned_by(connection, &named.owners)?,
            };
            let mut rows =
                connection.prepare_cached("SELECT id FROM object WHERE layer = ?1 AND kind = ?2 ORDER BY key")?;
            for id in rows.query_map(params![layer, kind.0], |row| row.get::<_, i64>(0))? {
                let id = id?;
                if !named.rows.contains(id.cast_unsigned()) && !spared.contains(id.cast_unsigned()) {
                    gone.push(id);
                }
            }
            owned = Some((named.owners, spared));
        }
        Ok(gone)
    }
}

/// The rows that these own.
fn owned_by(connection: &Connection, owners: &RoaringTreemap) -> rusqlite::Result<RoaringTreemap> {
    let mut spared = RoaringTreemap::new();
    let mut statement =
        connection.prepare_cached("SELECT owner, id FROM object WHERE owner BETWEEN ?1 AND ?2 ORDER BY owner")?;
    let mut owners_left = owners.iter().peekable();
    while let Some(first) = owners_left.next() {
        let mut last = first;
        while let Some(next) = owners_left.next_if(|next| next - last <= OWNERS_APART) {
            last = next;
        }
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
