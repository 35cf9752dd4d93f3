//! Templates and words turned into HTML.

use super::live::Part;
use crate::words::{FluentArgs, FluentValue, Language, Words, WordsError};
use jiff::Timestamp;
use jiff::civil::DateTime;
use minijinja::value::{Kwargs, Serde, Value, ValueKind};
use minijinja::{Environment, Error, ErrorKind, UndefinedBehavior, context, escape_formatter};
use serde::Serialize;
use std::collections::BTreeMap;
use std::ops::RangeInclusive;

/// A template's name and its text.
pub type Template = (&'static str, &'static str);

/// The templates that every service has.
pub const TEMPLATES: [Template; 5] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("frame.html", include_str!("templates/frame.html")),
    ("navigation.html", include_str!("templates/navigation.html")),
    ("told.html", include_str!("templates/told.html")),
    ("background.html", include_str!("templates/background.html")),
];

/// Why a page could not be made: a defect in a template or in the words.
#[derive(Debug, thiserror::Error)]
#[error("the template {name} is broken")]
pub struct RenderError {
    /// The template's name.
    pub name: &'static str,
    /// What the engine says.
    #[source]
    pub source: Error,
}

/// Templates and words, read once.
#[derive(Debug)]
pub struct Renderer {
    by_language: BTreeMap<Language, (&'static Words, Environment<'static>)>,
}

impl Renderer {
    /// Reads the templates that every service has and its `own` ones, in all languages.
    /// `more_filters` adds those that its own templates need, in a language.
    pub fn new(
        own: &[Template],
        words: fn(Language) -> &'static Words,
        more_filters: fn(&mut Environment<'_>, Language),
    ) -> Result<Self, RenderError> {
        let mut by_language = BTreeMap::new();
        for language in Language::ALL {
            let mut environment = environment(words(language), own)?;
            more_filters(&mut environment, language);
            by_language.insert(language, (words(language), environment));
        }
        Ok(Self { by_language })
    }

    /// The words of this language.
    pub fn words(&self, language: Language) -> &'static Words {
        self.by_language[&language].0
    }

    /// The HTML of `template` over its data.
    pub fn render(
        &self,
        template: &'static str,
        language: Language,
        shown: &impl Serialize,
    ) -> Result<String, RenderError> {
        let broken = |source| RenderError { name: template, source };
        let (_, environment) = &self.by_language[&language];
        let view = context! {
            lang => language.code(),
            languages => Language::ALL.map(|language| (language.code(), language.name())),
            o => Value::from(Serde(shown)),
        };
        environment.get_template(template).and_then(|page| page.render(view)).map_err(broken)
    }

    /// Parts of a page over its data.
    pub fn parts(
        &self,
        parts: &[Part],
        language: Language,
        shown: &impl Serialize,
    ) -> Result<Vec<(&'static str, String)>, RenderError> {
        parts.iter().map(|(name, template)| Ok((*name, self.render(template, language, shown)?))).collect()
    }
}

