//! The sync agent
