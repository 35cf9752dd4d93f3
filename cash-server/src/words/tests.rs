//! Both languages say the same, and what they say fits who asks.

use super::*;
use crate::store::intake::LoadReason;
use fluent_syntax::ast::{Entry, Expression, InlineExpression, Pattern, PatternElement, VariantKey};
use std::collections::{BTreeMap, BTreeSet};
use tillway_exchangers::records::{Expected, RejectReason, ValueFault, WarningKind};
use tillway_service::page;
use tillway_service::words::common;

/// The words that every service has, and those of this server.
fn sources(language: Language) -> [&'static str; 2] {
    [common(language), own(language)]
}

fn entries(language: Language) -> impl Iterator<Item = Entry<&'static str>> {
    sources(language).into_iter().flat_map(move |source| {
        let parsed = fluent_syntax::parser::parse(source);
        parsed.unwrap_or_else(|(_, errors)| panic!("{}: {errors:?}", language.code())).body
    })
}

/// The messages with their parameters. Fails where one comes twice.
fn messages(language: Language) -> BTreeMap<&'static str, BTreeSet<&'static str>> {
    let mut messages = BTreeMap::new();
    for entry in entries(language) {
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
    let is_cyrillic = |c: char| ('а'..='я').contains(&c.to_lowercase().next().unwrap_or(c));
    let lines = sources(Language::Russian).into_iter().flat_map(str::lines);
    let russian = lines.filter(|line| !line.starts_with(['#', ' ']));
    for (id, text) in russian.filter_map(|line| line.split_once(" = ")) {
        // Without what is filled in.
        let own: String = text.split('{').map(|part| part.split_once('}').map_or("", |(_, own)| own)).collect();
        let own = text.split('{').next().unwrap_or_default().to_owned() + &own;
        assert!(own.chars().any(is_cyrillic) || !own.contains(char::is_alphabetic), "{id} = {text}");
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
    const IN_SERVICE: [&str; 7] =
        ["age-seconds", "age-minutes", "age-hours", "age-days", "past", "past-now", "page-failed"];
    const IN_CODE: &[&str] = &[
        include_str!("../intake/report.rs"),
        include_str!("../cli.rs"),
        include_str!("../cli/aside.rs"),
        include_str!("../cli/attach_code.rs"),
        include_str!("../cli/backup.rs"),
        include_str!("../cli/check.rs"),
        include_str!("../cli/goods.rs"),
        include_str!("../cli/node.rs"),
        include_str!("../cli/notices.rs"),
        include_str!("../cli/server.rs"),
        include_str!("../cli/people.rs"),
        include_str!("../cli/table.rs"),
        include_str!("../web/account.rs"),
        include_str!("../web/act.rs"),
        include_str!("../web/attach.rs"),
        include_str!("../report.rs"),
        include_str!("../report/attention.rs"),
        include_str!("../report/gather.rs"),
        include_str!("../outbox/mail.rs"),
        include_str!("../cli/report.rs"),
        include_str!("../web/login.rs"),
        include_str!("../web/stolen.rs"),
        include_str!("../web/source.rs"),
        include_str!("../web/pages/audit.rs"),
        include_str!("../web/pages/bulk.rs"),
        include_str!("../web/pages/findings.rs"),
        include_str!("../web/pages/good.rs"),
        include_str!("../web/pages/goods.rs"),
        include_str!("../web/pages/load.rs"),
        include_str!("../web/pages/loads.rs"),
        include_str!("../web/pages/log.rs"),
        include_str!("../web/pages/network.rs"),
        include_str!("../web/pages/network/change.rs"),
        include_str!("../web/pages/network/import.rs"),
        include_str!("../web/pages/overview.rs"),
        include_str!("../web/pages/report.rs"),
        include_str!("../web/pages/overview/lately.rs"),
        include_str!("../web/pages/sales.rs"),
        include_str!("../web/pages/sales/receipts.rs"),
        include_str!("../web/pages/sales/shifts.rs"),
        include_str!("../web/pages/sales/totals.rs"),
        include_str!("../web/pages/server.rs"),
        include_str!("../web/pages/tills.rs"),
        include_str!("../web/pages/tills/columns.rs"),
        include_str!("../web/pages/unit.rs"),
        include_str!("../web/pages/units.rs"),
    ];
    let templates = page::TEMPLATES
        .iter()
        .chain(&crate::web::TEMPLATES)
        .chain(&crate::outbox::TEMPLATES)
        .map(|(_, source)| *source);
    let templates = templates.collect::<Vec<_>>().concat();
    let (mut whole, beginnings) = asked_for(&templates);
    whole.extend(IN_SERVICE);
    for source in IN_CODE {
        let parts = source.split(".text(").skip(1);
        whole.extend(parts.filter_map(|part| part.trim_start().strip_prefix('"')?.split('"').next()));
    }
    whole.extend(
        include_str!("../cli/setup.rs")
            .split('"')
            .filter(|text| text.starts_with("setup-") || text.starts_with("broker-setup")),
    );
    let there = messages(Language::English);
    for id in &whole {
        assert!(there.contains_key(id), "{id}");
    }
    for id in there.keys() {
        let is_asked_for = whole.contains(id) || beginnings.iter().any(|beginning| id.starts_with(beginning));
        let is_asked_for = is_asked_for || id.starts_with("why-");
        assert!(is_asked_for, "nobody asks for {id}");
    }
}

/// The kinds of an enum in a source, each with its parameters: what `serde` makes of it.
fn kinds(source: &str, name: &str) -> BTreeMap<String, BTreeSet<String>> {
    let (_, body) = source.split_once(&format!("enum {name} {{\n")).unwrap();
    let (body, _) = body.split_once("\n}").unwrap();
    let mut kinds: Vec<(String, BTreeSet<String>)> = Vec::new();
    let (mut attributes, mut is_untagged) = (Vec::new(), false);
    for line in body.lines() {
        let text = line.trim_start();
        let (depth, attribute) = ((line.len() - text.len()) / 4, text.strip_prefix("#[serde("));
        // What is laid out over several lines, as texts are, is deeper.
        let is_name = |first: fn(char) -> bool| text.starts_with(first) && line.len() - text.len() == 4 * depth;
        if let Some(attribute) = attribute {
            attributes.push(attribute.trim_end_matches(")]"));
        } else if depth == 1 && is_name(char::is_uppercase) {
            // What is not tagged is another enum, which is looked at by itself.
            is_untagged = attributes.contains(&"untagged");
            let name = text.split([' ', '{', '(', ',']).next().unwrap_or_default();
            if !is_untagged {
                kinds.push((renamed(&attributes).unwrap_or_else(|| kebab(name)), BTreeSet::new()));
            }
            attributes.clear();
        } else if depth == 2 && is_name(char::is_lowercase) {
            // Not a piece of what an error says for the log.
            let Some((field, _)) = text.split_once(": ").filter(|(field, _)| !field.contains(' ')) else { continue };
            let is_told = !is_untagged && !attributes.contains(&"skip");
            if let Some((_, fields)) = kinds.last_mut().filter(|_| is_told) {
                fields.insert(renamed(&attributes).unwrap_or_else(|| field.to_owned()));
            }
            attributes.clear();
        }
    }
    kinds.into_iter().collect()
}

/// The name that the attributes of `serde` give.
fn renamed(attributes: &[&str]) -> Option<String> {
    let given = attributes.iter().find_map(|attribute| attribute.strip_prefix("rename = \""));
    given.and_then(|given| given.split_once('"')).map(|(name, _)| name.to_owned())
}

fn kebab(name: &str) -> String {
    let mut kebab = String::new();
    for (at, c) in name.char_indices() {
        if at > 0 && c.is_uppercase() {
            kebab.push('-');
        }
        kebab.extend(c.to_lowercase());
    }
    kebab
}

/// All reasons that code of ours makes: source, enum, and a parameter that each of them has beside
/// those of its kind.
const REASONS: &[(&str, &str, Option<&str>)] = &[
    (include_str!("../../../exchangers/src/records/reason.rs"), "RejectReason", None),
    (include_str!("../../../exchangers/src/records/reason.rs"), "ValueFault", Some("field")),
    (include_str!("../../../exchangers/src/records/warning.rs"), "WarningKind", None),
    (include_str!("../store/intake/reason.rs"), "LoadReason", None),
    (include_str!("../store/intake/reason.rs"), "FolderReason", None),
    (include_str!("../store/intake/reason.rs"), "EncodingFault", None),
    (include_str!("../intake/advice.rs"), "Advice", None),
    (include_str!("../intake/strays.rs"), "Why", None),
    (include_str!("../aside.rs"), "AsideReason", None),
    (include_str!("../store/sales/reason.rs"), "FindingReason", None),
    (include_str!("../sales/check.rs"), "CheckReason", None),
    (include_str!("../sales/check.rs"), "ShiftAdvice", None),
    (include_str!("../exchange/reason.rs"), "ExchangeReason", None),
    (include_str!("../exchange/reports.rs"), "ReportFault", None),
    (include_str!("../../../proto/src/report.rs"), "ReportError", None),
    (include_str!("../../../proto/src/sales.rs"), "KeyError", None),
    (include_str!("../sales/receipt.rs"), "DocumentError", None),
    (include_str!("../sales/loader.rs"), "BatchFault", None),
    (include_str!("../sales/loader.rs"), "LoaderError", None),
    (include_str!("../sales/spool/aside.rs"), "SpoolReason", None),
    (include_str!("../sales/spool.rs"), "SpoolError", None),
    (include_str!("../sales/spool/writer.rs"), "AppendError", None),
    (include_str!("../sales/handover.rs"), "HandoverError", None),
    (include_str!("../sales/aside.rs"), "AsideError", None),
    (include_str!("../exchange/broker.rs"), "BrokerError", None),
    (include_str!("../exchange/broker/online.rs"), "NoSession", None),
    (include_str!("../exchange/broker/logins/management.rs"), "ManagementError", None),
    (include_str!("../../../proto/src/consumer.rs"), "ConsumerDefect", None),
    (include_str!("../exchange/service.rs"), "ExchangeError", None),
    (include_str!("../../../proto/src/cash_ini.rs"), "CashIniError", None),
    (include_str!("../store/error.rs"), "StoreError", None),
    (include_str!("../network.rs"), "NetworkError", None),
    (include_str!("../network/codes.rs"), "CodeRefusal", None),
    (include_str!("../dictionary.rs"), "DictionaryError", None),
    (include_str!("../packages.rs"), "PackageError", None),
    (include_str!("../intake/archive.rs"), "PackingError", None),
    (include_str!("../intake/cleaning.rs"), "CleaningError", None),
    (include_str!("../intake/aside.rs"), "AsideError", None),
    (include_str!("../intake/upload.rs"), "UploadError", None),
    (include_str!("../aside.rs"), "AsideError", None),
    (include_str!("../app/error.rs"), "AppError", None),
    (include_str!("../app/attach.rs"), "AttachError", None),
    (include_str!("../app/rights.rs"), "Denied", None),
    (include_str!("../aside.rs"), "Outcome", None),
    (include_str!("../rest/problem.rs"), "RequestFault", None),
    (include_str!("../cli/client.rs"), "ClientError", None),
    (include_str!("../lock.rs"), "LockError", None),
    (include_str!("../outbox/error.rs"), "OutboxError", None),
    (include_str!("../store/outbox.rs"), "OutboxReason", None),
    (include_str!("../backup/error.rs"), "BackupError", None),
    // Of every service.
    (include_str!("../../../service/src/tls.rs"), "TlsError", None),
    (include_str!("../../../service/src/people.rs"), "PeopleError", None),
    ("enum OfTasks {\n    TaskPanicked {\n        said: String,\n    }\n}", "OfTasks", None),
    // What has no kind.
    ("enum Worded {\n    Worded {\n        text: String,\n    }\n}", "Worded", None),
];

#[test]
fn every_kind_of_reason_has_its_message_with_its_parameters_and_every_message_has_its_kind() {
    let mut expected = BTreeMap::new();
    for (source, name, common) in REASONS {
        for (kind, mut parameters) in kinds(source, name) {
            parameters.extend(common.map(str::to_owned));
            assert!(
                !parameters.contains("what") && !parameters.contains("kind"),
                "{kind}: that is the kind's own name"
            );
            assert_eq!(expected.insert(format!("why-{kind}"), parameters), None, "two kinds are called {kind}");
        }
    }
    let owned = |(id, parameters): (&str, BTreeSet<&str>)| {
        (id.to_owned(), parameters.into_iter().map(str::to_owned).collect::<BTreeSet<_>>())
    };
    let there: BTreeMap<_, _> =
        messages(Language::English).into_iter().map(owned).filter(|(id, _)| id.starts_with("why-")).collect();
    assert_eq!(there, expected);
}

/// Of a message that chooses by a parameter: all words that it knows.
fn choices(id: &str) -> BTreeSet<&'static str> {
    let of_message = |entry| match entry {
        Entry::Message(message) if message.id.name == id => message.value,
        _ => None,
    };
    let pattern = entries(Language::Russian).find_map(of_message).unwrap();
    let mut words = BTreeSet::new();
    for element in pattern.elements {
        if let PatternElement::Placeable { expression: Expression::Select { variants, .. } } = element {
            words.extend(variants.into_iter().filter_map(|variant| match variant.key {
                VariantKey::Identifier { name } => Some(name),
                VariantKey::NumberLiteral { .. } => None,
            }));
        }
    }
    words
}

#[test]
fn a_message_that_chooses_by_a_word_knows_all_of_them() {
    let reasons = include_str!("../../../exchangers/src/records/reason.rs");
    let json = include_str!("../../../exchangers/src/json.rs");
    let measures = include_str!("../sales/check.rs");
    for (id, source, name) in [
        ("why-wrong-value", reasons, "Expected"),
        ("why-foreign-input", reasons, "ForeignInput"),
        ("why-not-json", json, "JsonFault"),
        ("why-among-three", measures, "Measure"),
        ("why-among-two", measures, "Measure"),
        ("why-on-till", measures, "Measure"),
    ] {
        // Figures are stored with a low line.
        let stored = |word: String| if name == "Measure" { word.replace('-', "_") } else { word };
        let words: BTreeSet<String> = kinds(source, name).into_keys().map(stored).collect();
        assert_eq!(choices(id).into_iter().map(str::to_owned).collect::<BTreeSet<_>>(), words, "{id}");
    }
}

#[test]
fn plurals_of_russian_come_right_and_what_is_inside_a_reason_is_worded_too() {
    let russian = of(Language::Russian);
    let taken_out = |count| russian.reason(&Reason::of(&WarningKind::ControlsTakenOut { count }));
    assert_eq!(taken_out(1), "удалён 1 управляющий символ");
    assert_eq!(taken_out(22), "удалены 22 управляющих символа");
    assert_eq!(taken_out(11), "удалено 11 управляющих символов");
    assert_eq!(taken_out(121), "удалён 121 управляющий символ");
    let fault = ValueFault::WrongValue { value: "x".to_owned(), expected: Expected::WholeNumber };
    let inner = RejectReason::Value { field: "price", fault };
    let outer = Reason::of(&WarningKind::EntryRejected { reason: inner });
    let told = "этот элемент не принят, прежнее значение осталось: поле `price`: `x` не целое число";
    assert_eq!(russian.reason(&outer), told);
    let two = LoadReason::Several { reasons: vec![LoadReason::Vanished, LoadReason::CarriedOut { load: 7 }] };
    let told = "its file or its flag went away before it was loaded: nothing was changed; carried out as load 7";
    assert_eq!(in_english(&Reason::from(two)), told);
    let large = in_english(&Reason::from(LoadReason::CarriedOut { load: 9_007_199_254_740_993 }));
    assert_eq!(large, "carried out as load 9007199254740993");
}

#[test]
fn what_was_kept_as_a_sentence_by_an_older_server_is_told_as_it_was_worded() {
    let sentence = "sum 9000000000000 is beyond ±100000000000";
    let old = Reason::stored(sentence);
    assert_eq!((old.kind(), of(Language::Russian).reason(&old).as_str()), ("worded", sentence));
    let new = Reason::of(&LoadReason::Vanished);
    assert_eq!(Reason::stored(&new.to_string()), new);
}
