//! `backup …`: asked of the running server, or done on the files themselves where none is needed.

use super::CliError;
use super::client::Client;
use super::table::Output;
use crate::backup::archive::{self, Manifest};
use crate::backup::restore::{Order, Restored, restore};
use crate::backup::targets::{self, Target};
use crate::backup::{BackupError, Kept, Reconciled, Step, key, list};
use crate::rest::backups::{BackupView, BackupsView, EndedView, UnderWay};
use crate::settings::{BackupPlace, Settings, StoreSettings, store_endpoint};
use crate::words::FluentValue;
use clap::{Args, Subcommand, ValueEnum};
use reqwest::Url;
use serde_json::{Value, json};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};
use tillway_service::actor::{Actor, Caller, Face};
use tillway_service::system_user;

const PATH: &str = "/api/v1/backups";

/// How often is looked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// How often the terminal is told how far reading is.
const TELL_EVERY: Duration = Duration::from_millis(200);

/// Where backups lie, in place of what `[backup]` in the settings says. For `list`, `verify` and
/// `restore`, which work without a server: on a new machine these options and the key are all that
/// is needed.
#[derive(Debug, Args)]
pub struct PlaceArgs {
    /// In a folder, or in a store that speaks S3.
    #[arg(long, global = true, value_name = "SORT")]
    pub to: Option<PlaceSort>,
    /// The folder.
    #[arg(long, global = true, value_name = "FOLDER")]
    pub dir: Option<PathBuf>,
    /// The address of the store, as `https://s3.example.org`; without it AWS.
    #[arg(long, global = true, value_name = "URL", value_parser = endpoint)]
    pub s3_endpoint: Option<Url>,
    /// The store's region.
    #[arg(long, global = true, value_name = "REGION")]
    pub s3_region: Option<String>,
    /// The bucket.
    #[arg(long, global = true, value_name = "BUCKET")]
    pub s3_bucket: Option<String>,
    /// What names in the bucket begin with.
    #[arg(long, global = true, value_name = "PREFIX")]
    pub s3_prefix: Option<String>,
    /// The file with the id of the access key in its first line and its secret in the second.
    #[arg(long, global = true, value_name = "FILE")]
    pub s3_key_file: Option<PathBuf>,
    /// The authority that signed the store's certificate, PEM.
    #[arg(long, global = true, value_name = "FILE")]
    pub s3_authority: Option<PathBuf>,
    /// The bucket stands in the host's name, not in the path.
    #[arg(long, global = true)]
    pub s3_bucket_in_host: bool,
    /// The store may be spoken to without TLS.
    #[arg(long, global = true)]
    pub s3_allow_http: bool,
}

/// A sort of place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum PlaceSort {
    /// A folder.
    Folder,
    /// A store that speaks S3.
    S3,
}

/// What can be done with backups.
#[derive(Debug, Subcommand)]
pub enum BackupCommand {
    /// List those that are kept, and how their rehearsals ended.
    #[command(visible_alias = "ls")]
    List,
    /// Make one now, and wait for it. Asks the running server.
    Create,
    /// Unpack the newest one, open it as a server would, compare, and wait for that. Asks the
    /// running server.
    Rehearse,
    /// Read one to its end and hold every file in it against what it was made of.
    Verify {
        /// Its name, as `backup list` shows it, or a file.
        backup: PathBuf,
        /// The file with the key that opens it; by default this server's.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
    },
    /// Print the key that opens the backups of this server: keep it apart from this machine.
    Key,
    /// Put one back, where no server runs.
    Restore {
        /// Its name, as `backup list` shows it, or a file.
        backup: PathBuf,
        /// The file with the key that opens it; by default this server's.
        #[arg(long, value_name = "FILE")]
        key_file: Option<PathBuf>,
        /// Take the place of the databases that are there: they are moved aside, not deleted.
        #[arg(long)]
        replace: bool,
        /// Do it without `peers.json`, which lies beside backups: tills that were removed since
        /// come back.
        #[arg(long)]
        without_peers: bool,
    },
}

