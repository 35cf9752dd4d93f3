//! What others would bring a copy of a database to the state of another with.

use super::{size, with_bytes};
use crate::figure::Outcome;
use crate::part::{self, Part};
use crate::peers::{is_there, sqlite, tables};
use crate::report::Row;
use crate::{Contender, MeasureError};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Runs a program, times it, and tells what it would send.
pub(super) const RUN_PROGRAM: Part = ("run-sending", run_program);

/// Its manual says `-z` for slow lines, and has the size of blocks follow from that of the file.
/// An SQLite file changes by pages of 4,096 bytes: the second way is of one who knows that.
pub(super) const RSYNC: [(&str, &[&str]); 2] =
    [("rsync -z", &["-z"]), ("rsync -z, blocks of a page", &["-z", "--block-size=4096"])];

/// As its manual has it, at the level it has without being told.
pub(super) const ZSTD: &str = "zstd --patch-from, and applying it";
/// Level 19 with what the manual adds for it.
pub(super) const ZSTD_BEST: &str = "zstd -19 --patch-from";
/// The tool of SQLite.
pub(super) const SQLDIFF: &str = "sqldiff | sqlite3";

/// Both databases without the triggers that tell our loader of other hands.
pub(super) struct Peers {
    folder: PathBuf,
}

/// How many bytes a run sends.
#[derive(Serialize, Deserialize)]
pub(super) enum Bytes {
    /// As `rsync --stats` tells.
    Rsync,
    /// All of a file that it writes.
    File(PathBuf),
    /// Nobody says.
    Unknown,
}

#[derive(Serialize, Deserialize)]
struct Program {
    name: String,
    arguments: Vec<String>,
    bytes: Bytes,
}

fn run_program(arguments: &str) -> Result<Outcome, MeasureError> {
    let Program { name, arguments, bytes } = part::arguments(arguments)?;
    let (outcome, printed) = part::timed_output(Command::new(name).args(arguments))?;
    match bytes {
        Bytes::Unknown => Ok(outcome),
        Bytes::File(file) => Ok(with_bytes(outcome, size(&file)?)),
        Bytes::Rsync => {
            let of = |what: &str| {
                let line = printed.lines().find_map(|line| line.strip_prefix(what));
                line.and_then(|number| number.replace([',', ' '], "").parse::<u64>().ok())
            };
            let both = of("Total bytes sent:").zip(of("Total bytes received:"));
            let (sent, received) = both.ok_or_else(|| MeasureError::wrong("rsync", format!("it says {printed}")))?;
            Ok(with_bytes(outcome, sent + received))
        }
    }
}

fn run_apart(program: &str, arguments: Vec<String>, bytes: Bytes) -> Result<Outcome, MeasureError> {
    part::run(RUN_PROGRAM.0, &Program { name: program.to_owned(), arguments, bytes })
}

fn text(path: &Path) -> String {
    path.display().to_string()
}

impl Peers {
    pub(super) fn prepare(folder: &Path, old: &Path, new: &Path) -> Result<Self, MeasureError> {
        for part in ["there", "sent"] {
            fs::create_dir_all(folder.join(part)).map_err(MeasureError::File)?;
        }
        let peers = Self { folder: folder.to_owned() };
        for (from, to) in [(old, peers.old()), (new, peers.new_one())] {
            fs::copy(from, &to).map_err(MeasureError::File)?;
            sqlite::drop_triggers(&to)?;
        }
        Ok(peers)
    }

    fn old(&self) -> PathBuf {
        self.folder.join("old.db")
    }

    fn new_one(&self) -> PathBuf {
        self.folder.join("new.db")
    }

    /// The copy that is brought to the new state.
    fn copy(&self, of: &str) -> PathBuf {
        self.folder.join("there").join(format!("{of}.db"))
    }

    fn begin(&self, of: &str) -> Result<PathBuf, MeasureError> {
        let copy = self.copy(of);
        sqlite::remove(&copy)?;
        fs::copy(self.old(), &copy).map_err(MeasureError::File)?;
        Ok(copy)
    }

