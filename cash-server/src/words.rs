//! The words of this server, in each language of ours: `words/en.ftl` and `words/ru.ftl`, with
//! those of people in `words/people` and those of what is told in `words/report`. Both have the
//! same ids and the same parameters (a test compares them). How they are read and told is
//! [`tillway_service::words`].

#[cfg(test)]
mod tests;

pub use tillway_service::words::{FluentArgs, FluentValue, Language, Reason, Words, as_said};

use std::sync::LazyLock;

/// The messages of this server, beside those that every service has.
pub(crate) fn own(language: Language) -> &'static str {
    match language {
        Language::English => {
            concat!(
                include_str!("words/en.ftl"),
                include_str!("words/people/en.ftl"),
                include_str!("words/report/en.ftl")
            )
        }
        Language::Russian => {
            concat!(
                include_str!("words/ru.ftl"),
                include_str!("words/people/ru.ftl"),
                include_str!("words/report/ru.ftl")
            )
        }
    }
}

/// The words of a language, read once in the life of the process.
pub fn of(language: Language) -> &'static Words {
    static OF_ENGLISH: LazyLock<Words> = LazyLock::new(|| Words::read(Language::English, own(Language::English)));
    static OF_RUSSIAN: LazyLock<Words> = LazyLock::new(|| Words::read(Language::Russian, own(Language::Russian)));
    match language {
        Language::English => &OF_ENGLISH,
        Language::Russian => &OF_RUSSIAN,
    }
}

/// A reason for the log.
pub fn in_english(reason: &Reason) -> String {
    of(Language::English).reason(reason)
}