fn endpoint(text: &str) -> Result<Url, String> {
    store_endpoint(text).ok_or_else(|| "an address as https://s3.example.org".to_owned())
}

impl PlaceArgs {
    /// The place that they name, over that of the settings.
    fn over(&self, settings: &Settings) -> BackupPlace {
        let (folder, store) = match &settings.backup.place {
            BackupPlace::Folder(folder) => (Some(folder), None),
            BackupPlace::Store(store) => (None, Some(store)),
        };
        let named = self.s3_bucket.is_some() || self.s3_endpoint.is_some();
        let is_store = match self.to {
            Some(sort) => sort == PlaceSort::S3,
            None => named || (store.is_some() && self.dir.is_none()),
        };
        if !is_store {
            let own = || folder.cloned().unwrap_or_else(|| BackupPlace::default_folder(&settings.data_dir));
            return BackupPlace::Folder(self.dir.clone().unwrap_or_else(own));
        }
        let text = |own: &Option<String>, there: fn(&StoreSettings) -> &String, else_: &str| {
            own.clone().or_else(|| store.map(there).cloned()).unwrap_or_else(|| else_.to_owned())
        };
        let prefix = text(&self.s3_prefix, |store| &store.prefix, "");
        let there = |of: fn(&StoreSettings) -> bool| store.is_some_and(of);
        BackupPlace::Store(StoreSettings {
            endpoint: self.s3_endpoint.clone().or_else(|| store.and_then(|store| store.endpoint.clone())),
            region: text(&self.s3_region, |store| &store.region, "us-east-1"),
            bucket: text(&self.s3_bucket, |store| &store.bucket, ""),
            prefix: prefix.trim().trim_matches('/').to_owned(),
            key_file: self
                .s3_key_file
                .clone()
                .or_else(|| store.map(|store| store.key_file.clone()))
                .unwrap_or_default(),
            authority: self.s3_authority.clone().or_else(|| store.and_then(|store| store.authority.clone())),
            bucket_in_host: self.s3_bucket_in_host || there(|store| store.bucket_in_host),
            allow_http: self.s3_allow_http || there(|store| store.allow_http),
        })
    }
}

pub(super) fn backup(
    mut settings: Settings,
    place: &PlaceArgs,
    command: BackupCommand,
    answer: &mut Output<'_>,
) -> Result<(), CliError> {
    settings.backup.place = place.over(&settings);
    let settings = &settings;
    match command {
        BackupCommand::List => list_kept(settings, answer),
        BackupCommand::Create => {
            let failed = |reason| CliError::NotMade { reason };
            let state = ask_and_wait(settings, PATH, |state| state.backup_ended.clone(), failed)?;
            tell_made(&state, answer)
        }
        BackupCommand::Rehearse => {
            let (path, failed) = (format!("{PATH}/rehearsal"), |reason| CliError::NotRehearsed { reason });
            let state = ask_and_wait(settings, &path, |state| state.rehearsal_ended.clone(), failed)?;
            let Some(newest) = state.backups.first() else { return Ok(()) };
            let (file, rows) = (file_of(&state, newest), newest.rehearsed_rows.unwrap_or_default());
            let told = answer.words.text("cli-backup-rehearsed", [("file", file.into()), ("rows", rows.into())]);
            answer.line(&json!(newest), &told)
        }
        BackupCommand::Verify { backup, key_file } => {
            let (from, name) = find(settings, &backup)?;
            let file = from.path_of(&name);
            let key = key_file_of(settings, key_file, &file).as_deref().map(key::read).transpose();
            let key = key.map_err(BackupError::from)?;
            let mut told = Told::new(Step::Verifying, bytes_of(&*from, &name));
            let mut reading = |bytes| {
                told.tell(bytes);
                true
            };
            let manifest = archive::read(from.open(&name, &|| true)?, &file, key.as_ref(), None, &mut reading);
            show(None);
            let manifest = manifest?;
            let mut told = of_manifest(&manifest);
            told.push(("file", file.display().to_string().into()));
            let told = answer.words.text("cli-backup-whole", told);
            answer.line(&json!({"file": file, "at": manifest.at, "files": manifest.files.len()}), &told)
        }
        BackupCommand::Key => {
            let path = key::path(&settings.data_dir);
            // Only one that is a key is printed as such.
            key::read(&path).map_err(BackupError::from)?;
            let text = fs_err::read_to_string(&path).map_err(|source| BackupError::Read { path, source })?;
            answer.line(&json!({"key": text.trim()}), text.trim())
        }
        BackupCommand::Restore { backup, key_file, replace, without_peers } => {
            let (from, name) = find(settings, &backup)?;
            let key_file = key_file_of(settings, key_file, &from.path_of(&name));
            let mut told = Told::new(Step::Unpacking, bytes_of(&*from, &name));
            let order = Order {
                from: &*from,
                name: &name,
                key_file: key_file.as_deref(),
                data_dir: &settings.data_dir,
                replace,
                without_peers,
                reading: &mut |bytes| told.tell(bytes),
            };
            let actor = Actor::SystemUser(system_user::name_of(system_user::own_number()));
            let caller = Caller { actor, face: Face::CommandLine, address: None, grant: None };
            let restored = restore(order, &caller);
            show(None);
            tell_restored(&restored?, answer)
        }
    }
}

