//! Notices at once that a shift was closed, and gets its sales under way.
//!
//! The file system tells of writes to `documents.db`; a slow look on a period is the safety net.
//! With `unloadsalesrequestthroughcs` the server is told, which then asks for what it misses. If
//! it cannot be told, or does not ask, the till unloads by itself: it never waits for ever.

use super::read::Reading;
use super::suspects::Unit;
use super::{Trigger, UnloadRequest};
use crate::error::{blocking, chain};
use crate::retry::Backoff;
use crate::settings::{LiveSettings, Trust, reader::in_url};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tillway_exchangers::till::documents::DocumentsError;
use tillway_proto::{TillId, UnloadSelection};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

/// The look without an event: where the file system tells nothing.
const LOOK_PERIOD: Duration = Duration::from_secs(2);

/// After a look, so that a receipt of many writes is looked at once.
const SETTLE_TIME: Duration = Duration::from_millis(100);

/// Tries to tell the server.
const MAX_TELL_TRIES: u32 = 3;

/// One try.
const TELL_TIME: Duration = Duration::from_secs(10);

/// Waits between them.
const FIRST_WAIT: Duration = Duration::from_millis(500);
const MAX_WAIT: Duration = Duration::from_secs(5);

/// How long the server may take to ask once it was told.
const ASK_TIME: Duration = Duration::from_mins(1);

/// Looks for closed shifts.
#[derive(Debug, Clone)]
pub(crate) struct ShiftClose {
    pub(crate) id: TillId,
    /// Also for which closings are done with.
    pub(crate) read: Reading,
    pub(crate) settings: LiveSettings,
    pub(crate) unloads: mpsc::Sender<UnloadRequest>,
    /// How many unloadings came to their end.
    pub(crate) unloaded: watch::Sender<u64>,
    pub(crate) shutdown: CancellationToken,
}

impl ShiftClose {
    /// Watches until the agent stops.
    pub(crate) async fn run(self) {
        let events = Arc::new(Notify::new());
        let mut watcher = None;
        let mut changed = self.read.source.watch();
        let mut known = None;
        let mut told = None;
        loop {
            if watcher.is_none() {
                watcher = self.read.source.file().and_then(|file| watch_folder(file, &events));
            }
            let this = self.clone();
            let looked = blocking(move || {
                let last = this.look(&mut *changed);
                if last.is_err() {
                    // The write it told of was not looked at: the next look is to tell of it
                    // again.
                    changed = this.read.source.watch();
                }
                (changed, last)
            });
            // A look that panicked is made anew by whoever keeps this task.
            let Ok((returned, last)) = looked.await else { return };
            changed = returned;
            match last {
                // Also at the start: a shift may have been closed between the worker's first
                // unloading and this look.
                Ok(Some(last)) if known != Some(last) => {
                    known = Some(last);
                    tokio::select! {
                        () = self.shutdown.cancelled() => return,
                        () = self.closed(last) => {}
                    }
                }
                Ok(_) => told = None,
                // Once, not every two seconds for as long as the POS needs to be repaired.
                Err(error) => {
                    let error = chain(&error);
                    if told.as_ref() != Some(&error) {
                        tracing::warn!(error, "failed to look for a closed shift");
                        told = Some(error);
                    }
                }
            }
            tokio::time::sleep(SETTLE_TIME).await;
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = events.notified() => {}
                () = tokio::time::sleep(LOOK_PERIOD) => {}
            }
        }
    }

    /// The last closed shift, where anything was written since the last look and the server does
    /// not have its closing.
    fn look(&self, changed: &mut dyn FnMut() -> Result<bool, DocumentsError>) -> Result<Option<i64>, DocumentsError> {
        if !changed()? {
            return Ok(None);
        }
        let Some(mut documents) = self.read.source.open()? else { return Ok(None) };
        let last = documents.last_closed()?;
        Ok(Some(last).filter(|last| !self.is_done_with(*last)))
    }

    /// Whether the server has the closing of this shift. A state that does not read is told
    /// elsewhere; asking once too often is harmless.
    fn is_done_with(&self, shift: i64) -> bool {
        self.read.state.closed_shifts().is_ok_and(|closed| closed.has(shift))
    }

    async fn closed(&self, shift: i64) {
        tracing::info!("a shift was closed");
        fail::fail_point!("shift_close::noticed");
        if self.settings.current().sales.through_server
            && server_asks(self.tell_server(), self.until_unloaded(shift), ASK_TIME).await
        {
            return;
        }
        let request = UnloadRequest { selection: UnloadSelection::MISSING, trigger: Trigger::ShiftClosed, reply: None };
        // A full queue of requests holds one that unloads the same.
        let _ = self.unloads.try_send(request);
    }

    /// Until the closing of this shift is done with, or breaks streams, so that to unload by
    /// ourselves would not help. An unloading that was begun before the shift was closed does not
    /// count.
    async fn until_unloaded(&self, shift: i64) {
        let mut unloaded = self.unloaded.subscribe();
        loop {
            let this = self.clone();
            let done = blocking(move || this.read.suspects.has(Unit::Shift(shift)) || this.is_done_with(shift)).await;
            if done.unwrap_or(false) || unloaded.changed().await.is_err() {
                return;
            }
        }
    }

    async fn tell_server(&self) -> Result<(), String> {
        let settings = self.settings.current();
        let host = in_url(&settings.sales.rest_host);
        let scheme = settings.trust.scheme(&settings.sales.rest_host);
        let url = format!("{scheme}://{host}:{}/api/v1/tills/{}/shift-closed", settings.sales.rest_port, self.id);
        tell(&url, settings.token.as_deref(), &settings.trust, Backoff::new(FIRST_WAIT, MAX_WAIT)).await
    }
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

