//! What a service does by itself, as its page shows it (`background.html`).

use crate::background::TaskState;
use crate::words::Words;
use jiff::Timestamp;
use serde::Serialize;

/// A task that the service does by itself. Its words are `task-<name>`.
#[derive(Debug, Clone, Serialize)]
pub struct TaskView {
    /// Its name.
    pub name: &'static str,
    /// For how many seconds it has been running; none: it does not run now.
    pub running_s: Option<i64>,
    /// When its last run ended; none: it has not run yet.
    pub last_run: Option<Timestamp>,
    /// In how many seconds it runs next, at the latest; none while it runs.
    pub next_in_s: Option<i64>,
    /// How many of its last runs failed, one after the other.
    pub failures: u32,
    /// Why the last one failed, where it did.
    pub error: Option<String>,
}

impl TaskView {
    /// A task as of `now`, in these words.
    pub fn of(task: TaskState, now: Timestamp, words: &Words) -> Self {
        let is_failing = task.failures > 0;
        Self {
            name: task.name,
            running_s: task.running_since.map(|since| now.duration_since(since).as_secs().max(0)),
            last_run: task.last_run,
            next_in_s: task.next_run.map(|next| next.duration_since(now).as_secs().max(0)),
            failures: task.failures,
            error: task.last_error.filter(|_| is_failing).map(|error| words.reason(&error.reason)),
        }
    }
}