    pub(super) fn contenders(&self, row: &mut Row) -> Vec<Contender<'_>> {
        let mut contenders: Vec<Contender<'_>> = Vec::new();
        let mut lacks = |program: &str| {
            let lacks = !is_there(program);
            let told = format!("{program}: it is not installed");
            if lacks && !row.skipped.contains(&told) {
                row.skipped.push(told);
            }
            lacks
        };
        if !lacks("rsync") {
            for (name, options) in RSYNC {
                contenders.push((name, Box::new(move || self.rsync(options))));
            }
        }
        // The shell first: both are looked for.
        if !lacks("sqldiff") && !lacks("sqlite3") {
            contenders.push((SQLDIFF, Box::new(|| self.sqldiff())));
        }
        if !lacks("zstd") {
            contenders.push((ZSTD, Box::new(|| self.zstd())));
        }
        contenders
    }

    fn rsync(&self, options: &[&str]) -> Result<Outcome, MeasureError> {
        let copy = self.begin("rsync")?;
        let sent = self.folder.join("sent/rsync.db");
        fs::copy(self.new_one(), &sent).map_err(MeasureError::File)?;
        let mut arguments: Vec<String> =
            ["--no-whole-file", "--ignore-times", "--fsync", "--stats"].map(str::to_owned).into();
        arguments.extend(options.iter().map(|option| (*option).to_owned()));
        arguments.extend([text(&sent), text(&copy)]);
        run_apart("rsync", arguments, Bytes::Rsync)
    }

    fn sqldiff(&self) -> Result<Outcome, MeasureError> {
        let copy = self.begin("sqldiff")?;
        // Closing the last connection moves the log into the database.
        let script = "sqldiff --transaction \"$1\" \"$2\" | sqlite3 -bail -cmd 'PRAGMA synchronous = FULL' \
                      -cmd 'PRAGMA cache_size = -65536' \"$3\"";
        let files = [self.old(), self.new_one(), copy].map(|file| text(&file));
        let arguments = ["-c", script, "sh"].map(str::to_owned).into_iter().chain(files).collect();
        run_apart("sh", arguments, Bytes::Unknown)
    }

    fn zstd(&self) -> Result<Outcome, MeasureError> {
        let (copy, patch) = (self.copy("zstd"), self.folder.join("sent/patch.zst"));
        sqlite::remove(&copy)?;
        let script = "zstd -q -f --long=27 --patch-from=\"$1\" \"$2\" -o \"$3\" && \
                      zstd -q -d -f --long=27 --patch-from=\"$1\" \"$3\" -o \"$4\" && sync \"$4\"";
        let files = [self.old(), self.new_one(), patch.clone(), copy].map(|file| text(&file));
        let arguments = ["-c", script, "sh"].map(str::to_owned).into_iter().chain(files).collect();
        run_apart("sh", arguments, Bytes::File(patch))
    }

    /// The smallest patch that the manual tells how to make. It takes most of a minute.
    pub(super) fn best_patch(&self) -> Result<Outcome, MeasureError> {
        let patch = self.folder.join("sent/best.zst");
        let options = ["-q", "-f", "-19", "--single-thread", "--long=27", "--zstd=targetLength=4096"];
        let mut arguments: Vec<String> = options.map(str::to_owned).into();
        arguments.push(format!("--patch-from={}", text(&self.old())));
        arguments.extend([text(&self.new_one()), "-o".to_owned(), text(&patch)]);
        run_apart("zstd", arguments, Bytes::File(patch))
    }

    /// Whether all copies hold the new rows.
    pub(super) fn compare(&self) -> Result<(), MeasureError> {
        let copies = ["rsync", "sqldiff", "zstd"].map(|of| self.copy(of));
        copies.iter().filter(|copy| copy.exists()).try_for_each(|copy| tables::compare(&self.new_one(), copy))
    }
}
