//! The log: through `tracing`, to a file that survives rotation and, when there is one, to the
//! terminal.
//!
//! A rotation tool renames the file away; the writer notices within [`ROTATION_CHECK`] that the
//! path no longer names the file it holds and opens it anew, as the original's handler does.
//! SIGHUP has it opened anew at once ([`reopen_logs`]).
//!
//! Messages and fields hold what others wrote: file names, reasons of tills, answers of servers.
//! [`OneLine`] escapes it, here and nowhere else, so that an event is one line and gives a
//! terminal no orders.

use super::kept_log::{KeptLog, kept_log};
use fs_err as fs;
use std::io::{self, IsTerminal as _, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use tillway_file_queue::plain_text::on_one_line;
use tracing::Event;
use tracing_appender::non_blocking::{NonBlockingBuilder, WorkerGuard};
use tracing_subscriber::field::RecordFields;
use tracing_subscriber::filter::EnvFilter;
use tracing_subscriber::fmt::FormatFields;
use tracing_subscriber::fmt::format::{DefaultFields, Writer};
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;
use tracing_subscriber::{Layer as _, fmt};

/// How often the writer looks whether its file was rotated away.
const ROTATION_CHECK: Duration = Duration::from_secs(1);

/// Most lines that wait for a slow disk. Beyond it lines are dropped: logging must not stop a
/// till.
const MAX_WAITING_LINES: usize = 16_384;

/// What libraries say is left out: one wrong password at the broker would be several lines a try,
/// and a schema is no news. A level in the settings that names them (`info,lapin=info`) goes
/// before this.
const LIBRARIES: &str = "lapin=off,rusqlite_migration=warn";

/// How many times logs were asked to be opened anew in this process.
static REOPENED: AtomicU64 = AtomicU64::new(0);

/// Has every log file of this process opened anew before its next line.
pub fn reopen_logs() {
    REOPENED.fetch_add(1, Ordering::SeqCst);
}

/// Where and how much to log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogSettings {
    /// The log file; none: only the terminal.
    pub file: Option<PathBuf>,
    /// Level or filter directives: `info`, `debug`, `info,tillway_cash_server=debug`.
    pub level: String,
}

/// Why logging did not start.
#[derive(Debug, thiserror::Error)]
pub enum LoggingError {
    /// The level is none.
    #[error("`{level}` is no log level: use error, warn, info or debug")]
    Level {
        /// What was given.
        level: String,
        /// What the parser says.
        #[source]
        source: tracing_subscriber::filter::ParseError,
    },
    /// The file could not be opened.
    #[error("failed to open the log file {}", path.display())]
    Open {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Something else in this process already logs.
    #[error("logging was started twice")]
    Twice(#[source] tracing_subscriber::util::TryInitError),
}

/// Keeps the writer alive; when dropped, what waits is written.
#[derive(Debug)]
#[must_use = "what waits is lost when the guard goes early"]
pub struct LogGuard {
    _writers: Vec<WorkerGuard>,
    on_standard_error: bool,
}

impl LogGuard {
    /// Whether lines go to standard error too. What is printed there anyway need not be logged
    /// then.
    pub fn is_on_standard_error(&self) -> bool {
        self.on_standard_error
    }
}

/// Starts logging for the whole process.
///
/// Without a file, or where standard error is a terminal, lines go to standard error as well.
pub fn start_logging(settings: &LogSettings) -> Result<LogGuard, LoggingError> {
    start(settings, None)
}

/// The same, and keeps the newest lines in memory: [`kept_log`](super::kept_log()).
pub fn start_logging_and_keep(settings: &LogSettings) -> Result<LogGuard, LoggingError> {
    start(settings, Some(kept_log()))
}

fn start(settings: &LogSettings, keep: Option<KeptLog>) -> Result<LogGuard, LoggingError> {
    let filter = || {
        // The level by itself first: an error names what the person wrote.
        EnvFilter::try_new(&settings.level)
            .and_then(|_| EnvFilter::try_new(format!("{LIBRARIES},{}", settings.level)))
            .map_err(|source| LoggingError::Level { level: settings.level.clone(), source })
    };
    let mut guards = Vec::new();
    let mut layers = Vec::new();
    if let Some(path) = &settings.file {
        let file = RotatedFile::open(path).map_err(|source| LoggingError::Open { path: path.clone(), source })?;
        let (writer, guard) =
            NonBlockingBuilder::default().lossy(true).buffered_lines_limit(MAX_WAITING_LINES).finish(file);
        guards.push(guard);
        let layer = fmt::layer().with_ansi(false).with_target(false).fmt_fields(OneLine).with_writer(writer);
        layers.push(layer.with_filter(filter()?).boxed());
    }
    let terminal = io::stderr().is_terminal();
    let on_standard_error = terminal || settings.file.is_none();
    if on_standard_error {
        let layer = fmt::layer().with_ansi(terminal).with_target(false).fmt_fields(OneLine).with_writer(io::stderr);
        layers.push(layer.with_filter(filter()?).boxed());
    }
    if let Some(keep) = keep {
        layers.push(keep.with_filter(filter()?).boxed());
    }
    tracing_subscriber::registry().with(layers).try_init().map_err(LoggingError::Twice)?;
    Ok(LogGuard { _writers: guards, on_standard_error })
}

/// Message and fields of an event on one line.
pub(super) fn one_line(event: &Event<'_>) -> String {
    let mut text = String::new();
    // Writing to a text does not fail.
    let _ = OneLine.format_fields(Writer::new(&mut text), event);
    text
}

/// Writes message and fields of an event, and fields of spans, with everything escaped that would
/// break the line or act on a terminal.
#[derive(Debug, Clone, Copy)]
struct OneLine;

impl<'writer> FormatFields<'writer> for OneLine {
    fn format_fields<R: RecordFields>(&self, mut writer: Writer<'writer>, fields: R) -> std::fmt::Result {
        let mut text = String::new();
        DefaultFields::new().format_fields(Writer::new(&mut text), fields)?;
        writer.write_str(&on_one_line(&text))
    }
}

/// A log file that is opened anew when its path names another file, or none.
#[derive(Debug)]
struct RotatedFile {
    path: PathBuf,
    file: fs::File,
    inode: u64,
    checked: Instant,
    /// [`REOPENED`] when it was opened.
    reopened: u64,
}

impl RotatedFile {
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder)?;
        }
        let reopened = REOPENED.load(Ordering::SeqCst);
        let file = fs::OpenOptions::new().create(true).append(true).open(path)?;
        let inode = file.metadata()?.ino();
        Ok(Self { path: path.to_owned(), file, inode, checked: Instant::now(), reopened })
    }

    fn reopen_if_rotated(&mut self) -> io::Result<()> {
        if self.reopened != REOPENED.load(Ordering::SeqCst) {
            *self = Self::open(&self.path)?;
            return Ok(());
        }
        if self.checked.elapsed() < ROTATION_CHECK {
            return Ok(());
        }
        self.checked = Instant::now();
        let in_place = fs::metadata(&self.path).is_ok_and(|found| found.ino() == self.inode);
        if !in_place {
            *self = Self::open(&self.path)?;
        }
        Ok(())
    }
}

