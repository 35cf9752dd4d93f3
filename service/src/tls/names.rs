//! Under which names and addresses a service is reached.

use rustls::pki_types::ServerName;
use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;

/// Names and addresses in one form each, in order. A name may begin with `*.`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Names(BTreeSet<String>);

impl Names {
    /// Of these; what can be no name in a certificate is left out.
    pub fn of<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> Self {
        Self(names.into_iter().filter_map(|name| normal(name.as_ref())).collect())
    }

    /// Whether a text can be a name in a certificate.
    pub fn takes(name: &str) -> bool {
        normal(name).is_some()
    }

    /// These and those.
    #[must_use]
    pub fn and(mut self, others: &Self) -> Self {
        self.0.extend(others.0.iter().cloned());
        self
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

impl fmt::Display for Names {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.iter().collect::<Vec<_>>().join(", "))
    }
}

/// Lower case, no dot at the end, no brackets around an address.
fn normal(name: &str) -> Option<String> {
    let name = name.trim().trim_start_matches('[').trim_end_matches(']').trim_end_matches('.').to_ascii_lowercase();
    if let Ok(address) = name.parse::<IpAddr>() {
        let address = address.to_canonical();
        return (!address.is_unspecified()).then(|| address.to_string());
    }
    let host = name.strip_prefix("*.").unwrap_or(&name);
    let is_name = matches!(ServerName::try_from(host), Ok(ServerName::DnsName(_)));
    is_name.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_has_one_form_and_what_is_none_is_left_out() {
        let names = Names::of(["Shop7.Example.", "shop7.example", "[::1]", "::ffff:10.0.0.1", "*.chain.example"]);
        assert_eq!(names.to_string(), "*.chain.example, 10.0.0.1, ::1, shop7.example");
        for none in ["", "магазин", "a b", "0.0.0.0", "*", "http://x"] {
            assert!(!Names::takes(none), "{none}");
        }
    }
}
