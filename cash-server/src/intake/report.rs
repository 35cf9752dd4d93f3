//! What a producer gets to read: `error.txt` beside its files, and in `badDicts` the records that
//! were set aside.

use super::advice::Advice;
use super::encoding;
use super::load::Rejected;
use crate::store::intake::NoticeRecord;
use crate::words::{Reason, Words};
use encoding_rs::{Encoding, UTF_8};
use fs_err as fs;
use std::fmt::Write as _;
use std::io::{self, BufWriter, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};
use tillway_file_queue::durable;

/// The file beside the source (formats/aif).
pub const ERROR_FILE: &str = "error.txt";

/// Rejects, and warnings, that `error.txt` lists; a person reads no more of them, and the file
/// with their text has the rest.
const MAX_LISTED_REJECTS: usize = 100;

/// Files of earlier deliveries that `error.txt` lists; a person mends one after the other.
const MAX_LISTED_FILES: usize = 20;

/// Most bytes of one rejected record's text that are kept: what is wrong is seen at its beginning.
const MAX_RAW_BYTES: u64 = 64 * 1024;

/// What went wrong with one delivery.
pub(super) struct Trouble<'a> {
    /// The file.
    pub(super) file: &'a Path,
    /// What happened.
    pub(super) what: Reason,
    /// What to do.
    pub(super) advice: Advice,
    /// Records that could not be used.
    pub(super) rejected: u64,
    /// The first of them.
    pub(super) rejects: &'a [Rejected],
    /// Warnings about records that were taken.
    pub(super) warned: u64,
    /// The first of them.
    pub(super) warnings: &'a [NoticeRecord],
    /// Where the text of the rejected records is, or the whole file.
    pub(super) aside: Option<&'a Path>,
}

/// A file of an earlier delivery that was not taken and still lies in the folder.
pub(super) struct Left {
    /// The file.
    pub(super) file: PathBuf,
    /// Why it was not taken.
    pub(super) why: Option<Reason>,
}

/// Writes `error.txt` into a folder, in the place of an earlier one: this trouble, and the files
/// that are `left` there.
pub(super) fn write_error_file(folder: &Path, trouble: &Trouble<'_>, left: &[Left], words: &Words) -> io::Result<()> {
    let text = text(trouble, words) + &left_text(left, words);
    durable::write_atomic(&folder.join(ERROR_FILE), text.as_bytes())
}

/// After a load without trouble: `error.txt` tells of the files alone that are left there, and is
/// not there without any.
pub(super) fn write_left(folder: &Path, left: &[Left], words: &Words) -> io::Result<()> {
    if left.is_empty() {
        return remove_error_file(folder);
    }
    durable::write_atomic(&folder.join(ERROR_FILE), left_text(left, words).trim_start().as_bytes())
}

fn left_text(left: &[Left], words: &Words) -> String {
    let mut text = String::new();
    // Writing to a string does not fail.
    for Left { file, why } in left.iter().take(MAX_LISTED_FILES) {
        let why = why.as_ref().map(|why| words.reason(why)).unwrap_or_default();
        let _ =
            writeln!(text, "\n{}\n{}", file_line(file, words), words.text("error-not-loaded", [("why", why.into())]));
    }
    if left.len() > MAX_LISTED_FILES {
        let n = left.len() - MAX_LISTED_FILES;
        let _ = writeln!(text, "\n{}", words.text("error-more-files", [("n", n.into())]));
    }
    text
}

fn file_line(file: &Path, words: &Words) -> String {
    words.text("error-file", [("file", file.display().to_string().into())])
}

