//! The till's two databases.
//!
//! [`dictionary`] is `dictionaries.db`: the loader writes it, the POS reads it. [`documents`] is
//! `documents.db`: the POS writes it, the unloader reads it. The names of their tables and columns
//! are those that POS programs know (docs/formats/till-databases.md).
//!
//! **Architecture invariant:** each database has one side that writes it. Neither module opens the
//! other's file.

pub mod dictionary;
pub mod documents;
