//! The rows of the table, one module each.

mod full_load;
mod look_up;
mod sales;

use super::Plan;
use super::part::Part;

/// All rows, in order.
pub const ROWS: [Plan; 3] = [full_load::PLAN, sales::PLAN, look_up::PLAN];

/// Runs of rows in a process of their own.
pub fn parts() -> Vec<Part> {
    [full_load::PARTS, sales::PARTS, look_up::PARTS].into_iter().flatten().copied().collect()
}
