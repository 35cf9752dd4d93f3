//! The rows of the table, one module each.

mod chain_intake;
mod chain_server;
mod difference;
mod full_load;
mod growth;
mod look_up;
mod memory;
mod one_price;
mod pages;
mod sales;
mod thousands;

use super::Plan;
use super::part::Part;

/// All rows, in order.
pub const ROWS: [Plan; 11] = [
    full_load::PLAN,
    difference::PLAN,
    one_price::PLAN,
    chain_intake::PLAN,
    thousands::PLAN,
    sales::PLAN,
    look_up::PLAN,
    memory::PLAN,
    memory::DAY,
    growth::PLAN,
    pages::PLAN,
];

/// Runs of rows in a process of their own.
pub fn parts() -> Vec<Part> {
    [
        full_load::PARTS,
        difference::PARTS,
        chain_intake::PARTS,
        sales::PARTS,
        look_up::PARTS,
        memory::PARTS,
        growth::PARTS,
    ]
    .into_iter()
    .flatten()
    .copied()
    .collect()
}
