//! How a daemon of ours behaves towards its operator: where it logs, how it stops.

mod logging;
mod shutdown;

pub use logging::{LogGuard, LogSettings, LoggingError, start_logging};
pub use shutdown::{ShutdownError, on_signal};
