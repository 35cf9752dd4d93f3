//! B7: a POS looks goods up by barcode, on a till that is idle and on one that loads a chain's
//! whole dictionary.

use crate::data::Assortment;
use crate::figure::{Outcome, as_f64, percentile};
use crate::overlay::Overlay;
use crate::part::{self, Part};
use crate::report::{Line, Row, Side, Target, Unit, ratio};
use crate::{Context, MeasureError, Plan, progress};
use fs_err as fs;
use jiff::civil::{DateTime, datetime};
use rusqlite::{Connection, OpenFlags};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant};
use tillway_exchangers::package::{BuiltPackage, PackageReader};
use tillway_exchangers::till::dictionary::{Applied, Loader, Shelf};
use tillway_proto::PackageName;

/// The row.
pub(super) const PLAN: Plan =
    Plan { id: "B7", name: "look-up", title: "a POS look-up by barcode, idle and during a load", run };

/// What runs in processes of its own.
pub(super) const PARTS: &[Part] = &[("look-up", look_up), ("load-chain", load_chain)];

/// Rounds of what is compared.
const ROUNDS: usize = 4;

/// A busy cashier scans twice a second; this is as if two hundred did.
const PACE: Duration = Duration::from_millis(2);

/// How long an idle till is asked.
const IDLE: Duration = Duration::from_secs(4);

/// The same in a quick run.
const QUICK_IDLE: Duration = Duration::from_millis(300);

/// Look-ups before the first that counts: a POS has been up for a while.
const WARM_UP: usize = 5_000;

/// Barcodes that are asked for, over and over: more than a shop sells in a day, spread over the
/// whole chain's.
const BARCODES: usize = 20_000;

/// A load that does not begin or end within this is broken.
const SOON: Duration = Duration::from_mins(5);

/// The time that prices are asked for.
const NOW: DateTime = datetime(2026, 1, 15, 12, 0, 0, 0);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
enum Who {
    /// The POS's side of the dictionary.
    Shelf,
    /// A bare prepared query of one table.
    Bare,
}

/// Look-ups of one kind.
#[derive(Serialize, Deserialize)]
struct LookUps {
    database: PathBuf,
    who: Who,
    /// Wait so long after each look-up; none: back to back.
    pace: Option<Duration>,
    until: Until,
}

/// When it ends.
#[derive(Serialize, Deserialize)]
enum Until {
    /// After so long.
    For(Duration),
    /// What counts is what is asked while a load runs.
    Load {
        /// Made when look-ups are under way.
        ready: PathBuf,
        /// There when the load has begun.
        begun: PathBuf,
        /// There when it has ended.
        ended: PathBuf,
    },
}

/// A load of a package.
#[derive(Serialize, Deserialize)]
struct Load {
    package: PathBuf,
    name: PackageName,
    database: PathBuf,
    begun: PathBuf,
    ended: PathBuf,
}

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let folder = context.folder("look-up")?;
    progress("making a till with a chain's dictionary");
    let (before, rows_before) = package(context, &folder, Assortment::ChainBefore, 1)?;
    let template = folder.join("template.db");
    apply(&before, &template)?;
    let (after, rows_after) = package(context, &folder, Assortment::ChainAfter, 2)?;
    let idle = if context.options.quick { QUICK_IDLE } else { IDLE };
    let asked = |who, pace| {
        let folder = &folder;
        let template = &template;
        move || {
            let database = fresh(folder, template)?;
            part::run("look-up", &LookUps { database, who, pace, until: Until::For(idle) })
        }
    };
    let loading = |pace| {
        let (folder, template, after) = (&folder, &template, &after);
        move || while_loading(folder, template, after, pace)
    };
    let mut outcomes = context.alternate(
        context.rounds(ROUNDS),
        &mut [
            ("idle, paced", Box::new(asked(Who::Shelf, Some(PACE)))),
            ("loading, paced", Box::new(loading(Some(PACE)))),
            ("idle, back to back", Box::new(asked(Who::Shelf, None))),
            ("loading, back to back", Box::new(loading(None))),
            ("bare, paced", Box::new(asked(Who::Bare, Some(PACE)))),
            ("bare, back to back", Box::new(asked(Who::Bare, None))),
        ],
    )?;
    let mut next = || outcomes.pop().unwrap_or_default();
    let (bare_back, bare_paced, loading_back, idle_back, loading_paced, idle_paced) =
        (next(), next(), next(), next(), next(), next());
    for (name, side, outcomes) in [
        ("one each 2 ms, idle", Side::Ours, &idle_paced),
        ("one each 2 ms, during a load", Side::Ours, &loading_paced),
        ("one each 2 ms, idle, a bare prepared SELECT", Side::Beside, &bare_paced),
        ("back to back, idle", Side::Ours, &idle_back),
        ("back to back, during a load", Side::Ours, &loading_back),
        ("back to back, idle, a bare prepared SELECT", Side::Beside, &bare_back),
    ] {
        for figure in ["p50", "p99", "max"] {
            row.lines.push(Line::figure(&format!("{name}: {figure}"), side, Unit::Seconds, figure, outcomes));
        }
    }
    row.lines.push(Line::figure(
        "look-ups during a load, one each 2 ms",
        Side::Ours,
        Unit::Count,
        "asked",
        &loading_paced,
    ));
    row.lines.push(Line::figure(
        "look-ups during a load, back to back",
        Side::Ours,
        Unit::Count,
        "asked",
        &loading_back,
    ));
    let loads: Vec<Outcome> = [&loading_paced, &loading_back]
        .into_iter()
        .flatten()
        .map(|outcome| Outcome::of_seconds(outcome.figure("load")))
        .collect();
    row.lines.push(Line::seconds("the load meanwhile", Side::Ours, &loads).moving(as_f64(rows_after), "rows"));
    let p99 = |outcome: &Outcome| outcome.figure("p99");
    for (name, during, idle) in
        [("one each 2 ms", &loading_paced, &idle_paced), ("back to back", &loading_back, &idle_back)]
    {
        let what = format!("{name}: p99 during a load over p99 idle");
        row.targets.push(Target::at_most(&what, ratio(during, idle, p99), 2.0));
    }
    row.notes.push(format!(
        "The till has {rows_before} rows and loads a snapshot with {rows_after} into the same file, by a loader in a process of \
         its own; what is asked from its first to its last step counts, the checkpoint included. {BARCODES} barcodes of all, in \
         an order of chance, each with its price, as a POS asks; the file's pages are in the system's memory. Each round has a fresh copy of the \
         file."
    ));
    Ok(())
}

