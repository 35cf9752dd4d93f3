//! Formats, the table of kinds, the till's databases