fn list_kept(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let target = targets::open(&settings.backup.place)?;
    let view = |kept: Kept| BackupView::of(kept, answer.words);
    let kept: Vec<BackupView> = list(&*target)?.into_iter().map(view).collect();
    answer.table(
        &json!(kept),
        &[
            ("BACKUP", "/name"),
            ("OF", "/at"),
            ("BYTES", "/bytes"),
            ("REHEARSED", "/rehearsed_at"),
            ("ROWS", "/rehearsed_rows"),
            ("FAULT", "/fault"),
        ],
    )
}

/// Asks for it, and waits until one more has ended than before. How far it is stands on the
/// terminal.
fn ask_and_wait(
    settings: &Settings,
    path: &str,
    ended: impl Fn(&BackupsView) -> Option<EndedView>,
    failed: impl Fn(String) -> CliError,
) -> Result<BackupsView, CliError> {
    let client = Client::new(settings).map_err(CliError::Client)?;
    let look = || client.read::<BackupsView>(PATH).map_err(CliError::Client);
    let before = ended(&look()?);
    let _: Value = client.post(path, &json!({})).map_err(CliError::Client)?;
    loop {
        thread::sleep(LOOK_EVERY);
        let state = look()?;
        match ended(&state) {
            now if now == before => show(state.under_way.as_ref()),
            Some(EndedView { fault: Some(fault), .. }) => {
                show(None);
                return Err(failed(fault));
            }
            _ => {
                show(None);
                return Ok(state);
            }
        }
    }
}

/// Tells how far reading is, not too often.
struct Told {
    step: Step,
    total: u64,
    last: Instant,
}

impl Told {
    fn new(step: Step, total: u64) -> Self {
        Self { step, total, last: Instant::now() }
    }

    fn tell(&mut self, done: u64) {
        if self.last.elapsed() >= TELL_EVERY {
            self.last = Instant::now();
            show(Some(&UnderWay { step: self.step.as_str().to_owned(), done, total: self.total }));
        }
    }
}

/// Bytes of a backup, as far as they can be told.
fn bytes_of(from: &dyn Target, name: &str) -> u64 {
    let found = from.list().unwrap_or_default().into_iter().find(|found| found.name == name);
    found.map_or(0, |found| found.bytes)
}

