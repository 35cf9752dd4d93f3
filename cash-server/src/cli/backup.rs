//! `backup …`: asked of the running server, or done on the files themselves where none is needed.

use super::client::Client;
use super::table::Output;
use super::{BackupCommand, CliError};
use crate::backup::archive::{self, Manifest};
use crate::backup::restore::{Order, Restored, restore};
use crate::backup::{Reconciled, key, list};
use crate::rest::backups::{BackupView, BackupsView, EndedView, UnderWay};
use crate::settings::Settings;
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
            let state = ask_and_wait(settings, PATH, "the backup", |state| state.backup_ended.clone())?;
            tell_newest(&state, "made", answer)
        }
        BackupCommand::Rehearse => {
            let path = format!("{PATH}/rehearsal");
            let state = ask_and_wait(settings, &path, "the rehearsal", |state| state.rehearsal_ended.clone())?;
            tell_newest(&state, "unpacked, opened and compared, all of it is there:", answer)
        }
        BackupCommand::Verify { backup, key_file } => {
            let file = file(settings, backup);
            let key = key_file_of(settings, key_file, &file).as_deref().map(key::read).transpose();
            let manifest = archive::read(&file, key.map_err(crate::backup::BackupError::from)?.as_ref(), None)?;
            let told = format!("{} is whole: {}", file.display(), in_words(&manifest));
            answer.line(&json!({"file": file, "at": manifest.at, "files": manifest.files.len()}), &told)
        }
        BackupCommand::Key => {
            let path = key::path(&settings.data_dir);
            // Only one that is a key is printed as such.
            key::read(&path).map_err(crate::backup::BackupError::from)?;
            let text = fs_err::read_to_string(&path).map_err(CliError::Output)?;
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
    let kept: Vec<BackupView> = list(&settings.backup.folder)?.into_iter().map(Into::into).collect();
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
    what: &'static str,
    ended: impl Fn(&BackupsView) -> Option<EndedView>,
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
                return Err(CliError::Failed { what, fault });
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

fn tell_newest(state: &BackupsView, what: &str, answer: &mut Output<'_>) -> Result<(), CliError> {
    let Some(newest) = state.backups.first() else { return Ok(()) };
    let rows = newest.rehearsed_rows.map_or_else(String::new, |rows| format!(", {rows} rows"));
    let mut told = format!("{what} {}/{} ({} bytes{rows})", state.folder, newest.name, newest.bytes);
    if state.same_disk {
        told.push_str("\nit lies on the disk of the databases: copy it to another machine, or set backup.dir");
    }
    answer.line(&json!(newest), &told)
}

fn tell_restored(restored: &Restored, answer: &mut Output<'_>) -> Result<(), CliError> {
    let Restored { manifest, rows, aside, settings, peers } = restored;
    let mut told = format!("put back {}, {rows} rows", in_words(manifest));
    let mut add = |line: String| {
        told.push('\n');
        told.push_str(&line);
    };
    if let Some(aside) = aside {
        add(format!("what was there is in {}", aside.display()));
    }
    if let Some(settings) = settings {
        add(format!("the settings of that server are in {}: compare them with yours", settings.display()));
    }
    match peers {
        None => add("without the list of tills: look whether there are some that were removed".to_owned()),
        Some(Reconciled { removed, without_token, unknown }) => {
            for (names, what) in [
                (removed, "removed again, as they were since"),
                (
                    without_token,
                    "given a new token since, which is void: give them one more (`cash-server till settings … --new-token`)",
                ),
                (unknown, "made since, and not known any more: make them anew"),
            ] {
                if !names.is_empty() {
                    add(format!("tills {what}: {}", names.join(", ")));
                }
            }
        }
    }
    add("start the server: tills send it the sales that it has not, and it goes on after what they have".to_owned());
    let value = json!({"at": manifest.at, "rows": rows, "aside": aside, "settings": settings, "peers": peers});
    answer.line(&value, &told)
}

fn in_words(manifest: &Manifest) -> String {
    let Manifest { at, version, server, files, .. } = manifest;
    format!("{} files of `{server}` (cash-server {version}) as of {at}", files.len())
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
