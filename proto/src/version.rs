//! Which versions work together.
//!
//! Server and agent of one minor version and its two neighbours work together, so that a chain may
//! be upgraded till by till. What is further apart is refused when a till is attached, and shown.
//!
//! What a minor version may add, since the one before knows what to do with it:
//!
//! - a field of a message, of a frame or of a state: it is ignored, so it must not be what
//!   matters;
//! - an order: an older agent refuses it by name ([`crate::report::Report::Refused`]);
//! - a kind of report: an older server sets it aside by name, where it is tried again after the
//!   upgrade; so a state that matters goes into a kind that is known;
//! - a frame of the sales stream: it is passed over, a bounded number of times;
//! - a word of a list (a sort of what lies aside, why sales wait, why a package was rejected): it
//!   counts as any other.
//!
//! What the other side must know raises the `schema` of its message: a side that reads it comes
//! first, a side that writes it a version later, or after the upgrade of all servers.
//! `tests/tests/upgrade/neighbours.rs` holds today's programs against the messages of before.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// The protocol between server and agent: `protocolversion` in `cash.ini`. 3 and 4 are those of
/// the product that this one takes the place of.
pub const PROTOCOL: u32 = 5;

/// How far apart the minor versions of a server and its agents may be.
const NEIGHBOURS: u32 = 1;

/// The version of a program, as far as it says what works together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Version {
    major: u32,
    minor: u32,
    patch: u32,
}

/// A text that is no version.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is no version: expected `<major>.<minor>.<patch>`")]
pub struct VersionError(String);

impl Version {
    /// Of this program: all of ours have one version.
    pub fn own() -> Self {
        let number = |text: &str| text.parse().unwrap_or_default();
        Self {
            major: number(env!("CARGO_PKG_VERSION_MAJOR")),
            minor: number(env!("CARGO_PKG_VERSION_MINOR")),
            patch: number(env!("CARGO_PKG_VERSION_PATCH")),
        }
    }

    /// Whether a server of one and an agent of the other work together.
    pub fn fits(self, other: Self) -> bool {
        self.major == other.major && self.minor.abs_diff(other.minor) <= NEIGHBOURS
    }
}

impl FromStr for Version {
    type Err = VersionError;

    /// What follows the numbers (`-rc.1`, `+build`) does not count.
    fn from_str(text: &str) -> Result<Self, VersionError> {
        let bare = text.split(['-', '+']).next().unwrap_or_default();
        let numbers: Option<Vec<u32>> = bare.split('.').map(|number| number.parse().ok()).collect();
        match numbers.as_deref() {
            Some(&[major, minor, patch]) => Ok(Self { major, minor, patch }),
            _ => Err(VersionError(text.to_owned())),
        }
    }
}

impl TryFrom<String> for Version {
    type Error = VersionError;

    fn try_from(text: String) -> Result<Self, VersionError> {
        text.parse()
    }
}

impl From<Version> for String {
    fn from(version: Version) -> Self {
        version.to_string()
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        text.parse().unwrap()
    }

    #[test]
    fn neighbouring_minor_versions_work_together_and_others_do_not() {
        let own = version("0.2.0");
        for fits in ["0.1.0", "0.1.99", "0.2.7-rc.1", "0.3.0+build"] {
            assert!(own.fits(version(fits)) && version(fits).fits(own), "{fits}");
        }
        for other in ["0.0.9", "0.4.0", "1.2.0"] {
            assert!(!own.fits(version(other)) && !version(other).fits(own), "{other}");
        }
        assert!(Version::own().fits(Version::own()));
        assert_eq!(Version::own().to_string(), env!("CARGO_PKG_VERSION"));
        for wrong in ["", "1", "1.2", "1.2.3.4", "a.b.c", "1.2.-3"] {
            assert_eq!(wrong.parse::<Version>(), Err(VersionError(wrong.to_owned())), "{wrong}");
        }
    }
}
