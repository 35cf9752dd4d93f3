//! The rows of the table, one module each.

mod difference;
mod full_load;
mod look_up;
mod memory;
mod one_price;
mod sales;
mod thousands;

use super::Plan;
use super::part::Part;

/// All rows, in order.
pub const ROWS: [Plan; 7] = [
    full_load::PLAN,
    difference::PLAN,
    one_price::PLAN,
    thousands::PLAN,
    sales::PLAN,
    look_up::PLAN,
    memory::PLAN,
];

/// Runs of rows in a process of their own.
pub fn parts() -> Vec<Part> {
    [
        full_load::PARTS,
        difference::PARTS,
        sales::PARTS,
        look_up::PARTS,
        memory::PARTS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}
