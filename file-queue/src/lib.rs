//! The durable queue on disk
