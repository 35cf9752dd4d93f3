//! Which language a person reads.

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{HeaderMap, header};
use serde::Deserialize;
use std::convert::Infallible;

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

    /// Its name, in itself.
    pub fn name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Russian => "Русский",
        }
    }

    /// What a request asks for with `Accept-Language`, else English.
    pub fn of_headers(headers: &HeaderMap) -> Self {
        let list = headers.get(header::ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok());
        list.map(Self::accepted).unwrap_or_default()
    }

    /// The first language of ours in a list as HTTP's `Accept-Language` has it
    /// (`de, ru-RU;q=0.8`); none of them: English. Weights do not count, since browsers list by
    /// weight.
    pub fn accepted(list: &str) -> Self {
        list.split(',').find_map(|entry| Self::of_tag(entry.trim())).unwrap_or_default()
    }

    /// The language of this process's terminal, as its environment says.
    pub fn of_terminal() -> Self {
        let locale = ["LC_ALL", "LC_MESSAGES", "LANG"].map(|name| std::env::var(name).unwrap_or_default());
        Self::of_locale(locale.iter().map(String::as_str))
    }

    /// The language of a locale as the environment names it (`ru_RU.UTF-8`), of the first of these
    /// values that is not empty; another one, or none: English.
    pub fn of_locale<'a>(values: impl IntoIterator<Item = &'a str>) -> Self {
        values.into_iter().find(|value| !value.is_empty()).and_then(Self::of_tag).unwrap_or_default()
    }

    /// The language that a tag begins with: `ru`, `ru-RU`, `ru_RU.UTF-8`.
    pub fn of_tag(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_', '.', ';', '@']).next().unwrap_or(tag);
        Self::ALL.into_iter().find(|language| language.code().eq_ignore_ascii_case(primary))
    }
}

/// What the request asks for with `Accept-Language`, else English.
impl<S: Sync> FromRequestParts<S> for Language {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::of_headers(&parts.headers))
    }
}
