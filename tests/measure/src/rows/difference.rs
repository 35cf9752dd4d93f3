//! B2: what goes over the wire, and how long it takes, when half a year of changes or one price in
//! a hundred reaches a till.

mod peers;
mod server;

use crate::data::{self, Assortment, Good};
use crate::figure::{Outcome, of_u64};
use crate::part::Part;
use crate::report::{Line, Row, Side, Target, Unit, ratio, speed_beside};
use crate::{Contender, Context, MeasureError, Plan, progress};
use fs_err as fs;
use peers::Peers;
use server::{Shop, Till};
use std::fmt::Write as _;

/// The row.
pub(super) const PLAN: Plan =
    Plan { id: "B2", name: "difference", title: "half a year of changes, and one price in a hundred", run };

/// What runs in processes of its own.
pub(super) const PARTS: &[Part] = &[("difference", server::difference), peers::RUN_PROGRAM];

/// Rounds of what is compared.
const ROUNDS: usize = 3;

/// Of a thousand prices so many change.
const CHANGED_PRICES: u64 = 10;

/// One change of the dictionary, as the back office hands it in: what was there, and what comes.
struct Scenario {
    name: &'static str,
    folder: &'static str,
    before: Vec<u8>,
    change: Vec<u8>,
    /// Bytes are to be a fiftieth of those of rsync.
    prices: bool,
    /// The smallest patch is looked for as well, which takes a minute or two: once a run of the
    /// row.
    best_patch: bool,
}

fn run(context: &Context, row: &mut Row) -> Result<(), MeasureError> {
    let before = context.data.goods(Assortment::StoreBefore)?;
    let after = context.data.goods(Assortment::StoreAfter)?;
    let changed = data::with_changed_prices(&after, CHANGED_PRICES);
    let changed: Vec<&Good> = after.iter().zip(&changed).filter(|(old, new)| old != new).map(|(_, new)| new).collect();
    let all = |goods: &[Good]| aif(goods.iter(), true);
    let scenarios = [
        Scenario {
            name: "half a year",
            folder: "half-year",
            before: all(&before)?,
            change: all(&after)?,
            prices: false,
            best_patch: false,
        },
        Scenario {
            name: "1 % of prices, as whole items",
            folder: "items",
            before: all(&after)?,
            change: aif(changed.iter().copied(), false)?,
            prices: true,
            best_patch: true,
        },
        Scenario {
            name: "1 % of prices, by addPrice",
            folder: "prices",
            before: [all(&after)?, prices(after.iter())].concat(),
            change: prices(changed.iter().copied()),
            prices: true,
            best_patch: false,
        },
    ];
    row.notes.push(format!(
        "bytes of ours: the package and the link to it; the half year is the whole file of December after that of June; of {} \
         prices {} change, sent once as whole `addInventItem`, once as `addPrice` to a dictionary that has a price of each \
         barcode",
        after.len(),
        changed.len()
    ));
    row.notes.push(
        "seconds of ours: the server finds the difference and builds the package, the till loads and verifies it; of peers: \
         from two databases that lie side by side, without finding out what changed in the back office"
            .to_owned(),
    );
    for scenario in scenarios {
        progress(&format!("{}: a server and a till that have what was before", scenario.name));
        run_scenario(context, row, scenario)?;
    }
    Ok(())
}

