//! Both languages say the same, and what they say fits who asks.

use super::*;
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, Resource};
use std::collections::{BTreeMap, BTreeSet};

fn source(language: Language) -> &'static str {
    match language {
        Language::English => ENGLISH,
        Language::Russian => RUSSIAN,
    }
}

fn resource(language: Language) -> Resource<&'static str> {
    let parsed = fluent_syntax::parser::parse(source(language));
    parsed.unwrap_or_else(|(_, errors)| panic!("{}: {errors:?}", language.code()))
}

/// The messages with their parameters. Fails where one comes twice.
fn messages(language: Language) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut messages = BTreeMap::new();
    for entry in resource(language).body {
        match entry {
            Entry::Message(message) => {
                let mut parameters = BTreeSet::new();
                in_pattern(message.value.as_ref().unwrap(), &mut parameters);
                assert_eq!(messages.insert(message.id.name, parameters), None, "{} comes twice", message.id.name);
            }
            Entry::Comment(_) | Entry::GroupComment(_) | Entry::ResourceComment(_) => {}
            other => panic!("{other:?}"),
        }
    }
    messages
}

fn in_pattern(pattern: &Pattern<&'static str>, found: &mut BTreeSet<&'static str>) {
    for element in &pattern.elements {
        if let PatternElement::Placeable { expression } = element {
            match expression {
                Expression::Inline(inline) => in_inline(inline, found),
                Expression::Select { selector, variants } => {
                    in_inline(selector, found);
                    for variant in variants {
                        in_pattern(&variant.value, found);
                    }
                }
            }
        }
    }
}

fn in_inline(inline: &InlineExpression<&'static str>, found: &mut BTreeSet<&'static str>) {
    match inline {
        InlineExpression::VariableReference { id } => drop(found.insert(id.name)),
        InlineExpression::StringLiteral { .. } => {}
        other => panic!("a message of ours has only parameters and plain text: {other:?}"),
    }
}

#[test]
fn both_languages_have_the_same_messages_with_the_same_parameters() {
    assert_eq!(messages(Language::English), messages(Language::Russian));
}

#[test]
fn russian_is_written_in_russian() {
    let cyrillic = |text: &str| text.chars().any(|c| ('а'..='я').contains(&c));
    let russian = source(Language::Russian).lines().filter(|line| !line.starts_with(['#', ' ']));
    for line in russian.filter_map(|line| line.split_once(" = ")) {
        assert!(
            cyrillic(line.1) || !line.1.contains(|c: char| c.is_ascii_alphabetic() && !"$n".contains(c)),
            "{line:?}"
        );
    }
}

/// Ids that a template asks for: whole ones, and beginnings of those that end with a value.
fn asked_for(template: &str) -> (BTreeSet<&str>, BTreeSet<&str>) {
    let (mut whole, mut beginnings) = (BTreeSet::new(), BTreeSet::new());
    for quote in ['"', '\''] {
        for part in template.split(&format!("t({quote}")).skip(1) {
            let (id, rest) = part.split_once(quote).unwrap();
            if rest.trim_start().starts_with('~') {
                beginnings.insert(id)
            } else {
                whole.insert(id)
            };
        }
    }
    (whole, beginnings)
}

#[test]
fn every_message_that_a_template_asks_for_is_there_and_every_message_is_asked_for() {
    const IN_CODE: [&str; 4] = ["age-seconds", "age-minutes", "age-hours", "age-days"];
    let templates = crate::web::TEMPLATES.map(|(_, source)| source).concat();
    let (mut whole, beginnings) = asked_for(&templates);
    whole.extend(IN_CODE);
    let there = messages(Language::English);
    for id in &whole {
        assert!(there.contains_key(id), "{id}");
    }
    for id in there.keys() {
        let is_asked_for = whole.contains(id) || beginnings.iter().any(|beginning| id.starts_with(beginning));
        assert!(is_asked_for, "nobody asks for {id}");
    }
}

#[test]
fn a_message_that_is_not_there_and_one_without_its_parameter_are_told() {
    let words = Words::of(Language::English);
    let none = FluentArgs::new();
    assert!(matches!(words.message("nothing", &none), Err(WordsError::Unknown { .. })));
    assert!(matches!(words.message("and-more", &none), Err(WordsError::Unfit { .. })));
    let seven = FluentArgs::from_iter([("n", FluentValue::from(7))]);
    assert_eq!(words.message("and-more", &seven), Ok("and 7 more".to_owned()));
    assert_eq!(Words::of(Language::Russian).message("and-more", &seven), Ok("и ещё 7".to_owned()));
}

#[test]
fn a_reader_s_language_is_the_first_of_theirs_that_is_ours() {
    assert_eq!(Language::accepted("de, ru-RU;q=0.8, en;q=0.5"), Language::Russian);
    assert_eq!(Language::accepted("en-GB"), Language::English);
    assert_eq!(Language::accepted("rum, *"), Language::English);
    assert_eq!(Language::of_tag("xx"), None);
    assert_eq!(Language::of_locale(["", "ru_RU.UTF-8"]), Language::Russian);
    assert_eq!(Language::of_locale(["C.UTF-8", "ru_RU.UTF-8"]), Language::English);
    assert_eq!(Language::of_locale([]), Language::English);
}