fn package(
    context: &Context,
    folder: &Path,
    assortment: Assortment,
    to: u64,
) -> Result<(BuiltPackage, usize), MeasureError> {
    let overlay = Overlay::of(&context.data.goods(assortment)?)?;
    Ok((overlay.snapshot(folder, to)?, overlay.rows()))
}

fn apply(package: &BuiltPackage, database: &Path) -> Result<(), MeasureError> {
    let (begun, ended) = (database.with_extension("begun"), database.with_extension("ended"));
    let load =
        Load { package: package.path.clone(), name: package.name.clone(), database: database.to_owned(), begun, ended };
    part::run("load-chain", &load).map(drop)
}

/// A copy of the till's dictionary.
fn fresh(folder: &Path, template: &Path) -> Result<PathBuf, MeasureError> {
    let database = folder.join("dictionaries.db");
    for suffix in ["", "-wal", "-shm", ".lock"] {
        let file = PathBuf::from(format!("{}{suffix}", database.display()));
        if file.exists() {
            fs::remove_file(file).map_err(MeasureError::File)?;
        }
    }
    fs::copy(template, &database).map_err(MeasureError::File)?;
    fs::File::open(&database).and_then(|file| file.sync_all()).map_err(MeasureError::File)?;
    Ok(database)
}

fn while_loading(
    folder: &Path,
    template: &Path,
    package: &BuiltPackage,
    pace: Option<Duration>,
) -> Result<Outcome, MeasureError> {
    let database = fresh(folder, template)?;
    let note = |name: &str| -> Result<PathBuf, MeasureError> {
        let path = folder.join(name);
        if path.exists() {
            fs::remove_file(&path).map_err(MeasureError::File)?;
        }
        Ok(path)
    };
    let (ready, begun, ended) = (note("ready")?, note("begun")?, note("ended")?);
    let look_ups = LookUps {
        database: database.clone(),
        who: Who::Shelf,
        pace,
        until: Until::Load { ready: ready.clone(), begun: begun.clone(), ended: ended.clone() },
    };
    thread::scope(|scope| {
        let asking = scope.spawn(|| part::run("look-up", &look_ups));
        while !ready.exists() && !asking.is_finished() {
            thread::sleep(PACE);
        }
        let load = Load { package: package.path.clone(), name: package.name.clone(), database, begun, ended };
        let loaded = part::run("load-chain", &load);
        if loaded.is_err() {
            // Else they would go on asking.
            fs::write(&load.begun, "").and_then(|()| fs::write(&load.ended, "")).map_err(MeasureError::File)?;
        }
        let asked = asking.join().map_err(|_| MeasureError::wrong("looking up", "it panicked"))?;
        Ok(asked?.with("load", loaded?.seconds))
    })
}

/// The part that loads, as the till's agent does.
fn load_chain(arguments: &str) -> Result<Outcome, MeasureError> {
    let load: Load = part::arguments(arguments)?;
    let mut loader =
        Loader::open(&load.database).map_err(|error| MeasureError::wrong("opening a dictionary", error))?;
    fs::write(&load.begun, "").map_err(MeasureError::File)?;
    let ((), outcome) = part::timed(|| {
        let wrong = |error: &dyn std::error::Error| MeasureError::wrong("loading a package", error);
        let mut reader = PackageReader::open(&load.package, &load.name).map_err(|error| wrong(&error))?;
        match loader.apply(&mut reader).map_err(|error| wrong(&error))? {
            Applied::Done(_) => Ok(()),
            Applied::Skipped { cursor } => {
                Err(MeasureError::wrong("loading a package", format!("skipped at {cursor}")))
            }
        }
    })?;
    fs::write(&load.ended, "").map_err(MeasureError::File)?;
    Ok(outcome)
}

