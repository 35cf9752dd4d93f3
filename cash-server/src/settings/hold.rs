//! From where on a load is held until somebody says yes.

/// From so many objects of a kind on, a load that takes away all of them is held.
const DEFAULT_ALL_FROM: u64 = 1;

/// A load is held that takes away more than this share of a kind, in a hundred.
const DEFAULT_DELETED_PERCENT: u8 = 50;

/// Of a kind, so many have to go at the least for [`DEFAULT_DELETED_PERCENT`]: a small list may
/// change as a whole.
const DEFAULT_DELETED_FROM: u64 = 20;

/// A load is held of whose records more than this share were rejected, in a hundred.
const DEFAULT_REJECTED_PERCENT: u8 = 20;

/// So many records have to be rejected at the least for [`DEFAULT_REJECTED_PERCENT`].
const DEFAULT_REJECTED_FROM: u64 = 20;

/// From where on a load is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HoldLimits {
    /// All objects of a kind, if it had so many; 0: never.
    pub all_from: u64,
    /// More than this share of a kind, in a hundred; 100: never.
    pub deleted_percent: u8,
    /// And so many at the least.
    pub deleted_from: u64,
    /// More than this share of its records, in a hundred; 100: never.
    pub rejected_percent: u8,
    /// And so many at the least.
    pub rejected_from: u64,
}

impl Default for HoldLimits {
    fn default() -> Self {
        Self {
            all_from: DEFAULT_ALL_FROM,
            deleted_percent: DEFAULT_DELETED_PERCENT,
            deleted_from: DEFAULT_DELETED_FROM,
            rejected_percent: DEFAULT_REJECTED_PERCENT,
            rejected_from: DEFAULT_REJECTED_FROM,
        }
    }
}
