//! In which encoding a file is. UTF-8 is checked while it is read; another one, where the settings
//! name it, is read as UTF-8.
//!
//! A file that is not what it should be is refused whole, and told what it looks like: of a file
//! in another encoding all records with a letter beyond ASCII would be rejected, and the others
//! loaded.

use crate::store::intake::EncodingFault;
use crate::words::Reason;
use encoding_rs::{Decoder, DecoderResult, Encoding, IBM866, KOI8_R, UTF_8, WINDOWS_1251};
use fs_err as fs;
use std::borrow::Cow;
use std::fmt;
use std::io::{self, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use tillway_exchangers::formats::foreign_input;

/// Of a file that is in another encoding than it should be, so much is looked at: it shows in far
/// less.
const LOOKED_AT_BYTES: u64 = 1024 * 1024;

/// Read at once where a file is decoded: large enough that system calls do not count.
const RAW_BUFFER_BYTES: usize = 64 * 1024;

/// Characters beyond ASCII, all of them whole in UTF-8, from which on a text counts as UTF-8
/// whatever the settings say: of another encoding hardly ever so many follow each other by chance.
const SURELY_UTF8_CHARS: usize = 8;

/// Of fewer bytes beyond ASCII nobody can say which encoding they are in.
const MIN_GUESSED_BYTES: usize = 3;

/// Marks with which a text says its encoding.
const MARKS: [&[u8]; 3] = [b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"];

/// How often Russian letters occur in a thousand, from а to я.
const RUSSIAN: [i64; 32] = [
    80, 16, 45, 17, 30, 85, 9, 16, 74, 12, 35, 44, 32, 67, 110, 28, 47, 55, 63, 26, 3, 10, 5, 14, 7, 4, 1, 19, 17, 3,
    6, 20,
];

/// What a character counts that stands in no Russian text, and a capital letter behind a small
/// one.
const STRANGE: i64 = -200;

/// What a character counts on the average from which on a text is Russian. In Russian texts it is
/// about 55.
const RUSSIAN_FROM: i64 = 20;

/// What the bytes of a file are that is not what it should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looks {
    /// UTF-8, but for some bytes.
    Damaged,
    /// Another encoding.
    Like(&'static str),
    /// None that is known here.
    Unknown,
}

/// A file is not in the encoding that it should have.
#[derive(Debug)]
pub(super) struct WrongEncoding {
    should_be: &'static Encoding,
    looks: Looks,
    /// The first byte that shows it.
    byte: u64,
}

impl WrongEncoding {
    /// Whether an error of reading says so.
    pub(super) fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// What is wrong, for people.
    pub(super) fn reason(&self) -> EncodingFault {
        let (encoding, byte) = (self.should_be.name(), self.byte);
        match self.looks {
            Looks::Damaged => EncodingFault::DamagedInput { encoding, byte },
            Looks::Like(looks_like) if self.should_be == UTF_8 => EncodingFault::OtherEncoding { looks_like, byte },
            Looks::Like(looks_like) => EncodingFault::NotItsEncoding { encoding, looks_like, byte },
            Looks::Unknown => EncodingFault::UnknownEncoding { encoding, byte },
        }
    }
}

impl std::error::Error for WrongEncoding {}

impl fmt::Display for WrongEncoding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::words::in_english(&Reason::of(&self.reason())))
    }
}

/// Reads what stands in a file as UTF-8. Its error is a [`WrongEncoding`] where the file is in
/// another one than `encoding`.
pub(super) fn reader<R: Read>(inner: R, path: &Path, encoding: &'static Encoding) -> Reader<R> {
    if encoding == UTF_8 {
        Reader::Utf8(Checked::new(inner, path))
    } else {
        Reader::Other(Decoded::new(inner, encoding))
    }
}

/// See [`reader`].
pub(super) enum Reader<R> {
    Utf8(Checked<R>),
    Other(Decoded<R>),
}

