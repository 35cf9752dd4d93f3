//! A pull reader of JSON over one record in memory: strict RFC 8259, numbers as their text,
//! strings borrowed.
//!
//! Records are small and come by the million, and their numbers must not pass through floating
//! point: so the columns are read straight off the text, without a tree in between.

mod canonical;

pub(crate) use canonical::{write_canonical, write_text};

use serde::Serialize;
use std::borrow::Cow;

/// Deepest nesting of a JSON value that is read or kept.
pub const MAX_DEPTH: usize = 64;

/// Digits that every reader of JSON takes.
const SURELY_FINITE_CHARS: usize = 300;

/// What is wrong with a text that is to be JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, thiserror::Error)]
#[serde(rename_all = "kebab-case")]
pub enum JsonFault {
    /// After a member of an object.
    #[error("expected `,` or `}}`")]
    NoCommaOrBrace,
    /// Where a member begins.
    #[error("expected the name of a field in double quotes")]
    NoName,
    /// After the name of a member.
    #[error("expected `:`")]
    NoColon,
    /// After an element of an array.
    #[error("expected `,` or `]`")]
    NoCommaOrBracket,
    /// Where a value begins.
    #[error("expected a value")]
    NoValue,
    /// Within a number.
    #[error("expected a digit")]
    NoDigit,
    /// Where an object begins.
    #[error("expected `{{`")]
    NoBrace,
    /// Where an array begins.
    #[error("expected `[`")]
    NoBracket,
    /// More than [`MAX_DEPTH`].
    #[error("nested too deeply")]
    TooDeep,
    /// What JavaScript writes and JSON has not.
    #[error("NaN and Infinity are not JSON: leave the field out, or write null")]
    NotFinite,
    /// It is infinite for readers that use floating point.
    #[error("a number is too large for readers of JSON")]
    NumberTooLarge,
    /// Within a string.
    #[error("a control character in a string must be written as an escape")]
    Control,
    /// The text ends within a string.
    #[error("a string has no end")]
    NoEndOfString,
    /// Within an escape.
    #[error("expected four hex digits after `\\u`")]
    NoHexDigits,
    /// A backslash before something else.
    #[error("a wrong escape in a string")]
    WrongEscape,
    /// Within an escape.
    #[error("half of a surrogate pair in a string: it is no character")]
    HalfCharacter,
    /// Names of one object compare without regard to case.
    #[error("a field comes twice in one object (names compare without regard to case)")]
    Twice,
    /// After the value.
    #[error("text follows the end of the record")]
    TextFollows,
}

/// Where and why text is not JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Fault {
    /// Byte within the record.
    pub(crate) at: usize,
    /// What is wrong there.
    pub(crate) what: JsonFault,
    /// The text ends where more was expected.
    pub(crate) ends_early: bool,
}

/// A string between its quotes, as it stands in the text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RawText<'a> {
    quoted: &'a str,
    at: usize,
    escaped: bool,
}

/// A value; nested ones as their text, checked.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Json<'a> {
    Null,
    Bool(bool),
    Number(&'a str),
    Text(RawText<'a>),
    Nested(&'a str),
}

/// Reads forward through the text.
#[derive(Debug, Clone)]
pub(crate) struct Cursor<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> RawText<'a> {
    /// The string with its escapes resolved.
    pub(crate) fn value(&self) -> Result<Cow<'a, str>, Fault> {
        if !self.escaped {
            return Ok(Cow::Borrowed(&self.quoted[1..self.quoted.len() - 1]));
        }
        serde_json::from_str::<String>(self.quoted).map(Cow::Owned).map_err(|_| Fault {
            at: self.at,
            what: JsonFault::HalfCharacter,
            ends_early: false,
        })
    }
}

impl<'a> Cursor<'a> {
    pub(crate) fn new(text: &'a str) -> Self {
        Self { text, at: 0 }
    }

    fn fault<T>(&self, what: JsonFault) -> Result<T, Fault> {
        Err(Fault { at: self.at, what, ends_early: self.at >= self.text.len() })
    }