/// Removes the `error.txt` of an earlier delivery.
fn remove_error_file(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(ERROR_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn text(trouble: &Trouble<'_>, words: &Words) -> String {
    let mut text = String::new();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    let Trouble { file, what, rejected, rejects, warned, warnings, .. } = trouble;
    // Writing to a string does not fail.
    let _ = writeln!(text, "{now}\n{}\n{}", file_line(file, words), words.reason(what));
    if *rejected > 0 {
        let _ = writeln!(text, "{}", words.text("error-rejected", [("n", (*rejected).into())]));
    }
    if let Some(aside) = trouble.aside {
        let _ = writeln!(text, "{}", words.text("error-aside", [("file", aside.display().to_string().into())]));
    }
    let advice = words.reason(&trouble.advice.into());
    let _ = writeln!(text, "{}", words.text("error-advice", [("advice", advice.into())]));
    if !rejects.is_empty() {
        text.push('\n');
    }
    list(&mut text, rejects.iter().map(|rejected| &rejected.record), *rejected, words);
    if *warned > 0 {
        let _ = writeln!(text, "\n{}", words.text("error-warnings", [("n", (*warned).into())]));
    }
    list(&mut text, warnings.iter(), *warned, words);
    text
}

/// The first of these notices, and how many more there are of `total`.
fn list<'a>(text: &mut String, notices: impl ExactSizeIterator<Item = &'a NoticeRecord>, total: u64, words: &Words) {
    let listed = notices.len().min(MAX_LISTED_REJECTS);
    for notice in notices.take(listed) {
        let _ = writeln!(text, "{}", line(notice, words));
    }
    if total > listed as u64 {
        let _ = writeln!(text, "{}", words.text("error-more", [("n", (total - listed as u64).into())]));
    }
}

fn line(notice: &NoticeRecord, words: &Words) -> String {
    let mut text = words.text("error-place", [("line", notice.line.into()), ("byte", notice.byte.into())]);
    if let Some(verb) = &notice.verb {
        let _ = write!(text, ", {verb}");
    }
    if let Some(key) = &notice.key {
        let _ = write!(text, " {key}");
    }
    // A reject's reason names field and value itself.
    let is_named =
        notice.reason.parameters().get("field").is_some_and(|named| notice.field.as_deref() == named.as_str());
    if let Some(field) = notice.field.as_deref().filter(|_| !is_named) {
        let _ = write!(text, ", {}", words.text("error-field", [("field", field.into())]));
        if let Some(value) = notice.value.as_ref().filter(|_| notice.is_warning) {
            let value = value.escape_debug().to_string();
            let _ = write!(text, ", {}", words.text("error-value", [("value", value.into())]));
        }
    }
    let _ = write!(text, ": {}", words.reason(&notice.reason));
    text
}

/// Writes the rejected records of `source` with their text, each after a line that says what is
/// wrong with it.
pub(super) fn write_rejects(
    (source, encoding): (&Path, &'static Encoding),
    rejects: &[Rejected],
    target: PathBuf,
    words: &Words,
) -> io::Result<PathBuf> {
    let (mut input, _) = super::source::open(source)?;
    if encoding != UTF_8 {
        return write_decoded_rejects(encoding::reader(input, source, encoding), rejects, target, words);
    }
    let mut output = BufWriter::new(fs::File::create(&target)?);
    for rejected in rejects {
        let length = rejected.until.map_or(MAX_RAW_BYTES, |until| until.saturating_sub(rejected.record.byte));
        input.seek(SeekFrom::Start(rejected.record.byte))?;
        let mut raw = Vec::new();
        io::Read::by_ref(&mut input).take(length.min(MAX_RAW_BYTES)).read_to_end(&mut raw)?;
        write_reject(&mut output, rejected, &raw, words)?;
    }
    output.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(target)
}

/// In a file of another encoding places are counted in its text as UTF-8.
fn write_decoded_rejects(
    mut input: impl Read,
    rejects: &[Rejected],
    target: PathBuf,
    words: &Words,
) -> io::Result<PathBuf> {
    let mut output = BufWriter::new(fs::File::create(&target)?);
    let mut at = 0;
    for rejected in rejects {
        let byte = rejected.record.byte;
        at += io::copy(&mut input.by_ref().take(byte.saturating_sub(at)), &mut io::sink())?;
        let until = rejected.until.unwrap_or(byte + MAX_RAW_BYTES);
        let mut raw = Vec::new();
        at += input.by_ref().take(until.saturating_sub(at).min(MAX_RAW_BYTES)).read_to_end(&mut raw)? as u64;
        write_reject(&mut output, rejected, &raw, words)?;
    }
    output.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(target)
}

fn write_reject(output: &mut impl io::Write, rejected: &Rejected, raw: &[u8], words: &Words) -> io::Result<()> {
    writeln!(output, "# {}", line(&rejected.record, words))?;
    output.write_all(own_text(raw))?;
    output.write_all(b"\n---\n")
}

/// Without the separators that follow a record.
fn own_text(raw: &[u8]) -> &[u8] {
    let mut text = raw.trim_ascii();
    while let Some(rest) = text.strip_suffix(b"---").filter(|rest| rest.ends_with(b"\n") || rest.is_empty()) {
        text = rest.trim_ascii();
    }
    text.strip_suffix(b",").unwrap_or(text).trim_ascii()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_of_a_record_ends_before_its_separator() {
        assert_eq!(own_text(b"{\"a\":\"---\"}\r\n---\r\n---\n"), b"{\"a\":\"---\"}");
        assert_eq!(own_text(b" {\"a\":1},\n "), b"{\"a\":1}");
        assert_eq!(own_text(b"junk---"), b"junk---");
    }
}
