//! The bodies of `tillway_tests::fuzz` on random bytes and on valid inputs that are a little
//! wrong.
#![allow(clippy::unwrap_used, clippy::expect_used)]

mod bodies;
mod regressions;
mod seeds;
