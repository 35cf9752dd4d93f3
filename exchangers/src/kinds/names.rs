//! A small hash table from names to values that compares names without regard to ASCII case: built
//! once, read for every field of every record.

/// Open addressing over a power of two of slots, at most half of them taken.
#[derive(Debug)]
pub(super) struct NameTable<T> {
    slots: Vec<Option<(Box<[u8]>, T)>>,
}

impl<T: Copy> NameTable<T> {
    /// The first value of a name stays.
    pub(super) fn new<'a>(entries: impl Iterator<Item = (&'a str, T)>) -> Self {
        let entries: Vec<_> = entries.collect();
        let size = (entries.len() * 2).next_power_of_two().max(4);
        let mut table = Self { slots: std::iter::repeat_with(|| None).take(size).collect() };
        for (name, value) in entries {
            let place = table.place(name.as_bytes());
            if table.slots[place].is_none() {
                table.slots[place] = Some((name.as_bytes().into(), value));
            }
        }
        table
    }

    /// The value of a name.
    pub(super) fn find(&self, name: &[u8]) -> Option<T> {
        self.slots[self.place(name)].as_ref().map(|(_, value)| *value)
    }

    /// The slot of this name, or the empty one where it would go.
    fn place(&self, name: &[u8]) -> usize {
        let mask = self.slots.len() - 1;
        let mut at = hash(name) & mask;
        while let Some((taken, _)) = &self.slots[at] {
            if **taken == *name || taken.eq_ignore_ascii_case(name) {
                break;
            }
            at = (at + 1) & mask;
        }
        at
    }
}

/// Over length, first and last bytes of the name with the case bit set: letters of either case
/// hash alike.
fn hash(name: &[u8]) -> usize {
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0, |word, byte| word << 8 | u64::from(*byte | 0x20));
    let ends = match (name.first_chunk::<8>(), name.last_chunk::<8>()) {
        (Some(first), Some(last)) => word(first) ^ word(last).rotate_left(29),
        _ => word(name),
    };
    let mixed = (ends ^ name.len() as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    usize::try_from(mixed >> 40).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_found_whatever_their_case() {
        let table = NameTable::new([("measureCode", 1), ("deptcode", 2), ("is_category", 3)].into_iter());
        assert_eq!(table.find(b"MEASURECODE"), Some(1));
        assert_eq!(table.find(b"deptCode"), Some(2));
        assert_eq!(table.find(b"is_category"), Some(3));
        assert_eq!(table.find(b"is\x7fcategory"), None);
        assert_eq!(table.find(b""), None);
    }
}
