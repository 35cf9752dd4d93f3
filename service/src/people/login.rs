//! What somebody is called when coming in.

use super::PeopleError;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Longest login in characters.
const MAX_CHARS: usize = 64;

/// A login, or the name of a key. Large and small letters are the same; kept small.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Login(String);

impl Login {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Login {
    type Err = PeopleError;

    fn from_str(text: &str) -> Result<Self, PeopleError> {
        let small = text.to_lowercase();
        let is_fit = !small.is_empty()
            && small.trim() == small
            && small.chars().count() <= MAX_CHARS
            // HTTP Basic ends a login at a colon; addresses of pages and calls at the others.
            && !small.contains([':', '/', '\\', '?', '#', '%', '<', '>', '"'])
            && ![".", ".."].contains(&small.as_str())
            && !small.chars().any(char::is_control);
        if is_fit {
            Ok(Self(small))
        } else {
            Err(PeopleError::NoLogin { text: text.chars().take(MAX_CHARS).collect() })
        }
    }
}

impl fmt::Display for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for Login {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_and_small_letters_are_one_login_and_odd_ones_are_none() {
        let login: Login = "Анна.K@here-7".parse().unwrap();
        assert_eq!(login.as_str(), "анна.k@here-7");
        assert_eq!("two words".parse::<Login>().unwrap().as_str(), "two words");
        let long = "x".repeat(65);
        for odd in ["", " a", "a ", "a:b", "a/b", "a\nb", "..", "<b>", "a%20b", &long] {
            assert!(odd.parse::<Login>().is_err(), "{odd:?}");
        }
    }
}