impl<R: Read> Read for Reader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Utf8(checked) => checked.read(buffer),
            Self::Other(decoded) => decoded.read(buffer),
        }
    }
}

/// Finds the first byte of a stream that is not UTF-8.
#[derive(Debug, Default)]
pub(super) struct Utf8Check {
    /// Bytes so far.
    at: u64,
    /// The beginning of a character that was cut by the end of what has come.
    open: Vec<u8>,
}

impl Utf8Check {
    /// Takes the next bytes: where in the stream the first one stands that is not UTF-8.
    fn push(&mut self, read: &[u8]) -> Option<u64> {
        let mut start = 0;
        while !self.open.is_empty() && start < read.len() {
            self.open.push(read[start]);
            start += 1;
            match std::str::from_utf8(&self.open) {
                Ok(_) => self.open.clear(),
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Some(self.at + start as u64 - self.open.len() as u64),
            }
        }
        let rest = &read[start..];
        let begins_at = self.at + start as u64;
        self.at += read.len() as u64;
        let error = std::str::from_utf8(rest).err()?;
        if error.error_len().is_some() {
            return Some(begins_at + error.valid_up_to() as u64);
        }
        self.open = rest[error.valid_up_to()..].to_vec();
        None
    }

    /// The stream has ended: where a character begins that was cut.
    fn end(&self) -> Option<u64> {
        (!self.open.is_empty()).then(|| self.at - self.open.len() as u64)
    }
}

/// Reads a file that should be UTF-8.
pub(super) struct Checked<R> {
    inner: R,
    path: PathBuf,
    check: Utf8Check,
    begun: bool,
    /// It is no text at all: the reader of records says what it is.
    is_foreign: bool,
}

impl<R: Read> Checked<R> {
    fn new(inner: R, path: &Path) -> Self {
        Self { inner, path: path.to_owned(), check: Utf8Check::default(), begun: false, is_foreign: false }
    }

    fn refuse(&self, byte: u64) -> io::Result<usize> {
        let mut file = fs::File::open(&self.path)?;
        // What stands before it says as much as what follows.
        file.seek(SeekFrom::Start(byte.saturating_sub(LOOKED_AT_BYTES / 2)))?;
        let mut sample = Vec::new();
        file.take(LOOKED_AT_BYTES).read_to_end(&mut sample)?;
        Err(io::Error::other(WrongEncoding { should_be: UTF_8, looks: looks(&sample), byte }))
    }
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let length = self.inner.read(buffer)?;
        let read = &buffer[..length];
        if self.is_foreign {
            return Ok(length);
        }
        if length == 0 {
            return match self.check.end() {
                None => Ok(0),
                Some(byte) => Err(io::Error::other(WrongEncoding { should_be: UTF_8, looks: Looks::Damaged, byte })),
            };
        }
        if !self.begun {
            self.begun = true;
            if utf16(read).is_some() {
                return self.refuse(0);
            }
            self.is_foreign = foreign_input(read).is_some();
            if self.is_foreign {
                return Ok(length);
            }
        }
        match self.check.push(read) {
            Some(byte) => self.refuse(byte),
            None => Ok(length),
        }
    }
}

/// Turns a stream in another encoding into UTF-8.
struct Transcoder {
    encoding: &'static Encoding,
    decoder: Decoder,
    /// Bytes that were decoded.
    at: u64,
    /// A character beyond ASCII has come.
    is_known: bool,
}

impl Transcoder {
    fn new(encoding: &'static Encoding) -> Self {
        // A mark at the beginning says more than a setting.
        Self { encoding, decoder: encoding.new_decoder(), at: 0, is_known: false }
    }

