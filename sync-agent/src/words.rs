//! Words for people at the command line, in their language. What the log says stays English.

pub(crate) use tillway_service::words::{FluentValue, Language, Words};

use std::sync::LazyLock;

fn own(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("words/en.ftl"),
        Language::Russian => include_str!("words/ru.ftl"),
    }
}

/// The words of a language.
pub(crate) fn of(language: Language) -> &'static Words {
    static ENGLISH: LazyLock<Words> = LazyLock::new(|| Words::read(Language::English, own(Language::English)));
    static RUSSIAN: LazyLock<Words> = LazyLock::new(|| Words::read(Language::Russian, own(Language::Russian)));
    match language {
        Language::English => &ENGLISH,
        Language::Russian => &RUSSIAN,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeMap, BTreeSet};

    /// Ids with the names of their parameters. Messages here are of one line.
    fn messages(language: Language) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
        let lines = own(language).lines().filter(|line| !line.starts_with('#'));
        let message = |line: &'static str| {
            let (id, text) = line.split_once(" = ")?;
            let parts = text.split("{ $").skip(1);
            Some((id, parts.filter_map(|part| part.split_once(" }").map(|(name, _)| name)).collect()))
        };
        lines.filter_map(message).collect()
    }

    #[test]
    fn both_languages_have_the_same_messages_and_every_one_is_asked_for() {
        let (english, russian) = (messages(Language::English), messages(Language::Russian));
        assert_eq!(english, russian);
        let asks = [include_str!("attach/error.rs"), include_str!("cli/attach.rs")].concat();
        let asked: BTreeSet<&str> = asks.split('"').filter(|text| text.starts_with("attach-")).collect();
        for id in english.keys() {
            assert!(asked.contains(id), "nobody asks for {id}");
        }
        for id in asked.iter().filter(|id| !id.ends_with('-')) {
            assert!(english.contains_key(id), "{id}");
        }
    }
}
