//! What an attached till keeps: which files, in which order, whose they are.
//!
//! | file | what | when |
//! |---|---|---|
//! | `<data>/attach.attempt` | the use of a code that is under way | before the code is used; goes at the end |
//! | `<data>/trust/authorities.pem` | whose certificates the till trusts | first |
//! | `dept.broker.passwordfile` | the broker's password, where all tills share one; else a former one goes aside | then |
//! | `cash.ini.before-<time>` | a copy of the former `cash.ini` | then |
//! | `cash.ini` | settings and secret | last: with it the till is attached |
//!
//! Only their owner reads them (mode 600). Written by root they belong to whom the data folder
//! belongs: the service's user. Of a `cash.ini` that is there, comments and keys that the server
//! does not give stay as they are.

use super::connection::ServerAddress;
use super::error::AttachError;
use crate::settings::ini::Ini;
use crate::settings::{Layout, SECTION, Settings, SettingsError, Trust};
use fs_err as fs;
use jiff::Timestamp;
use serde_json::{Map, Value};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use tillway_file_queue::durable;
use tillway_proto::attach::{Attached, Attempt};
use tillway_proto::cash_ini::{CashIni, Properties};
use tillway_proto::version::PROTOCOL;
use tillway_proto::{CodeName, TillId};

/// In the place of keys that are not there yet, to read all others.
const PLACEHOLDERS: [(&str, &str); 2] = [("cash.code", "_cash_0_00000000"), ("dept.broker.ip", "localhost")];

/// Keys that stay as a site has set them.
const OF_THE_SITE: [&str; 1] = ["brokerconnectionheartbeat"];

/// Where a till's files lie.
#[derive(Debug)]
pub(crate) struct Place {
    /// `cash.ini`; where it is a link, what it leads to.
    pub(crate) settings_file: PathBuf,
    layout: Layout,
    /// As it was found; none where there was none.
    ini: Option<Ini>,
    /// As they are, or will be where they are not set yet.
    pub(crate) settings: Settings,
}