    /// Appends the next bytes to `text`; `ended`: they are the last ones.
    fn push(&mut self, mut raw: &[u8], ended: bool, text: &mut String) -> Result<(), WrongEncoding> {
        if !self.is_known && !raw.is_ascii() {
            self.is_known = true;
            self.refuse_utf8(raw)?;
        }
        loop {
            let room = self.decoder.max_utf8_buffer_length_without_replacement(raw.len());
            text.reserve(room.unwrap_or(RAW_BUFFER_BYTES));
            let (result, read) = self.decoder.decode_to_string_without_replacement(raw, text, ended);
            self.at += read as u64;
            raw = &raw[read..];
            match result {
                DecoderResult::InputEmpty => return Ok(()),
                DecoderResult::OutputFull => {}
                DecoderResult::Malformed(length, after) => {
                    let byte = self.at.saturating_sub(u64::from(length) + u64::from(after));
                    return Err(WrongEncoding { should_be: self.encoding, looks: Looks::Damaged, byte });
                }
            }
        }
    }

    /// Of a text in UTF-8 nearly every other encoding makes nonsense, and no error.
    fn refuse_utf8(&self, raw: &[u8]) -> Result<(), WrongEncoding> {
        let whole = match std::str::from_utf8(raw) {
            Err(error) if error.error_len().is_some() => return Ok(()),
            Err(error) => &raw[..error.valid_up_to()],
            Ok(_) => raw,
        };
        let whole = std::str::from_utf8(whole).unwrap_or_default();
        let has_mark = self.at == 0 && MARKS.iter().any(|mark| raw.starts_with(mark));
        if has_mark || raw.contains(&0) || beyond_ascii(whole) < SURELY_UTF8_CHARS {
            return Ok(());
        }
        let first = whole.find(|char: char| !char.is_ascii()).unwrap_or_default();
        let byte = self.at + first as u64;
        Err(WrongEncoding { should_be: self.encoding, looks: Looks::Like("UTF-8"), byte })
    }
}

/// Reads a file in another encoding as UTF-8.
pub(super) struct Decoded<R> {
    inner: R,
    transcoder: Transcoder,
    raw: Vec<u8>,
    text: String,
    /// What of `text` was given out.
    given: usize,
    ended: bool,
}

impl<R: Read> Decoded<R> {
    fn new(inner: R, encoding: &'static Encoding) -> Self {
        let (raw, text) = (vec![0; RAW_BUFFER_BYTES], String::new());
        Self { inner, transcoder: Transcoder::new(encoding), raw, text, given: 0, ended: false }
    }
}

impl<R: Read> Read for Decoded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.given == self.text.len() && !self.ended {
            let read = self.inner.read(&mut self.raw)?;
            self.ended = read == 0;
            self.text.clear();
            self.given = 0;
            self.transcoder.push(&self.raw[..read], self.ended, &mut self.text).map_err(io::Error::other)?;
        }
        let read = (&self.text.as_bytes()[self.given..]).read(buffer)?;
        self.given += read;
        Ok(read)
    }
}

/// A body as it comes: checked where it is UTF-8, turned into it where it is not.
pub(super) struct Incoming(Kind);

enum Kind {
    Utf8 { check: Utf8Check, begun: bool },
    Other(Box<Transcoder>),
}

impl Incoming {
    pub(super) fn new(encoding: &'static Encoding) -> Self {
        if encoding == UTF_8 {
            Self(Kind::Utf8 { check: Utf8Check::default(), begun: false })
        } else {
            Self(Kind::Other(Box::new(Transcoder::new(encoding))))
        }
    }

