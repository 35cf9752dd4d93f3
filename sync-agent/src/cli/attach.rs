//! `sync-agent attach`: the till is attached, the agent started, and the first load waited for.

use super::{CliError, bar, print};
use crate::attach::{AttachError, Outcome, Place, ServerAddress, attach};
use crate::hand_over::{self, Ask};
use crate::lock::{AgentLock, LockError};
use crate::run::run;
use crate::settings::{Layout, LiveSettings, Settings};
use crate::words::{self, FluentValue, Language, Words};
use clap::Args;
use std::io::{self, Read as _};
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};
use tillway_exchangers::till::dictionary::State;
use tillway_proto::AttachCode;
use tillway_proto::process::{become_owner_of, on_signal, start_logging};
use tokio::process::Command;
use tokio_util::sync::CancellationToken;

/// The service of the package.
const SERVICE: &str = "tillway-sync-agent.service";

/// Here where systemd runs this machine.
const SYSTEMD: &str = "/run/systemd/system";

/// Between two looks at how far the load is.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// A code has so many bytes at most, however it is written.
const MAX_CODE_BYTES: u64 = 256;

#[derive(Debug, Args)]
pub(super) struct AttachArgs {
    /// The cash server: `<host>` or `<host>:<port of its REST>`
    server: ServerAddress,
    /// The code, as the server's page or `cash-server attach-code` shows it; `-` reads it from
    /// standard input
    #[arg(required = true)]
    code: Vec<String>,
    /// Only write the files: do not start the agent, do not wait
    #[arg(long)]
    no_start: bool,
    /// How long to wait for the first dictionaries, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "600")]
    wait: u64,
}

/// Attaches this till.
pub(super) async fn execute(path: &Path, layout: Layout, asked: AttachArgs) -> Result<(), CliError> {
    let words = words::of(Language::of_terminal());
    let code = read(&asked.code.concat())?;
    let refused = |error: AttachError| CliError::Refused(error.told(words));
    let place = Place::find(path, layout.clone()).map_err(refused)?;
    let data = place.data().to_owned();
    // What this process starts it starts with the settings of the package's service.
    let has_service = path == layout.settings_file() && has_service().await;
    if !has_service && let Err(error @ LockError::Held { .. }) = AgentLock::take(&data) {
        return Err(refused(AttachError::Running { detail: error.to_string() }));
    }
    let slowed = |wait: Duration| {
        // The wait is told at once; a terminal that is gone is no reason to end.
        let _ = print(&words.text("attach-slowed", [("seconds", wait.as_secs().into())]));
    };
    let outcome = attach(place, &asked.server, &code, slowed).await.map_err(refused)?;
    tell(&outcome, words)?;
    if asked.no_start {
        return print(&words.text("attach-start", []));
    }
    let began = Instant::now();
    let waiting = Waiting { data: &data, target: outcome.revision, began, limit: Duration::from_secs(asked.wait) };
    let settings = LiveSettings::read(path, layout).map_err(CliError::Settings)?;
    if has_service {
        print(&words.text("attach-starting", []))?;
        if !restart().await.map_err(CliError::Output)? {
            return Err(CliError::Refused(words.text("attach-not-started", [("service", SERVICE.into())])));
        }
        // The databases are the service's: what root opens it must not come to own.
        become_owner_of(&data).map_err(CliError::Owner)?;
        return waiting.shown(&settings.current(), words).await;
    }
    print(&words.text("attach-waiting", []))?;
    become_owner_of(&data).map_err(CliError::Owner)?;
    let _log = start_logging(&settings.current().log).map_err(CliError::Logging)?;
    let shutdown = CancellationToken::new();
    on_signal(shutdown.clone()).map_err(CliError::Signals)?;
    let now = settings.current();
    let agent = run(settings, shutdown.clone());
    let waited = async {
        let waited = tokio::select! {
            waited = waiting.shown(&now, words) => waited,
            () = shutdown.cancelled() => Ok(()),
        };
        shutdown.cancel();
        waited
    };
    let (ran, waited) = tokio::join!(agent, waited);
    ran.map_err(CliError::Run)?;
    waited?;
    print(&words.text("attach-start", []))
}

fn read(given: &str) -> Result<AttachCode, CliError> {
    let mut text = given.to_owned();
    if given == "-" {
        text.clear();
        io::stdin().take(MAX_CODE_BYTES).read_to_string(&mut text).map_err(CliError::Output)?;
    }
    text.parse().map_err(|error: tillway_proto::attach::AttachCodeError| CliError::Refused(error.to_string()))
}

fn tell(outcome: &Outcome, words: &Words) -> Result<(), CliError> {
    let file = |path: &Path| FluentValue::from(path.display().to_string());
    let settings = file(&outcome.place.settings_file);
    print(&words.text("attach-done", [("till", outcome.till.as_str().into()), ("file", settings)]))?;
    if let Some(former) = &outcome.former {
        print(&words.text("attach-former", [("file", file(former))]))?;
    }
    let password = &outcome.place.settings.broker.password_file;
    if !outcome.has_password && !password.exists() {
        print(&words.text("attach-no-password", [("file", file(password))]))?;
    }
    Ok(())
}

/// Whether systemd knows the agent's service.
async fn has_service() -> bool {
    if !Path::new(SYSTEMD).exists() {
        return false;
    }
    let mut command = Command::new("systemctl");
    command.args(["cat", SERVICE]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().await.is_ok_and(|status| status.success())
}

async fn restart() -> io::Result<bool> {
    Ok(Command::new("systemctl").args(["restart", SERVICE]).status().await?.success())
}

/// The wait for the first load.
struct Waiting<'a> {
    data: &'a Path,
    /// The revision that waits for this till.
    target: u64,
    began: Instant,
    limit: Duration,
}

impl Waiting<'_> {
    /// Waits with a bar, and tells how it came out.
    async fn shown(&self, settings: &Settings, words: &Words) -> Result<(), CliError> {
        let came = tokio::select! {
            came = self.wait(settings) => came,
            never = bar::draw(self.data) => match never {},
        };
        let seconds = FluentValue::from(self.began.elapsed().as_secs());
        match came {
            Ok(state) if state.cursor.0 == 0 => print(&words.text("attach-empty", [])),
            Ok(state) => {
                let told = [
                    ("revision", FluentValue::from(state.cursor.0.to_string())),
                    ("rows", FluentValue::from(state.rows.to_string())),
                    ("seconds", seconds),
                ];
                print(&words.text("attach-in-step", told))
            }
            Err((revision, link)) => {
                let told = [
                    ("revision", FluentValue::from(revision.to_string())),
                    ("target", FluentValue::from(self.target.to_string())),
                    ("link", FluentValue::from(link)),
                    ("seconds", seconds),
                ];
                Err(CliError::Refused(words.text("attach-not-in-step", told)))
            }
        }
    }

    /// Until the till has what waited for it, and is in contact; else how far it came.
    async fn wait(&self, settings: &Settings) -> Result<State, (u64, String)> {
        let mut seen = (0, "…".to_owned());
        while self.began.elapsed() < self.limit {
            // A database that is being made does not read for a moment.
            let state = State::read(&settings.paths.dictionaries).unwrap_or_default();
            let link = hand_over::ask(self.data, Ask::Link).await.map(|reply| reply.text);
            let in_contact = link.as_ref().is_ok_and(|link| link.starts_with("connected"));
            if in_contact && state.cursor.0 >= self.target {
                return Ok(state);
            }
            seen = (state.cursor.0, link.unwrap_or_else(|error| error.to_string()));
            tokio::time::sleep(LOOK_EVERY).await;
        }
        Err(seen)
    }
}
