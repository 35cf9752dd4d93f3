//! `setup`: from the installed package to a page with its administrator. Settings, users of the
//! broker, the administrator, the addresses that tills get.
//!
//! Each step looks first what is there and changes only what differs, so it may be carried out
//! again at any time, with other answers too. Nothing is written before the settings that would
//! come out of it were read without a fault.

mod broker;
mod settings_file;

use super::table::Output;
use super::{CliError, SETTINGS_PATH, check};
use crate::backup::key;
use crate::certificates::{self, Certificates};
use crate::settings::credentials::{self, Credentials, CredentialsError};
use crate::settings::{Settings, SettingsError};
use crate::words::{self, FluentValue, Language, Words};
use broker::{BrokerUser, Rabbit, RabbitError, TillTls, plain_stays_open};
use clap::Args;
use fs_err as fs;
use jiff::Timestamp;
use std::io::{self, BufRead as _, IsTerminal as _};
use std::net::IpAddr;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use tillway_file_queue::durable;
use tillway_service::system_user::{ROOT, name_of, own_number};
use tillway_service::tls::TlsError;

/// The service of the package.
const SERVICE: &str = "tillway-cash-server.service";

/// The user of the broker that all tills logged in as, where `setup` was done before each got its
/// own login.
const TILLS: &str = "tills";

/// Where the broker of this machine has its management interface.
const MANAGEMENT_URL: &str = "http://127.0.0.1:15672";

/// The port of AMQP over TLS, as everywhere.
const TLS_PORT: u16 = 5671;

/// The folder of the broker's pair, beside the data folder.
const PAIR_DIR: &str = "broker-tls";

/// Here where systemd runs this machine.
const SYSTEMD: &str = "/run/systemd/system";

/// Of files with passwords that the service reads: its group may read them, nobody else.
const SECRET_MODE: u32 = 0o640;

/// What is set up. What is not said is asked for on a terminal, and else stays as it is.
#[derive(Debug, Args)]
pub struct SetupArgs {
    /// The host name or address under which tills reach this server.
    #[arg(long, value_name = "HOST")]
    pub public_host: Option<String>,
    /// What people call this server.
    #[arg(long)]
    pub name: Option<String>,
    /// All tills run on this machine, as in a trial.
    #[arg(long)]
    pub tills_on_this_machine: bool,
    /// The administrator of the page. Another name than before gets a new password.
    #[arg(long, value_name = "USER")]
    pub admin: Option<String>,
    /// A file with the administrator's password in its first line; by default one is made.
    #[arg(long, value_name = "FILE", requires = "admin")]
    pub admin_password_file: Option<PathBuf>,
    /// Leave the broker and its settings as they are: it runs on another machine, or has its
    /// users.
    #[arg(long)]
    pub without_broker: bool,
    /// Ask nothing.
    #[arg(long)]
    pub yes: bool,
}