    /// The next byte that is no blank, not taken yet.
    pub(crate) fn peek(&mut self) -> Option<u8> {
        let bytes = self.text.as_bytes();
        while let Some(byte) = bytes.get(self.at) {
            if !matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                return Some(*byte);
            }
            self.at += 1;
        }
        None
    }

    /// Takes the opening brace of an object.
    pub(crate) fn enter_object(&mut self) -> Result<(), Fault> {
        self.take(b'{', JsonFault::NoBrace)
    }

    /// Takes the opening bracket of an array.
    pub(crate) fn enter_array(&mut self) -> Result<(), Fault> {
        self.take(b'[', JsonFault::NoBracket)
    }

    fn take(&mut self, sign: u8, otherwise: JsonFault) -> Result<(), Fault> {
        if self.peek() == Some(sign) {
            self.at += 1;
            return Ok(());
        }
        self.fault(otherwise)
    }

    /// The name of the next member of an object, or `None` after its end; `first` until the first
    /// was taken.
    pub(crate) fn member(&mut self, first: &mut bool) -> Result<Option<RawText<'a>>, Fault> {
        match self.peek() {
            Some(b'}') => {
                self.at += 1;
                return Ok(None);
            }
            Some(b',') if !*first => self.at += 1,
            Some(_) if *first => {}
            _ => return self.fault(JsonFault::NoCommaOrBrace),
        }
        *first = false;
        if self.peek() != Some(b'"') {
            return self.fault(JsonFault::NoName);
        }
        let name = self.string()?;
        if self.peek() != Some(b':') {
            return self.fault(JsonFault::NoColon);
        }
        self.at += 1;
        Ok(Some(name))
    }

    /// Whether an array has another element; takes the comma before it or the bracket at the end.
    pub(crate) fn element(&mut self, first: &mut bool) -> Result<bool, Fault> {
        match self.peek() {
            Some(b']') => {
                self.at += 1;
                return Ok(false);
            }
            Some(b',') if !*first => self.at += 1,
            Some(_) if *first => {}
            _ => return self.fault(JsonFault::NoCommaOrBracket),
        }
        *first = false;
        if self.peek() == Some(b']') {
            return self.fault(JsonFault::NoValue);
        }
        Ok(true)
    }

    /// The next value.
    pub(crate) fn value(&mut self) -> Result<Json<'a>, Fault> {
        self.value_at_depth(0)
    }

    /// The text of the next value, checked.
    pub(crate) fn raw_value(&mut self) -> Result<&'a str, Fault> {
        self.peek();
        let start = self.at;
        self.value_at_depth(0)?;
        Ok(&self.text[start..self.at])
    }

    fn value_at_depth(&mut self, depth: usize) -> Result<Json<'a>, Fault> {
        match self.peek() {
            Some(b'"') => self.string().map(Json::Text),
            Some(b'-' | b'0'..=b'9') => self.number().map(Json::Number),
            Some(b'{' | b'[') if depth >= MAX_DEPTH => self.fault(JsonFault::TooDeep),
            Some(b'{') => self.nested_object(depth + 1).map(Json::Nested),
            Some(b'[') => self.nested_array(depth + 1).map(Json::Nested),
            Some(b't') => self.literal("true").map(|()| Json::Bool(true)),
            Some(b'f') => self.literal("false").map(|()| Json::Bool(false)),
            Some(b'n') => self.literal("null").map(|()| Json::Null),
            Some(b'N' | b'I') => self.fault(JsonFault::NotFinite),
            _ => self.fault(JsonFault::NoValue),
        }
    }

    fn nested_object(&mut self, depth: usize) -> Result<&'a str, Fault> {
        let (start, mut first) = (self.at, true);
        self.at += 1;
        while self.member(&mut first)?.is_some() {
            self.value_at_depth(depth)?;
        }
        Ok(&self.text[start..self.at])
    }

    fn nested_array(&mut self, depth: usize) -> Result<&'a str, Fault> {
        let (start, mut first) = (self.at, true);
        self.at += 1;
        while self.element(&mut first)? {
            self.value_at_depth(depth)?;
        }
        Ok(&self.text[start..self.at])
    }

    fn literal(&mut self, literal: &'static str) -> Result<(), Fault> {
        let rest = &self.text.as_bytes()[self.at..];
        if rest.starts_with(literal.as_bytes()) {
            self.at += literal.len();
            return Ok(());
        }
        if literal.as_bytes().starts_with(rest) {
            self.at = self.text.len();
        }
        self.fault(JsonFault::NoValue)
    }

    fn digits(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        while bytes.get(self.at).is_some_and(u8::is_ascii_digit) {
            self.at += 1;
        }
        if self.at == start { self.fault(JsonFault::NoDigit) } else { Ok(()) }
    }

    fn number(&mut self) -> Result<&'a str, Fault> {
        let bytes = self.text.as_bytes();
        let start = self.at;
        let mut has_exponent = false;
        if bytes[self.at] == b'-' {
            self.at += 1;
        }
        if bytes.get(self.at) == Some(&b'0') {
            self.at += 1;
        } else {
            self.digits()?;
        }
        if bytes.get(self.at) == Some(&b'.') {
            self.at += 1;
            self.digits()?;
        }
        if matches!(bytes.get(self.at), Some(b'e' | b'E')) {
            self.at += 1;
            has_exponent = true;
            if matches!(bytes.get(self.at), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let number = &self.text[start..self.at];
        // Unknown fields are passed on as they are, and other readers take no such number.
        if (has_exponent || number.len() > SURELY_FINITE_CHARS) && number.parse::<f64>().is_ok_and(f64::is_infinite) {
            return Err(Fault { at: start, what: JsonFault::NumberTooLarge, ends_early: false });
        }
        Ok(number)
    }

    fn string(&mut self) -> Result<RawText<'a>, Fault> {
        let bytes = self.text.as_bytes();
        let (start, mut escaped) = (self.at, false);
        self.at += 1;
        loop {
            self.at += plain_length(&bytes[self.at..]);
            match bytes.get(self.at) {
                Some(b'"') => break,
                Some(b'\\') => {
                    escaped = true;
                    self.escape()?;
                }
                Some(_) => return self.fault(JsonFault::Control),
                None => return self.fault(JsonFault::NoEndOfString),
            }
        }
        self.at += 1;
        Ok(RawText { quoted: &self.text[start..self.at], at: start, escaped })
    }

    fn escape(&mut self) -> Result<(), Fault> {
        let bytes = self.text.as_bytes();
        self.at += 1;
        match bytes.get(self.at) {
            Some(b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't') => self.at += 1,
            Some(b'u') => {
                self.at += 1;
                for _ in 0..4 {
                    if !bytes.get(self.at).is_some_and(u8::is_ascii_hexdigit) {
                        return self.fault(JsonFault::NoHexDigits);
                    }
                    self.at += 1;
                }
            }
            _ => return self.fault(JsonFault::WrongEscape),
        }
        Ok(())
    }

    /// Whether what comes next may nest so deeply.
    pub(crate) fn check_depth(&self, depth: usize) -> Result<(), Fault> {
        if depth >= MAX_DEPTH { self.fault(JsonFault::TooDeep) } else { Ok(()) }
    }

    /// The byte of the record that comes next.
    pub(crate) fn at(&self) -> usize {
        self.at
    }

    /// Nothing but blanks may be left.
    pub(crate) fn end(&mut self) -> Result<(), Fault> {
        match self.peek() {
            None => Ok(()),
            Some(_) => Err(Fault { at: self.at, what: JsonFault::TextFollows, ends_early: false }),
        }
    }
}

