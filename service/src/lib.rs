//! What every service of ours is made of, whatever its business: who asks, the people who may, the
//! model of the audit log, background work with one driver, ports with limits and TLS, users of
//! the operating system, words in the reader's language, and the frame of the page.
//!
//! **Architecture invariant:** nothing here knows what a service is about. The cash server is the
//! first service that is built from these parts; others come beside it. `.ci/floors` lists words
//! that must not stand here.

pub mod actor;
pub mod audit;
pub mod background;
pub mod connections;
mod error_chain;
pub mod local_socket;
pub mod page;
pub mod parts;
pub mod people;
pub mod serving;
pub mod system_user;
pub mod tls;
pub mod words;

pub use error_chain::error_chain;