/// Why a machine is not set up.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// Not root.
    #[error("this is for root: it makes files for the service, and users at the broker")]
    NotRoot,
    /// A file.
    #[error("failed to read or write what is set up")]
    File(#[source] io::Error),
    /// The credentials.
    #[error(transparent)]
    Credentials(CredentialsError),
    /// A name or password that would not be read as written.
    #[error("the administrator's name has no colon, and neither it nor the password is empty")]
    Administrator,
    /// The broker.
    #[error("the broker of this machine could not be set up; where it is another one, use --without-broker")]
    Broker(#[source] RabbitError),
    /// The pair for the broker.
    #[error("failed to make the broker's certificate")]
    Tls(#[source] TlsError),
    /// The service.
    #[error("the service does not start: see `systemctl status {SERVICE}`")]
    Service,
}

/// What is to be, once everything was asked.
struct Answers {
    public_host: Option<String>,
    name: Option<String>,
    admin: Option<String>,
}

pub(super) fn setup(path: Option<&Path>, asked: &SetupArgs, answer: &mut Output<'_>) -> Result<(), CliError> {
    if own_number() != ROOT {
        return Err(CliError::Setup(SetupError::NotRoot));
    }
    let words = words::of(Language::of_terminal());
    let path = path.map_or_else(|| PathBuf::from(SETTINGS_PATH), Path::to_path_buf);
    let before = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => String::new(),
        Err(error) => return Err(CliError::Settings(SettingsError::Read(error))),
    };
    let present = read(&before, &path)?;
    let answers = ask(asked, &present, words, answer)?;

    let folder = path.parent().unwrap_or(Path::new("/"));
    let after = with_answers(&before, asked, &answers, folder, &present);
    let settings = read(&after, &path)?;
    let failed = |error| CliError::Setup(SetupError::File(error));
    let mut tell = |id: &'static str, parameters: &[(&'static str, String)]| {
        let filled = parameters.iter().map(|(name, value)| (*name, FluentValue::from(value.as_str())));
        answer.text(&format!("{}\n", words.text(id, filled)))
    };
    fs::create_dir_all(folder).map_err(failed)?;
    if after != before {
        durable::write_atomic(&path, after.as_bytes()).map_err(failed)?;
        tell("setup-settings", &[("file", path.display().to_string())])?;
    }
    if !asked.without_broker {
        let tls = set_up_broker(&settings, folder, false).map_err(CliError::Setup)?;
        tell("setup-broker", &[])?;
        if let Some((id, parameters)) = tls {
            tell(id, &parameters)?;
        }
    }
    if let Some(admin) = &answers.admin {
        make_admin(&settings.data_dir, admin, asked.admin_password_file.as_deref()).map_err(CliError::Setup)?;
    }
    if let Some(key) = backup_key_to_show(&settings.data_dir).map_err(CliError::Setup)? {
        tell("setup-backup-key", &[("key", key)])?;
    }
    if Path::new(SYSTEMD).exists() {
        let started = Command::new("systemctl").args(["restart", SERVICE]).status().map_err(failed)?;
        if !started.success() {
            return Err(CliError::Setup(SetupError::Service));
        }
        let admin = credentials::admin_path(&settings.data_dir);
        let host = settings.public_host.clone().unwrap_or_else(|| "localhost".to_owned());
        let scheme = if settings.tls.plain.web { "http" } else { "https" };
        let page = format!("{scheme}://{host}:{}/", settings.web_listen.port());
        tell("setup-page", &[("page", page), ("file", admin.display().to_string())])?;
    } else {
        tell("setup-start", &[])?;
    }
    check::check(Some(&path), Path::new(SYSTEMD).exists(), answer)
}

fn read(text: &str, path: &Path) -> Result<Settings, CliError> {
    let base = path.parent().unwrap_or(Path::new("/"));
    let faults = |faults| CliError::Settings(SettingsError::Faults { path: Some(path.to_owned()), faults });
    Settings::read(text, base, std::env::vars()).map_err(faults)
}

/// Asks on a terminal for what the options do not say. An empty answer leaves what is there.
fn ask(asked: &SetupArgs, present: &Settings, words: &Words, answer: &mut Output<'_>) -> Result<Answers, CliError> {
    let mut answers =
        Answers { public_host: asked.public_host.clone(), name: asked.name.clone(), admin: asked.admin.clone() };
    if asked.yes || !io::stdin().is_terminal() {
        return Ok(answers);
    }
    let mut question = |id: &'static str, present: &str| {
        answer.text(&format!("{} [{present}]: ", words.text(id, [])))?;
        let mut line = String::new();
        io::stdin().lock().read_line(&mut line).map_err(|error| CliError::Setup(SetupError::File(error)))?;
        Ok::<_, CliError>(Some(line.trim().to_owned()).filter(|line| !line.is_empty()))
    };
    if answers.public_host.is_none() && !asked.tills_on_this_machine {
        let host = present.public_host.as_deref().unwrap_or_default();
        answers.public_host = question("setup-ask-host", host)?;
    }
    if answers.name.is_none() {
        answers.name = question("setup-ask-name", &present.name)?;
    }
    if answers.admin.is_none() {
        let admin = credentials::read(&credentials::admin_path(&present.data_dir));
        answers.admin = question("setup-ask-admin", admin.as_ref().map_or("admin", |admin| &admin.user))?;
    }
    Ok(answers)
}

