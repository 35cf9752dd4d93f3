//! What a package says of itself.

use super::{MAX_CHUNK_RAW_BYTES, MAX_CHUNK_RECORDS, MAX_CHUNKS, MAX_RECORD_BYTES, PackageError};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use tillway_proto::{CursorProof, Digest, Revision};

/// The header of a package; the format is told in the doc of [`crate::package`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// The package applies where `from ≤ cursor < to`; one that [repairs](Self::repairs) also at
    /// `to`.
    pub from: Revision,
    /// The cursor afterwards.
    pub to: Revision,
    /// Ids of the nodes whose overlay it is, from the chain down; for people only.
    pub layers: Vec<String>,
    /// What the till has to show for its cursor afterwards. Absent in packages of older servers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<CursorProof>,
    /// The kinds that have rows afterwards or change.
    pub kinds: Vec<KindEntry>,
    /// The chunks in the order of the file. Empty in a header that came by queue message.
    #[serde(default)]
    pub chunks: Vec<ChunkEntry>,
}

/// One kind in a package.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KindEntry {
    /// Stable name of the kind.
    pub kind: String,
    /// How its records are meant.
    pub mode: Mode,
    /// How many upserts the package has.
    pub upserts: u64,
    /// How many deletes.
    pub deletes: u64,
    /// How many rows the till has afterwards.
    pub rows: u64,
    /// Their digest.
    pub digest: Digest,
}

/// How the records of a kind are meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// Changes since the package's `from`.
    Difference,
    /// All rows there are.
    Snapshot,
}

/// One chunk in its table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChunkEntry {
    /// Stable name of the kind.
    pub kind: String,
    /// Where it starts, counted from the end of the header.
    pub offset: u64,
    /// Its length as it stands in the file.
    pub bytes: u32,
    /// Its length inflated.
    pub raw: u32,
    /// How many records it holds.
    pub records: u32,
    /// BLAKE3 of it as it stands in the file, as hex.
    #[serde(with = "hash_hex")]
    pub blake3: blake3::Hash,
}

mod hash_hex {
    use serde::{Deserialize as _, Deserializer, Serializer, de::Error as _};

    pub(super) fn serialize<S: Serializer>(hash: &blake3::Hash, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(hash.to_hex().as_str())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<blake3::Hash, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        blake3::Hash::from_hex(text.as_bytes()).map_err(D::Error::custom)
    }
}

impl Header {
    /// Whether it stands alone: whatever the till had, it has exactly this afterwards.
    pub fn is_full(&self) -> bool {
        self.from == Revision::ZERO && self.kinds.iter().all(|entry| entry.mode == Mode::Snapshot)
    }

    /// Whether it replaces some kinds whole, or all of them, so that it makes sense at cursor =
    /// `to` too.
    pub fn repairs(&self) -> bool {
        self.is_full() || self.kinds.iter().any(|entry| entry.mode == Mode::Snapshot)
    }

    /// Objects inside.
    pub fn objects(&self) -> u64 {
        self.kinds.iter().map(|entry| entry.upserts + entry.deletes).sum()
    }

    /// Rows that the till has afterwards.
    pub fn rows(&self) -> u64 {
        self.kinds.iter().map(|entry| entry.rows).sum()
    }

    /// What it says of one kind.
    pub fn kind(&self, name: &str) -> Option<&KindEntry> {
        self.kinds.iter().find(|entry| entry.kind == name)
    }

    /// Checks what a header says of kinds, and, where it has a table of chunks, that both agree.
    pub(super) fn check(&self, origin: &str) -> Result<(), PackageError> {
        let broken = |what: String| Err(PackageError::broken(origin, what));
        if self.from > self.to || (self.from == self.to && !self.repairs()) {
            return broken(format!("its range is {} to {}", self.from, self.to));
        }
        let mut objects = HashMap::with_capacity(self.kinds.len());
        for entry in &self.kinds {
            let count = entry.upserts.checked_add(entry.deletes);
            let Some(count) = count.filter(|_| entry.upserts <= entry.rows || entry.mode == Mode::Difference) else {
                return broken(format!("impossible counts of kind {}", entry.kind));
            };
            if entry.mode == Mode::Snapshot && (entry.deletes > 0 || entry.upserts != entry.rows) {
                return broken(format!("the snapshot of kind {} has not exactly its rows", entry.kind));
            }
            if objects.insert(entry.kind.as_str(), count).is_some() {
                return broken(format!("two entries of kind {}", entry.kind));
            }
        }
        if self.chunks.is_empty() {
            return Ok(());
        }
        for chunk in &self.chunks {
            let Some(left) = objects.get_mut(chunk.kind.as_str()) else {
                return broken(format!("a chunk of kind {}, which has no entry", chunk.kind));
            };
            let Some(rest) = left.checked_sub(u64::from(chunk.records)) else {
                return broken(format!("more records of kind {} than counted", chunk.kind));
            };
            *left = rest;
        }
        match objects.iter().find(|(_, left)| **left > 0) {
            Some((kind, left)) => broken(format!("{left} records of kind {kind} have no chunk")),
            None => Ok(()),
        }
    }
}

/// Checks the bounds of a table of chunks and that they stand one after another; gives the length
/// of all.
pub(super) fn check_chunks(chunks: &[ChunkEntry], origin: &str) -> Result<u64, PackageError> {
    let bounded = |what, value: u64, limit: u64| {
        if value <= limit {
            Ok(())
        } else {
            Err(PackageError::TooLarge { origin: origin.to_owned(), what, value, limit })
        }
    };
    bounded("the number of chunks", chunks.len() as u64, MAX_CHUNKS as u64)?;
    let mut end = 0_u64;
    for (number, chunk) in chunks.iter().enumerate() {
        bounded("the number of records in a chunk", chunk.records.into(), MAX_CHUNK_RECORDS.into())?;
        let raw_limit = if chunk.records == 1 { MAX_RECORD_BYTES } else { MAX_CHUNK_RAW_BYTES };
        bounded("the inflated length of a chunk", chunk.raw.into(), raw_limit.into())?;
        bounded("the length of a chunk", chunk.bytes.into(), compressed_bound(raw_limit).into())?;
        if chunk.offset != end || chunk.records == 0 {
            return Err(PackageError::broken(origin, format!("its table of chunks does not add up at chunk {number}")));
        }
        end += u64::from(chunk.bytes);
    }
    Ok(end)
}

/// What zstd makes of incompressible bytes at the most, generously.
fn compressed_bound(raw: u32) -> u32 {
    raw + raw / 128 + 1024
}
