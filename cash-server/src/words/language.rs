//! Which language a person reads.

use serde::Deserialize;

/// A language of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Deserialize)]
pub enum Language {
    /// English.
    #[default]
    #[serde(rename = "en")]
    English,
    /// Russian.
    #[serde(rename = "ru")]
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

    /// The first language of ours in a list as HTTP's `Accept-Language` has it
    /// (`de, ru-RU;q=0.8`); none of them: English. Weights do not count, since browsers list by
    /// weight.
    pub fn accepted(list: &str) -> Self {
        list.split(',').find_map(|entry| Self::of_tag(entry.trim())).unwrap_or_default()
    }

    /// The language of a locale as the environment names it (`ru_RU.UTF-8`), of the first of these
    /// values that is not empty; another one, or none: English.
    pub fn of_locale<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        values.into_iter().find(|value| !value.is_empty()).and_then(Self::of_tag).unwrap_or_default()
    }

    /// The language of who runs this process.
    pub fn of_environment() -> Self {
        let values = ["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| std::env::var(name).unwrap_or_default());
        Self::of_locale(values.iter().map(String::as_str))
    }

    /// The language that a tag begins with: `ru`, `ru-RU`, `ru_RU.UTF-8`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_', '.', ';', '@']).next().unwrap_or(tag);
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }
}