/// The settings with what was answered. `present`: as they were read.
fn with_answers(before: &str, asked: &SetupArgs, answers: &Answers, folder: &Path, present: &Settings) -> String {
    let mut text = before.to_owned();
    let mut set = |section, key, value: toml::Value| text = settings_file::set(&text, section, key, &value.to_string());
    for (key, value) in [("public_host", &answers.public_host), ("name", &answers.name)] {
        if let Some(value) = value {
            set("server", key, value.clone().into());
        }
    }
    if asked.tills_on_this_machine {
        set("server", "tills_on_this_machine", true.into());
    }
    if !asked.without_broker {
        set("broker", "password_file", server_password(folder).display().to_string().into());
        set("broker", "management_url", MANAGEMENT_URL.into());
        // What somebody chose by hand stays.
        if is_here(&present.broker.host) && present.broker.pair_dir.is_none() && !present.broker.till_tls {
            let pair_dir = present.data_dir.with_file_name(PAIR_DIR);
            set("broker", "pair_dir", pair_dir.display().to_string().into());
            set("broker", "till_tls", true.into());
            set("broker", "till_port", i64::from(TLS_PORT).into());
        }
    }
    text
}

/// Whether the server reaches the broker by this machine's own address, which its plain port is
/// left to.
fn is_here(host: &str) -> bool {
    host == "localhost" || host.parse().is_ok_and(|address: IpAddr| address.is_loopback())
}

fn server_password(folder: &Path) -> PathBuf {
    folder.join("broker.password")
}

fn tills_password(folder: &Path) -> PathBuf {
    folder.join("tills.password")
}

/// `broker setup`: the part of `setup` that is about the broker, carried out or told.
pub(super) fn broker_alone(
    path: Option<&Path>,
    print: bool,
    close_plain: bool,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    let path = path.map_or_else(|| PathBuf::from(SETTINGS_PATH), Path::to_path_buf);
    let settings = Settings::load(Some(&path)).map_err(CliError::Settings)?;
    let folder = path.parent().unwrap_or(Path::new("/"));
    let words = words::of(Language::of_terminal());
    if print || own_number() != ROOT {
        let file = settings.broker.password_file.clone().unwrap_or_else(|| server_password(folder));
        let told = words.text("broker-setup-by-hand", [("file", FluentValue::from(file.display().to_string()))]);
        let users = users(&settings, folder, |_| Ok(String::new())).map_err(CliError::Setup)?;
        let tls = till_tls(&settings, close_plain);
        let commands = broker::told(&settings.broker.vhost, &users, tls.as_ref());
        return answer.text(&format!("{told}\n\n{commands}"));
    }
    let tls = set_up_broker(&settings, folder, close_plain).map_err(CliError::Setup)?;
    answer.text(&format!("{}\n", words.text("setup-broker", [])))?;
    let Some((id, parameters)) = tls else { return Ok(()) };
    let filled = parameters.iter().map(|(name, value)| (*name, FluentValue::from(value.as_str())));
    answer.text(&format!("{}\n", words.text(id, filled)))
}

/// A sentence: its id, and what it is made of.
type Sentence = (&'static str, [(&'static str, String); 2]);

/// Sets the broker up; what is to be said of its TLS.
fn set_up_broker(settings: &Settings, folder: &Path, close_plain: bool) -> Result<Option<Sentence>, SetupError> {
    let group = fs::metadata(&settings.data_dir).map_or(ROOT, |data| data.gid());
    let users = users(settings, folder, |file| password_in(file, group).map_err(SetupError::File))?;
    let (rabbit, tls) = (Rabbit::of_this_machine(), till_tls(settings, close_plain));
    if let Some(tls) = &tls {
        rabbit.make_pair_dir(tls).map_err(SetupError::Broker)?;
        make_pair(settings, tls.pair_dir)?;
    }
    let configured = rabbit.configure(tls.as_ref(), Path::new(SYSTEMD).exists());
    configured.and_then(|()| rabbit.set_up(&settings.broker.vhost, &users)).map_err(SetupError::Broker)?;
    Ok(tls.map(|tls| {
        let id = if tls.plain_is_open { "setup-broker-plain" } else { "setup-broker-tls" };
        (id, [("port", tls.port.to_string()), ("plain", tls.plain_port.to_string())])
    }))
}

/// TLS of tills, where the broker of this machine is to speak it.
fn till_tls(settings: &Settings, close_plain: bool) -> Option<TillTls<'_>> {
    let pair_dir = settings.broker.pair_dir.as_deref()?;
    let owner = fs::metadata(&settings.data_dir).map_or(ROOT, |data| data.uid());
    Some(TillTls {
        port: settings.broker.till_port.unwrap_or(TLS_PORT),
        pair_dir,
        owner: name_of(owner),
        plain_port: settings.broker.port,
        plain_is_open: plain_stays_open(close_plain),
    })
}