impl Place {
    /// Looks at what is there. A `cash.ini` with faults is refused before any code is used.
    pub(crate) fn find(path: &Path, layout: Layout) -> Result<Self, AttachError> {
        // A link stays a link: the file behind it is the one to replace.
        let path = fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        let ini = match fs::read(&path) {
            Ok(bytes) => Some(Ini::parse(&bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => None,
            Err(source) => return Err(AttachError::File { source }),
        };
        let mut trial = ini.clone().unwrap_or_else(|| Ini::parse(b""));
        set_protocol(&mut trial);
        for (key, value) in PLACEHOLDERS {
            if value_of(&trial, key).is_none() {
                set(&mut trial, key, value)?;
            }
        }
        let settings = parse(&trial, &path, &layout)?;
        Ok(Self { settings_file: path, layout, ini, settings })
    }

    /// Which till this is by its `cash.ini`.
    pub(crate) fn own_till(&self) -> Option<TillId> {
        let code = self.ini.as_ref().and_then(|ini| value_of(ini, "cash.code"));
        code.map(|_| self.settings.till.clone())
    }

    /// The folder of what the agent remembers.
    pub(crate) fn data(&self) -> &Path {
        &self.settings.paths.data
    }

    fn authorities(&self) -> PathBuf {
        Trust::file(self.data())
    }
}

/// The attempt at using one code.
#[derive(Debug)]
pub(super) struct Attempts {
    path: PathBuf,
    attempt: Attempt,
}

impl Attempts {
    /// The one that was begun before with this code, else a new one, which is on disk then.
    pub(super) fn open(place: &Place, code: CodeName) -> Result<Self, AttachError> {
        let path = place.data().join("attach.attempt");
        let kept = fs::read_to_string(&path).unwrap_or_default();
        let kept = kept.trim().split_once(' ').filter(|(name, _)| *name == code.to_string());
        if let Some(attempt) = kept.and_then(|(_, attempt)| Attempt::of_text(attempt)) {
            return Ok(Self { path, attempt });
        }
        let attempt = Attempt::generate();
        let write = || {
            durable::create_dir_all(place.data())?;
            durable::write_secret(&path, &format!("{code} {}\n", attempt.to_text()))?;
            give(&path, place.data())
        };
        write().map_err(|source| AttachError::File { source })?;
        Ok(Self { path, attempt })
    }

    pub(super) fn attempt(&self) -> Attempt {
        self.attempt
    }

    /// All is written.
    pub(super) fn done(self) {
        // Left behind it is of no use to anybody: its code is used.
        let _ = fs::remove_file(&self.path);
    }
}

/// Writes what the till was given. Gives where the former `cash.ini` is kept.
pub(super) fn write(
    place: &Place,
    attached: &Attached,
    server: &ServerAddress,
) -> Result<Option<PathBuf>, AttachError> {
    let file = |source| AttachError::File { source };
    let ini = settings(place, attached, server)?;
    // Nothing is written that the agent would not start with.
    parse(&ini, &place.settings_file, &place.layout)?;
    if Trust::of(attached.authorities.clone()).is_none() {
        let detail = "its authorities do not read".to_owned();
        return Err(AttachError::Unreadable { server: server.to_string(), detail });
    }
    let keep = |path: &Path, bytes: &[u8]| {
        durable::write_secret_bytes(path, bytes)?;
        give(path, place.data())
    };
    let authorities = place.authorities();
    let trust = authorities.parent().unwrap_or(place.data());
    durable::create_dir_all(trust).map_err(file)?;
    fs::set_permissions(trust, std::fs::Permissions::from_mode(0o700)).map_err(file)?;
    give(trust, place.data()).map_err(file)?;
    keep(&authorities, attached.authorities.as_bytes()).map_err(file)?;
    let now = Timestamp::now();
    let aside = |path: &Path| {
        let mut name = path.file_name().unwrap_or_default().to_owned();
        name.push(format!(".before-{}", now.strftime("%Y%m%dT%H%M%SZ")));
        path.with_file_name(name)
    };
    let of_before = Layout::password_file(&place.settings_file);
    match &attached.broker_password {
        Some(password) => {
            keep(&place.settings.broker.password_file, format!("{password}\n").as_bytes()).map_err(file)?;
        }
        // The till has a login of its own, and a password that lies there would win.
        None if of_before.exists() => durable::rename(&of_before, &aside(&of_before)).map_err(file)?,
        None => {}
    }
    let former = place.ini.as_ref().map(|ini| {
        let path = aside(&place.settings_file);
        keep(&path, &ini.to_bytes()).map(|()| path)
    });
    let former = former.transpose().map_err(file)?;
    keep(&place.settings_file, &ini.to_bytes()).map_err(file)?;
    Ok(former)
}

/// The new `cash.ini`.
fn settings(place: &Place, attached: &Attached, server: &ServerAddress) -> Result<Ini, AttachError> {
    let mut given = attached.settings.clone();
    given.secret = attached.secret.to_text();
    let Properties { broker_host, packages_host, sales_host, rest_host, .. } = &mut given;
    for host in [broker_host, packages_host, sales_host, rest_host] {
        if host.is_empty() {
            host.clone_from(&server.host);
        }
    }
    let unreadable = |detail: String| AttachError::Unreadable { server: server.to_string(), detail };
    let Some(before) = &place.ini else {
        let text = CashIni { properties: given }.to_text().map_err(|error| unreadable(error.to_string()))?;
        return Ok(Ini::parse(text.as_bytes()));
    };
    let mut ini = before.clone();
    let given: Map<String, Value> = match serde_json::to_value(&given) {
        Ok(Value::Object(given)) => given,
        Ok(_) => Map::new(),
        Err(error) => return Err(unreadable(error.to_string())),
    };
    let by_hand = place.settings.sales.root_certificate.is_some();
    for (key, value) in given {
        let stays = OF_THE_SITE.contains(&key.as_str()) || (by_hand && key == "grpchostcs");
        if stays && value_of(&ini, &key).is_some() {
            continue;
        }
        let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        set(&mut ini, &key, &value)?;
    }
    // Left out where it is not so.
    if attached.settings.broker_tls.is_none() && value_of(&ini, "dept.broker.tls").is_some() {
        set(&mut ini, "dept.broker.tls", "False")?;
    }
    // The token is derived from the secret, and so is the till's own login at the broker.
    let derived = ["cash.token", "dept.broker.user", "dept.broker.passwordfile"];
    let derived =
        &derived[..if attached.broker_password.is_none() && attached.settings.broker_user.is_none() { 3 } else { 1 }];
    for key in derived {
        if value_of(&ini, key).is_some() {
            set(&mut ini, key, "")?;
        }
    }
    set_protocol(&mut ini);
    Ok(ini)
}

fn value_of<'a>(ini: &'a Ini, key: &str) -> Option<&'a str> {
    ini.find(SECTION, key).and_then(|entry| entry.value).filter(|value| !value.is_empty())
}

fn set(ini: &mut Ini, key: &str, value: &str) -> Result<(), AttachError> {
    let wrong = |error: crate::settings::ini::ValueError| AttachError::Settings {
        path: PathBuf::from(key),
        faults: error.to_string(),
    };
    ini.set(SECTION, key, value).map(drop).map_err(wrong)
}

/// A till of another product that is attached here speaks our protocol from then on.
fn set_protocol(ini: &mut Ini) {
    if value_of(ini, "protocolversion").is_some() {
        // A number is a value of one line.
        let _ = ini.set(SECTION, "protocolversion", &PROTOCOL.to_string());
    }
}

fn parse(ini: &Ini, path: &Path, layout: &Layout) -> Result<Settings, AttachError> {
    Settings::parse(&ini.to_bytes(), path, layout).map_err(|error| match error {
        SettingsError::Wrong { path, faults } => AttachError::Settings { path, faults: faults.to_string() },
        SettingsError::File { source, .. } => AttachError::File { source },
        other => AttachError::Settings { path: path.to_owned(), faults: format!("\n  {other}") },
    })
}

/// Gives what root made to whom the data folder belongs.
fn give(path: &Path, data: &Path) -> io::Result<()> {
    let (made, owner) = (fs::metadata(path)?, fs::metadata(data)?);
    if made.uid() == owner.uid() && made.gid() == owner.gid() {
        return Ok(());
    }
    match chown(path, Some(owner.uid()), Some(owner.gid())) {
        // Whoever is not root makes files that are its own.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(()),
        given => given,
    }
}
