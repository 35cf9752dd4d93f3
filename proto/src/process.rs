//! How a daemon of ours behaves towards its operator: where it logs, how often it tells of what
//! grows, how it stops, what the service manager is told, how many files it may open and which it
//! may write, as which user root works on its folder, and where a test may end it.

mod crash_points;
mod growth;
mod kept_log;
mod logging;
mod open_files;
mod owner;
mod service_manager;
mod shutdown;
mod writable;

pub use crash_points::{CRASH_VARIABLE, HAS_CRASH_POINTS, arm_crash_points};
pub use growth::{Growth, GrowthWatch};
pub use kept_log::{KeptLine, KeptLog, LineFilter, LineLevel, MAX_LINES, kept_log};
pub use logging::{LogGuard, LogSettings, LoggingError, reopen_logs, start_logging, start_logging_and_keep};
pub use open_files::OpenFiles;
pub use owner::become_owner_of;
pub use service_manager::ServiceManager;
pub use shutdown::{ShutdownError, on_signal};
pub use writable::{file_fault, folder_fault, secret_fault};
