//! Copies of everything that a server keeps, of one moment: what a backup is made of.

use std::collections::BTreeMap;
use std::io;

/// One copy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Copied {
    /// Its name in the folder of copies.
    pub name: String,
    /// Rows of each table.
    pub rows: BTreeMap<String, u64>,
}

/// Who has copies made.
pub trait Copying {
    /// Called once, at the moment that the copies show: nobody writes to any of the stores
    /// meanwhile. What lies beside them, and must fit them, is looked at here.
    fn at_the_moment(&mut self) -> io::Result<()>;

    /// Called again and again with the bytes that are copied, and all that are to be. False breaks
    /// it off.
    fn goes_on(&mut self, done: u64, total: u64) -> bool;
}
