//! Where a person is written to, in which language, and of what.

use super::PeopleError;
use crate::words::Language;
use serde::{Serialize, Serializer};
use std::fmt;
use std::str::FromStr;

/// Longest address in bytes, as mail servers have it.
const MAX_ADDRESS_BYTES: usize = 254;

/// Longest part before the `@`, and longest part between two dots behind it.
const MAX_PART_BYTES: usize = 64;

/// An address of mail: `anna@example.org`. It has no spaces, no line breaks and no signs that mean
/// something in a header, so it cannot become more than one address or another line of a mail.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MailAddress(String);

impl MailAddress {
    /// As it was given.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The host behind the `@`.
    pub fn host(&self) -> &str {
        self.0.rsplit_once('@').map_or("", |(_, host)| host)
    }
}

impl fmt::Display for MailAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Serialize for MailAddress {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl FromStr for MailAddress {
    type Err = PeopleError;

    fn from_str(text: &str) -> Result<Self, PeopleError> {
        let address = text.trim();
        let is_one = |(name, host): (&str, &str)| is_name(name) && is_host(host);
        if address.len() <= MAX_ADDRESS_BYTES && address.split_once('@').is_some_and(is_one) {
            return Ok(Self(address.to_owned()));
        }
        Err(PeopleError::NoMailAddress { text: address.chars().take(MAX_ADDRESS_BYTES).collect() })
    }
}

/// Letters, digits, and the signs that stand in names without quotes.
fn is_name(name: &str) -> bool {
    let is_sign = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-/=?^_`{|}~".contains(c);
    name.len() <= MAX_PART_BYTES && name.split('.').all(|part| !part.is_empty() && part.chars().all(is_sign))
}

/// A name of a host; one with other letters than ASCII is written as `xn--…`.
fn is_host(host: &str) -> bool {
    let is_label = |label: &str| {
        (1..MAX_PART_BYTES).contains(&label.len())
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    host.split('.').all(is_label)
}

/// Where a person is written to, in which language, and of what.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Mailing {
    /// None: nothing is sent.
    pub address: Option<MailAddress>,
    /// None: nobody has chosen one.
    pub language: Option<Language>,
    /// They get the report of each day.
    pub report: bool,
    /// What they are told of at once, in words of the service.
    pub alerts: Vec<String>,
}

/// What becomes of an address.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum AddressChange {
    /// It stays.
    #[default]
    Stays,
    /// There is none any more.
    Goes,
    /// It is this one.
    Is(MailAddress),
}

/// What to change of it; what is left out stays.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct MailingChange {
    /// Another address, or none.
    pub address: AddressChange,
    /// Another language.
    pub language: Option<Language>,
    /// Whether they get the report of each day.
    pub report: Option<bool>,
    /// What they are told of at once.
    pub alerts: Option<Vec<String>>,
}

impl Mailing {
    pub(super) fn changed(&self, change: &MailingChange) -> Self {
        Self {
            address: match &change.address {
                AddressChange::Stays => self.address.clone(),
                AddressChange::Goes => None,
                AddressChange::Is(address) => Some(address.clone()),
            },
            language: change.language.or(self.language),
            report: change.report.unwrap_or(self.report),
            alerts: change.alerts.as_ref().unwrap_or(&self.alerts).clone(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_one_address_and_brings_no_line_of_its_own() {
        for good in ["anna@example.org", " a.b+c@xn--e1afmkfd.xn--p1ai ", "root@localhost", "o'neil@10.example"] {
            let address: MailAddress = good.parse().unwrap();
            assert_eq!(address.as_str(), good.trim());
        }
        let long = format!("{}@example.org", "a".repeat(65));
        let odd = [
            "",
            "anna",
            "@example.org",
            "anna@",
            "anna@@example.org",
            "a@b@c",
            "anna@example..org",
            "anna@-x.org",
            ".anna@example.org",
            "anna.@example.org",
            "an na@example.org",
            "anna@example.org\r\nBcc: eve@evil.org",
            "anna@example.org\nX: y",
            "<anna@example.org>",
            "anna@example.org,eve@evil.org",
            "\"a b\"@example.org",
            "анна@example.org",
            "anna@пример.рф",
            &long,
        ];
        for text in odd {
            assert!(text.parse::<MailAddress>().is_err(), "{text:?}");
        }
        assert_eq!("anna@mail.example.org".parse::<MailAddress>().unwrap().host(), "mail.example.org");
    }
}
