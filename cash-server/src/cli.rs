//! The command line.
//!
//! Commands ask the running server, over its socket in the data folder ([`crate::socket`]), so
//! they run on the server's machine, as root or as the user who runs the server. `node …`,
//! `attach-code …` and `till settings` also work where no server runs: they hold its lock
//! meanwhile and work on the databases themselves, as the user to whom the data folder belongs.
//! Either way a change is noted in the audit log as that of the system's user who asked.
//!
//! Exit codes: 0 done; 1 failed, for some of what was named too, or nothing was done for want of
//! `--yes`; 2 the command line is wrong; 3 the settings have faults; 4 the server does not answer.
//! README.md says so, and `--help` with the man page.

#![allow(rustdoc::invalid_html_tags, reason = "doc comments are the help that a person reads in a terminal")]

mod arguments;
mod aside;
mod attach_code;
mod audit;
mod backup;
mod bulk;
mod check;
mod client;
mod daemon;
mod goods;
mod node;
mod notices;
mod people;
mod report;
mod sales;
mod server;
mod setup;
mod table;

use crate::settings::fault::listed;
use crate::settings::{DEFAULT_SETTINGS, Fault, SETTINGS_PATH, Settings, SettingsError};
use crate::words::{self, Language, Reason, Words};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

pub use arguments::{
    Arguments, AsideCommand, AsideUnits, AuditArgs, BrokerCommand, BulkArgs, BulkWhat, Command, FindingsCommand,
    Listed, LoadsCommand, LogArgs, NodeCommand, NoticeIds, NoticesCommand, TillCommand,
};
pub use attach_code::{AttachCodeCommand, Life};
pub use backup::{BackupCommand, PlaceArgs, PlaceSort};
pub use goods::GoodsCommand;
pub use people::{KeyCommand, UserCommand};
pub use report::{MailArgs, ReportCommand};
pub use sales::{ReceiptArgs, SalesCommand, SalesOfArgs};
pub use setup::{SetupArgs, SetupError};