fn environment(words: &'static Words, own: &[Template]) -> Result<Environment<'static>, RenderError> {
    let mut environment = Environment::new();
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    environment.set_formatter(|out, state, value| match value.as_str().and_then(without_turns) {
        None => escape_formatter(out, state, value),
        Some(text) if value.is_safe() => escape_formatter(out, state, &Value::from_safe_string(text)),
        Some(text) => escape_formatter(out, state, &Value::from(text)),
    });
    for (name, source) in TEMPLATES.iter().chain(own) {
        environment.add_template(name, source).map_err(|source| RenderError { name, source })?;
    }
    environment.add_function("t", |id: &str, values: Kwargs| message(words, id, &values));
    environment.add_function("known", |id: &str| words.has(id));
    environment.add_filter("lasting", |seconds: i64| lasting(words, seconds));
    environment.add_filter("ago", |then: Option<String>, now: String| age(words, then, &now));
    environment.add_filter("past", |then: Option<String>, now: String| past(words, then, &now));
    environment.add_filter("count", |count: u64| group_digits(&count.to_string()));
    environment.add_filter("local", |time: Option<String>| time.map(|time| local(words.language(), &time)));
    environment.add_filter("clock", |time: Option<String>| clock(words.language(), time));
    Ok(environment)
}

/// A text without the characters that turn the direction of what follows: a name with one of them
/// would have the words beside it read backwards. None where it has none.
fn without_turns(text: &str) -> Option<String> {
    const TURNS: [RangeInclusive<char>; 2] = ['\u{202a}'..='\u{202e}', '\u{2066}'..='\u{2069}'];
    let turns = |letter: char| TURNS.iter().any(|range| range.contains(&letter));
    text.contains(turns).then(|| text.replace(turns, "\u{fffd}"))
}

/// The message `id` with the values given.
fn message(words: &Words, id: &str, values: &Kwargs) -> Result<String, Error> {
    let mut parameters = FluentArgs::new();
    for name in values.args() {
        let value: Value = values.get(name)?;
        let value = match i64::try_from(value.clone()) {
            Ok(number) if value.kind() == ValueKind::Number => FluentValue::from(number),
            _ => FluentValue::from(value.to_string()),
        };
        parameters.set(name.to_owned(), value);
    }
    words.message(id, &parameters).map_err(unworded)
}

fn unworded(error: WordsError) -> Error {
    Error::new(ErrorKind::InvalidOperation, "the words do not fit").with_source(error)
}

/// How long ago `then` was, in the largest unit that fits; a dash where it never was.
fn age(words: &Words, then: Option<String>, now: &str) -> Result<String, Error> {
    let Some(then) = then else { return Ok("—".to_owned()) };
    lasting(words, seconds_between(&then, now)?)
}

/// The same in a whole phrase, and without seconds: a list of what was just now would differ all
/// the time.
fn past(words: &Words, then: Option<String>, now: &str) -> Result<String, Error> {
    let Some(then) = then else { return Ok("—".to_owned()) };
    let seconds = seconds_between(&then, now)?;
    if seconds < 60 {
        return words.message("past-now", &FluentArgs::new()).map_err(unworded);
    }
    let age = lasting(words, seconds)?;
    words.message("past", &FluentArgs::from_iter([("age", FluentValue::from(age))])).map_err(unworded)
}

fn seconds_between(then: &str, now: &str) -> Result<i64, Error> {
    let parse = |text: &str| {
        text.parse::<Timestamp>().map_err(|error| Error::new(ErrorKind::InvalidOperation, error.to_string()))
    };
    Ok((parse(now)?.as_second() - parse(then)?.as_second()).max(0))
}

/// A time in the largest unit that fits.
fn lasting(words: &Words, seconds: i64) -> Result<String, Error> {
    let (amount, id) = match seconds {
        0..60 => (seconds, "age-seconds"),
        60..3600 => (seconds / 60, "age-minutes"),
        3600..86400 => (seconds / 3600, "age-hours"),
        _ => (seconds / 86400, "age-days"),
    };
    words.message(id, &FluentArgs::from_iter([("n", FluentValue::from(amount))])).map_err(unworded)
}

/// `2026-01-02 03:04:05`, in Russian `02.01.2026 03:04:05`, in the server's zone.
fn clock(language: Language, time: Option<String>) -> Result<String, Error> {
    let Some(time) = time else { return Ok("—".to_owned()) };
    let time: Timestamp =
        time.parse().map_err(|error: jiff::Error| Error::new(ErrorKind::InvalidOperation, error.to_string()))?;
    Ok(as_read(language, time.to_zoned(jiff::tz::TimeZone::system()).datetime()))
}

/// A time by a clock that is not ours, `2026-12-01T21:43:26` or with a space, as people read it.
/// What is no such time is shown as it is.
fn local(language: Language, time: &str) -> String {
    let is_time = time.len() > "2026-12-01".len();
    time.parse().ok().filter(|_| is_time).map_or_else(|| time.to_owned(), |time| as_read(language, time))
}

fn as_read(language: Language, time: DateTime) -> String {
    let form = match language {
        Language::English => "%Y-%m-%d %H:%M:%S",
        Language::Russian => "%d.%m.%Y %H:%M:%S",
    };
    time.strftime(form).to_string()
}

/// Thin spaces between groups of three digits, as both languages may write them.
pub fn group_digits(number: &str) -> String {
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(whole, fraction)| (whole, Some(fraction)));
    let (sign, digits) = whole.strip_prefix('-').map_or(("", whole), |digits| ("−", digits));
    let mut grouped = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push('\u{2009}');
        }
        grouped.push(digit);
    }
    if let Some(fraction) = fraction {
        grouped.push('.');
        grouped.push_str(fraction);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::page::{Crumb, Frame, NavItem, TaskView};
    use std::sync::LazyLock;

    fn words(language: Language) -> &'static Words {
        static ENGLISH: LazyLock<Words> =
            LazyLock::new(|| Words::read(Language::English, "task-a = Do <a>\nnav-a = A"));
        static RUSSIAN: LazyLock<Words> =
            LazyLock::new(|| Words::read(Language::Russian, "task-a = Делать <a>\nnav-a = А"));
        match language {
            Language::English => &ENGLISH,
            Language::Russian => &RUSSIAN,
        }
    }

    #[test]
    fn a_time_without_a_zone_is_read_in_the_language_of_the_page_and_anything_else_stays() {
        for time in ["2026-12-01T21:43:26", "2026-12-01 21:43:26"] {
            assert_eq!(local(Language::Russian, time), "01.12.2026 21:43:26");
            assert_eq!(local(Language::English, time), "2026-12-01 21:43:26");
        }
        for other in ["", "2026-12-01", "2026-12-01T21:43:26Z", "yesterday", "2026-13-01 00:00:00"] {
            assert_eq!(local(Language::Russian, other), other);
        }
    }

    #[derive(Serialize)]
    struct Page {
        frame: Frame,
        now: Timestamp,
        background: Vec<TaskView>,
    }

    fn frame() -> Frame {
        Frame {
            server: "<b>one".to_owned(),
            version: "0.1.0",
            navigation: vec![NavItem { count: 7, is_bad: true, ..NavItem::new("a", "/a") }],
            here: "a",
            crumbs: vec![Crumb::to("<b>One", "/one"), Crumb::here("Two")],
            base: "/a?x=1&".to_owned(),
            token: "0".to_owned(),
            renews: true,
        }
    }

    #[test]
    fn a_page_of_a_service_s_own_templates_has_the_frame_in_both_languages_and_escapes() {
        let own = [(
            "own.html",
            "{% extends \"frame.html\" %}{% block main %}{{ 1234 | kib }}{% include \"background.html\" %}{% endblock %}",
        )];
        let more =
            |environment: &mut Environment<'_>, _: Language| environment.add_filter("kib", |n: i64| format!("{n} KiB"));
        let renderer = Renderer::new(&own, words, more).unwrap();
        let task = TaskView {
            name: "a",
            running_s: Some(70),
            last_run: Some(Timestamp::UNIX_EPOCH),
            next_in_s: None,
            failures: 3,
            error: Some("<b>no room".to_owned()),
        };
        let shown = Page { frame: frame(), now: Timestamp::UNIX_EPOCH, background: vec![task] };
        for (language, parts) in [
            (Language::English, ["English", "failed 3 times in a row", "running for 1 min", "Do &lt;a&gt;", "1 task"]),
            (
                Language::Russian,
                ["Русский", "ошибка 3 раза подряд", "выполняется 1 мин", "Делать &lt;a&gt;", "1 задача"],
            ),
        ] {
            let html = renderer.render("own.html", language, &shown).unwrap();
            for part in parts.iter().chain(&["1234 KiB", "&lt;b&gt;no room", "/page.css", "/page.js"]) {
                assert!(html.contains(part), "{part}: {html}");
            }
            assert!(!html.contains("<b>"), "{html}");
            assert!(html.contains("href=\"/a?x=1&amp;lang=ru\"") || html.contains("lang=ru\""), "{html}");
            assert!(html.contains("aria-current=\"page\"") && html.contains("&lt;b&gt;One"), "{html}");
            let parts = renderer.parts(&[("navigation", "navigation.html")], language, &shown).unwrap();
            assert!(parts[0].1.contains("<!--piece--><li data-key=\"a\""), "{parts:?}");
        }
    }

    #[test]
    fn no_text_turns_the_direction_of_what_stands_beside_it() {
        let own = [("own.html", "{{ o.name }}|{{ o.name | safe }}|{{ o.plain }}")];
        let renderer = Renderer::new(&own, words, |_, _| {}).unwrap();
        let shown = BTreeMap::from([("name", "<b>\u{202e}\u{2067}gpj.exe"), ("plain", "<b>имя")]);
        let html = renderer.render("own.html", Language::English, &shown).unwrap();
        assert_eq!(html, "&lt;b&gt;\u{fffd}\u{fffd}gpj.exe|<b>\u{fffd}\u{fffd}gpj.exe|&lt;b&gt;имя");
    }

    #[test]
    fn ages_use_the_largest_unit() {
        let words = words(Language::English);
        let told = |then: &str| age(words, Some(then.to_owned()), "2026-01-02T06:00:00Z").unwrap();
        assert_eq!(told("2026-01-02T05:59:30Z"), "30 s");
        assert_eq!(told("2026-01-02T05:00:00Z"), "1 h");
        assert_eq!(told("2025-12-25T05:00:00Z"), "8 d");
        assert_eq!(told("2026-01-02T06:00:09Z"), "0 s");
        let told = |then: &str| past(words, Some(then.to_owned()), "2026-01-02T06:00:00Z").unwrap();
        assert_eq!(
            (told("2026-01-02T05:59:30Z"), told("2026-01-02T05:00:00Z")),
            ("now".to_owned(), "1 h ago".to_owned())
        );
    }
}
