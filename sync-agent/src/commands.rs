//! Messages of the server, one at a time: read, worked on, answered. Whatever is in a message, it ends here: the broker
//! gets its acknowledgement afterwards.

use crate::intake;
use crate::till::Till;
use crate::unload::{Trigger, UnloadRequest};
use fs_err as fs;
use jiff::Timestamp;
use std::path::Path;
use std::sync::Arc;
use tillway_file_queue::durable;
use tillway_proto::queue::MAX_MESSAGE_BYTES;
use tillway_proto::{Command, Order, Report};
use tokio::sync::mpsc::error::TrySendError;

/// Messages set aside that are kept for a person; the oldest goes.
const MAX_ASIDE_MESSAGES: usize = 100;

/// Which queue a message came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Dictionary,
    Control,
}

/// Works on one message to its end.
pub(crate) async fn take(till: &Arc<Till>, from: From, message: &[u8]) {
    till.working.send_replace(true);
    work(till, from, message).await;
    till.working.send_replace(false);
}

async fn work(till: &Arc<Till>, from: From, message: &[u8]) {
    let parsed = if message.len() > MAX_MESSAGE_BYTES {
        tracing::error!(?from, bytes = message.len(), "a message of the server is too long");
        set_aside(till, message);
        return;
    } else {
        Command::parse(message)
    };
    let command = match parsed {
        Ok(command) => command,
        Err(error) => {
            till.failed("a message of the server is not understood", &error);
            match error.id() {
                Some(command) => till.reports.put(Report::Refused { command, reason: crate::broker::chain(&error) }),
                None => set_aside(till, message),
            }
            return;
        }
    };
    tracing::debug!(?from, id = %command.id, order = ?command.order, "command");
    follow_settings(till, &command).await;
    match command.order {
        Order::LoadPackage(link) => intake::take(till, link).await,
        Order::UnloadSales { selection } => {
            let id = command.id;
            let request = UnloadRequest { selection, trigger: Trigger::Command(id), reply: None };
            if let Err(TrySendError::Full(_)) = till.unloads.try_send(request) {
                till.reports
                    .put(Report::Refused { command: id, reason: "too many unloadings wait already".to_owned() });
            }
        }
        Order::SettleAside { .. } => {
            till.reports.put(Report::Refused { command: command.id, reason: "not yet".to_owned() });
        }
        Order::ReportState { verify } => {
            if verify {
                till.verify_poke.notify_one();
            }
            till.contact_poke.notify_one();
        }
    }
}

/// Takes over the settings that the server owns. A wrong one does not stop the command that brought it.
async fn follow_settings(till: &Arc<Till>, command: &Command) {
    let settings = till.settings.clone();
    let pushed = command.settings.clone();
    match tokio::task::spawn_blocking(move || settings.take(&pushed)).await {
        Ok(Ok(changed)) if changed.is_empty() => {}
        Ok(Ok(changed)) => tracing::info!(?changed, "settings taken over from the server"),
        Ok(Err(error)) => till.failed("settings pushed by the server were not taken over", &error),
        Err(error) => till.failed("settings pushed by the server were not taken over", &error),
    }
}

/// Keeps a message that nobody can answer.
fn set_aside(till: &Till, message: &[u8]) {
    let folder = till.settings.current().paths.data.join("aside");
    let kept = &message[..message.len().min(MAX_MESSAGE_BYTES)];
    if let Err(error) = keep(&folder, kept) {
        tracing::warn!(%error, "failed to set a message aside");
    }
}

fn keep(folder: &Path, message: &[u8]) -> std::io::Result<()> {
    fs::create_dir_all(folder)?;
    let name = Timestamp::now().strftime("message-%Y%m%dT%H%M%S%.6f.json").to_string();
    durable::write_atomic(&folder.join(name), message)?;
    let mut kept: Vec<_> = fs::read_dir(folder)?.filter_map(|entry| Some(entry.ok()?.path())).collect();
    kept.sort();
    let too_many = kept.len().saturating_sub(MAX_ASIDE_MESSAGES);
    kept.iter().take(too_many).try_for_each(fs::remove_file)
}