fn run_scenario(context: &Context, row: &mut Row, scenario: Scenario) -> Result<(), MeasureError> {
    let Scenario { name, folder, before, change, prices, best_patch } = scenario;
    let folder = context.folder(&format!("difference-{folder}"))?;
    let shop = Shop::open(&folder.join("server"))?;
    shop.load(1, &before)?;
    let till = Till::begin(&shop, &folder)?;
    shop.load(2, &change)?;
    drop((before, change));
    // Once before the peers, which need the database that comes of it.
    till.follow()?;
    let peers = Peers::prepare(&folder.join("peers"), &till.before(), &till.database())?;
    let mut contenders: Vec<Contender<'_>> = vec![("ours", Box::new(|| till.follow()))];
    contenders.extend(peers.contenders(row));
    let names: Vec<String> = contenders.iter().map(|(name, _)| (*name).to_owned()).collect();
    let outcomes = context.alternate(context.rounds(ROUNDS), &mut contenders)?;
    drop(contenders);
    peers.compare()?;
    for (name_of, outcomes) in names.iter().zip(&outcomes) {
        let side = if name_of == "ours" { Side::Ours } else { Side::Beside };
        row.lines.push(Line::seconds(&format!("{name}: {name_of}"), side, outcomes));
        if outcomes.iter().all(|outcome| !outcome.figure(BYTES).is_nan()) {
            row.lines.push(Line::figure(&format!("{name}: {name_of}, bytes"), side, Unit::Bytes, BYTES, outcomes));
        }
    }
    for step in server::STEPS {
        let title = format!("{name}: of ours, {step}");
        row.lines.push(Line::figure(&title, Side::Ours, Unit::Seconds, step, &outcomes[0]));
    }
    let of = |wanted: &str| names.iter().position(|known| known == wanted).map(|at| outcomes[at].as_slice());
    let ours = &outcomes[0];
    let bytes = |one: &[Outcome], other: &[Outcome]| ratio(one, other, |outcome| outcome.figure(BYTES));
    let rsync: Vec<f64> =
        peers::RSYNC.iter().filter_map(|(name, _)| of(name)).map(|rsync| bytes(ours, rsync)).collect();
    if prices && !rsync.is_empty() {
        // Beside the setting in which rsync sends least.
        let worst = rsync.iter().copied().fold(f64::NAN, f64::max);
        row.targets.push(Target::at_most(&format!("{name}: bytes over rsync's"), worst, 0.02));
    }
    if let Some(zstd) = of(peers::ZSTD) {
        row.targets.push(Target::at_most(&format!("{name}: bytes over zstd's patch"), bytes(ours, zstd), 2.0));
        if best_patch && !context.options.quick {
            progress(&format!("{name}: zstd at level 19, once"));
            let best = [peers.best_patch()?];
            row.lines.push(Line::seconds(&format!("{name}: {}", peers::ZSTD_BEST), Side::Beside, &best));
            let title = format!("{name}: {}, bytes", peers::ZSTD_BEST);
            row.lines.push(Line::figure(&title, Side::Beside, Unit::Bytes, BYTES, &best));
            let found = bytes(&ours[..1], &best);
            row.targets.push(Target::at_most(&format!("{name}: bytes over zstd's patch at level 19"), found, 2.0));
        }
    }
    if let Some(sqldiff) = of(peers::SQLDIFF) {
        let speed = speed_beside(ours, sqldiff);
        row.targets.push(Target::at_least(&format!("{name}: speed over sqldiff | sqlite3"), speed, 3.0));
    }
    Ok(())
}

/// The figure of each run that says what would go over the wire.
const BYTES: &str = "bytes";

fn with_bytes(outcome: Outcome, bytes: u64) -> Outcome {
    outcome.with(BYTES, of_u64(bytes))
}

fn size(file: &std::path::Path) -> Result<u64, MeasureError> {
    fs::metadata(file).map(|file| file.len()).map_err(MeasureError::File)
}

fn aif<'a>(goods: impl Iterator<Item = &'a Good>, clear: bool) -> Result<Vec<u8>, MeasureError> {
    let mut aif = Vec::new();
    data::write_aif(goods, clear, &mut aif).map_err(MeasureError::File)?;
    Ok(aif)
}

/// An `addPrice` each.
fn prices<'a>(goods: impl Iterator<Item = &'a Good>) -> Vec<u8> {
    let mut text = String::new();
    for Good { barcode, kopecks, .. } in goods {
        let (roubles, rest) = (kopecks / 100, kopecks % 100);
        let _ = write!(
            text,
            "{{\"command\":\"addPrice\",\"price\":{{\"barcode\":\"{barcode}\",\"price\":{roubles}.{rest:02},\"doctype\":1,\
             \"documentid\":\"SHELF\"}}}}\n---\n"
        ); // writing to a String cannot fail
    }
    text.into_bytes()
}