/// Shows how far it is, on one line of a terminal.
fn show(under_way: Option<&UnderWay>) {
    let mut errors = io::stderr();
    if !errors.is_terminal() {
        return;
    }
    let told = under_way.map_or_else(String::new, |UnderWay { step, done, total }| {
        let mib = |bytes: &u64| bytes >> 20;
        if *done == 0 { step.clone() } else { format!("{step}: {} of {} MiB", mib(done), mib(total)) }
    });
    // Nobody is left to tell where the terminal is gone.
    let _ = write!(errors, "\r\x1b[K{told}").and_then(|()| errors.flush());
}

fn file_of(state: &BackupsView, backup: &BackupView) -> String {
    Path::new(&state.folder).join(&backup.name).display().to_string()
}

fn tell_made(state: &BackupsView, answer: &mut Output<'_>) -> Result<(), CliError> {
    let Some(newest) = state.backups.first() else { return Ok(()) };
    let file = file_of(state, newest);
    let mut told = answer.words.text("cli-backup-made", [("file", file.into()), ("bytes", newest.bytes.into())]);
    if state.same_disk {
        told.push('\n');
        told.push_str(&answer.words.text("cli-backup-same-disk", []));
    }
    answer.line(&json!(newest), &told)
}

fn tell_restored(restored: &Restored, answer: &mut Output<'_>) -> Result<(), CliError> {
    let Restored { manifest, rows, aside, settings, peers } = restored;
    let words = answer.words;
    let mut of_it = of_manifest(manifest);
    of_it.push(("rows", (*rows).into()));
    let mut told = vec![words.text("cli-restored", of_it)];
    let path = |path: &Path| FluentValue::from(path.display().to_string());
    told.extend(aside.as_ref().map(|aside| words.text("cli-restored-aside", [("folder", path(aside))])));
    told.extend(settings.as_ref().map(|file| words.text("cli-restored-settings", [("file", path(file))])));
    let tills = |names: &[String]| (!names.is_empty()).then(|| [("tills", FluentValue::from(names.join(", ")))]);
    match peers {
        None => told.push(words.text("cli-restored-without-peers", [])),
        Some(Reconciled { removed, without_token, unknown }) => {
            told.extend(tills(removed).map(|tills| words.text("cli-restored-removed", tills)));
            told.extend(tills(without_token).map(|tills| words.text("cli-restored-without-token", tills)));
            told.extend(tills(unknown).map(|tills| words.text("cli-restored-unknown", tills)));
        }
    }
    told.push(words.text("cli-restored-start", []));
    let value = json!({"at": manifest.at, "rows": rows, "aside": aside, "settings": settings, "peers": peers});
    answer.line(&value, &told.join("\n"))
}

/// What a person is told of a backup.
fn of_manifest(manifest: &Manifest) -> Vec<(&'static str, FluentValue<'static>)> {
    let Manifest { at, version, server, files, .. } = manifest;
    vec![
        ("files", files.len().into()),
        ("server", server.clone().into()),
        ("version", version.clone().into()),
        ("at", format!("{at:.0}").into()),
    ]
}

/// A file, or one of those that are kept: where it lies, and its name there.
fn find(settings: &Settings, named: &Path) -> Result<(Arc<dyn Target>, String), CliError> {
    let name = named.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let is_kept = named.components().count() == 1 && !named.exists();
    if is_kept {
        return Ok((targets::open(&settings.backup.place)?, name));
    }
    // A bare name has an empty parent.
    let whole = std::path::absolute(named).unwrap_or_else(|_| named.to_owned());
    let folder = whole.parent().unwrap_or(Path::new("/")).to_owned();
    Ok((targets::open(&BackupPlace::Folder(folder))?, name))
}

/// The key that is named, else that of this server where it is needed and there.
fn key_file_of(settings: &Settings, named: Option<PathBuf>, backup: &Path) -> Option<PathBuf> {
    let own = || Some(key::path(&settings.data_dir)).filter(|path| archive::is_sealed(backup) && path.exists());
    named.or_else(own)
}
