//! What is stored and passed in the place of a sentence.

use crate::error_chain;
use serde::{Deserialize, Serialize, Serializer};
use serde_json::{Map, Value};
use std::error::Error;
use std::fmt;

/// Of rows that were written as a sentence, and of what another program or a system says: that
/// text, shown as it is.
const WORDED: &str = "worded";

/// Why something is as it is, or what is to be known of it: a kind and its parameters.
///
/// As JSON, in databases, one flat object: `{"kind":"text-cut","chars":250,"max":200}`. Its words
/// are the message `why-<kind>`. A parameter is a text, a number, or another reason; or a list of
/// them, which is told one after the other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// Warnings were stored with `what` for their kind by v0.1.
    #[serde(alias = "what")]
    kind: String,
    #[serde(flatten)]
    parameters: Map<String, Value>,
}

impl Reason {
    /// Of a value whose JSON is such an object, so of an enum with `#[serde(tag = "kind")]`. An
    /// error that people read is one as well: `Display` is for the log, this for people.
    pub fn of(what: &(impl Serialize + fmt::Debug)) -> Self {
        let read = serde_json::to_value(what).and_then(serde_json::from_value);
        // No enum of ours fails; one that did would still say what it is.
        read.unwrap_or_else(|_| Self::worded(format!("{what:?}")))
    }

    /// A kind with its parameters.
    pub fn new(kind: String, parameters: Map<String, Value>) -> Self {
        Self { kind, parameters }
    }

    /// A text that has no kind.
    pub fn worded(text: impl Into<String>) -> Self {
        let parameters = Map::from_iter([("text".to_owned(), Value::String(text.into()))]);
        Self { kind: WORDED.to_owned(), parameters }
    }

    /// The word for it.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// By name.
    pub fn parameters(&self) -> &Map<String, Value> {
        &self.parameters
    }

    /// A text that was kept: a reason as JSON, or a sentence where an older version wrote it.
    pub fn stored(text: &str) -> Self {
        Self::from_json(text).unwrap_or_else(|_| Self::worded(text))
    }

    /// A text that is a reason as JSON.
    pub fn from_json(text: &str) -> Result<Self, serde_json::Error> {
        serde_json::from_str(text)
    }
}

/// As JSON.
impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&serde_json::to_string(self).map_err(|_| fmt::Error)?)
    }
}

/// For `#[serde(serialize_with)]` of an error's source that is not ours: what the system or a
/// library says, with its causes, as it says it.
pub fn as_said<S: Serializer>(error: &(impl Error + 'static), serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(&error_chain(error))
}
