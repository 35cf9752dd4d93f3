//! The rows of the table, one module each.

mod full_load;

use super::Plan;
use super::part::Part;

/// All rows, in order.
pub const ROWS: [Plan; 1] = [full_load::PLAN];

/// Runs of rows in a process of their own.
pub fn parts() -> Vec<Part> {
    [full_load::PARTS].into_iter().flatten().copied().collect()
}