/// The pair is there before the broker reads it, and what was made for it is the service's.
fn make_pair(settings: &Settings, pair_dir: &Path) -> Result<(), SetupError> {
    Certificates::open(settings, Arc::new(Timestamp::now)).map_err(SetupError::Tls)?;
    let owner = fs::metadata(&settings.data_dir).map_err(SetupError::File)?;
    let folder = certificates::folder(&settings.data_dir);
    let inside = fs::read_dir(&folder).map_err(SetupError::File)?;
    let paths = inside.map(|entry| entry.map(|entry| entry.path())).collect::<io::Result<Vec<_>>>();
    for path in paths.map_err(SetupError::File)?.into_iter().chain([folder]) {
        chown(path, Some(owner.uid()), Some(owner.gid())).map_err(SetupError::File)?;
    }
    // Their group is the folder's.
    let copies = ["broker.pem", "broker.key"].map(|name| pair_dir.join(name));
    copies.iter().try_for_each(|copy| chown(copy, Some(owner.uid()), None)).map_err(SetupError::File)
}

/// The server's user; and the one of tills, where they had one.
fn users<'a>(
    settings: &'a Settings,
    folder: &Path,
    password: impl Fn(&Path) -> Result<String, SetupError>,
) -> Result<Vec<BrokerUser<'a>>, SetupError> {
    let own = settings.broker.password_file.clone().unwrap_or_else(|| server_password(folder));
    let server = BrokerUser {
        name: &settings.broker.user,
        password: password(&own)?,
        administrator: settings.broker.management_url.is_some(),
        rights: [".*"; 3],
    };
    let mut users = vec![server];
    let of_before = tills_password(folder);
    if of_before.exists() {
        let rights = ["^$", r"^tillway$", r"^tillway\."];
        users.push(BrokerUser { name: TILLS, password: password(&of_before)?, administrator: false, rights });
    }
    Ok(users)
}

/// The password in a file, which is made where it is not there. `group` may read it.
fn password_in(file: &Path, group: u32) -> io::Result<String> {
    if !file.exists() {
        durable::write_secret(file, &format!("{}\n", credentials::random_password()))?;
    }
    chown(file, None, Some(group))?;
    fs::set_permissions(file, std::fs::Permissions::from_mode(SECRET_MODE))?;
    Ok(fs::read_to_string(file)?.lines().next().unwrap_or_default().to_owned())
}

/// Writes the administrator's credentials, where they are not his already.
fn make_admin(data_dir: &Path, name: &str, password_file: Option<&Path>) -> Result<(), SetupError> {
    let path = credentials::admin_path(data_dir);
    let present = credentials::read(&path).ok();
    let password = match (password_file, &present) {
        (None, Some(Credentials { user, .. })) if user == name => return Ok(()),
        (None, _) => credentials::random_password(),
        (Some(file), _) => {
            fs::read_to_string(file).map_err(SetupError::File)?.lines().next().unwrap_or_default().to_owned()
        }
    };
    if name.is_empty() || name.contains(':') || password.is_empty() {
        return Err(SetupError::Administrator);
    }
    durable::write_secret(&path, &format!("{name}:{password}\n")).map_err(SetupError::File)?;
    // The service reads them as its own.
    let owner = fs::metadata(data_dir).map_err(SetupError::File)?;
    let folder = path.parent().unwrap_or(data_dir);
    let mark = credentials::made_mark(data_dir);
    if password_file.is_none() {
        durable::write_secret(&mark, "").map_err(SetupError::File)?;
        chown(&mark, Some(owner.uid()), Some(owner.gid())).map_err(SetupError::File)?;
    }
    for made in [folder, &path] {
        chown(made, Some(owner.uid()), Some(owner.gid())).map_err(SetupError::File)?;
    }
    Ok(())
}