/// A name that comes twice among these of one object, whatever its case: the later one.
pub(crate) fn named_twice<'n>(names: impl Iterator<Item = &'n str> + Clone) -> Option<&'n str> {
    /// Up to so many names each is compared with each.
    const FEW: usize = 8;
    if names.clone().count() <= FEW {
        let mut before = names.clone().enumerate();
        return before
            .find_map(|(at, name)| names.clone().take(at).any(|n| n.eq_ignore_ascii_case(name)).then_some(name));
    }
    let mut seen = std::collections::HashSet::new();
    names.into_iter().find(|name| !seen.insert(name.to_ascii_lowercase()))
}

/// Whether a text is one JSON value.
pub(crate) fn is_json(text: &str) -> bool {
    let mut cursor = Cursor::new(text);
    cursor.raw_value().and_then(|_| cursor.end()).is_ok()
}

/// How many bytes of a string follow before a quote, a backslash or a control character: eight at
/// a time.
pub(crate) fn plain_length(bytes: &[u8]) -> usize {
    const LOW: u64 = u64::from_le_bytes([0x01; 8]);
    const HIGH: u64 = u64::from_le_bytes([0x80; 8]);
    let is_special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    // Sets the high bit of each zero byte, and perhaps of bytes above the first of them.
    let zeros = |word: u64| word.wrapping_sub(LOW) & !word & HIGH;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let control = word.wrapping_sub(LOW * 0x20) & !word & HIGH;
        let special = control | zeros(word ^ (LOW * u64::from(b'"'))) | zeros(word ^ (LOW * u64::from(b'\\')));
        if special != 0 {
            return at * 8 + special.trailing_zeros() as usize / 8;
        }
    }
    words.len() * 8 + rest.iter().position(is_special).unwrap_or(rest.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn faults_name_their_place() {
        for (text, at, what, ends_early) in [
            (r#"{"a" 1}"#, 5, JsonFault::NoColon, false),
            (r#"{"a":1,}"#, 7, JsonFault::NoName, false),
            (r#"{"a":1 "b":2}"#, 7, JsonFault::NoCommaOrBrace, false),
            (r#"{"a":tru"#, 8, JsonFault::NoValue, true),
            (r#"{"a":-"#, 6, JsonFault::NoDigit, true),
            (r#"{"a":"x"#, 7, JsonFault::NoEndOfString, true),
            ("[1,]", 3, JsonFault::NoValue, false),
            ("\"a\tb\"", 2, JsonFault::Control, false),
            (r#""\x""#, 2, JsonFault::WrongEscape, false),
            (r#""\u12g4""#, 5, JsonFault::NoHexDigits, false),
        ] {
            assert_eq!(Cursor::new(text).raw_value(), Err(Fault { at, what, ends_early }), "{text}");
        }
        let deep = "[".repeat(MAX_DEPTH + 1);
        assert_eq!(Cursor::new(&deep).raw_value().unwrap_err().what, JsonFault::TooDeep);
        assert!(is_json(&format!("{}{}", "[".repeat(MAX_DEPTH), "]".repeat(MAX_DEPTH))));
    }

    proptest! {
        #[test]
        fn eight_bytes_at_a_time_find_what_one_at_a_time_finds(
            bytes in proptest::collection::vec(prop_oneof![3 => b'a'..=b'z', 1 => any::<u8>()], 0..40),
        ) {
            let first = bytes.iter().position(|byte| matches!(byte, b'"' | b'\\' | 0..0x20)).unwrap_or(bytes.len());
            prop_assert_eq!(plain_length(&bytes), first);
        }

        #[test]
        fn accepts_what_serde_json_accepts(text in r#"[\[\]{},:"\\ab01.eE+\- tunfrlse]{0,24}"#) {
            // serde_json refuses numbers beyond f64, which are only text here.
            let theirs = serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok();
            let mut cursor = Cursor::new(&text);
            if !matches!(cursor.raw_value(), Err(Fault { what: JsonFault::NumberTooLarge, .. })) {
                prop_assert_eq!(is_json(&text), theirs, "{}", text);
            }
        }
    }
}
