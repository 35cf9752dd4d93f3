//! What is told without anybody's asking: the daily report by mail; held loads, silent shops and
//! shifts that differ at once, by mail and webhook, to whom it concerns.
//!
//! Three tasks of the server. [`watch`] compares what is so with what was told ([`alerts`]) and
//! writes down what is to be told, in the transaction that notes that it was. [`daily`] does the
//! same for the report, once a day. [`send`] carries out what was written down, with tries that
//! wait longer and longer, and gives up after a day.
//!
//! Promises: nothing is written down twice, and nothing that was is forgotten, whenever the server
//! ends. Where it ends between a receiver's yes and its note of that, the receiver gets the same
//! once more, with the same id. What a mail tells is found and worded when it is sent, as its
//! reader may see it then.

mod alerts;
mod daily;
mod error;
mod hook;
mod mail;
mod plan;
mod send;
#[cfg(test)]
mod tests;
mod watch;

pub use error::OutboxError;

use crate::app::{Acting, App};
use crate::hints::{Hint, Hints};
use crate::settings::{AlertSettings, HookSettings, MailSettings};
use crate::store::outbox::OutboxStore;
use crate::words;
use hook::Hook;
pub(crate) use mail::TEMPLATES;
use send::Sender;
use std::sync::Arc;
use std::time::Duration;
use tillway_service::actor::Caller;
use tillway_service::background::Task;
use tillway_service::page::{RenderError, Renderer};

/// What is so is compared with what was told so often. A till is silent after minutes.
const WATCH_EVERY: Duration = Duration::from_secs(20);

/// Whether the report of a day is due is looked at so often: the clock may be set meanwhile.
const DAILY_EVERY: Duration = Duration::from_mins(1);

/// What waits is looked at so often where nothing calls for it.
const SEND_EVERY: Duration = Duration::from_mins(1);

/// What sending works with.
pub struct OutboxParts {
    /// What is told, as somebody may see it.
    pub app: App,
    /// Where it is kept.
    pub store: Arc<dyn OutboxStore>,
    /// Mails.
    pub mail: MailSettings,
    /// What is told at once.
    pub alerts: AlertSettings,
    /// The server's name.
    pub server: String,
    /// What this machine is called, for mail servers.
    pub host: String,
    /// Where people open the page, without a path.
    pub page: String,
    /// Without contact for this long a till is silent.
    pub silent_after: Duration,
    /// Hints about what was written down here.
    pub hints: Hints,
}

/// The same, ready.
struct Outbox {
    parts: OutboxParts,
    hooks: Vec<Hook>,
    renderer: Renderer,
}

/// The tasks; none where nobody can be told.
pub fn tasks(parts: OutboxParts) -> Result<Vec<Task>, RenderError> {
    if parts.mail.server.is_none() && parts.alerts.hooks.is_empty() {
        return Ok(Vec::new());
    }
    let poke = parts.hints.listen(&[Hint::Outbox]);
    let hooks = parts.alerts.hooks.iter().map(Hook::of).collect();
    let renderer = Renderer::new(&TEMPLATES, words::of, |_, _| {})?;
    let outbox = Arc::new(Outbox { parts, hooks, renderer });
    let (watching, daily) = (Arc::clone(&outbox), Arc::clone(&outbox));
    Ok(vec![
        Task::blocking("alerts", WATCH_EVERY, move |_| watching.watch()),
        Task::blocking("daily-report", DAILY_EVERY, move |_| daily.write_daily()),
        Task::new("outbox", SEND_EVERY, Sender::new(outbox)).poked_by(poke).retried_after(send::RETRIED_AFTER),
    ])
}

impl Outbox {
    /// What the server sees by itself: everything.
    fn own(&self) -> Acting {
        self.parts.app.acting_for(Caller::server())
    }
}

impl Hook {
    fn of(settings: &HookSettings) -> Self {
        Self::new(settings.node.clone(), settings.url.clone())
    }
}