/// The part that asks.
fn look_up(arguments: &str) -> Result<Outcome, MeasureError> {
    let look_ups: LookUps = part::arguments(arguments)?;
    let barcodes = barcodes(&look_ups.database)?;
    let (samples, outcome) = match look_ups.who {
        Who::Shelf => {
            let shelf = Shelf::open(&look_ups.database).map_err(|error| MeasureError::wrong("the shelf", error))?;
            let ask = |barcode: &str| {
                let found = shelf.by_barcode(barcode, NOW).map_err(|error| MeasureError::wrong("a look-up", error))?;
                Ok(found.first().is_some_and(|good| good.price.is_some()))
            };
            part::timed(|| samples(&look_ups, &barcodes, ask))?
        }
        Who::Bare => {
            let sql = MeasureError::sql(&look_ups.database);
            let connection = read_only(&look_ups.database)?;
            let query = "SELECT code, name, price FROM barcodes WHERE barcode = ?1";
            let mut statement = connection.prepare(query).map_err(&sql)?;
            let ask = |barcode: &str| {
                let read = |row: &rusqlite::Row<'_>| {
                    let _: (String, Option<String>, Option<i64>) = (row.get(0)?, row.get(1)?, row.get(2)?);
                    Ok(())
                };
                let found = statement.query_map([barcode], read).and_then(Iterator::collect::<Result<Vec<()>, _>>);
                found.map(|found| !found.is_empty()).map_err(&sql)
            };
            part::timed(|| samples(&look_ups, &barcodes, ask))?
        }
    };
    let largest = samples.iter().copied().fold(f64::NAN, f64::max);
    Ok(outcome
        .with("p50", percentile(&samples, 0.5))
        .with("p99", percentile(&samples, 0.99))
        .with("max", largest)
        .with("asked", as_f64(samples.len())))
}

/// How long each look-up took.
fn samples(
    look_ups: &LookUps,
    barcodes: &[String],
    mut ask: impl FnMut(&str) -> Result<bool, MeasureError>,
) -> Result<Vec<f64>, MeasureError> {
    let mut samples = Vec::with_capacity(1 << 20);
    let mut missing = 0_usize;
    let mut turn = barcodes.iter().cycle();
    let mut one = |pace: Option<Duration>, samples: Option<&mut Vec<f64>>| -> Result<(), MeasureError> {
        let Some(barcode) = turn.next() else { return Err(MeasureError::wrong("looking up", "no barcodes")) };
        let asked = Instant::now();
        let found = ask(barcode)?;
        let took = asked.elapsed().as_secs_f64();
        missing += usize::from(!found);
        if let Some(samples) = samples {
            samples.push(took);
        }
        if let Some(pace) = pace {
            thread::sleep(pace);
        }
        Ok(())
    };
    for _ in 0..WARM_UP {
        one(None, None)?;
    }
    let pace = look_ups.pace;
    let started = Instant::now();
    match &look_ups.until {
        Until::For(time) => {
            while started.elapsed() < *time {
                one(pace, Some(&mut samples))?;
            }
        }
        Until::Load { ready, begun, ended } => {
            fs::write(ready, "").map_err(MeasureError::File)?;
            let look_every = if pace.is_some() { 1 } else { 64 };
            let (mut counts, mut over) = (false, false);
            while !over {
                for _ in 0..look_every {
                    one(pace, counts.then_some(&mut samples))?;
                }
                counts = counts || begun.exists();
                over = ended.exists();
                if started.elapsed() > SOON {
                    return Err(MeasureError::wrong("looking up", "the load does not end"));
                }
            }
        }
    }
    // Some goods go away with the load.
    if missing > samples.len() / 2 {
        return Err(MeasureError::wrong("looking up", format!("{missing} barcodes without a price")));
    }
    Ok(samples)
}

fn read_only(database: &Path) -> Result<Connection, MeasureError> {
    Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_ONLY).map_err(MeasureError::sql(database))
}

/// Barcodes of the file, in an order of chance that is the same each time.
fn barcodes(database: &Path) -> Result<Vec<String>, MeasureError> {
    let sql = MeasureError::sql(database);
    let connection = read_only(database)?;
    let read = || {
        let mut statement = connection.prepare("SELECT barcode FROM barcodes")?;
        statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<Vec<String>>>()
    };
    let mut barcodes = read().map_err(sql)?;
    barcodes.sort_by_key(|barcode| xxhash_rust::xxh3::xxh3_64(barcode.as_bytes()));
    barcodes.truncate(BARCODES);
    Ok(barcodes)
}
