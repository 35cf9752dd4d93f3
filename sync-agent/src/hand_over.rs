//! What the command line asks of a running agent, over a Unix socket in the till folder: one JSON
//! line there, one back.
//!
//! ```json
//! {"schema":1,"ask":"unload","selection":{"what":"missing"}}
//! {"ok":true,"text":"12 receipts unloaded"}
//! ```
//!
//! Where no agent runs, the command line starts one in its own process for as long as the request
//! takes, and asks that one: there is one way to do a thing, and the lock on the till folder sees
//! to it that it is done once.

use crate::aside;
use crate::broker::Link;
use crate::commands::{Commands, Settled};
use crate::error::blocking;
use crate::progress::{Progress, Stage};
use crate::retry::Backoff;
use crate::unload::{Trigger, UnloadRequest};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::io;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tillway_proto::UnloadSelection;
use tillway_proto::command::AsideAction;
use tillway_proto::report::AsideName;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, oneshot, watch};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Version of this little protocol.
const SCHEMA: u32 = 1;

/// Longest line.
const MAX_LINE_BYTES: u64 = 64 * 1024;

/// To hear a request once a connection is there.
const HEAR_TIME: Duration = Duration::from_secs(10);

/// Requests worked on at a time.
const MAX_REQUESTS: usize = 8;

/// How long a request may take. The command line waits a little longer.
const WORK_TIME: Duration = Duration::from_hours(1);

/// How long `load` waits for the broker.
const LINK_TIME: Duration = Duration::from_secs(30);

/// The queue counts as empty when nothing came for this long.
const QUIET_TIME: Duration = Duration::from_secs(2);

/// Between two looks of `load`.
const LOOK_PERIOD: Duration = Duration::from_millis(100);

/// A request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    schema: u32,
    #[serde(flatten)]
    ask: Ask,
}

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "kebab-case")]
pub(crate) enum Ask {
    /// Load what waits at the broker and in the file queue.
    Load,
    /// Unload sales.
    Unload { selection: UnloadSelection },
    /// Recount the dictionary.
    Verify,
    /// How the link to the broker stands.
    Link,
    /// How far long work is: a JSON list in the text of the answer.
    Progress,
    /// Drop units that lie aside, or try them again: all, where none is named.
    Aside { action: AsideAction, units: Vec<AsideName> },
}

/// The answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    pub(crate) ok: bool,
    pub(crate) text: String,
}

/// Where the socket is.
pub(crate) fn socket(data: &Path) -> PathBuf {
    data.join("agent.sock")
}

/// The way in for the command line.
#[derive(Debug, Clone)]
pub(crate) struct HandOver {
    pub(crate) commands: Arc<Commands>,
    pub(crate) link: watch::Sender<Link>,
    pub(crate) progress: Arc<Progress>,
    pub(crate) shutdown: CancellationToken,
}

impl HandOver {
    /// Takes the socket away at a clean stop.
    pub(crate) fn remove(&self) {
        // Left behind it does no harm: the next agent replaces it.
        let _ = fs::remove_file(socket(&self.commands.settings.current().paths.data));
    }

