//! An INI file as its lines, so that a rewrite changes the values it is asked to change and not
//! one byte else.
//!
//! `cash.ini` is read and edited by people and by tools that are not ours. Comments, unknown keys
//! and sections, order, blanks around `=`, line ends (also mixed), a byte order mark, bytes that
//! are not UTF-8 in comments: all survive. A section may be opened several times; of a key that
//! stands several times the last one counts, and is the one that is edited.
//!
//! A line is one of: blank; a comment (`;` or `#` first); `[section]`; `key = value` (everything
//! after the first `=`, without blanks around it; there are no comments behind a value); or stray,
//! which [`Ini::stray`] lists.

use std::ops::Range;

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A file as lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ini {
    bom: bool,
    lines: Vec<Line>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    /// The line without its end.
    text: Vec<u8>,
    /// `\n`, `\r\n`, or nothing on the last line.
    end: &'static [u8],
    meaning: Meaning,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Meaning {
    Quiet,
    Section(String),
    /// The key, and where in the line the value stands.
    Entry(String, Range<usize>),
    Stray,
}

/// A key with its value and place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The section, as written.
    pub section: &'a str,
    /// The key, as written.
    pub key: &'a str,
    /// The value without blanks around it; `None` where it is not UTF-8.
    pub value: Option<&'a str>,
    /// Number of the line, from 1.
    pub line: usize,
}

/// A value that cannot stand in a line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{}` cannot be written as the value of {key}: it has blanks around it or a control character", value.escape_default())]
pub struct ValueError {
    /// The key.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Ini {
    /// Reads a file. Nothing is an error here.
    pub fn parse(bytes: &[u8]) -> Self {
        let rest = bytes.strip_prefix(BOM);
        let lines = rest.unwrap_or(bytes).split_inclusive(|byte| *byte == b'\n').map(Line::parse).collect();
        Self { bom: rest.is_some(), lines }
    }

    /// The file. Without an edit in between these are the bytes that were read.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = if self.bom { BOM.to_vec() } else { Vec::new() };
        for line in &self.lines {
            bytes.extend_from_slice(&line.text);
            bytes.extend_from_slice(line.end);
        }
        bytes
    }

    /// All keys in order.
    pub fn entries(&self) -> impl Iterator<Item = Entry<'_>> {
        let mut section = "";
        self.lines.iter().enumerate().filter_map(move |(index, line)| match &line.meaning {
            Meaning::Section(name) => {
                section = name;
                None
            }
            Meaning::Entry(key, at) => {
                let value = line.text.get(at.clone()).and_then(|value| std::str::from_utf8(value).ok());
                Some(Entry { section, key, value, line: index + 1 })
            }
            Meaning::Quiet | Meaning::Stray => None,
        })
    }

    /// The entry of a key that counts: the last one. Section and key are compared without case.
    pub fn find(&self, section: &str, key: &str) -> Option<Entry<'_>> {
        self.entries().filter(|entry| same(entry.section, section) && same(entry.key, key)).last()
    }

    /// Lines that are nothing that is known, with their numbers from 1: most often a forgotten
    /// `=`.
    pub fn stray(&self) -> impl Iterator<Item = (usize, String)> {
        self.lines
            .iter()
            .enumerate()
            .filter(|(_, line)| line.meaning == Meaning::Stray)
            .map(|(index, line)| (index + 1, String::from_utf8_lossy(&line.text).trim().to_owned()))
    }

    /// Gives a key a value: in its line where it has one, else in a new line behind the last one
    /// of the section, which is made where there is none. Tells whether the file is another one
    /// now.
    pub fn set(&mut self, section: &str, key: &str, value: &str) -> Result<bool, ValueError> {
        if value.trim() != value || value.chars().any(char::is_control) {
            return Err(ValueError { key: key.to_owned(), value: value.to_owned() });
        }
        if let Some(line) = self.find(section, key).map(|entry| entry.line - 1) {
            return Ok(self.lines[line].replace_value(value));
        }
        let end = self.lines.iter().map(|line| line.end).find(|end| !end.is_empty()).unwrap_or(b"\n");
        let at = self.end_of_section(section).unwrap_or_else(|| {
            self.push(Line::parse(format!("[{section}]").as_bytes()), end);
            self.lines.len()
        });
        self.insert(at, Line::parse(format!("{key}={value}").as_bytes()), end);
        Ok(true)
    }

    /// The index behind the last line with a meaning of the last occurrence of a section.
    fn end_of_section(&self, section: &str) -> Option<usize> {
        let mut inside = false;
        let mut behind = None;
        for (index, line) in self.lines.iter().enumerate() {
            match &line.meaning {
                Meaning::Section(name) => inside = same(name, section),
                Meaning::Entry(..) | Meaning::Stray => {}
                Meaning::Quiet => continue,
            }
            if inside {
                behind = Some(index + 1);
            }
        }
        behind
    }

    fn push(&mut self, line: Line, end: &'static [u8]) {
        self.insert(self.lines.len(), line, end);
    }

    fn insert(&mut self, at: usize, mut line: Line, end: &'static [u8]) {
        if let Some(before) = at.checked_sub(1).and_then(|before| self.lines.get_mut(before))
            && before.end.is_empty()
        {
            before.end = end;
        }
        line.end = end;
        self.lines.insert(at, line);
    }
}

