//! The rows of the table, one module each.

mod difference;
mod full_load;

use super::Plan;
use super::part::Part;

/// All rows, in order.
pub const ROWS: [Plan; 2] = [full_load::PLAN, difference::PLAN];

/// Runs of rows in a process of their own.
pub fn parts() -> Vec<Part> {
    [full_load::PARTS, difference::PARTS].into_iter().flatten().copied().collect()
}