    /// Listens until the agent stops.
    pub(crate) async fn run(self) {
        let path = socket(&self.commands.settings.current().paths.data);
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_mins(1));
        let listener = loop {
            match bind(&path) {
                Ok(listener) => break listener,
                Err(error) => {
                    tracing::warn!(%error, socket = %path.display(), "the command line cannot reach this agent");
                }
            }
            tokio::select! {
                () = self.shutdown.cancelled() => return,
                () = tokio::time::sleep(backoff.next_wait()) => {}
            }
        };
        let places = Arc::new(Semaphore::new(MAX_REQUESTS));
        loop {
            let stream = tokio::select! {
                () = self.shutdown.cancelled() => return,
                accepted = listener.accept() => accepted,
            };
            let Ok((stream, _)) = stream else {
                tokio::time::sleep(backoff.next_wait()).await;
                continue;
            };
            // Beyond the limit a connection is closed at once, and the command line says so.
            let Ok(place) = Arc::clone(&places).try_acquire_owned() else { continue };
            let this = self.clone();
            tokio::spawn(async move {
                let _place = place;
                if let Err(error) = this.serve(stream).await {
                    tracing::debug!(%error, "a request of the command line was not served");
                }
            });
        }
    }

    async fn serve(&self, stream: UnixStream) -> io::Result<()> {
        let (read, mut write) = stream.into_split();
        let mut line = String::new();
        let mut read = BufReader::new(read.take(MAX_LINE_BYTES));
        tokio::time::timeout(HEAR_TIME, read.read_line(&mut line)).await.map_err(io::Error::other)??;
        let answer = match serde_json::from_str::<Request>(&line) {
            Ok(request) if request.schema == SCHEMA => tokio::select! {
                () = self.shutdown.cancelled() => Reply { ok: false, text: "the agent stops".to_owned() },
                done = tokio::time::timeout(WORK_TIME, self.work(request.ask)) => match done {
                    Ok(Ok(text)) => Reply { ok: true, text },
                    Ok(Err(text)) => Reply { ok: false, text },
                    Err(_) => Reply { ok: false, text: format!("not done within {WORK_TIME:?}") },
                },
            },
            Ok(request) => {
                Reply { ok: false, text: format!("the running agent does not know schema {}", request.schema) }
            }
            Err(error) => Reply { ok: false, text: format!("the running agent does not understand: {error}") },
        };
        let mut text = serde_json::to_string(&answer)?;
        text.push('\n');
        write.write_all(text.as_bytes()).await
    }

    async fn work(&self, ask: Ask) -> Result<String, String> {
        match ask {
            Ask::Link => Ok(match &*self.link.borrow() {
                Link::Connecting => "connecting".to_owned(),
                Link::Consuming { since } => format!("connected since {since:.0}"),
                Link::Waiting { reason } => format!("no link: {reason}"),
            }),
            Ask::Progress => serde_json::to_string(&self.progress.look()).map_err(|error| error.to_string()),
            Ask::Verify => match self.commands.recount.verify().await {
                None => Err("the dictionary was not recounted; see the log".to_owned()),
                Some(kinds) if kinds.is_empty() => Ok("the dictionary is as the last load left it".to_owned()),
                Some(kinds) => Err(format!("changed by somebody else, a snapshot was asked for: {}", kinds.join(", "))),
            },
            Ask::Unload { selection } => {
                let missing = selection == UnloadSelection::MISSING;
                let overview = Arc::clone(&self.commands.teller.overview);
                let total = blocking(move || if missing { overview.unsent().ok() } else { None }).await;
                let _begun = self.progress.begin(Stage::Unload, total.ok().flatten().unwrap_or(0));
                let (reply, outcome) = oneshot::channel();
                let request = UnloadRequest { selection, trigger: Trigger::CommandLine, reply: Some(reply) };
                self.commands.unloads.try_send(request).map_err(|_| "too many unloadings wait already".to_owned())?;
                let unloaded = outcome.await.map_err(|_| "the unloading was broken off".to_owned())??;
                Ok(match unloaded.set_aside {
                    0 => format!("{} receipts unloaded", unloaded.receipts),
                    aside => format!("{} receipts unloaded, {aside} set aside", unloaded.receipts),
                })
            }
            Ask::Load => self.load_what_waits().await,
            Ask::Aside { action: AsideAction::Drop, units } if units.is_empty() => {
                Err(aside::DROP_NAMES_NOTHING.to_owned())
            }
            Ask::Aside { action, units } => outcome_text(action, self.commands.settle(action, units).await),
        }
    }

    async fn load_what_waits(&self) -> Result<String, String> {
        let Commands { queue, teller, working, .. } = &*self.commands;
        queue.poke();
        teller.contact_soon();
        let mut link = self.link.subscribe();
        let consuming = link.wait_for(|link| matches!(link, Link::Consuming { .. }));
        let linked = tokio::time::timeout(LINK_TIME, consuming).await.is_ok_and(|link| link.is_ok());
        let mut quiet_since = Instant::now();
        while quiet_since.elapsed() < QUIET_TIME {
            let queue = queue.clone();
            let waits = blocking(move || queue.waits()).await;
            if *working.borrow() || waits.unwrap_or(false) {
                quiet_since = Instant::now();
            }
            tokio::time::sleep(LOOK_PERIOD).await;
        }
        let overview = Arc::clone(&teller.overview);
        let cursor = blocking(move || overview.cursor()).await.map_err(|error| error.to_string())?;
        if linked {
            Ok(format!("loaded, the till is at revision {cursor}"))
        } else {
            Err(format!(
                "no link to the broker; what was in the file queue is loaded, the till is at revision {cursor}"
            ))
        }
    }
}

fn bind(path: &Path) -> io::Result<UnixListener> {
    // The lock on the folder is ours, so a socket that lies there is nobody's.
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let listener = UnixListener::bind(path)?;
    fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
    Ok(listener)
}

fn outcome_text(action: AsideAction, settled: Settled) -> Result<String, String> {
    let Settled { done, passed_over, failed } = settled;
    let mut text = match action {
        AsideAction::Retry => format!("{done} tried again"),
        AsideAction::Drop => format!(
            "{done} dropped; a document or shift that was dropped is never sent by itself, and is counted nowhere: \
             `unload --since` or `--from`, `--to` still sends it"
        ),
    };
    if passed_over > 0 {
        text = format!("{text}; {passed_over} not there (any more)");
    }
    if failed > 0 { Err(format!("{text}; not all could be settled, see the log")) } else { Ok(text) }
}

/// Asks the agent that runs on this till folder.
pub(crate) async fn ask(data: &Path, ask: Ask) -> io::Result<Reply> {
    let mut stream = UnixStream::connect(socket(data)).await?;
    let mut line = serde_json::to_string(&Request { schema: SCHEMA, ask })?;
    line.push('\n');
    stream.write_all(line.as_bytes()).await?;
    let mut answer = String::new();
    let mut read = BufReader::new(stream.take(MAX_LINE_BYTES));
    tokio::time::timeout(WORK_TIME + HEAR_TIME, read.read_line(&mut answer)).await.map_err(io::Error::other)??;
    Ok(serde_json::from_str(&answer)?)
}
