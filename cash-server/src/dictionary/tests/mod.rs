//! Dictionaries over their SQLite store.

pub(crate) mod kit;
mod known;
mod loads;
pub(crate) mod model;
mod overrides;
mod retention;
mod spares;
