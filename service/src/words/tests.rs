//! Words without a service: what is read, chosen and told.

use super::*;

fn words(language: Language) -> Words {
    let own = match language {
        Language::English => "and-more = and { $n } more\nwhy-full = full: { $n } of { $reason }",
        Language::Russian => "and-more = и ещё { $n }\nwhy-full = полно: { $n }, { $reason }",
    };
    Words::read(language, own)
}

#[test]
fn a_message_that_is_not_there_and_one_without_its_parameter_are_told() {
    let english = words(Language::English);
    let none = FluentArgs::new();
    assert!(matches!(english.message("nothing", &none), Err(WordsError::Unknown { .. })));
    assert!(matches!(english.message("and-more", &none), Err(WordsError::Unfit { .. })));
    let seven = FluentArgs::from_iter([("n", FluentValue::from(7))]);
    assert_eq!(english.message("and-more", &seven), Ok("and 7 more".to_owned()));
    assert_eq!(words(Language::Russian).message("and-more", &seven), Ok("и ещё 7".to_owned()));
}

#[test]
fn a_service_s_words_stand_beside_those_of_all_and_a_reason_is_told_with_the_one_inside() {
    let inner = r#"{"kind":"task-panicked","said":"x"}"#;
    let reason = Reason::from_json(&format!(r#"{{"kind":"full","n":9007199254740993,"reason":{inner}}}"#)).unwrap();
    let told = words(Language::Russian).reason(&reason);
    assert_eq!(told, "полно: 9007199254740993, задача оборвалась (x); это ошибка сервера");
    let of_tomorrow = Reason::from_json(r#"{"kind":"of-tomorrow","n":3}"#).unwrap();
    assert_eq!(words(Language::Russian).reason(&of_tomorrow), r#"{"kind":"of-tomorrow","n":3}"#);
    assert_eq!(Reason::from_json(&of_tomorrow.to_string()).unwrap(), of_tomorrow);
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
