//! Which language a person reads, and the words in it.

use axum::http::{HeaderMap, header};
use std::collections::BTreeMap;

const ENGLISH: &str = include_str!("i18n/en.toml");
const RUSSIAN: &str = include_str!("i18n/ru.toml");

/// A language of the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Language {
    /// English.
    English,
    /// Russian.
    Russian,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Russian];

    /// The two-letter code.
    pub fn code(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Russian => "ru",
        }
    }

    /// What was asked for in the address, else what the browser prefers, else English.
    pub fn choose(asked: Option<&str>, headers: &HeaderMap) -> Self {
        let by_code =
            |code: &str| Self::ALL.into_iter().find(|language| code.to_ascii_lowercase().starts_with(language.code()));
        let preferred = || {
            let value = headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?;
            value.split(',').find_map(|entry| by_code(entry.trim()))
        };
        asked.and_then(by_code).or_else(preferred).unwrap_or(Self::English)
    }

    /// The words, by key.
    pub(super) fn words(self) -> Result<BTreeMap<String, String>, toml::de::Error> {
        toml::from_str(match self {
            Self::English => ENGLISH,
            Self::Russian => RUSSIAN,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_the_same_words() {
        let english = Language::English.words().unwrap();
        let russian = Language::Russian.words().unwrap();
        assert_eq!(english.keys().collect::<Vec<_>>(), russian.keys().collect::<Vec<_>>());
    }

    #[test]
    fn the_address_wins_over_the_browser() {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, "de, ru-RU;q=0.8, en;q=0.5".parse().unwrap());
        assert_eq!(Language::choose(None, &headers), Language::Russian);
        assert_eq!(Language::choose(Some("en"), &headers), Language::English);
        assert_eq!(Language::choose(Some("xx"), &HeaderMap::new()), Language::English);
    }
}
