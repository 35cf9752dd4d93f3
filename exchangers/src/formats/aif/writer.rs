//! Writing AIF: for back offices' test files, for the demo, and for handing dictionaries on.

use crate::kinds::{self, Kind, Verb, VerbMeaning};
use crate::row::{ObjectKey, RowRef, to_payload};
use serde::Serialize;
use serde_json::value::RawValue;
use std::io::{self, Write};

/// Why something was not written.
#[derive(Debug, thiserror::Error)]
pub enum WriteError {
    /// The output failed.
    #[error("cannot write AIF: {source}")]
    Io {
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// The payload is not serializable, or the output failed within it.
    #[error("cannot write AIF command `{verb}`: {source}")]
    Json {
        /// The verb.
        verb: String,
        /// What the serializer says.
        #[source]
        source: serde_json::Error,
    },
    /// The table has no such verb, or it means something else.
    #[error("`{verb}` is not a verb that {wanted}")]
    Verb {
        /// What was given.
        verb: String,
        /// What was wanted.
        wanted: &'static str,
    },
    /// The kind comes only inside another object, or its key has another number of parts.
    #[error("kind `{kind}` cannot be written so: {reason}")]
    Kind {
        /// The kind.
        kind: Kind,
        /// Why.
        reason: &'static str,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Each record on a line, a line `---` after it.
    Records,
    /// A JSON array, an element on a line.
    Array,
}

/// Writes AIF commands one after another.
#[derive(Debug)]
pub struct AifWriter<W> {
    output: W,
    form: Form,
    written: u64,
}

impl<W: Write> AifWriter<W> {
    /// Writes a file: records with `---` between them.
    pub fn new(output: W) -> Self {
        Self { output, form: Form::Records, written: 0 }
    }

    /// Writes the body of a REST call: a JSON array.
    pub fn array(output: W) -> Self {
        Self { output, form: Form::Array, written: 0 }
    }

    /// Writes an adding command with this payload.
    pub fn command(&mut self, verb: &str, payload: &impl Serialize) -> Result<(), WriteError> {
        let Some(Verb { name, meaning: VerbMeaning::Add(kind) }) = kinds::verb(verb) else {
            return Err(WriteError::Verb { verb: verb.to_owned(), wanted: "adds" });
        };
        self.begin()?;
        self.text(&format!("{{\"command\":\"{name}\",\"{}\":", kind.spec().payload))?;
        self.json(name, payload)?;
        self.text("}")?;
        self.end()
    }

    /// Writes a clearing command by its verb.
    pub fn clear_verb(&mut self, verb: &str) -> Result<(), WriteError> {
        let Some(Verb { name, meaning: VerbMeaning::Clear(_) }) = kinds::verb(verb) else {
            return Err(WriteError::Verb { verb: verb.to_owned(), wanted: "clears" });
        };
        self.raw(&format!("{{\"command\":\"{name}\"}}"))
    }

    /// Writes the command that clears this kind and the fewest others.
    pub fn clear(&mut self, kind: Kind) -> Result<(), WriteError> {
        let breadth = |verb: &&&str| match kinds::verb(verb).map(|verb| verb.meaning) {
            Some(VerbMeaning::Clear(kinds)) => kinds.len(),
            _ => usize::MAX,
        };
        match kind.spec().clear.iter().min_by_key(breadth) {
            Some(verb) => self.clear_verb(verb),
            None => Err(WriteError::Kind { kind, reason: "it has no clearing verb" }),
        }
    }

    /// Writes the deletion of an object, or of all whose key starts with these parts.
    pub fn delete(&mut self, kind: Kind, key: &ObjectKey) -> Result<(), WriteError> {
        let spec = kind.spec();
        let Some(verb) = spec.delete else {
            return Err(WriteError::Kind { kind, reason: "it has no deleting verb" });
        };
        let parts: Vec<&str> = key.parts().collect();
        if parts.len() > spec.key.len() {
            return Err(WriteError::Kind { kind, reason: "its key has fewer parts" });
        }
        let fields: serde_json::Map<String, serde_json::Value> =
            spec.key.iter().zip(parts).map(|(name, part)| ((*name).to_owned(), part.into())).collect();
        self.begin()?;
        if spec.delete_in_payload {
            self.text(&format!("{{\"command\":\"{verb}\",\"{}\":", spec.payload))?;
            self.json(verb, &fields)?;
            self.text("}")?;
        } else {
            let mut envelope = serde_json::Map::new();
            envelope.insert("command".to_owned(), verb.into());
            envelope.extend(fields);
            self.json(verb, &envelope)?;
        }
        self.end()
    }

    /// Writes the adding command of a row.
    pub fn row(&mut self, kind: Kind, row: &RowRef<'_>) -> Result<(), WriteError> {
        let Some(verb) = kind.spec().add else {
            return Err(WriteError::Kind { kind, reason: "it comes only inside another object" });
        };
        let payload: Box<RawValue> =
            to_payload(kind, row).map_err(|source| WriteError::Json { verb: verb.to_owned(), source })?;
        self.command(verb, &payload)
    }

    /// Writes a record as it is: one JSON object, not checked.
    pub fn raw(&mut self, record: &str) -> Result<(), WriteError> {
        self.begin()?;
        self.text(record)?;
        self.end()
    }

    /// Writes what is left, flushes, and gives the output back.
    pub fn finish(mut self) -> Result<W, WriteError> {
        if self.form == Form::Array {
            self.text(if self.written == 0 { "[]\n" } else { "\n]\n" })?;
        }
        self.output.flush().map_err(|source| WriteError::Io { source })?;
        Ok(self.output)
    }

    fn begin(&mut self) -> Result<(), WriteError> {
        let before = match (self.form, self.written) {
            (Form::Records, _) => "",
            (Form::Array, 0) => "[\n",
            (Form::Array, _) => ",\n",
        };
        self.written += 1;
        self.text(before)
    }

    fn end(&mut self) -> Result<(), WriteError> {
        if self.form == Form::Records { self.text("\n---\n") } else { Ok(()) }
    }

    fn text(&mut self, text: &str) -> Result<(), WriteError> {
        self.output.write_all(text.as_bytes()).map_err(|source| WriteError::Io { source })
    }

    fn json(&mut self, verb: &str, value: &impl Serialize) -> Result<(), WriteError> {
        serde_json::to_writer(&mut self.output, value)
            .map_err(|source| WriteError::Json { verb: verb.to_owned(), source })
    }
}