const EXIT_FAILED: u8 = 1;
const EXIT_SETTINGS: u8 = 3;
const EXIT_NO_SERVER: u8 = 4;

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The settings.
    #[error(transparent)]
    Settings(SettingsError),
    /// `setup`.
    #[error(transparent)]
    Setup(SetupError),
    /// `check` found faults and has told them.
    #[error("the settings have faults")]
    Faults,
    /// What the settings name keeps the server from starting.
    #[error("the server cannot start; faults in {place} and what it names:{}", listed(faults))]
    CannotStart {
        /// The settings.
        place: String,
        /// Everything that is wrong, also what would not keep it from starting.
        faults: Vec<Fault>,
    },
    /// The server runs already.
    #[error(transparent)]
    Running(crate::lock::LockError),
    /// The log.
    #[error("failed to start the log")]
    Logging(#[source] tillway_proto::process::LoggingError),
    /// Signals.
    #[error("failed to prepare for a clean stop")]
    Signals(#[source] tillway_proto::process::ShutdownError),
    /// The threads.
    #[error("failed to start the threads of the server")]
    Runtime(#[source] io::Error),
    /// The keys of tills' messages.
    #[error("failed to read the keys of tills' messages")]
    PeerKeys(#[source] io::Error),
    /// The server.
    #[error("the server stopped")]
    Run(#[source] crate::run::RunError),
    /// Root could not go on as the user to whom the data folder belongs.
    #[error("failed to go on as the user to whom the data folder belongs")]
    Owner(#[source] io::Error),
    /// The data folder's lock.
    #[error("failed to work on the data folder")]
    Lock(#[source] crate::lock::LockError),
    /// A server has the data folder and does not answer.
    #[error("a server runs and does not answer at {}: it may be starting; try again", socket.display())]
    Silent {
        /// The socket.
        socket: PathBuf,
    },
    /// The network's database.
    #[error("failed to open the network")]
    Store(#[source] crate::store::StoreError),
    /// The use case.
    #[error(transparent)]
    App(crate::app::AppError),
    /// A backup.
    #[error(transparent)]
    Backup(#[from] crate::backup::BackupError),
    /// The server could not make a backup.
    #[error("the backup was not made: {reason}")]
    NotMade {
        /// Why, in the reader's language.
        reason: String,
    },
    /// A backup is not what it should be.
    #[error("the backup did not stand its trial: {reason}")]
    NotRehearsed {
        /// Why, in the reader's language.
        reason: String,
    },
    /// Some units could not be settled; which, and why, was told.
    #[error("{failed} of {total} could not be settled")]
    Unsettled {
        /// How many failed.
        failed: usize,
        /// Out of how many.
        total: usize,
    },
    /// What was only told, since nobody said yes.
    #[error("nothing was done to {total}: say --yes to do it, or --dry-run to only look")]
    NotSaidYes {
        /// About how many it was.
        total: usize,
    },
    /// The running server.
    #[error(transparent)]
    Client(client::ClientError),
    /// What was asked for cannot be.
    #[error("what was asked for cannot be: {0:?}")]
    Asked(crate::rest::problem::RequestFault),
    /// A file with a password.
    #[error("failed to read the file with the password")]
    PasswordFile(#[source] io::Error),
    /// A file that names tills.
    #[error("failed to read the file that names tills")]
    CsvFile(#[source] io::Error),
    /// A file of tills is no CSV.
    #[error("the tills' CSV cannot be read or written: its columns are shop, till and name")]
    Csv(#[source] csv::Error),
    /// A file that is written.
    #[error("failed to write the file")]
    WriteFile(#[source] io::Error),
    /// The terminal.
    #[error("failed to write the answer")]
    Output(#[source] io::Error),
}

impl CliError {
    /// As a person is told it: what a command could not do, in their language; why the server does
    /// not start, as its log has it.
    fn told(&self, words: &Words) -> String {
        match self {
            Self::Client(error) => words.reason(&Reason::of(error)),
            Self::App(error) => words.reason(&Reason::of(error)),
            Self::Asked(fault) => words.reason(&Reason::of(fault)),
            Self::Store(error) => words.reason(&Reason::of(error)),
            Self::Lock(error) | Self::Running(error) => words.reason(&Reason::of(error)),
            Self::Silent { socket } => words.text("cli-silent", [("socket", socket.display().to_string().into())]),
            Self::Unsettled { failed, total } => {
                words.text("cli-unsettled", [("failed", (*failed).into()), ("total", (*total).into())])
            }
            Self::NotSaidYes { total } => words.text("cli-say-yes", [("total", (*total).into())]),
            Self::Faults => words.text("cli-faults", []),
            Self::Backup(error) => words.reason(&Reason::of(error)),
            Self::NotMade { reason } => words.text("cli-backup-failed", [("reason", reason.as_str().into())]),
            Self::NotRehearsed { reason } => words.text("cli-rehearsal-failed", [("reason", reason.as_str().into())]),
            _ => error_text(self),
        }
    }

    fn exit_code(&self) -> u8 {
        match self {
            Self::Settings(_) | Self::Faults => EXIT_SETTINGS,
            Self::Client(client::ClientError::Unreachable { .. }) | Self::Silent { .. } => EXIT_NO_SERVER,
            _ => EXIT_FAILED,
        }
    }
}

/// Does what the command line says; errors go to `errors`, once, with their causes.
pub fn run(arguments: Arguments, output: &mut dyn Write, errors: &mut dyn Write) -> ExitCode {
    run_in(Language::of_terminal(), arguments, output, errors)
}

fn run_in(language: Language, arguments: Arguments, output: &mut dyn Write, errors: &mut dyn Write) -> ExitCode {
    match carry_out(language, arguments, output) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // Nobody is left to tell where the terminal is gone.
            let _ = writeln!(errors, "cash-server: {}", error.told(words::of(language)));
            ExitCode::from(error.exit_code())
        }
    }
}

fn carry_out(language: Language, arguments: Arguments, output: &mut dyn Write) -> Result<(), CliError> {
    let path = settings_path(arguments.settings);
    let load = || Settings::load(path.as_deref()).map_err(CliError::Settings);
    let mut answer = table::Output { to: output, json: arguments.json, words: words::of(language) };
    match arguments.command.unwrap_or(Command::Run { without_sales: false }) {
        Command::Run { without_sales } => daemon::run(path.as_deref(), load()?, !without_sales),
        Command::SalesLoader => daemon::sales_loader(path.as_deref(), load()?),
        Command::Check { start: true, .. } => check::check_start(path.as_deref(), &mut answer),
        Command::Check { online, start: false } => check::check(path.as_deref(), online, &mut answer),
        Command::Setup(asked) => setup::setup(path.as_deref(), &asked, &mut answer),
        Command::Broker(BrokerCommand::Setup { print, close_plain }) => {
            setup::broker_alone(path.as_deref(), print, close_plain, &mut answer)
        }
        Command::Settings => answer.text(DEFAULT_SETTINGS),
        Command::Node(command) => node::node(&load()?, command, &mut answer),
        Command::AttachCode(command) => attach_code::attach_code(&load()?, command, &mut answer),
        Command::Till(TillCommand::Settings { till, new_secret }) => {
            node::till_settings(&load()?, &till, new_secret, &mut answer)
        }
        Command::Till(TillCommand::Stolen { till }) => node::stolen(&load()?, &till, &mut answer),
        Command::Till(TillCommand::Acknowledge { till }) => server::acknowledge(&load()?, &till, &mut answer),
        Command::Till(TillCommand::GoPast { till, revision }) => {
            server::go_past(&load()?, &till, revision, &mut answer)
        }
        Command::Till(TillCommand::Price { till, barcode }) => {
            goods::till_price(&load()?, &till, &barcode, &mut answer)
        }
        Command::Till(TillCommand::SendAnew { till }) => server::send_anew(&load()?, &till, &mut answer),
        Command::Bulk(asked) => bulk::bulk(&load()?, asked, &mut answer),
        Command::Goods(command) => goods::goods(&load()?, command, &mut answer),
        Command::Backup { place, command } => backup::backup(load()?, &place, command, &mut answer),
        Command::Background => server::background(&load()?, &mut answer),
        Command::Log(asked) => server::log(&load()?, &asked, &mut answer),
        Command::Databases => server::databases(&load()?, &mut answer),
        Command::Retention => server::retention(&load()?, &mut answer),
        Command::Report { command } => report::report(&load()?, command, &mut answer),
        Command::User(command) => people::user(&load()?, command, &mut answer),
        Command::Key(command) => people::key(&load()?, command, &mut answer),
        Command::Audit(asked) => audit::list(&load()?, &asked, &mut answer),
        Command::Notices(NoticesCommand::Ls) => notices::list(&load()?, &mut answer),
        Command::Notices(NoticesCommand::Seen(ids)) => notices::seen(&load()?, &ids, &mut answer),
        Command::Aside(AsideCommand::Ls) => aside::list(&load()?, &mut answer),
        Command::Aside(AsideCommand::Show { unit }) => aside::show(&load()?, &unit, &mut answer),
        Command::Findings(FindingsCommand::Ls { till, closed, limit }) => {
            aside::findings(&load()?, till, closed, limit, &mut answer)
        }
        Command::Findings(FindingsCommand::Close { finding, note }) => {
            aside::close_finding(&load()?, finding, note, &mut answer)
        }
        Command::Aside(AsideCommand::Retry(units)) => aside::settle(&load()?, "retry", units, &mut answer),
        Command::Aside(AsideCommand::Drop(units)) => aside::settle(&load()?, "drop", units, &mut answer),
        Command::Tills => server::tills(&load()?, &mut answer),
        Command::Deliveries(listed) => server::deliveries(&load()?, &listed, &mut answer),
        Command::Commands(listed) => server::commands(&load()?, &listed, &mut answer),
        Command::Loads { load: Some(id), .. }
        | Command::Loads { command: Some(LoadsCommand::Show { load: id }), .. } => {
            server::load(&load()?, id, &mut answer)
        }
        Command::Loads { command: Some(LoadsCommand::File { load: id, output }), .. } => {
            server::load_file(&load()?, id, output.as_deref(), &mut answer)
        }
        Command::Loads { command: Some(LoadsCommand::Approve { load: id }), .. } => {
            server::approve_load(&load()?, id, &mut answer)
        }
        Command::Loads { command: Some(LoadsCommand::Refuse { load: id }), .. } => {
            server::refuse_load(&load()?, id, &mut answer)
        }
        Command::Loads { load: None, command: None } => server::loads(&load()?, &mut answer),
        Command::Sales(command) => sales::sales(&load()?, &command, &mut answer),
        Command::Unload { till, since, from, to } if !is_till(&till) => {
            sales::unload_below(&load()?, &till, (since, from, to), &mut answer)
        }
        Command::Unload { till, since, from, to } => server::unload(&load()?, &till, since, from, to, &mut answer),
        Command::Verify { till } => server::verify(&load()?, &till, &mut answer),
    }
}

/// Whether a name is that of a till, and not of what tills hang under.
fn is_till(name: &str) -> bool {
    name.starts_with("till-") || name.parse::<tillway_proto::TillId>().is_ok()
}

fn settings_path(given: Option<PathBuf>) -> Option<PathBuf> {
    given.or_else(|| Some(PathBuf::from(SETTINGS_PATH)).filter(|path| Path::exists(path)))
}

/// An error with its causes, one a line.
fn error_text(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text.push_str("\n  because: ");
        text.push_str(&source.to_string());
        cause = source.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::{CommandFactory as _, Parser as _};

    #[test]
    fn the_command_line_is_well_formed() {
        Arguments::command().debug_assert();
    }

    fn asked(folder: &Path, line: &[&str]) -> (ExitCode, String, String) {
        let settings = folder.join("cash-server.toml");
        let mut words = vec!["cash-server", "--settings", settings.to_str().unwrap()];
        words.extend(line);
        let (mut output, mut errors) = (Vec::new(), Vec::new());
        let code = run(Arguments::parse_from(words), &mut output, &mut errors);
        (code, String::from_utf8(output).unwrap(), String::from_utf8(errors).unwrap())
    }

    fn folder() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let text = "[server]\ndata_dir = \"data\"\npublic_host = \"10.0.0.5\"\n[rest]\nlisten = \"127.0.0.1:1\"\n";
        fs_err::write(folder.path().join("cash-server.toml"), text).unwrap();
        folder
    }

    #[test]
    fn a_till_is_made_listed_parked_and_removed_without_a_server() {
        let folder = folder();
        let ask = |line: &[&str]| {
            let (code, output, errors) = asked(folder.path(), line);
            assert_eq!(code, ExitCode::SUCCESS, "{line:?}: {errors}");
            output
        };
        ask(&["node", "add", "shop", "7", "--name", "North"]);
        let ini = ask(&["node", "add", "till", "1", "--parent", "shop-7"]);
        assert!(ini.contains("cash.secret=tws1_"), "{ini}");
        assert!(ini.contains("grpchostcs=10.0.0.5"), "{ini}");
        ask(&["node", "park", "till-7-1"]);
        let listed = ask(&["node", "list"]);
        assert!(listed.contains("shop-7") && listed.contains("North") && listed.contains("parked"), "{listed}");
        let json: serde_json::Value = serde_json::from_str(&ask(&["--json", "node", "list"])).unwrap();
        assert_eq!(json.as_array().unwrap().len(), 3);
        let told = ask(&["attach-code", "for", "till-7-1", "--hours", "2"]);
        let code = told.split_whitespace().find_map(|word| word.parse::<tillway_proto::AttachCode>().ok());
        assert!(told.contains("sync-agent attach 10.0.0.5:1 ") && code.is_some(), "{told}");
        let csv = folder.path().join("tills.csv");
        fs_err::write(&csv, "shop,till,name\n7,1,\n7,2,Second\n").unwrap();
        let codes = ask(&["attach-code", "csv", csv.to_str().unwrap()]);
        assert!(codes.starts_with("shop,till,name,id,code,ends_at\n7,1,1,_cash_1_"), "{codes}");
        assert!(codes.contains("\n7,2,Second,_cash_2_") && codes.lines().count() == 3, "{codes}");
        ask(&["attach-code", "end", "till-7-2"]);
        let codes: serde_json::Value = serde_json::from_str(&ask(&["--json", "attach-code", "ls"])).unwrap();
        let states: Vec<_> = codes.as_array().unwrap().iter().map(|code| code["state"].as_str().unwrap()).collect();
        assert_eq!(states.iter().filter(|state| **state == "open").count(), 1, "{codes:#}");
        assert_eq!(states.len(), 3);
        ask(&["node", "remove", "till-7-2"]);
        let settings = ask(&["till", "settings", "till-7-1"]);
        assert!(settings.contains("cash.secret=\n") && settings.contains("storeid=_shop_7_"), "{settings}");
        ask(&["node", "unpark", "till-7-1"]);
        ask(&["node", "remove", "till-7-1"]);
        assert!(!ask(&["node", "list"]).contains("till-7-1"));
    }

    #[test]
    fn settings_of_tills_are_set_and_shown_without_a_server_and_a_wrong_one_is_named() {
        let folder = folder();
        let done = |line: &[&str]| {
            let (code, output, errors) = asked(folder.path(), line);
            assert_eq!(code, ExitCode::SUCCESS, "{line:?}: {errors}");
            output
        };
        done(&["node", "add", "shop", "7"]);
        done(&["node", "add", "till", "1", "--parent", "shop-7"]);
        done(&["node", "settings", "shop-7", "queuechunksize=100", "usequeueinupload=false"]);
        let of_till = || -> serde_json::Value {
            let shown: serde_json::Value =
                serde_json::from_str(&done(&["--json", "node", "settings", "till-7-1"])).unwrap();
            shown.as_array().unwrap().iter().find(|one| one["key"] == "queuechunksize").unwrap().clone()
        };
        assert_eq!((&of_till()["value"], &of_till()["set_by"]), (&"100".into(), &"shop-7".into()));
        let table = done(&["node", "settings", "till-7-1"]);
        assert!(table.contains("usequeueinupload") && table.contains("False"), "{table}");
        done(&["node", "settings", "shop-7", "queuechunksize="]);
        assert_eq!(of_till()["value"], "25000");
        let (code, _, errors) = asked(folder.path(), &["node", "settings", "till-7-1", "queuechunksize=0"]);
        assert_eq!(code, ExitCode::from(EXIT_FAILED));
        assert!(errors.contains("from 1 to 1000000"), "{errors}");
    }

    #[test]
    fn faults_of_settings_and_a_server_that_is_not_there_have_their_exit_codes() {
        let folder = folder();
        let (code, _, errors) = asked(folder.path(), &["tills"]);
        assert_eq!(code, ExitCode::from(EXIT_NO_SERVER), "{errors}");
        fs_err::write(folder.path().join("cash-server.toml"), "[broker]\nport = 0\n").unwrap();
        let (code, output, errors) = asked(folder.path(), &["check"]);
        assert_eq!(code, ExitCode::from(EXIT_SETTINGS));
        assert!(output.contains("line 2: broker.port"), "{output}{errors}");
        let (code, _, errors) = asked(folder.path(), &["run"]);
        assert_eq!(code, ExitCode::from(EXIT_SETTINGS));
        assert!(errors.contains("line 2: broker.port"), "{errors}");
    }

    #[test]
    fn a_socket_that_a_crash_has_left_is_no_server() {
        let folder = folder();
        let data = folder.path().join("data");
        fs_err::create_dir(&data).unwrap();
        drop(std::os::unix::net::UnixListener::bind(crate::socket::path(&data)).unwrap());
        assert!(crate::socket::path(&data).exists());
        let (code, output, errors) = asked(folder.path(), &["node", "list"]);
        assert_eq!(code, ExitCode::SUCCESS, "{errors}");
        assert!(output.contains("All"), "{output}");
        let (code, _, errors) = asked(folder.path(), &["tills"]);
        assert_eq!(code, ExitCode::from(EXIT_NO_SERVER), "{errors}");
    }

    #[test]
    fn commands_that_come_at_once_take_their_turns() {
        let folder = folder();
        std::thread::scope(|scope| {
            let codes: Vec<String> = (1..=8).map(|code| code.to_string()).collect();
            for code in codes {
                let folder = folder.path();
                scope.spawn(move || {
                    let (ended, _, errors) = asked(folder, &["node", "add", "shop", &code]);
                    assert_eq!(ended, ExitCode::SUCCESS, "{errors}");
                });
            }
        });
        let (_, listed, _) = asked(folder.path(), &["--json", "node", "list"]);
        let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
        assert_eq!(listed.as_array().unwrap().len(), 9, "{listed:#}");
    }

    /// What is asked of the language, not of the environment of whoever tests.
    #[test]
    fn commands_answer_in_the_language_of_the_terminal() {
        let folder = folder();
        let settings = folder.path().join("cash-server.toml");
        let ask = |line: &[&str]| {
            let words = ["cash-server", "--settings", settings.to_str().unwrap()];
            let (mut output, mut errors) = (Vec::new(), Vec::new());
            let arguments = Arguments::parse_from(words.iter().chain(line));
            run_in(Language::Russian, arguments, &mut output, &mut errors);
            String::from_utf8([output, errors].concat()).unwrap()
        };
        ask(&["node", "add", "shop", "7"]);
        ask(&["node", "add", "till", "1", "--parent", "shop-7"]);
        assert!(ask(&["node", "park", "till-7-1"]).contains("на ремонте"));
        assert!(ask(&["node", "list"]).contains("на ремонте"));
        let told = ask(&["node", "add", "till", "1", "--parent", "shop-7"]);
        assert!(told.contains("код 1 занят") && !told.contains("taken"), "{told}");
        let told = ask(&["tills"]);
        assert!(told.contains("сервер не отвечает по адресу"), "{told}");
    }

    #[test]
    fn the_printed_settings_are_the_default() {
        let folder = folder();
        assert_eq!(asked(folder.path(), &["settings"]).1, DEFAULT_SETTINGS);
    }
}
