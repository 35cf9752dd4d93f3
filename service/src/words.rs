//! Words at the edge: every message that a person reads, in each language of ours, with Project
//! Fluent.
//!
//! Inside, what is to be told is a [`Reason`]: a kind and its parameters. Only the faces word it,
//! in their reader's language. A service hands its own messages to [`Words::read`], beside those
//! that every service has (`words/en.ftl`, `words/ru.ftl`): the frame of the page, background
//! work, ages. Files of two languages have the same ids and the same parameters. Fluent chooses
//! plurals by the rules of the language: Russian has three forms.
//!
//! A new language is a variant of [`Language`], a file here and a file in each service.

mod language;
mod reason;
#[cfg(test)]
mod tests;

pub use fluent_bundle::{FluentArgs, FluentValue};
pub use language::Language;
pub use reason::{Reason, as_said};

use fluent_bundle::FluentResource;
use fluent_bundle::concurrent::FluentBundle;
use serde_json::Value;
use std::error::Error;
use std::fmt;

/// The messages that every service has, in a language.
pub fn common(language: Language) -> &'static str {
    match language {
        Language::English => include_str!("words/en.ftl"),
        Language::Russian => include_str!("words/ru.ftl"),
    }
}

/// The messages of one language.
pub struct Words {
    language: Language,
    bundle: FluentBundle<FluentResource>,
}

/// Why a message cannot be worded: a defect in the words or in who asks for them.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum WordsError {
    /// The words do not have it.
    #[error("no message `{id}` in `{language}`")]
    Unknown {
        /// What was asked for.
        id: String,
        /// The language's code.
        language: &'static str,
    },
    /// A parameter that it needs is missing.
    #[error("the message `{id}` in `{language}` cannot be worded: {why}")]
    Unfit {
        /// What was asked for.
        id: String,
        /// The language's code.
        language: &'static str,
        /// What Fluent says.
        why: String,
    },
}

impl Words {
    /// Those that every service has and the `own` ones of a service. A file with a fault keeps the
    /// messages around it; tests hold that there is none.
    pub fn read(language: Language, own: &str) -> Self {
        Self::of_sources(language, &[common(language), own])
    }

    /// The messages of these files and of no others.
    pub fn of_sources(language: Language, sources: &[&str]) -> Self {
        let locale = language.code().parse().unwrap_or_default();
        let mut bundle = FluentBundle::new_concurrent(vec![locale]);
        // The marks keep texts of two directions apart. Neither language of ours needs them, and
        // they stay in what is copied from a terminal.
        bundle.set_use_isolating(false);
        for source in sources {
            let resource = FluentResource::try_new((*source).to_owned()).unwrap_or_else(|(resource, _)| resource);
            // Of two messages with one id the first stays.
            let _ = bundle.add_resource(resource);
        }
        Self { language, bundle }
    }

    /// Their language.
    pub fn language(&self) -> Language {
        self.language
    }

    /// Whether there is a message of this id.
    pub fn has(&self, id: &str) -> bool {
        self.bundle.get_message(id).is_some_and(|message| message.value().is_some())
    }

    /// A message with its parameters filled in.
    pub fn message(&self, id: &str, parameters: &FluentArgs<'_>) -> Result<String, WordsError> {
        let language = self.language.code();
        let found = self.bundle.get_message(id).and_then(|message| message.value());
        let pattern = found.ok_or_else(|| WordsError::Unknown { id: id.to_owned(), language })?;
        let mut errors = Vec::new();
        let text = self.bundle.format_pattern(pattern, Some(parameters), &mut errors).into_owned();
        match errors.first() {
            None => Ok(text),
            Some(error) => Err(WordsError::Unfit { id: id.to_owned(), language, why: error.to_string() }),
        }
    }

    /// A message that our own code asks for, with all its parameters: one that does not fit is a
    /// defect, and told by its id.
    pub fn text<'a>(
        &self,
        id: &'static str,
        parameters: impl IntoIterator<Item = (&'a str, FluentValue<'a>)>,
    ) -> String {
        self.message(id, &parameters.into_iter().collect()).unwrap_or_else(|error| {
            tracing::error!(error = &error as &dyn Error, "a message cannot be worded");
            id.to_owned()
        })
    }

    /// A reason in words. One that these words do not have, since a newer server wrote it, is told
    /// by its kind and parameters.
    pub fn reason(&self, reason: &Reason) -> String {
        let parameters = reason.parameters().iter().map(|(name, value)| (name.as_str(), self.parameter(value)));
        let worded = self.message(&format!("why-{}", reason.kind()), &parameters.collect());
        worded.unwrap_or_else(|_| reason.to_string())
    }

    fn parameter(&self, value: &Value) -> FluentValue<'static> {
        match value {
            // Fluent counts in floating point, and a number that people know something by may be
            // larger than that is exact to: such a one is told as text.
            Value::Number(number) if is_exact(number) => number.as_f64().map_or(FluentValue::None, FluentValue::from),
            other => FluentValue::from(self.plain(other)),
        }
    }

    fn plain(&self, value: &Value) -> String {
        match value {
            Value::String(text) => text.clone(),
            Value::Array(list) => list.iter().map(|one| self.plain(one)).collect::<Vec<_>>().join("; "),
            Value::Object(_) => match serde_json::from_value(value.clone()) {
                Ok(reason) => self.reason(&reason),
                Err(_) => value.to_string(),
            },
            other => other.to_string(),
        }
    }
}

/// Whether a floating point number tells this one whole.
fn is_exact(number: &serde_json::Number) -> bool {
    const LARGEST: u64 = 1 << f64::MANTISSA_DIGITS;
    number.as_i64().map(i64::unsigned_abs).or(number.as_u64()).is_none_or(|size| size <= LARGEST)
}

impl fmt::Debug for Words {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Words").field("language", &self.language).finish_non_exhaustive()
    }
}
