//! The rows of the table, one module each.

mod chain_intake;
mod chain_server;
mod full_load;
mod growth;

use super::Plan;
use super::part::Part;

/// All rows, in order.
pub const ROWS: [Plan; 3] = [full_load::PLAN, chain_intake::PLAN, growth::PLAN];

/// Runs of rows in a process of their own.
pub fn parts() -> Vec<Part> {
    [full_load::PARTS, chain_intake::PARTS, growth::PARTS].into_iter().flatten().copied().collect()
}