/// The key that opens backups, once: whoever sets up writes it down. The service, which may have
/// been started before, shows it to nobody.
fn backup_key_to_show(data_dir: &Path) -> Result<Option<String>, SetupError> {
    let path = key::path(data_dir);
    let shown = path.with_extension("shown");
    if shown.exists() {
        return Ok(None);
    }
    key::load_or_make(data_dir).map_err(SetupError::Credentials)?;
    durable::write_secret(&shown, "").map_err(SetupError::File)?;
    let owner = fs::metadata(data_dir).map_err(SetupError::File)?;
    let folder = path.parent().unwrap_or(data_dir);
    for made in [folder, &path, &shown] {
        chown(made, Some(owner.uid()), Some(owner.gid())).map_err(SetupError::File)?;
    }
    let text = fs::read_to_string(&path).map_err(SetupError::File)?;
    Ok(Some(text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_key_of_backups_is_shown_once_whoever_made_it() {
        for made_by_the_service in [false, true] {
            let data = tempfile::tempdir().unwrap();
            if made_by_the_service {
                key::load_or_make(data.path()).unwrap();
            }
            let shown = backup_key_to_show(data.path()).unwrap().unwrap();
            assert!(shown.starts_with("AGE-SECRET-KEY-") && shown.lines().count() == 1, "{shown}");
            assert_eq!(fs::read_to_string(key::path(data.path())).unwrap().trim(), shown);
            assert_eq!(backup_key_to_show(data.path()).unwrap(), None);
        }
    }

    fn asked() -> SetupArgs {
        SetupArgs {
            public_host: None,
            name: None,
            tills_on_this_machine: false,
            admin: None,
            admin_password_file: None,
            without_broker: false,
            yes: true,
        }
    }

    #[test]
    fn answers_come_into_the_settings_and_the_second_time_changes_nothing() {
        let before = "# ours\n[broker]\nport = 5673\n";
        let answers =
            Answers { public_host: Some("10.0.0.5".to_owned()), name: Some("a \"b\"".to_owned()), admin: None };
        let folder = Path::new("/etc/tillway");
        let read = |text: &str| Settings::read(text, folder, []).unwrap();
        let present = read(before);
        let after = with_answers(before, &asked(), &answers, folder, &present);
        let settings = read(&after);
        assert_eq!((settings.public_host.as_deref(), settings.name.as_str()), (Some("10.0.0.5"), "a \"b\""));
        let management = settings.broker.management_url.as_ref().map(ToString::to_string);
        assert_eq!((settings.broker.port, management.as_deref()), (5673, Some("http://127.0.0.1:15672/")));
        assert!(after.starts_with("# ours\n"), "{after}");
        let none = Answers { public_host: None, name: None, admin: None };
        let tls = (settings.broker.till_tls, settings.broker.till_port, settings.broker.pair_dir.clone());
        assert_eq!(tls, (true, Some(5671), Some(PathBuf::from("/var/lib/tillway/broker-tls"))));
        assert_eq!(with_answers(&after, &asked(), &none, folder, &settings), after);
        let left = SetupArgs { without_broker: true, ..asked() };
        assert_eq!(with_answers(before, &left, &none, folder, &present), before);
        // TLS that somebody set up by hand, and a broker elsewhere, stay as they are.
        for before in ["[broker]\ntill_tls = true\ntill_port = 5999\n", "[broker]\nhost = \"10.0.0.6\"\n"] {
            let after = with_answers(before, &asked(), &none, folder, &read(before));
            let (then, now) = (read(before).broker, read(&after).broker);
            let of =
                |broker: &crate::settings::BrokerSettings| (broker.till_tls, broker.till_port, broker.pair_dir.clone());
            assert_eq!(of(&now), of(&then), "{after}");
        }
    }

    #[test]
    fn an_administrator_keeps_the_password_until_another_is_asked_for() {
        let data = tempfile::tempdir().unwrap();
        let read = || credentials::read(&credentials::admin_path(data.path())).unwrap();
        make_admin(data.path(), "anna", None).unwrap();
        let first = read();
        make_admin(data.path(), "anna", None).unwrap();
        assert_eq!((first.user.as_str(), &read()), ("anna", &first));
        let file = data.path().join("password");
        fs::write(&file, "a:b c\nsecond line\n").unwrap();
        make_admin(data.path(), "anna", Some(&file)).unwrap();
        assert_eq!(read(), Credentials::new("anna", "a:b c"));
        make_admin(data.path(), "boris", None).unwrap();
        assert_eq!(read().user, "boris");
        for name in ["", "a:b"] {
            assert!(matches!(make_admin(data.path(), name, None), Err(SetupError::Administrator)), "{name}");
        }
    }

    #[test]
    fn a_password_is_made_once_and_its_group_may_read_it() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("broker.password");
        let group = fs::metadata(folder.path()).unwrap().gid();
        let first = password_in(&file, group).unwrap();
        assert!(first.len() > 20);
        assert_eq!(password_in(&file, group).unwrap(), first);
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, SECRET_MODE);
    }
}
