//! The command line of `sync-agent`.

mod attach;
mod bar;

use crate::aside;
use crate::broker::online;
use crate::hand_over::{self, Ask, Reply};
use crate::lock::{AgentLock, LockError};
use crate::run::{RunError, run};
use crate::settings::ini::Ini;
use crate::settings::probe::{self, Problem};
use crate::settings::{Layout, LiveSettings, Mode, Settings, SettingsError};
use crate::status;
use clap::{Args, Parser, Subcommand};
use fs_err as fs;
use jiff::civil::{Date, DateTime};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;
use tillway_file_queue::plain_text::lines;
use tillway_proto::UnloadSelection;
use tillway_proto::command::AsideAction;
use tillway_proto::process::{
    LogGuard, LoggingError, OpenFiles, ShutdownError, become_owner_of, on_signal, start_logging,
};
use tillway_proto::report::{AsideName, MAX_ASIDE_UNITS};
use tokio_util::sync::CancellationToken;

/// Exit code of wrong settings, so that a service manager need not start the agent again and
/// again.
const EXIT_SETTINGS: u8 = 78;

/// Units that one `drop --all` names to the agent, so that its line stays within bounds; the
/// newest.
const MAX_DROPPED: usize = 500;

/// Files and connections that an agent must be able to have open: databases with their logs, the
/// file queue, a download, the links to broker and server, and the folders that are watched. Some
/// tens, with room.
const OPEN_FILES: u64 = 256;

/// How long the agent that the command line starts may take until it listens.
const START_TIME: Duration = Duration::from_secs(10);

/// The agent that brings dictionaries to this till and sales to its server.
#[derive(Debug, Parser)]
#[command(name = "sync-agent", version)]
pub struct Cli {
    /// The settings; logging.conf lies beside them [default:
    /// /linuxcash/cash/sync/properties/cash.ini]
    #[arg(long, global = true, value_name = "FILE")]
    settings: Option<PathBuf>,
    /// Move all default paths under this folder, for trials
    #[arg(long, global = true, value_name = "DIR", default_value = "/")]
    root: PathBuf,
    #[command(subcommand)]
    command: Option<CliCommand>,
}

#[derive(Debug, Subcommand)]
enum CliCommand {
    /// Run until SIGTERM (what happens without a command)
    Run,
    /// Check cash.ini and logging.conf, and tell every fault; tells also where sales do not reach
    /// the server
    Check {
        /// Also ask the broker and the server whether they let this till in
        #[arg(long)]
        online: bool,
        /// Tell only what keeps the agent from starting
        #[arg(long, conflicts_with = "online")]
        start: bool,
    },
    /// Attach this till to a cash server with a code, start the agent, and wait for the first
    /// dictionaries
    Attach(attach::AttachArgs),
    /// Tell what this till has
    Status {
        /// As JSON
        #[arg(long)]
        json: bool,
    },
    /// Load the dictionary changes that wait for this till
    Load,
    /// Unload sales: everything the server does not have, or what is selected
    Unload(UnloadArgs),
    /// Recount the whole dictionary and ask for what differs
    Verify,
    /// What was set aside on this till: packages, documents, records of shifts, messages
    #[command(subcommand)]
    Aside(AsideCommand),
}

#[derive(Debug, Subcommand)]
enum AsideCommand {
    /// List the newest units with their reasons
    Ls,
    /// Try units again from the beginning
    Retry(AsideArgs),
    /// Remove units for good. A document or the record of a shift stays in documents.db; it is
    /// never sent by itself any more and counted nowhere, but `unload --since` or `--from`, `--to`
    /// still sends it
    Drop(AsideArgs),
}

#[derive(Debug, Args)]
struct AsideArgs {
    /// Units as `aside ls` names them, for example document:17
    #[arg(value_name = "UNIT", value_parser = aside::parse_name, required_unless_present = "all")]
    units: Vec<AsideName>,
    /// All that lies aside; what is dropped is listed, and what comes aside meanwhile stays
    #[arg(long, conflicts_with = "units")]
    all: bool,
}

#[derive(Debug, Args)]
struct UnloadArgs {
    /// Receipts that ended at or after this local time, sent before or not (2026-01-31T08:00:00)
    #[arg(long, value_name = "TIME", conflicts_with_all = ["from", "to"])]
    since: Option<DateTime>,
    /// Receipts that ended on this day or later (2026-01-31)
    #[arg(long, value_name = "DAY", requires = "to")]
    from: Option<Date>,
    /// … and on this day or earlier
    #[arg(long, value_name = "DAY", requires = "from")]
    to: Option<Date>,
}

impl UnloadArgs {
    fn selection(&self) -> UnloadSelection {
        match (self.since, self.from, self.to) {
            (Some(time), _, _) => UnloadSelection::Since { time },
            (None, Some(from), Some(to)) => UnloadSelection::Days { from, to },
            _ => UnloadSelection::MISSING,
        }
    }
}

