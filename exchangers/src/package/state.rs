//! One digest over everything that a till must have.

use crate::kinds::Kind;
use tillway_proto::Digest;

/// Bytes that one kind adds: its number, its rows, its digest.
const ENTRY_BYTES: usize = 2 + 8 + 16;

/// One digest over all kinds: XXH3-128 over number (2 bytes), rows (8 bytes) and digest (16 bytes)
/// of each kind that has rows, big-endian, in the order of the numbers. The server makes it of
/// what a till must have at a revision, the till of what it has: equal cursors with different
/// digests are different states.
///
/// A kind without rows counts for nothing, so a program that knows more kinds comes to the same.
pub fn state_digest(kinds: impl IntoIterator<Item = (Kind, u64, Digest)>) -> Digest {
    let mut kinds: Vec<_> = kinds.into_iter().filter(|(_, rows, _)| *rows > 0).collect();
    kinds.sort_unstable_by_key(|(kind, ..)| kind.id());
    let mut bytes = Vec::with_capacity(kinds.len() * ENTRY_BYTES);
    for (kind, rows, digest) in kinds {
        bytes.extend_from_slice(&kind.id().to_be_bytes());
        bytes.extend_from_slice(&rows.to_be_bytes());
        bytes.extend_from_slice(&digest.to_bytes());
    }
    Digest(xxhash_rust::xxh3::xxh3_128(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digest_of_a_state_tells_rows_and_kinds_apart_and_overlooks_order_and_empty_kinds() {
        let [item, barcode] = ["item", "barcode"].map(|name| Kind::by_name(name).unwrap());
        let state = state_digest([(item, 1, Digest(7)), (barcode, 2, Digest(8))]);
        assert_eq!(state, state_digest([(barcode, 2, Digest(8)), (item, 1, Digest(7))]));
        let empty = Kind::by_name("price").unwrap();
        assert_eq!(state, state_digest([(empty, 0, Digest(0)), (item, 1, Digest(7)), (barcode, 2, Digest(8))]));
        for other in [
            vec![(item, 1, Digest(7))],
            vec![(item, 2, Digest(8)), (barcode, 1, Digest(7))],
            vec![(item, 1, Digest(7)), (barcode, 3, Digest(8))],
        ] {
            assert_ne!(state, state_digest(other));
        }
    }

    #[test]
    fn the_digest_of_a_state_stays_what_it_is_between_versions() {
        let item = Kind::by_name("item").unwrap();
        assert_eq!(state_digest([(item, 1, Digest(7))]).to_string(), "192151f8d3fb43771918672894b1be80");
    }
}
