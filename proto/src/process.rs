//! How a daemon of ours behaves towards its operator: where it logs, how it stops, how many files it may open, and where a test may end it.

mod crash_points;
mod logging;
mod open_files;
mod shutdown;

pub use crash_points::{CRASH_VARIABLE, HAS_CRASH_POINTS, arm_crash_points};
pub use logging::{LogGuard, LogSettings, LoggingError, reopen_logs, start_logging};
pub use open_files::OpenFiles;
pub use shutdown::{ShutdownError, on_signal};