impl Line {
    fn parse(bytes: &[u8]) -> Self {
        let (text, end): (&[u8], &'static [u8]) = if let Some(text) = bytes.strip_suffix(b"\r\n") {
            (text, b"\r\n")
        } else if let Some(text) = bytes.strip_suffix(b"\n") {
            (text, b"\n")
        } else {
            (bytes, b"")
        };
        Self { text: text.to_vec(), end, meaning: meaning(text) }
    }

    fn replace_value(&mut self, value: &str) -> bool {
        let Meaning::Entry(_, at) = &self.meaning else { return false };
        if self.text.get(at.clone()) == Some(value.as_bytes()) {
            return false;
        }
        self.text.splice(at.clone(), value.bytes());
        self.meaning = meaning(&self.text);
        true
    }
}

fn meaning(text: &[u8]) -> Meaning {
    let bare = text.trim_ascii();
    match bare {
        [] | [b';' | b'#', ..] => Meaning::Quiet,
        [b'[', name @ .., b']'] => Meaning::Section(String::from_utf8_lossy(name.trim_ascii()).into_owned()),
        _ => {
            let Some(equals) = text.iter().position(|byte| *byte == b'=') else { return Meaning::Stray };
            let (key, value) = (text[..equals].trim_ascii(), &text[equals + 1..]);
            let Some(key) = std::str::from_utf8(key).ok().filter(|key| !key.is_empty()) else { return Meaning::Stray };
            let begin = equals + 1 + (value.len() - value.trim_ascii_start().len());
            let end = (equals + 1 + value.trim_ascii_end().len()).max(begin);
            Meaning::Entry(key.to_owned(), begin.min(text.len())..end.min(text.len()))
        }
    }
}

