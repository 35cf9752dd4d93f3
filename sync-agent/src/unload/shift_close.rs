//! Notices at once that a shift was closed, and gets its sales under way.
//!
//! The file system tells of writes to `documents.db`; a slow look on a period is the safety net. With
//! `unloadsalesrequestthroughcs` the server is told, which then asks for what it misses. If it cannot be told, or does not ask,
//! the till unloads by itself: it never waits for ever.

use super::{Trigger, UnloadRequest};
use crate::broker::chain;
use crate::retry::Backoff;
use crate::settings::reader::in_url;
use crate::till::Till;
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tillway_exchangers::till::documents::{Documents, DocumentsError, DocumentsWatch};
use tillway_proto::UnloadSelection;
use tokio::sync::Notify;

/// The look without an event: where the file system tells nothing.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// After a look, so that a receipt of many writes is looked at once.
const SETTLE_TIME: Duration = Duration::from_millis(100);

/// Tries to tell the server.
const MAX_TELL_TRIES: u32 = 3;

/// One try.
const TELL_TIME: Duration = Duration::from_secs(10);

/// How long the server may take to ask once it was told.
const ASK_TIME: Duration = Duration::from_mins(1);

/// Watches until the agent stops.
pub(crate) async fn run(till: Arc<Till>) {
    let path = till.settings.current().paths.documents.clone();
    let events = Arc::new(Notify::new());
    let mut watcher = None;
    let mut watch = DocumentsWatch::new(&path);
    let mut known = None;
    loop {
        if watcher.is_none() {
            watcher = watch_folder(&path, &events);
        }
        let looked = till.blocking(move |till| {
            let last = look(till, &mut watch);
            if last.is_err() {
                // The write it told of was not looked at: the next look is to tell of it again.
                watch = DocumentsWatch::new(&till.settings.current().paths.documents);
            }
            (watch, last)
        });
        let Ok((returned, last)) = looked.await else { return };
        watch = returned;
        match last {
            // Also at the start: a shift may have been closed between the worker's first unloading and this look.
            Ok(Some(last)) if known != Some(last) => {
                known = Some(last);
                tokio::select! {
                    () = till.shutdown.cancelled() => return,
                    () = closed(&till, last) => {}
                }
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(error = chain(&error), "failed to look for a closed shift"),
        }
        tokio::time::sleep(SETTLE_TIME).await;
        tokio::select! {
            () = till.shutdown.cancelled() => return,
            () = events.notified() => {}
            () = tokio::time::sleep(LOOK_PERIOD) => {}
        }
    }
}

/// The last closed shift, where anything was written since the last look and the server does not have its closing.
fn look(till: &Till, watch: &mut DocumentsWatch) -> Result<Option<i64>, DocumentsError> {
    if !watch.changed()? {
        return Ok(None);
    }
    let path = till.settings.current().paths.documents.clone();
    let last = Documents::open(&path, till.id.clone())?.last_closed()?;
    // A state that does not read is told elsewhere; asking once too often is harmless.
    let sent = till.state.closed_shifts().is_ok_and(|closed| closed.has(last));
    Ok(Some(last).filter(|_| !sent))
}

/// `None` where it cannot be watched now; the look on a period goes on.
fn watch_folder(path: &Path, events: &Arc<Notify>) -> Option<RecommendedWatcher> {
    let events = Arc::clone(events);
    let folder = path.parent()?;
    let stem = path.file_name()?.to_owned();
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let ours = |path: &Path| {
            let name = path.file_name().map(std::ffi::OsStr::as_encoded_bytes).unwrap_or_default();
            name.starts_with(stem.as_encoded_bytes())
        };
        // What we open to look must not make us look again.
        if event.is_ok_and(|event| !event.kind.is_access() && event.paths.iter().any(|path| ours(path))) {
            events.notify_one();
        }
    })
    .ok()?;
    watcher.watch(folder, RecursiveMode::NonRecursive).ok()?;
    Some(watcher)
}

async fn closed(till: &Arc<Till>, shift: i64) {
    tracing::info!("a shift was closed");
    if till.settings.current().sales.through_server {
        match tell_server(till).await {
            Ok(()) => {
                if tokio::time::timeout(ASK_TIME, until_unloaded(till, shift)).await.is_ok() {
                    return;
                }
                tracing::warn!(after = ?ASK_TIME, "the server was told of a closed shift and did not ask for its sales: unloading by ourselves");
            }
            Err(reason) => {
                tracing::warn!(reason, "the server could not be told of a closed shift: unloading by ourselves");
            }
        }
    }
    let request = UnloadRequest { selection: UnloadSelection::MISSING, trigger: Trigger::ShiftClosed, reply: None };
    // A full queue of requests holds one that unloads the same.
    let _ = till.unloads.try_send(request);
}

/// Until the closing of this shift is done with. An unloading that was begun before the shift was closed does not count.
async fn until_unloaded(till: &Arc<Till>, shift: i64) {
    let mut unloaded = till.unloaded.subscribe();
    loop {
        let done = till.blocking(move |till| till.state.closed_shifts().is_ok_and(|closed| closed.has(shift))).await;
        if done.unwrap_or(false) || unloaded.changed().await.is_err() {
            return;
        }
    }
}

async fn tell_server(till: &Arc<Till>) -> Result<(), String> {
    crate::install_crypto();
    let client = reqwest::Client::builder().timeout(TELL_TIME).build().map_err(|error| chain(&error))?;
    let mut backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(5));
    let mut last = String::new();
    for attempt in 1..=MAX_TELL_TRIES {
        let settings = till.settings.current();
        let host = in_url(&settings.sales.rest_host);
        let url = format!("http://{host}:{}/api/v1/tills/{}/shift-closed", settings.sales.rest_port, till.id);
        let mut request = client.post(&url);
        if let Some(token) = &settings.token {
            request = request.bearer_auth(token);
        }
        match request.send().await {
            Ok(answer) if answer.status().is_success() => return Ok(()),
            Ok(answer) if answer.status().is_client_error() => return Err(format!("{url}: HTTP {}", answer.status())),
            Ok(answer) => last = format!("{url}: HTTP {}", answer.status()),
            Err(error) => last = chain(&error),
        }
        if attempt < MAX_TELL_TRIES {
            tokio::time::sleep(backoff.next_wait()).await;
        }
    }
    Err(last)
}
