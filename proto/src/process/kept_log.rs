//! The newest lines of the log, kept in memory for whoever asks the daemon itself.
//!
//! Bounded by lines and by bytes: the oldest go. What was said before the start of the daemon, or
//! is older than what fits, is in the log file or the journal.

use super::logging::one_line;
use jiff::Timestamp;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

/// Most lines that are kept.
pub const MAX_LINES: usize = 2_000;

/// Most bytes of all lines together.
const MAX_BYTES: usize = 512 * 1024;

/// Longest line that is kept whole, in characters.
const MAX_LINE_CHARS: usize = 4_000;

/// How grave a line is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineLevel {
    /// Something does not work.
    Error,
    /// Something may not work.
    Warn,
    /// What happens.
    Info,
    /// For who looks for a fault.
    Debug,
    /// All of it.
    Trace,
}

impl LineLevel {
    /// All of them, the gravest first.
    pub const ALL: [Self; 5] = [Self::Error, Self::Warn, Self::Info, Self::Debug, Self::Trace];

    /// Its word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }

    /// The level of that word.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|level| level.as_str() == word)
    }

    fn of(level: Level) -> Self {
        match level {
            Level::ERROR => Self::Error,
            Level::WARN => Self::Warn,
            Level::INFO => Self::Info,
            Level::DEBUG => Self::Debug,
            Level::TRACE => Self::Trace,
        }
    }
}

/// A line of the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeptLine {
    /// A number that grows by one a line.
    pub no: u64,
    /// When.
    pub at: Timestamp,
    /// How grave.
    pub level: LineLevel,
    /// What was said, on one line.
    pub text: String,
}

/// Which lines.
#[derive(Debug, Clone, Copy)]
pub struct LineFilter<'a> {
    /// As grave as this, or graver.
    pub level: LineLevel,
    /// With this text in them, large and small letters alike; empty: any.
    pub text: &'a str,
    /// At most so many, the newest.
    pub limit: usize,
}

/// The newest lines of a log. Cheap to clone: clones have the same lines.
#[derive(Debug, Clone, Default)]
pub struct KeptLog {
    lines: Arc<Mutex<Kept>>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<KeptLine>,
    bytes: usize,
    said: u64,
}

/// The lines of this process, as far as it [keeps them](super::start_logging_and_keep).
pub fn kept_log() -> KeptLog {
    static OF_PROCESS: OnceLock<KeptLog> = OnceLock::new();
    OF_PROCESS.get_or_init(KeptLog::default).clone()
}

impl KeptLog {
    /// Keeps a line.
    pub fn keep(&self, at: Timestamp, level: LineLevel, text: &str) {
        // Only what is kept is copied: a text that is cut would keep the room of the whole.
        let text = match text.char_indices().nth(MAX_LINE_CHARS) {
            Some((end, _)) => format!("{}…", &text[..end]),
            None => text.to_owned(),
        };
        let mut kept = self.lock();
        kept.said += 1;
        kept.bytes += text.len();
        let line = KeptLine { no: kept.said, at, level, text };
        kept.lines.push_back(line);
        while kept.lines.len() > MAX_LINES || kept.bytes > MAX_BYTES {
            let Some(oldest) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.text.len();
        }
    }

    /// Lines that a filter leaves, the newest first.
    pub fn lines(&self, filter: &LineFilter<'_>) -> Vec<KeptLine> {
        let wanted = filter.text.to_lowercase();
        let fits = |line: &&KeptLine| {
            line.level <= filter.level && (wanted.is_empty() || line.text.to_lowercase().contains(&wanted))
        };
        self.lock().lines.iter().rev().filter(fits).take(filter.limit).cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        // Each line is whole, and the sum of bytes right, after every change.
        self.lines.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S: Subscriber> Layer<S> for KeptLog {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        self.keep(Timestamp::now(), LineLevel::of(*event.metadata().level()), &one_line(event));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tracing_subscriber::layer::SubscriberExt as _;

    fn all(log: &KeptLog, level: LineLevel, text: &str) -> Vec<String> {
        let filter = LineFilter { level, text, limit: usize::MAX };
        log.lines(&filter).into_iter().map(|line| line.text).collect()
    }

    #[test]
    fn lines_are_found_by_level_and_text_the_newest_first() {
        let log = KeptLog::default();
        tracing::subscriber::with_default(tracing_subscriber::registry().with(log.clone()), || {
            tracing::error!(file = "a\nb", "no room");
            tracing::warn!("Little room");
            tracing::info!("fine");
        });
        assert_eq!(all(&log, LineLevel::Trace, ""), ["fine", "Little room", "no room file=\"a\\nb\""]);
        assert_eq!(all(&log, LineLevel::Warn, "ROOM").len(), 2);
        assert_eq!(all(&log, LineLevel::Error, "little"), Vec::<String>::new());
        let two = log.lines(&LineFilter { level: LineLevel::Info, text: "", limit: 2 });
        assert_eq!(two.iter().map(|line| line.no).collect::<Vec<_>>(), [3, 2]);
    }

    #[test]
    fn neither_many_lines_nor_long_ones_take_more_than_their_room() {
        let log = KeptLog::default();
        for number in 0..MAX_LINES + 5 {
            log.keep(Timestamp::UNIX_EPOCH, LineLevel::Info, &number.to_string());
        }
        let short = all(&log, LineLevel::Info, "");
        assert_eq!((short.len(), short[0].as_str(), short.last().unwrap().as_str()), (MAX_LINES, "2004", "5"));
        for _ in 0..500 {
            log.keep(Timestamp::UNIX_EPOCH, LineLevel::Info, &"й".repeat(1_000_000));
        }
        let long = all(&log, LineLevel::Info, "");
        let bytes: usize = long.iter().map(String::len).sum();
        assert!(bytes <= MAX_BYTES && bytes > MAX_BYTES / 2, "{bytes}");
        assert!(long[0].ends_with('…') && long[0].chars().count() == MAX_LINE_CHARS + 1);
    }
}
