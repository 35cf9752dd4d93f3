//! Text from outside, made harmless for a log or a terminal: one line stays one line, nothing
//! moves the cursor, colours the screen or turns the order of what is read.
//!
//! File names, reasons of tills, item names and answers of other servers are written by others. A
//! line feed in one of them would forge a line of the log, an ESC would give orders to the
//! terminal that shows it, and a bidirectional override would make a name read as another. This is
//! the one place where they are escaped. The forms are those of JSON (`\n`, `\u001b`), so that
//! JSON stays JSON.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

/// Whether a character does something other than to be seen.
///
/// Control characters (C0, DEL, C1), line and paragraph separators, and what Unicode has to steer
/// the direction of text (TR9: embeddings, overrides, isolates and marks), with the byte order
/// mark, which is not seen at all.
fn acts(character: char) -> bool {
    character.is_control()
        || matches!(character,
            '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}')
}

fn push_escaped(into: &mut String, character: char) {
    match character {
        '\n' => into.push_str("\\n"),
        '\r' => into.push_str("\\r"),
        '\t' => into.push_str("\\t"),
        // All of them stand in the first plane: four digits are enough.
        other => {
            let _ = write!(into, "\\u{:04x}", u32::from(other));
        }
    }
}

/// The text on one line, with everything escaped that acts on a terminal.
pub fn on_one_line(text: &str) -> Cow<'_, str> {
    escaped(text, |_| false)
}

/// The text with its line feeds and tabs, and everything else escaped that acts on a terminal.
pub fn lines(text: &str) -> Cow<'_, str> {
    escaped(text, |character| matches!(character, '\n' | '\t'))
}

fn escaped(text: &str, stays: impl Fn(char) -> bool) -> Cow<'_, str> {
    let must_go = |character: char| acts(character) && !stays(character);
    if !text.chars().any(must_go) {
        return Cow::Borrowed(text);
    }
    let mut plain = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if must_go(character) {
            push_escaped(&mut plain, character);
        } else {
            plain.push(character);
        }
    }
    Cow::Owned(plain)
}

/// What a command writes to standard output or standard error: line feeds and tabs pass, all else
/// that acts is escaped.
#[derive(Debug)]
pub struct PlainWriter<W> {
    inner: W,
    /// The beginning of a character whose rest comes with the next write: at most three bytes.
    begun: Vec<u8>,
}

impl<W: io::Write> PlainWriter<W> {
    /// Writes to `inner`.
    pub fn new(inner: W) -> Self {
        Self { inner, begun: Vec::new() }
    }
}

impl<W: io::Write> io::Write for PlainWriter<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut all = std::mem::take(&mut self.begun);
        all.extend_from_slice(bytes);
        let mut rest = &all[..];
        while !rest.is_empty() {
            match str::from_utf8(rest) {
                Ok(text) => {
                    self.inner.write_all(lines(text).as_bytes())?;
                    break;
                }
                Err(error) => {
                    let (good, bad) = rest.split_at(error.valid_up_to());
                    self.inner.write_all(lines(&String::from_utf8_lossy(good)).as_bytes())?;
                    let Some(length) = error.error_len() else {
                        self.begun = bad.to_vec();
                        break;
                    };
                    self.inner.write_all("\u{fffd}".as_bytes())?;
                    rest = &bad[length..];
                }
            }
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;

    #[test]
    fn what_acts_on_a_terminal_is_escaped_and_what_is_seen_stays() {
        for (hostile, plain) in [
            ("Молоко 3,2 %", "Молоко 3,2 %"),
            ("a\nINFO forged", "a\\nINFO forged"),
            ("\u{1b}]0;owned\u{7}", "\\u001b]0;owned\\u0007"),
            ("\u{9b}31m", "\\u009b31m"),
            ("pos\u{202e}fia.exe", "pos\\u202efia.exe"),
            ("a\u{2066}b\u{2069}\u{200f}\u{61c}\u{2028}\u{feff}", "a\\u2066b\\u2069\\u200f\\u061c\\u2028\\ufeff"),
            ("\r\t\u{7f}\0", "\\r\\t\\u007f\\u0000"),
        ] {
            assert_eq!(on_one_line(hostile), plain);
        }
        assert_eq!(lines("a\n\tb\r\u{1b}"), "a\n\tb\\r\\u001b");
    }

    #[test]
    fn json_with_escaped_text_is_the_same_json() {
        let value = serde_json::json!({"name": "a\u{202e}b\u{9b}\u{2028}"});
        let text = value.to_string();
        assert_ne!(lines(&text), text);
        assert_eq!(serde_json::from_str::<serde_json::Value>(&lines(&text)).unwrap(), value);
    }

    #[test]
    fn a_writer_escapes_whatever_pieces_the_text_comes_in() {
        let text = "Сыр\u{202e}\u{1b}[2J\nдва\u{9b}".as_bytes();
        for piece in 1..text.len() {
            let mut written = Vec::new();
            let mut writer = PlainWriter::new(&mut written);
            for bytes in text.chunks(piece) {
                writer.write_all(bytes).unwrap();
            }
            assert_eq!(String::from_utf8(written).unwrap(), "Сыр\\u202e\\u001b[2J\nдва\\u009b", "pieces of {piece}");
        }
        let mut written = Vec::new();
        PlainWriter::new(&mut written).write_all(b"a\xffb\xc3").unwrap();
        assert_eq!(String::from_utf8(written).unwrap(), "a\u{fffd}b");
    }
}
