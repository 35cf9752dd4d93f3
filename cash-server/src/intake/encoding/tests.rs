//! Texts in each encoding.

use super::*;
use std::io::Cursor;

/// Of a text in Russian with Latin names, as goods have them.
const TEXT: &str = r#"{"command":"addUnit","unit":{"unitCode":796,"name":"Молоко пастеризованное, Чай чёрный Ahmad"}}"#;

fn utf16_of(mark: &[u8], bytes: impl Fn(u16) -> [u8; 2]) -> Vec<u8> {
    mark.iter().copied().chain(TEXT.encode_utf16().flat_map(bytes)).collect()
}

#[test]
fn each_encoding_is_told_by_its_bytes() {
    for text in [TEXT.to_owned(), TEXT.to_uppercase(), r#"{"name":"Чай"}"#.to_owned(), "СЫР РОССИЙСКИЙ 50%".to_owned()]
    {
        for (encoding, looks_like) in [(WINDOWS_1251, "windows-1251"), (IBM866, "cp866"), (KOI8_R, "KOI8-R")] {
            assert_eq!(looks(&encoding.encode(&text).0), Looks::Like(looks_like), "{text}");
        }
    }
    for (bytes, looks_like) in [
        (utf16_of(b"\xff\xfe", u16::to_le_bytes), "UTF-16, little-endian, with a mark"),
        (utf16_of(b"\xfe\xff", u16::to_be_bytes), "UTF-16, big-endian, with a mark"),
        (utf16_of(b"", u16::to_le_bytes), "UTF-16, little-endian, without a mark"),
        (utf16_of(b"", u16::to_be_bytes), "UTF-16, big-endian, without a mark"),
    ] {
        assert_eq!(looks(&bytes), Looks::Like(looks_like));
    }
    let damaged = [TEXT.as_bytes(), b"\xff", TEXT.as_bytes()].concat();
    assert_eq!(looks(&damaged), Looks::Damaged);
    assert_eq!(looks(b"caf\xe9"), Looks::Damaged);
    assert_eq!(looks(&(128..=255).collect::<Vec<u8>>()), Looks::Unknown);
}

/// Gives a few bytes at a time.
struct Slow<'a>(Cursor<&'a [u8]>, usize);

impl Read for Slow<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let end = self.1.min(buffer.len());
        self.0.read(&mut buffer[..end])
    }
}

fn read(bytes: &[u8], step: usize, encoding: &'static Encoding) -> io::Result<Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("pos1.aif");
    fs::write(&path, bytes).unwrap();
    let mut text = Vec::new();
    reader(Slow(Cursor::new(bytes), step), &path, encoding).read_to_end(&mut text).map(|_| text)
}

fn told(result: io::Result<Vec<u8>>) -> String {
    let error = result.unwrap_err();
    assert!(WrongEncoding::of(&error).is_some(), "{error}");
    error.to_string()
}

#[test]
fn a_text_is_read_as_it_is_however_its_characters_are_cut_and_another_encoding_ends_it() {
    for step in 1..9 {
        let whole = [b"\xef\xbb\xbf", TEXT.as_bytes(), "€𝄞".as_bytes()].concat();
        assert_eq!(read(&whole, step, UTF_8).unwrap(), whole);
        let damaged = [TEXT.as_bytes(), b"\xff\xc0", TEXT.as_bytes()].concat();
        let error = told(read(&damaged, step, UTF_8));
        assert!(error.contains(&format!("damaged or cut at byte {}:", TEXT.len())), "{error}");
        let cut = TEXT.find('о').unwrap();
        let error = told(read(&TEXT.as_bytes()[..=cut], step, UTF_8));
        assert!(error.contains(&format!("damaged or cut at byte {cut}:")), "{error}");
        let error = told(read(&WINDOWS_1251.encode(TEXT).0, step, UTF_8));
        let first = TEXT.find('М').unwrap();
        assert!(error.contains(&format!("looks like windows-1251 (byte {first} is")), "{error}");
    }
    // What is packed the reader of records tells.
    assert_eq!(read(b"\x1f\x8b\x08\xff", 9, UTF_8).unwrap(), b"\x1f\x8b\x08\xff");
    // A zero byte is a fault of its record.
    assert_eq!(read(b"{\"a\":\"\0\"}", 9, UTF_8).unwrap(), b"{\"a\":\"\0\"}");
}

#[test]
fn a_text_in_an_encoding_that_is_named_is_read_as_utf8() {
    for step in [1, 2, 3, 7, 100_000] {
        for encoding in [WINDOWS_1251, IBM866, KOI8_R] {
            assert_eq!(read(&encoding.encode(TEXT).0, step, encoding).unwrap(), TEXT.as_bytes());
        }
        for mark in [&b""[..], b"\xff\xfe"] {
            let bytes = utf16_of(mark, u16::to_le_bytes);
            assert_eq!(read(&bytes, step, encoding_rs::UTF_16LE).unwrap(), TEXT.as_bytes());
        }
        let marked = [b"\xef\xbb\xbf", TEXT.as_bytes()].concat();
        assert_eq!(read(&marked, step, WINDOWS_1251).unwrap(), TEXT.as_bytes(), "a mark says more");
    }
    // Longer than what is decoded at once.
    let long = TEXT.repeat(5_000);
    assert_eq!(read(&WINDOWS_1251.encode(&long).0, 100_000, WINDOWS_1251).unwrap(), long.as_bytes());
    let error = told(read(TEXT.as_bytes(), 100_000, WINDOWS_1251));
    assert!(error.contains("not windows-1251") && error.contains("looks like UTF-8"), "{error}");
}