    /// The next part as UTF-8.
    pub(super) fn push<'a>(&mut self, part: &'a [u8]) -> Result<Cow<'a, [u8]>, WrongEncoding> {
        match &mut self.0 {
            Kind::Utf8 { check, begun } => {
                let is_first = !std::mem::replace(begun, true);
                let broken = if is_first && utf16(part).is_some() { Some(0) } else { check.push(part) };
                match broken {
                    Some(byte) => Err(WrongEncoding { should_be: UTF_8, looks: looks(part), byte }),
                    None => Ok(Cow::Borrowed(part)),
                }
            }
            Kind::Other(transcoder) => {
                let mut text = String::new();
                transcoder.push(part, false, &mut text)?;
                Ok(Cow::Owned(text.into_bytes()))
            }
        }
    }

    /// What is left at the end, as UTF-8.
    pub(super) fn end(mut self) -> Result<Vec<u8>, WrongEncoding> {
        match &mut self.0 {
            Kind::Utf8 { check, .. } => match check.end() {
                Some(byte) => Err(WrongEncoding { should_be: UTF_8, looks: Looks::Damaged, byte }),
                None => Ok(Vec::new()),
            },
            Kind::Other(transcoder) => {
                let mut text = String::new();
                transcoder.push(&[], true, &mut text)?;
                Ok(text.into_bytes())
            }
        }
    }
}

/// Which UTF-16 a text is in that begins with these bytes.
fn utf16(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0xff, 0xfe, ..] => return Some("UTF-16, little-endian, with a mark"),
        [0xfe, 0xff, ..] => return Some("UTF-16, big-endian, with a mark"),
        // A JSON text begins with an ASCII character. What is packed does not begin so.
        [1..=0x7f, 0, ..] | [0, 1..=0x7f, ..] => {}
        _ => return None,
    }
    let zeros = |from: usize| bytes.iter().skip(from).step_by(2).filter(|byte| **byte == 0).count();
    let (even, odd) = (zeros(0), zeros(1));
    // Of a JSON text in UTF-16 at least braces, quotes and names have a zero byte each.
    let many = bytes.len() / 10;
    if odd > many && odd > 4 * even {
        Some("UTF-16, little-endian, without a mark")
    } else if even > many && even > 4 * odd {
        Some("UTF-16, big-endian, without a mark")
    } else {
        None
    }
}

/// Whether a text begins as UTF-16.
pub(super) fn is_utf16(start: &[u8]) -> bool {
    utf16(start).is_some()
}

fn beyond_ascii(text: &str) -> usize {
    text.chars().filter(|char| !char.is_ascii()).count()
}

/// What bytes look like that are not UTF-8.
fn looks(bytes: &[u8]) -> Looks {
    if let Some(what) = utf16(bytes) {
        return Looks::Like(what);
    }
    let (mut whole, mut broken) = (0, 0);
    for chunk in bytes.utf8_chunks() {
        whole += beyond_ascii(chunk.valid());
        broken += usize::from(!chunk.invalid().is_empty());
    }
    let beyond = bytes.iter().filter(|byte| !byte.is_ascii()).count();
    if whole > broken || beyond < MIN_GUESSED_BYTES {
        return Looks::Damaged;
    }
    let names = [(WINDOWS_1251, "windows-1251"), (IBM866, "cp866"), (KOI8_R, "KOI8-R")];
    let scored = names.map(|(encoding, name)| (score(&encoding.decode_without_bom_handling(bytes).0), name));
    match scored.into_iter().max() {
        Some((score, name)) if score > RUSSIAN_FROM * i64::try_from(beyond).unwrap_or(i64::MAX) => Looks::Like(name),
        _ => Looks::Unknown,
    }
}

/// How much a text looks Russian.
fn score(text: &str) -> i64 {
    let (mut score, mut after_small) = (0, false);
    for char in text.chars() {
        let small = char.to_lowercase().next().unwrap_or(char);
        let letter = u32::from(small).checked_sub(u32::from('а')).and_then(|at| RUSSIAN.get(at as usize));
        score += match letter {
            Some(weight) if char == small || !after_small => *weight,
            None if char.is_ascii() || "ёЁ«»№–—°“”…’·\u{a0}".contains(char) => 0,
            _ => STRANGE,
        };
        after_small = letter.is_some() && char == small;
    }
    score
}

#[cfg(test)]
mod tests;