/// Whether the server was told of a closed shift and then asked for its sales, which came up
/// within `ask_time`.
async fn server_asks(
    tell: impl Future<Output = Result<(), String>>,
    unloaded: impl Future<Output = ()>,
    ask_time: Duration,
) -> bool {
    if let Err(reason) = tell.await {
        tracing::warn!(reason, "the server could not be told of a closed shift: unloading by ourselves");
        return false;
    }
    fail::fail_point!("shift_close::told");
    let asked = tokio::time::timeout(ask_time, unloaded).await.is_ok();
    if !asked {
        tracing::warn!(after = ?ask_time, "the server was told of a closed shift and did not ask for its sales: unloading by ourselves");
    }
    asked
}

async fn tell(url: &str, token: Option<&str>, trust: &Trust, mut backoff: Backoff) -> Result<(), String> {
    crate::install_crypto();
    let client = trust.client().and_then(|client| client.timeout(TELL_TIME).build()).map_err(|error| chain(&error))?;
    let mut last = String::new();
    for attempt in 1..=MAX_TELL_TRIES {
        let mut request = client.post(url);
        if let Some(token) = token {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::source::Source as _;
    use crate::tests::TestTill;
    use std::future::{pending, ready};
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::net::TcpListener;

    const SHORT: Duration = Duration::from_millis(5);

    #[tokio::test]
    async fn a_server_that_was_told_and_does_not_ask_is_not_waited_for_for_ever() {
        assert!(!server_asks(ready(Ok(())), pending(), SHORT).await);
        assert!(!server_asks(ready(Err("no line".to_owned())), pending(), Duration::MAX).await);
        assert!(server_asks(ready(Ok(())), ready(()), SHORT).await);
    }

    /// A server that gives these answers, one a connection; gives how often it was told.
    async fn told_of(answers: &[&'static str]) -> (Result<(), String>, usize) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/shift-closed", listener.local_addr().unwrap());
        let served = async {
            let mut times = 0;
            for status in answers {
                let (mut stream, _) = listener.accept().await.unwrap();
                let mut request = Vec::new();
                while !request.ends_with(b"\r\n\r\n") {
                    request.push(stream.read_u8().await.unwrap());
                }
                times += 1;
                let answer = format!("HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n");
                stream.write_all(answer.as_bytes()).await.unwrap();
            }
            times
        };
        let nobody = Trust::default();
        tokio::join!(tell(&url, None, &nobody, Backoff::new(SHORT, SHORT)), served)
    }

    #[tokio::test]
    async fn the_server_is_told_a_few_times_where_it_is_busy_and_once_where_it_refuses() {
        assert_eq!(told_of(&["500 Broken", "503 Busy", "202 Accepted"]).await, (Ok(()), 3));
        let (told, times) = told_of(&["500 Broken", "500 Broken", "503 Busy"]).await;
        assert!(told.unwrap_err().contains("503") && times == 3);
        let (told, times) = told_of(&["404 Not Found"]).await;
        assert!(told.unwrap_err().contains("404") && times == 1);
    }

    #[test]
    fn a_closed_shift_is_seen_when_something_was_written_until_its_closing_is_done_with() {
        let till = TestTill::in_memory();
        let mut changed = till.source.watch();
        let mut look = || till.shift_close.look(&mut *changed).unwrap();
        till.source.sell(7);
        assert_eq!(look(), None, "none is closed");
        till.source.close(7);
        assert_eq!((look(), look()), (Some(7), None), "nothing was written since");
        till.shift_close.read.state.note_closed(&[7], &[]).unwrap();
        till.source.sell(8);
        assert_eq!(look(), None);
    }
}
