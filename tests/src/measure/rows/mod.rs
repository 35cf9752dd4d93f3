//! The rows of the table, one module each.

mod full_load;
mod memory;
mod one_price;
mod thousands;

use super::Plan;
use super::part::Part;

/// All rows, in order.
pub const ROWS: [Plan; 4] = [full_load::PLAN, one_price::PLAN, thousands::PLAN, memory::PLAN];

/// Runs of rows in a process of their own.
pub fn parts() -> Vec<Part> {
    [full_load::PARTS, memory::PARTS].into_iter().flatten().copied().collect()
}
