//! What a producer gets to read: `error.txt` beside its files, and in `badDicts` the records that
//! were set aside.

use super::encoding;
use super::load::Rejected;
use crate::store::intake::NoticeRecord;
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
    /// What happened, one sentence.
    pub(super) what: &'a str,
    /// What to do, one sentence.
    pub(super) advice: &'a str,
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
    pub(super) why: String,
}

/// Writes `error.txt` into a folder, in the place of an earlier one: this trouble, and the files
/// that are `left` there.
pub(super) fn write_error_file(folder: &Path, trouble: &Trouble<'_>, left: &[Left]) -> io::Result<()> {
    let text = text(trouble) + &left_text(left);
    durable::write_atomic(&folder.join(ERROR_FILE), text.as_bytes())
}

/// After a load without trouble: `error.txt` tells of the files alone that are left there, and is
/// not there without any.
pub(super) fn write_left(folder: &Path, left: &[Left]) -> io::Result<()> {
    if left.is_empty() {
        return remove_error_file(folder);
    }
    durable::write_atomic(&folder.join(ERROR_FILE), left_text(left).trim_start().as_bytes())
}

fn left_text(left: &[Left]) -> String {
    let mut text = String::new();
    for left in left.iter().take(MAX_LISTED_FILES) {
        let _ = writeln!(text, "\nfile: {}\nnot loaded: {}", left.file.display(), left.why);
    }
    if left.len() > MAX_LISTED_FILES {
        let _ = writeln!(text, "\n… and {} more files that were not loaded", left.len() - MAX_LISTED_FILES);
    }
    text
}

/// Removes the `error.txt` of an earlier delivery.
fn remove_error_file(folder: &Path) -> io::Result<()> {
    match fs::remove_file(folder.join(ERROR_FILE)) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

fn text(trouble: &Trouble<'_>) -> String {
    let mut text = String::new();
    let now = jiff::Timestamp::now().strftime("%Y-%m-%d %H:%M:%S UTC");
    // Writing to a string does not fail.
    let _ = writeln!(text, "{now}\nfile: {}\n{}", trouble.file.display(), trouble.what);
    if trouble.rejected > 0 {
        let _ = writeln!(text, "rejected records: {}", trouble.rejected);
    }
    if let Some(aside) = trouble.aside {
        let _ = writeln!(text, "set aside on the server: {}", aside.display());
    }
    let _ = writeln!(text, "what to do: {}", trouble.advice);
    if !trouble.rejects.is_empty() {
        text.push('\n');
    }
    for rejected in trouble.rejects.iter().take(MAX_LISTED_REJECTS) {
        let _ = writeln!(text, "{}", line(&rejected.record));
    }
    let listed = trouble.rejects.len().min(MAX_LISTED_REJECTS) as u64;
    if trouble.rejected > listed {
        let _ = writeln!(text, "… and {} more", trouble.rejected - listed);
    }
    if trouble.warned > 0 {
        let _ = writeln!(text, "\nwarnings about records that are loaded: {}", trouble.warned);
    }
    for warning in trouble.warnings.iter().take(MAX_LISTED_REJECTS) {
        let _ = writeln!(text, "{}", line(warning));
    }
    let listed = trouble.warnings.len().min(MAX_LISTED_REJECTS) as u64;
    if trouble.warned > listed {
        let _ = writeln!(text, "… and {} more", trouble.warned - listed);
    }
    text
}

fn line(reject: &NoticeRecord) -> String {
    let mut text = format!("line {}, byte {}", reject.line, reject.byte);
    if let Some(verb) = &reject.verb {
        let _ = write!(text, ", {verb}");
    }
    if let Some(key) = &reject.key {
        let _ = write!(text, " {key}");
    }
    // A reject's reason names field and value itself.
    if let Some(field) = reject.field.as_ref().filter(|_| reject.warning.is_some()) {
        let _ = write!(text, ", field `{field}`");
        if let Some(value) = &reject.value {
            let _ = write!(text, ", value `{}`", value.escape_debug());
        }
    } else if let Some(field) = reject.field.as_ref().filter(|field| !reject.reason.contains(*field)) {
        let _ = write!(text, ", field `{field}`");
    }
    let _ = write!(text, ": {}", reject.reason);
    text
}

/// Writes the rejected records of `source` with their text, each after a line that says what is
/// wrong with it.
pub(super) fn write_rejects(
    (source, encoding): (&Path, &'static Encoding),
    rejects: &[Rejected],
    target: PathBuf,
) -> io::Result<PathBuf> {
    let (mut input, _) = super::source::open(source)?;
    if encoding != UTF_8 {
        return write_decoded_rejects(encoding::reader(input, source, encoding), rejects, target);
    }
    let mut output = BufWriter::new(fs::File::create(&target)?);
    for rejected in rejects {
        let length = rejected.until.map_or(MAX_RAW_BYTES, |until| until.saturating_sub(rejected.record.byte));
        input.seek(SeekFrom::Start(rejected.record.byte))?;
        let mut raw = Vec::new();
        io::Read::by_ref(&mut input).take(length.min(MAX_RAW_BYTES)).read_to_end(&mut raw)?;
        write_reject(&mut output, rejected, &raw)?;
    }
    output.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(target)
}

/// In a file of another encoding places are counted in its text as UTF-8.
fn write_decoded_rejects(mut input: impl Read, rejects: &[Rejected], target: PathBuf) -> io::Result<PathBuf> {
    let mut output = BufWriter::new(fs::File::create(&target)?);
    let mut at = 0;
    for rejected in rejects {
        let byte = rejected.record.byte;
        at += io::copy(&mut input.by_ref().take(byte.saturating_sub(at)), &mut io::sink())?;
        let until = rejected.until.unwrap_or(byte + MAX_RAW_BYTES);
        let mut raw = Vec::new();
        at += input.by_ref().take(until.saturating_sub(at).min(MAX_RAW_BYTES)).read_to_end(&mut raw)? as u64;
        write_reject(&mut output, rejected, &raw)?;
    }
    output.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all()?;
    Ok(target)
}

fn write_reject(output: &mut impl io::Write, rejected: &Rejected, raw: &[u8]) -> io::Result<()> {
    writeln!(output, "# {}", line(&rejected.record))?;
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
