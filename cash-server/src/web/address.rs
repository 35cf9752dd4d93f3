//! Addresses of pages with their filters.

/// A text as a value in an address.
pub(super) fn escaped(text: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    text.bytes().map(|byte| if plain(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}

/// A path with the parameters that say something.
pub(super) fn with<'a>(path: &str, parameters: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    let told = parameters.into_iter().filter(|(_, value)| !value.is_empty());
    let pairs: Vec<String> = told.map(|(name, value)| format!("{name}={}", escaped(value))).collect();
    if pairs.is_empty() { path.to_owned() } else { format!("{path}?{}", pairs.join("&")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_what_is_chosen_and_no_more() {
        assert_eq!(with("/tills", [("q", ""), ("state", "")]), "/tills");
        assert_eq!(with("/tills", [("q", "a b&c"), ("state", "silent")]), "/tills?q=a%20b%26c&state=silent");
        assert_eq!(escaped("Ж"), "%D0%96");
    }
}
