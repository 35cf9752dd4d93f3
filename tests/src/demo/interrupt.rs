//! Ctrl-C: the demo ends after the step it is in, and tidies up.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;
use tillway_proto::process::on_signal;
use tokio_util::sync::CancellationToken;

/// How often a waiting demo looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Whether the operator has had enough.
#[derive(Debug, Clone, Default)]
pub(super) struct Interrupt {
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    /// Listens from now on, in a thread of its own. Where that fails Ctrl-C ends the process as
    /// ever.
    pub(super) fn listen() -> Self {
        let interrupt = Self::default();
        let asked = Arc::clone(&interrupt.asked);
        thread::spawn(move || {
            let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
            runtime.block_on(async {
                let token = CancellationToken::new();
                if on_signal(token.clone()).is_ok() {
                    token.cancelled().await;
                    asked.store(true, Ordering::Relaxed);
                    // A second signal must still be heard.
                    std::future::pending::<()>().await;
                }
            });
        });
        interrupt
    }

    pub(super) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    pub(super) fn wait(&self) {
        while !self.is_asked() {
            thread::sleep(LOOK_EVERY);
        }
    }
}
