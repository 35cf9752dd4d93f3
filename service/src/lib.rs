//! What every service of ours is made of, whatever its business: background work with one driver,
//! users of the operating system, and errors as people read them.
//!
//! **Architecture invariant:** nothing here knows tills, dictionaries or sales. The cash server is
//! the first service that is built from these parts; others come beside it.

pub mod background;
mod error_chain;
pub mod system_user;

pub use error_chain::error_chain;
