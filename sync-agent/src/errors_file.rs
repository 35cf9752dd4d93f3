//! `errorsFilePath`: a flag file for tools of the site, a JSON object with the number of errors
//! since the agent started, `{"errors": 3}`. Rewritten when there are new ones, and whole at any
//! time.

use crate::settings::LiveSettings;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tillway_file_queue::durable;

/// Counts errors. Cheap to clone; all clones count together.
#[derive(Debug, Clone)]
pub(crate) struct ErrorsFile {
    settings: LiveSettings,
    count: Arc<AtomicU64>,
}

impl ErrorsFile {
    /// Begins at 0; the file is not touched before the first error.
    pub(crate) fn new(settings: LiveSettings) -> Self {
        Self { settings, count: Arc::default() }
    }

    /// One error more. Writes the file in the background where a runtime runs; a flag that cannot
    /// be written stops nothing.
    pub(crate) fn add(&self) {
        let this = self.clone();
        this.count.fetch_add(1, Ordering::Relaxed);
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn_blocking(move || this.write())),
            Err(_) => this.write(),
        }
    }

    /// How many there were.
    pub(crate) fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    fn write(&self) {
        let Some(path) = self.settings.current().paths.errors_file.clone() else { return };
        let text = format!("{}\n", serde_json::json!({ "errors": self.count() }));
        if let Err(error) = durable::write_atomic(&path, text.as_bytes()) {
            tracing::warn!(%error, "failed to write the errors file");
        }
    }
}