fn same(one: &str, other: &str) -> bool {
    one.eq_ignore_ascii_case(other)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const FILE: &[u8] =
        b"\xef\xbb\xbf; \xea\xe0\xf1\xf1\xe0 (not UTF-8)\r\n[Properties]\r\n Cash.Code =  a \r\nunknown=x;y\n\
        \n[Other]\ncash.code=no\n[properties]\ncash.CODE = b\n# end";

    fn value<'a>(ini: &'a Ini, key: &str) -> Option<&'a str> {
        ini.find("Properties", key).and_then(|entry| entry.value)
    }

    #[test]
    fn the_last_entry_of_a_section_opened_twice_counts() {
        let ini = Ini::parse(FILE);
        assert_eq!(value(&ini, "cash.code"), Some("b"));
        assert_eq!(value(&ini, "unknown"), Some("x;y"));
        assert_eq!(ini.find("Properties", "cash.code").unwrap().line, 9);
    }

    #[test]
    fn an_edit_changes_its_value_and_not_one_byte_else() {
        let mut ini = Ini::parse(FILE);
        assert!(ini.set("Properties", "CASH.code", "new").unwrap());
        assert!(!ini.set("Properties", "cash.code", "new").unwrap());
        let expected = String::from_utf8_lossy(FILE).replace("cash.CODE = b\n", "cash.CODE = new\n");
        assert_eq!(String::from_utf8_lossy(&ini.to_bytes()), expected);
    }

    #[test]
    fn a_new_key_stands_behind_the_last_one_of_its_section() {
        let mut ini = Ini::parse(b"[Properties]\r\na=1\r\n; tail\r\n[Other]\r\nb=2");
        ini.set("Properties", "c", "3").unwrap();
        ini.set("Other", "d", "4").unwrap();
        ini.set("New", "e", "5").unwrap();
        let expected = "[Properties]\r\na=1\r\nc=3\r\n; tail\r\n[Other]\r\nb=2\r\nd=4\r\n[New]\r\ne=5\r\n";
        assert_eq!(String::from_utf8(ini.to_bytes()).unwrap(), expected);
    }

    #[test]
    fn an_empty_value_is_filled_in_place() {
        let mut ini = Ini::parse(b"[P]\nkey =  \nother=\n");
        ini.set("P", "key", "v").unwrap();
        ini.set("P", "other", "w").unwrap();
        assert_eq!(ini.find("P", "key").unwrap().value, Some("v"));
        assert_eq!(ini.find("P", "other").unwrap().value, Some("w"));
    }

    #[test]
    fn a_value_cannot_smuggle_in_a_line() {
        let mut ini = Ini::parse(b"[P]\n");
        for value in ["a\nb=c", "a\r", " a", "a "] {
            assert!(ini.set("P", "key", value).is_err());
        }
        assert_eq!(ini.to_bytes(), b"[P]\n");
    }

    #[test]
    fn a_forgotten_equals_sign_is_told_with_its_line() {
        let ini = Ini::parse(b"[P]\ncash.code _cash_1\n");
        assert_eq!(ini.stray().collect::<Vec<_>>(), [(2, "cash.code _cash_1".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_bytes_survive_reading_and_writing(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
            prop_assert_eq!(Ini::parse(&bytes).to_bytes(), bytes);
        }

        #[test]
        fn what_is_set_is_read_and_all_other_entries_stay(
            text in "(\u{feff})?((;|\\[A\\]|\\[b\\]|k[0-3] ?= ?v[0-9]?|x|)(\n|\r\n)){0,12}k9=1",
            key in "k[0-9]",
            value in "[a-z0-9.:/=;]{0,12}",
        ) {
            let before = Ini::parse(text.as_bytes());
            let mut after = before.clone();
            after.set("A", &key, &value).unwrap();
            let again = Ini::parse(&after.to_bytes());
            prop_assert_eq!(&again, &after);
            prop_assert_eq!(again.find("a", &key).unwrap().value, Some(value.as_str()));
            let others = |ini: &Ini| -> Vec<_> {
                let edited = ini.find("A", &key).map(|entry| entry.line);
                ini.entries()
                    .filter(|entry| Some(entry.line) != edited)
                    .map(|entry| (entry.section.to_owned(), entry.key.to_owned(), entry.value.map(str::to_owned)))
                    .collect()
            };
            let stayed = others(&after);
            let were = if before.find("A", &key).is_some() { others(&before) } else {
                before.entries().map(|e| (e.section.to_owned(), e.key.to_owned(), e.value.map(str::to_owned))).collect()
            };
            prop_assert_eq!(stayed, were);
        }
    }
}
