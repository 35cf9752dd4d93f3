//! `backup …`: asked of the running server, or done on the files themselves where none is needed.

use super::client::Client;
use super::table::Output;
use super::{BackupCommand, CliError};
use crate::backup::archive::{self, Manifest};
use crate::backup::restore::{Order, Restored, restore};
use crate::backup::{BackupError, Reconciled, key, list};
use crate::rest::backups::{BackupView, BackupsView, EndedView, UnderWay};
use crate::settings::Settings;
use crate::words::FluentValue;
use serde_json::{Value, json};
use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;
use tillway_service::actor::{Actor, Caller, Face};
use tillway_service::system_user;

const PATH: &str = "/api/v1/backups";

/// How often is looked whether it is done.
const LOOK_EVERY: Duration = Duration::from_millis(500);

pub(super) fn backup(settings: &Settings, command: BackupCommand, answer: &mut Output<'_>) -> Result<(), CliError> {
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
            let file = file(settings, backup);
            let key = key_file_of(settings, key_file, &file).as_deref().map(key::read).transpose();
            let manifest = archive::read(&file, key.map_err(BackupError::from)?.as_ref(), None)?;
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
            let file = file(settings, backup);
            let key_file = key_file_of(settings, key_file, &file);
            let data_dir = &settings.data_dir;
            let order = Order { file: &file, key_file: key_file.as_deref(), data_dir, replace, without_peers };
            let actor = Actor::SystemUser(system_user::name_of(system_user::own_number()));
            let caller = Caller { actor, face: Face::CommandLine, address: None };
            tell_restored(&restore(&order, &caller)?, answer)
        }
    }
}

fn list_kept(settings: &Settings, answer: &mut Output<'_>) -> Result<(), CliError> {
    let kept: Vec<BackupView> =
        list(&settings.backup.folder)?.into_iter().map(|kept| BackupView::of(kept, answer.words)).collect();
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

/// A file, or one of those that are kept.
fn file(settings: &Settings, named: PathBuf) -> PathBuf {
    if named.components().count() == 1 && !named.exists() { settings.backup.folder.join(named) } else { named }
}

/// The key that is named, else that of this server where it is needed and there.
fn key_file_of(settings: &Settings, named: Option<PathBuf>, backup: &Path) -> Option<PathBuf> {
    let own = || Some(key::path(&settings.data_dir)).filter(|path| archive::is_sealed(backup) && path.exists());
    named.or_else(own)
}
