//! Objects × 1, 2, 4, 8: into an empty server, onto what it has, and into a till.

use super::super::chain_server::{ChainServer, ROWS_OF_A_GOOD, whole_file};
use super::grown;
use crate::data::{Assortment, Good};
use crate::figure::{Outcome, as_f64, median};
use crate::overlay::Overlay;
use crate::part::{self, Part};
use crate::report::{Line, Row, Side};
use crate::{Context, MeasureError, progress};
use fs_err as fs;
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tillway_exchangers::package::PackageReader;
use tillway_exchangers::till::dictionary::{Applied, Loader};
use tillway_proto::PackageName;

pub(super) const PARTS: &[Part] = &[("load-grown-package", load_grown_package)];

/// One of so many of the chain's goods: from the smallest part to the whole.
const SHARES: [usize; 4] = [8, 4, 2, 1];

/// Rounds over all sizes. One takes minutes; what slows the machine down for a while may then
/// count for one size alone.
const ROUNDS: usize = 1;

/// Loads of the till in a round: each takes seconds, so that a slow moment of the machine need not
/// count for one size alone.
const TILL_LOADS: usize = 3;

/// A part of the chain: its two files, and what the later state is for a till.
struct ChainPart {
    before: PathBuf,
    after: PathBuf,
    goods: (usize, usize),
    load: Load,
    full: Vec<Outcome>,
    changed: Vec<Outcome>,
    till: Vec<Outcome>,
}

/// A package, and the till that it goes to.
#[derive(Serialize, Deserialize)]
struct Load {
    package: PathBuf,
    name: PackageName,
    folder: PathBuf,
}

pub(super) fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let folder = context.folder("growth")?;
    let before = context.data.goods(Assortment::ChainBefore)?;
    let after = context.data.goods(Assortment::ChainAfter)?;
    let mut parts = Vec::new();
    for share in SHARES {
        progress(&format!("objects: the files of one of {share} of the chain"));
        parts.push(ChainPart::of(&folder, share, first(&before, share), first(&after, share))?);
    }
    for round in 1..=context.rounds(ROUNDS) {
        for (part, share) in parts.iter_mut().zip(SHARES) {
            progress(&format!("objects: round {round}, one of {share} of the chain"));
            part.measure()?;
        }
    }
    report(row, &parts);
    Ok(())
}

fn first(goods: &[Good], share: usize) -> &[Good] {
    &goods[..goods.len() / share]
}

impl ChainPart {
    fn of(folder: &Path, share: usize, before: &[Good], after: &[Good]) -> Result<Self, MeasureError> {
        let at = |name: &str| folder.join(format!("{name}-{share}.aif"));
        let files = (at("before"), at("after"));
        whole_file(&files.0, before)?;
        whole_file(&files.1, after)?;
        let package = Overlay::of(after)?.snapshot(folder, 1)?;
        let load = Load { package: package.path, name: package.name, folder: folder.join(format!("till-{share}")) };
        Ok(Self {
            before: files.0,
            after: files.1,
            goods: (before.len(), after.len()),
            load,
            full: Vec::new(),
            changed: Vec::new(),
            till: Vec::new(),
        })
    }

    fn measure(&mut self) -> Result<(), MeasureError> {
        let mut server = ChainServer::start()?;
        self.full.push(server.take(&self.before, self.goods.0 * ROWS_OF_A_GOOD)?.outcome);
        self.changed.push(server.take(&self.after, self.goods.1 * ROWS_OF_A_GOOD)?.outcome);
        drop(server);
        for _ in 0..TILL_LOADS {
            if self.load.folder.exists() {
                fs::remove_dir_all(&self.load.folder).map_err(MeasureError::File)?;
            }
            fs::create_dir_all(&self.load.folder).map_err(MeasureError::File)?;
            self.till.push(part::run("load-grown-package", &self.load)?);
        }
        Ok(())
    }
}

/// What a way of loading takes of a part, and the runs of it.
type Way = fn(&ChainPart) -> (usize, &[Outcome]);

fn report(row: &mut Row, parts: &[ChainPart]) {
    let ways: [(&str, Way); 3] = [
        ("full load into an empty server", |part| (part.goods.0, &part.full)),
        ("intake with about 7 % changed", |part| (part.goods.1, &part.changed)),
        ("a till's loader, from the package", |part| (part.goods.1, &part.till)),
    ];
    let mut all = Vec::new();
    for (name, of) in ways {
        let mut points = Vec::new();
        for part in parts {
            let (goods, outcomes) = of(part);
            let rows = as_f64(goods * ROWS_OF_A_GOOD);
            let line = format!("{name}, {} objects", goods * ROWS_OF_A_GOOD);
            row.lines.push(Line::seconds(&line, Side::Ours, outcomes).moving(rows, "objects"));
            let seconds: Vec<f64> = outcomes.iter().map(|outcome| outcome.seconds).collect();
            points.push((rows, median(&seconds)));
        }
        all.push((name.to_owned(), points));
    }
    grown(row, "seconds over objects", ("objects", "seconds"), "object", all);
}

/// The till's loader: the package applied to an empty database and verified.
fn load_grown_package(arguments: &str) -> Result<Outcome, MeasureError> {
    let Load { package, name, folder }: Load = part::arguments(arguments)?;
    let failed = |error: &dyn std::fmt::Display| MeasureError::wrong("loading a package", error);
    let mut loader = Loader::open(&folder.join("dictionaries.db")).map_err(|error| failed(&error))?;
    let ((), outcome) = part::timed(|| {
        let mut reader = PackageReader::open(&package, &name).map_err(|error| failed(&error))?;
        match loader.apply(&mut reader).map_err(|error| failed(&error))? {
            Applied::Done(_) => Ok(()),
            Applied::Skipped { cursor } => Err(failed(&format!("skipped at {cursor}"))),
        }
    })?;
    Ok(outcome)
}