impl Write for RotatedFile {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.reopen_if_rotated()?;
        self.file.write(line)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_that_was_renamed_goes_on_in_a_new_file_at_once_when_it_is_asked_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sync.log");
        let mut log = RotatedFile::open(&path).unwrap();
        // Far from the next look by itself.
        log.checked = Instant::now() + ROTATION_CHECK * 3600;
        log.write_all(b"before\n").unwrap();
        fs::rename(&path, folder.path().join("sync.log.1")).unwrap();
        log.write_all(b"still the old one\n").unwrap();
        reopen_logs();
        log.write_all(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        assert_eq!(fs::read_to_string(folder.path().join("sync.log.1")).unwrap(), "before\nstill the old one\n");
    }

    #[test]
    fn a_level_may_name_a_library_that_is_left_out_otherwise() {
        let with = |level: &str| EnvFilter::try_new(format!("{LIBRARIES},{level}")).unwrap().to_string();
        assert!(with("info").contains("lapin=off"));
        assert!(with("info,lapin=info").contains("lapin=info") && !with("info,lapin=info").contains("lapin=off"));
    }
    use std::sync::{Arc, Mutex};

    /// Keeps what is written.
    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn a_hostile_file_name_or_reason_is_one_line_of_the_log_and_gives_no_orders() {
        let kept = Kept::default();
        let writer = kept.clone();
        let layer = fmt::layer().with_ansi(false).with_target(false).fmt_fields(OneLine);
        let log = tracing_subscriber::registry().with(layer.with_writer(move || writer.clone()));
        let path = PathBuf::from("pos\n2026-01-01 ERROR forged\u{1b}[2J\u{202e}fia.aif");
        let reason = "\u{9b}31mno room\r\nsecond line";
        tracing::subscriber::with_default(log, || {
            let _till = tracing::info_span!("till", name = "a\nb").entered();
            tracing::warn!(file = %path.display(), error = %io::Error::other(reason), "{reason}: {}", path.display());
            tracing::warn!(?path, reason, "debug forms too");
        });
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 2, "{text}");
        let acts = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!text.contains(acts), "{text:?}");
        assert!(text.contains("second line") && text.contains("\\n2026-01-01 ERROR forged"), "{text}");
    }

    #[test]
    fn a_rotated_log_goes_on_in_a_new_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("logs/sync.log");
        let mut log = RotatedFile::open(&path).unwrap();
        log.write_all(b"before\n").unwrap();
        fs::rename(&path, folder.path().join("logs/sync.log.1")).unwrap();
        log.checked = Instant::now().checked_sub(ROTATION_CHECK).unwrap();
        log.write_all(b"after\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "after\n");
        assert_eq!(fs::read_to_string(folder.path().join("logs/sync.log.1")).unwrap(), "before\n");
    }
}