/// Why a command did not do its work.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// Settings.
    #[error(transparent)]
    Settings(SettingsError),
    /// Root could not go on as the user to whom the data folder belongs.
    #[error("failed to go on as the user to whom the data folder belongs")]
    Owner(#[source] io::Error),
    /// The log.
    #[error("failed to start logging")]
    Logging(#[source] LoggingError),
    /// Signals.
    #[error(transparent)]
    Signals(ShutdownError),
    /// The agent.
    #[error(transparent)]
    Run(RunError),
    /// The lock.
    #[error(transparent)]
    Lock(LockError),
    /// A running agent does not answer.
    #[error("the agent on this till does not answer; see its log")]
    NoAnswer(#[source] io::Error),
    /// A request was not carried out.
    #[error("{0}")]
    Refused(String),
    /// Sales do not reach the server.
    #[error("sales have not reached the server since {since:.0} ({kind}): {text}")]
    SalesWait {
        /// Since when.
        since: jiff::Timestamp,
        /// Why, in a word.
        kind: &'static str,
        /// Why.
        text: String,
    },
    /// The terminal.
    #[error("failed to write the output")]
    Output(#[source] io::Error),
    /// The status has no JSON.
    #[error("failed to write the status as JSON")]
    Json(#[source] serde_json::Error),
}

impl CliError {
    /// The exit code of the process.
    pub fn exit_code(&self) -> ExitCode {
        match self {
            Self::Settings(SettingsError::Wrong { .. }) | Self::Run(RunError::ServerMode) => EXIT_SETTINGS.into(),
            _ => ExitCode::FAILURE,
        }
    }
}

/// Carries out a command.
pub async fn execute(cli: Cli) -> Result<(), CliError> {
    let layout = Layout::under(cli.root);
    let path = cli.settings.unwrap_or_else(|| layout.settings_file());
    match cli.command.unwrap_or(CliCommand::Run) {
        CliCommand::Run => start(&path, layout).await,
        CliCommand::Check { start: true, .. } => {
            let settings = Settings::read(&path, &layout).map_err(CliError::Settings)?;
            if settings.mode == Mode::Server {
                return Err(CliError::Run(RunError::ServerMode));
            }
            match probe::needed(&settings) {
                faults if faults.is_empty() => Ok(()),
                faults => Err(cannot_start(&path, faults)),
            }
        }
        CliCommand::Check { online, start: false } => {
            let settings = Settings::read(&path, &layout).map_err(CliError::Settings)?;
            if let Some(fault) = OpenFiles::raise().fault(OPEN_FILES) {
                print(&fault)?;
            }
            let mut problems = [probe::needed(&settings), probe::wanted(&settings, &path)].concat();
            if online {
                problems.extend(online::problems(&settings).await);
            }
            if !problems.is_empty() {
                let text = format!("faults in {} and what it names:{}", path.display(), placed(&path, problems));
                return Err(CliError::Refused(text));
            }
            print(&format!("{}: ok", path.display()))?;
            let seen = status::look(&settings, 0).await;
            if let Some(log) = seen.dictionary_log() {
                print(&format!("dictionary: {log}"))?;
            }
            match seen.sales_wait {
                None => Ok(()),
                Some(wait) => Err(CliError::SalesWait { since: wait.since, kind: wait.kind.as_str(), text: wait.text }),
            }
        }
        CliCommand::Attach(asked) => attach::execute(&path, layout, asked).await,
        CliCommand::Status { json } => {
            let settings = Settings::read(&path, &layout).map_err(CliError::Settings)?;
            let status = status::look(&settings, MAX_ASIDE_UNITS).await;
            if json {
                print(&serde_json::to_string_pretty(&status).map_err(CliError::Json)?)
            } else {
                print(status.to_string().trim_end())
            }
        }
        CliCommand::Load => request(&path, layout, Ask::Load).await,
        CliCommand::Unload(arguments) => {
            let selection = arguments.selection();
            request(&path, layout, Ask::Unload { selection }).await
        }
        CliCommand::Verify => request(&path, layout, Ask::Verify).await,
        CliCommand::Aside(AsideCommand::Ls) => {
            let settings = Settings::read(&path, &layout).map_err(CliError::Settings)?;
            print(status::look(&settings, MAX_ASIDE_UNITS).await.aside_list().trim_end())
        }
        CliCommand::Aside(AsideCommand::Retry(arguments)) => {
            let ask = Ask::Aside { action: AsideAction::Retry, units: arguments.units };
            request(&path, layout, ask).await
        }
        CliCommand::Aside(AsideCommand::Drop(arguments)) => {
            let mut units = arguments.units;
            if arguments.all {
                let settings = Settings::read(&path, &layout).map_err(CliError::Settings)?;
                let seen = status::look(&settings, MAX_DROPPED).await;
                print(seen.aside_list().trim_end())?;
                units = seen.aside.into_iter().map(|unit| unit.unit).collect();
                if units.is_empty() {
                    return Ok(());
                }
            }
            request(&path, layout, Ask::Aside { action: AsideAction::Drop, units }).await
        }
    }
}

/// Runs the agent. Tells first what `check --online` would find: without what it needs it does not
/// start, with the rest it goes on.
async fn start(path: &Path, layout: Layout) -> Result<(), CliError> {
    let settings = LiveSettings::read(path, layout).map_err(CliError::Settings)?;
    let (first, written) = (settings.current(), settings.as_written());
    // By hand on a till where the service has a user of its own.
    become_owner_of(&first.paths.data).map_err(CliError::Owner)?;
    let (needed, wanted) = (probe::needed(&first), probe::wanted(&first, path));
    let log = start_logging(&first.log);
    let is_printed = log.as_ref().map_or(true, LogGuard::is_on_standard_error);
    let ended = if needed.is_empty() {
        if let Err(error) = log {
            return Err(CliError::Logging(error));
        }
        tell_open_files();
        let shutdown = CancellationToken::new();
        on_signal(shutdown.clone()).map_err(CliError::Signals)?;
        let tell = {
            let place = path.display().to_string();
            move |problem: &Problem| tracing::warn!("{place}: {}", problem.placed(&written))
        };
        wanted.iter().for_each(&tell);
        tokio::spawn(async move { online::of_server(&first).await.iter().for_each(tell) });
        run(settings, shutdown).await.map_err(CliError::Run)
    } else {
        Err(cannot_start(path, [needed, wanted].concat()))
    };
    // The caller prints it; where that is what the log is too, once is enough.
    if let (Err(error), false) = (&ended, is_printed) {
        for line in crate::error::chain(error).lines() {
            tracing::error!("{}", line.trim_start());
        }
    }
    ended
}

fn cannot_start(path: &Path, faults: Vec<Problem>) -> CliError {
    let all = placed(path, faults);
    CliError::Refused(format!("the agent cannot start; faults in {} and what it names:{all}", path.display()))
}

/// Has the agent of this till do something, with a bar while that takes.
async fn request(path: &Path, layout: Layout, ask: Ask) -> Result<(), CliError> {
    let settings = LiveSettings::read(path, layout).map_err(CliError::Settings)?;
    let data = settings.current().paths.data.clone();
    // Where no agent runs, this process is it for a while.
    become_owner_of(&data).map_err(CliError::Owner)?;
    let bar = bar::draw(&data);
    let answer = tokio::select! {
        answer = asked(settings, &data, ask) => answer?,
        never = bar => match never {},
    };
    if answer.ok { print(&answer.text) } else { Err(CliError::Refused(answer.text)) }
}

/// Asks the agent of this till; where none runs, one that lives in this process until it answered.
async fn asked(settings: LiveSettings, data: &Path, ask: Ask) -> Result<Reply, CliError> {
    match AgentLock::take(data) {
        Err(LockError::Held { .. }) => hand_over::ask(data, ask).await.map_err(CliError::NoAnswer),
        Err(error) => Err(CliError::Lock(error)),
        Ok(lock) => {
            drop(lock);
            let _log = start_logging(&settings.current().log).map_err(CliError::Logging)?;
            tell_open_files();
            let shutdown = CancellationToken::new();
            on_signal(shutdown.clone()).map_err(CliError::Signals)?;
            let agent = run(settings, shutdown.clone());
            let asked = async {
                let answer = ask_once_it_listens(data, ask).await;
                shutdown.cancel();
                answer
            };
            let (ran, answer) = tokio::join!(agent, asked);
            ran.map_err(CliError::Run)?;
            answer.map_err(CliError::NoAnswer)
        }
    }
}

async fn ask_once_it_listens(data: &Path, ask: Ask) -> io::Result<Reply> {
    let deadline = tokio::time::Instant::now() + START_TIME;
    loop {
        match hand_over::ask(data, ask.clone()).await {
            Err(error)
                if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused)
                    && tokio::time::Instant::now() < deadline =>
            {
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
            asked => return asked,
        }
    }
}

/// Raises the limit of open files as far as it goes.
fn tell_open_files() {
    if let Some(fault) = OpenFiles::raise().fault(OPEN_FILES) {
        tracing::warn!("{fault}");
    }
}

/// Faults in the order of the file, with the lines of their keys.
fn placed(path: &Path, mut problems: Vec<Problem>) -> String {
    let ini = Ini::parse(&fs::read(path).unwrap_or_default());
    problems.sort_by_key(|problem| problem.line(&ini).unwrap_or(usize::MAX));
    let lines: Vec<String> = problems.iter().map(|problem| format!("\n  {}", problem.placed(&ini))).collect();
    lines.concat()
}

fn print(text: &str) -> Result<(), CliError> {
    match writeln!(io::stdout().lock(), "{}", lines(text)) {
        // The reader has seen enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(CliError::Output),
    }
}
