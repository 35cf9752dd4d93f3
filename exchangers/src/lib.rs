//! The formats that dictionaries and sales travel in, the table of kinds, and the till's
//! databases.
//!
//! [`kinds`] is the one table of dictionary kinds: verbs, fields, keys, till tables. [`row`] is
//! the canonical form of an object: the same bytes are stored, shipped and hashed. [`records`] is
//! what a back office orders, whatever its format; [`formats`] has the formats. [`package`] is the
//! file that carries differences to tills; [`till`] loads it there and unloads sales.
//!
//! **Architecture invariant:** nothing here knows the network, layers or a broker: bytes come in,
//! rows go out.

pub mod formats;
pub mod goods;
mod json;
pub mod kinds;
pub mod package;
pub mod records;
pub mod row;
pub mod till;
