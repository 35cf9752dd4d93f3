//! Copies what the lights went out on into the folder of fixtures, small: databases are
//! compressed, what differs from run to run in settings becomes `{name}`.

use super::Made;
use flate2::Compression;
use flate2::write::GzEncoder;
use fs_err as fs;
use rusqlite::Connection;
use std::io::Write as _;
use std::path::Path;

/// Files that say nothing: locks, sockets, logs, what SQLite makes anew.
const LEFT_OUT: [&str; 6] = ["lock", "sock", "log", "db-shm", "password", "tmp"];

/// Files that are compressed.
const COMPRESSED: [&str; 3] = ["db", "db-wal", "spool"];

/// What in text files is of this run only, and its name.
pub(super) type Names<'a> = [(&'a str, String)];

/// Copies a folder whole.
pub(super) fn folder(from: &Path, into: &Path, names: &Names<'_>) -> Made<()> {
    fs::create_dir_all(into)?;
    for entry in fs::read_dir(from)? {
        let path = entry?.path();
        let Some(name) = path.file_name().and_then(|name| name.to_str()) else { continue };
        let target = into.join(name);
        if path.is_dir() {
            folder(&path, &target, names)?;
            continue;
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
        if !path.is_file() || LEFT_OUT.contains(&extension) {
            continue;
        }
        file(&path, &target, extension, names)?;
    }
    Ok(())
}

fn file(path: &Path, target: &Path, extension: &str, names: &Names<'_>) -> Made<()> {
    let bytes = fs::read(path)?;
    if COMPRESSED.contains(&extension) {
        let out = fs::File::create(format!("{}.gz", target.display()))?;
        let mut encoder = GzEncoder::new(out, Compression::best());
        encoder.write_all(&bytes)?;
        encoder.finish()?;
        return Ok(());
    }
    if ["ini", "conf", "toml"].contains(&extension) {
        let mut text = String::from_utf8(bytes)?;
        for (name, value) in names {
            text = text.replace(value, &format!("{{{name}}}"));
        }
        fs::write(target, text)?;
        return Ok(());
    }
    fs::write(target, bytes)?;
    Ok(())
}

/// Brings the log of a database into it, except where `keep` says to leave it.
pub(super) fn checkpoint(folder: &Path, keep: &str) -> Made<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if Path::new(name).extension().is_some_and(|extension| extension == "db") && name != keep {
            let connection = Connection::open(&path)?;
            let busy: i64 = connection.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))?;
            if busy != 0 {
                return Err(format!("{} is still in use", path.display()).into());
            }
        }
    }
    Ok(())
}

/// The bytes under the path that a database remembers are of this run's folder.
pub(super) fn message(folder: &Path, name: &str, bytes: &[u8]) -> Made<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join(name), bytes)?;
    Ok(())
}
